package room_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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
	"yagura/internal/platform/notify/room"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web/webtest"
	"yagura/locale"
)

// crowd is one person, called "admin" as webtest's visitor is, and everybody may know everything but what is secret.
type crowd struct{ people map[string]auth.Person }

func (c crowd) Person(_ context.Context, id string) (auth.Person, error) {
	if p, ok := c.people[id]; ok {
		return p, nil
	}
	return auth.Person{}, fault.New(fault.NotFound, "fault.not_found", "nobody is %s", id)
}

func (c crowd) ByEmail(_ context.Context, email string) (auth.Person, error) {
	for _, p := range c.people {
		if p.Email == email {
			return p, nil
		}
	}
	return auth.Person{}, fault.New(fault.NotFound, "fault.not_found", "nobody has that address")
}

func (c crowd) People(context.Context, auth.PeopleFilter, string, int) (page db.Page[auth.Person], err error) {
	for _, p := range c.people {
		page.Items = append(page.Items, p)
	}
	return page, nil
}

func (c crowd) Names(_ context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string)
	for _, id := range ids {
		if p, ok := c.people[id]; ok {
			names[id] = p.Name
		}
	}
	return names, nil
}

func (crowd) Holders(context.Context) (map[string]int, error) { return map[string]int{"admin": 1}, nil }

func (crowd) Units(context.Context) ([]auth.Unit, error) {
	return []auth.Unit{{ID: "shop", Code: "shop", Name: "通販事業部 " + webtest.Probe}}, nil
}

func (crowd) Allows([]string, string) bool { return true }

// pages is the room on a site, with what it stands on.
type pages struct {
	*webtest.Site
	*notify.Notifier
	t     testing.TB
	db    *db.DB
	queue *jobs.Queue
}

func open(t testing.TB) *pages {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, ctx, quiet := dbtest.New(t), t.Context(), slog.New(slog.DiscardHandler)
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")})
	must(err)
	must(d.Migrate(ctx, "notify", notify.Migrations()))
	must(log.Track(ctx, notify.Tables()...))
	queue, err := jobs.Open(ctx, jobs.Options{DB: d, Ledger: log, Log: quiet, Poll: 5 * time.Millisecond})
	must(err)
	keys := seal.Generate()
	outbox, err := mail.Open(ctx, mail.Options{DB: d, Keys: keys, Log: quiet, SMTP: mail.SMTP{Server: "127.0.0.1:1", Security: mail.Plain, From: "yagura@example.co.jp"}})
	must(err)
	post, err := letter.New(outbox, "https://yagura.example")
	must(err)
	client, err := httpx.New(httpx.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	must(err)
	bundle, err := i18n.Load(locale.Files)
	must(err)
	people := crowd{map[string]auth.Person{
		"admin": {ID: "admin", Kind: auth.Human, State: auth.Active, Name: "青木 " + webtest.Probe, Email: "aoki@example.co.jp"},
		"baba":  {ID: "baba", Kind: auth.Human, State: auth.Active, Name: "馬場", Email: "baba@example.co.jp"},
	}}
	p := &pages{Site: webtest.New(t), t: t, db: d, queue: queue}
	p.Notifier = notify.Open(notify.Options{
		DB: d, Ledger: log, Keys: keys, Jobs: queue, People: people, Roles: people, Post: post, HTTP: client, Bundle: bundle, PublicURL: "https://yagura.example", Log: quiet,
	})
	p.Declare(
		notify.Topic{Name: "alert.opened", Args: []string{"title", "entity"}, Severity: notify.High, Mail: notify.On},
		notify.Topic{Name: "approval.waiting", Args: []string{"who", "action", "subject"}, Severity: notify.Medium, Mail: notify.Digest},
	)
	p.Know(notify.Kind{Name: "alert", Path: "/alerts/{id}",
		MayKnow:  func(_ context.Context, _ auth.Person, id string) (bool, error) { return id != "secret", nil },
		MayLeave: func(context.Context, string) (bool, error) { return true, nil }})
	p.Mount(room.New(p.Site.Site, room.Options{
		Notifier: p.Notifier, Units: people.Units, ByEmail: people.ByEmail, Person: people.Person,
		Roles: func() []room.Role {
			return []room.Role{{Name: "admin"}, {Name: "desk", Title: "店舗 " + webtest.Probe}}
		},
	}).Module())
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error)
	go func() { ended <- queue.Run(run) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// send sends notices and waits until people have them.
func (p *pages) send(list ...notify.Notice) {
	p.t.Helper()
	err := p.db.Write(p.t.Context(), func(tx *db.Tx) error {
		for _, x := range list {
			if err := p.Send(tx, x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for left := 1; left > 0; time.Sleep(5 * time.Millisecond) {
		err := p.db.Read(p.t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM job WHERE state = 'running' OR (state = 'waiting' AND due_at <= $1)`, db.Micros(tx.Now())).Scan(&left)
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

func opened(id, title string, severity notify.Severity) notify.Notice {
	return notify.Notice{Topic: "alert.opened", Ref: ref.Ref{Kind: "alert", ID: id}, Severity: severity, To: notify.To("admin"),
		Args: notify.Args{"title": notify.Text(title), "entity": notify.Text("pc-0412")}}
}

// post sends a form as an administrator and returns the answer.
func (p *pages) post(status int, path string, pairs ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	got := p.Do(webtest.Request{As: webtest.Admin, Path: path, Form: values})
	if got.Code != status {
		p.t.Fatalf("POST %s: status %d, want %d: %s", path, got.Code, status, got.Body)
	}
	return got
}

func (p *pages) get(as webtest.Visitor, path string) string {
	p.t.Helper()
	return p.Do(webtest.Request{As: as, Path: path, Lang: i18n.English}).Body.String()
}

// idIn finds the id of a row in a page.
func idIn(t testing.TB, page, prefix string) string {
	t.Helper()
	found := regexp.MustCompile(`id="` + prefix + `-([0-9a-f-]{36})"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no row %s- in %s", prefix, page)
	}
	return found[1]
}

func TestThePages(t *testing.T) {
	t.Parallel()
	p := open(t)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, webtest.Probe, http.StatusGone) }))
	defer broken.Close()
	p.post(200, "/notifications/targets", "name", "SOAR "+webtest.Probe, "kind", "webhook", "lang", "ja", "address", broken.URL+"/hook", "enabled", "1")
	target := idIn(t, p.get(webtest.Admin, "/notifications/targets"), "t")
	p.post(303, "/notifications/rules", "name", "高 "+webtest.Probe, "enabled", "1", "severity", "high", "topic", "alert.opened", "kind", "alert", "in", "shop",
		"field", "title", "op", "contains", "phrase", webtest.Probe, "role", "desk", "target", target, "people", "baba@example.co.jp", "do", "save")
	p.post(303, "/notifications/rules", "name", "全部", "enabled", "1", "severity", "informational", "target", target, "do", "save")
	p.post(303, "/notifications/escalation/alert.opened", "version", "0", "after", "15", "s0-role", "desk", "after", "", "after", "30", "s2-people", "baba@example.co.jp")
	p.send(opened("1", webtest.Probe, notify.Critical), opened("2", "二", notify.High),
		notify.Notice{Topic: "approval.waiting", Path: "/approvals/1", To: notify.To("admin"), Args: notify.Args{"who": notify.Person("admin"), "action": notify.Message("approval.title"), "subject": notify.Text(webtest.Probe)}})
	rule := idIn(t, p.get(webtest.Admin, "/notifications/rules"), "r")
	p.Pages("/notifications?all=1", "/notifications?topic=alert.opened", "/notifications/rules/"+rule, "/notifications/rules/-/new", "/notifications/targets/"+target, "/notifications/targets/"+target+"/edit",
		"/notifications/targets/-/new", "/notifications/escalation/alert.opened", "/notifications/deliveries?state=waiting", "/notifications/deliveries?state=sent", "/notifications/deliveries?state=dropped")
	p.Guarded()
	if page := p.get(webtest.Reader, "/notifications/deliveries"); !strings.Contains(page, "HTTP 410") || strings.Contains(page, "pc-0412") || strings.Contains(page, "/retry") {
		t.Errorf("deliveries, to a reader: %s", page)
	}
	for path, want := range map[string]int{"/notifications/x": 404, "/notifications/rules/x": 404, "/notifications/targets/x": 404, "/notifications/escalation/x": 404, "/notifications/deliveries?state=x": 400, "/notifications?after=x": 400} {
		if got := p.Do(webtest.Request{As: webtest.Admin, Path: path}); got.Code != want {
			t.Errorf("%s: status %d, want %d", path, got.Code, want)
		}
	}
}

func TestTheBellAndTheList(t *testing.T) {
	t.Parallel()
	p := open(t)
	bell := func() string {
		return p.Do(webtest.Request{As: webtest.Admin, Path: room.CountPath, HTMX: "bell-count", Lang: i18n.English}).Body.String()
	}
	if got := bell(); got != "" {
		t.Errorf("with nothing to read: %q", got)
	}
	p.send(opened("1", "first", notify.High), opened("2", "second", notify.High), opened("secret", "merger", notify.High))
	if got := bell(); !strings.Contains(got, ">2<") || !strings.Contains(got, "2 unread") {
		t.Errorf("the bell: %q", got)
	}
	page := p.get(webtest.Admin, "/notifications")
	if strings.Contains(page, "merger") || strings.Count(page, "notice-new") != 2 || !strings.Contains(page, `class="button quiet bell"`) {
		t.Errorf("the list: %s", page)
	}
	id := idIn(t, page, "n")
	if other := p.Do(webtest.Request{As: webtest.Reader, Path: "/notifications/" + id}); other.Code != http.StatusNotFound {
		t.Errorf("somebody else opens it: %d", other.Code)
	}
	if got := p.Do(webtest.Request{As: webtest.Admin, Path: "/notifications/" + id}); got.Code != http.StatusSeeOther || !strings.HasPrefix(got.Header().Get("Location"), "/alerts/") {
		t.Errorf("opening: %d to %s", got.Code, got.Header().Get("Location"))
	}
	if got := bell(); !strings.Contains(got, ">1<") {
		t.Errorf("after opening one: %q", got)
	}
	p.post(303, "/notifications", "until", "0")
	if got := bell(); !strings.Contains(got, ">1<") {
		t.Errorf("what the reader had not before them is read: %q", got)
	}
	p.post(303, "/notifications", "id", idIn(t, p.get(webtest.Admin, "/notifications"), "n"))
	p.send(opened("3", "third", notify.High))
	p.post(303, "/notifications")
	if got := bell(); got != "" {
		t.Errorf("after reading all: %q", got)
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.post(303, "/notifications/preferences", "app alert.opened", "off", "mail alert.opened", "digest", "hour", "7", "weekday", "1", "quiet", "1", "from", "21:30", "to", "06:15")
	chosen, times, err := p.Wishes(t.Context(), "admin")
	if err != nil || chosen["alert.opened"][notify.InApp] != notify.Off || chosen["alert.opened"][notify.Mail] != notify.Digest || times != (notify.Times{Hour: 7, Weekday: 1, Quiet: true, QuietFrom: 21*60 + 30, QuietTo: 6*60 + 15}) {
		t.Errorf("%v, %+v, %v", chosen, times, err)
	}
	for _, wrong := range [][]string{{"app alert.opened", "digest"}, {"hour", "25", "weekday", "1", "from", "21:30", "to", "06:15"}, {"hour", "1", "weekday", "1", "from", "x", "to", "06:15"}} {
		p.post(422, "/notifications/preferences", wrong...)
	}
}

func TestARuleIsTriedBeforeItIsKept(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.send(opened("1", "ransomware", notify.Critical), opened("2", "phishing", notify.High), opened("secret", "ransomware merger", notify.High))
	fields := []string{"name", "x", "severity", "high", "field", "title", "op", "contains", "phrase", "RANSOM", "people", "baba@example.co.jp"}
	page := p.post(200, "/notifications/rules", append(fields, "do", "try")...).Body.String()
	if !strings.Contains(page, "ransomware") || strings.Contains(page, "merger") || strings.Contains(page, "phishing") || !strings.Contains(page, "1 more is about something that you may not see") {
		t.Errorf("the trial: %s", page)
	}
	if rules, err := p.Rules(t.Context()); err != nil || len(rules) != 0 {
		t.Errorf("trying kept %v, %v", rules, err)
	}
	for _, wrong := range [][]string{{"people", "ghost@example.co.jp"}, {"name", ""}, {"op", "like"}} {
		if page := p.post(422, "/notifications/rules", append(wrong, append(fields, "do", "save")...)...).Body.String(); !strings.Contains(page, "flash-bad") && wrong[0] == "people" {
			t.Errorf("%v: %s", wrong, page)
		}
	}
}

func TestATargetIsTestedAndItsSecretShownOnce(t *testing.T) {
	t.Parallel()
	p := open(t)
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	made := p.post(200, "/notifications/targets", "name", "SOAR", "kind", "webhook", "lang", "en", "address", server.URL+"/s3cr3t", "enabled", "1").Body.String()
	secret := regexp.MustCompile(`whsec_[A-Z0-9]+`).FindString(made)
	list := p.get(webtest.Admin, "/notifications/targets")
	path := "/notifications/targets/" + idIn(t, list, "t")
	for _, page := range []string{list, p.get(webtest.Admin, path), p.get(webtest.Admin, path+"/edit")} {
		if secret == "" || strings.Contains(page, secret) || strings.Contains(page, "s3cr3t") {
			t.Errorf("the secret %q or the address is shown again", secret)
		}
	}
	if page := p.post(200, path+"/test").Body.String(); !strings.Contains(page, "HTTP 200") {
		t.Errorf("the test: %s", page)
	}
	status = http.StatusForbidden
	if page := p.post(422, path+"/test").Body.String(); !strings.Contains(page, "HTTP 403") {
		t.Errorf("the test: %s", page)
	}
	if page := p.post(200, path+"/secret", "version", "1", "do", "new").Body.String(); !strings.Contains(page, "whsec_") || strings.Contains(page, secret) {
		t.Errorf("another secret: %s", page)
	}
	p.post(303, path+"/secret", "version", "2", "do", "drop")
	p.post(422, "/notifications/targets", "name", "x", "kind", "slack", "lang", "en", "address", "http://example.com/x")
	p.post(303, path+"/delete", "version", "3")
}

func TestProgramsReadNotices(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.send(opened("1", "first", notify.High), opened("2", "second", notify.High))
	type list struct{ Items []struct{ ID string } }
	unread := func() (l list) {
		t.Helper()
		p.Call(webtest.Admin, "GET", "/api/v1/notifications?unread=true", "", http.StatusOK, &l)
		return l
	}
	first := unread()
	if len(first.Items) != 2 {
		t.Fatalf("%+v", first)
	}
	p.Call(webtest.Reader, "POST", "/api/v1/notifications/"+first.Items[0].ID+"/read", "", http.StatusNotFound, nil)
	p.Call(webtest.Admin, "POST", "/api/v1/notifications/"+first.Items[0].ID+"/read", "", http.StatusNoContent, nil)
	if left := unread(); len(left.Items) != 1 || left.Items[0].ID != first.Items[1].ID {
		t.Errorf("%+v", left)
	}
	p.Call(webtest.Admin, "POST", "/api/v1/notifications/read", `{"until":"2001-01-01T00:00:00Z"}`, http.StatusNoContent, nil)
	if left := unread(); len(left.Items) != 1 {
		t.Errorf("what came later is read: %+v", left)
	}
	p.Call(webtest.Admin, "POST", "/api/v1/notifications/read", "", http.StatusNoContent, nil)
	if left := unread(); len(left.Items) != 0 {
		t.Errorf("%+v", left)
	}
	p.Call(webtest.Robot, "GET", "/api/v1/notifications/deliveries?state=sent", "", http.StatusOK, &list{})
	p.Call(webtest.Robot, "GET", "/api/v1/notifications/deliveries?state=lost", "", http.StatusBadRequest, nil)
	p.Call(webtest.Robot, "POST", "/api/v1/notifications/deliveries/none/retry", "", http.StatusNotFound, nil)
}
