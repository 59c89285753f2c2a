package auth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"yagura/internal/platform/db"
)

// Event is something about accounts that a security officer wants to know. It never holds a secret, a password, or what was
// typed as a name.
type Event struct {
	Time    time.Time
	Action  string // "signin", "signin.factor", "stepup", "reset.request", "token.new_address", "person.disable", …
	Failed  bool
	Reason  string // of a failure: "password", "factor", "wait", "state", "ticket", "clone", …
	Method  string // "password", "passkey", "totp", "recovery", "oidc", "token"
	Person  string // id, "" where nobody is known
	Actor   string // who made a change
	Address string
	Agent   string
}

// Events takes security events, once their transaction is committed. It must not wait for anything slow.
type Events interface {
	Security(ctx context.Context, e Event)
}

// event tells of a change once it is committed.
func (a *Accounts) event(tx *db.Tx, e Event) {
	e.Time, e.Actor = tx.Now(), tx.Actor()
	ctx := context.WithoutCancel(tx.Context())
	tx.AfterCommit(func() { a.emit(ctx, e) })
}

// about fills where a request came from.
func (a *Accounts) about(r *http.Request, e Event) Event {
	e.Address, e.Agent = a.address(r), clip(r.UserAgent(), maxAgent)
	return e
}

// emit tells of what has happened.
func (a *Accounts) emit(ctx context.Context, e Event) {
	level := slog.LevelInfo
	if e.Failed {
		level = slog.LevelWarn
	}
	attrs := []any{"action", e.Action, "failed", e.Failed}
	for _, pair := range [][2]string{{"reason", e.Reason}, {"method", e.Method}, {"person", e.Person}, {"actor", e.Actor}, {"address", e.Address}} {
		if pair[1] != "" {
			attrs = append(attrs, pair[0], pair[1])
		}
	}
	a.Log.Log(ctx, level, "account", attrs...)
	if a.Events != nil {
		a.Events.Security(ctx, e)
	}
}

// failed tells of what went wrong. at is the time of the transaction that found out.
func (a *Accounts) failed(r *http.Request, at time.Time, e Event) {
	e.Time, e.Failed = at, true
	a.emit(r.Context(), a.about(r, e))
}
