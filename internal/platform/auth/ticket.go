package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// TicketKind is what a one-time link is for.
type TicketKind string

// The kinds of one-time links.
const (
	SetupTicket  TicketKind = "setup"  // to the first administrator, printed at the start
	InviteTicket TicketKind = "invite" // to a person's first password
	ResetTicket  TicketKind = "reset"  // to another password
)

func (k TicketKind) life() time.Duration {
	switch k {
	case ResetTicket:
		return 30 * time.Minute
	case InviteTicket:
		return 7 * 24 * time.Hour
	default:
		return 24 * time.Hour
	}
}

// Ticket is what a one-time link opens.
type Ticket struct {
	Kind    TicketKind
	Person  string // "" for the setup
	Email   string
	Name    string
	Expiry  time.Time
	Factors Factors // of a reset: which second factor it asks for
}

// issue makes a link's token in place of the person's earlier ones of that kind.
func (a *Accounts) issue(tx *db.Tx, kind TicketKind, p Person) (token string, expiry time.Time, err error) {
	if err := a.dropTickets(tx, `person = $1 AND kind = $2`, p.ID, string(kind)); err != nil {
		return "", expiry, err
	}
	bound, err := a.boundTo(tx, p)
	if err != nil {
		return "", expiry, err
	}
	id := db.NewID()
	token, expiry = rand.Text()+rand.Text()[:6], tx.Now().Add(kind.life())
	if _, err := tx.Exec(`INSERT INTO auth_ticket (id, hash, kind, person, bound, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, tokenHash(token), string(kind), p.ID, bound, db.Micros(tx.Now()), db.Micros(expiry)); err != nil {
		return "", expiry, fmt.Errorf("making a link: %w", err)
	}
	a.event(tx, Event{Action: "ticket." + string(kind), Person: p.ID})
	return token, expiry, a.record(tx, "auth_ticket", id, "create")
}

// boundTo is what a link is good for as long as it stays: the person's address, state and password.
func (a *Accounts) boundTo(tx *db.Tx, p Person) (string, error) {
	if p.ID == "" {
		return "", nil
	}
	who, err := loginOf(tx, p.Email)
	return a.mac("ticket", p.ID, p.Email, string(p.State), who.hash), err
}

func (a *Accounts) dropTickets(tx *db.Tx, condition string, args ...any) error {
	return a.dropRows(tx, "auth_ticket", "id", "delete", condition, args...)
}

// ticketRow is a link's row.
type ticketRow struct {
	id     string
	kind   TicketKind
	expiry time.Time
}

// redeemable reads a link's row and its person. Whatever is wrong with it, the answer is the same fault.NotFound.
func (a *Accounts) redeemable(tx *db.Tx, token string) (t ticketRow, p Person, err error) {
	gone := fault.New(fault.NotFound, "fault.ticket", "the link was used, has expired or never was")
	var bound, person string
	var expiry int64
	err = tx.QueryRow(`SELECT id, kind, person, bound, expires_at FROM auth_ticket WHERE hash = $1 AND expires_at > $2`,
		tokenHash(token), db.Micros(tx.Now())).Scan(&t.id, &t.kind, &person, &bound, &expiry)
	if fault.Is(err, fault.NotFound) {
		return t, p, gone
	}
	if err != nil {
		return t, p, err
	}
	t.expiry = db.Time(expiry)
	if t.kind == SetupTicket {
		n, err := admins(tx, "")
		if err == nil && n > 0 {
			return t, p, gone
		}
		return t, p, err
	}
	if p, err = byID(tx, person); err != nil {
		return t, p, err
	}
	now, err := a.boundTo(tx, p)
	if err != nil {
		return t, p, err
	}
	if now != bound || p.State != Active && (p.State != Invited || t.kind != InviteTicket) {
		return t, p, gone
	}
	return t, p, nil
}

// Ticket returns what a link opens. A fault.NotFound says that it opens nothing (any more).
func (a *Accounts) Ticket(ctx context.Context, token string) (out Ticket, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		t, p, err := a.redeemable(tx, token)
		if err != nil {
			return err
		}
		out = Ticket{Kind: t.kind, Person: p.ID, Email: p.Email, Name: p.Name, Expiry: t.expiry}
		if t.kind == ResetTicket {
			out.Factors, err = factorsOf(tx, p.ID)
		}
		return err
	})
	return out, err
}

// SetupToken makes the token of the link to the first administrator's account, in place of an earlier one. It returns "" once
// there is an active administrator.
func (a *Accounts) SetupToken(ctx context.Context) (token string, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		n, err := admins(tx, "")
		if err != nil {
			return err
		}
		if n > 0 {
			return a.dropTickets(tx, `kind = $1`, string(SetupTicket))
		}
		token, _, err = a.issue(tx, SetupTicket, Person{})
		return err
	})
	return token, err
}

// SetupDue reports whether there is no active administrator yet, so that nobody can look after the server.
func (a *Accounts) SetupDue(ctx context.Context) (due bool, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		n, err := admins(tx, "")
		due = n == 0
		return err
	})
	return due, err
}

// Setup makes the first administrator by the link's token, and signs them in. Errors: fault.NotFound when the link opens nothing
// (any more), fault.Invalid as Create's and Acceptable's.
func (a *Accounts) Setup(w http.ResponseWriter, r *http.Request, token string, n NewPerson, password string) error {
	if _, err := a.Ticket(r.Context(), token); err != nil {
		return err
	}
	n.Kind, n.State, n.Roles, n.Origin, n.External = Human, Active, []string{AdminRole}, ByHand, External{}
	email, err := NormalEmail(n.Email)
	if err != nil {
		return err
	}
	if err := a.Acceptable(password, Person{Email: email, Name: n.Name}); err != nil {
		return err
	}
	phc, err := a.hashPassword(r.Context(), password)
	if err != nil {
		return err
	}
	return a.db.Write(r.Context(), func(tx *db.Tx) error {
		t, _, err := a.redeemable(tx, token)
		if err != nil {
			return err
		}
		if t.kind != SetupTicket {
			return fault.New(fault.NotFound, "fault.ticket", "the link is for something else")
		}
		if err := a.spendTicket(tx, t); err != nil {
			return err
		}
		p, err := a.create(tx, n)
		if err != nil {
			return err
		}
		if err := a.setPassword(tx, p.ID, phc, "create"); err != nil {
			return err
		}
		return a.finish(tx, w, r, &p, Session{Method: byTicket, StepUp: tx.Now()})
	})
}

// spendTicket uses a link up; of two at the same time one is let through.
func (a *Accounts) spendTicket(tx *db.Tx, t ticketRow) error {
	n, err := tx.Exec(`DELETE FROM auth_ticket WHERE id = $1`, t.id)
	if err != nil {
		return err
	}
	if n != 1 {
		return fault.New(fault.NotFound, "fault.ticket", "the link was used already")
	}
	return a.record(tx, "auth_ticket", t.id, actionUse)
}

// Invite sends an invited person a link to their first password, in place of an earlier one. It returns the link's token only
// where there is no mail, so that nobody but the person can hold it otherwise.
func (a *Accounts) Invite(ctx context.Context, person string) (token string, err error) {
	return a.handOut(ctx, InviteTicket, person, Invited)
}

// SendReset sends a person a link to another password, as an administrator's help; else as Invite.
func (a *Accounts) SendReset(ctx context.Context, person string) (token string, err error) {
	return a.handOut(ctx, ResetTicket, person, Active)
}

func (a *Accounts) handOut(ctx context.Context, kind TicketKind, person string, state State) (token string, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		p, err := byID(tx, person)
		if err != nil {
			return err
		}
		if p.State != state || p.Kind != Human {
			return fault.New(fault.Conflict, "fault.person.outdated", "the person is %s", p.State)
		}
		secret, expiry, err := a.issue(tx, kind, p)
		if err != nil {
			return err
		}
		if a.Mailer != nil && a.Mailer.Enabled() {
			return a.Mailer.Enqueue(tx, Letter{Kind: kind, To: p, Token: secret, Expiry: expiry})
		}
		token = secret
		return nil
	})
	return token, err
}

// Redeem sets a password by an invitation's or a reset's link. After an invitation the person is signed in. A reset asks for the
// second factor, where there is one, ends every session and leaves the signing in to the person (signedIn false). Errors:
// fault.NotFound when the link opens nothing (any more), fault.Invalid when the password will not do, fault.Forbidden when the
// second factor is wrong, fault.Busy when too many wrong ones came.
func (a *Accounts) Redeem(w http.ResponseWriter, r *http.Request, token, password string, proof Proof) (signedIn bool, err error) {
	var p Person
	if err := a.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		_, p, err = a.redeemable(tx, token)
		return err
	}); err != nil {
		return false, err
	}
	if err := a.Acceptable(password, p); err != nil { // which is no guess, and counts as none
		return false, err
	}
	taken, err := a.guessing(w, r, func(*db.Tx) (guess, error) { return a.budgetOf(r, "factor "+p.ID, p.ID), nil })
	if err != nil {
		return false, err
	}
	phc, err := a.hashPassword(r.Context(), password)
	if err != nil {
		return false, err
	}
	var refused error
	err = a.db.Write(as(r, p.ID), func(tx *db.Tx) error {
		refused = nil
		t, p, err := a.redeemable(tx, token)
		if err != nil {
			return err
		}
		if t.kind == SetupTicket {
			return fault.New(fault.NotFound, "fault.ticket", "the link is for something else")
		}
		factors, err := factorsOf(tx, p.ID)
		if err != nil {
			return err
		}
		if factors.Second() {
			if _, refused = a.prove(tx, r, p.ID, proof); refused != nil {
				return onlyForbidden(refused)
			}
		}
		if err := a.forgive(tx, r, taken); err != nil {
			return err
		}
		if err := a.spendTicket(tx, t); err != nil {
			return err
		}
		if err := a.setPassword(tx, p.ID, phc, actionReset); err != nil {
			return err
		}
		if err := a.endAll(tx, p.ID); err != nil {
			return err
		}
		signedIn = t.kind == InviteTicket
		if !signedIn {
			a.event(tx, a.about(r, Event{Action: "password.reset", Person: p.ID}))
			return nil
		}
		p.State = Active
		if err := a.put(tx, &p, "accept"); err != nil {
			return err
		}
		return a.finish(tx, w, r, &p, Session{Method: byTicket, StepUp: tx.Now()})
	})
	if err == nil {
		err = refused
	}
	return signedIn && err == nil, err
}

// resetQueue is how many requests for resets wait for Run.
const resetQueue = 256

type resetRequest struct{ email, address, agent string }

// RequestReset sends a link to another password to an address, if somebody signs in by it. It answers before anything is
// looked up, so that nothing tells who exists. Errors: fault.Busy alone.
func (a *Accounts) RequestReset(w http.ResponseWriter, r *http.Request, email string) error {
	var rest time.Duration
	if err := a.db.Read(r.Context(), func(tx *db.Tx) error {
		rest = a.asking.take(sourceOf(a.Address(r)), tx.Now())
		return nil
	}); err != nil {
		return err
	}
	if rest > 0 {
		return wait(w, rest)
	}
	email, _ = NormalEmail(email)
	select {
	case a.resets <- resetRequest{email: email, address: a.address(r), agent: clip(r.UserAgent(), maxAgent)}:
		return nil
	default:
		return fault.New(fault.Busy, "fault.busy", "too many resets are being asked for")
	}
}

// resettable reports whether a person gets a password by asking for one: not who has none and signs in by the company's provider, which
// decides about their second factor and about leavers. An administrator can send them a link.
func (a *Accounts) resettable(tx *db.Tx, p Person) (bool, error) {
	who, err := loginOf(tx, p.Email)
	return who.hash != "" || !a.SignOn && p.External.Subject == "", err
}

// answerReset sends the link, to one person no more often than their budget of guesses fills up.
func (a *Accounts) answerReset(ctx context.Context, r resetRequest) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		p, err := find(tx, `email = $1 AND email <> ''`, r.email)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		may := err == nil && p.State == Active && p.Kind == Human
		if may {
			if may, err = a.resettable(tx, p); err != nil {
				return err
			}
		}
		a.event(tx, Event{Action: "reset.request", Person: p.ID, Failed: !may, Address: r.address, Agent: r.agent})
		if !may || a.Mailer == nil || !a.Mailer.Enabled() {
			return nil
		}
		if rest, err := a.spend(tx, a.mac("budget", "reset", p.ID)); err != nil || rest > 0 {
			return err
		}
		token, expiry, err := a.issue(tx, ResetTicket, p)
		if err != nil {
			return err
		}
		return a.Mailer.Enqueue(tx, Letter{Kind: ResetTicket, To: p, Token: token, Expiry: expiry})
	})
}
