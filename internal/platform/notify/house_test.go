package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/emersion/go-smtp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/letter"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/seal"
	"yagura/locale"
)

// clock is the database's time, which a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)} } // noon in Tokyo

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// crowd is people of a test. The role "keeper" may box.read.
type crowd struct {
	mu     sync.Mutex
	people []auth.Person
	units  []auth.Unit
	secret map[string][]string // who may know of a box; a box that is not in it is everybody's
	inside map[string]bool     // boxes that may not leave
}

func (c *crowd) change(fn func()) { c.mu.Lock(); defer c.mu.Unlock(); fn() }

func (c *crowd) Person(_ context.Context, id string) (p auth.Person, err error) {
	err = fault.New(fault.NotFound, "fault.not_found", "nobody is %s", id)
	c.change(func() {
		if i := slices.IndexFunc(c.people, func(p auth.Person) bool { return p.ID == id }); i >= 0 {
			p, err = c.people[i], nil
		}
	})
	return p, err
}

func (c *crowd) People(_ context.Context, f auth.PeopleFilter, cursor string, limit int) (page db.Page[auth.Person], err error) {
	c.change(func() {
		for _, p := range c.people {
			if (f.Role == "" || slices.Contains(p.RoleNames(), f.Role)) && (f.Unit == "" || p.Unit == f.Unit) && slices.Contains(f.States, p.State) && p.ID > cursor {
				page.Items = append(page.Items, p)
			}
		}
	})
	slices.SortFunc(page.Items, func(a, b auth.Person) int { return strings.Compare(a.ID, b.ID) })
	if len(page.Items) > limit {
		page.Items, page.Next = page.Items[:limit], page.Items[limit-1].ID
	}
	return page, nil
}

func (c *crowd) Names(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string)
	for _, id := range ids {
		if p, err := c.Person(ctx, id); err == nil {
			names[id] = p.Name
		}
	}
	return names, nil
}

func (c *crowd) Holders(context.Context) (map[string]int, error) {
	return map[string]int{"keeper": 2, "guest": 1}, nil
}

func (c *crowd) Units(context.Context) ([]auth.Unit, error) { return c.units, nil }

func (c *crowd) Allows(roles []string, permission string) bool {
	return permission == "box.read" && slices.Contains(roles, "keeper")
}

func person(id, lang, zone string, roles ...string) auth.Person {
	p := auth.Person{ID: id, Kind: auth.Human, State: auth.Active, Name: id, Email: id + "@example.co.jp", Lang: lang, Zone: zone}
	for _, role := range roles {
		p.Roles = append(p.Roles, auth.Role{Name: role, Origin: auth.ByHand})
	}
	return p
}

// house is a notifier with all that it stands on: a real SMTP server, real jobs, and three people.
type house struct {
	*notify.Notifier
	*crowd
	t      testing.TB
	db     *db.DB
	clock  *clock
	log    *ledger.Log
	keys   *seal.Keys
	queue  *jobs.Queue
	outbox *mail.Outbox
	bundle *i18n.Bundle
	office *office
	logged *strings.Builder
	stop   func()
}

// words are the catalogues with those of the test's topics.
func words(t testing.TB) *i18n.Bundle {
	t.Helper()
	files := fstest.MapFS{}
	for i, lang := range []string{"en", "ja"} {
		data, err := locale.Files.ReadFile(lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		texts := make(map[string]string)
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatal(err)
		}
		for key, text := range map[string][2]string{
			"notify.topic.box.opened": {"Box opened", "箱の開封"}, "notify.text.box.opened": {"{0} opened the box {1}", "{0}さんが箱「{1}」を開けました"},
			"notify.topic.box.discussed": {"Box discussed", "箱についての話"}, "notify.text.box.discussed": {"{0} speaks of the box {1}", "{0}さんが箱「{1}」について話しています"},
			"notify.topic.box.lost": {"Box lost", "箱の紛失"}, "notify.text.box.lost": {"The box {0} is lost", "箱「{0}」がなくなりました"},
			"notify.topic.box.counted": {"Boxes counted", "箱の棚卸し"}, "notify.text.box.counted": {"{0, plural, one {# box} other {# boxes}} on {1}, {2}", "{1} の時点で {0, plural, other {#箱}}({2})"},
		} {
			texts[key] = text[i]
		}
		if data, err = json.Marshal(texts); err != nil {
			t.Fatal(err)
		}
		files[lang+".json"] = &fstest.MapFile{Data: data}
	}
	bundle, err := i18n.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// build makes a house; its jobs and mails are worked off until the test ends.
func build(t testing.TB, d *db.DB, c *clock) *house {
	t.Helper()
	h := &house{t: t, db: d, clock: c, keys: seal.Generate(), office: openOffice(t), bundle: words(t), logged: new(strings.Builder)}
	h.crowd = &crowd{
		people: []auth.Person{person("aoki", "ja", "Asia/Tokyo", "keeper"), person("baba", "en", "Europe/Berlin", "keeper"), person("chiba", "", "", "guest")},
		units:  []auth.Unit{{ID: "group"}, {ID: "shop", Parent: "group"}, {ID: "other"}},
		secret: make(map[string][]string), inside: make(map[string]bool),
	}
	var err error
	if h.log, err = ledger.Open(t.Context(), d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), "notify", notify.Migrations()); err != nil {
		t.Fatal(err)
	}
	if err := h.log.Track(t.Context(), notify.Tables()...); err != nil {
		t.Fatal(err)
	}
	h.start()
	return h
}

// start makes a node of it: what a restarted process does.
func (h *house) start() {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	var err error
	h.queue, err = jobs.Open(h.t.Context(), jobs.Options{DB: h.db, Ledger: h.log, Log: log, Poll: 5 * time.Millisecond})
	must(err)
	h.outbox, err = mail.Open(h.t.Context(), mail.Options{DB: h.db, Keys: h.keys, Log: log, SMTP: mail.SMTP{Server: h.office.address, Security: mail.Plain, From: "Yagura <yagura@example.co.jp>"}})
	must(err)
	post, err := letter.New(h.outbox, "https://yagura.example.co.jp/")
	must(err)
	client, err := httpx.New(httpx.Options{Timeout: 400 * time.Millisecond, MaxBody: 4096, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	must(err)
	h.Notifier = notify.Open(notify.Options{
		DB: h.db, Ledger: h.log, Keys: h.keys, Jobs: h.queue, People: h.crowd, Roles: h.crowd, Post: post, HTTP: client, Bundle: h.bundle, PublicURL: "https://yagura.example.co.jp/", Log: log,
	})
	must(h.queue.Check())
	h.Declare(
		notify.Topic{Name: "box.opened", Args: []string{"who", "box"}, Severity: notify.Low, Mail: notify.On},
		notify.Topic{Name: "box.lost", Args: []string{"box"}, Severity: notify.Critical, Mail: notify.On, Permission: "box.read"},
		notify.Topic{Name: "box.discussed", Args: []string{"who", "box"}, Severity: notify.Low, Inside: true},
		notify.Topic{Name: "box.counted", Args: []string{"n", "at", "level"}, Severity: notify.Informational, Mail: notify.Digest},
	)
	h.Know(notify.Kind{
		Name: "box", Path: "/boxes/{id}",
		MayKnow: func(_ context.Context, p auth.Person, id string) (may bool, err error) {
			h.change(func() { may = h.secret[id] == nil || slices.Contains(h.secret[id], p.ID) })
			return may, nil
		},
		MayLeave: func(_ context.Context, id string) (may bool, err error) {
			h.change(func() { may = h.secret[id] == nil && !h.inside[id] })
			return may, nil
		},
	})
	ctx, cancel := context.WithCancel(h.t.Context())
	var works sync.WaitGroup
	works.Go(func() {
		if err := h.queue.Run(ctx); err != nil && ctx.Err() == nil {
			h.t.Error(err)
		}
	})
	works.Go(func() {
		if err := h.outbox.Run(ctx); err != nil && ctx.Err() == nil {
			h.t.Error(err)
		}
	})
	h.stop = sync.OnceFunc(func() { cancel(); works.Wait() })
	h.t.Cleanup(h.stop)
}

// each runs a test in a house on each engine.
func each(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			test(t, build(t, open(t, c.now), c))
		})
	}
}

// one runs a test in a house.
func one(t *testing.T) *house {
	t.Helper()
	c := newClock()
	return build(t, dbtest.NewAt(t, c.now), c)
}

// send sends notices and waits until everything that is due is done.
func (h *house) send(list ...notify.Notice) {
	h.t.Helper()
	err := h.db.Write(h.t.Context(), func(tx *db.Tx) error {
		for _, x := range list {
			if err := h.Send(tx, x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.settle()
}

// settle waits until nothing is due: the test's own limit ends it where something never is done.
func (h *house) settle() {
	h.t.Helper()
	for {
		var left int
		err := h.db.Read(h.t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM job WHERE state = 'running' OR (state = 'waiting' AND due_at <= $1))
				+ (SELECT COUNT(*) FROM mail_outbox WHERE failed_at = 0)`, db.Micros(h.clock.now())).Scan(&left)
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if left == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	failed, err := h.queue.List(h.t.Context(), jobs.Filter{State: jobs.Failed, Limit: 10})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, j := range failed.Items {
		h.t.Errorf("the job %s failed: %s", j.Name, j.Error)
	}
}

func (h *house) pass(d time.Duration) {
	h.t.Helper()
	h.clock.pass(d)
	h.settle()
}

// list is what a person's list says.
func (h *house) list(id string, lang i18n.Lang) []string {
	h.t.Helper()
	page, err := h.List(h.t.Context(), id, notify.Filter{Limit: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	texts, err := h.Texts(h.t.Context(), h.bundle.Printer(lang, nil), page.Items)
	if err != nil {
		h.t.Fatal(err)
	}
	return texts
}

func (h *house) unread(id string) int {
	h.t.Helper()
	count, err := h.Unread(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return count
}

// opened is a notice about a box.
func opened(box string, to ...string) notify.Notice {
	return notify.Notice{Topic: "box.opened", Ref: ref.Ref{Kind: "box", ID: box}, Args: notify.Args{"who": notify.Person("baba"), "box": notify.Text(box)}, To: notify.To(to...)}
}

func lost(box string, to ...string) notify.Notice {
	return notify.Notice{Topic: "box.lost", Ref: ref.Ref{Kind: "box", ID: box}, Args: notify.Args{"box": notify.Text(box)}, To: notify.To(to...)}
}

// office is a real SMTP server.
type office struct {
	address string
	mu      sync.Mutex
	mails   []letterIn
}

type letterIn struct{ to, data string }

func openOffice(t testing.TB) *office {
	t.Helper()
	o := new(office)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &visit{office: o}, nil }))
	server.ErrorLog = stdlog.New(io.Discard, "", 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.address = listener.Addr().String()
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return o
}

type visit struct {
	office *office
	to     string
}

func (v *visit) Mail(string, *smtp.MailOptions) error      { return nil }
func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error { v.to = to; return nil }
func (v *visit) Reset()                                    {}
func (v *visit) Logout() error                             { return nil }

func (v *visit) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err // the sender was killed in the middle of it: no server takes half a mail
	}
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	v.office.mails = append(v.office.mails, letterIn{v.to, string(data)})
	return nil
}

// taken returns the mails to a person, read; and forgets none.
func (o *office) taken(t testing.TB, to string) (mails []parsed) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.mails {
		if strings.HasPrefix(m.to, to+"@") {
			mails = append(mails, parse(t, m.data))
		}
	}
	return mails
}

func lines(texts []string) string {
	return fmt.Sprintf("%d: %s", len(texts), strings.Join(texts, " | "))
}
