package record

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

// Values are fields by name, as their types keep them.
type Values map[string]any

// MaxNote is the longest note to a change, in characters.
const MaxNote = 10_000

// Parse reads texts, by field, as people type them or a list has them. The error says of every field what is wrong with it (Wrong).
func (k *Kind) Parse(texts map[string]string, env *Env) (Values, error) {
	values, wrong := make(Values, len(texts)), Wrong{}
	for name, text := range texts {
		f := k.Field(name)
		if f == nil || !f.byPeople() {
			wrong[name] = invalid("record.fault.field", []any{name}, "%s has no field %q that people fill in", k.Name, name)
			continue
		}
		v, err := f.parse(text, env)
		if err != nil {
			wrong[name] = err
			continue
		}
		values[name] = v
	}
	return values, wrong.orNil()
}

func (f *Field) parse(text string, env *Env) (any, error) {
	v, err := f.Type.Parse(text, env)
	if err == nil && f.Max > 0 {
		err = tooLong(f.Type.Text(v), f.Max)
	}
	return v, err
}

// Wrong says what is wrong with the values of a record, by field.
type Wrong map[string]error

func (w Wrong) orNil() error {
	if len(w) == 0 {
		return nil
	}
	return w
}

// Error names the fields in order.
func (w Wrong) Error() string {
	var parts []string
	for name, err := range w {
		parts = append(parts, name+": "+err.Error())
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// Fields tells what is wrong by field, for who answers programs.
func (w Wrong) Fields() map[string]error { return w }

// Unwrap makes it a fault.Invalid.
func (w Wrong) Unwrap() error { return fault.New(fault.Invalid, "record.fault.wrong", "%s", w.Error()) }

// Create makes a record. Errors: Wrong for values that will not do, fault.Forbidden.
func (s *Store) Create(ctx context.Context, by *auth.User, kind string, values Values) (r *Record, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, err = s.CreateTx(tx, by, kind, values)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// CreateTx is Create within a transaction.
func (s *Store) CreateTx(tx *db.Tx, by *auth.User, kind string, values Values) (*Record, error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	if err := mayWrite(k.Kind, by); err != nil {
		return nil, err
	}
	r := k.blank(tx)
	if err := r.fill(values, making, by); err != nil {
		return nil, err
	}
	return r, s.insert(tx, k, r)
}

func mayWrite(k *Kind, by *auth.User) error {
	if !by.May(k.MayWrite()) {
		return fault.New(fault.Forbidden, "fault.forbidden", "changing takes %s", k.MayWrite())
	}
	return nil
}

// blank is a new record with nothing in it.
func (k *kept) blank(tx *db.Tx) *Record {
	r := &Record{Kind: k.Kind, ID: db.NewID(), State: k.States[0].Name, CreatedAt: tx.Now(), CreatedBy: tx.Actor(), Values: make(map[string]any)}
	for i := range k.Fields {
		f := &k.Fields[i]
		r.Values[f.Name], _ = f.Type.Parse("", nil) // nothing is nothing, of every type
	}
	return r
}

// occasion is when fields are set.
type occasion int

const (
	making occasion = iota
	editing
	moving
)

// fill sets fields that may be set on an occasion, and finds those that are missing.
func (r *Record) fill(values Values, when occasion, by *auth.User) error {
	wrong := Wrong{}
	for name, v := range values {
		f := r.Kind.Field(name)
		switch {
		case f == nil || !f.byPeople() && !(f.Given && when == making && by.ID == systemID) || f.Moved && when != moving:
			wrong[name] = invalid("record.fault.field", []any{name}, "%s has no field %q that people fill in", r.Kind.Name, name)
		case f.Fixed && when != making && f.Type.Text(v) != r.Text(name):
			wrong[name] = invalid("record.fault.fixed", nil, "%s is decided when a record is made", name)
		default:
			r.set(name, v)
		}
	}
	for _, f := range r.Kind.All() {
		if f.Required && !f.Machine && wrong[f.Name] == nil && r.Text(f.Name) == "" {
			wrong[f.Name] = missing(f.Name)
		}
	}
	return wrong.orNil()
}

func missing(field string) error {
	return invalid("record.fault.missing", nil, "%s must be filled in", field)
}

// insert writes a new record's row and all that goes with it.
func (s *Store) insert(tx *db.Tx, k *kept, r *Record) error {
	r.Version, r.UpdatedAt, r.UpdatedBy = 1, tx.Now(), tx.Actor()
	values := k.row(r)
	marks := make([]string, len(values))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	if _, err := tx.Exec(`INSERT INTO `+k.Table+` (`+k.columns+`) VALUES (`+strings.Join(marks, ", ")+`)`, values...); err != nil {
		return fmt.Errorf("making a record of kind %s: %w", k.Name, err)
	}
	return s.written(tx, k, nil, r, created, "")
}

// row is the record as its table has it, in the order of columns.
func (k *kept) row(r *Record) []any {
	values := []any{r.ID, r.Title, r.State, r.Owner, r.Unit, db.Micros(r.Due), Tags{}.toDB(r.Tags), db.Micros(r.CreatedAt), r.CreatedBy,
		db.Micros(r.UpdatedAt), r.UpdatedBy, r.Version, db.Micros(r.DeletedAt), r.DeletedBy, r.DeletedWhy}
	for i := range k.Fields {
		values = append(values, k.Fields[i].Type.toDB(r.Values[k.Fields[i].Name]))
	}
	return values
}

// written does what goes with every change of a row: finding, history, ledger, the room's own part, listeners.
func (s *Store) written(tx *db.Tx, k *kept, before, after *Record, action, note string) error {
	if err := s.index(tx, k, before, after); err != nil {
		return err
	}
	var what []Change
	word := created
	if before != nil {
		what, word = changes(before, after), action
	}
	if err := s.opt.Ledger.Append(tx, ledger.Entry{Table: k.Table, Key: after.ID, Action: word}); err != nil {
		return err
	}
	if k.Changed != nil {
		if err := k.Changed(tx, before, after); err != nil {
			return err
		}
	}
	if err := s.told(tx, Event{Record: after, Before: before, Action: action, Note: note, Changes: what}); err != nil || before == nil {
		return err
	}
	return s.void(tx, after)
}

// Edit changes fields of a record of that version. Errors: a *Conflict where it was changed since, Wrong for values that will not do,
// fault.NotFound, fault.Forbidden.
func (s *Store) Edit(ctx context.Context, by *auth.User, kind, id string, version int64, values Values, note string) (r *Record, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, err = s.EditTx(tx, by, kind, id, version, values, note)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// EditTx is Edit within a transaction. A version of 0 takes whatever there is.
func (s *Store) EditTx(tx *db.Tx, by *auth.User, kind, id string, version int64, values Values, note string) (*Record, error) {
	k, before, err := s.forWriting(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && version != before.Version {
		return nil, s.conflict(tx, before, version, values)
	}
	after := before.clone()
	if err := after.fill(values, editing, by); err != nil {
		return nil, err
	}
	if len(changes(before, after)) == 0 {
		return before, nil
	}
	return after, s.save(tx, k, before, after, edited, note)
}

// forWriting reads a record that somebody means to change.
func (s *Store) forWriting(tx *db.Tx, by *auth.User, kind, id string) (*kept, *Record, error) {
	r, err := s.GetTx(tx, by, kind, id)
	if err != nil {
		return nil, nil, err
	}
	if err := mayWrite(r.Kind, by); err != nil {
		return nil, nil, err
	}
	if !r.DeletedAt.IsZero() {
		return nil, nil, fault.New(fault.Conflict, "record.fault.deleted", "%s is deleted", r.Kind.Ref(id))
	}
	return s.kinds[kind], r, nil
}

// save writes a changed record.
func (s *Store) save(tx *db.Tx, k *kept, before, after *Record, action, note string) error {
	if note = clean(note); tooLong(note, MaxNote) != nil {
		return tooLong(note, MaxNote)
	}
	after.Version, after.UpdatedAt, after.UpdatedBy = before.Version+1, tx.Now(), tx.Actor()
	// The version is not asked for again: writers go one at a time, and before was read in this transaction.
	columns, values := strings.Split(k.columns, ", "), k.row(after)
	var set []string
	var args []any
	for i, column := range columns {
		if own := i - len(base()); column != "id" && (own < 0 || !k.Fields[own].Machine) {
			args = append(args, values[i])
			set = append(set, fmt.Sprintf("%s = $%d", column, len(args)))
		}
	}
	args = append(args, after.ID)
	if _, err := tx.Exec(`UPDATE `+k.Table+` SET `+strings.Join(set, ", ")+fmt.Sprintf(` WHERE id = $%d`, len(args)), args...); err != nil {
		return fmt.Errorf("changing %s: %w", k.Ref(after.ID), err)
	}
	return s.written(tx, k, before, after, action, note)
}
