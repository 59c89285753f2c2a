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
// Correlations among them are left out in silence: see CompileCorrelations.
func Compile(rules []*Rule, filters []*Filter, opts Options) (*Matcher, []Problem) {
	if opts.Taxonomy == nil {
		opts.Taxonomy = identity{}
	}
	if opts.Placeholders == nil {
		opts.Placeholders = map[string][]string{} // nil is for parsing, where values are yet unknown
	}
	c := compiler{
		opts:    opts,
		m:       &Matcher{noRoute: opts.NoRouting},
		nameIDs: make(map[string]int32), fieldIDs: make(map[string]int32), predIDs: make(map[string]int32),
		sourceIDs: make(map[Logsource]int32), filterTests: make(map[*Filter]itemTests, len(filters)),
	}
	filters = c.usable(filters)
	seen := make(map[string]*Rule, len(rules))
	used := make([]bool, len(filters))
	for _, r := range rules {
		if r.Correlation != nil {
			continue
		}
		if first := seen[r.ID]; first != nil && r.ID != "" && first.File != r.File {
			c.problem(r, ProblemWarning, r.Line, fmt.Sprintf("the id is that of the rule in %s, too", first.File))
		}
		seen[r.ID] = r
		c.addRule(r, c.filtersOf(r, filters, used))
	}
	for i, f := range filters {
		if !used[i] {
			c.filterProblem(f, ProblemWarning, f.Line, "the filter applies to no rule")
		}
	}
	c.finish()
	return c.m, c.problems
}

// compiler builds a Matcher.
type compiler struct {
	opts     Options
	m        *Matcher
	problems []Problem

	nameIDs   map[string]int32
	fieldIDs  map[string]int32
	predIDs   map[string]int32
	sourceIDs map[Logsource]int32

	filterTests map[*Filter]itemTests

	drafts []draft // by predicate
	key    []byte

	// Of the rule at hand.
	rule     *Rule
	filter   *Filter // while its condition is compiled for the rule
	memo     map[*expr]int32
	asked    map[int32]bool  // predicates
	unmapped map[string]bool // fields
}

// itemTests are the tests of items, by value.
type itemTests map[*item][][]test

func (c *compiler) problem(r *Rule, kind ProblemKind, line int, reason string) {
	c.problems = append(c.problems, Problem{
		File: r.File, Line: line, RuleID: r.ID, Title: r.Title, Logsource: r.Logsource, Kind: kind, Reason: reason,
	})
}

func (c *compiler) filterProblem(f *Filter, kind ProblemKind, line int, reason string) {
	c.problems = append(c.problems, Problem{
		File: f.File, Line: line, RuleID: f.ID, Title: f.Title, Logsource: f.Logsource, Kind: kind, Reason: reason,
	})
}

// usable builds the filters' tests and returns the filters for which that can be done. A broken filter is
// reported, and costs no rule.
func (c *compiler) usable(filters []*Filter) []*Filter {
	var good []*Filter
	for _, f := range filters {
		tests, err := testsOf(f.detection, c.opts.Placeholders)
		if err != nil {
			c.filterProblem(f, kindOf(err), lineOf(err, f.Line), err.Error())
			continue
		}
		c.filterTests[f] = tests
		good = append(good, f)
	}
	return good
}

// kindOf says what an error of building tests means.
func kindOf(err error) ProblemKind {
	if missing := (*missingPlaceholder)(nil); errors.As(err, &missing) {
		return ProblemPlaceholder
	}
	return ProblemRefused
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
			c.filterProblem(f, ProblemWarning, f.Line, fmt.Sprintf(
				"the filter does not apply to rule %q: its log source %s is not one of %s", r.Title, r.Logsource, f.Logsource))
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
	// The tests are built before anything is kept, so that a refused rule leaves nothing half done.
	tests, err := testsOf(r.detection, c.opts.Placeholders)
	if err != nil {
		c.problem(r, kindOf(err), lineOf(err, r.Line), err.Error())
		return
	}
	c.rule, c.filter = r, nil
	c.memo, c.asked, c.unmapped = make(map[*expr]int32), make(map[int32]bool), make(map[string]bool)
	roots := []int32{c.compile(r.detection.expr, tests)}
	for _, f := range filters {
		c.filter = f
		roots = append(roots, c.compile(f.detection.expr, c.filterTests[f]))
	}
	for p := range c.asked {
		c.drafts[p].uses++
	}
	c.m.rules = append(c.m.rules, compiledRule{rule: r, root: c.addNode(exprAnd, 0, roots), source: source})
}

// testsOf returns the tests of all items of a detection.
func testsOf(d *detection, placeholders map[string][]string) (itemTests, error) {
	tests := make(itemTests, len(d.items))
	for _, it := range d.items {
		if tests[it] = it.ready; it.ready != nil {
			continue
		}
		var err error
		if tests[it], err = it.tests(placeholders); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// sourceOf returns the number of a rule's log source, asking the taxonomy once for each.
func (c *compiler) sourceOf(r *Rule) (int32, bool) {
	if id, ok := c.sourceIDs[r.Logsource]; ok {
		if id < 0 {
			c.problem(r, ProblemUnknownLogsource, r.Line, unknownLogsource(r.Logsource))
		}
		return id, id >= 0
	}
	alternatives, known := c.opts.Taxonomy.Events(r.Logsource)
	if known = known && len(alternatives) > 0; !known && !c.opts.NoRouting {
		c.sourceIDs[r.Logsource] = -1
		c.problem(r, ProblemUnknownLogsource, r.Line, unknownLogsource(r.Logsource))
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
	id, ok := c.nameIDs[name]
	if !ok {
		id = int32(len(c.m.names))
		c.nameIDs[name] = id
		c.m.names = append(c.m.names, name)
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
	if !known && !c.unmapped[name] {
		c.unmapped[name] = true
		p := Problem{
			File: c.rule.File, Line: line, RuleID: c.rule.ID, Title: c.rule.Title, Logsource: c.rule.Logsource,
			Kind: ProblemUnmappedField, Field: name,
			Reason: fmt.Sprintf("field %s is not mapped for log source %s; its own name is used", name, c.rule.Logsource),
		}
		if c.filter != nil {
			p.File = c.filter.File
		}
		c.problems = append(c.problems, p)
	}
	return c.fieldID(fieldFirst, names)
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
