package sigma

import (
	"errors"
	"fmt"
	"strings"
)

// Options say how Compile is to understand rules.
type Options struct {
	// Taxonomy maps log sources and fields to events; nil means that events carry the rules' own names.
	Taxonomy Taxonomy
	// NoRouting tries every rule on every event, whatever its log source. Fields are mapped all the same.
	NoRouting bool
	// Placeholders are the values for the expand modifier, by name without the percent signs. They may
	// have wildcards.
	Placeholders map[string][]string
}

// Compile makes a set of rules ready for matching, with the filters applied to them. Rules that cannot be
// evaluated are left out and reported, as is all that is doubtful; the Matcher has the others.
func Compile(rules []*Rule, filters []*Filter, opts Options) (*Matcher, []Problem) {
	if opts.Taxonomy == nil {
		opts.Taxonomy = identity{}
	}
	if opts.Placeholders == nil {
		opts.Placeholders = map[string][]string{} // nil is for parsing, where values are yet unknown
	}
	c := compiler{
		opts:     opts,
		m:        &Matcher{names: make(map[string]int32), noRoute: opts.NoRouting},
		fieldIDs: make(map[string]int32), predIDs: make(map[string]int32), atomIDs: make(map[string]int32),
		sourceIDs: make(map[Logsource]int32), unmapped: make(map[sourceField]bool),
	}
	seen := make(map[string]*Rule, len(rules))
	used := make([]bool, len(filters))
	for _, r := range rules {
		if first := seen[r.ID]; first != nil && r.ID != "" && first.File != r.File {
			c.problem(r, ProblemWarning, r.Line, "", fmt.Sprintf("the id is that of the rule in %s, too", first.File))
		}
		seen[r.ID] = r
		c.addRule(r, c.filtersOf(r, filters, used))
	}
	for i, f := range filters {
		if !used[i] {
			c.problems = append(c.problems, Problem{
				File: f.File, Line: f.Line, RuleID: f.ID, Title: f.Title, Logsource: f.Logsource, Kind: ProblemWarning,
				Reason: "the filter applies to no rule",
			})
		}
	}
	c.finish()
	return c.m, c.problems
}

// sourceField is a rule's field within a log source.
type sourceField struct {
	source Logsource
	field  string
}

// compiler builds a Matcher.
type compiler struct {
	opts     Options
	m        *Matcher
	problems []Problem

	fieldIDs  map[string]int32
	predIDs   map[string]int32
	atomIDs   map[string]int32
	sourceIDs map[Logsource]int32
	unmapped  map[sourceField]bool // whether the taxonomy has no entry, where it was asked

	filed     []filing
	atomPreds [][]int32
	costs     []float64 // by predicate: how much work it makes as a witness; 0 where it cannot be one
	uses      []int     // by predicate: how many rules ask for it

	// Of the rule at hand.
	rule   *Rule
	source int32
	memo   map[*expr]int32
	asked  map[int32]bool
}

func (c *compiler) problem(r *Rule, kind ProblemKind, line int, field, reason string) {
	c.problems = append(c.problems, Problem{
		File: r.File, Line: line, RuleID: r.ID, Title: r.Title, Logsource: r.Logsource, Kind: kind, Field: field, Reason: reason,
	})
}

// filtersOf returns the filters that apply to a rule.
func (c *compiler) filtersOf(r *Rule, filters []*Filter, used []bool) []*Filter {
	var list []*Filter
	for i, f := range filters {
		switch named, agrees := f.appliesTo(r); {
		case agrees:
			used[i] = true
			list = append(list, f)
		case named && !f.AnyRule:
			used[i] = true
			c.problems = append(c.problems, Problem{
				File: f.File, Line: f.Line, RuleID: f.ID, Title: f.Title, Logsource: f.Logsource, Kind: ProblemWarning,
				Reason: fmt.Sprintf("the filter does not apply to rule %q: its log source %s is not one of %s", r.Title, r.Logsource, f.Logsource),
			})
		}
	}
	return list
}

// addRule compiles one rule, or reports why not.
func (c *compiler) addRule(r *Rule, filters []*Filter) {
	source, ok := c.sourceOf(r)
	if !ok {
		return
	}
	c.rule, c.source = r, source
	c.memo, c.asked = make(map[*expr]int32), make(map[int32]bool)
	// Everything is built before anything is kept, so that a refused rule leaves nothing half done.
	tests, err := c.testsOf(r.detection, filters)
	if err != nil {
		kind := ProblemRefused
		if missing := (*missingPlaceholder)(nil); errors.As(err, &missing) {
			kind = ProblemPlaceholder
		}
		c.problem(r, kind, lineOf(err, r.Line), "", err.Error())
		return
	}
	roots := []int32{c.compile(r.detection.expr, tests)}
	for _, f := range filters {
		roots = append(roots, c.compile(f.detection.expr, tests))
	}
	for p := range c.asked {
		c.uses[p]++
	}
	c.m.rules = append(c.m.rules, compiledRule{rule: r, root: c.addNode(exprAnd, 0, roots), source: source})
}

// testsOf builds the tests of all items of a rule and the filters applied to it.
func (c *compiler) testsOf(d *detection, filters []*Filter) (map[*item][][]test, error) {
	tests := make(map[*item][][]test, len(d.items))
	add := func(items []*item) (err error) {
		for _, it := range items {
			if tests[it], err = it.tests(c.opts.Placeholders); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(d.items); err != nil {
		return nil, err
	}
	for _, f := range filters {
		if err := add(f.detection.items); err != nil {
			return nil, fmt.Errorf("filter %q: %w", f.Title, err)
		}
	}
	return tests, nil
}

// sourceOf returns the number of a rule's log source, asking the taxonomy once for each.
func (c *compiler) sourceOf(r *Rule) (int32, bool) {
	if id, ok := c.sourceIDs[r.Logsource]; ok {
		if id < 0 {
			c.problem(r, ProblemUnknownLogsource, r.Line, "", unknownLogsource(r.Logsource))
		}
		return id, id >= 0
	}
	alternatives, known := c.opts.Taxonomy.Events(r.Logsource)
	if known = known && len(alternatives) > 0; !known && !c.opts.NoRouting {
		c.sourceIDs[r.Logsource] = -1
		c.problem(r, ProblemUnknownLogsource, r.Line, "", unknownLogsource(r.Logsource))
		return 0, false
	}
	src := source{}
	for _, all := range alternatives {
		var conj conjunction
		for _, cond := range all {
			conj = append(conj, newCondition(c.routingName(cond.Field), cond.Values))
		}
		src.any = append(src.any, conj)
	}
	id := int32(len(c.m.sources))
	c.m.sources = append(c.m.sources, src)
	c.sourceIDs[r.Logsource] = id
	return id, true
}

func unknownLogsource(ls Logsource) string {
	return fmt.Sprintf("the taxonomy knows no events of log source %s", ls)
}

// routingName returns the number of a field that decides about log sources.
func (c *compiler) routingName(name string) int32 {
	id := c.nameID(name)
	for _, known := range c.m.routing {
		if known == id {
			return id
		}
	}
	c.m.routing = append(c.m.routing, id)
	return id
}

func (c *compiler) nameID(name string) int32 {
	id, ok := c.m.names[name]
	if !ok {
		id = int32(len(c.m.names))
		c.m.names[name] = id
	}
	return id
}

// fieldOf returns the number of a rule's field, or of what keywords are searched in (name "").
func (c *compiler) fieldOf(name string, line int) int32 {
	if name == "" {
		names := c.opts.Taxonomy.Keywords(c.rule.Logsource)
		if names == nil {
			return c.fieldID(fieldEvery, nil)
		}
		return c.fieldID(fieldEach, names)
	}
	names, known := c.opts.Taxonomy.Fields(c.rule.Logsource, name)
	if len(names) == 0 {
		names, known = []string{name}, false
	}
	if !known && !c.reported(name) {
		c.problem(c.rule, ProblemUnmappedField, line, name,
			fmt.Sprintf("field %s is not mapped for log source %s; its own name is used", name, c.rule.Logsource))
	}
	return c.fieldID(fieldFirst, names)
}

// reported notes that a field of the rule at hand is unmapped, and says whether that was known.
func (c *compiler) reported(field string) bool {
	for i := len(c.problems) - 1; i >= 0; i-- {
		p := &c.problems[i]
		if p.File != c.rule.File || p.RuleID != c.rule.ID || p.Title != c.rule.Title {
			return false
		}
		if p.Kind == ProblemUnmappedField && p.Field == field {
			return true
		}
	}
	return false
}

func (c *compiler) fieldID(mode fieldMode, names []string) int32 {
	key := string(rune(mode)) + strings.Join(names, "\x00")
	if id, ok := c.fieldIDs[key]; ok {
		return id
	}
	f := field{mode: mode}
	for _, n := range names {
		f.names = append(f.names, c.nameID(n))
	}
	id := int32(len(c.m.fields))
	c.m.fields = append(c.m.fields, f)
	c.fieldIDs[key] = id
	return id
}
