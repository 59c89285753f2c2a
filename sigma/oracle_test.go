package sigma

import (
	"regexp"
	"strings"
)

// Oracle evaluates rules one after the other, in the plainest way: no index, no routing table, nothing shared
// or remembered. What the Matcher says must be what it says. It is exported for the tests of package
// sigma_test.
type Oracle struct {
	rules []oracleRule
	// Regexps makes it match patterns by regular expressions, which share no code with the Matcher's way.
	Regexps bool
	opts    Options
}

type oracleRule struct {
	rule    *Rule
	exprs   []*expr
	tests   map[*item][][]test
	sources [][]oracleCondition
}

type oracleCondition struct {
	field  string
	values []*regexp.Regexp
}

// NewOracle takes the rules that Compile would; rules with problems are left out.
func NewOracle(rules []*Rule, filters []*Filter, opts Options) *Oracle {
	if opts.Taxonomy == nil {
		opts.Taxonomy = identity{}
	}
	if opts.Placeholders == nil {
		opts.Placeholders = map[string][]string{}
	}
	o := &Oracle{opts: opts}
	for _, r := range rules {
		if r.Correlation != nil {
			continue
		}
		sources, known := opts.Taxonomy.Events(r.Logsource)
		if (!known || len(sources) == 0) && !opts.NoRouting {
			continue
		}
		or := oracleRule{rule: r, tests: map[*item][][]test{}, sources: oracleSources(sources), exprs: []*expr{r.detection.expr}}
		items := append([]*item(nil), r.detection.items...)
		for _, f := range filters {
			if _, agrees := f.appliesTo(r); agrees && usableFilter(f, opts) {
				or.exprs = append(or.exprs, f.detection.expr)
				items = append(items, f.detection.items...)
			}
		}
		ok := true
		for _, it := range items {
			tests, err := it.tests(opts.Placeholders)
			or.tests[it], ok = tests, ok && err == nil
		}
		if ok {
			o.rules = append(o.rules, or)
		}
	}
	return o
}

func usableFilter(f *Filter, opts Options) bool {
	for _, it := range f.detection.items {
		if _, err := it.tests(opts.Placeholders); err != nil {
			return false
		}
	}
	return true
}

// Match returns the rules that the event matches, in order. Whether the event belongs to a log source is asked once.
func (o *Oracle) Match(ev Event) []*Rule {
	var out []*Rule
	belongs := map[Logsource]bool{}
	for i := range o.rules {
		r := &o.rules[i]
		matches, asked := belongs[r.rule.Logsource]
		if !asked {
			matches = o.opts.NoRouting || belongsTo(r.sources, ev)
			belongs[r.rule.Logsource] = matches
		}
		for _, e := range r.exprs {
			matches = matches && o.eval(r, e, ev)
		}
		if matches {
			out = append(out, r.rule)
		}
	}
	return out
}

func oracleSources(sources []Conjunction) [][]oracleCondition {
	var out [][]oracleCondition
	for _, all := range sources {
		conditions := []oracleCondition{}
		for _, c := range all {
			oc := oracleCondition{field: c.Field}
			for _, want := range c.Values {
				expr := "(?is)^" + regexp.QuoteMeta(want) + `\z`
				if prefix, isPrefix := strings.CutSuffix(want, "*"); isPrefix {
					expr = "(?is)^" + regexp.QuoteMeta(prefix)
				}
				oc.values = append(oc.values, regexp.MustCompile(expr))
			}
			conditions = append(conditions, oc)
		}
		out = append(out, conditions)
	}
	return out
}

func belongsTo(sources [][]oracleCondition, ev Event) bool {
	for _, all := range sources {
		holds := true
		for i := 0; holds && i < len(all); i++ {
			holds = all[i].holds(ev)
		}
		if holds {
			return true
		}
	}
	return false
}

func (c *oracleCondition) holds(ev Event) bool {
	for i := range ev.NumFields() {
		name, value, null := ev.Field(i)
		if name != c.field || null {
			continue
		}
		for _, want := range c.values {
			if want.MatchString(value) {
				return true
			}
		}
	}
	return false
}

func (o *Oracle) eval(r *oracleRule, e *expr, ev Event) bool {
	if e.op == exprItem {
		return o.itemHolds(r, e.item, ev)
	}
	holding := 0
	for _, kid := range e.kids {
		if o.eval(r, kid, ev) {
			holding++
			if e.op == exprOr {
				return true
			}
		} else if e.op == exprAnd {
			return false
		}
	}
	switch e.op {
	case exprNot:
		return holding == 0
	case exprAtLeast:
		return holding >= e.n
	}
	return e.op == exprAnd
}

func (o *Oracle) itemHolds(r *oracleRule, it *item, ev Event) bool {
	values := o.values(r.rule, it.field, ev)
	holding := 0
	for _, alternatives := range r.tests[it] {
		any := false
		for i := range alternatives {
			any = any || o.testHolds(r, &alternatives[i], values, ev)
		}
		if any {
			holding++
		}
	}
	holds := holding > 0
	if it.mods.has(modAll) {
		holds = holding == len(it.values)
	}
	return holds != it.mods.has(modNeq)
}

// oracleValue is a value of an event, with its folded text.
type oracleValue struct {
	Field
	folded string
}

// values returns the event's values of a rule's field.
func (o *Oracle) values(r *Rule, name string, ev Event) []oracleValue {
	var names []string
	every := false
	if name == "" {
		names = o.opts.Taxonomy.Keywords(r.Logsource)
		every = names == nil
	} else {
		names, _ = o.opts.Taxonomy.Fields(r.Logsource, name)
	}
	var values []oracleValue
	if every {
		names = []string{""}
	}
	for _, n := range names {
		for i := range ev.NumFields() {
			if fieldName, value, null := ev.Field(i); fieldName == n || every {
				values = append(values, oracleValue{Field{fieldName, value, null}, fold(value)})
			}
		}
		if name != "" && len(values) > 0 {
			break
		}
	}
	return values
}

func (o *Oracle) testHolds(r *oracleRule, t *test, values []oracleValue, ev Event) bool {
	switch t.kind {
	case testExists:
		return (len(values) > 0) == t.exists
	case testNull:
		if len(values) == 0 {
			return true
		}
	}
	for _, v := range values {
		if v.Null {
			if t.kind == testNull {
				return true
			}
			continue
		}
		if t.kind == testFieldref {
			for _, other := range o.values(r.rule, t.other, ev) {
				a, b := v.folded, other.folded
				if t.cased {
					a, b = v.Value, other.Value
				}
				if !other.Null && t.relates(a, b) {
					return true
				}
			}
			continue
		}
		if t.kind == testGlob && o.globMatches(t.glob, v) || t.kind != testGlob && t.passesRaw(v.Value) {
			return true
		}
	}
	return false
}

func (o *Oracle) globMatches(g *glob, v oracleValue) bool {
	switch {
	case o.Regexps:
		return globRegexp(g).MatchString(v.Value)
	case g.cased:
		return g.match(v.Value)
	}
	return g.match(v.folded)
}

// globRegexp writes a pattern as a regular expression.
func globRegexp(g *glob) *regexp.Regexp {
	expr := "(?s)^"
	if !g.cased {
		expr = "(?is)^"
	}
	start, end := g.openStart, g.openEnd
	segments := g.segments
	if g.kind != globGeneral {
		segments = []segment{{{text: g.text}}}
		start = g.kind == globSuffix || g.kind == globContains
		end = g.kind == globPrefix || g.kind == globContains
	}
	if start {
		expr += ".*"
	}
	for i, seg := range segments {
		if i > 0 {
			expr += ".*"
		}
		for _, x := range seg {
			switch x.kind {
			case partText:
				expr += regexp.QuoteMeta(x.text)
			case partOne:
				expr += "."
			case partDash:
				expr += "[-/–—―]"
			}
		}
	}
	if end {
		expr += ".*"
	}
	return regexp.MustCompile(expr + `\z`)
}
