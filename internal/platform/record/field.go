package record

import (
	"cmp"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
)

// Field is one thing that is known of a record.
type Field struct {
	Name     string
	Type     Type
	Column   string // of the table; "" is Name
	Required bool
	Max      int  // the longest text in characters; 0 is the type's own bound
	Search   bool // its words are found
	Sort     bool // lists can be sorted by it: there is an index that begins with its column
	// Machine fields are kept up by the program itself: nobody edits them, and neither history nor ledger follows them.
	Machine bool
	// Fixed fields are decided when the record is made.
	Fixed bool
	// Given fields are decided by the program when it makes the record, and stay.
	Given bool
	// Moved fields are filled in by moves alone: a verdict.
	Moved bool
	// Named is the ECS field of a Logged value, where that depends on the record; nil: its type says it.
	Named func(r *Record) string
	// Secret fields never leave in a list, an export or a mail, and nobody filters or sorts by them: they are shown on the record's own page
	// alone.
	Secret bool
	// Where is another way to filter by the field than its type's.
	Where func(w *db.Where, texts []string, env *Env) error

	fixed bool // of the kernel itself: never filled in by people
}

// byPeople reports whether people fill the field in, by forms or by moves.
func (f *Field) byPeople() bool { return !f.fixed && !f.Machine && !f.Given }

func (f *Field) column() string { return cmp.Or(f.Column, f.Name) }

// Env is who reads or writes, where texts of theirs depend on it.
type Env struct {
	By   *auth.User
	Zone *time.Location // nil is UTC
	Now  time.Time
	// Person finds a person by id, mail address or name; fault.Invalid where there is none, or more than one.
	Person func(text string) (id string, err error)
	// Unit finds a unit by id, code or name; likewise.
	Unit func(text string) (id string, err error)
	// Below lists a unit and all below it.
	Below func(id string) ([]string, error)
}

func (e *Env) zone() *time.Location {
	if e == nil || e.Zone == nil {
		return time.UTC
	}
	return e.Zone
}

// common are the fields that every record has.
func common() []Field {
	return []Field{
		{Name: "title", Type: Text{}, Required: true, Max: 300, Search: true, Sort: true},
		{Name: "state", fixed: true, Sort: true},
		{Name: "owner", Type: Person{}},
		{Name: "unit", Type: Unit{}},
		{Name: "due", Type: Deadline{}, Sort: true},
		{Name: "tags", Type: Tags{}, Search: true},
		{Name: "created_at", Type: Moment{}, Sort: true, fixed: true},
		{Name: "created_by", Type: Person{}, fixed: true},
		{Name: "updated_at", Type: Moment{}, Sort: true, fixed: true},
		{Name: "updated_by", Type: Person{}, fixed: true},
	}
}

// Record is a record of any kind. Values are those of the kind's own fields, by name, as their types keep them; Get and Set reach those
// that all records have, too.
type Record struct {
	Kind       *Kind
	ID         string
	Title      string
	State      string
	Owner      string // a person's id, "" for nobody
	Unit       string // an organisation unit's id, "" for none
	Due        time.Time
	Tags       []string
	CreatedAt  time.Time
	CreatedBy  string
	UpdatedAt  time.Time
	UpdatedBy  string
	Version    int64 // of what people change
	DeletedAt  time.Time
	DeletedBy  string
	DeletedWhy string
	Values     map[string]any
}

// Get returns a field's value, nil for a field that the kind has not.
func (r *Record) Get(field string) any {
	switch field {
	case "title":
		return r.Title
	case "state":
		return r.State
	case "owner":
		return r.Owner
	case "unit":
		return r.Unit
	case "due":
		return r.Due
	case "tags":
		return r.Tags
	case "created_at":
		return r.CreatedAt
	case "created_by":
		return r.CreatedBy
	case "updated_at":
		return r.UpdatedAt
	case "updated_by":
		return r.UpdatedBy
	}
	return r.Values[field]
}

// set is Get's other half; the value is one of the field's type.
func (r *Record) set(field string, value any) {
	switch field {
	case "title":
		r.Title = value.(string)
	case "state":
		r.State = value.(string)
	case "owner":
		r.Owner = value.(string)
	case "unit":
		r.Unit = value.(string)
	case "due":
		r.Due = value.(time.Time)
	case "tags":
		r.Tags = value.([]string)
	default:
		r.Values[field] = value
	}
}

// Text returns a field's value as history, CSV and comparisons have it: the same text for the same value, whoever reads it.
func (r *Record) Text(field string) string {
	f := r.Kind.Field(field)
	if f == nil {
		return ""
	}
	return f.Type.Text(r.Get(field))
}

// Str, Num and At return a value of a field whose type is known to be text, a number or a time.
func (r *Record) Str(field string) string { s, _ := r.Get(field).(string); return s }

// Num is Str for numbers.
func (r *Record) Num(field string) int64 { n, _ := r.Get(field).(int64); return n }

// At is Str for times.
func (r *Record) At(field string) time.Time { t, _ := r.Get(field).(time.Time); return t }

// Done reports whether the record's state is one with nothing left to do.
func (r *Record) Done() bool { s, _ := r.Kind.StateOf(r.State); return s.Done }

// Overdue reports whether the record should have been done before now.
func (r *Record) Overdue(now time.Time) bool {
	return !r.Due.IsZero() && r.Due.Before(now) && !r.Done() && r.DeletedAt.IsZero()
}

// Address is the record's page.
func (r *Record) Address() string { return r.Kind.Address(r.ID) }

// clone copies a record, so that the copy can be changed.
func (r *Record) clone() *Record {
	c := *r
	c.Tags = slices.Clone(r.Tags)
	c.Values = make(map[string]any, len(r.Values))
	for name, v := range r.Values {
		c.Values[name] = v
	}
	return &c
}
