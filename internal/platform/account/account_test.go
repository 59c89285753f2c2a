package account_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"yagura/internal/platform/account"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
)

const good = "correct horse battery" // a password that will do

// roles are the roles of the tests: admin may do everything and needs a second factor, analyst reads, employee has nothing.
type roles struct{}

func (roles) Known(role string) bool {
	return slices.Contains([]string{"admin", "analyst", "employee"}, role)
}

func (roles) Allows(roles []string, permission string) bool {
	return slices.Contains(roles, "admin") || slices.Contains(roles, "analyst") && strings.HasSuffix(permission, ".read")
}

func (roles) NeedsMFA(roles []string) bool { return slices.Contains(roles, "admin") }

// noLedger is for tests that do not ask about it.
type noLedger struct{}

func (noLedger) Append(*db.Tx, ...ledger.Entry) error { return nil }

func (noLedger) Track(context.Context, ...ledger.Table) error { return nil }

// house is a whole site with real accounts on a fresh database, served at an address of its own.
type house struct {
	*auth.Accounts
	t       testing.TB
	site    *web.Site
	address string
	mailOff bool

	mu      sync.Mutex
	ahead   time.Duration // how far the clock is moved
	letters []auth.Letter
	events  []auth.Event
	shown   map[string]bool
}

// now is the real time and what the test has moved it by: browsers live in real time.
func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.ahead)
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ahead += d
}

func (h *house) Enabled() bool { return !h.mailOff }

func (h *house) Enqueue(tx *db.Tx, l auth.Letter) error {
	tx.AfterCommit(func() { h.mu.Lock(); defer h.mu.Unlock(); h.letters = append(h.letters, l) })
	return nil
}

func (h *house) Security(_ context.Context, e auth.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// letter waits for the mail that somebody asked for.
func (h *house) letter() auth.Letter {
	h.t.Helper()
	for range 400 {
		h.mu.Lock()
		n := len(h.letters)
		if n > 0 {
			defer h.mu.Unlock()
			return h.letters[n-1]
		}
		h.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	h.t.Fatal("no mail went out")
	return auth.Letter{}
}

// newHouse opens the site; change may alter what the pages are given, once the address is known.
func newHouse(t testing.TB, change func(h *house, opt *account.Options)) *house {
	t.Helper()
	h := &house{t: t, shown: make(map[string]bool)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.site.Handler().ServeHTTP(w, r) }))
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	h.address = "http://localhost:" + port // passkeys are of a name, not of a number
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	keys := seal.Generate()
	var err error
	d := dbtest.NewAt(t, h.now)
	h.Accounts, err = auth.OpenAccounts(t.Context(), d, auth.Config{
		Roles: roles{}, Seal: keys, Ledger: noLedger{}, Mailer: h, Events: h, PublicURL: h.address, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), "preference", preference.Migrations()); err != nil {
		t.Fatal(err)
	}
	h.site, err = web.New(web.Options{Auth: h.Accounts, Keeper: preference.New(d, h.Accounts), Log: quiet, Version: "test", Now: h.now, Rendered: func(page string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.shown[page] = true
	}})
	if err != nil {
		t.Fatal(err)
	}
	options := account.Options{Accounts: h.Accounts, Seal: keys, Log: quiet, Now: h.now}
	if change != nil {
		change(h, &options)
	}
	for _, m := range []web.Module{account.New(h.site, options).Module(), alerts()} {
		if err := h.site.Mount(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.site.Check(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	server.Start()
	t.Cleanup(func() { server.Close(); stop(); running.Wait() })
	return h
}

// alerts is a room to be let into.
func alerts() web.Module {
	return web.Module{Name: "alert", Permissions: []web.Permission{"alert.read", "alert.write"},
		Nav: []web.NavItem{{House: "detect", Key: "kind.alert", Path: "/alerts", Permission: "alert.read"}},
		Routes: []web.Route{{Pattern: "GET /alerts", Permission: "alert.read", Handle: func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.WriteString(w, "<!doctype html><title>alerts</title><h1>alerts of "+web.User(r).Email+"</h1>")
			return err
		}}}}
}

// person makes somebody who signs in with the good password.
func (h *house) person(email string, role string) auth.Person {
	h.t.Helper()
	p, err := h.Create(h.t.Context(), auth.NewPerson{Email: email, Name: "田中 花子", Roles: []string{role}})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.Invite(h.t.Context(), p.ID); err != nil {
		h.t.Fatal(err)
	}
	b := h.browser()
	b.get("/invitation?ticket=" + h.letter().Token)
	if page := b.post("/invitation", "new", good, "again", good); page.to != "/" {
		h.t.Fatalf("the invitation: %d %s", page.status, page.text)
	}
	return p
}

// browser is a client with cookies that follows no redirect.
type browser struct {
	h      *house
	client *http.Client
	lang   string
}

func (h *house) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{h: h, lang: "en", client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is an answer.
type page struct {
	status int
	to     string // Location
	text   string
	header http.Header
}

func (b *browser) send(r *http.Request) page {
	b.h.t.Helper()
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", b.lang)
	answer, err := b.client.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Header.Get("Location"), string(text), answer.Header}
}

func (b *browser) get(path string) page {
	b.h.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.h.address+path, nil)
	if err != nil {
		b.h.t.Fatal(err)
	}
	return b.send(r)
}

// post sends a form of names and values.
func (b *browser) post(path string, fields ...string) page {
	b.h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, b.h.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// cookies are the names and values that the browser holds.
func (b *browser) cookies() map[string]string {
	u, _ := url.Parse(b.h.address)
	held := make(map[string]string)
	for _, c := range b.client.Jar.Cookies(u) {
		held[c.Name] = c.Value
	}
	return held
}

// follow goes where a page leads.
func (b *browser) follow(p page) page {
	b.h.t.Helper()
	if p.to == "" {
		b.h.t.Fatalf("status %d leads nowhere:\n%s", p.status, main(p.text))
	}
	return b.get(p.to)
}

// main is a page's content, to be read in a failure.
func main(text string) string {
	_, after, ok := strings.Cut(text, "<main")
	if !ok {
		return text
	}
	content, _, _ := strings.Cut(after, "</main>")
	return content
}

// value reads a field of a form in the page's content.
func value(text, name string) string {
	match := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(main(text))
	if match == nil {
		return ""
	}
	return strings.NewReplacer("&#43;", "+", "&#34;", `"`, "&amp;", "&").Replace(match[1])
}

// code is what an authenticator app shows at the house's time.
func (h *house) code(secret string) string {
	h.t.Helper()
	code, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// registerApp registers an authenticator app in a browser that is signed in, and returns its secret and the recovery codes.
func (b *browser) registerApp() (secret string, codes []string) {
	b.h.t.Helper()
	form := b.get("/account/second-factor/app")
	secret = regexp.MustCompile(`class="secret">([A-Z2-7 ]+)<`).FindStringSubmatch(form.text)[1]
	done := b.post("/account/second-factor/app", "enrolment", value(form.text, "enrolment"), "code", b.h.code(secret))
	for _, match := range regexp.MustCompile(`<li><code>([a-z2-7-]+)</code>`).FindAllStringSubmatch(done.text, -1) {
		codes = append(codes, match[1])
	}
	if len(codes) != 10 {
		b.h.t.Fatalf("status %d and %d recovery codes:\n%s", done.status, len(codes), main(done.text))
	}
	b.h.advance(30 * time.Second) // that code is used up
	return secret, codes
}

// signIn signs somebody in to the end.
func (b *browser) signIn(email, secret string) {
	b.h.t.Helper()
	p := b.post("/signin", "name", email, "password", good)
	if secret != "" {
		b.follow(p)
		p = b.post("/signin/factor", "code", b.h.code(secret))
		b.h.advance(30 * time.Second)
	}
	if p.status != http.StatusSeeOther || p.to != "/" {
		b.h.t.Fatalf("signing in: %d to %q\n%s", p.status, p.to, main(p.text))
	}
}
