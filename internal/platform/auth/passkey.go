package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	ceremonyLimit = 5 * time.Minute
	maxPasskeys   = 20
	maxAnswer     = 64 << 10 // bytes of a browser's answer
)

// Passkey is a WebAuthn credential of a person. User verification is required of each, so that one alone is two factors.
type Passkey struct {
	ID, Name          string
	Created, LastUsed time.Time
	BackedUp          bool      // it is synchronised between devices
	Cloned            time.Time // when its counter went backwards, so that it may have been copied; zero for never. It opens nothing since.
}

// Challenge is what a browser's authenticator has to sign, once, within five minutes.
type Challenge struct {
	ID      string          // comes back with the answer
	Options json.RawMessage // for navigator.credentials.get or create
}

func newWebAuthn(public string) (*webauthn.WebAuthn, error) {
	if public == "" {
		return nil, nil
	}
	u, err := url.Parse(public)
	if err != nil || u.Hostname() == "" {
		return nil, fault.New(fault.Invalid, "", "passkeys need the server's public URL: %q is none", public)
	}
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: totpCompany, RPOrigins: []string{u.Scheme + "://" + u.Host}})
}

// owner is a person as WebAuthn knows them.
type owner struct {
	person Person
	keys   []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return []byte(o.person.ID) }
func (o owner) WebAuthnName() string                       { return o.person.Email }
func (o owner) WebAuthnDisplayName() string                { return o.person.Name }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func ownerOf(tx *db.Tx, person string) (o owner, err error) {
	if o.person, err = byID(tx, person); err != nil {
		return o, err
	}
	o.keys, err = db.List(tx, func(row db.Scanner) (c webauthn.Credential, err error) {
		var text string
		var count, backed int64
		if err := row.Scan(&text, &count, &backed); err != nil {
			return c, err
		}
		err = json.Unmarshal([]byte(text), &c)
		c.Authenticator.SignCount, c.Flags.BackupState = uint32(count), backed != 0
		return c, err
	}, `SELECT credential, sign_count, backed_up FROM auth_passkey WHERE person = $1 AND cloned_at = 0 ORDER BY id`, person)
	return o, err
}

func (a *Accounts) havePasskeys() error {
	if a.passkeys == nil {
		return fault.New(fault.Unavailable, "fault.passkey.off", "passkeys need the server's public URL")
	}
	return nil
}

// ceremony keeps what WebAuthn has to remember until the answer comes.
func (a *Accounts) ceremony(tx *db.Tx, kind, person string, options any, session *webauthn.SessionData) (c Challenge, err error) {
	session.Expires = time.Time{} // the row's own time decides, by the database's clock
	c.Options = json.RawMessage(encode(options))
	c.ID, err = a.open(tx, pending{Kind: kind, Person: person, Data: encode(session)}, ceremonyLimit)
	return c, err
}

// BeginPasskey challenges a passkey: of the person of a ticket, where one is given; else of who is signed in, for StepUp; else of
// the sign-in under way, for SecondFactor; else of anybody, for SignInPasskey.
func (a *Accounts) BeginPasskey(w http.ResponseWriter, r *http.Request, ticket string) (c Challenge, err error) {
	if err := a.havePasskeys(); err != nil {
		return c, err
	}
	var rest time.Duration
	err = a.db.Write(r.Context(), func(tx *db.Tx) error {
		if rest = a.asking.take(sourceOf(a.Address(r)), tx.Now()); rest > 0 {
			return nil
		}
		person, err := a.whoProves(tx, r, ticket)
		if err != nil {
			return err
		}
		required := webauthn.WithUserVerification(protocol.VerificationRequired)
		if person == "" {
			options, session, err := a.passkeys.BeginDiscoverableLogin(required)
			if err != nil {
				return fmt.Errorf("challenging a passkey: %w", err)
			}
			c, err = a.ceremony(tx, pendingPasskey, "", options, session)
			return err
		}
		who, err := ownerOf(tx, person)
		if err != nil {
			return err
		}
		if len(who.keys) == 0 {
			return fault.New(fault.NotFound, "fault.passkey.none", "the person has no passkey")
		}
		options, session, err := a.passkeys.BeginLogin(who, required)
		if err != nil {
			return fmt.Errorf("challenging a passkey: %w", err)
		}
		c, err = a.ceremony(tx, pendingPasskey, person, options, session)
		return err
	})
	if err == nil && rest > 0 {
		err = wait(w, rest)
	}
	return c, err
}

func (a *Accounts) whoProves(tx *db.Tx, r *http.Request, ticket string) (string, error) {
	if ticket != "" {
		_, p, err := a.redeemable(tx, ticket)
		return p.ID, err
	}
	if s, _, err := a.current(tx, r); err == nil {
		return s.Person, nil
	} else if !fault.Is(err, fault.Unauthentic) {
		return "", err
	}
	p, err := under(tx, pendingSignIn, a.cookie(r, pendingCookie))
	if fault.Is(err, fault.Unauthentic) {
		return "", nil
	}
	return p.Person, err
}

// assert checks a passkey's answer to a challenge and uses the challenge up. It returns whose passkey it is. A fault.Forbidden
// says that the answer is wrong; what was written until then is to be kept.
func (a *Accounts) assert(tx *db.Tx, r *http.Request, id string, answer []byte) (person string, err error) {
	if err := a.havePasskeys(); err != nil {
		return "", err
	}
	p, err := take(tx, pendingPasskey, id)
	if fault.Is(err, fault.Unauthentic) {
		return "", badProof()
	}
	if err != nil {
		return "", err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal([]byte(p.Data), &session); err != nil {
		return "", fmt.Errorf("reading a challenge: %w", err)
	}
	if len(answer) > maxAnswer {
		return "", badProof()
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", badProof()
	}
	credential, person, err := a.validate(tx, p.Person, session, parsed)
	if err != nil {
		return "", err
	}
	return person, a.used(tx, r, person, credential)
}

func (a *Accounts) validate(tx *db.Tx, person string, session webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, string, error) {
	var broken error // the database's, as opposed to the answer's
	lookup := func(id string) (webauthn.User, error) {
		o, err := ownerOf(tx, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			broken = err
		}
		return o, err
	}
	if person == "" {
		who, credential, err := a.passkeys.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) { return lookup(string(handle)) }, session, parsed)
		switch {
		case broken != nil:
			return nil, "", broken
		case err != nil:
			return nil, "", badProof()
		}
		return credential, string(who.WebAuthnID()), nil
	}
	who, err := lookup(person)
	if err != nil {
		return nil, "", err
	}
	credential, err := a.passkeys.ValidateLogin(who, session, parsed)
	if err != nil {
		return nil, "", badProof()
	}
	return credential, person, nil
}

// used keeps what the authenticator counted. A counter that does not go forward says that there are two of it: neither opens
// anything any more (WebAuthn Level 3, 6.1.1).
func (a *Accounts) used(tx *db.Tx, r *http.Request, person string, c *webauthn.Credential) error {
	id := base64.RawURLEncoding.EncodeToString(c.ID)
	if c.Authenticator.CloneWarning {
		var row string
		if err := tx.QueryRow(`SELECT id FROM auth_passkey WHERE credential_id = $1`, id).Scan(&row); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE auth_passkey SET cloned_at = $1 WHERE id = $2`, db.Micros(tx.Now()), row); err != nil {
			return err
		}
		at, e := tx.Now(), Event{Action: "signin.factor", Reason: "clone", Method: byPasskey, Person: person}
		tx.AfterCommit(func() { a.failed(r, at, e) })
		if err := a.record(tx, "auth_passkey", row, actionRevoke); err != nil {
			return err
		}
		return badProof()
	}
	backed := 0
	if c.Flags.BackupState {
		backed = 1
	}
	_, err := tx.Exec(`UPDATE auth_passkey SET sign_count = $1, backed_up = $2, last_used_at = $3 WHERE credential_id = $4`,
		int64(c.Authenticator.SignCount), backed, db.Micros(tx.Now()), id)
	return err
}

// SignInPasskey signs in whoever's passkey answered the challenge: both factors in one. Errors: fault.Unauthentic when the
// answer is wrong, fault.Busy when too many wrong ones came from there.
func (a *Accounts) SignInPasskey(w http.ResponseWriter, r *http.Request, id string, answer []byte) error {
	source := sourceOf(a.Address(r))
	var rest time.Duration
	var refused error
	err := a.db.Write(r.Context(), func(tx *db.Tx) error {
		refused = nil
		if rest = a.sources.take(source, tx.Now()); rest > 0 {
			return nil
		}
		person, err := a.assert(tx, r, id, answer)
		if err == nil {
			var p Person
			if p, err = byID(tx, person); err == nil && p.State == Active && p.Kind == Human {
				tx.AfterCommit(func() { a.sources.giveBack(source) })
				return a.finish(tx, w, r, &p, Session{Method: byPasskey, FactorAt: tx.Now(), StepUp: tx.Now()})
			}
			if err == nil {
				err = badProof()
			}
		}
		at := tx.Now()
		tx.AfterCommit(func() {
			a.failed(r, at, Event{Action: "signin", Reason: "factor", Method: byPasskey, Person: person})
		})
		refused = fault.New(fault.Unauthentic, "fault.passkey.wrong", "the passkey opens nothing")
		return onlyForbidden(err)
	})
	switch {
	case err != nil:
		return err
	case rest > 0:
		return wait(w, rest)
	}
	return refused
}

// BeginPasskeyRegistration challenges a new passkey of who is signed in. A fault.Forbidden says that a fresh proof is due.
func (a *Accounts) BeginPasskeyRegistration(r *http.Request) (c Challenge, err error) {
	if err := a.havePasskeys(); err != nil {
		return c, err
	}
	err = a.db.Write(r.Context(), func(tx *db.Tx) error {
		_, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		who, err := ownerOf(tx, p.ID)
		if err != nil {
			return err
		}
		if len(who.keys) >= maxPasskeys {
			return fault.New(fault.Invalid, "fault.passkey.many", "a person keeps up to %d passkeys", maxPasskeys)
		}
		options, session, err := a.passkeys.BeginRegistration(who,
			webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired,
				RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired}),
			webauthn.WithExclusions(webauthn.Credentials(who.keys).CredentialDescriptors()),
			webauthn.WithConveyancePreference(protocol.PreferNoAttestation))
		if err != nil {
			return fmt.Errorf("challenging a new passkey: %w", err)
		}
		c, err = a.ceremony(tx, pendingRegister, p.ID, options, session)
		return err
	})
	return c, err
}

// RegisterPasskey keeps the passkey that answered the challenge, under a name. The person's other sessions end, this one has
// proven a second factor and gets a new token. It returns recovery codes, to be shown once, where there were none. Errors:
// fault.Invalid when the answer is wrong, fault.Unauthentic when the challenge is over.
func (a *Accounts) RegisterPasskey(w http.ResponseWriter, r *http.Request, id, name string, answer []byte) (recovery []string, err error) {
	if err := a.havePasskeys(); err != nil {
		return nil, err
	}
	if name, err = cleanName(name); err != nil {
		return nil, err
	}
	invalid := func(err error) error {
		return fault.New(fault.Invalid, "fault.passkey.register", "the new passkey's answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return nil, invalid(fmt.Errorf("%d bytes", len(answer)))
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, invalid(err)
	}
	err = a.db.Write(a.own(r), func(tx *db.Tx) error {
		s, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		under, err := take(tx, pendingRegister, id)
		if err != nil {
			return err
		}
		var session webauthn.SessionData
		if err := json.Unmarshal([]byte(under.Data), &session); err != nil || under.Person != p.ID {
			return fault.New(fault.Unauthentic, "fault.signin.over", "no such challenge")
		}
		credential, err := a.passkeys.CreateCredential(owner{person: p}, session, parsed)
		if err != nil {
			return invalid(err)
		}
		if err := a.addPasskey(tx, p.ID, name, credential); err != nil {
			return err
		}
		recovery, err = a.secured(tx, w, r, s)
		return err
	})
	return recovery, err
}

func (a *Accounts) addPasskey(tx *db.Tx, person, name string, c *webauthn.Credential) error {
	count, backed := int64(c.Authenticator.SignCount), 0
	if c.Flags.BackupState {
		backed = 1
	}
	// What was attested is not kept: nobody asks for it.
	c.Attestation = webauthn.CredentialAttestation{}
	id := db.NewID()
	n, err := tx.Exec(`INSERT INTO auth_passkey (id, person, credential_id, name, credential, created_at, last_used_at, sign_count, backed_up, cloned_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, 0) ON CONFLICT (credential_id) DO NOTHING`,
		id, person, base64.RawURLEncoding.EncodeToString(c.ID), name, encode(c), db.Micros(tx.Now()), count, backed)
	if err != nil {
		return fmt.Errorf("keeping a passkey: %w", err)
	}
	if n == 0 {
		return fault.New(fault.Conflict, "fault.passkey.taken", "the passkey is registered already")
	}
	a.event(tx, Event{Action: "passkey.register", Person: person})
	return a.record(tx, "auth_passkey", id, "create")
}

// Passkeys lists a person's passkeys, the oldest first.
func (a *Accounts) Passkeys(ctx context.Context, person string) (list []Passkey, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(tx, func(row db.Scanner) (k Passkey, err error) {
			var created, used, cloned, backed int64
			err = row.Scan(&k.ID, &k.Name, &created, &used, &backed, &cloned)
			k.Created, k.LastUsed, k.Cloned, k.BackedUp = db.Time(created), db.Time(used), db.Time(cloned), backed != 0
			return k, err
		}, `SELECT id, name, created_at, last_used_at, backed_up, cloned_at FROM auth_passkey WHERE person = $1 ORDER BY id LIMIT $2`, person, 10*maxPasskeys)
		return err
	})
	return list, err
}

// RenamePasskey gives a passkey of the request's person another name.
func (a *Accounts) RenamePasskey(r *http.Request, id, name string) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	return a.ownPasskey(r, id, "update", func(tx *db.Tx, person string) (int64, error) {
		return tx.Exec(`UPDATE auth_passkey SET name = $1 WHERE id = $2 AND person = $3`, name, id, person)
	})
}

// RemovePasskey takes a passkey away from the request's person. A fault.Conflict says that it is the last second factor of
// somebody whose role takes one.
func (a *Accounts) RemovePasskey(r *http.Request, id string) error {
	return a.ownPasskey(r, id, "delete", func(tx *db.Tx, person string) (int64, error) {
		n, err := tx.Exec(`DELETE FROM auth_passkey WHERE id = $1 AND person = $2`, id, person)
		if err == nil && n == 1 {
			a.event(tx, Event{Action: "passkey.remove", Person: person})
			err = a.dropSpare(tx, person)
		}
		return n, err
	})
}

func (a *Accounts) ownPasskey(r *http.Request, id, action string, change func(tx *db.Tx, person string) (int64, error)) error {
	return a.db.Write(a.own(r), func(tx *db.Tx) error {
		_, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		n, err := change(tx, p.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.NotFound, "fault.passkey.none", "no such passkey")
		}
		return a.record(tx, "auth_passkey", id, action)
	})
}
