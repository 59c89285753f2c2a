package auth

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/seal"
)

const good = "correct horse battery" // a password that will do

// roles are the roles of the tests: admin may everything and needs a second factor, analyst reads alerts, employee nothing.
type roles struct{}

func (roles) Known(role string) bool {
	return slices.Contains([]string{"admin", "analyst", "employee"}, role)
}

func (roles) Allows(roles []string, permission string) bool {
	return slices.Contains(roles, "admin") || slices.Contains(roles, "analyst") && permission == "alert.read"
}

func (roles) NeedsMFA(roles []string) bool { return slices.Contains(roles, "admin") }

// house is one set of accounts with everything around them.
type house struct {
	*Accounts
	t     *testing.T
	clock *clock
	log   *ledger.Log
	said  *bytes.Buffer // what was logged

	mu      sync.Mutex
	letters []Letter
	events  []Event
	work    []cost // Argon2 runs
}

func (h *house) Enabled() bool { return true }

func (h *house) Enqueue(tx *db.Tx, l Letter) error {
	tx.AfterCommit(func() { h.mu.Lock(); defer h.mu.Unlock(); h.letters = append(h.letters, l) })
	return nil
}

func (h *house) Security(_ context.Context, e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *house) runs() int { h.mu.Lock(); defer h.mu.Unlock(); return len(h.work) }

// letter is the last mail that went out.
func (h *house) letter() Letter {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.letters) == 0 {
		h.t.Fatal("no mail went out")
	}
	return h.letters[len(h.letters)-1]
}

// each runs a test with accounts on each engine. In the end the ledger has a leaf for every row as it is.
func each(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	run := func(t *testing.T, open func(now func() time.Time) *db.DB) {
		t.Parallel()
		c := &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
		h := newHouse(t, open(c.Now), c, Config{})
		test(t, h)
		report, err := h.log.Verify(t.Context(), ledger.VerifyOptions{})
		if err != nil || !report.OK() {
			t.Errorf("the ledger: %v %+v", err, report)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		run(t, func(now func() time.Time) *db.DB { return dbtest.NewAt(t, now) })
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, func(now func() time.Time) *db.DB { return dbtest.NewPostgres(t, now) })
	})
}

func newHouse(t *testing.T, d *db.DB, c *clock, config Config) *house {
	t.Helper()
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, clock: c, log: log, said: new(bytes.Buffer)}
	config.Roles, config.Seal, config.Ledger, config.Mailer, config.Events = roles{}, seal.Generate(), log, h, h
	config.PublicURL, config.Log = "https://yagura.example", slog.New(slog.NewTextHandler(h.said, nil))
	if config.guess == nil {
		config.guess = &cheap
	}
	config.ran = func(c cost) { h.mu.Lock(); defer h.mu.Unlock(); h.work = append(h.work, c) }
	if h.Accounts, err = OpenAccounts(t.Context(), d, config); err != nil {
		t.Fatal(err)
	}
	return h
}

// person makes somebody active with the password "good".
func (h *house) person(email string, roles ...string) Person {
	h.t.Helper()
	p, err := h.Create(h.t.Context(), NewPerson{Email: email, Name: "田中 倫", State: Active, Roles: roles})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.db.Write(h.t.Context(), func(tx *db.Tx) error { return h.setPassword(tx, p.ID, hash(good, cheap), "create") }); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// browser keeps cookies, and comes from one address.
type browser struct {
	h       *house
	from    string
	cookies map[string]string
}

func (h *house) browser(from string) *browser {
	return &browser{h: h, from: from + ":1000", cookies: map[string]string{}}
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodPost, "/", nil)
	r.RemoteAddr = b.from
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// do sends a request and keeps the cookies of its answer.
func (b *browser) do(call func(w http.ResponseWriter, r *http.Request) error) error {
	w := httptest.NewRecorder()
	err := call(w, b.request())
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return err
}

func (b *browser) signIn(name, password string) (step Step, err error) {
	err = b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		step, err = b.h.SignIn(w, r, name, password)
		return err
	})
	return step, err
}

// in signs somebody in who has no second factor.
func (h *house) in(email string) *browser {
	h.t.Helper()
	b := h.browser("192.0.2.10")
	if step, err := b.signIn(email, good); err != nil || step != Done {
		h.t.Fatalf("%s does not get in: %v %v", email, step, err)
	}
	return b
}

func (b *browser) user() (*User, error) { return b.h.User(b.request()) }

func (b *browser) secondFactor(proof Proof) error {
	return b.do(func(w http.ResponseWriter, r *http.Request) error { return b.h.SecondFactor(w, r, proof) })
}

// code is what an authenticator app shows at the tests' time.
func (h *house) code(secret string) string {
	code, err := hotp.GenerateCodeCustom(secret, uint64(h.clock.Now().Unix()/totpPeriod), hotp.ValidateOpts{Digits: otp.DigitsSix})
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// app registers an authenticator app.
func (b *browser) app() (secret string, recovery []string) {
	b.h.t.Helper()
	enrolment, err := b.h.EnrolTOTP(b.request())
	if err != nil {
		b.h.t.Fatal(err)
	}
	if err := b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		code := b.h.code(enrolment.Secret)
		recovery, err = b.h.ConfirmTOTP(w, r, enrolment.ID, code[:3]+" "+code[3:]) // as apps show it
		return err
	}); err != nil {
		b.h.t.Fatal(err)
	}
	return enrolment.Secret, recovery
}

// want checks an error's code; "" wants none.
func want(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != code {
		t.Errorf("%s: %q (%v), want %q", what, got, err, code)
	}
}

func TestNothingSecretIsKeptOrSaid(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		b := h.in("rin@example.jp")
		secret, recovery := b.app()
		user, err := b.user()
		if err != nil {
			t.Fatal(err)
		}
		_, token, err := h.CreateToken(t.Context(), user, Token{Person: p.ID, Name: "script", Permissions: []string{"alert.read"}, Expiry: h.clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.SendReset(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
		_, _ = h.browser("192.0.2.66").signIn("rin@example.jp", "a password typed wrong")
		everything := h.said.String() + dump(t, h.db)
		for what, planted := range map[string]string{"password": good, "wrong password": "a password typed wrong", "secret": secret, "token": token,
			"recovery code": strings.ReplaceAll(recovery[0], "-", ""), "link": h.letter().Token, "session": b.cookies["yagura_session"]} {
			if planted == "" || strings.Contains(everything, planted) {
				t.Errorf("the %s can be read: %q", what, planted)
			}
		}
	})
}

// dump is every text of our tables.
func dump(t *testing.T, d *db.DB) string {
	t.Helper()
	var b strings.Builder
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for _, table := range append(Tables(), ledger.Table{Name: "auth_session"}, ledger.Table{Name: "auth_pending"}, ledger.Table{Name: "auth_budget"}) {
			rows, err := tx.Query(`SELECT * FROM ` + table.Name)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			for rows.Next() {
				if err := rows.Scan(values...); err != nil {
					return err
				}
				for _, v := range values {
					if text, ok := (*v.(*any)).(string); ok {
						b.WriteString(text + "\n")
					}
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
