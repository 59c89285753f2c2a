package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// The ways somebody proves who they are.
const (
	byPassword = "password"
	byPasskey  = "passkey"
	byTOTP     = "totp"
	byRecovery = "recovery"
	byOIDC     = "oidc"
	byTicket   = "ticket"
	byToken    = "token"
)

const (
	maxAgent = 300 // characters
	// maxOwnSessions bounds what one person has; the longest unused goes first.
	maxOwnSessions = 50
)

// Session is a signed-in browser.
type Session struct {
	ID, Person     string
	Method         string // "password", "passkey", "oidc", "ticket"
	Created, Seen  time.Time
	FactorAt       time.Time // when a second factor was proven, zero for never
	StepUp         time.Time // when the person last proved who they are
	Address, Agent string
	hash           string
}

const sessionColumns = `hash, id, person, method, created_at, seen_at, factor_at, stepped_at, address, agent`

func scanSession(row db.Scanner) (s Session, err error) {
	var created, seen, factor, stepped int64
	err = row.Scan(&s.hash, &s.ID, &s.Person, &s.Method, &created, &seen, &factor, &stepped, &s.Address, &s.Agent)
	s.Created, s.Seen, s.FactorAt, s.StepUp = db.Time(created), db.Time(seen), db.Time(factor), db.Time(stepped)
	return s, err
}

func (a *Accounts) live(s Session, now time.Time) bool {
	return now.Sub(s.Seen) <= a.IdleLimit && now.Sub(s.Created) <= a.AbsoluteLimit
}

// begin starts a session in the place of the request's own, if it has one: a token that somebody planted before the sign-in
// opens nothing after it. It returns the new token for the cookie.
func (a *Accounts) begin(tx *db.Tx, r *http.Request, p *Person, s Session) (token string, err error) {
	if _, err := tx.Exec(`DELETE FROM auth_session WHERE hash = $1`, tokenHash(a.cookie(r, sessionCookie))); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`DELETE FROM auth_pending WHERE hash = $1`, tokenHash(a.cookie(r, pendingCookie))); err != nil {
		return "", err
	}
	now := db.Micros(tx.Now())
	token = rand.Text()
	if _, err := tx.Exec(`INSERT INTO auth_session (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9)`,
		tokenHash(token), db.NewID(), p.ID, s.Method, now, db.Micros(s.FactorAt), db.Micros(s.StepUp), a.address(r), clip(r.UserAgent(), maxAgent)); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`UPDATE auth_person SET last_sign_in_at = $1 WHERE id = $2`, now, p.ID); err != nil {
		return "", err
	}
	if err := a.trim(tx, p.ID); err != nil {
		return "", err
	}
	e := a.about(r, Event{Action: "signin", Person: p.ID, Method: s.Method})
	a.event(tx, e)
	return token, nil
}

func (a *Accounts) trim(tx *db.Tx, person string) error {
	_, err := tx.Exec(`DELETE FROM auth_session WHERE person = $1 AND hash NOT IN
		(SELECT hash FROM auth_session WHERE person = $2 ORDER BY seen_at DESC, hash LIMIT $3)`, person, person, maxOwnSessions)
	return err
}

// renew gives a session another token, and marks what was proven: whoever knew the old token has nothing.
func (a *Accounts) renew(tx *db.Tx, s Session) (token string, err error) {
	token = rand.Text()
	n, err := tx.Exec(`UPDATE auth_session SET hash = $1, factor_at = $2, stepped_at = $3 WHERE hash = $4`,
		tokenHash(token), db.Micros(s.FactorAt), db.Micros(s.StepUp), s.hash)
	if err == nil && n != 1 {
		err = nobody()
	}
	return token, err
}

func nobody() error { return fault.New(fault.Unauthentic, "", "nobody is signed in") }

// current reads the request's session and its person, both alive.
func (a *Accounts) current(tx *db.Tx, r *http.Request) (s Session, p Person, err error) {
	token := a.cookie(r, sessionCookie)
	if token == "" {
		return s, p, nobody()
	}
	s, err = scanSession(tx.QueryRow(`SELECT `+sessionColumns+` FROM auth_session WHERE hash = $1`, tokenHash(token)))
	if fault.Is(err, fault.NotFound) || err == nil && !a.live(s, tx.Now()) {
		return s, p, nobody()
	}
	if err != nil {
		return s, p, err
	}
	if p, err = byID(tx, s.Person); err != nil || p.State != Active || p.Kind != Human {
		return s, p, nobody()
	}
	return s, p, nil
}

// Sessions lists a person's sessions that are alive, the latest used first.
func (a *Accounts) Sessions(ctx context.Context, person string) (list []Session, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(tx, scanSession, `SELECT `+sessionColumns+` FROM auth_session WHERE person = $1 AND seen_at >= $2 AND created_at >= $3
			ORDER BY seen_at DESC, id LIMIT $4`, person, db.Micros(tx.Now().Add(-a.IdleLimit)), db.Micros(tx.Now().Add(-a.AbsoluteLimit)), maxOwnSessions)
		return err
	})
	return list, err
}

// EndSession ends one session of a person. A fault.NotFound says that the person has no such session.
func (a *Accounts) EndSession(ctx context.Context, person, id string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`DELETE FROM auth_session WHERE id = $1 AND person = $2`, id, person)
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, "fault.session.not_found", "no such session")
		}
		a.event(tx, Event{Action: "session.end", Person: person})
		return err
	})
}

// EndSessions ends every session of a person but the one of id except ("" for none).
func (a *Accounts) EndSessions(ctx context.Context, person, except string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		a.event(tx, Event{Action: "session.end", Person: person})
		return endOthers(tx, person, except)
	})
}

// SignedIn counts the sessions that are alive, and their people.
func (a *Accounts) SignedIn(ctx context.Context) (sessions, people int, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*), COUNT(DISTINCT person) FROM auth_session WHERE seen_at >= $1 AND created_at >= $2`,
			db.Micros(tx.Now().Add(-a.IdleLimit)), db.Micros(tx.Now().Add(-a.AbsoluteLimit))).Scan(&sessions, &people)
	})
	return sessions, people, err
}

// EndEverySession ends the sessions and the sign-ins under way of everybody, but for the session of id except ("" for none), and
// says how many sessions there were. Tokens of programs stay.
func (a *Accounts) EndEverySession(ctx context.Context, except string) (ended int64, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		if ended, err = tx.Exec(`DELETE FROM auth_session WHERE id <> $1`, except); err != nil {
			return err
		}
		a.event(tx, Event{Action: "session.end_all"})
		_, err = tx.Exec(`DELETE FROM auth_pending`)
		return err
	})
	return ended, err
}

func endOthers(tx *db.Tx, person, except string) error {
	_, err := tx.Exec(`DELETE FROM auth_session WHERE person = $1 AND id <> $2`, person, except)
	return err
}

// SignOut ends the request's session, if it has one, and clears its cookies.
func (a *Accounts) SignOut(w http.ResponseWriter, r *http.Request) error {
	token, pending := a.cookie(r, sessionCookie), a.cookie(r, pendingCookie)
	a.setCookie(w, r, sessionCookie, "", 0)
	a.setCookie(w, r, pendingCookie, "", 0)
	if token == "" && pending == "" {
		return nil
	}
	return a.db.Write(r.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`DELETE FROM auth_pending WHERE hash = $1`, tokenHash(pending)); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM auth_session WHERE hash = $1`, tokenHash(token))
		return err
	})
}

// Names of cookies. Over TLS they are __Host-…, which no neighbouring host can set (RFC 6265bis, 4.1.3.2).
const (
	sessionCookie = "yagura_session"
	pendingCookie = "yagura_signin"
	deviceCookie  = "yagura_device"
)

func (a *Accounts) cookieName(r *http.Request, name string) string {
	if a.Secure(r) {
		return "__Host-" + name
	}
	return name
}

// cookie returns a cookie's value, "" for none. A longer one than ours is no cookie of ours.
func (a *Accounts) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(a.cookieName(r, name))
	if err != nil || len(c.Value) > 200 {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie for that long; an empty value takes it away.
func (a *Accounts) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: a.cookieName(r, name), Value: value, Path: "/", HttpOnly: true, Secure: a.Secure(r),
		// Lax, so that a link to an alert in a mail opens the alert; what changes anything is guarded by the site.
		SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

const deviceLife = 180 * 24 * time.Hour

// setDevice marks a browser as one in which the person has signed in: it has a budget of guesses of its own, which nobody
// else can use up. The cookie opens nothing.
func (a *Accounts) setDevice(w http.ResponseWriter, r *http.Request, person string) {
	id := rand.Text()
	a.setCookie(w, r, deviceCookie, id+"."+a.mac("device", person, id), deviceLife)
}

// deviceOf returns the id of the request's browser where the person has signed in there before, "" where not.
func (a *Accounts) deviceOf(r *http.Request, person string) string {
	id, sum, _ := strings.Cut(a.cookie(r, deviceCookie), ".")
	if id == "" || !hmac.Equal([]byte(sum), []byte(a.mac("device", person, id))) {
		return ""
	}
	return id
}

func (a *Accounts) address(r *http.Request) string {
	prefix := sourceOf(a.Address(r))
	if !prefix.IsValid() {
		return ""
	}
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

// clip cuts a text from outside to so many characters that can be seen.
func clip(text string, most int) string {
	text = strings.ToValidUTF8(text, "")
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > most {
		return string([]rune(text)[:most])
	}
	return text
}
