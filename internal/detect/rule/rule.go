// Package rule is the library of Sigma rules: it loads them from the program itself, from the user's folders and
// from those added one by one, compiles them, and keeps the compiled set up to date while they are edited.
//
// What it promises:
//
//   - A broken file is reported with its line and reason and never takes the others down.
//   - A change takes effect as a whole: Matcher gives the old set or the new one, never half of each, and a set once
//     given never changes.
//   - Of rules with the same id one counts: an added one before one in a folder before one of a source before one that came with the
//     program, so that a rule can be changed by a copy. The others are reported.
//   - Memory: a rule's text stays in its file and is read when somebody looks at it.
package rule

import (
	"slices"
	"strings"

	"yagura/internal/detect/alert"
	"yagura/sigma"
)

// Origin says where a rule came from.
type Origin string

// The origins, the strongest last.
const (
	Builtin Origin = "builtin" // in the program
	Sourced Origin = "source"  // a source of rules that is looked after in the program (package rulesource)
	Folder  Origin = "folder"  // one of the configured folders
	Added   Origin = "added"   // the data folder
)

// Origins lists them.
func Origins() []Origin { return []Origin{Builtin, Sourced, Folder, Added} }

// Rule is a rule of the library.
type Rule struct {
	*sigma.Rule
	Key    string // alert.RuleKey
	Origin Origin
	State  State
	Starts string // the state in which its source has new rules begin; "" for the usual one
	// Active is true when the rule is evaluated: its state says so, and nothing in Problems stands against it.
	Active   bool
	Problems []sigma.Problem

	runs  bool // it could be compiled
	file  *file
	words string // what a search looks at, in lower case
}

// Severity is the level of the rule's alerts.
func (r *Rule) Severity() sigma.Level { return alert.SeverityOf(r.Rule) }

// Health sums up what lint has to say of a rule.
type Health string

// The healths.
const (
	Good     Health = "good"
	Reported Health = "reported" // it runs, and part of it may never match here
	Idle     Health = "idle"     // it does not run, whatever its state
	Gone     Health = "gone"     // of a record alone: its file has gone, or says nothing that can be read
)

// Health sums up the rule's problems.
func (r *Rule) Health() Health {
	health := Good
	for _, p := range r.Problems {
		if !p.Loaded() {
			return Idle
		}
		health = Reported
	}
	return health
}

// HasTests reports whether the rule's file carries tests for it.
func (r *Rule) HasTests() bool { return r.Custom["tests"] != nil }

// Replaced is the kind of problem of a rule that is not used because another with its id counts.
const Replaced sigma.ProblemKind = "replaced"

// Set is rules that were loaded together. It never changes.
type Set struct {
	Matcher *sigma.Matcher
	// Correlations take the matches of the rules that they refer to.
	Correlations *sigma.Correlations
	Rules        []*Rule         // all that could be read, by title
	Problems     []sigma.Problem // of rules that are not retired and of files, in the order of the files
	Files        int

	opt     *LoadOptions
	byKey   map[string]*Rule
	filters []*sigma.Filter
	// wholeCorrelations are those of rules in every state.
	wholeCorrelations *sigma.Correlations
	whole             *sigma.Matcher // of all rules, whatever their states
	unread            []string       // files and folders that could not be looked at: what is not here may be there
	found             []keyed        // all problems
}

// keyed is a problem that compiling a rule has shown, with the rule's key, or another, with "".
type keyed struct {
	sigma.Problem
	key string
}

// with returns the set with its rules in those states. Nothing is compiled for it.
func (s *Set) with(states map[string]State) *Set {
	n := *s
	n.Rules, n.byKey, n.Problems = make([]*Rule, len(s.Rules)), make(map[string]*Rule, len(s.Rules)), make([]sigma.Problem, 0, len(s.found))
	off := make(map[*sigma.Rule]bool)
	for i, r := range s.Rules {
		one := *r
		one.State = stateOf(&one, states)
		one.Active = one.State.Runs() && one.runs
		off[one.Rule] = !one.State.Runs()
		n.Rules[i], n.byKey[one.Key] = &one, &one
	}
	for _, p := range s.found {
		if r := n.byKey[p.key]; r == nil || r.State != Retired {
			n.Problems = append(n.Problems, p.Problem)
		}
	}
	n.Matcher = s.whole.Without(func(r *sigma.Rule) bool { return off[r] })
	n.correlate()
	return &n
}

// stateOf is where a rule stands: where somebody decided, else where its source has rules begin, else live.
func stateOf(r *Rule, states map[string]State) State {
	if state, ok := states[r.Key]; ok {
		return state
	}
	if slices.Contains(allStates(), State(r.Starts)) {
		return State(r.Starts)
	}
	return Live
}

// Active returns how many rules are evaluated.
func (s *Set) Active() (n int) {
	for _, r := range s.Rules {
		if r.Active {
			n++
		}
	}
	return n
}

// Refused returns how many rules are not evaluated because of a problem, and neither because of their state nor
// because another of the same id counts.
func (s *Set) Refused() (n int) {
	for _, p := range s.Problems {
		if !p.Loaded() && p.Kind != Replaced {
			n++
		}
	}
	return n
}

// Rule returns the rule with that key.
func (s *Set) Rule(key string) (*Rule, bool) {
	r, ok := s.byKey[strings.ToLower(key)]
	return r, ok
}
