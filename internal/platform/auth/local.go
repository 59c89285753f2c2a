package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"yagura/internal/platform/fault"
)

// adminName is the one account there is until people and roles come.
const adminName = "admin"

// Options of Local.
type Options struct {
	// AutoSignIn lets visitors from this very machine in without a password, for the demo. Listen is the address the
	// server is bound to; Open refuses the two together where others can reach it.
	AutoSignIn bool
	Listen     string
	Log        *slog.Logger // nil is slog.Default()
	Now        func() time.Time
}

// Local is one administrator of this server, and a token for the command line. Its files, <dir>/admin.json and
// <dir>/sessions.json, are readable by their owner only; a session survives a restart, the token does not. To set a
// forgotten password anew, stop the server and delete admin.json.
type Local struct {
	opt      Options
	path     string
	token    string
	sessions *sessions
	throttle throttle

	// guess lets one password be checked at a time: each takes 64 MiB.
	guess chan struct{}

	mu    sync.Mutex
	admin account
}

type account struct {
	Name    string    `json:"name"`
	Hash    string    `json:"hash"`
	Changed time.Time `json:"changed"`
}

var _ Authenticator = (*Local)(nil)

// Open opens the account in dir, and makes it with a random password at the first start; that password is returned
// once, to be shown once, and is "" afterwards.
func Open(dir string, opt Options) (local *Local, password string, err error) {
	return open(dir, opt, defaultCost)
}

func open(dir string, opt Options, c cost) (*Local, string, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.AutoSignIn && !IsLoopback(opt.Listen) {
		return nil, "", fault.New(fault.Invalid, "", "signing everybody in is for this machine alone: %q is not a loopback address", opt.Listen)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("opening the accounts: %w", err)
	}
	l := &Local{opt: opt, path: filepath.Join(dir, "admin.json"), token: "local-" + rand.Text(), guess: make(chan struct{}, 1)}
	password := ""
	err := readJSON(l.path, &l.admin)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		password = newPassword()
		l.admin = account{Name: adminName, Hash: hash(password, c), Changed: opt.Now().UTC()}
		if err := writeJSON(l.path, l.admin); err != nil {
			return nil, "", err
		}
	case err != nil:
		return nil, "", fmt.Errorf("opening the accounts: %w", err)
	}
	if _, _, _, err := parsePHC(l.admin.Hash); err != nil {
		return nil, "", fmt.Errorf("opening the accounts: %s: %w", l.path, err)
	}
	if l.sessions, err = openSessions(filepath.Join(dir, "sessions.json")); err != nil {
		return nil, "", fmt.Errorf("opening the sessions: %w", err)
	}
	return l, password, nil
}

// LocalToken returns the token that Announce hands to the commands of this machine. It is new at each start.
func (l *Local) LocalToken() string { return l.token }

func everything(string) bool { return true }

func (l *Local) administrator() *User {
	return &User{ID: adminName, Name: adminName, Session: true, Allowed: everything}
}

// User implements Authenticator.
func (l *Local) User(r *http.Request) (*User, error) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		if subtle.ConstantTimeCompare([]byte(tokenHash(strings.TrimSpace(token))), []byte(tokenHash(l.token))) == 1 {
			return &User{ID: "local", Name: "local", Allowed: everything}, nil
		}
		return nil, fault.New(fault.Unauthentic, "", "the token is not known")
	}
	if token := sessionToken(r); token != "" && l.sessions.use(token, l.opt.Now()) {
		return l.administrator(), nil
	}
	if l.opt.AutoSignIn && fromThisMachine(r) {
		user := l.administrator()
		user.Session = false // nobody proved to know the password
		return user, nil
	}
	return nil, fault.New(fault.Unauthentic, "", "nobody is signed in")
}

// SignIn implements Authenticator.
func (l *Local) SignIn(w http.ResponseWriter, r *http.Request, name, password string) (*User, error) {
	source := sourceOf(r.RemoteAddr)
	if wait := l.throttle.take(source, l.opt.Now()); wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return nil, &fault.Error{Code: fault.Busy, Key: "fault.signin.wait", Args: []any{seconds}, Detail: "too many wrong passwords from " + source.String()}
	}
	right, err := l.check(r.Context(), name, password)
	if err != nil {
		return nil, err
	}
	if !right {
		l.opt.Log.Warn("sign-in refused", "remote", r.RemoteAddr)
		return nil, fault.New(fault.Unauthentic, "fault.signin.wrong", "name or password is wrong")
	}
	l.throttle.giveBack(source)
	if old := sessionToken(r); old != "" {
		if err := l.sessions.end(old, l.opt.Now()); err != nil {
			return nil, err
		}
	}
	token, err := l.sessions.begin(l.opt.Now())
	if err != nil {
		return nil, err
	}
	setSession(w, r, token)
	l.opt.Log.Info("signed in", "user", adminName, "remote", r.RemoteAddr)
	return l.administrator(), nil
}

// check takes as long for a name that does not exist.
func (l *Local) check(ctx context.Context, name, password string) (bool, error) {
	if len(password) > maxLength {
		return false, nil
	}
	select {
	case l.guess <- struct{}{}:
		defer func() { <-l.guess }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	l.mu.Lock()
	admin := l.admin
	l.mu.Unlock()
	right, err := verify(password, admin.Hash)
	if err != nil {
		return false, err
	}
	known := subtle.ConstantTimeCompare([]byte(tokenHash(strings.ToLower(strings.TrimSpace(name)))), []byte(tokenHash(admin.Name))) == 1
	return right && known, nil
}

// SignOut implements Authenticator.
func (l *Local) SignOut(w http.ResponseWriter, r *http.Request) error {
	token := sessionToken(r)
	setSession(w, r, "")
	if token == "" {
		return nil
	}
	return l.sessions.end(token, l.opt.Now())
}

// ChangePassword implements Authenticator.
func (l *Local) ChangePassword(ctx context.Context, r *http.Request, user *User, old, new string) error {
	if user == nil || user.ID != adminName {
		return fault.New(fault.Forbidden, "", "only the administrator has a password")
	}
	source := sourceOf(r.RemoteAddr)
	if wait := l.throttle.take(source, l.opt.Now()); wait > 0 {
		return &fault.Error{Code: fault.Busy, Key: "fault.signin.wait", Args: []any{int(math.Ceil(wait.Seconds()))}, Detail: "too many wrong passwords"}
	}
	right, err := l.check(ctx, adminName, old)
	if err != nil {
		return err
	}
	if !right {
		return fault.New(fault.Forbidden, "fault.password.old", "the old password is wrong")
	}
	l.throttle.giveBack(source)
	if err := acceptable(new, adminName); err != nil {
		return err
	}
	changed := account{Name: adminName, Hash: hash(new, defaultCost), Changed: l.opt.Now().UTC()}
	l.mu.Lock()
	err = writeJSON(l.path, changed)
	if err == nil {
		l.admin = changed
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.opt.Log.Info("password changed", "user", adminName, "remote", r.RemoteAddr)
	return l.sessions.endOthers(sessionToken(r), l.opt.Now())
}

// IsLoopback reports whether a listening address can be reached from this machine only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// fromThisMachine reports whether a browser on this machine asked for this machine by its own name. The name matters:
// another site's domain can be pointed at 127.0.0.1, and its page would then speak to us (DNS rebinding).
func fromThisMachine(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host := r.Host
	if !strings.Contains(host, ":") || strings.HasSuffix(host, "]") {
		host += ":80"
	}
	return IsLoopback(r.RemoteAddr) && IsLoopback(host)
}
