package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const columns = `id, action, subject, link, payload, reason, state, asked_by, asked, expires, decided_by, decided, note, version`

func (a *Approvals) insert(tx *db.Tx, q *Request) error {
	_, err := tx.Exec(`INSERT INTO approval_request (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', 0, '', 1)`,
		q.ID, q.Action, q.Subject, q.Link, q.payload, q.Reason, q.State, q.AskedBy, db.Micros(q.Asked), db.Micros(q.Expires))
	if err != nil {
		return err
	}
	return a.opt.Ledger.Append(tx, ledger.Entry{Table: "approval_request", Key: q.ID, Action: "create"})
}

func scan(row db.Scanner) (Request, error) {
	var q Request
	var asked, expires, decided int64
	err := row.Scan(&q.ID, &q.Action, &q.Subject, &q.Link, &q.payload, &q.Reason, &q.State, &q.AskedBy, &asked, &expires, &q.DecidedBy, &decided, &q.Note, &q.Version)
	q.Asked, q.Expires, q.Decided = db.Time(asked), db.Time(expires), db.Time(decided)
	return q, err
}

// visible limits a query to what the reader may see: what they asked for, what they could decide, or everything with the
// permission to read approvals.
func (a *Approvals) visible(where *db.Where, by *auth.User) {
	if by.May(string(MayRead)) {
		return
	}
	mine := a.decidable(by)
	if len(mine) == 0 {
		where.And("asked_by = ?", by.ID)
		return
	}
	args := []any{by.ID}
	for _, name := range mine {
		args = append(args, name)
	}
	where.And("(asked_by = ? OR action IN (?"+strings.Repeat(", ?", len(mine)-1)+"))", args...)
}

// decidable returns the actions that the person has the permission for, sorted.
func (a *Approvals) decidable(by *auth.User) []string {
	var names []string
	for name, known := range a.actions {
		if by.May(known.permission) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Get returns a request that the person may see. The error is fault.NotFound for any other.
func (a *Approvals) Get(ctx context.Context, by *auth.User, id string) (q Request, err error) {
	where := new(db.Where)
	where.And("id = ?", id)
	a.visible(where, by)
	err = a.opt.DB.Read(ctx, func(tx *db.Tx) error {
		q, err = scan(tx.QueryRow(`SELECT `+columns+` FROM approval_request`+where.String(), where.Args()...))
		q.void(tx)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "fault.not_found", "no request for approval has the id %q", id)
	}
	return q, err
}

// void marks a request that has waited too long.
func (q *Request) void(tx *db.Tx) {
	if q.State == Waiting && !q.Expires.After(tx.Now()) {
		q.State = Void
	}
}

// Filter chooses requests.
type Filter struct {
	Waiting bool // only those that wait
	Cursor  string
	Limit   int
}

// List returns the requests that the person may see, the newest first.
func (a *Approvals) List(ctx context.Context, by *auth.User, f Filter) (page db.Page[Request], err error) {
	where := new(db.Where)
	a.visible(where, by)
	if f.Cursor != "" {
		var after string
		if err := db.DecodeCursor(f.Cursor, &after); err != nil {
			return page, err
		}
		where.And("id < ?", after)
	}
	err = a.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if f.Waiting {
			where.And("state = ? AND expires > ?", Waiting, db.Micros(tx.Now()))
		}
		list, err := db.List(tx, scan, `SELECT `+columns+` FROM approval_request`+where.String()+` ORDER BY id DESC LIMIT `+where.Next(1), where.Args(f.Limit+1)...)
		if err != nil {
			return err
		}
		for i := range list {
			list[i].void(tx)
		}
		page, err = db.Paged(list, f.Limit, func(q Request) []any { return []any{q.ID} })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("listing requests for approval: %w", err)
	}
	return page, nil
}

// Count returns how many requests wait for the person's word: those of others that they could decide.
func (a *Approvals) Count(ctx context.Context, by *auth.User) (n int, err error) {
	where := new(db.Where)
	where.And("asked_by <> ?", by.ID)
	db.In(where, "action", a.decidable(by))
	err = a.opt.DB.Read(ctx, func(tx *db.Tx) error {
		where.And("state = ? AND expires > ?", Waiting, db.Micros(tx.Now()))
		return tx.QueryRow(`SELECT COUNT(*) FROM approval_request`+where.String(), where.Args()...).Scan(&n)
	})
	return n, err
}
