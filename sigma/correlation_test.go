package sigma_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/sigma"
)

var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// correlationCase is one test of a correlation: events as "30s field=value …", fed in that order, and what fires as
// "40s title [group] value/matches", the time that of the last match.
type correlationCase struct {
	Name     string        `yaml:"name"`
	Lateness time.Duration `yaml:"lateness"`
	Events   []string      `yaml:"events"`
	Fires    []string      `yaml:"fires"`
	Late     int64         `yaml:"late"`
}

// Each file of testdata/correlation shows one feature: rules and correlations; the last correlation's key "tests" lists cases.
func TestCorrelationFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/correlation/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			x := compileCorrelations(t, string(data))
			var cases []correlationCase
			for _, r := range x.set.Rules() {
				if node := r.Custom["tests"]; node != nil {
					if err := node.Decode(&cases); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(cases) == 0 {
				t.Fatal("no tests")
			}
			for _, c := range cases {
				got, stats := x.run(t, c.Events, sigma.CorrelatorOptions{Lateness: c.Lateness})
				if !slices.Equal(got, c.Fires) {
					t.Errorf("%s: fired\n\t%s\nwant\n\t%s", c.Name, strings.Join(got, "\n\t"), strings.Join(c.Fires, "\n\t"))
				}
				if stats.Late != c.Late {
					t.Errorf("%s: %d came too late, want %d", c.Name, stats.Late, c.Late)
				}
			}
		})
	}
}

// correlated is a compiled file.
type correlated struct {
	rules   []*sigma.Rule
	matcher *sigma.Matcher
	set     *sigma.Correlations
}

// compileCorrelations compiles rules and correlations of which none may be refused.
func compileCorrelations(tb testing.TB, text string) correlated {
	tb.Helper()
	file, err := sigma.Parse("r.yml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	x := correlated{rules: file.Rules()}
	var more, problems []sigma.Problem
	x.matcher, problems = sigma.Compile(x.rules, nil, testOptions())
	x.set, more = sigma.CompileCorrelations(x.rules, testOptions())
	for _, p := range slices.Concat(file.Problems(), problems, more) {
		if !p.Loaded() {
			tb.Error(p)
		}
	}
	return x
}

// run feeds events to a new Correlator and closes it.
func (x *correlated) run(tb testing.TB, lines []string, opts sigma.CorrelatorOptions) ([]string, sigma.CorrelatorStats) {
	tb.Helper()
	c, s := sigma.NewCorrelator(x.set, opts), x.matcher.NewScratch()
	var fired []string
	for i, line := range lines {
		at, ev := timedEvent(tb, line)
		for _, r := range x.matcher.Match(ev, s) {
			fired = append(fired, firingLines(c.Add(r, ev, at, fmt.Sprint("#", i)))...)
		}
		fired = append(fired, firingLines(c.Advance(at))...)
	}
	stats := c.Stats()
	return append(fired, firingLines(c.Close())...), stats
}

func timedEvent(tb testing.TB, line string) (time.Time, sigma.Fields) {
	tb.Helper()
	words := strings.Fields(line)
	at, err := time.ParseDuration(words[0])
	if err != nil {
		tb.Fatalf("event %q: %v", line, err)
	}
	var ev sigma.Fields
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		ev = append(ev, sigma.Field{Name: name, Value: value, Null: !ok})
	}
	return epoch.Add(at), ev
}

func firingLines(firings []*sigma.Firing) []string {
	var lines []string
	for _, f := range firings {
		var group []string
		for _, g := range f.Group {
			group = append(group, g.Value)
		}
		lines = append(lines, fmt.Sprintf("%v %s %s %v/%d", f.To.Sub(epoch), f.Rule.Title, group, f.Value, f.Matches))
	}
	return lines
}
