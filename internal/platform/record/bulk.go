package record

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// MaxBulk is the most records that are changed at once.
	MaxBulk = 1000
	// UndoFor is how long it can be taken back.
	UndoFor = time.Hour
)

// Bulk is something that is done to many records at once: one of a move, a change, and a deletion.
type Bulk struct {
	Move   string
	Values Values   // fields to fill in: what the move asks for, or the change itself
	Add    []string // tags that the records get besides theirs
	Remove []string // and those they lose
	Delete bool
	Why    string
}

// Undo is the way back from what was done to many records at once.
type Undo struct {
	ID     string // "" where there is no way back
	Action string // "move.<move>", "edit" or "delete"
	Count  int
}

// BulkError names the record that could not be done, for which nothing was. It has the code of what kept it.
type BulkError struct {
	Record *Record // nil where it is not there, or not to be seen
	Err    error
}

func (e *BulkError) Error() string {
	if e.Record == nil {
		return "a record that was chosen is not there: " + e.Err.Error()
	}
	return e.Record.Kind.Ref(e.Record.ID).String() + ": " + e.Err.Error()
}

// Unwrap gives what kept it.
func (e *BulkError) Unwrap() error { return e.Err }

// back is how one record was, and what it is when nobody changed it since.
type back struct {
	ID      string            `json:"id"`
	Version int64             `json:"version"` // afterwards
	State   string            `json:"state"`   // before
	Texts   map[string]string `json:"texts"`   // of the fields that were changed, before
}

// Bulk does something to records of a kind, to all of them or, where one cannot be done, to none. It returns how many there were and the
// way back, where the kind has one. Errors: a *BulkError that names the record; fault.Invalid for none, too many, or nothing to do.
func (s *Store) Bulk(ctx context.Context, by *auth.User, kind string, ids []string, do Bulk) (undo Undo, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return undo, err
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return undo, invalid("record.fault.bulk_none", nil, "no record is chosen")
	case len(ids) > MaxBulk:
		return undo, invalid("record.fault.bulk_many", []any{MaxBulk}, "%d records, more than %d", len(ids), MaxBulk)
	case do.Move == "" && !do.Delete && len(do.Values)+len(do.Add)+len(do.Remove) == 0:
		return undo, invalid("record.fault.bulk_nothing", nil, "nothing is to be done")
	}
	undo.Action = do.action()
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		found, err := s.Find(tx, by, kind, ids)
		if err != nil {
			return err
		}
		var ways []back
		for _, id := range ids {
			before := found[id]
			if before == nil {
				return &BulkError{Err: fault.New(fault.NotFound, "", "there is no record %s", k.Ref(id))}
			}
			after, err := s.one(tx, by, before, do)
			if err != nil {
				return &BulkError{Record: before, Err: err}
			}
			if after.Version != before.Version {
				ways = append(ways, way(before, after))
			}
		}
		undo.Count = len(ways)
		if len(ways) > 0 && s.leadsBack(k.Kind, by, do, ways) {
			undo.ID, err = s.keepWay(tx, by, kind, undo.Action, ways)
		}
		return err
	})
	if err != nil {
		return Undo{}, err
	}
	return undo, nil
}

func (do *Bulk) action() string {
	switch {
	case do.Move != "":
		return moved + do.Move
	case do.Delete:
		return deleted
	}
	return edited
}

// one does it to one record and returns the record afterwards.
func (s *Store) one(tx *db.Tx, by *auth.User, r *Record, do Bulk) (*Record, error) {
	switch {
	case do.Move != "":
		return s.MoveTx(tx, by, r.Kind.Name, r.ID, Moving{Move: do.Move, Version: r.Version, Values: do.Values, Why: do.Why})
	case do.Delete:
		if err := s.DeleteTx(tx, by, r.Kind.Name, r.ID, r.Version, do.Why); err != nil {
			return nil, err
		}
		after := r.clone()
		after.Version++
		return after, nil
	}
	values := maps.Clone(do.Values)
	if len(do.Add)+len(do.Remove) > 0 {
		if values == nil {
			values = make(Values)
		}
		tags := slices.DeleteFunc(slices.Clone(r.Tags), func(tag string) bool { return slices.Contains(do.Remove, tag) })
		parsed, err := Tags{}.Parse(Tags{}.Text(append(tags, do.Add...)), nil)
		if err != nil {
			return nil, err
		}
		values["tags"] = parsed
	}
	return s.EditTx(tx, by, r.Kind.Name, r.ID, r.Version, values, do.Why)
}

// way is the way back for one record.
func way(before, after *Record) back {
	b := back{ID: before.ID, Version: after.Version, State: before.State, Texts: make(map[string]string)}
	for _, c := range changes(before, after) {
		if f := before.Kind.Field(c.Field); !f.fixed {
			b.Texts[c.Field] = c.From
		}
	}
	return b
}

// leadsBack reports whether somebody could take it back: for moves, whether others lead from where it ends to where each record was.
func (s *Store) leadsBack(k *Kind, by *auth.User, do Bulk, ways []back) bool {
	if do.Move == "" {
		return true
	}
	from := k.Move(do.Move).To
	return !slices.ContainsFunc(ways, func(b back) bool { return b.State != from && k.moveBack(by, from, b.State) == nil })
}

// moveBack is a move that leads from one state to another; nil where there is none that somebody may make.
func (k *Kind) moveBack(by *auth.User, from, to string) *Move {
	i := slices.IndexFunc(k.Moves, func(m Move) bool { return m.To == to && m.from(from) && by.May(m.permission(k)) })
	if i < 0 {
		return nil
	}
	return &k.Moves[i]
}

// keepWay keeps the way back, and forgets those that lead nowhere any more.
func (s *Store) keepWay(tx *db.Tx, by *auth.User, kind, action string, ways []back) (string, error) {
	text, err := json.Marshal(ways)
	if err != nil {
		return "", fmt.Errorf("keeping the way back: %w", err)
	}
	if _, err := tx.Exec(`DELETE FROM record_bulk WHERE at < $1`, db.Micros(tx.Now().Add(-UndoFor))); err != nil {
		return "", err
	}
	id := db.NewID()
	_, err = tx.Exec(`INSERT INTO record_bulk (id, kind, actor, at, action, back) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, kind, by.ID, db.Micros(tx.Now()), action, string(text))
	return id, err
}

// Undoable returns a way back that somebody has: of what they did themselves, not long ago. Else it is a fault.NotFound.
func (s *Store) Undoable(ctx context.Context, by *auth.User, kind, id string) (undo Undo, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		var ways []back
		undo, ways, err = s.ways(tx, by, kind, id)
		undo.Count = len(ways)
		return err
	})
	return undo, err
}

func (s *Store) ways(tx *db.Tx, by *auth.User, kind, id string) (undo Undo, ways []back, err error) {
	var text string
	err = tx.QueryRow(`SELECT id, action, back FROM record_bulk WHERE id = $1 AND kind = $2 AND actor = $3 AND at >= $4`,
		id, kind, by.ID, db.Micros(tx.Now().Add(-UndoFor))).Scan(&undo.ID, &undo.Action, &text)
	if err != nil {
		return undo, nil, err
	}
	return undo, ways, json.Unmarshal([]byte(text), &ways)
}

// UndoBulk takes back what somebody did to many records at once, for all of them or none: a *BulkError names the record that was changed since,
// or that cannot go back. note is the reason, for moves that want one.
func (s *Store) UndoBulk(ctx context.Context, by *auth.User, kind, id, note string) (undo Undo, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return undo, err
	}
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		var ways []back
		if undo, ways, err = s.ways(tx, by, kind, id); err != nil {
			return err
		}
		undo.Count = len(ways)
		for _, b := range ways {
			r, err := s.GetTx(tx, by, kind, b.ID)
			if err == nil {
				err = s.undoOne(tx, by, k, r, b, undo.Action, note)
			}
			if err != nil {
				return &BulkError{Record: r, Err: err}
			}
		}
		_, err = tx.Exec(`DELETE FROM record_bulk WHERE id = $1`, id)
		return err
	})
	return undo, err
}

func (s *Store) undoOne(tx *db.Tx, by *auth.User, k *kept, r *Record, b back, action, note string) error {
	if r.Version != b.Version {
		return fault.New(fault.Conflict, "record.fault.conflict", "%s was changed since", k.Ref(r.ID))
	}
	if action == deleted {
		return s.RestoreTx(tx, by, k.Name, r.ID, b.Version)
	}
	values := make(Values, len(b.Texts))
	for name, text := range b.Texts {
		v, err := k.Field(name).Type.Parse(text, nil)
		if err != nil {
			return err
		}
		values[name] = v
	}
	if r.State != b.State {
		m := k.moveBack(by, r.State, b.State)
		if m == nil {
			return fault.New(fault.Conflict, "record.fault.state", "no move leads %s back to %s", k.Ref(r.ID), b.State)
		}
		if _, err := s.MoveTx(tx, by, k.Name, r.ID, Moving{Move: m.Name, Version: b.Version, Values: values, Why: note, back: true}); err != nil {
			return err
		}
		return nil
	}
	_, err := s.EditTx(tx, by, k.Name, r.ID, b.Version, values, note)
	return err
}
