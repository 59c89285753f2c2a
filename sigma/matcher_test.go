package sigma_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/sigma"
)

// compileText compiles rules that must have no problem.
func compileText(tb testing.TB, text string) *sigma.Matcher {
	tb.Helper()
	file, err := sigma.Parse("r.yml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	m, problems := sigma.Compile(file.Rules(), file.Filters(), testOptions())
	for _, p := range append(file.Problems(), problems...) {
		tb.Fatal(p)
	}
	return m
}

const someRules = `
title: one
logsource: {product: test}
detection:
  s: {Image|endswith: '\cmd.exe', CommandLine|contains|all: [' /c ', whoami]}
  f: {User|startswith: SYSTEM, Port|gt: 1024}
  condition: s and not f
---
title: two
logsource: {product: windows, category: process_creation}
detection:
  s: {CommandLine|re|i: 'who(am)?i\s+/all'}
  n: {ParentImage: null}
  condition: s and not n
---
title: three
logsource: {product: test}
detection:
  keywords: [mimikatz, 'sekurlsa*full']
  condition: keywords
`

var someEvent = sigma.Fields{
	{Name: "Channel", Value: "Microsoft-Windows-Sysmon/Operational"}, {Name: "EventID", Value: "1"},
	{Name: "Image", Value: `C:\Windows\System32\CMD.EXE`}, {Name: "CommandLine", Value: `CMD /C WhoAmI /all "田中"`},
	{Name: "User", Value: "alice"}, {Name: "Port", Value: "8080"}, {Name: "ParentImage", Value: "explorer.exe"},
}

// TestWithout: rules are left out of a matcher and taken up again, whether the index finds them or not.
func TestWithout(t *testing.T) {
	whole := compileText(t, someRules+`
---
title: always
logsource: {product: test}
detection:
  s: {Nothing: null}
  condition: s
`)
	s := whole.NewScratch()
	less := whole.Without(func(r *sigma.Rule) bool { return r.Title == "one" || r.Title == "always" })
	least := less.Without(func(r *sigma.Rule) bool { return r.Title == "two" })
	for _, row := range []struct {
		m                 *sigma.Matcher
		matches, evaluate string
	}{{whole, "[one two always]", "[one two three always]"}, {less, "[two]", "[two three]"}, {least, "[]", "[three]"}, {whole, "[one two always]", "[one two three always]"}} {
		if got := titles(row.m.Match(someEvent, s)); got != row.matches {
			t.Errorf("matched %s, want %s", got, row.matches)
		}
		if got := titles(row.m.Rules()); got != row.evaluate {
			t.Errorf("evaluates %s, want %s", got, row.evaluate)
		}
	}
}

// TestUnselected: the rules that nothing selects are told, with what they cost.
func TestUnselected(t *testing.T) {
	t.Parallel()
	m := compileText(t, `
title: nothing but a negation
logsource: {product: test}
detection:
  s: {F: [a, b]}
  n: {G|re: ['x+', 'y']}
  condition: not s and not n
---
title: a text
logsource: {product: test}
detection: {s: {F: abc}, condition: s}
---
title: a comparison
logsource: {product: test}
detection: {s: {Port|gt: 1024}, condition: s}
`)
	var got []string
	for _, u := range m.Unselected() {
		got = append(got, fmt.Sprintf("%s: %d, %d", u.Rule.Title, u.Comparisons, u.Expressions))
	}
	if diff := cmp.Diff([]string{"nothing but a negation: 4, 2", "a comparison: 1, 0"}, got); diff != "" {
		t.Error(diff)
	}
	if less := m.Without(func(r *sigma.Rule) bool { return r.Title == "a comparison" }).Unselected(); len(less) != 1 {
		t.Errorf("without one of them %d are left", len(less))
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	m := compileText(t, someRules)
	s := m.NewScratch()
	if got := titles(m.Match(someEvent, s)); got != "[one two]" {
		t.Fatalf("matched %s", got)
	}
	var ev sigma.Event = someEvent
	if n := testing.AllocsPerRun(100, func() { m.Match(ev, s) }); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// One Matcher serves many goroutines; run with -race.
func TestMatcherIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	m := compileText(t, someRules)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s := m.NewScratch()
			for range 200 {
				if got := titles(m.Match(someEvent, s)); got != "[one two]" {
					t.Errorf("matched %s", got)
				}
			}
		})
	}
	wg.Wait()
}

// A Scratch may change from one Matcher to another, as it does when rules are loaded anew.
func TestScratchOutlivesMatcher(t *testing.T) {
	t.Parallel()
	a, b := compileText(t, someRules), compileText(t, strings.ReplaceAll(someRules, "cmd.exe", "other.exe"))
	var s sigma.Scratch
	for range 3 {
		if got := titles(a.Match(someEvent, &s)); got != "[one two]" {
			t.Errorf("first matcher: %s", got)
		}
		if got := titles(b.Match(someEvent, &s)); got != "[two]" {
			t.Errorf("second matcher: %s", got)
		}
	}
}

// Log source decisions are remembered within bounds, whatever the events say.
func TestRoutingMemoryIsBounded(t *testing.T) { // not beside others, whose memory it would count
	m := compileText(t, someRules)
	s := m.NewScratch()
	ev := append(sigma.Fields(nil), someEvent...)
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	for i := range 200_000 {
		ev[0].Value = fmt.Sprintf("Microsoft-Windows-Sysmon/%d%s", i, strings.Repeat("x", 150))
		m.Match(ev, s)
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("200,000 different channels took %d MB", grown>>20)
	}
	ev[0].Value = "Microsoft-Windows-Sysmon" + strings.Repeat("y", 1<<20)
	if got := titles(m.Match(ev, s)); got != "[one two]" {
		t.Errorf("a channel of a megabyte: matched %s", got)
	}
	runtime.KeepAlive(s)
}

// Hostile values cost time in proportion to their length.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	m := compileText(t, `
title: stars
logsource: {product: test}
detection:
  a: {F: '*a*a*a*a*a*a*a*a*a*a*a*a*b'}
  b: {F: '*?a?a?a?a?a?a?a?b*'}
  c: {F|re: '(a*)*(a|aa)+(a*)*b'}
  d: {F|windash|contains: '-a-a-a-a-a-a-b'}
  e: {F|contains: aaaaaaaab}
  condition: 1 of them
`)
	s := m.NewScratch()
	for _, value := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("-a", 1<<19), strings.Repeat("\xff", 1<<20), strings.Repeat("K\u212a", 1<<18), strings.Repeat("\x00", 1<<20),
	} {
		start := time.Now()
		if got := titles(m.Match(sigma.Fields{{Name: "F", Value: value}}, s)); got != "[]" {
			t.Errorf("%.10q…: matched %s", value, got)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%.10q…: %v for a megabyte", value, took)
		}
	}
}

// Rules written to hurt are read or refused quickly.
func TestHostileRules(t *testing.T) {
	t.Parallel()
	head := "title: t\nlogsource: {product: test}\ndetection:\n"
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "  s%d: {F: v%d}\n", i, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"many conditions of many":  head + many(900) + "  condition: " + strings.Repeat("1 of them or ", 1000) + "s1",
		"many search identifiers":  head + many(5000) + "  condition: 1 of them",
		"deep parentheses":         head + many(1) + "  condition: " + strings.Repeat("(", 8000) + "s0",
		"many nots":                head + many(1) + "  condition: " + strings.Repeat("not ", 4000) + "s0",
		"long condition":           head + many(1) + "  condition: " + strings.Repeat("s0 or ", 100_000) + "s0",
		"deep YAML":                head + "  s: " + strings.Repeat("[", 20_000),
		"deep YAML that is closed": head + "  s: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000),
		"long value":               head + "  s: {F: '" + strings.Repeat("x", 1<<20) + "'}\n  condition: s",
		"long expression":          head + "  s: {F|re: '" + strings.Repeat("x", 1<<20) + "'}\n  condition: s",
		"many values":              head + "  s: {F: [" + strings.Repeat("x,", 200_000) + "x]}\n  condition: s",
		"many stars":               head + "  s: {F: '" + strings.Repeat("*a", 10_000) + "'}\n  condition: s",
		"many placeholders":        head + "  s: {F|expand: '" + strings.Repeat("%servers%", 100) + "'}\n  condition: s",
		"aliases of aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\na1: &a1 [*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0,*a0]\n" +
			head + "  s: {F|contains: *a1, G|contains: *a0}\n  condition: s",
		"many documents": strings.Repeat("---\na\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			file, err := sigma.Parse("hostile.yml", []byte(text))
			if err == nil {
				sigma.Compile(file.Rules(), file.Filters(), testOptions())
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			loaded := err == nil && len(file.Rules()) == 1
			if refused := err != nil || len(file.Problems()) > 0; !refused && !loaded {
				t.Error("neither loaded nor refused")
			}
		})
	}
}
