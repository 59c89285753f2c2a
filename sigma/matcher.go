package sigma

import "slices"

// Matcher is a set of rules made ready for matching. It never changes and is safe for concurrent use; each
// goroutine brings its own Scratch.
//
// An event takes this way through it:
//
//  1. Routing. The event's values of the few fields that log sources ask for decide which log sources it
//     belongs to. The decision is kept for the next event with the same values.
//  2. Selection. Nearly all rules need some text in some field: that text, their witness, is in the index.
//     One pass over each field's folded value finds all witnesses in it, and with them the rules that may
//     match. The few rules that have no witness are always looked at.
//  3. Evaluation. The condition of each such rule is evaluated over predicates, each of which is decided
//     once for an event, however many rules share it. Long lists of values are in the index, too, and
//     looked for only now.
type Matcher struct {
	rules   []compiledRule
	nodes   []node
	kids    []int32
	preds   []predicate
	fields  []field
	names   []string // of event fields that any rule or log source asks for
	table   nameTable
	sources []source
	routing []int32 // names whose values decide about log sources
	noRoute bool
	index   index
	off     []bool // by rule, what Without left out; nil where it is none
}

// compiledRule is a rule, the root of its condition and its log source.
type compiledRule struct {
	rule   *Rule
	root   int32
	source int32
}

// node is an expression over predicates: arg is the predicate, or how many kids must hold.
type node struct {
	op         exprOp
	arg        int32
	start, end int32 // in Matcher.kids
}

// field says where in an event to look for a value.
type field struct {
	mode  fieldMode
	names []int32
}

type fieldMode uint8

const (
	fieldFirst fieldMode = iota // the first of names that the event has
	fieldEach                   // all of names
	fieldEvery                  // all fields of the event
)

// predicate is one item of a selection, or several equal ones: a question about an event that is answered
// once.
type predicate struct {
	kind   predicateKind
	field  int32
	unit   int32   // of the index, which finds values that satisfy it, or may; -1: none
	verify []*test // of values that may; needless unless the index found something
	rest   []*test // what the index knows nothing of
	null   bool    // a missing field satisfies it
	other  int32   // of predFieldref: the other field
	rules  []int32 // those that it selects
}

type predicateKind uint8

const (
	predValues   predicateKind = iota // any value passes
	predExists                        // the field is there
	predMissing                       // the field is not there
	predFieldref                      // the field and another relate as rest[0] says
)

// source is a log source with the rules that are about it.
type source struct {
	any    []conjunction
	scan   []int32 // units of the index that find what rules of this log source need
	always []int32 // rules that the index cannot select
}

// Rules returns the rules that the Matcher evaluates, in the order in which they were given.
func (m *Matcher) Rules() []*Rule {
	rules := make([]*Rule, 0, len(m.rules))
	for i := range m.rules {
		if !m.leaves(int32(i)) {
			rules = append(rules, m.rules[i].rule)
		}
	}
	return rules
}

// Without returns a Matcher that leaves out the rules for which leave is true. It shares all else with m, so that it costs
// next to nothing beside Compile; a rule that is left out is still looked for, which costs little, and never evaluated.
func (m *Matcher) Without(leave func(*Rule) bool) *Matcher {
	less := *m
	less.off = make([]bool, len(m.rules))
	for i := range m.rules {
		less.off[i] = m.leaves(int32(i)) || leave(m.rules[i].rule)
	}
	return &less
}

// Unselected is a rule that has no witness: nothing that every event it matches must hold. So it is evaluated for
// every event of its log source.
type Unselected struct {
	Rule *Rule
	// Comparisons is how many values such an event is compared with at worst, and Expressions how many of them are regular
	// expressions.
	Comparisons, Expressions int
}

// Unselected returns the rules that have no witness, in the order in which they were given.
func (m *Matcher) Unselected() []Unselected {
	var list []Unselected
	for s := range m.sources {
		for _, i := range m.sources[s].always {
			if m.leaves(i) {
				continue
			}
			u := Unselected{Rule: m.rules[i].rule}
			m.count(m.rules[i].root, &u)
			list = append(list, u)
		}
	}
	place := make(map[*Rule]int, len(m.rules))
	for i := range m.rules {
		place[m.rules[i].rule] = i
	}
	slices.SortFunc(list, func(a, b Unselected) int { return place[a.Rule] - place[b.Rule] })
	return list
}

// count adds what evaluating a node may cost.
func (m *Matcher) count(id int32, u *Unselected) {
	n := &m.nodes[id]
	if n.op != exprItem {
		for _, kid := range m.kids[n.start:n.end] {
			m.count(kid, u)
		}
		return
	}
	p := &m.preds[n.arg]
	if p.unit >= 0 || p.null || p.kind != predValues {
		u.Comparisons++
	}
	for _, tests := range [][]*test{p.verify, p.rest} {
		for _, t := range tests {
			u.Comparisons++
			u.Expressions += btoi(t.kind == testRegexp)
		}
	}
}

func (m *Matcher) leaves(i int32) bool { return m.off != nil && m.off[i] }

// Match returns the rules that the event matches, in the order in which they were given to Compile. The
// slice is valid until the next call with the same Scratch.
func (m *Matcher) Match(ev Event, s *Scratch) []*Rule {
	s.begin(m, ev)
	r := s.route()
	for _, u := range r.scan {
		s.scan(u)
	}
	s.out = s.out[:0]
	for _, i := range s.candidates {
		if !m.leaves(i) && s.eval(m.rules[i].root) {
			s.matched = append(s.matched, i)
		}
	}
	for _, i := range r.always {
		if !m.leaves(i) && s.eval(m.rules[i].root) {
			s.matched = append(s.matched, i)
		}
	}
	sortInts(s.matched)
	for _, i := range s.matched {
		s.out = append(s.out, m.rules[i].rule)
	}
	return s.out
}

// sortInts sorts the few rules that match.
func sortInts(list []int32) {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}
