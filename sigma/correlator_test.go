package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"yagura/sigma"
)

const aRule = "title: fail\nname: fail\nlogsource: {product: test}\ndetection: {s: {do: fail}, condition: s}\n---\n"

// feed adds matches of the rule "fail" and returns what fires.
func (x *correlated) feed(tb testing.TB, c *sigma.Correlator, lines ...string) []string {
	tb.Helper()
	var fired []string
	for i, line := range lines {
		at, ev := timedEvent(tb, line)
		for _, r := range x.rules {
			if r.Name == "fail" {
				fired = append(fired, firingLines(c.Add(r, ev, at, fmt.Sprint("#", i)))...)
			}
		}
	}
	return fired
}

// TestFiring: a firing carries its group, its window and the first and last of its matches.
func TestFiring(t *testing.T) {
	t.Parallel()
	x := compileCorrelations(t, aRule+"title: k\ncorrelation: {type: event_count, rules: [fail], group-by: [Image, user], timespan: 1h, condition: {gte: 30}}\n")
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	var last []*sigma.Firing
	for i := range 30 {
		at, ev := timedEvent(t, fmt.Sprintf("%ds process.executable=A user=u", i))
		last = c.Add(x.rules[0], ev, at, fmt.Sprint(i))
	}
	if len(last) != 1 {
		t.Fatalf("%d firings", len(last))
	}
	f := last[0]
	if want := []sigma.GroupValue{{Field: "Image", Name: "process.executable", Value: "A"}, {Field: "user", Name: "user", Value: "u"}}; !slices.Equal(f.Group, want) {
		t.Errorf("group %v", f.Group)
	}
	if f.From != epoch || f.To != epoch.Add(29*time.Second) || f.Value != 30 || f.Matches != 30 {
		t.Errorf("%v to %v: %v of %d", f.From, f.To, f.Value, f.Matches)
	}
	var refs []string
	for _, x := range f.Contributions {
		refs = append(refs, x.Ref)
	}
	if got := strings.Join(refs, " "); got != "0 1 2 3 4 5 6 7 8 9 20 21 22 23 24 25 26 27 28 29" {
		t.Errorf("contributions %s", got)
	}
	if s := c.Stats(); s.Groups != 0 || s.Bytes != 0 || s.Matches != 0 || s.Firings != 1 {
		t.Errorf("it keeps %+v", s)
	}
}

// TestRulesOfCorrelations: a rule is an alert by itself unless all correlations that refer to it keep it to themselves.
func TestRulesOfCorrelations(t *testing.T) {
	t.Parallel()
	two := func(generate string) string {
		return aRule + "title: inner\nname: inner\ncorrelation: {type: event_count, rules: [fail], group-by: [user], timespan: 1m, condition: {gte: 2}}\n---\n" +
			"title: outer\ngenerate: " + generate + "\ncorrelation: {type: temporal, rules: [fail, inner], group-by: [user], timespan: 1m}\n"
	}
	for _, row := range []struct{ generate, alerts string }{{"false", "outer"}, {"true", "fail inner outer"}} {
		x := compileCorrelations(t, two(row.generate))
		var alerts []string
		for _, r := range x.rules {
			if x.set.Alerts(r) {
				alerts = append(alerts, r.Title)
			}
		}
		if got := strings.Join(alerts, " "); got != row.alerts {
			t.Errorf("generate %s: alerts of %s, want %s", row.generate, got, row.alerts)
		}
		if !x.set.Wants(x.rules[0]) || x.set.Wants(x.rules[2]) {
			t.Error("the rule's matches are wanted, and nobody's else")
		}
	}
}

// TestEviction: where there are too many groups the ones that would be forgotten first are, of the correlation that has most.
func TestEviction(t *testing.T) {
	t.Parallel()
	x := compileCorrelations(t, aRule+`title: few
correlation: {type: event_count, rules: [fail], group-by: [host], timespan: 1h, condition: {gte: 3}}
---
title: many
correlation: {type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 2}}
`)
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{MaxGroups: 3})
	x.feed(t, c, "0s host=h user=a", "1s host=h user=b", "2s user=c")
	if s := c.Stats(); s.Groups != 3 || s.Evicted != 1 || s.Alone != 1 {
		t.Errorf("%+v", s)
	}
	if got := x.feed(t, c, "3s user=a", "4s user=c", "5s host=h"); !slices.Equal(got, []string{"4s many [c] 2/2", "5s few [h] 3/3"}) {
		t.Errorf("fired %s", got)
	}

	c = sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{MaxBytes: 10_000})
	for i := range 1000 {
		x.feed(t, c, fmt.Sprintf("%ds user=%d", i, i))
	}
	if s := c.Stats(); s.Bytes > 10_000 || s.Evicted < 900 || s.Groups+s.Evicted != 1000 {
		t.Errorf("%+v", s)
	}
}

// TestGroupIsBounded: what counts distinct values, an order or a sum loses nothing where one group gets very many matches.
func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ condition, last, fires string }{
		{"type: value_count, rules: [fail], condition: {field: val, gte: 3}", "val=3", "8h20m0s k [u] 3/"},
		{"type: value_sum, rules: [fail], condition: {field: val, gt: 30000}", "val=1", "8h20m0s k [u] 30001/30001"},
		{"type: event_count, rules: [fail], condition: {gt: 1, lte: 200000}", "val=1", "8h20m0s k [u] 30001/30001"},
	} {
		x := compileCorrelations(t, aRule+"title: k\ncorrelation: {group-by: [user], timespan: 1d, "+row.condition+"}\n")
		c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
		var fired []string
		for i := range 30_000 {
			val := 1
			if i == 0 && strings.Contains(row.condition, "value_count") {
				val = 2
			}
			fired = append(fired, x.feed(t, c, fmt.Sprintf("%ds user=u val=%d", i, val))...)
		}
		fired = append(fired, x.feed(t, c, "30000s user=u "+row.last)...)
		fired = append(fired, firingLines(c.Close())...)
		if s := c.Stats(); len(fired) != 1 || !strings.HasPrefix(fired[0], row.fires) || s.Dropped != 0 {
			t.Errorf("%s: fired %s, %+v", row.condition, fired, s)
		}
	}
}

// TestSwap: correlations that did not change go on counting, whatever changes around them.
func TestSwap(t *testing.T) {
	t.Parallel()
	const first = "title: first\nlevel: low\ncorrelation: {type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 3}}\n"
	const other = "title: other\ncorrelation: {type: event_count, rules: [fail], group-by: [host], timespan: 1h, condition: {gte: 3}}\n"
	x := compileCorrelations(t, aRule+first+"---\n"+other)
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	x.feed(t, c, "0s user=a host=h", "1s user=a host=h")

	x = compileCorrelations(t, aRule+strings.ReplaceAll(other, "3", "2")+"---\n"+strings.ReplaceAll(first, "low", "high"))
	c.Swap(x.set)
	if got := x.feed(t, c, "2s user=a host=h"); !slices.Equal(got, []string{"2s first [a] 3/3"}) {
		t.Errorf("fired %s", got)
	}
	c.Swap(compileCorrelations(t, aRule).set)
	if s := c.Stats(); s.Groups != 0 || s.Bytes != 0 || s.Matches != 0 {
		t.Errorf("without correlations it keeps %+v", s)
	}
}

// TestRestore: damage is found, another version is named, and a correlation that changed since begins anew.
func TestRestore(t *testing.T) {
	t.Parallel()
	text := aRule + "title: k\ncorrelation: {type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 3}}\n"
	x := compileCorrelations(t, text)
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	x.feed(t, c, "0s user=a", "1s user=a", "2s user=b")
	snapshot := c.Snapshot(nil)
	for i := range snapshot {
		damaged := slices.Clone(snapshot)
		damaged[i] ^= 0x10
		if c.Restore(damaged) == nil || c.Restore(snapshot[:i]) == nil {
			t.Fatalf("damage at byte %d was not found", i)
		}
	}
	if got := x.feed(t, c, "3s user=a"); !slices.Equal(got, []string{"3s k [a] 3/3"}) {
		t.Errorf("after restores that failed it fires %s", got)
	}
	changed := compileCorrelations(t, strings.ReplaceAll(text, "1h", "2h"))
	c = sigma.NewCorrelator(changed.set, sigma.CorrelatorOptions{})
	if err := c.Restore(snapshot); err != nil || c.Stats().Groups != 0 {
		t.Errorf("%v, %+v", err, c.Stats())
	}
}

// BenchmarkCorrelator adds matches of one rule that seven correlations want, one of each type, of 10,000 users, beside the
// naive way of one correlation. One operation is one match.
// TestReferencesAreCopied: what is kept of a match holds none of its event's memory, which no bound counts.
func TestReferencesAreCopied(t *testing.T) {
	t.Parallel()
	x := compileCorrelations(t, aRule+"title: k\ncorrelation: {type: event_count, rules: [fail], group-by: [user], timespan: 1h, condition: {gte: 2}}\n")
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	memory := strings.Repeat("x", 100)
	var fired []*sigma.Firing
	for i := range 2 {
		at, ev := timedEvent(t, fmt.Sprintf("%ds user=u", i))
		fired = c.Add(x.rules[0], ev, at, memory[:20])
	}
	if len(fired) != 1 || len(fired[0].Contributions) == 0 {
		t.Fatalf("fired %v", fired)
	}
	for _, contribution := range fired[0].Contributions {
		if unsafe.StringData(contribution.Ref) == unsafe.StringData(memory) {
			t.Error("a reference is a part of the event's memory")
		}
	}
}

// TestCopiesKeepStatesOfTheirOwn: two correlations that are the same to the letter, and sums beyond all numbers, come back from a snapshot.
func TestCopiesKeepStatesOfTheirOwn(t *testing.T) {
	t.Parallel()
	one := "title: k\ncorrelation: {type: value_sum, rules: [fail], group-by: [user], timespan: 1d, condition: {field: val, gte: 100000}}\n"
	x := compileCorrelations(t, aRule+one+"---\n"+one)
	c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	for i := range 10_000 {
		x.feed(t, c, fmt.Sprintf("%ds user=u val=-1.7e308", i))
	}
	again := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
	if err := again.Restore(c.Snapshot(nil)); err != nil {
		t.Fatal(err)
	}
	if before, after := c.Stats(), again.Stats(); before.Groups != after.Groups || int(before.Groups) != len(x.set.Rules()) {
		t.Errorf("%d groups of %d correlations, %d afterwards", before.Groups, len(x.set.Rules()), after.Groups)
	}
}

// TestANameIsOfItsFile: another author's rule of the same name is another rule.
func TestANameIsOfItsFile(t *testing.T) {
	t.Parallel()
	var rules []*sigma.Rule
	for name, text := range map[string]string{
		"a.yml": aRule + "title: k\ncorrelation: {type: event_count, rules: [fail], timespan: 1h, condition: {gte: 2}}\n",
		"b.yml": strings.TrimSuffix(aRule, "---\n"),
	} {
		file, err := sigma.Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, file.Rules()...)
	}
	set, _ := sigma.CompileCorrelations(rules, sigma.Options{})
	for _, r := range rules {
		if r.Name == "fail" && (set.Alerts(r) != (r.File == "b.yml") || set.Wants(r) != (r.File == "a.yml")) {
			t.Errorf("%s of %s: alerts %v, correlated %v", r.Name, r.File, set.Alerts(r), set.Wants(r))
		}
	}
}

func BenchmarkCorrelator(b *testing.B) {
	text := strings.ReplaceAll(aRule, "fail", "ok") + "---\n" + aRule
	for _, k := range sigma.CorrelationTypes() {
		condition := map[sigma.CorrelationType]string{
			sigma.EventCount: "{gte: 50}", sigma.ValueCount: "{field: host, gte: 20}", sigma.Temporal: "{gte: 2}", sigma.TemporalOrdered: "{gte: 2}",
			sigma.ValueSum: "{field: size, gte: 100000}", sigma.ValueAvg: "{field: size, gte: 900}", sigma.ValuePercentile: "{field: size, percentile: 95, gte: 990}",
		}[k]
		text += fmt.Sprintf("---\ntitle: %s\ncorrelation: {type: %[1]s, rules: [fail, ok], group-by: [user], timespan: 10m, condition: %s}\n", k, condition)
	}
	x := compileCorrelations(b, strings.ReplaceAll(text, "---\n---", "---"))
	events := make([]sigma.Fields, 100_000)
	for i := range events {
		events[i] = sigma.Fields{
			{Name: "user", Value: fmt.Sprint("user", i*7919%10_000)}, {Name: "host", Value: fmt.Sprint("host", i*31%500)}, {Name: "size", Value: fmt.Sprint(i * 17 % 1000)},
		}
	}
	b.Run("seven types", func(b *testing.B) {
		b.ReportAllocs()
		c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
		for i := range b.N {
			c.Add(x.rules[1], events[i%len(events)], epoch.Add(time.Duration(i)*10*time.Millisecond), "4f1c09d2ab37-0000002a-00001f40-3")
		}
		s := c.Stats()
		b.ReportMetric(float64(s.Groups), "groups")
		b.ReportMetric(float64(s.Bytes)/(1<<20), "MiB")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "matches/s")
	})
	b.Run("snapshot", func(b *testing.B) {
		c := sigma.NewCorrelator(x.set, sigma.CorrelatorOptions{})
		for i := range events {
			c.Add(x.rules[1], events[i], epoch.Add(time.Duration(i)*10*time.Millisecond), "4f1c09d2ab37-0000002a-00001f40-3")
		}
		var snapshot []byte
		for b.Loop() {
			snapshot = c.Snapshot(snapshot[:0])
		}
		b.SetBytes(int64(len(snapshot)))
	})
	b.Run("naive event_count, of the last 500", func(b *testing.B) { // it takes time by the square of what it keeps
		var rule *sigma.Rule
		for _, r := range x.set.Rules() {
			if r.Correlation.Type == sigma.EventCount {
				rule = r
			}
		}
		var n naiveCorrelator
		for i := range b.N {
			if i%500 == 0 {
				n = naiveCorrelator{rule: rule, lateness: 10 * time.Minute}
			}
			n.add(naiveEvent{number: i, at: time.Duration(i) * 10 * time.Millisecond, rule: "fail", user: events[i%len(events)][0].Value})
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "matches/s")
	})
}
