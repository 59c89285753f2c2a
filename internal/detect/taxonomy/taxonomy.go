// Package taxonomy says, as data, what Sigma's log sources and field names mean in our events: which
// events belong to {product: windows, category: process_creation}, and that CommandLine there is
// process.command_line. The data are the YAML files in data/, embedded in the binary.
//
// The same data tells the normaliser which fields of a Windows event it moves to which ECS name (Channel),
// so that what is written and what rules look for cannot drift apart.
//
// A Taxonomy is immutable and safe for concurrent use. It promises to package sigma: a log source it does
// not know is said to be unknown, never taken for "all events"; a field that no entry maps is said to be
// unknown, and still resolves to the names it most likely has.
package taxonomy

import (
	"embed"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"yagura/sigma"
)

//go:embed data/*.yml
var data embed.FS

// Taxonomy implements sigma.Taxonomy.
type Taxonomy struct {
	entries   []entry
	channels  map[string]*Channel // by channel name, as the data writes it and in lower case
	providers map[string]*Channel // by lower-case provider name
}

var _ sigma.Taxonomy = (*Taxonomy)(nil)

// entry is one log source of one document, with what it inherits from the document.
type entry struct {
	logsource sigma.Logsource
	events    []sigma.Conjunction
	fields    map[string][]string // as the data map them
	moved     map[string][]string // where the normaliser moves Windows' fields
	known     map[string]bool
	prefixes  []string // known fields that ended in *
	open      bool
	fallback  []string
	keywords  []string
}

// Load reads the embedded data.
func Load() (*Taxonomy, error) {
	files, err := fs.Sub(data, "data")
	if err != nil {
		return nil, err
	}
	return LoadFS(files)
}

// LoadFS reads the .yml files at the root of files. The error names the file and the entry that is wrong.
func LoadFS(files fs.FS) (*Taxonomy, error) {
	docs, err := readAll(files)
	if err != nil {
		return nil, err
	}
	t := &Taxonomy{channels: map[string]*Channel{}, providers: map[string]*Channel{}}
	for i := range docs {
		if err := t.addChannels(&docs[i]); err != nil {
			return nil, err
		}
	}
	for i := range docs {
		for j := range docs[i].Sources {
			t.entries = append(t.entries, t.newEntry(&docs[i], &docs[i].Sources[j]))
		}
	}
	return t, nil
}

func (t *Taxonomy) newEntry(d *document, s *source) entry {
	e := entry{
		logsource: sigma.Logsource{Product: d.Product, Category: s.Category, Service: s.Service},
		fields:    map[string][]string{},
		moved:     map[string][]string{},
		known:     map[string]bool{},
		open:      s.Open,
		fallback:  firstSet(s.Fallback, d.Fallback, []string{""}),
		keywords:  firstSet(s.Keywords, d.Keywords, nil),
	}
	for _, events := range s.Events {
		e.events = append(e.events, newConjunction(events))
	}
	for _, name := range s.Known {
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			e.prefixes = append(e.prefixes, prefix)
		} else {
			e.known[name] = true
		}
	}
	for _, fields := range []map[string]values{d.Fields, s.Fields} { // the source's own come last and win
		for field, names := range fields {
			e.fields[field] = names
		}
	}
	t.addNatives(&e, s.Fields)
	return e
}

func firstSet(lists ...[]string) []string {
	for _, l := range lists {
		if l != nil {
			return l
		}
	}
	return nil
}

func newConjunction(conditions map[string]values) sigma.Conjunction {
	c := make(sigma.Conjunction, 0, len(conditions))
	for _, field := range slices.Sorted(maps.Keys(conditions)) {
		c = append(c, sigma.Condition{Field: field, Values: conditions[field]})
	}
	return c
}

// Logsources returns every log source that the data names, in the data's order.
func (t *Taxonomy) Logsources() []sigma.Logsource {
	all := make([]sigma.Logsource, 0, len(t.entries))
	for i := range t.entries {
		if ls := t.entries[i].logsource; !slices.Contains(all, ls) {
			all = append(all, ls)
		}
	}
	return all
}

// matching returns the entries that ls covers: those that agree with each part it names. Where there is
// none and ls names more than two parts say together, it returns two lists, of the category and of the
// service, and ls covers the events that are in both.
func (t *Taxonomy) matching(ls sigma.Logsource) (union, alsoIn []*entry) {
	if union = t.covered(ls); len(union) > 0 || ls.Category == "" || ls.Service == "" {
		return union, nil
	}
	union = t.covered(sigma.Logsource{Product: ls.Product, Category: ls.Category})
	alsoIn = t.covered(sigma.Logsource{Product: ls.Product, Service: ls.Service})
	if len(union) == 0 || len(alsoIn) == 0 {
		return nil, nil
	}
	return union, alsoIn
}

func (t *Taxonomy) covered(ls sigma.Logsource) []*entry {
	var covered []*entry
	for i := range t.entries {
		e := &t.entries[i]
		if agrees(ls.Product, e.logsource.Product) && agrees(ls.Category, e.logsource.Category) && agrees(ls.Service, e.logsource.Service) {
			covered = append(covered, e)
		}
	}
	return covered
}

func agrees(asked, entry string) bool { return asked == "" || strings.EqualFold(asked, entry) }

// Events says which events belong to ls: those of which any of the conjunctions holds. ok is false where no
// entry agrees with ls.
func (t *Taxonomy) Events(ls sigma.Logsource) (events []sigma.Conjunction, ok bool) {
	union, alsoIn := t.matching(ls)
	if len(union) == 0 {
		return nil, false
	}
	events = allEvents(union)
	if alsoIn != nil {
		events = intersect(events, allEvents(alsoIn))
	}
	return events, true
}

func allEvents(entries []*entry) []sigma.Conjunction {
	var all []sigma.Conjunction
	for _, e := range entries {
		for _, c := range e.events {
			if len(c) == 0 {
				return []sigma.Conjunction{{}} // every event: the rest adds nothing
			}
			if !slices.ContainsFunc(all, func(other sigma.Conjunction) bool { return equal(c, other) }) {
				all = append(all, c)
			}
		}
	}
	return all
}

func equal(a, b sigma.Conjunction) bool {
	return slices.EqualFunc(a, b, func(x, y sigma.Condition) bool {
		return x.Field == y.Field && slices.Equal(x.Values, y.Values)
	})
}

// intersect pairs the conjunctions of both, without the pairs that contradict themselves.
func intersect(a, b []sigma.Conjunction) []sigma.Conjunction {
	var both []sigma.Conjunction
	for _, x := range a {
		for _, y := range b {
			if compatible(x, y) {
				both = append(both, slices.Concat(x, y))
			}
		}
	}
	if len(both) == 0 { // no event can be in both: a condition that never holds
		both = []sigma.Conjunction{{{Field: "event.kind", Values: []string{"no event is in both"}}}}
	}
	return both
}

// compatible reports whether one event can satisfy both: no field is asked for values that exclude each other.
func compatible(a, b sigma.Conjunction) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Field == y.Field && !overlap(x.Values, y.Values) {
				return false
			}
		}
	}
	return true
}

func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if covers(x, y) || covers(y, x) {
				return true
			}
		}
	}
	return false
}

// covers reports whether the value of a condition, with its trailing *, takes in other.
func covers(value, other string) bool {
	if prefix, ok := strings.CutSuffix(value, "*"); ok {
		return len(other) >= len(prefix) && strings.EqualFold(other[:len(prefix)], prefix)
	}
	return strings.EqualFold(value, other)
}

// Fields gives the event's names for a Sigma field in ls, in order of preference. known is false where no
// entry maps or lists the field; names are then what it most likely is called.
func (t *Taxonomy) Fields(ls sigma.Logsource, field string) (names []string, known bool) {
	union, alsoIn := t.matching(ls)
	entries := slices.Concat(union, alsoIn)
	for _, e := range entries {
		mapped, ok := e.fields[field]
		names, known = appendNew(names, mapped...), known || ok || e.knows(field)
	}
	for _, e := range entries {
		// Where one log source of the union knows the field, the others don't look for it.
		if _, mapped := e.fields[field]; !mapped && (!known || e.knows(field)) {
			names = appendNew(names, e.native(field)...)
		}
	}
	if !known {
		names = appendNew(names, field) // the rule may use our own names
	}
	return names, known
}

func (e *entry) knows(field string) bool {
	if e.open || e.known[field] {
		return true
	}
	return slices.ContainsFunc(e.prefixes, func(p string) bool { return strings.HasPrefix(field, p) })
}

// native gives the names of a field that the data do not map: where the normaliser moves it, then its own behind
// the fallback prefixes.
func (e *entry) native(field string) []string {
	if names := e.moved[field]; names != nil {
		return names
	}
	names := make([]string, 0, len(e.fallback))
	for _, prefix := range e.fallback {
		names = append(names, prefix+field)
	}
	return names
}

func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// Keywords gives the fields that unbound keywords are searched in; nil means every field.
func (t *Taxonomy) Keywords(ls sigma.Logsource) []string {
	union, alsoIn := t.matching(ls)
	var all []string
	for _, e := range slices.Concat(union, alsoIn) {
		if e.keywords == nil {
			return nil
		}
		all = appendNew(all, e.keywords...)
	}
	return all
}
