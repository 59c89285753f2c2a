package record

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// Entry is one thing that was done to a record.
type Entry struct {
	ID      string
	At      time.Time
	Actor   string // a person's id, or "system"
	Action  string // "create", "edit", "move.<move>", "delete", "restore", "comment", …
	Note    string
	Changes []Change
	Version int64 // of the record afterwards
}

// Change is a field that was changed, in texts as the field's type writes them.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// What is done to a record itself. Other actions are named where they are done.
const (
	created  = "create"
	edited   = "edit"
	moved    = "move." // with the move's name behind it
	deleted  = "delete"
	restored = "restore"
)

// MaxHistory is the most entries that one reading returns.
const MaxHistory = 200

// changes compares two versions of a record, field by field.
func changes(before, after *Record) (list []Change) {
	for _, f := range after.Kind.All() {
		if f.Machine || f.Name == "created_at" || f.Name == "created_by" || f.Name == "updated_at" || f.Name == "updated_by" {
			continue
		}
		from, to := before.Text(f.Name), after.Text(f.Name)
		if from != to {
			list = append(list, Change{f.Name, from, to})
		}
	}
	return list
}

// remember writes a history entry and its ledger leaf.
func (s *Store) remember(tx *db.Tx, r *Record, action, note string, changes []Change) error {
	return s.keep(tx, r, Entry{At: tx.Now(), Actor: tx.Actor(), Action: action, Note: note, Changes: changes, Version: r.Version})
}

func (s *Store) keep(tx *db.Tx, r *Record, e Entry) error {
	if e.Changes == nil {
		e.Changes = []Change{}
	}
	text, err := json.Marshal(e.Changes)
	if err != nil {
		return fmt.Errorf("writing the history of %s: %w", r.Kind.Ref(r.ID), err)
	}
	id := db.NewID()
	_, err = tx.Exec(`INSERT INTO record_history (id, kind, record_id, at, actor, action, note, changes, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, r.Kind.Name, r.ID, db.Micros(e.At), e.Actor, e.Action, e.Note, string(text), e.Version)
	if err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_history", Key: id, Action: "create"})
}

// told writes the history of something that was done to a record and tells who listens.
func (s *Store) told(tx *db.Tx, e Event) error {
	if err := s.remember(tx, e.Record, e.Action, e.Note, e.Changes); err != nil {
		return err
	}
	for _, listener := range s.listeners {
		if err := listener(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// History returns what was done to a record that may be shown to somebody, the latest first; cursor as with lists. Of secret fields it says
// that they were changed, and not what they were.
func (s *Store) History(ctx context.Context, by *auth.User, kind, id, cursor string, limit int) (page db.Page[Entry], err error) {
	limit = min(max(limit, 1), MaxHistory)
	w := new(db.Where)
	w.And("kind = ?", kind)
	w.And("record_id = ?", id)
	if cursor != "" {
		var at int64
		var last string
		if err := db.DecodeCursor(cursor, &at, &last); err != nil {
			return page, err
		}
		w.And("(at, id) < (?, ?)", at, last)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		r, err := s.GetTx(tx, by, kind, id)
		if err != nil {
			return err
		}
		list, err := db.List(tx, scanEntry, `SELECT `+entryColumns+` FROM record_history`+w.String()+
			` ORDER BY at DESC, id DESC LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		if page, err = db.Paged(list, limit, func(e Entry) []any { return []any{db.Micros(e.At), e.ID} }); err != nil {
			return err
		}
		withoutSecrets(r.Kind, page.Items)
		page.Items, err = s.withoutHidden(tx, by, page.Items)
		return err
	})
	return page, err
}

func withoutSecrets(k *Kind, list []Entry) {
	for _, e := range list {
		for i, c := range e.Changes {
			if f := k.Field(c.Field); f != nil && f.Secret {
				e.Changes[i].From, e.Changes[i].To = "", ""
			}
		}
	}
}

const entryColumns = `id, at, actor, action, note, changes, version`

func scanEntry(row db.Scanner) (e Entry, err error) {
	var at int64
	var text string
	if err := row.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Note, &text, &e.Version); err != nil {
		return e, err
	}
	e.At = db.Time(at)
	return e, json.Unmarshal([]byte(text), &e.Changes)
}

// At returns a record that may be shown to somebody as it was in an earlier version.
func (s *Store) At(ctx context.Context, by *auth.User, kind, id string, version int64) (was *Record, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		now, err := s.GetTx(tx, by, kind, id)
		if err != nil {
			return err
		}
		if version < 1 || version > now.Version {
			return fault.New(fault.Invalid, "record.fault.version", "there is no version %d of %s", version, now.Kind.Ref(id))
		}
		was, err = s.at(tx, now, version)
		return err
	})
	return was, err
}

// at returns the record as it was in an earlier version: what happened since is undone, step by step.
func (s *Store) at(tx *db.Tx, r *Record, version int64) (*Record, error) {
	was := r.clone()
	for last := (Entry{Version: r.Version + 1}); ; {
		// What left the version as it was, a comment for one, stands between the changes, and there may be any number of it.
		step, err := db.List(tx, scanEntry, `SELECT `+entryColumns+` FROM record_history
			WHERE kind = $1 AND record_id = $2 AND version > $3 AND (version, at, id) < ($4, $5, $6) ORDER BY version DESC, at DESC, id DESC LIMIT 200`,
			r.Kind.Name, r.ID, version, last.Version, db.Micros(last.At), last.ID)
		if err != nil {
			return nil, err
		}
		if len(step) == 0 {
			break // what is older was made by its room in that version
		}
		for _, e := range step {
			for _, c := range e.Changes {
				if f := r.Kind.Field(c.Field); f != nil {
					if v, err := f.Type.Parse(c.From, nil); err == nil { // a choice that is no longer offered stays as it is
						was.set(c.Field, v)
					}
				}
			}
		}
		last = step[len(step)-1]
	}
	was.Version = version
	return was, nil
}
