package auth

import (
	"net/http"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// User says who sent the request: by "Authorization: Bearer", or else by the session's cookie. What it says holds at that
// moment: a role taken away or a session ended counts at the next request. A fault.Unauthentic says that nobody we know did.
func (a *Accounts) User(r *http.Request) (*User, error) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return a.bearer(r, strings.TrimSpace(token))
	}
	user, err := a.signedIn(r)
	if fault.Is(err, fault.Unauthentic) && a.AutoSignIn && fromThisMachine(r) {
		// Nobody proved to know a password: there is no session, and nothing to lose in a demo.
		return a.trusted(r, User{ID: demoName, Name: demoName, Roles: []string{AdminRole}})
	}
	return user, err
}

// localUser is this machine's commands: whoever reads the server's files has proved enough.
func (a *Accounts) localUser(r *http.Request) (*User, error) {
	return a.trusted(r, User{ID: "local", Name: "local"})
}

// trusted lets a user do everything, dangerous things too.
func (a *Accounts) trusted(r *http.Request, user User) (*User, error) {
	user.Allowed = everything
	err := a.db.Read(r.Context(), func(tx *db.Tx) error {
		user.StepUp = tx.Now()
		return nil
	})
	return &user, err
}

// user is what pages know of a person.
func (a *Accounts) user(p Person) *User {
	roles := p.RoleNames()
	return &User{ID: p.ID, Name: p.Name, Email: p.Email, Unit: p.Unit, Lang: p.Lang, Zone: p.Zone, Roles: roles,
		Allowed: func(permission string) bool { return a.Roles.Allows(roles, permission) }}
}

func (a *Accounts) signedIn(r *http.Request) (*User, error) {
	if a.cookie(r, sessionCookie) == "" {
		return nil, nobody()
	}
	var s Session
	var p Person
	var second bool
	var now time.Time
	err := a.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		now = tx.Now()
		if s, p, err = a.current(tx, r); err != nil || !s.FactorAt.IsZero() {
			return err
		}
		f, err := factorsOf(tx, p.ID)
		second = f.Second()
		return err
	})
	if err != nil {
		return nil, err
	}
	user := a.user(p)
	user.Session, user.SessionID, user.StepUp = true, s.ID, s.StepUp
	if s.FactorAt.IsZero() {
		if second {
			return nil, nobody() // it was registered elsewhere since: sign in anew, with it
		}
		if user.Enrol = a.Roles.NeedsMFA(user.Roles); user.Enrol {
			user.Allowed = nil
		}
	}
	if now.Sub(s.Seen) < seenEvery || a.Passive != nil && a.Passive(r) {
		return user, nil
	}
	return user, a.db.Write(r.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE auth_session SET seen_at = $1, address = $2 WHERE hash = $3`, db.Micros(now), a.address(r), s.hash)
		return err
	})
}
