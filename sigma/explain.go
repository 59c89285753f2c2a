package sigma

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation says why a rule matches an event, or why it does not.
type Explanation struct {
	Rule    *Rule   `json:"-"`
	Matched bool    `json:"matched"`
	Why     *Reason `json:"why"` // of kind ReasonRule
}

// Reason is one question that a rule asks about an event, with the answer and the questions that it is made of.
type Reason struct {
	Kind ReasonKind `json:"kind"`
	// Text is what is asked, as the rule writes it: the name of a search identifier, a field with its modifiers, a value.
	Text  string `json:"text,omitempty"`
	Line  int    `json:"line,omitempty"` // of the rule's or filter's file
	Holds bool   `json:"holds"`
	// Fields are the event's names for the field, of ReasonItem and ReasonCondition; none where all fields are searched.
	Fields []string `json:"fields,omitempty"`
	// Values are the event's: those of the field, of ReasonItem and ReasonCondition; those that satisfy the value, of
	// ReasonValue. A null is "null".
	Values []string  `json:"values,omitempty"`
	Parts  []*Reason `json:"parts,omitempty"`
	// Omitted is how many values or parts there are beside the first ones. Parts that hold come first.
	Omitted int `json:"omitted,omitempty"`
}

// ReasonKind says how a Reason's answer follows from its parts.
type ReasonKind string

// The kinds of reason.
const (
	ReasonRule      ReasonKind = "rule"      // the event is of the log source, the detection holds, and so do all filters
	ReasonLogsource ReasonKind = "logsource" // any part holds, each a ReasonAnd of conditions of the taxonomy
	ReasonCondition ReasonKind = "condition" // a field has one of the values in Text
	ReasonSearch    ReasonKind = "search"    // a search identifier; its only part is what it stands for
	ReasonFilter    ReasonKind = "filter"    // a filter; its only part is its condition
	ReasonAnd       ReasonKind = "and"       // all parts hold
	ReasonOr        ReasonKind = "or"        // any part holds
	ReasonNot       ReasonKind = "not"       // the only part does not hold
	ReasonAtLeast   ReasonKind = "at_least"  // as many parts hold as Text says
	ReasonItem      ReasonKind = "item"      // any part holds, with all all of them; with neq it is the other way about
	ReasonValue     ReasonKind = "value"     // one value of the rule
)

// maxShown is how many values of an event, and how many values of a rule, a Reason lists.
const maxShown = 20

// Explain says why the rule, with those of the filters that apply to it, matches the event or does not. It asks every question
// that the rule has, one after the other, and says what Matcher says; it is for one event that somebody looks at. The error
// is a Problem, of a rule that cannot be evaluated.
func Explain(r *Rule, ev Event, opts Options, filters ...*Filter) (*Explanation, error) {
	if r.Correlation != nil {
		return nil, fmt.Errorf("%q is a correlation: it asks nothing of one event", r.Title)
	}
	if opts.Taxonomy == nil {
		opts.Taxonomy = identity{}
	}
	if opts.Placeholders == nil {
		opts.Placeholders = map[string][]string{}
	}
	x := explainer{rule: r, ev: ev, opts: opts}
	root := &Reason{Kind: ReasonRule, Text: r.Title, Line: r.Line}
	if !opts.NoRouting {
		source, err := x.logsource()
		if err != nil {
			return nil, err
		}
		root.Parts = append(root.Parts, source)
	}
	part, err := x.detection(r.detection)
	if err != nil {
		return nil, x.refused(err)
	}
	root.Parts = append(root.Parts, part)
	for _, f := range filters {
		if _, applies := f.appliesTo(r); !applies {
			continue
		}
		if part, err = x.detection(f.detection); err != nil {
			continue // a broken filter costs no rule
		}
		root.Parts = append(root.Parts, &Reason{Kind: ReasonFilter, Text: f.Title, Line: f.Line, Holds: part.Holds, Parts: []*Reason{part}})
	}
	root.Holds = !slices.ContainsFunc(root.Parts, func(p *Reason) bool { return !p.Holds })
	return &Explanation{Rule: r, Matched: root.Holds, Why: root}, nil
}

// asked is a value of the event that is looked at, with its folded text.
type asked struct {
	Field
	folded string
}

// explainer asks a rule's questions about an event.
type explainer struct {
	rule     *Rule
	ev       Event
	opts     Options
	tests    itemTests
	searches []*search
}

func (x *explainer) refused(err error) error {
	r := x.rule
	return Problem{
		File: r.File, Line: lineOf(err, r.Line), RuleID: r.ID, Title: r.Title, Logsource: r.Logsource, Kind: kindOf(err), Reason: err.Error(),
	}
}

// logsource asks whether the event belongs to the rule's log source.
func (x *explainer) logsource() (*Reason, error) {
	ls := x.rule.Logsource
	alternatives, known := x.opts.Taxonomy.Events(ls)
	if !known || len(alternatives) == 0 {
		r := x.rule
		return nil, Problem{
			File: r.File, Line: r.Line, RuleID: r.ID, Title: r.Title, Logsource: ls, Kind: ProblemUnknownLogsource, Reason: unknownLogsource(ls),
		}
	}
	source := &Reason{Kind: ReasonLogsource, Text: ls.String()}
	for _, all := range alternatives {
		part := &Reason{Kind: ReasonAnd, Holds: true}
		for _, c := range all {
			condition := &Reason{Kind: ReasonCondition, Text: strings.Join(c.Values, " "), Fields: []string{c.Field}}
			want := newCondition(0, c.Values)
			for _, v := range x.named([]string{c.Field}, false) {
				condition.show(v)
				condition.Holds = condition.Holds || !v.Null && want.holds(v.folded)
			}
			part.Parts = append(part.Parts, condition)
			part.Holds = part.Holds && condition.Holds
		}
		source.Parts = append(source.Parts, part)
		source.Holds = source.Holds || part.Holds
	}
	return source, nil
}

// show lists a value of the event.
func (r *Reason) show(v asked) {
	switch {
	case len(r.Values) == maxShown:
		r.Omitted++
	case v.Null:
		r.Values = append(r.Values, "null")
	default:
		r.Values = append(r.Values, v.Value)
	}
}

func (x *explainer) detection(d *detection) (*Reason, error) {
	tests, err := testsOf(d, x.opts.Placeholders)
	if err != nil {
		return nil, err
	}
	x.tests, x.searches = tests, d.searches
	return x.expr(d.expr), nil
}

// expr asks what an expression asks.
func (x *explainer) expr(e *expr) *Reason {
	for _, s := range x.searches {
		if s.expr == e {
			part := x.parts(e)
			return &Reason{Kind: ReasonSearch, Text: s.name, Line: s.line, Holds: part.Holds, Parts: []*Reason{part}}
		}
	}
	return x.parts(e)
}

func (x *explainer) parts(e *expr) *Reason {
	if e.op == exprItem {
		return x.item(e.item)
	}
	r := &Reason{}
	holding := 0
	for _, kid := range e.kids {
		part := x.expr(kid)
		holding += btoi(part.Holds)
		r.Parts = append(r.Parts, part)
	}
	switch e.op {
	case exprAnd:
		r.Kind, r.Holds = ReasonAnd, holding == len(e.kids)
	case exprOr:
		r.Kind, r.Holds = ReasonOr, holding > 0
	case exprNot:
		r.Kind, r.Holds = ReasonNot, holding == 0
	case exprAtLeast:
		r.Kind, r.Text, r.Holds = ReasonAtLeast, fmt.Sprint(e.n), holding >= e.n
	}
	return r
}

// item asks about a field, value by value.
func (x *explainer) item(it *item) *Reason {
	r := &Reason{Kind: ReasonItem, Text: it.text(), Line: it.line}
	values := x.values(it.field, r)
	if !it.isKeyword() {
		for _, v := range values {
			r.show(v)
		}
	}
	holding := 0
	var missed []*Reason
	for i, tests := range x.tests[it] {
		part := x.value(it.values[i], tests, values)
		if holding += btoi(part.Holds); part.Holds {
			r.Parts = append(r.Parts, part)
		} else {
			missed = append(missed, part)
		}
	}
	r.Holds = holding > 0
	if it.mods.has(modAll) {
		r.Holds = len(missed) == 0
	}
	r.Holds = r.Holds != it.mods.has(modNeq)
	if r.Parts = append(r.Parts, missed...); len(r.Parts) > maxShown {
		r.Omitted += len(r.Parts) - maxShown
		r.Parts = r.Parts[:maxShown]
	}
	return r
}

// value asks about one value of the rule.
func (x *explainer) value(want scalar, tests []test, values []asked) *Reason {
	r := &Reason{Kind: ReasonValue, Text: want.text, Line: want.line}
	if want.kind == scalarNull {
		r.Text = "null"
	}
	for i := range tests {
		switch t := &tests[i]; t.kind {
		case testExists:
			r.Holds = r.Holds || (len(values) > 0) == t.exists
			continue
		case testNull:
			r.Holds = r.Holds || len(values) == 0
		}
	}
	for _, v := range values {
		if slices.ContainsFunc(tests, func(t test) bool { return x.passes(&t, v) }) {
			r.Holds = true
			r.show(v)
		}
	}
	return r
}

// passes reports whether a value of the event satisfies a test.
func (x *explainer) passes(t *test, v asked) bool {
	switch {
	case t.kind == testExists:
		return false
	case t.kind == testNull || v.Null:
		return t.kind == testNull && v.Null
	case t.kind == testGlob && t.glob.cased:
		return t.glob.match(v.Value)
	case t.kind == testGlob:
		return t.glob.match(v.folded)
	case t.kind == testFieldref:
		return slices.ContainsFunc(x.values(t.other, nil), func(other asked) bool {
			if t.cased || other.Null {
				return !other.Null && t.relates(v.Value, other.Value)
			}
			return t.relates(v.folded, other.folded)
		})
	}
	return (t.kind != testRegexp || t.meets(v.folded)) && t.passesRaw(v.Value)
}

// values returns the event's values of a rule's field, and tells r under which names it looked.
func (x *explainer) values(name string, r *Reason) []asked {
	keywords := name == ""
	var names []string
	if keywords {
		names = x.opts.Taxonomy.Keywords(x.rule.Logsource)
	} else if names, _ = x.opts.Taxonomy.Fields(x.rule.Logsource, name); len(names) == 0 {
		names = []string{name}
	}
	if r != nil {
		r.Fields = names
	}
	if keywords && names == nil {
		all := make([]asked, x.ev.NumFields())
		for i := range all {
			name, value, null := x.ev.Field(i)
			all[i] = asked{Field{name, value, null}, fold(value)}
		}
		return all
	}
	return x.named(names, !keywords)
}

// named returns the values of the fields of those names; with first only of the first one that the event has.
func (x *explainer) named(names []string, first bool) []asked {
	var values []asked
	for _, want := range names {
		for i := range x.ev.NumFields() {
			if name, value, null := x.ev.Field(i); name == want {
				values = append(values, asked{Field{name, value, null}, fold(value)})
			}
		}
		if first && len(values) > 0 {
			break
		}
	}
	return values
}

// Missing returns what keeps the rule from matching: the conditions and items that would have to be answered otherwise,
// in the order in which the rule asks them; of alternatives, all. For a near miss they are few. It is empty where the rule
// matches.
func (e *Explanation) Missing() []*Reason { return e.Why.decisive(true, nil) }

// decisive appends the conditions and items that r's answer rests on, where another one was wanted.
func (r *Reason) decisive(wanted bool, list []*Reason) []*Reason {
	if r.Holds == wanted {
		return list
	}
	switch r.Kind {
	case ReasonItem, ReasonCondition:
		return append(list, r)
	case ReasonNot:
		return r.Parts[0].decisive(!wanted, list)
	}
	for _, p := range r.Parts {
		list = p.decisive(wanted, list)
	}
	return list
}

// String draws the tree, a line for each reason: + holds, - does not.
func (e *Explanation) String() string {
	var b strings.Builder
	e.Why.draw(&b, 0)
	return b.String()
}

func (r *Reason) draw(b *strings.Builder, depth int) {
	sign := "-"
	if r.Holds {
		sign = "+"
	}
	fmt.Fprintf(b, "%s%s %s", strings.Repeat("  ", depth), sign, r.Kind)
	if r.Text != "" || r.Kind == ReasonValue {
		fmt.Fprintf(b, " %s", oneLine(r.Text))
	}
	if len(r.Values) > 0 {
		values := make([]string, len(r.Values))
		for i, v := range r.Values {
			values[i] = oneLine(v)
		}
		fmt.Fprintf(b, " <- %s", strings.Join(values, ", "))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(b, " (%d more)", r.Omitted)
	}
	b.WriteByte('\n')
	for _, p := range r.Parts {
		p.draw(b, depth+1)
	}
}

// oneLine quotes a text that is empty, long or would not stay on its line.
func oneLine(s string) string {
	const most = 200
	cut := s
	if len(cut) > most {
		cut = strings.ToValidUTF8(cut[:most], "") + "…"
	}
	if s == "" || strings.ContainsFunc(cut, func(r rune) bool {
		return r < ' ' || r == 0x7f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}) {
		return fmt.Sprintf("%q", cut)
	}
	return cut
}
