package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// argon waits for room to run Argon2, which takes 64 MiB a run. Too long a queue is a fault.Busy.
func (a *Accounts) argon(ctx context.Context, c cost, run func()) error {
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return fault.New(fault.Busy, "fault.busy", "too many passwords are being checked")
	}
	select {
	case a.guesses <- struct{}{}:
		defer func() { <-a.guesses }()
	case <-ctx.Done():
		return ctx.Err()
	}
	a.ran(c)
	run()
	return nil
}

// check reports whether the password belongs to the hash. It does the same work for a password that is far too long.
func (a *Accounts) check(ctx context.Context, password, phc string) (right bool, err error) {
	c, _, _, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	long := len(password) > maxLength
	if long {
		password = ""
	}
	if busy := a.argon(ctx, c, func() { right, err = verify(password, phc) }); busy != nil {
		return false, busy
	}
	return right && !long, err
}

func (a *Accounts) hashPassword(ctx context.Context, password string) (phc string, err error) {
	err = a.argon(ctx, a.cost, func() { phc = hash(password, a.cost) })
	return phc, err
}

// setPassword writes a hash. The caller ends the sessions that the old one opened.
func (a *Accounts) setPassword(tx *db.Tx, person, phc, action string) error {
	if _, err := tx.Exec(`INSERT INTO auth_password (person, hash, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`, person, phc, db.Micros(tx.Now())); err != nil {
		return fmt.Errorf("keeping a password: %w", err)
	}
	return a.record(tx, "auth_password", person, action)
}

// Acceptable says why a new password of a person will not do: too short, too long, a repetition, made of their own name or ours,
// or on a list of those that everybody knows (NIST SP 800-63B-4, 3.1.1.2; OWASP ASVS 5.0, 6.2). It asks for no kinds of
// characters.
func (a *Accounts) Acceptable(password string, p Person) error {
	if err := acceptable(password, p.Email); err != nil {
		return err
	}
	rest := strings.ToLower(string(normal(password)))
	local, domain, _ := strings.Cut(p.Email, "@")
	company, _, _ := strings.Cut(domain, ".")
	for _, word := range append(strings.Fields(sortName(p.Name)), local, domain, company, "yagura", "password", "パスワード") {
		if utf8.RuneCountInString(word) >= 3 {
			rest = strings.ReplaceAll(rest, strings.ToLower(word), "")
		}
	}
	if utf8.RuneCountInString(rest) < 8 {
		return fault.New(fault.Invalid, "fault.password.own", "the password is made of the person's own name or ours")
	}
	if a.Breached == nil {
		return nil
	}
	known, err := a.Breached.Has(password)
	if err != nil {
		return fmt.Errorf("looking a password up in the lists of known ones: %w", err)
	}
	if known {
		return fault.New(fault.Invalid, "fault.password.known", "the password is on a list of known ones")
	}
	return nil
}

// ChangePassword replaces the password of who is signed in, ends their other sessions and gives this one a new token. Errors:
// fault.Forbidden when the old one is wrong or there is none, fault.Invalid when the new one will not do, fault.Busy when too
// many wrong ones came.
func (a *Accounts) ChangePassword(w http.ResponseWriter, r *http.Request, old, new string) error {
	var p Person
	var who login
	if err := a.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		if _, p, err = a.current(tx, r); err == nil {
			who, err = loginOf(tx, p.Email)
		}
		return err
	}); err != nil {
		return err
	}
	if err := a.Acceptable(new, p); err != nil { // which is no guess, and counts as none
		return err
	}
	taken, err := a.guessing(w, r, func(*db.Tx) (guess, error) { return a.budgetOf(r, p.Email, p.ID), nil })
	if err != nil {
		return err
	}
	phc := who.hash
	if phc == "" {
		phc = a.decoy
	}
	right, err := a.check(r.Context(), old, phc)
	if err != nil {
		return err
	}
	if !right || who.hash == "" {
		return fault.New(fault.Forbidden, "fault.password.old", "the old password is wrong")
	}
	fresh, err := a.hashPassword(r.Context(), new)
	if err != nil {
		return err
	}
	return a.db.Write(as(r, p.ID), func(tx *db.Tx) error {
		s, p, err := a.current(tx, r)
		if err != nil {
			return err
		}
		if now, err := loginOf(tx, p.Email); err != nil || now != who {
			return fault.New(fault.Conflict, "fault.person.outdated", "the person was changed meanwhile")
		}
		if err := a.setPassword(tx, p.ID, fresh, "update"); err != nil {
			return err
		}
		if err := a.forgive(tx, r, taken); err != nil {
			return err
		}
		if err := endOthers(tx, p.ID, s.ID); err != nil {
			return err
		}
		s.StepUp = tx.Now()
		a.event(tx, a.about(r, Event{Action: "password.change", Person: p.ID}))
		return a.renewCookie(tx, w, r, s)
	})
}
