package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
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
		if _, err := OpenAccounts(t.Context(), dbtest.New(t), Config{AutoSignIn: true, Listen: listen}); !fault.Is(err, fault.Invalid) {
			t.Errorf("bound to %q: %v", listen, err)
		}
	}
	h := newHouse(t, dbtest.New(t), &clock{now: time.Now()}, Config{AutoSignIn: true, Listen: "127.0.0.1:8686"})
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
		{"through a proxy of another kind", "127.0.0.1:5000", "localhost:8686", "Forwarded", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = one.remote, one.host
		if one.header != "" {
			r.Header.Set(one.header, "for=192.0.2.1")
		}
		var user *User
		var err error
		front := httpd.Front(httpd.FrontOptions{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { user, err = h.User(r) }))
		front.ServeHTTP(httptest.NewRecorder(), r)
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
