package auth

import (
	"net/http"
	"slices"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Identity is what a company's OpenID provider vouches for, once its token was verified.
type Identity struct {
	Issuer, Subject string
	Email           string // verified, or ""
	Name            string
	Roles           []string  // that its groups stand for
	SyncRoles       bool      // replace the person's roles of origin oidc by Roles
	MFA             bool      // a second factor was proved there
	AuthTime        time.Time // when the person proved who they are; zero for now
}

// ExternalPolicy says what becomes of identities that nobody here has yet.
type ExternalPolicy struct {
	Create bool // make a person
	Link   bool // the person who has the identity's verified address and no other subject takes it
}

// SignInExternal signs in the person whom an identity names, to the second stage where the provider proved no second factor and
// the person has one here. Their roles of origin oidc become the identity's. Errors: fault.Unauthentic when nobody may sign
// in by it.
func (a *Accounts) SignInExternal(w http.ResponseWriter, r *http.Request, id Identity, policy ExternalPolicy) (step Step, err error) {
	if id.Issuer == "" || id.Subject == "" {
		return 0, fault.New(fault.Invalid, "", "an identity has an issuer and a subject")
	}
	var refused error
	err = a.db.Write(r.Context(), func(tx *db.Tx) error {
		refused = nil
		p, err := a.known(tx, id, policy)
		if fault.Is(err, fault.NotFound) || err == nil && (p.State == Disabled || p.Kind != Human) {
			at := tx.Now()
			tx.AfterCommit(func() { a.failed(r, at, Event{Action: "signin", Reason: "state", Method: byOIDC, Person: p.ID}) })
			refused = fault.New(fault.Unauthentic, "fault.signin.external", "nobody here has that identity, or may sign in")
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.adopt(tx, &p, id); err != nil {
			return err
		}
		s := Session{Method: byOIDC, StepUp: id.AuthTime}
		if s.StepUp.IsZero() || s.StepUp.After(tx.Now()) {
			s.StepUp = tx.Now()
		}
		if id.MFA {
			s.FactorAt = s.StepUp
		}
		step, err = a.proceed(tx, w, r, &p, s)
		return err
	})
	if err == nil {
		err = refused
	}
	return step, err
}

// ExternalRefused tells that a sign-in by the company's provider came to nothing before anybody was known by it. person is who was
// signed in and was to prove themselves anew, "" for nobody; reason is a word for why.
func (a *Accounts) ExternalRefused(r *http.Request, person, reason string) error {
	return a.db.Read(r.Context(), func(tx *db.Tx) error {
		a.failed(r, tx.Now(), Event{Action: "signin", Reason: reason, Method: byOIDC, Person: person})
		return nil
	})
}

// known finds the identity's person, or makes them where the policy says so.
func (a *Accounts) known(tx *db.Tx, id Identity, policy ExternalPolicy) (Person, error) {
	p, err := find(tx, `issuer = $1 AND subject = $2`, id.Issuer, id.Subject)
	if !fault.Is(err, fault.NotFound) {
		return p, err
	}
	email, bad := NormalEmail(id.Email)
	if bad != nil {
		return p, err
	}
	p, err = find(tx, `email = $1`, email)
	switch {
	case err == nil && (p.State == Disabled || p.Kind != Human):
		return p, nil // whom the caller refuses, and whom nothing is linked to
	case err == nil && policy.Link && p.External.Subject == "":
		p.External.Issuer, p.External.Subject = id.Issuer, id.Subject
		return p, a.put(tx, &p, "link")
	case err == nil: // the address is somebody else's: an identity that claims it gets nothing
		return Person{}, fault.New(fault.NotFound, "", "the address is another person's")
	case !fault.Is(err, fault.NotFound) || !policy.Create:
		return p, err
	}
	name := id.Name
	if _, err := cleanName(name); err != nil {
		name = email
	}
	return a.create(tx, NewPerson{Email: email, Name: name, State: Active, Origin: OIDC, External: External{Issuer: id.Issuer, Subject: id.Subject}})
}

// adopt brings the person to what the identity says: active, with its roles. Unknown roles are left out: the mapping is the
// administrator's, and one misspelt role must not shut everybody out.
func (a *Accounts) adopt(tx *db.Tx, p *Person, id Identity) error {
	before, state := slices.Clone(p.Roles), p.State
	if id.SyncRoles {
		roles := slices.DeleteFunc(slices.Clone(id.Roles), func(role string) bool { return !a.Roles.Known(role) })
		if err := a.replaceRoles(tx, p, OIDC, roles); err != nil {
			return err
		}
	}
	p.State = Active
	if state == Active && slices.Equal(before, p.Roles) {
		return nil
	}
	return a.put(tx, p, "roles")
}
