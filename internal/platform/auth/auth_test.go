package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/fault"
)

// cheap makes a guess cost nothing, so that the tests take no time.
var cheap = cost{time: 1, memory: 8, threads: 1}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newLocal(t *testing.T) (l *Local, password string, dir string, c *clock) {
	t.Helper()
	dir, c = filepath.Join(t.TempDir(), "auth"), &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	l, password, err := open(dir, Options{Log: quiet(), Now: c.Now}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	return l, password, dir, c
}

// visit is a request with the cookies that an answer set.
func visit(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if w != nil {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	return r
}

func signIn(t *testing.T, l *Local, password string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := l.SignIn(w, visit(nil), "admin", password); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFirstStartMakesAPasswordOnce(t *testing.T) {
	t.Parallel()
	_, password, dir, _ := newLocal(t)
	if len(password) != 23 || strings.Count(password, "-") != 3 {
		t.Errorf("password %q", password)
	}
	for _, name := range []string{"admin.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want 0600", name, info.Mode(), err)
		}
		data, _ := os.ReadFile(filepath.Join(dir, name))
		if strings.Contains(string(data), password) || !strings.Contains(string(data), "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Errorf("%s holds %s", name, data)
		}
	}
	again, second, err := open(dir, Options{Log: quiet()}, cheap)
	if err != nil || second != "" {
		t.Fatalf("second start: password %q, error %v", second, err)
	}
	signIn(t, again, password)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	l, password, dir, c := newLocal(t)
	if _, err := l.User(visit(nil)); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("without a cookie: %v", err)
	}
	w := signIn(t, l, password)
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure {
		t.Errorf("cookie over HTTP: %v", cookie)
	}
	if user, err := l.User(visit(w)); err != nil || !user.Session || !user.May("anything") {
		t.Errorf("signed in: %+v, %v", user, err)
	}
	stored, _ := os.ReadFile(filepath.Join(dir, "sessions.json"))
	if strings.Contains(string(stored), cookie.Value) {
		t.Error("the session's token stands on disk")
	}

	t.Run("survive a restart", func(t *testing.T) {
		again, _, err := open(dir, Options{Log: quiet(), Now: c.Now}, cheap)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.User(visit(w)); err != nil {
			t.Error(err)
		}
	})
	t.Run("live while they are used", func(t *testing.T) {
		for range 6 {
			c.pass(11 * time.Hour)
			if _, err := l.User(visit(w)); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("end when idle", func(t *testing.T) {
		other := signIn(t, l, password)
		c.pass(13 * time.Hour)
		if _, err := l.User(visit(other)); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("after 13 idle hours: %v", err)
		}
	})
	t.Run("end after a week", func(t *testing.T) {
		other := signIn(t, l, password)
		for range 17 {
			c.pass(10 * time.Hour)
			_, _ = l.User(visit(other))
		}
		if _, err := l.User(visit(other)); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("after 170 hours in use: %v", err)
		}
	})
	t.Run("end by signing out", func(t *testing.T) {
		other := signIn(t, l, password)
		out := httptest.NewRecorder()
		if err := l.SignOut(out, visit(other)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.User(visit(other)); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("after signing out: %v", err)
		}
		if out.Result().Cookies()[0].MaxAge >= 0 {
			t.Error("the cookie stays in the browser")
		}
	})
	t.Run("change at sign-in", func(t *testing.T) {
		first := signIn(t, l, password)
		second := httptest.NewRecorder()
		if _, err := l.SignIn(second, visit(first), "admin", password); err != nil {
			t.Fatal(err)
		}
		if _, err := l.User(visit(first)); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("the old session lives on (session fixation): %v", err)
		}
	})
}

func TestCookieOverHTTPSIsBoundToTheHost(t *testing.T) {
	t.Parallel()
	l, password, _, _ := newLocal(t)
	r, w := visit(nil), httptest.NewRecorder()
	r.TLS = new(tls.ConnectionState)
	if _, err := l.SignIn(w, r, "admin", password); err != nil {
		t.Fatal(err)
	}
	if c := w.Result().Cookies()[0]; c.Name != "__Host-yagura" || !c.Secure || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie: %v", c)
	}
}

func TestTooManySessionsDropTheOldest(t *testing.T) {
	t.Parallel()
	l, password, _, c := newLocal(t)
	first := signIn(t, l, password)
	for range maxSessions {
		c.pass(time.Second)
		if _, err := l.sessions.begin(c.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.User(visit(first)); err == nil || len(l.sessions.list) != maxSessions {
		t.Errorf("%d sessions, the first: %v", len(l.sessions.list), err)
	}
}

func TestGuessingIsSlowedDownButLocksNobodyOut(t *testing.T) {
	t.Parallel()
	l, password, _, c := newLocal(t)
	try := func(from, name, password string) (*httptest.ResponseRecorder, error) {
		r, w := visit(nil), httptest.NewRecorder()
		r.RemoteAddr = from
		_, err := l.SignIn(w, r, name, password)
		return w, err
	}
	for i := range burst {
		if _, err := try("203.0.113.7:1000", []string{"admin", "root"}[i%2], "guess"); !fault.Is(err, fault.Unauthentic) {
			t.Fatalf("guess %d: %v", i+1, err)
		}
	}
	w, err := try("203.0.113.7:2000", "admin", password)
	if !fault.Is(err, fault.Busy) || w.Header().Get("Retry-After") != "20" {
		t.Errorf("guess %d: %v, Retry-After %q", burst+1, err, w.Header().Get("Retry-After"))
	}
	if _, err := try("203.0.113.8:1000", "admin", password); err != nil {
		t.Errorf("the administrator elsewhere: %v", err)
	}
	c.pass(refill)
	if _, err := try("203.0.113.7:2000", " Admin ", password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	for range 2 * burst { // right ones cost nothing
		if _, err := try("[2001:db8::1]:1", "admin", password); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThrottleTakesAnIPv6NetworkAsOne(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"203.0.113.7:1":          "203.0.113.7/32",
		"[::ffff:203.0.113.7]:1": "203.0.113.7/32",
		"[2001:db8:1:2:3::4]:1":  "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":       "fe80::/64",
		"nonsense":               "invalid Prefix",
	} {
		if got := sourceOf(remote).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	var th throttle
	now := time.Now()
	for i := range maxSources + 10 {
		r := sourceOf(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
		th.take(r, now)
	}
	if len(th.sources) > maxSources {
		t.Errorf("%d sources are remembered", len(th.sources))
	}
}

func TestLocalToken(t *testing.T) {
	t.Parallel()
	l, _, dir, _ := newLocal(t)
	ask := func(authorization string) (*User, error) {
		r := visit(nil)
		r.Header.Set("Authorization", authorization)
		return l.User(r)
	}
	if user, err := ask("Bearer " + l.LocalToken()); err != nil || user.Session || !user.May("anything") {
		t.Errorf("the token: %+v, %v", user, err)
	}
	for _, wrong := range []string{"Bearer ", "Bearer x" + l.LocalToken(), "Basic " + l.LocalToken(), l.LocalToken()} {
		if _, err := ask(wrong); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	again, _, err := open(dir, Options{Log: quiet()}, cheap)
	if err != nil || again.LocalToken() == l.LocalToken() {
		t.Errorf("the token is the same after a restart (%v)", err)
	}
}

func TestServerFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := FindServer(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing announced: %v", err)
	}
	if err := Announce(dir, "http://127.0.0.1:8686", "token"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "server.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("server.json: %v %v", info.Mode(), err)
	}
	if s, err := FindServer(dir); err != nil || s.URL != "http://127.0.0.1:8686" || s.Token != "token" || s.PID != os.Getpid() {
		t.Errorf("%+v, %v", s, err)
	}
	if err := Withdraw(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := FindServer(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Withdraw: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.json"), []byte(`{"url":"no address"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FindServer(dir); err == nil {
		t.Error("a file that names no server was read")
	}
}

func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	l, password, dir, c := newLocal(t)
	mine, theirs := signIn(t, l, password), signIn(t, l, password)
	user, _ := l.User(visit(mine))
	change := func(old, new string) error {
		return l.ChangePassword(context.Background(), visit(mine), user, old, new)
	}
	const long = "correct horse battery"
	for _, one := range []struct {
		name, old, new string
		want           fault.Code
	}{
		{"wrong old one", "guess", long, fault.Forbidden},
		{"too short", password, "14 characters!", fault.Invalid},
		{"repetition", password, strings.Repeat("ab", 10), fault.Invalid},
		{"too long", password, strings.Repeat("correct horse ", 100), fault.Invalid},
		{"no text", password, "\xff\xfe" + long, fault.Invalid},
		{"good", password, long, ""},
	} {
		if got := fault.CodeOf(change(one.old, one.new)); got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
	if _, err := l.User(visit(mine)); err != nil {
		t.Errorf("the session that changed it ended: %v", err)
	}
	if _, err := l.User(visit(theirs)); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("another session lives on: %v", err)
	}
	again, _, err := open(dir, Options{Log: quiet(), Now: c.Now}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, again, long)
	if err := l.ChangePassword(context.Background(), visit(nil), &User{ID: "local"}, long, long+long); !fault.Is(err, fault.Forbidden) {
		t.Errorf("by token: %v", err)
	}
}

func TestPasswordsAreTheSameHoweverTheyAreTyped(t *testing.T) {
	t.Parallel()
	phc := hash("パスワードは櫓の上から見える", cheap)
	if ok, err := verify("ハ\u309aスワート\u3099は櫓の上から見える", phc); !ok || err != nil {
		t.Errorf("decomposed characters: %t, %v", ok, err)
	}
}

func TestStoredHashesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	good := hash("x", cheap)
	for _, phc := range []string{"", "plain", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "m=8", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "v=19", "v=16", 1), good[:len(good)-40]} {
		if _, err := verify("x", phc); err == nil {
			t.Errorf("%q was read", phc)
		}
	}
}

func TestAutoSignInIsForThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"0.0.0.0:8686", ":8686", "192.0.2.1:8686", "[::]:8686", "example.org:80", ""} {
		if _, _, err := open(t.TempDir(), Options{AutoSignIn: true, Listen: listen, Log: quiet()}, cheap); !fault.Is(err, fault.Invalid) {
			t.Errorf("bound to %q: %v", listen, err)
		}
	}
	l, _, err := open(t.TempDir(), Options{AutoSignIn: true, Listen: "127.0.0.1:8686", Log: quiet()}, cheap)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name, remote, host string
		header             string
		in                 bool
	}{
		{"a browser here", "127.0.0.1:5000", "127.0.0.1:8686", "", true},
		{"by name", "127.0.0.1:5000", "localhost:8686", "", true},
		{"IPv6", "[::1]:5000", "[::1]:8686", "", true},
		{"without a port", "[::1]:5000", "[::1]", "", true},
		{"from elsewhere", "192.0.2.1:5000", "127.0.0.1:8686", "", false},
		{"DNS rebinding", "127.0.0.1:5000", "evil.example:8686", "", false},
		{"through a proxy", "127.0.0.1:5000", "localhost:8686", "X-Forwarded-For", false},
	} {
		r := visit(nil)
		r.RemoteAddr, r.Host = one.remote, one.host
		if one.header != "" {
			r.Header.Set(one.header, "192.0.2.1")
		}
		user, err := l.User(r)
		if (err == nil) != one.in || one.in && user.Session {
			t.Errorf("%s: %+v, %v", one.name, user, err)
		}
	}
}

func BenchmarkGuess(b *testing.B) {
	phc := hash("correct horse battery", defaultCost)
	for b.Loop() {
		if ok, _ := verify("a guess that is wrong", phc); ok {
			b.Fatal("the guess was right")
		}
	}
}
