package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/seal/leaktest"
)

// clock is the database's time, which a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// house is an outbox with all that it stands on.
type house struct {
	*mail.Outbox
	db    *db.DB
	keys  *seal.Keys
	clock *clock
	log   *slog.Logger
}

func build(t *testing.T, settings mail.SMTP) *house {
	t.Helper()
	c := newClock()
	return buildOn(t, dbtest.NewAt(t, c.now), c, settings)
}

func newClock() *clock { return &clock{at: time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)} }

// eachWithClock is dbtest.Each with a clock for each engine.
func eachWithClock(t *testing.T, test func(*testing.T, *db.DB, *clock)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewAt, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			test(t, open(t, c.now), c)
		})
	}
}

func buildOn(t *testing.T, d *db.DB, c *clock, settings mail.SMTP) *house {
	t.Helper()
	h := &house{db: d, keys: seal.Generate(), clock: c, log: slog.New(slog.DiscardHandler)}
	h.Outbox = h.node(t, settings)
	return h
}

// node is another outbox on the same database.
func (h *house) node(t *testing.T, settings mail.SMTP) *mail.Outbox {
	t.Helper()
	o, err := mail.Open(t.Context(), mail.Options{DB: h.db, Keys: h.keys, SMTP: settings, Log: h.log})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (h *house) post(t *testing.T, messages ...mail.Message) {
	t.Helper()
	err := h.db.Write(t.Context(), func(tx *db.Tx) error {
		for _, m := range messages {
			if err := h.Enqueue(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) stats(t *testing.T) mail.Stats {
	t.Helper()
	s, err := h.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func to(address string) mail.Message {
	return mail.Message{To: address, Subject: "Invitation", Text: "Hello"}
}

func settings(p *postOffice) mail.SMTP {
	return mail.SMTP{Server: p.address, From: "Yagura <yagura@example.co.jp>", CA: p.ca, Timeout: 10 * time.Second}
}

func TestAMailArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	subject := "【重要】不審なサインインを検知しました:ご確認のうえ、パスワードの再設定をお願いします (櫓)"
	text := "山田 太郎 様\n\nサインインの履歴をご確認ください。\n.\nhttps://yagura.example.co.jp/reset/abc=def\n"
	html := `<p lang="ja">サインインの履歴を<a href="https://yagura.example.co.jp/">ご確認</a>ください。</p>`
	for name, security := range map[string]string{"STARTTLS": mail.STARTTLS, "TLS": mail.TLS, "loopback": mail.Plain} {
		office := open(t, security == mail.TLS, "relay")
		wish := settings(office)
		wish.Security, wish.User, wish.Password = security, "relay", "correct horse"
		h := build(t, wish)
		h.post(t, mail.Message{To: "山田 太郎 <taro@例え.jp>", Subject: subject, Text: text, HTML: html})
		if n, err := h.Round(t.Context()); n != 1 || err != nil {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		got := office.taken()
		if len(got) != 1 || got[0].from != "yagura@example.co.jp" || fmt.Sprint(got[0].to) != "[taro@xn--r8jz45g.jp]" {
			t.Fatalf("%s: took %+v", name, got)
		}
		if got[0].tls != (security != mail.Plain) || got[0].user != "relay" {
			t.Errorf("%s: with TLS %v, as %q", name, got[0].tls, got[0].user)
		}
		checkMail(t, got[0].data, subject, text, html)
		if s := h.stats(t); s.Waiting+s.Failed != 0 {
			t.Errorf("%s: left in the outbox: %+v", name, s)
		}
	}
}

// checkMail reads a mail with the standard library and compares.
func checkMail(t *testing.T, data, subject, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	decoder := new(mime.WordDecoder)
	if got, err := decoder.DecodeHeader(m.Header.Get("Subject")); err != nil || got != subject {
		t.Errorf("subject %q, %v", got, err)
	}
	if list, err := m.Header.AddressList("To"); err != nil || len(list) != 1 || list[0].Name != "山田 太郎" {
		t.Errorf("to %v, %v", list, err)
	}
	if date, err := m.Header.Date(); err != nil || !date.Equal(time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("date %v, %v", date, err)
	}
	if id := m.Header.Get("Message-ID"); !strings.HasSuffix(id, "@example.co.jp>") || len(id) < 40 {
		t.Errorf("Message-ID %s", id)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("User-Agent")+m.Header.Get("X-Mailer") != "" {
		t.Errorf("headers: %v", m.Header)
	}
	for _, line := range strings.Split(data, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %s, %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for _, want := range []string{text, html} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := decode(part.Header.Get("Content-Transfer-Encoding"), part)
		if err != nil || strings.TrimSuffix(strings.ReplaceAll(body, "\r\n", "\n"), "\n") != strings.TrimSuffix(want, "\n") {
			t.Errorf("%s: %q, %v", part.Header.Get("Content-Type"), body, err)
		}
	}
}

func TestWhatIsWrongInAMailStopsItBeforeTheOutbox(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	h := build(t, settings(office))
	for _, address := range []string{
		"", "nobody", "@example.jp", "a@", "a@b@c", "a@example.jp, b@example.jp", "list:a@example.jp, b@example.jp;", "a@[127.0.0.1]", "a@exa mple.jp",
		"a@example.jp\r\nBcc: b@example.jp", "a\x00@example.jp", `"a> SIZE=1 <b"@example.jp`, `"two words"@example.jp`, "山@example.jp",
		"a@" + strings.Repeat("a", 64) + ".jp", strings.Repeat("a", 65) + "@example.jp", "a@-.jp", "\x80@example.jp", "a@..jp", "a..b@example.jp",
	} {
		err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Enqueue(tx, to(address)) })
		if !fault.Is(err, fault.Invalid) || mail.CheckAddress(address) == nil {
			t.Errorf("%q: %v", address, err)
		}
	}
	for name, m := range map[string]mail.Message{
		"no subject": {To: "a@example.jp", Subject: " \r\n ", Text: "x"},
		"no text":    {To: "a@example.jp", Subject: "x", HTML: "<p>x</p>"},
	} {
		if err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Enqueue(tx, m) }); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := mail.Message{To: "a@example.jp", Subject: "x", Text: strings.Repeat("x", 2<<20)}
	if err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Enqueue(tx, huge) }); !fault.Is(err, fault.TooLarge) {
		t.Errorf("huge: %v", err)
	}
	if s := h.stats(t); s.Waiting != 0 {
		t.Errorf("in the outbox: %+v", s)
	}
}

func TestAHostileSubjectStaysASubject(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	h := build(t, settings(office))
	hostile := []string{
		"Alert\r\nBcc: thief@example.com\r\n\r\n<script>", "Alert\nX-Evil: 1", "Alert\rX-Evil: 1", "a\u2028X-Evil: 1\u0085b", "\x00nul", "=?utf-8?q?=0D=0AX-Evil:_1?=",
		"bidi \u202egnp.exe", strings.Repeat("長い", 500), "\xff\xfe broken",
	}
	for _, subject := range hostile {
		h.post(t, mail.Message{To: "a@example.jp", Subject: subject, Text: ".\r\n.\r\nQUIT\r\nX-Evil: 1"})
	}
	if _, err := h.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := office.taken()
	if len(got) != len(hostile) {
		t.Fatalf("%d mails arrived, want %d", len(got), len(hostile))
	}
	for _, one := range got {
		m, err := netmail.ReadMessage(strings.NewReader(one.data))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Header["Bcc"])+len(m.Header["X-Evil"]) > 0 || len(m.Header["Subject"]) != 1 || len(one.to) != 1 {
			t.Errorf("headers were brought in: %v", m.Header)
		}
		if body, err := io.ReadAll(m.Body); err != nil || !strings.Contains(string(body), "QUIT") {
			t.Errorf("the body was cut: %q, %v", body, err)
		}
	}
}

func TestAServerThatMisbehaves(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	wish := settings(office)
	wish.Timeout = 500 * time.Millisecond
	h := build(t, wish)
	h.post(t, to("later@example.jp"), to("never@example.jp"), to("spam@example.jp"), to("drop@example.jp"), to("slow@example.jp"), to("moody@example.jp"), to("fine@example.jp"))
	if n, err := h.Round(t.Context()); n != 7 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if got := office.taken(); len(got) != 1 || got[0].to[0] != "fine@example.jp" {
		t.Errorf("after the others' failures, taken were %+v", got)
	}
	failed, err := h.Failed(t.Context(), "", 10)
	if err != nil || len(failed.Items) != 2 {
		t.Fatalf("failed: %+v, %v", failed, err)
	}
	for _, f := range failed.Items {
		if f.Attempts != 1 || (f.Recipient != "never@example.jp" || !strings.Contains(f.Error, "5.1.1 no such person")) &&
			(f.Recipient != "spam@example.jp" || !strings.Contains(f.Error, "5.7.1 looks like spam")) {
			t.Errorf("failed: %+v", f)
		}
	}
	if n, err := h.Round(t.Context()); n != 0 || err != nil {
		t.Errorf("tried again without a pause: %d, %v", n, err)
	}
	h.clock.pass(2 * time.Minute)
	if n, err := h.Round(t.Context()); n != 4 || err != nil {
		t.Errorf("after a pause: %d, %v", n, err)
	}
	if got := office.taken(); len(got) != 2 || got[1].to[0] != "moody@example.jp" {
		t.Errorf("the second try brought %+v", got)
	}
}

func TestAMailIsGivenUpAfterADayAndSaysSo(t *testing.T) {
	t.Parallel()
	eachWithClock(t, givenUp)
}

func givenUp(t *testing.T, d *db.DB, c *clock) {
	office := open(t, false, "")
	h := buildOn(t, d, c, settings(office))
	h.post(t, to("later@example.jp"), mail.Message{To: "later@example.jp", Subject: "Reset", Text: "link", Until: h.clock.now().Add(time.Hour)})
	tries := 0
	for range 26 * 12 {
		n, err := h.Round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tries += n
		h.clock.pass(5 * time.Minute)
	}
	failed, err := h.Failed(t.Context(), "", 1)
	if err != nil || len(failed.Items) != 1 || failed.Next == "" {
		t.Fatalf("failed: %+v, %v", failed, err)
	}
	day := failed.Items[0]
	if age := day.Failed.Sub(day.Written); age < 22*time.Hour || age > 24*time.Hour || !strings.Contains(day.Error, "4.7.1 greylisted") {
		t.Errorf("given up after %v: %+v", age, day)
	}
	if failed, err = h.Failed(t.Context(), failed.Next, 10); err != nil || len(failed.Items) != 1 || failed.Next != "" {
		t.Fatalf("the next page: %+v, %v", failed, err)
	}
	if hour := failed.Items[0]; hour.Failed.Sub(hour.Written) > time.Hour {
		t.Errorf("a mail that made sense for an hour was given up after %v", hour.Failed.Sub(hour.Written))
	}
	if tries < 25 || tries > 45 {
		t.Errorf("%d tries of two mails", tries)
	}
	if s := h.stats(t); s.Waiting != 0 || s.Failed != 2 {
		t.Errorf("%+v", s)
	}
	err = h.db.Write(t.Context(), func(tx *db.Tx) error {
		return errors.Join(h.Retry(tx, day.ID), h.Discard(tx, failed.Items[0].ID))
	})
	if s := h.stats(t); err != nil || s.Waiting != 1 || s.Failed != 0 {
		t.Errorf("after trying one again and discarding the other: %+v, %v", s, err)
	}
	err = h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Discard(tx, day.ID) })
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("discarded a mail that waits: %v", err)
	}
}

func TestWhileTheServerIsDownNothingIsLost(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	h := build(t, settings(office))
	office.down()
	for range 30 {
		h.post(t, to("a@example.jp"))
	}
	if _, err := h.Round(t.Context()); err == nil {
		t.Fatal("no error without a server")
	}
	h.clock.pass(48 * time.Hour) // a weekend later
	office = open(t, false, "")
	h.Outbox = h.node(t, settings(office))
	h.post(t, to("b@example.jp"))
	for range 3 {
		if _, err := h.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	failed, err := h.Failed(t.Context(), "", 100)
	if err != nil || len(failed.Items) != 30 || len(office.taken()) != 1 {
		t.Errorf("%d failed, %d sent, %v", len(failed.Items), len(office.taken()), err)
	}
	named := 0
	for _, f := range failed.Items {
		if !strings.Contains(f.Error, "in time") {
			t.Errorf("failed with %q", f.Error)
		}
		if strings.Contains(f.Error, "connection refused") {
			named++
		}
	}
	if named == 0 {
		t.Error("no error says that nobody answered")
	}
}

func TestTheWrongSettingsLoseNoMail(t *testing.T) {
	t.Parallel()
	office := open(t, false, "relay")
	for name, change := range map[string]func(*mail.SMTP){
		"no user":          func(*mail.SMTP) {},
		"wrong password":   func(s *mail.SMTP) { s.User, s.Password = "relay", "wrong" },
		"unknown CA":       func(s *mail.SMTP) { s.CA = "" },
		"TLS where plain":  func(s *mail.SMTP) { s.Security = mail.TLS },
		"sender not taken": func(s *mail.SMTP) { s.User, s.Password = "relay", "correct horse" },
	} {
		office.set(func() { office.noSender = name == "sender not taken" })
		wish := settings(office)
		change(&wish)
		h := build(t, wish)
		h.post(t, to("a@example.jp"))
		_, _ = h.Round(t.Context())
		if s := h.stats(t); s.Waiting != 1 || s.Failed != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		if err := h.Probe(t.Context()); name != "no user" && name != "sender not taken" && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: probed: %v", name, err)
		}
	}
}

func TestTwoNodesSendEachMailOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, twoNodes)
}

func twoNodes(t *testing.T, d *db.DB) {
	office := open(t, false, "")
	h := &house{db: d, keys: seal.Generate(), log: slog.New(slog.DiscardHandler)}
	h.Outbox = h.node(t, settings(office))
	for i := range 60 {
		h.post(t, to(fmt.Sprintf("p%d@example.jp", i)))
	}
	h.post(t, to("later@example.jp"), to("never@example.jp"))
	var nodes sync.WaitGroup
	for range 3 {
		node := h.node(t, settings(office))
		nodes.Go(func() {
			for {
				_, err := node.Round(t.Context())
				s, wrong := node.Stats(t.Context())
				if err = errors.Join(err, wrong); err != nil {
					t.Error(err)
				}
				if err != nil || s.Waiting <= 1 { // the one that the server puts off
					return
				}
			}
		})
	}
	nodes.Wait()
	count := make(map[string]int)
	for _, one := range office.taken() {
		count[one.to[0]]++
	}
	if len(count) != 60 || len(office.taken()) != 60 {
		t.Errorf("%d people got %d mails", len(count), len(office.taken()))
	}
	failed, err := h.Failed(t.Context(), "", 10)
	if err != nil || len(failed.Items) != 1 || failed.Items[0].Recipient != "never@example.jp" || failed.Items[0].Attempts != 1 {
		t.Fatalf("failed: %+v, %v", failed, err)
	}
	if s := h.stats(t); s.Waiting != 1 || s.Failed != 1 || s.Oldest.IsZero() {
		t.Errorf("%+v", s)
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		return h.Retry(tx, failed.Items[0].ID)
	})
	if s := h.stats(t); err != nil || s.Waiting != 2 || s.Failed != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAMailOfANodeThatDiedGoesOutUnderTheSameID(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	h := build(t, settings(office))
	h.post(t, to("a@example.jp"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Round(ctx); err == nil {
		t.Fatal("worked after its end")
	}
	// As if the node had died between the server's taking the mail and writing that down.
	snapshot := func(tx *db.Tx) (id, recipient, sealed string, err error) {
		err = tx.QueryRow(`SELECT id, recipient, sealed FROM mail_outbox`).Scan(&id, &recipient, &sealed)
		return id, recipient, sealed, err
	}
	var id, recipient, sealed string
	if err := h.db.Read(t.Context(), func(tx *db.Tx) (err error) { id, recipient, sealed, err = snapshot(tx); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := db.Micros(h.clock.now())
	err := h.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO mail_outbox (id, recipient, sealed, created_at, until_at, due_at, attempts, claim, failed_at, error)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 'dead', 0, '')`, id, recipient, sealed, now, now+86_400_000_000, now+600_000_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := h.Round(t.Context()); n != 0 {
		t.Error("took a mail that another node has claimed")
	}
	h.clock.pass(11 * time.Minute)
	if n, err := h.Round(t.Context()); n != 1 || err != nil {
		t.Fatalf("after the lease: %d, %v", n, err)
	}
	var ids []string
	for _, one := range office.taken() {
		m, err := netmail.ReadMessage(strings.NewReader(one.data))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Message-ID")+m.Header.Get("Date"))
	}
	if len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("the second mail is another: %v", ids)
	}
}

func TestOnlyWhatIsCommittedIsSentAndTheWorkerWakes(t *testing.T) {
	t.Parallel()
	office := open(t, false, "")
	h := build(t, settings(office))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	changed := errors.New("changed my mind")
	err := h.db.Write(t.Context(), func(tx *db.Tx) error { return errors.Join(h.Enqueue(tx, to("nobody@example.jp")), changed) })
	if !errors.Is(err, changed) {
		t.Fatal(err)
	}
	h.post(t, to("somebody@example.jp"))
	for h.stats(t).Waiting > 0 { // the test's own limit ends this where the worker sleeps
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := office.taken(); len(got) != 1 || got[0].to[0] != "somebody@example.jp" {
		t.Errorf("sent %+v", got)
	}
}

func TestSettingsAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	h := build(t, mail.SMTP{})
	if h.Enabled() {
		t.Error("mail is on without a server")
	}
	if err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Enqueue(tx, to("a@example.jp")) }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("queued without a server: %v", err)
	}
	if err := h.Probe(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("probed without a server: %v", err)
	}
	for want, s := range map[string]mail.SMTP{
		"mail.server":   {Server: "mail.example.jp:0", From: "a@example.jp"},
		"mail.from":     {Server: "mail.example.jp", From: "nobody"},
		"mail.user":     {Server: "mail.example.jp", From: "a@example.jp", Password: "x"},
		"mail.security": {Server: "mail.example.jp", From: "a@example.jp", Security: mail.Plain},
		"none of":       {Server: "mail.example.jp", From: "a@example.jp", Security: "ssl"},
		"mail.ca":       {Server: "mail.example.jp", From: "a@example.jp", CA: filepath.Join(t.TempDir(), "none.pem")},
	} {
		_, err := mail.Open(t.Context(), mail.Options{DB: h.db, Keys: h.keys, SMTP: s, Log: h.log})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestNothingOfAMailLeaks(t *testing.T) {
	t.Parallel()
	plants := leaktest.New()
	office := open(t, false, "relay")
	wish := settings(office)
	wish.Timeout, wish.User, wish.Password = 500*time.Millisecond, "relay", seal.Secret(plants.Secret("the password of the mail server"))
	h := build(t, wish)
	h.log = slog.New(slog.NewJSONHandler(plants.Watch(t, "the log"), &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.Outbox = h.node(t, wish)
	_, _ = h.Round(t.Context()) // a wrong password
	plants.CheckText(t, "the settings", wish)
	plants.CheckText(t, "the error of a wrong password", h.Probe(t.Context()))
	wish.Password = "correct horse"
	h.Outbox = h.node(t, wish)
	for _, name := range []string{"later", "never", "spam", "drop", "slow", "fine"} {
		m := mail.Message{To: name + "@" + strings.ToLower(plants.Secret("domain of "+name)) + ".jp", Subject: plants.Secret("subject of " + name), Text: plants.Secret("text of " + name)}
		plants.Add("address of "+name, m.To)
		h.post(t, m)
	}
	plants.CheckDB(t, h.db, "mail_outbox.recipient")
	for range 3 {
		_, _ = h.Round(t.Context())
		h.clock.pass(5 * time.Minute)
	}
	plants.CheckDB(t, h.db, "mail_outbox.recipient", "mail_outbox.error") // the server's words name the recipient
}
