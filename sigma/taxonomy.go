package sigma

// Taxonomy says what a rule's log source and fields are in the events at hand. Compile asks it; it is not
// asked again while matching.
type Taxonomy interface {
	// Events says which events belong to a log source: those for which any of the conjunctions holds. ok is
	// false where the log source is unknown.
	Events(ls Logsource) (any []Conjunction, ok bool)
	// Fields returns the event's names for a rule's field, in order of preference: the first one that the
	// event has counts. known is false where no entry maps the field; the names are then a fallback.
	Fields(ls Logsource, field string) (names []string, known bool)
	// Keywords returns the event's fields in which keywords are searched; nil means all.
	Keywords(ls Logsource) []string
}

// Conjunction holds when all its conditions do; an empty one holds for every event.
type Conjunction []Condition

// Condition holds when any value of the field is one of Values, without regard to case. A value that ends
// in * is a prefix; "*" alone means that the field is present.
type Condition struct {
	Field  string
	Values []string
}

// identity is the taxonomy where none is given: events carry the rules' own field names, and every event
// belongs to every log source.
type identity struct{}

func (identity) Events(Logsource) ([]Conjunction, bool) { return []Conjunction{{}}, true }

func (identity) Fields(_ Logsource, field string) ([]string, bool) { return []string{field}, true }

func (identity) Keywords(Logsource) []string { return nil }
