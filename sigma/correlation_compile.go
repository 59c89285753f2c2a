package sigma

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Correlations is a set of correlations made ready for Correlators. It never changes and is safe for concurrent use.
type Correlations struct {
	list  []*correlation
	feeds map[string][]feed // by Key of a rule about single events
	rules map[string]*Rule  // all that are correlated or correlate, by Key
	quiet map[string]bool   // rules that raise no alerts of their own, by Key
}

// feed is where a rule's matches go.
type feed struct {
	to   *correlation
	part int
}

// correlation is one of a set.
type correlation struct {
	rule   *Rule
	def    *Correlation
	print  string   // names the definition: two of the same have the same state
	number int      // in Correlations.list, in which whatever a correlation refers to stands before it
	parts  []member // by Rules
	// columns are the fields that it takes from a match: those of group-by, those of field, and those that other
	// correlations ask of its firings.
	columns []string
	fields  int // columns before those that are asked for
	asked   bool
	parents []feed
	atOnce  bool
	least   int   // matches, or different values, without which a count does not hold
	span    int64 // microseconds
	// hold is how much later than the newest event, in units of the Correlator's lateness and in microseconds, a match may
	// come: a correlation that is decided when its time is over fires late.
	holdLateness, holdTime int64
}

// member is one of the rules that are correlated.
type member struct {
	rule  *Rule
	child *correlation // of a correlation
	from  []origin     // by column
}

// origin says where a column's values are: in fields of the event, of which the first that it has counts, or in a column of
// the correlation that fired.
type origin struct {
	names  []string
	column int
}

// CompileCorrelations makes the correlations among rules ready, with the rules they refer to. A correlation that cannot be
// evaluated is left out and reported, and so are those that refer to it.
func CompileCorrelations(rules []*Rule, opts Options) (*Correlations, []Problem) {
	if opts.Taxonomy == nil {
		opts.Taxonomy = identity{}
	}
	c := correlationCompiler{
		opts: opts, rules: rules, byRef: make(map[string][]*Rule), made: make(map[*Rule]*correlation), open: make(map[*Rule]bool),
		set: &Correlations{feeds: make(map[string][]feed), rules: make(map[string]*Rule), quiet: make(map[string]bool)},
	}
	for _, r := range rules {
		if r.ID != "" {
			c.byRef[strings.ToLower(r.ID)] = append(c.byRef[strings.ToLower(r.ID)], r)
		}
		if r.Name != "" && !strings.EqualFold(r.Name, r.ID) {
			c.byRef[r.Name] = append(c.byRef[r.Name], r)
		}
	}
	for _, r := range rules {
		if r.Correlation != nil {
			c.make(r, 0)
		}
	}
	for i := len(c.set.list) - 1; i >= 0; i-- { // those who ask before those who are asked
		c.ask(c.set.list[i])
	}
	c.drop()
	c.finish()
	return c.set, c.problems
}

// correlationCompiler builds Correlations.
type correlationCompiler struct {
	opts     Options
	rules    []*Rule
	byRef    map[string][]*Rule
	made     map[*Rule]*correlation // nil: refused
	open     map[*Rule]bool         // being made: to meet one again is a circle
	set      *Correlations
	problems []Problem
}

func (c *correlationCompiler) problem(r *Rule, kind ProblemKind, line int, format string, args ...any) {
	c.problems = append(c.problems, Problem{File: r.File, Line: line, RuleID: r.ID, Title: r.Title, Kind: kind, Reason: fmt.Sprintf(format, args...)})
}

// make makes a correlation, after those that it refers to. It returns nil where it was refused.
func (c *correlationCompiler) make(r *Rule, depth int) *correlation {
	if x, done := c.made[r]; done {
		return x
	}
	if c.open[r] || depth > maxNesting {
		c.problem(r, ProblemRefused, r.Correlation.line, "the correlation refers to itself, by way of others, or is nested more than %d deep", maxNesting)
		c.made[r] = nil
		return nil
	}
	c.open[r] = true
	defer delete(c.open, r)
	k := r.Correlation
	x := &correlation{
		rule: r, def: k, atOnce: k.atOnce(), least: 1, span: k.Timespan.Microseconds(), holdLateness: 1,
		columns: slices.Concat(k.GroupBy, without(k.Fields, k.GroupBy)), parts: make([]member, len(k.Rules)),
	}
	x.fields = len(x.columns)
	if k.Type == EventCount || k.Type == ValueCount {
		x.least = int(k.least())
	}
	usable := true
	for i, ref := range k.Rules {
		x.parts[i].rule = c.resolve(r, ref, k.refLines[i])
		usable = c.link(x, &x.parts[i], k.refLines[i], depth) && usable
	}
	if _, refused := c.made[r]; refused || !usable {
		c.made[r] = nil
		return nil
	}
	c.checkAliases(x)
	c.made[r], x.number = x, len(c.set.list)
	c.set.list = append(c.set.list, x)
	return x
}

func without(list, less []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(less, s) })
}

// resolve finds the rule that a reference means, nil where it finds none or several. Of several of one name, that of the same
// file counts.
func (c *correlationCompiler) resolve(r *Rule, ref string, line int) *Rule {
	found := c.byRef[ref]
	if found == nil {
		found = c.byRef[strings.ToLower(ref)]
		found = slices.DeleteFunc(slices.Clone(found), func(f *Rule) bool { return !refersTo(ref, f) })
	}
	if len(found) > 1 {
		here := slices.DeleteFunc(slices.Clone(found), func(f *Rule) bool { return f.File != r.File })
		if len(here) == 1 {
			found = here
		}
	}
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		c.problem(r, ProblemCorrelation, line, "it refers to rule %s, which is not there", shorten(ref))
	default:
		c.problem(r, ProblemRefused, line, "rule %s is several: %s and %s; refer to it by its id", shorten(ref), found[0].File, found[1].File)
	}
	return nil
}

// link makes what the part refers to, and takes over how late it may fire.
func (c *correlationCompiler) link(x *correlation, p *member, line, depth int) bool {
	if p.rule == nil {
		return false
	}
	if p.rule.Correlation == nil {
		return true
	}
	if p.child = c.make(p.rule, depth+1); p.child == nil {
		c.problem(x.rule, ProblemCorrelation, line, "it refers to %q, which is not evaluated", p.rule.Title)
		return false
	}
	late, more := p.child.holdLateness, p.child.holdTime
	if !p.child.atOnce {
		late, more = late+1, more+p.child.span
	}
	x.holdLateness, x.holdTime = max(x.holdLateness, late), max(x.holdTime, more)
	return true
}

// checkAliases warns of aliases that do nothing.
func (c *correlationCompiler) checkAliases(x *correlation) {
	for _, alias := range slices.Sorted(maps.Keys(x.def.Aliases)) {
		line, of := x.def.aliasLines[alias], x.def.Aliases[alias]
		if !slices.Contains(x.columns, alias) {
			c.problem(x.rule, ProblemWarning, line, "alias %s is in no group-by or field", alias)
		}
		for _, ref := range slices.Sorted(maps.Keys(of)) {
			if !slices.ContainsFunc(x.parts, func(p member) bool { return refersTo(ref, p.rule) }) {
				c.problem(x.rule, ProblemWarning, line, "alias %s: %s is none of the rules", alias, ref)
			}
		}
		for i := range x.parts {
			if _, ok := aliased(of, x.parts[i].rule); !ok {
				c.problem(x.rule, ProblemWarning, line, "alias %s names no field of rule %s: the field is taken to be called %s", alias, x.def.Rules[i], alias)
			}
		}
	}
}

// aliased returns the field that an alias stands for in a rule's events.
func aliased(of map[string]string, r *Rule) (string, bool) {
	for ref, field := range of {
		if refersTo(ref, r) {
			return field, true
		}
	}
	return "", false
}

// ask finds out where the columns of a correlation come from, and asks the correlations that it refers to for them.
func (c *correlationCompiler) ask(x *correlation) {
	for i := range x.parts {
		s := &x.parts[i]
		for _, column := range x.columns {
			field := column
			if of := x.def.Aliases[column]; of != nil {
				if f, ok := aliased(of, s.rule); ok {
					field = f
				}
			}
			from := origin{column: -1}
			if s.child != nil {
				from.column = s.child.column(field)
			} else if from.names, _ = c.opts.Taxonomy.Fields(s.rule.Logsource, field); len(from.names) == 0 {
				from.names = []string{field}
			}
			s.from = append(s.from, from)
		}
	}
}

// column returns the number of a column, which is added where it is asked for first.
func (x *correlation) column(name string) int {
	at := slices.Index(x.columns, name)
	if at < 0 {
		at = len(x.columns)
		x.columns = append(x.columns, name)
	}
	x.asked = true
	return at
}

// drop leaves out what has too many columns, and what refers to it.
func (c *correlationCompiler) drop() {
	bad := make(map[*correlation]bool)
	for _, x := range c.set.list {
		crowded := len(x.columns) > maxColumns
		if crowded {
			c.problem(x.rule, ProblemRefused, x.def.line, "it and the correlations that refer to it ask for more than %d fields", maxColumns)
		}
		if crowded || slices.ContainsFunc(x.parts, func(p member) bool { return p.child != nil && bad[p.child] }) {
			bad[x] = true
		}
	}
	c.set.list = slices.DeleteFunc(c.set.list, func(x *correlation) bool { return bad[x] })
}

// finish fills what is looked up while matching.
func (c *correlationCompiler) finish() {
	loud, prints := make(map[string]bool), make(map[string]int)
	for i, x := range c.set.list {
		x.number = i
		c.set.rules[x.rule.Key()] = x.rule
		for at := range x.parts {
			s := &x.parts[at]
			key := s.rule.Key()
			c.set.rules[key] = s.rule
			c.set.quiet[key] = true
			loud[key] = loud[key] || x.def.Generate
			if s.child != nil {
				s.child.parents = append(s.child.parents, feed{x, at})
			} else {
				c.set.feeds[key] = append(c.set.feeds[key], feed{x, at})
			}
		}
		x.print = x.fingerprint()
		if prints[x.print]++; prints[x.print] > 1 { // a copy keeps a state of its own
			x.print += fmt.Sprintf("-%d", prints[x.print])
		}
	}
	maps.DeleteFunc(c.set.quiet, func(key string, _ bool) bool { return loud[key] })
}

// fingerprint names all that decides what the state of a correlation means.
func (x *correlation) fingerprint() string {
	h := sha256.New()
	k := x.def
	fmt.Fprintf(h, "%q %q %d %v %v %q %q %q", x.rule.Key(), k.Type, x.span, k.Limits, k.Percentile, k.Fields, k.Expression, k.GroupBy)
	fmt.Fprintf(h, "%q %d %v", x.columns, x.fields, x.asked)
	for _, s := range x.parts {
		fmt.Fprintf(h, "%q", s.rule.Key())
		for _, from := range s.from {
			fmt.Fprintf(h, "%q %d", from.names, from.column)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Rules returns the correlations that are evaluated, each after those it refers to.
func (c *Correlations) Rules() []*Rule {
	rules := make([]*Rule, len(c.list))
	for i, x := range c.list {
		rules[i] = x.rule
	}
	return rules
}

// Alerts reports whether a rule's matches, or a correlation's firings, are alerts by themselves: a rule to which a correlation
// refers is a part of that one only, unless a correlation that refers to it says generate.
func (c *Correlations) Alerts(r *Rule) bool { return !c.quiet[r.Key()] }

// Wants reports whether a rule's matches are correlated.
func (c *Correlations) Wants(r *Rule) bool { return c.feeds[r.Key()] != nil }

// Rule returns a rule of the set, or one that a correlation of it refers to, by its Key; nil where there is none.
func (c *Correlations) Rule(key string) *Rule { return c.rules[key] }
