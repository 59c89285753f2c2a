package record

import (
	"context"
	"errors"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// Export is a list that left the house.
type Export struct {
	ID     string
	Kind   string
	Actor  string
	At     time.Time
	Format string   // csv, xlsx, json
	Query  string   // as the list's address has it
	Fields []string // that were sent
	Sent   int64    // records
	State  string   // begun, done, broken
}

// What became of an export. One that was begun and has no end yet is under way, or the server stopped.
const (
	exportBegun  = "begun"
	exportDone   = "done"
	exportBroken = "broken"
)

// Exporting is what an export is made of.
type Exporting struct {
	Format string
	Fields []string
	Begin  func() error        // before the first record, once it is in the ledger who asks for what
	Each   func(*Record) error // for every record, in order
	End    func() error        // after the last
}

// Export gives every record that is meant to do.Each, in constant memory, and remembers in the ledger who took them: before the first one
// leaves, and how many there were. Errors: fault.Invalid for a field that is none or that never leaves (Field.Secret), and for a query that cannot
// be asked; fault.Forbidden.
func (s *Store) Export(ctx context.Context, kind string, q Query, env *Env, do Exporting) (n int64, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return 0, err
	}
	if err := k.checkColumns(do.Fields); err != nil {
		return 0, err
	}
	id, env := db.NewID(), k.ahead(q, env)
	if err := s.beginExport(ctx, k, id, q, env, do); err != nil {
		return 0, err
	}
	if do.Begin != nil {
		err = do.Begin()
	}
	if err == nil {
		err = s.Each(ctx, kind, q, env, func(r *Record) error {
			n++
			return do.Each(r)
		})
	}
	if err == nil && do.End != nil {
		err = do.End()
	}
	state := exportDone
	if err != nil {
		state = exportBroken
	}
	// Whoever went away in the middle has what was sent: that is written down, too.
	return n, errors.Join(err, s.opt.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		if _, err := tx.Exec(`UPDATE record_export SET sent = $1, state = $2 WHERE id = $3`, n, state, id); err != nil {
			return err
		}
		return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_export", Key: id, Action: state})
	}))
}

func (s *Store) beginExport(ctx context.Context, k *kept, id string, q Query, env *Env, do Exporting) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		query, err := k.canonical(tx, q, env)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO record_export (id, kind, actor, at, format, query, fields, sent, state) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)`,
			id, k.Name, env.By.ID, db.Micros(tx.Now()), do.Format, query, strings.Join(do.Fields, " "), exportBegun)
		if err != nil {
			return err
		}
		return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_export", Key: id, Action: "create"})
	})
}

// Exports lists who took lists of a kind, the latest first, for who may delete its records.
func (s *Store) Exports(ctx context.Context, by *auth.User, kind, cursor string, limit int) (page db.Page[Export], err error) {
	k, err := s.kind(kind)
	if err != nil {
		return page, err
	}
	if !by.May(k.MayDelete()) {
		return page, fault.New(fault.Forbidden, "fault.forbidden", "who exported what takes %s", k.MayDelete())
	}
	limit = min(max(limit, 1), MaxPage)
	w := new(db.Where)
	w.And("kind = ?", kind)
	if cursor != "" {
		var at int64
		var id string
		if err := db.DecodeCursor(cursor, &at, &id); err != nil {
			return page, err
		}
		w.And("(at, id) < (?, ?)", at, id)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, scanExport, `SELECT id, kind, actor, at, format, query, fields, sent, state FROM record_export`+w.String()+
			` ORDER BY at DESC, id DESC LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, limit, func(e Export) []any { return []any{db.Micros(e.At), e.ID} })
		return err
	})
	return page, err
}

func scanExport(row db.Scanner) (e Export, err error) {
	var at int64
	var fields string
	err = row.Scan(&e.ID, &e.Kind, &e.Actor, &at, &e.Format, &e.Query, &fields, &e.Sent, &e.State)
	e.At, e.Fields = db.Time(at), strings.Fields(fields)
	return e, err
}
