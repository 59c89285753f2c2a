package sigma

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// CorrelationType is what a correlation does with the matches of its rules (Sigma correlation rules specification 2.1.0,
// "Correlation type").
type CorrelationType string

// The types.
const (
	EventCount      CorrelationType = "event_count"      // how many matches
	ValueCount      CorrelationType = "value_count"      // how many different values of a field
	Temporal        CorrelationType = "temporal"         // which of the rules
	TemporalOrdered CorrelationType = "temporal_ordered" // which of the rules, in their order
	ValueSum        CorrelationType = "value_sum"        // the sum of a field's numbers
	ValueAvg        CorrelationType = "value_avg"        // their mean
	ValuePercentile CorrelationType = "value_percentile" // one of their percentiles
)

// CorrelationTypes lists them.
func CorrelationTypes() []CorrelationType {
	return []CorrelationType{EventCount, ValueCount, Temporal, TemporalOrdered, ValueSum, ValueAvg, ValuePercentile}
}

// temporal reports whether the type asks which rules matched.
func (t CorrelationType) temporal() bool { return t == Temporal || t == TemporalOrdered }

// numeric reports whether the type reckons with a field's numbers.
func (t CorrelationType) numeric() bool {
	return t == ValueSum || t == ValueAvg || t == ValuePercentile
}

// Correlation is what a correlation rule looks for, as its file says it.
type Correlation struct {
	Type     CorrelationType
	Rules    []string // ids or names
	GroupBy  []string // fields or aliases; none: all matches are one group
	Timespan time.Duration
	// Aliases are the fields that an alias stands for: alias, then id or name of the rule.
	Aliases map[string]map[string]string
	// Limits are what the count, sum, mean or percentile has to satisfy, all of them. A temporal correlation has limits on how
	// many of its rules matched, or an Expression over them, or neither, which means all.
	Limits     []Limit
	Fields     []string // whose values are counted; several count as one
	Percentile float64  // above 0, up to 100, with ValuePercentile
	Expression string   // as it was written
	Generate   bool     // the rules it refers to raise alerts of their own, too

	expr       *expr // of Expression; its leaves are numbers of Rules
	line       int
	refLines   []int // by rule
	aliasLines map[string]int
}

// Limit is one bound of a condition. Op is gt, gte, lt, lte, eq or neq.
type Limit struct {
	Op    string
	Value float64
}

// holds reports whether v is within the limit.
func (l Limit) holds(v float64) bool {
	switch l.Op {
	case "gt":
		return v > l.Value
	case "gte":
		return v >= l.Value
	case "lt":
		return v < l.Value
	case "lte":
		return v <= l.Value
	case "eq":
		return v == l.Value
	}
	return v != l.Value
}

// holds reports whether v is within all limits.
func holds(limits []Limit, v float64) bool {
	for _, l := range limits {
		if !l.holds(v) {
			return false
		}
	}
	return true
}

// atOnce reports whether more matches cannot undo that the condition holds, so that it is decided as soon as it does. What
// has an upper bound, and every mean and percentile, is decided when its time is over.
func (k *Correlation) atOnce() bool {
	if k.Type == ValueAvg || k.Type == ValuePercentile || k.expr != nil && hasNot(k.expr) {
		return false
	}
	return !slices.ContainsFunc(k.Limits, func(l Limit) bool { return l.Op != "gt" && l.Op != "gte" })
}

// least is the smallest whole number that satisfies lower bounds.
func (k *Correlation) least() float64 {
	n := 1.0
	for _, l := range k.Limits {
		switch l.Op {
		case "gt":
			n = max(n, floor(l.Value)+1)
		case "gte", "eq":
			n = max(n, ceil(l.Value))
		}
	}
	return n
}

func floor(v float64) float64 { return float64(int64(v)) }

func ceil(v float64) float64 {
	if w := floor(v); w == v {
		return w
	}
	return floor(v) + 1
}

// hasNot reports whether a condition asks that something is not so.
func hasNot(e *expr) bool {
	return e.op == exprNot || slices.ContainsFunc(e.kids, hasNot)
}

// Key is what correlations and their state know a rule by: its id in lower case, else its file with its name or title. A name alone would be
// that of another author's rule, too.
func (r *Rule) Key() string {
	if r.ID != "" {
		return strings.ToLower(r.ID)
	}
	return r.File + "\x00" + cmp.Or(r.Name, r.Title)
}

// refersTo reports whether a reference of a correlation means the rule.
func refersTo(ref string, r *Rule) bool {
	return r.ID != "" && strings.EqualFold(ref, r.ID) || r.Name != "" && ref == r.Name
}
