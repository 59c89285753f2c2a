// Package event is what happened, in one shape for every source: a flat, ordered list of fields with
// dotted names after the Elastic Common Schema (ECS), a time and an id.
//
// A list in the original becomes several fields of one name, in order. What ECS has no name for keeps its
// native name ("winlog.event_data.*", "okta.*"); nothing of the original is dropped.
//
// An Event is reused: its strings may point into the buffer of whoever filled it and are valid until
// Reset or until that buffer is reused. Clone what must live longer. An Event is not safe for
// concurrent use.
package event

import (
	"strconv"
	"time"
)

// Kind says what a field's value was in the original; the value itself is always text.
type Kind uint8

// The kinds of value. The zero Kind is String.
const (
	String Kind = iota
	Number
	Bool
	Null
)

// Field is one name and value. A Null field has an empty Value.
type Field struct {
	Name  string
	Value string
	Kind  Kind
}

// Event is one thing that happened.
type Event struct {
	// ID is given at acceptance and stays the same through a crash and a replay.
	ID string
	// Time is when it happened, in UTC. The zero time means that the original named none.
	Time time.Time

	fields []Field
	arena  []byte
}

// Reset empties the event for reuse and keeps its memory.
func (e *Event) Reset() {
	e.ID, e.Time = "", time.Time{}
	clear(e.fields)
	e.fields, e.arena = e.fields[:0], e.arena[:0]
}

// Add appends a field of text. A second field of the same name makes a list.
func (e *Event) Add(name, value string) {
	e.fields = append(e.fields, Field{Name: name, Value: value})
}

// AddKind appends a field whose original value was no text.
func (e *Event) AddKind(name, value string, kind Kind) {
	e.fields = append(e.fields, Field{Name: name, Value: value, Kind: kind})
}

// AddInt appends a number.
func (e *Event) AddInt(name string, value int64) {
	e.AddKind(name, strconv.FormatInt(value, 10), Number)
}

// AddNonEmpty appends a field of text unless value is empty.
func (e *Event) AddNonEmpty(name, value string) {
	if value != "" {
		e.Add(name, value)
	}
}

// Set replaces every field of that name by one field of text, in the place of the first, or appends it.
func (e *Event) Set(name, value string) {
	i := e.index(name)
	if i < 0 {
		e.Add(name, value)
		return
	}
	e.fields[i].Value, e.fields[i].Kind = value, String
	kept := e.fields[:i+1]
	for _, f := range e.fields[i+1:] {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	clear(e.fields[len(kept):])
	e.fields = kept
}

// SetDefault adds a field of text unless the event has one of that name or value is empty.
func (e *Event) SetDefault(name, value string) {
	if value != "" && e.index(name) < 0 {
		e.Add(name, value)
	}
}

// Rename gives every field named from the name to. It reports whether there was one.
func (e *Event) Rename(from, to string) bool {
	found := false
	for i := range e.fields {
		if e.fields[i].Name == from {
			e.fields[i].Name, found = to, true
		}
	}
	return found
}

// Delete removes every field of that name.
func (e *Event) Delete(name string) {
	kept := e.fields[:0]
	for _, f := range e.fields {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	clear(e.fields[len(kept):])
	e.fields = kept
}

// Get returns the first value of that name, or "".
func (e *Event) Get(name string) string {
	if i := e.index(name); i >= 0 {
		return e.fields[i].Value
	}
	return ""
}

// Lookup returns the first value of that name and whether there is one.
func (e *Event) Lookup(name string) (string, bool) {
	if i := e.index(name); i >= 0 {
		return e.fields[i].Value, true
	}
	return "", false
}

// Has reports whether the event has a field of that name.
func (e *Event) Has(name string) bool { return e.index(name) >= 0 }

// Values returns all values of that name in order, in a new slice.
func (e *Event) Values(name string) []string {
	var values []string
	for i := range e.fields {
		if e.fields[i].Name == name {
			values = append(values, e.fields[i].Value)
		}
	}
	return values
}

// Fields returns the fields in order. The slice is the event's own: read it, don't keep it.
func (e *Event) Fields() []Field { return e.fields }

// NumFields returns how many fields there are. With Field it is what sigma.Event asks for.
func (e *Event) NumFields() int { return len(e.fields) }

// Field returns the i-th field's name and value, and whether the original value was null.
func (e *Event) Field(i int) (name, value string, null bool) {
	f := &e.fields[i]
	return f.Name, f.Value, f.Kind == Null
}

// Clone returns a copy that shares no memory with e.
func (e *Event) Clone() *Event {
	size := len(e.ID)
	for i := range e.fields {
		size += len(e.fields[i].Name) + len(e.fields[i].Value)
	}
	c := &Event{Time: e.Time, fields: make([]Field, len(e.fields))}
	buf := make([]byte, 0, size)
	own := func(s string) string {
		start := len(buf)
		buf = append(buf, s...)
		return unsafeString(buf[start:])
	}
	c.ID = own(e.ID)
	for i, f := range e.fields {
		c.fields[i] = Field{Name: own(f.Name), Value: own(f.Value), Kind: f.Kind}
	}
	return c
}

// Keep copies b into memory that lives until Reset and returns it as a string: for values that a
// normaliser puts together, without an allocation each.
func (e *Event) Keep(b []byte) string {
	if cap(e.arena)-len(e.arena) < len(b) {
		// Strings already given out keep the old block alive.
		e.arena = make([]byte, 0, max(2*cap(e.arena), len(b), 512))
	}
	start := len(e.arena)
	e.arena = append(e.arena, b...)
	return unsafeString(e.arena[start:])
}

func (e *Event) index(name string) int {
	for i := range e.fields {
		if e.fields[i].Name == name {
			return i
		}
	}
	return -1
}
