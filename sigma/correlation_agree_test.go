package sigma_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/sigma"
)

// naiveCorrelator keeps every event for ever and looks at all of them again whenever one comes: one correlation, of rules
// about events. What a Correlator fires must be what it fires.
type naiveCorrelator struct {
	rule     *sigma.Rule
	lateness time.Duration
	newest   time.Duration
	groups   map[string]naiveGroup // of users of whom events are kept
	events   []naiveEvent
	fired    []string
}

// naiveGroup is the newest event of a user, and the newest of all when the user's last one was taken.
type naiveGroup struct{ newest, touched time.Duration }

type naiveEvent struct {
	at        time.Duration
	rule      string
	user, val string
	number    int
}

func (n *naiveCorrelator) add(e naiveEvent) {
	n.newest = max(n.newest, e.at)
	if e.user == "" || n.rule.Correlation.Fields != nil && e.val == "" {
		return
	}
	newest := n.newest
	if !n.waits() {
		for user, g := range n.groups {
			if n.newest > g.touched+n.rule.Correlation.Timespan+n.lateness {
				n.drop(n.window(user, -1<<60, 1<<60))
			}
			if len(n.window(user, -1<<60, 1<<60)) == 0 {
				delete(n.groups, user)
			}
		}
		newest = e.at
		if g, ok := n.groups[e.user]; ok {
			newest = max(newest, g.newest)
		}
	}
	if e.at < newest-n.lateness {
		return
	}
	if n.groups == nil {
		n.groups = make(map[string]naiveGroup)
	}
	n.groups[e.user] = naiveGroup{newest, n.newest}
	if !n.waits() { // what no window reaches any more
		n.drop(n.window(e.user, -1<<60, newest-n.rule.Correlation.Timespan-n.lateness-1))
	}
	n.events = append(n.events, e)
	if !n.waits() {
		for n.fireOne(e) {
		}
	}
}

// waits reports whether more events could undo the condition.
func (n *naiveCorrelator) waits() bool {
	k := n.rule.Correlation
	for _, l := range k.Limits {
		if l.Op != "gt" && l.Op != "gte" {
			return true
		}
	}
	return k.Type == sigma.ValueAvg || k.Type == sigma.ValuePercentile || strings.Contains(k.Expression, "not")
}

// window returns the places of a user's events between two times, by time.
func (n *naiveCorrelator) window(user string, from, to time.Duration) []int {
	var places []int
	for i, e := range n.events {
		if e.user == user && e.at >= from && e.at <= to {
			places = append(places, i)
		}
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(n.events[a].at, n.events[b].at) })
	return places
}

// fireOne looks for the earliest window with the new event that fires.
func (n *naiveCorrelator) fireOne(e naiveEvent) bool {
	span := n.rule.Correlation.Timespan
	if !slices.Contains(n.events, e) {
		return false
	}
	for _, end := range n.window(e.user, e.at, e.at+span) {
		to := n.events[end].at
		window := n.window(e.user, to-span, to)
		if !n.fire(window) {
			continue
		}
		if n.rule.Correlation.Type == sigma.TemporalOrdered {
			last := window[len(window)-1]
			for _, i := range window {
				if n.events[i].at == to && slices.Index(n.rule.Correlation.Rules, n.events[i].rule) > slices.Index(n.rule.Correlation.Rules, n.events[last].rule) {
					last = i
				}
			}
			window = []int{last}
		}
		n.drop(window)
		return true
	}
	return false
}

func (n *naiveCorrelator) drop(places []int) {
	slices.Sort(places)
	for _, i := range slices.Backward(places) {
		n.events = slices.Delete(n.events, i, i+1)
	}
}

// close decides everything that waits, window after window.
func (n *naiveCorrelator) close() {
	for n.waits() && len(n.events) > 0 {
		first := slices.MinFunc(n.events, func(a, b naiveEvent) int { return cmp.Compare(a.at, b.at) })
		first.at = n.events[n.window(first.user, -1<<60, 1<<60)[0]].at
		window := n.window(first.user, first.at, first.at+n.rule.Correlation.Timespan)
		n.fire(window)
		n.drop(window)
	}
}

func (n *naiveCorrelator) fire(places []int) bool {
	value, ok := n.value(places)
	if ok {
		last := n.events[places[len(places)-1]]
		n.fired = append(n.fired, fmt.Sprintf("%v %s [%s] %v/%d", last.at, n.rule.Title, last.user, value, len(places)))
	}
	return ok
}

func (n *naiveCorrelator) value(places []int) (float64, bool) {
	k := n.rule.Correlation
	distinct := map[string]bool{}
	var numbers []float64
	sum := 0.0
	for _, i := range places {
		key := n.events[i].val
		if k.Fields == nil {
			key = n.events[i].rule
		}
		distinct[key] = true
		var v float64
		fmt.Sscan(n.events[i].val, &v)
		sum, numbers = sum+v, append(numbers, v)
	}
	slices.Sort(numbers)
	var value float64
	switch k.Type {
	case sigma.EventCount:
		value = float64(len(places))
	case sigma.ValueCount:
		value = float64(len(distinct))
	case sigma.ValueSum:
		value = sum
	case sigma.ValueAvg:
		value = sum / float64(len(places))
	case sigma.ValuePercentile: // the smallest value that so many percent do not exceed
		for _, v := range numbers {
			below := 0
			for _, w := range numbers {
				if w <= v {
					below++
				}
			}
			if value = v; float64(below)*100 >= k.Percentile*float64(len(numbers)) {
				break
			}
		}
	case sigma.Temporal:
		value = float64(len(distinct))
		if k.Limits == nil {
			if k.Expression != "" {
				return value, distinct["a"] && !distinct["b"]
			}
			return value, len(distinct) == len(k.Rules)
		}
	case sigma.TemporalOrdered:
		value = float64(n.longest(places, -1, -1<<60))
		if k.Limits == nil {
			return value, int(value) == len(k.Rules)
		}
	}
	for _, l := range k.Limits {
		ok := map[string]bool{"gt": value > l.Value, "gte": value >= l.Value, "lt": value < l.Value, "lte": value <= l.Value, "eq": value == l.Value, "neq": value != l.Value}[l.Op]
		if !ok {
			return value, false
		}
	}
	return value, true
}

// longest is the longest order behind a rule and a time.
func (n *naiveCorrelator) longest(places []int, rule int, after time.Duration) int {
	best := 0
	for next := rule + 1; next < len(n.rule.Correlation.Rules); next++ {
		for _, i := range places { // the first match of the rule leaves most for those behind it
			if e := n.events[i]; e.at >= after && e.rule == n.rule.Correlation.Rules[next] {
				best = max(best, 1+n.longest(places, next, e.at))
				break
			}
		}
	}
	return best
}

// TestCorrelatorAgrees: on drawn correlations and events in drawn order, with a snapshot and a restore in the middle,
// Correlator and naiveCorrelator fire the same.
func TestCorrelatorAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		kind := rapid.SampledFrom(sigma.CorrelationTypes()).Draw(rt, "type")
		limits := map[string]bool{}
		condition := ""
		for range rapid.IntRange(1, 2).Draw(rt, "limits") {
			if op := d.pick("op", "gte", "gte", "gt", "lt", "lte", "eq", "neq"); !limits[op] {
				limits[op] = true
				condition += fmt.Sprintf(", %s: %d", op, rapid.IntRange(1, 4).Draw(rt, "limit"))
			}
		}
		condition = strings.TrimPrefix(condition, ", ")
		switch kind {
		case sigma.ValueCount, sigma.ValueSum, sigma.ValueAvg:
			condition += ", field: val"
		case sigma.ValuePercentile:
			condition += fmt.Sprintf(", field: val, percentile: %d", rapid.IntRange(1, 100).Draw(rt, "percentile"))
		case sigma.Temporal, sigma.TemporalOrdered:
			if rapid.Bool().Draw(rt, "all") {
				condition = ""
			}
		}
		if condition = "{" + condition + "}"; condition == "{}" {
			condition = "{gte: 3}"
		}
		if kind == sigma.Temporal && rapid.Bool().Draw(rt, "words") {
			condition = "a and not b"
		}
		text := fmt.Sprintf("title: k\ncorrelation: {type: %s, rules: [a, b, c], group-by: [user], timespan: %ds, condition: %s}\n",
			kind, rapid.IntRange(1, 20).Draw(rt, "timespan"), condition)
		for _, name := range []string{"a", "b", "c"} {
			text += fmt.Sprintf("---\ntitle: %s\nname: %[1]s\nlogsource: {product: test}\ndetection: {s: {do: %[1]s}, condition: s}\n", name)
		}
		file, err := sigma.Parse("r.yml", []byte(text))
		if err != nil {
			rt.Fatal(err)
		}
		set, _ := sigma.CompileCorrelations(file.Rules(), testOptions())
		if len(set.Rules()) == 0 {
			rt.Skip("the limits can never hold")
		}
		lateness := time.Duration(rapid.IntRange(1, 60).Draw(rt, "lateness")) * time.Second
		opts := sigma.CorrelatorOptions{Lateness: lateness}
		naive := naiveCorrelator{rule: set.Rules()[0], lateness: lateness, newest: -1 << 60}
		c := sigma.NewCorrelator(set, opts)
		var got []string
		n := rapid.IntRange(1, 40).Draw(rt, "events")
		restart := rapid.IntRange(0, n).Draw(rt, "restart")
		for i := range n {
			if i == restart {
				snapshot := c.Snapshot(nil)
				c = sigma.NewCorrelator(set, opts)
				if err := c.Restore(snapshot); err != nil {
					rt.Fatal(err)
				}
			}
			e := naiveEvent{number: i,
				at: time.Duration(i/2+rapid.IntRange(-10, 10).Draw(rt, "late")) * time.Second, rule: d.pick("rule", "a", "b", "c"),
				user: d.pick("user", "x", "x", "y", ""), val: d.pick("val", "1", "2", "3", "4", ""),
			}
			naive.add(e)
			for _, r := range file.Rules() {
				if r.Name == e.rule {
					ev := sigma.Fields{{Name: "user", Value: e.user}, {Name: "val", Value: e.val}}
					got = append(got, firingLines(c.Add(r, ev, epoch.Add(e.at), fmt.Sprint(i)))...)
				}
			}
		}
		got = append(got, firingLines(c.Close())...)
		naive.close()
		if naive.waits() { // decided in another order
			slices.Sort(got)
			slices.Sort(naive.fired)
		}
		if !slices.Equal(got, naive.fired) {
			rt.Fatalf("%s\nfired %s\nwant  %s", text, got, naive.fired)
		}
		if s := c.Stats(); s.Groups != 0 && naive.waits() || s.Bytes < 0 || s.Matches < 0 {
			rt.Fatalf("left %+v", s)
		}
	})
}
