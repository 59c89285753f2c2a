package sigma

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of a correlation.
const (
	maxCorrelated = 64                   // rules
	maxOrdered    = 10                   // rules of an ordered correlation with a condition in words
	maxExpression = 1_000                // rules that a condition in words names, each as often as it does
	maxColumns    = 32                   // fields, those that other correlations ask of it among them
	maxTimespan   = 366 * 24 * time.Hour // of the event time that is kept
	maxLimit      = 1 << 53              // beyond it a float64 skips whole numbers
)

// readCorrelation reads a correlation rule.
func (d *documentParser) readCorrelation(entries []entry, k entry) error {
	r := &Rule{ID: d.id, Title: d.title, File: d.file, Line: d.line, Source: d.source}
	c, err := d.correlation(k)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.key {
		case "correlation":
		case "generate": // the schema has it here, other tools within the correlation
			if c.Generate, err = generate(e); err != nil {
				return err
			}
		case "logsource", "detection":
			return errAt(e.line, "a correlation has no %s; the rules it refers to have", e.key)
		default:
			d.readMetadata(r, e)
		}
	}
	r.Correlation = c
	d.out.Rule = r
	return nil
}

// correlation reads the section of that name.
func (d *documentParser) correlation(k entry) (*Correlation, error) {
	entries, err := d.mapping(k.value)
	if err != nil {
		return nil, err
	}
	c := &Correlation{line: k.line}
	var condition *entry
	var field []string
	for _, e := range entries {
		switch e.key {
		case "type":
			c.Type = CorrelationType(strings.TrimSpace(e.text()))
		case "rules":
			err = d.references(c, e)
		case "group-by":
			c.GroupBy, err = d.names(e)
		case "timespan":
			c.Timespan, err = timespan(e)
		case "aliases":
			err = d.aliases(c, e)
		case "condition":
			condition = &e
		case "field": // the schema has it here, the text within the condition
			field, err = d.names(e)
		case "generate":
			c.Generate, err = generate(e)
		default:
			err = errAt(e.line, "unknown key %q in a correlation", e.key)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case !slices.Contains(CorrelationTypes(), c.Type):
		return nil, errAt(k.line, "correlation type %q is none of %s", shorten(string(c.Type)), joinTypes())
	case len(c.Rules) == 0:
		return nil, errAt(k.line, "rules is missing: the ids or names of the rules that are correlated")
	case c.Timespan == 0:
		return nil, errAt(k.line, "timespan is missing: a number and one of s, m, h, d, w")
	}
	if condition != nil {
		if err := d.correlationCondition(c, *condition); err != nil {
			return nil, err
		}
	}
	return c, d.checkCorrelation(c, field, condition != nil)
}

func joinTypes() string {
	var names []string
	for _, t := range CorrelationTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// checkCorrelation checks that the parts fit each other.
func (d *documentParser) checkCorrelation(c *Correlation, field []string, condition bool) error {
	if field != nil && c.Fields != nil && !slices.Equal(field, c.Fields) {
		return errAt(c.line, "field stands in the correlation and in its condition, and they differ")
	}
	if c.Fields == nil {
		c.Fields = field
	}
	wantsField := c.Type == ValueCount || c.Type.numeric()
	switch {
	case wantsField && len(c.Fields) == 0:
		return errAt(c.line, "%s needs field in its condition", c.Type)
	case !wantsField && len(c.Fields) > 0:
		return errAt(c.line, "%s has no field", c.Type)
	case c.Type.numeric() && len(c.Fields) > 1:
		return errAt(c.line, "%s has one field", c.Type)
	case !c.Type.temporal() && (!condition || len(c.Limits) == 0):
		return errAt(c.line, "%s needs a condition: gt, gte, lt, lte, eq or neq", c.Type)
	case c.Type == ValuePercentile && c.Percentile == 0:
		return errAt(c.line, "value_percentile needs percentile in its condition: above 0, up to 100")
	case c.Type != ValuePercentile && c.Percentile != 0:
		return errAt(c.line, "%s has no percentile", c.Type)
	case len(c.GroupBy) == 0:
		d.warn(c.line, "no group-by: all matches count as one group")
	}
	for _, f := range c.Fields {
		if slices.Contains(c.GroupBy, f) {
			d.warn(c.line, "field %s is in group-by, too: every group has one value of it", f)
		}
	}
	return c.checkLimits()
}

// checkLimits refuses limits that nothing satisfies.
func (c *Correlation) checkLimits() error {
	counts := !c.Type.numeric()
	low, high := math.Inf(-1), math.Inf(1)
	if counts {
		low = 1 // a group is there because something matched
	}
	if c.Type.temporal() {
		high = float64(len(c.Rules))
	}
	for _, l := range c.Limits {
		if counts && (l.Value < 0 || l.Value != math.Trunc(l.Value)) {
			return errAt(c.line, "%s %v: a count is a whole number", l.Op, l.Value)
		}
		step := 0.0
		if counts {
			step = 1
		}
		switch l.Op {
		case "gt":
			low = max(low, l.Value+step)
		case "gte":
			low = max(low, l.Value)
		case "lt":
			high = min(high, l.Value-step)
		case "lte":
			high = min(high, l.Value)
		case "eq":
			low, high = max(low, l.Value), min(high, l.Value)
		}
	}
	if low > high {
		return errAt(c.line, "the condition can never hold; that nothing happened is not seen, either")
	}
	if most := c.Type.most(); counts && c.least() > float64(most) {
		return errAt(c.line, "%s counts up to %d", c.Type, most)
	}
	return nil
}

// references reads which rules are correlated.
func (d *documentParser) references(c *Correlation, e entry) error {
	nodes := []*yaml.Node{e.value}
	if e.value.Kind == yaml.SequenceNode {
		nodes = e.value.Content
	}
	for _, n := range nodes {
		n, err := d.resolve(n)
		if err != nil {
			return err
		}
		name := strings.TrimSpace(n.Value)
		if n.Kind != yaml.ScalarNode || name == "" {
			return errAt(n.Line, "rules are ids or names, not %s", kindName(n))
		}
		if slices.Contains(c.Rules, name) {
			return errAt(n.Line, "rule %s stands twice", shorten(name))
		}
		if len(c.Rules) == maxCorrelated {
			return errAt(n.Line, "more than %d rules", maxCorrelated)
		}
		c.Rules, c.refLines = append(c.Rules, name), append(c.refLines, n.Line)
	}
	return nil
}

// names reads a list of field names.
func (d *documentParser) names(e entry) ([]string, error) {
	nodes := []*yaml.Node{e.value}
	if e.value.Kind == yaml.SequenceNode {
		nodes = e.value.Content
	}
	names := []string{}
	for _, n := range nodes {
		n, err := d.resolve(n)
		if err != nil {
			return nil, err
		}
		if n.Kind != yaml.ScalarNode || n.Value == "" || slices.Contains(names, n.Value) {
			return nil, errAt(n.Line, "%s is a list of different field names", e.key)
		}
		if len(names) == maxColumns/2 {
			return nil, errAt(n.Line, "%s has more than %d fields", e.key, maxColumns/2)
		}
		names = append(names, n.Value)
	}
	return names, nil
}

// timespan reads "15m".
func timespan(e entry) (time.Duration, error) {
	text := strings.TrimSpace(e.text())
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if text != "" {
		unit, known := units[text[len(text)-1]]
		n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
		if known && err == nil && n > 0 && n <= uint64(maxTimespan/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, errAt(e.line, "timespan %q is no whole number with s, m, h, d or w behind it, up to %d days", shorten(text), maxTimespan/(24*time.Hour))
}

// aliases reads what fields each alias stands for, by rule.
func (d *documentParser) aliases(c *Correlation, e entry) error {
	list, err := d.mapping(e.value)
	if err != nil {
		return err
	}
	c.Aliases, c.aliasLines = make(map[string]map[string]string, len(list)), make(map[string]int, len(list))
	for _, alias := range list {
		fields, err := d.mapping(alias.value)
		if err != nil {
			return err
		}
		of := make(map[string]string, len(fields))
		for _, f := range fields {
			if f.text() == "" {
				return errAt(f.line, "alias %s: the field of rule %s is missing", alias.key, f.key)
			}
			of[f.key] = f.text()
		}
		c.Aliases[alias.key], c.aliasLines[alias.key] = of, alias.line
	}
	return nil
}

func generate(e entry) (bool, error) {
	var on bool
	if e.value.Kind != yaml.ScalarNode || e.value.Decode(&on) != nil {
		return false, errAt(e.line, "generate is true or false")
	}
	return on, nil
}

// correlationCondition reads limits, or words over the names of rules.
func (d *documentParser) correlationCondition(c *Correlation, e entry) error {
	if e.value.Kind == yaml.ScalarNode {
		return c.readExpression(e)
	}
	entries, err := d.mapping(e.value)
	if err != nil {
		return err
	}
	for _, part := range entries {
		switch part.key {
		case "field":
			if c.Fields, err = d.names(part); err != nil {
				return err
			}
		case "percentile":
			n, err := strconv.ParseFloat(part.text(), 64)
			if err != nil || !(n > 0 && n <= 100) {
				return errAt(part.line, "percentile is a number above 0, up to 100")
			}
			c.Percentile = n
		case "gt", "gte", "lt", "lte", "eq", "neq":
			n, err := strconv.ParseFloat(part.text(), 64)
			if err != nil || !(math.Abs(n) <= maxLimit) {
				return errAt(part.line, "%s is a number", part.key)
			}
			c.Limits = append(c.Limits, Limit{part.key, n})
		default:
			return errAt(part.line, "unknown key %q in a correlation's condition", part.key)
		}
	}
	return nil
}

// readExpression reads a condition in words, of a temporal correlation.
func (c *Correlation) readExpression(e entry) error {
	if !c.Type.temporal() {
		return errAt(e.line, "%s needs a condition of gt, gte, lt, lte, eq or neq, not words", c.Type)
	}
	if c.Type == TemporalOrdered && len(c.Rules) > maxOrdered {
		return errAt(e.line, "an ordered correlation with a condition in words has at most %d rules", maxOrdered)
	}
	searches := make([]*search, len(c.Rules))
	for i, name := range c.Rules {
		searches[i] = &search{name: name, expr: &expr{op: exprItem, n: i}, items: 1}
	}
	var err error
	named := maxNamed - maxExpression
	if c.expr, err = parseCondition(e.text(), searches, &named); err != nil {
		return errAt(e.line, "%s", strings.ReplaceAll(err.Error(), "search identifier", "rule"))
	}
	if evaluate(c.expr, func(int, bool) bool { return false }) {
		return errAt(e.line, "condition %q holds where nothing matched, which is not seen", shorten(e.text()))
	}
	c.Expression = e.text()
	return nil
}

// evaluate decides a condition in words. matched tells whether a rule matched; negated says that an odd number of nots stands
// before it.
func evaluate(e *expr, matched func(rule int, negated bool) bool) bool {
	return evaluateUnder(e, false, matched)
}

func evaluateUnder(e *expr, negated bool, matched func(int, bool) bool) bool {
	switch e.op {
	case exprItem:
		return matched(e.n, negated)
	case exprNot:
		return !evaluateUnder(e.kids[0], !negated, matched)
	}
	held := 0
	for _, kid := range e.kids {
		if evaluateUnder(kid, negated, matched) {
			held++
		}
	}
	switch e.op {
	case exprAnd:
		return held == len(e.kids)
	case exprOr:
		return held > 0
	}
	return held >= e.n
}

// String writes what is looked for in one line: "event_count >= 10 within 5m0s by User".
func (c *Correlation) String() string {
	var b strings.Builder
	b.WriteString(string(c.Type))
	if c.Percentile > 0 {
		fmt.Fprintf(&b, " %v", c.Percentile)
	}
	if len(c.Fields) > 0 {
		b.WriteString(" of " + strings.Join(c.Fields, "+"))
	}
	signs := map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "!="}
	for _, l := range c.Limits {
		fmt.Fprintf(&b, " %s %s", signs[l.Op], strconv.FormatFloat(l.Value, 'f', -1, 64))
	}
	if c.Expression != "" {
		b.WriteString(": " + c.Expression)
	}
	b.WriteString(" within " + c.Timespan.String())
	if len(c.GroupBy) > 0 {
		b.WriteString(" by " + strings.Join(c.GroupBy, ", "))
	}
	return b.String()
}
