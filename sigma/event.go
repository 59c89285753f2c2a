package sigma

// Event is what rules are matched against: a list of named values. Several fields of one name are one
// field with several values. Strings must not change while Match runs; nothing of the event is kept after
// the next call with the same Scratch.
type Event interface {
	// NumFields returns how many fields there are.
	NumFields() int
	// Field returns a field's name and value as text, and whether the value was null, which makes it
	// empty. Numbers and booleans come as JSON writes them.
	Field(i int) (name, value string, null bool)
}

// Field is one named value of Fields.
type Field struct {
	Name  string
	Value string
	Null  bool
}

// Fields is the simplest Event.
type Fields []Field

// NumFields implements Event.
func (f Fields) NumFields() int { return len(f) }

// Field implements Event.
func (f Fields) Field(i int) (name, value string, null bool) {
	return f[i].Name, f[i].Value, f[i].Null
}
