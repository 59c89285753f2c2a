package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Factors are the credentials that a person has.
type Factors struct {
	Password bool
	TOTP     bool
	Passkeys int
	Recovery int // codes that were not used
}

// Second reports whether there is a second factor.
func (f Factors) Second() bool { return f.TOTP || f.Passkeys > 0 }

// Factors returns the credentials that a person has.
func (a *Accounts) Factors(ctx context.Context, person string) (f Factors, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		f, err = factorsOf(tx, person)
		return err
	})
	return f, err
}

// FactorsOf returns the credentials of several people, a page of them at most, by id. Who does not exist is not there.
func (a *Accounts) FactorsOf(ctx context.Context, people []string) (all map[string]Factors, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		all, err = factorsOfAll(tx, people)
		return err
	})
	return all, err
}

func factorsOf(tx *db.Tx, person string) (Factors, error) {
	all, err := factorsOfAll(tx, []string{person})
	return all[person], err
}

func factorsOfAll(tx *db.Tx, people []string) (map[string]Factors, error) {
	type row struct {
		person string
		Factors
	}
	var w db.Where
	db.In(&w, "id", people)
	rows, err := db.List(tx, func(s db.Scanner) (r row, err error) {
		var passwords, apps int
		err = s.Scan(&r.person, &passwords, &apps, &r.Passkeys, &r.Recovery)
		r.Password, r.TOTP = passwords > 0, apps > 0
		return r, err
	}, `SELECT id, (SELECT COUNT(*) FROM auth_password c WHERE c.person = auth_person.id), (SELECT COUNT(*) FROM auth_totp c WHERE c.person = auth_person.id),
		(SELECT COUNT(*) FROM auth_passkey c WHERE c.person = auth_person.id), (SELECT COUNT(*) FROM auth_recovery c WHERE c.person = auth_person.id AND c.used_at = 0)
		FROM auth_person`+w.String(), w.Args()...)
	if err != nil {
		return nil, fmt.Errorf("reading second factors: %w", err)
	}
	all := make(map[string]Factors, len(rows))
	for _, r := range rows {
		all[r.person] = r.Factors
	}
	return all, nil
}

// Proof is a second factor: a one-time or recovery code, or a passkey's answer to a Challenge.
type Proof struct {
	Code      string
	Challenge string // Challenge.ID
	Passkey   []byte // the browser's answer, JSON
}

// prove checks a proof of that person and uses it up. A fault.Forbidden says that it is wrong; what it wrote until then is to be kept.
func (a *Accounts) prove(tx *db.Tx, r *http.Request, person string, proof Proof) (method string, err error) {
	code := plainCode(proof.Code)
	switch {
	case proof.Challenge != "":
		method = byPasskey
		var who string
		if who, err = a.assert(tx, r, proof.Challenge, proof.Passkey); err == nil && who != person {
			err = badProof()
		}
	case len(code) == 6:
		method, err = byTOTP, a.proveTOTP(tx, person, code)
	default:
		method, err = byRecovery, a.proveRecovery(tx, person, code)
	}
	if fault.Is(err, fault.Forbidden) {
		at, address := tx.Now(), a.about(r, Event{Action: "signin.factor", Reason: "factor", Method: method, Person: person})
		tx.AfterCommit(func() { a.failed(r, at, address) })
	}
	return method, err
}

// plainCode is a code without what people type to read it better; apps show "123 456".
func plainCode(typed string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' {
			return -1
		}
		return c
	}, strings.ToLower(string(normal(clip(typed, 100))))) // NFKC makes wide digits and spaces plain ones
}

func badProof() error {
	return fault.New(fault.Forbidden, "fault.factor.wrong", "the second factor is wrong")
}

// One-time codes as every authenticator app reads them (RFC 6238 with its defaults).
const (
	totpPeriod  = 30
	totpSkew    = 1 // steps before and after that are taken, for clocks that are off
	totpBytes   = 20
	enrolLimit  = 10 * time.Minute
	totpCompany = "Yagura"
)

// matchStep returns the time step, of those around now, whose code it is. All are compared, whichever fits.
func matchStep(secret, code string, now time.Time) (step int64, ok bool) {
	at := now.Unix() / totpPeriod
	for s := at - totpSkew; s <= at+totpSkew; s++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// proveTOTP takes a code once: its step is stored where a later one is not yet, in the one statement that decides.
func (a *Accounts) proveTOTP(tx *db.Tx, person, code string) error {
	var sealed string
	err := tx.QueryRow(`SELECT secret FROM auth_totp WHERE person = $1`, person).Scan(&sealed)
	if fault.Is(err, fault.NotFound) {
		return badProof()
	}
	if err != nil {
		return err
	}
	secret, err := a.Seal.Open(totpSecret().Purpose(person), sealed)
	if err != nil {
		return fmt.Errorf("opening the secret of one-time codes: %w", err)
	}
	step, ok := matchStep(string(secret), code, tx.Now())
	if !ok {
		return badProof()
	}
	n, err := tx.Exec(`UPDATE auth_totp SET last_step = $1 WHERE person = $2 AND last_step < $1`, step, person)
	if err == nil && n != 1 {
		return badProof() // a replay
	}
	return err
}

// Enrolment is a secret that an authenticator app is to learn.
type Enrolment struct {
	ID     string // for ConfirmTOTP
	Secret string // base32, to be typed
	URI    string // otpauth://…, to be shown as a QR code
}

// EnrolTOTP begins to register an authenticator app, for ten minutes; nothing changes until ConfirmTOTP. A fault.Forbidden says
// that a fresh proof is due.
func (a *Accounts) EnrolTOTP(r *http.Request) (e Enrolment, err error) {
	e.Secret = rand.Text()[:26] + rand.Text()[:6] // 32 letters of base32: 160 bits (RFC 4226, 4)
	err = a.db.Write(r.Context(), func(tx *db.Tx) error {
		_, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		sealed, err := a.Seal.Seal("auth_pending.data/"+p.ID, []byte(e.Secret))
		if err != nil {
			return err
		}
		e.URI = (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + totpCompany + ":" + p.Email, RawQuery: url.Values{
			"secret": {e.Secret}, "issuer": {totpCompany}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {fmt.Sprint(totpPeriod)}}.Encode()}).String()
		e.ID, err = a.open(tx, pending{Kind: pendingTOTP, Person: p.ID, Data: sealed}, enrolLimit)
		return err
	})
	return e, err
}

// ConfirmTOTP registers the app once it shows a right code, in place of another one. The person's other sessions end, this one
// has proven a second factor and gets a new token. It returns recovery codes, to be shown once, where there were none.
// Errors: fault.Forbidden when the code is wrong, fault.Unauthentic when the enrolment is over.
func (a *Accounts) ConfirmTOTP(w http.ResponseWriter, r *http.Request, id, code string) (recovery []string, err error) {
	var refused error
	err = a.db.Write(a.own(r), func(tx *db.Tx) error {
		recovery, refused = nil, nil
		s, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		under, err := under(tx, pendingTOTP, id)
		if err != nil || under.Person != p.ID {
			return fault.New(fault.Unauthentic, "fault.signin.over", "no such enrolment")
		}
		secret, err := a.Seal.Open("auth_pending.data/"+p.ID, under.Data)
		if err != nil {
			return err
		}
		step, ok := matchStep(string(secret), plainCode(code), tx.Now())
		if !ok {
			refused = badProof()
			return a.tried(tx, under)
		}
		if _, err := take(tx, pendingTOTP, id); err != nil {
			return err
		}
		if err := a.putTOTP(tx, p.ID, secret, step); err != nil {
			return err
		}
		recovery, err = a.secured(tx, w, r, s)
		return err
	})
	if err == nil {
		err = refused
	}
	return recovery, err
}

func (a *Accounts) putTOTP(tx *db.Tx, person string, secret []byte, step int64) error {
	sealed, err := a.Seal.Seal(totpSecret().Purpose(person), secret)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO auth_totp (person, secret, created_at, last_step) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at, last_step = excluded.last_step`,
		person, sealed, db.Micros(tx.Now()), step); err != nil {
		return fmt.Errorf("registering one-time codes: %w", err)
	}
	a.event(tx, Event{Action: "totp.register", Person: person})
	return a.record(tx, "auth_totp", person, "create")
}

// secured ends the person's other sessions, renews this one with the factor it has just proven, and makes recovery codes where
// there are none.
func (a *Accounts) secured(tx *db.Tx, w http.ResponseWriter, r *http.Request, s Session) ([]string, error) {
	if err := endOthers(tx, s.Person, s.ID); err != nil {
		return nil, err
	}
	s.FactorAt, s.StepUp = tx.Now(), tx.Now()
	if err := a.renewCookie(tx, w, r, s); err != nil {
		return nil, err
	}
	f, err := factorsOf(tx, s.Person)
	if err != nil || f.Recovery > 0 {
		return nil, err
	}
	return a.newRecovery(tx, s.Person)
}

// own is the request's context with its session's person as the actor; a request without one changes nothing.
func (a *Accounts) own(r *http.Request) context.Context {
	var person string
	_ = a.db.Read(r.Context(), func(tx *db.Tx) error {
		s, _, err := a.current(tx, r)
		person = s.Person
		return err
	})
	return as(r, person)
}

// RemoveTOTP takes the authenticator app away from the request's person. A fault.Conflict says that it is the last second factor
// of somebody whose role takes one.
func (a *Accounts) RemoveTOTP(r *http.Request) error {
	return a.db.Write(a.own(r), func(tx *db.Tx) error {
		_, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		if err := a.dropRows(tx, "auth_totp", "person", "delete", `person = $1`, p.ID); err != nil {
			return err
		}
		a.event(tx, Event{Action: "totp.remove", Person: p.ID})
		return a.dropSpare(tx, p.ID)
	})
}

// ResetFactors takes every second factor from a person who has lost theirs, and ends their sessions: for administrators.
func (a *Accounts) ResetFactors(ctx context.Context, person string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error { return a.ResetFactorsIn(tx, person) })
}

// ResetFactorsIn is ResetFactors within a transaction of the caller's: of an approval.
func (a *Accounts) ResetFactorsIn(tx *db.Tx, person string) error {
	if _, err := byID(tx, person); err != nil {
		return err
	}
	for table, key := range map[string]string{"auth_totp": "person", "auth_passkey": "id", "auth_recovery": "id"} {
		if err := a.dropRows(tx, table, key, actionReset, `person = $1`, person); err != nil {
			return err
		}
	}
	a.event(tx, Event{Action: "factor.reset", Person: person})
	return a.endAll(tx, person)
}

const recoveryCodes = 10

// Recovery replaces the recovery codes of the request's person and returns the new ones, to be shown once.
func (a *Accounts) Recovery(r *http.Request) (codes []string, err error) {
	err = a.db.Write(a.own(r), func(tx *db.Tx) error {
		_, p, err := a.mayChange(tx, r)
		if err != nil {
			return err
		}
		codes, err = a.newRecovery(tx, p.ID)
		return err
	})
	return codes, err
}

// newRecovery makes ten codes of 120 random bits, so that a plain hash keeps them (OWASP ASVS 5.0, 6.5.2).
func (a *Accounts) newRecovery(tx *db.Tx, person string) ([]string, error) {
	if err := a.dropRows(tx, "auth_recovery", "id", "delete", `person = $1`, person); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(rand.Text())[:24]
		codes[i] = text[:6] + "-" + text[6:12] + "-" + text[12:18] + "-" + text[18:]
		id := db.NewID()
		if _, err := tx.Exec(`INSERT INTO auth_recovery (id, person, hash, created_at, used_at) VALUES ($1, $2, $3, $4, 0)`,
			id, person, tokenHash(text), db.Micros(tx.Now())); err != nil {
			return nil, fmt.Errorf("making recovery codes: %w", err)
		}
		if err := a.record(tx, "auth_recovery", id, "create"); err != nil {
			return nil, err
		}
	}
	a.event(tx, Event{Action: "recovery.make", Person: person})
	return codes, nil
}

// proveRecovery uses a code up: of two at the same time the statement that marks it lets one through.
func (a *Accounts) proveRecovery(tx *db.Tx, person, code string) error {
	var id string
	err := tx.QueryRow(`SELECT id FROM auth_recovery WHERE person = $1 AND hash = $2 AND used_at = 0`, person, tokenHash(code)).Scan(&id)
	if fault.Is(err, fault.NotFound) {
		return badProof()
	}
	if err != nil {
		return err
	}
	n, err := tx.Exec(`UPDATE auth_recovery SET used_at = $1 WHERE id = $2 AND used_at = 0`, db.Micros(tx.Now()), id)
	if err != nil {
		return err
	}
	if n != 1 {
		return badProof()
	}
	a.event(tx, Event{Action: "recovery.use", Person: person})
	return a.record(tx, "auth_recovery", id, actionUse)
}

// dropSpare deletes recovery codes that stand for no second factor any more. A fault.Conflict says that a role of the person
// takes one, so that the last cannot go.
func (a *Accounts) dropSpare(tx *db.Tx, person string) error {
	f, err := factorsOf(tx, person)
	if err != nil || f.Second() {
		return err
	}
	p, err := byID(tx, person)
	if err != nil {
		return err
	}
	if a.Roles.NeedsMFA(p.RoleNames()) {
		return fault.New(fault.Conflict, "fault.factor.last", "a role of the person takes a second factor")
	}
	return a.dropRows(tx, "auth_recovery", "id", "delete", `person = $1`, person)
}
