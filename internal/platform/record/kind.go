// Package record is the kernel of all records: what people decide and track. A room declares a Kind (its fields, its states, who may move
// what to what) and makes a table; the kernel keeps the records, their history, comments, attachments, links, tasks and approvals, finds,
// lists, imports and exports them. Package record/desk shows all that on pages and over the API, the same for every kind.
//
// What it promises:
//
//   - Nothing changes in silence: every change of a record is in its history (who, when, which fields, from what to what, why) and in the
//     ledger, in the transaction that made it.
//   - Nobody's work is lost: a change names the version it was made on. Where somebody was faster, the other version, both versions' common
//     origin, and a merge of what does not collide are in the error (Conflict).
//   - Nobody learns of what they may not see: each way to a record (page, list, count, search, link, task, mention, export) passes the
//     kind's permission and its Visible condition; what is not visible is not there (fault.NotFound).
//   - What is deleted is kept, with who deleted it and why, and can be brought back.
//   - Lists are bounded: keyset pages, counts up to MaxCount, exports as a stream.
//
// A kind's table has the columns of a record besides its own:
//
//	id TEXT PRIMARY KEY, title TEXT, state TEXT, owner TEXT, unit TEXT, due BIGINT, tags TEXT, created_at BIGINT, created_by TEXT,
//	updated_at BIGINT, updated_by TEXT, version BIGINT, deleted_at BIGINT, deleted_by TEXT, deleted_why TEXT
//
// all NOT NULL, and indexes that end with "id, deleted_at": one that begins with each column its lists can be sorted by, one with each that
// people often filter by, followed by the usual order's column ("owner, updated_at, id, deleted_at"), "state, due, id, deleted_at" for
// what is overdue, and one with Key.
package record

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/ref"
)

// Kind is a sort of record: an alert, an incident, a contractor. Its words are messages (Words): what many and one are called, its own fields,
// states, moves, choices and views, and what its empty list says. What all kinds have ("owner", "due") has words of the kernel's.
type Kind struct {
	Name  string // in lower-case letters, digits and "_": "alert"; what ref.Ref and permissions call it
	Path  string // where its pages are: "/alerts"; its API is "/api/v1" + Path
	House string // of the rail: detect, respond, brand, protect, govern
	Order int    // within the house
	Table string
	// Key is how people find a record again in a list they import: the name of a Text field or "title"; "" for none, then an import only
	// makes new records.
	Key    string
	Fields []Field // its own, in the order of forms and pages
	// States in the order of the work; a new record has the first.
	States []State
	Moves  []Move
	// Views are the list's tabs, the first by default.
	Views   []View
	Columns []string // of lists, by default; besides the title
	Sort    string   // of lists by default: "-updated_at"
	Sorts   []Sort   // orders of more than one column, besides those by a Field that has Sort
	Without Without  // what this kind does not have
	// Live lists say by themselves that records came since they were shown: for kinds whose records machines make. The table has an index that
	// begins with created_at.
	Live  bool
	Class Class // of its papers; "" is the organisation's
	Alone bool  // who asks for an approval may be among those who approve
	// Visible adds the condition under which a record is shown to somebody, for records that not all who may read the kind may see. Columns
	// are those of Table, with no prefix. Nil shows all.
	Visible func(tx *db.Tx, by *auth.User, w *db.Where) error
	// Unsorted are fields that all records have and lists of this kind cannot be sorted by: the table has no index for them.
	Unsorted []string
	// Texts are more words that a record is found by, besides those of its fields with Search.
	Texts func(r *Record) []string
	// Omit are columns of the table that machines keep up and no field shows: the ledger does not follow them.
	Omit []string
	// Changed is the room's own part of a change, in its transaction, after the row is written: before is nil for a new record.
	Changed func(tx *db.Tx, before, after *Record) error

	fields map[string]*Field
}

// Without says what a kind does not have, because a machine makes its records or something outside holds them.
type Without struct {
	Create, Edit, Delete, Import bool
	Rename                       bool // its title is given
}

// State is where a record stands in the work.
type State struct {
	Name string
	Look string // of its pill: "", new, active, good, warn, bad
	Done bool   // there is nothing left to do: such a record is never overdue
}

// Move is a way from state to state, which people see as a button.
type Move struct {
	Name string
	From []string // states; none: from every state but To
	To   string
	// Needs are the fields that must be filled in first; the move's form asks for those that are empty.
	Needs []string
	// Asks are fields that the move's form shows, filled in or not.
	Asks []string
	// Clears are fields that the move empties: a verdict, when work begins anew.
	Clears []string
	Why    bool // a reason must be given
	// Permission is what it takes besides reading; "" is writing.
	Permission string
	// Approved moves take an approval of exactly the version that is moved; nothing is filled in on the way that was not approved.
	Approved bool
	// Main moves are shown as the button that one presses most.
	Main bool
	// May says what else keeps somebody from it, as a fault; nil: nothing.
	May func(tx *db.Tx, by *auth.User, r *Record) error
}

// View is a saved way to look at a kind's list.
type View struct {
	Name  string
	Query string // as the list's address has it: "state=open&owner=me"
	// Columns are those that it shows instead of the kind's.
	Columns []string
}

// Sort is an order of lists by several columns, all in one direction.
type Sort struct {
	Name    string
	Columns []string
}

// Words lists the keys of the messages that a kind needs:
//
//	kind.<name>                     what its records are called, all together: "Incidents"
//	kind.<name>.one                 one of them: "Incident"
//	kind.<name>.about               what they are, in a sentence, above the list
//	kind.<name>.empty               what would be in an empty list, and how to get it
//	kind.<name>.field.<field>       each of its own fields
//	kind.<name>.<field>.<choice>    each choice of a field
//	kind.<name>.state.<state>
//	kind.<name>.move.<move>         what a button says: "Contain"
//	kind.<name>.view.<view>
//	kind.<name>.sort.<sort>         each of its Sorts
func (k *Kind) Words() (keys []string) {
	add := func(parts ...string) {
		keys = append(keys, strings.Join(append([]string{"kind", k.Name}, parts...), "."))
	}
	add()
	add("one")
	add("about")
	add("empty")
	for i := range k.Fields {
		f := &k.Fields[i]
		add("field", f.Name)
		var choices []string
		switch t := f.Type.(type) {
		case Choice:
			choices = t
		case Choices:
			choices = t
		}
		for _, c := range choices {
			add(f.Name, c)
		}
	}
	for _, s := range k.States {
		add("state", s.Name)
	}
	for _, m := range k.Moves {
		add("move", m.Name)
	}
	for _, v := range k.Views {
		add("view", v.Name)
	}
	for _, s := range k.Sorts {
		add("sort", s.Name)
	}
	return keys
}

// Permissions of a kind: reading, writing (making, changing, moving, commenting), and deleting.
func (k *Kind) MayRead() string   { return k.Name + ".read" }
func (k *Kind) MayWrite() string  { return k.Name + ".write" }
func (k *Kind) MayDelete() string { return k.Name + ".delete" }

// Ref names a record of the kind.
func (k *Kind) Ref(id string) ref.Ref { return ref.Ref{Kind: k.Name, ID: id} }

// Address is the page of a record.
func (k *Kind) Address(id string) string { return k.Path + "/" + id }

// Ledger says what of the kind's table the ledger covers: all but what machines keep up.
func (k *Kind) Ledger() ledger.Table {
	t := ledger.Table{Name: k.Table, Key: "id", Link: k.Path + "/{key}", Omit: slices.Clone(k.Omit)}
	for _, f := range k.Fields {
		if f.Machine {
			t.Omit = append(t.Omit, f.column())
		}
	}
	return t
}

// Field returns a field by name, of the kind's own or of those that all records have; nil where there is none.
func (k *Kind) Field(name string) *Field { return k.fields[name] }

// All returns every field: the title, the kind's own, then what all records have.
func (k *Kind) All() []*Field {
	list := []*Field{k.fields["title"]}
	for i := range k.Fields {
		list = append(list, &k.Fields[i])
	}
	for _, f := range common() {
		if f.Name != "title" {
			list = append(list, k.fields[f.Name])
		}
	}
	return list
}

// Editable returns the fields that people fill in.
func (k *Kind) Editable() []*Field {
	return slices.DeleteFunc(k.All(), func(f *Field) bool { return !f.byPeople() || f.Moved })
}

// StateOf returns a state by name; false where the kind has none of it.
func (k *Kind) StateOf(name string) (State, bool) {
	i := slices.IndexFunc(k.States, func(s State) bool { return s.Name == name })
	if i < 0 {
		return State{}, false
	}
	return k.States[i], true
}

// open lists the names of the states in which there is something to do.
func (k *Kind) open() (names []string) {
	for _, s := range k.States {
		if !s.Done {
			names = append(names, s.Name)
		}
	}
	return names
}

// name is what tables, columns, fields and states may be called: names that stand in SQL and in addresses.
var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// reserved are names that a list's address has for other things.
var reserved = []string{"q", "sort", "cursor", "limit", "columns", "view", "format", "deleted", "tab", "lang", "id", "version"}

// prepare checks a declaration and makes it ready. What is wrong with it is an error of the program.
func (k *Kind) prepare() error {
	if !ref.IsKind(k.Name) || !name.MatchString(k.Table) || !strings.HasPrefix(k.Path, "/") {
		return fmt.Errorf("kind %q: its name, its table %q or its path %q will not do", k.Name, k.Table, k.Path)
	}
	if k.Class != "" && !slices.Contains(Classes(), k.Class) {
		return fmt.Errorf("kind %s: its papers cannot be %q", k.Name, k.Class)
	}
	if len(k.States) == 0 {
		return fmt.Errorf("kind %s has no states", k.Name)
	}
	k.Sort = cmp.Or(k.Sort, "-updated_at")
	k.fields = make(map[string]*Field)
	for _, f := range common() {
		if f.Name == "state" {
			f.Type = stateType{k}
		}
		f.Sort = f.Sort && !slices.Contains(k.Unsorted, f.Name)
		f.Given = f.Given || f.Name == "title" && k.Without.Rename
		k.fields[f.Name] = &f
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if k.fields[f.Name] != nil || slices.Contains(reserved, f.Name) || !name.MatchString(f.Name) || !name.MatchString(f.column()) || f.Type == nil {
			return fmt.Errorf("kind %s: the field %q has no type, or a name that is taken or will not do", k.Name, f.Name)
		}
		k.fields[f.Name] = f
	}
	return k.checkNames()
}

// checkNames finds names that name nothing.
func (k *Kind) checkNames() error {
	for _, m := range k.Moves {
		for _, s := range append(slices.Clone(m.From), m.To) {
			if _, ok := k.StateOf(s); !ok {
				return fmt.Errorf("kind %s: the move %s names no state with %q", k.Name, m.Name, s)
			}
		}
		for _, f := range slices.Concat(m.Needs, m.Asks, m.Clears) {
			if k.fields[f] == nil {
				return fmt.Errorf("kind %s: the move %s names no field with %q", k.Name, m.Name, f)
			}
		}
	}
	for _, f := range append(slices.Clone(k.Columns), strings.TrimPrefix(k.Sort, "-")) {
		if k.fields[f] == nil && !slices.ContainsFunc(k.Sorts, func(s Sort) bool { return s.Name == f }) {
			return fmt.Errorf("kind %s: its lists name no field with %q", k.Name, f)
		}
	}
	if f := k.fields[k.Key]; k.Key != "" && (f == nil || f.Type.Word() != Text{}.Word()) {
		return fmt.Errorf("kind %s: its key %q is no field of text", k.Name, k.Key)
	}
	return nil
}
