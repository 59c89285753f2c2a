package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Step is how far a sign-in has come.
type Step int

// The steps. FactorDue opens nothing but the second factor's page, for five minutes.
const (
	Done Step = iota + 1
	FactorDue
)

const (
	pendingLimit = 5 * time.Minute
	maxTries     = 5
)

// wrong is the one answer to whoever does not sign in, whatever the reason.
func wrong() error {
	return fault.New(fault.Unauthentic, "fault.signin.wrong", "name or password is wrong")
}

// login is what a name leads to. person is "" where nobody signs in by it.
type login struct {
	person, state, hash string
	kind                Kind
}

func (l login) may() bool { return l.state == string(Active) && l.kind == Human && l.hash != "" }

// loginOf looks a name up, with the same one query whoever it is of.
func loginOf(tx *db.Tx, name string) (l login, err error) {
	err = tx.QueryRow(`SELECT p.id, p.state, p.kind, COALESCE(w.hash, '') FROM auth_person p LEFT JOIN auth_password w ON w.person = p.id
		WHERE p.email = $1 AND p.email <> ''`, name).Scan(&l.person, &l.state, &l.kind, &l.hash)
	if fault.Is(err, fault.NotFound) {
		return login{}, nil
	}
	return l, err
}

// SignIn checks a name and a password, and starts a session, whose cookie it sets on w, or the sign-in's second stage where
// a second factor is due. Errors: fault.Unauthentic when they are wrong, whatever the reason; fault.Busy, with Retry-After set,
// when too many wrong ones came of late.
func (a *Accounts) SignIn(w http.ResponseWriter, r *http.Request, name, password string) (Step, error) {
	name, _ = NormalEmail(name) // "" has the same way to go
	var who login
	var now time.Time
	taken, err := a.guessing(w, r, func(tx *db.Tx) (guess, error) {
		now = tx.Now()
		var err error
		who, err = loginOf(tx, name)
		return a.budgetOf(r, name, who.person), err
	})
	if err != nil {
		return 0, err
	}
	phc := a.decoy
	if who.may() {
		phc = who.hash
	}
	right, err := a.check(r.Context(), password, phc)
	if err != nil {
		return 0, err
	}
	if !right || !who.may() {
		a.failed(r, now, Event{Action: "signin", Reason: "password", Method: byPassword, Person: who.person})
		return 0, wrong()
	}
	return a.passwordRight(w, r, who, password, taken)
}

// guessing takes a guess from the budget that name tells and, but for a known browser, from the source's, or says how long to wait.
func (a *Accounts) guessing(w http.ResponseWriter, r *http.Request, name func(tx *db.Tx) (guess, error)) (taken guess, err error) {
	var rest time.Duration
	var now time.Time
	err = a.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		now = tx.Now()
		if taken, err = name(tx); err != nil {
			return err
		}
		if !taken.known {
			if rest = a.sources.take(sourceOf(a.Address(r)), now); rest > 0 {
				return nil
			}
		}
		rest, err = peek(tx, taken.budget)
		return err
	})
	if err == nil && rest == 0 {
		err = a.db.Write(r.Context(), func(tx *db.Tx) (err error) {
			rest, err = a.spend(tx, taken.budget)
			return err
		})
	}
	if err == nil && rest > 0 {
		a.failed(r, now, Event{Action: "signin", Reason: "wait"})
		return guess{}, wait(w, rest)
	}
	return taken, err
}

// forgive gives a right guess back.
func (a *Accounts) forgive(tx *db.Tx, r *http.Request, taken guess) error {
	if !taken.known {
		source := sourceOf(a.Address(r))
		tx.AfterCommit(func() { a.sources.giveBack(source) })
	}
	return a.refund(tx, taken.budget)
}

// passwordRight goes on after a right password, if nothing has changed since it was read.
func (a *Accounts) passwordRight(w http.ResponseWriter, r *http.Request, who login, password string, taken guess) (step Step, err error) {
	fresh := ""
	if c, _, _, err := parsePHC(who.hash); err == nil && c != a.cost {
		if fresh, err = a.hashPassword(r.Context(), password); err != nil {
			return 0, err
		}
	}
	err = a.db.Write(as(r, who.person), func(tx *db.Tx) error {
		p, err := byID(tx, who.person)
		if err != nil {
			return err
		}
		now, err := loginOf(tx, p.Email)
		if err != nil {
			return err
		}
		if now != who {
			return wrong()
		}
		if fresh != "" {
			if err := a.setPassword(tx, p.ID, fresh, "rehash"); err != nil {
				return err
			}
		}
		if err := a.forgive(tx, r, taken); err != nil {
			return err
		}
		step, err = a.proceed(tx, w, r, &p, Session{Method: byPassword, StepUp: tx.Now()})
		return err
	})
	return step, err
}

// proceed starts the session, or the second stage where the person has a second factor and s proves none.
func (a *Accounts) proceed(tx *db.Tx, w http.ResponseWriter, r *http.Request, p *Person, s Session) (Step, error) {
	factors, err := factorsOf(tx, p.ID)
	if err != nil {
		return 0, err
	}
	if s.FactorAt.IsZero() && factors.Second() {
		token, err := a.open(tx, pending{Kind: pendingSignIn, Person: p.ID, Data: s.Method}, pendingLimit)
		tx.AfterCommit(func() { a.setCookie(w, r, pendingCookie, token, pendingLimit) })
		return FactorDue, err
	}
	return Done, a.finish(tx, w, r, p, s)
}

// finish starts the session and sets its cookies once that is committed.
func (a *Accounts) finish(tx *db.Tx, w http.ResponseWriter, r *http.Request, p *Person, s Session) error {
	token, err := a.begin(tx, r, p, s)
	tx.AfterCommit(func() {
		a.setCookie(w, r, sessionCookie, token, a.AbsoluteLimit)
		if a.cookie(r, pendingCookie) != "" {
			a.setCookie(w, r, pendingCookie, "", 0)
		}
		a.setDevice(w, r, p.ID)
	})
	return err
}

// as is the request's context with a person as the actor: who signs in acts for themselves.
func as(r *http.Request, person string) context.Context { return db.WithActor(r.Context(), person) }

// What is under way.
const (
	pendingSignIn   = "signin"
	pendingTOTP     = "totp"
	pendingPasskey  = "passkey"  // an assertion
	pendingRegister = "register" // a new passkey
)

// pending is something under way, known by a token of which the hash is kept.
type pending struct {
	Kind, Person, Data string
	hash               string
	tries              int
}

// open keeps it for that long and returns its token.
func (a *Accounts) open(tx *db.Tx, p pending, life time.Duration) (token string, err error) {
	token = rand.Text()
	_, err = tx.Exec(`INSERT INTO auth_pending (hash, kind, person, data, tries, expires_at) VALUES ($1, $2, $3, $4, 0, $5)`,
		tokenHash(token), p.Kind, p.Person, p.Data, db.Micros(tx.Now().Add(life)))
	return token, err
}

// under reads what is under way by its token: fault.Unauthentic where nothing is any more.
func under(tx *db.Tx, kind, token string) (p pending, err error) {
	err = tx.QueryRow(`SELECT hash, kind, person, data, tries FROM auth_pending WHERE hash = $1 AND kind = $2 AND expires_at > $3`,
		tokenHash(token), kind, db.Micros(tx.Now())).Scan(&p.hash, &p.Kind, &p.Person, &p.Data, &p.tries)
	if fault.Is(err, fault.NotFound) {
		return p, fault.New(fault.Unauthentic, "fault.signin.over", "that took too long, or was used already")
	}
	return p, err
}

// take is under, once.
func take(tx *db.Tx, kind, token string) (p pending, err error) {
	if p, err = under(tx, kind, token); err != nil {
		return p, err
	}
	n, err := tx.Exec(`DELETE FROM auth_pending WHERE hash = $1`, p.hash)
	if err == nil && n != 1 {
		err = fault.New(fault.Unauthentic, "fault.signin.over", "that was used already")
	}
	return p, err
}

// Pending is a sign-in whose second factor is due.
type Pending struct {
	Email   string
	Factors Factors
}

// Pending returns the request's sign-in under way. A fault.Unauthentic says that there is none: begin again.
func (a *Accounts) Pending(r *http.Request) (out Pending, err error) {
	err = a.db.Read(r.Context(), func(tx *db.Tx) error {
		p, err := under(tx, pendingSignIn, a.cookie(r, pendingCookie))
		if err != nil {
			return err
		}
		person, err := byID(tx, p.Person)
		if err != nil {
			return err
		}
		out.Email = person.Email
		out.Factors, err = factorsOf(tx, p.Person)
		return err
	})
	return out, err
}

// SecondFactor ends a sign-in's second stage with a session. Errors: fault.Forbidden when the proof is wrong,
// fault.Unauthentic when the sign-in is over (five wrong ones, five minutes), fault.Busy when too many wrong ones came.
func (a *Accounts) SecondFactor(w http.ResponseWriter, r *http.Request, proof Proof) error {
	var person string
	taken, err := a.guessing(w, r, func(tx *db.Tx) (guess, error) {
		p, err := under(tx, pendingSignIn, a.cookie(r, pendingCookie))
		person = p.Person
		return a.budgetOf(r, "factor "+person, person), err
	})
	if err != nil {
		return err
	}
	var refused error
	err = a.db.Write(as(r, person), func(tx *db.Tx) error {
		p, err := under(tx, pendingSignIn, a.cookie(r, pendingCookie))
		if err != nil {
			return err
		}
		who, err := byID(tx, p.Person)
		if err != nil || who.State != Active {
			return wrong()
		}
		method, err := a.prove(tx, r, who.ID, proof)
		if fault.Is(err, fault.Forbidden) {
			refused = err // and the try is kept
			return a.tried(tx, p)
		}
		if err != nil {
			return err
		}
		if err := a.forgive(tx, r, taken); err != nil {
			return err
		}
		a.event(tx, a.about(r, Event{Action: "signin.factor", Person: who.ID, Method: method}))
		return a.finish(tx, w, r, &who, Session{Method: p.Data, FactorAt: tx.Now(), StepUp: tx.Now()})
	})
	if err == nil {
		err = refused
	}
	return err
}

func (a *Accounts) tried(tx *db.Tx, p pending) error {
	_, err := tx.Exec(`UPDATE auth_pending SET tries = tries + 1 WHERE hash = $1`, p.hash)
	if err == nil && p.tries+1 >= maxTries {
		_, err = tx.Exec(`DELETE FROM auth_pending WHERE hash = $1`, p.hash)
	}
	return err
}

// StepUp takes a fresh proof from somebody who is signed in, and gives their session a new token: a second factor where they
// have one, else the password. Whoever signs in by the company's provider alone does so again (SignInExternal).
// Errors: fault.Forbidden when it is wrong, fault.Busy when too many wrong ones came.
func (a *Accounts) StepUp(w http.ResponseWriter, r *http.Request, password string, proof Proof) error {
	var s Session
	var factors Factors
	var who login
	taken, err := a.guessing(w, r, func(tx *db.Tx) (guess, error) {
		var p Person
		var err error
		if s, p, err = a.current(tx, r); err != nil {
			return guess{}, err
		}
		if factors, err = factorsOf(tx, p.ID); err != nil {
			return guess{}, err
		}
		who, err = loginOf(tx, p.Email)
		return a.budgetOf(r, "factor "+p.ID, p.ID), err
	})
	if err != nil {
		return err
	}
	right := false
	if !factors.Second() && who.hash != "" {
		if right, err = a.check(r.Context(), password, who.hash); err != nil {
			return err
		}
	}
	var refused error
	err = a.db.Write(as(r, s.Person), func(tx *db.Tx) error {
		refused = nil // a transaction may be run again
		if s, _, err = a.current(tx, r); err != nil {
			return err
		}
		if factors.Second() {
			if _, refused = a.prove(tx, r, s.Person, proof); refused != nil {
				return onlyForbidden(refused)
			}
			s.FactorAt = tx.Now()
		} else if !right {
			refused = fault.New(fault.Forbidden, "fault.password.old", "the password is wrong")
			return nil
		}
		if err := a.forgive(tx, r, taken); err != nil {
			return err
		}
		s.StepUp = tx.Now()
		a.event(tx, a.about(r, Event{Action: "stepup", Person: s.Person}))
		return a.renewCookie(tx, w, r, s)
	})
	if err == nil && refused != nil {
		err = refused
	}
	return err
}

// onlyForbidden lets what was written beside a refusal be committed.
func onlyForbidden(err error) error {
	if fault.Is(err, fault.Forbidden) {
		return nil
	}
	return err
}

func (a *Accounts) renewCookie(tx *db.Tx, w http.ResponseWriter, r *http.Request, s Session) error {
	token, err := a.renew(tx, s)
	tx.AfterCommit(func() { a.setCookie(w, r, sessionCookie, token, max(0, a.AbsoluteLimit-tx.Now().Sub(s.Created))) })
	return err
}

// Fresh reports whether the user proved who they are within that time before now.
func Fresh(user *User, within time.Duration, now time.Time) bool {
	return user != nil && !user.StepUp.IsZero() && now.Sub(user.StepUp) <= within
}

// mayChange returns the session whose person may change their credentials: they proved who they are just now.
func (a *Accounts) mayChange(tx *db.Tx, r *http.Request) (s Session, p Person, err error) {
	if s, p, err = a.current(tx, r); err != nil {
		return s, p, err
	}
	if tx.Now().Sub(s.StepUp) > a.Config.StepUp {
		return s, p, fault.New(fault.Forbidden, "fault.not_fresh", "a fresh proof of who they are is due")
	}
	return s, p, nil
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // types of ours that JSON has words for
	}
	return string(text)
}
