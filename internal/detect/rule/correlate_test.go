package rule_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yagura/internal/detect/rule"
	"yagura/sigma"
)

const spray = `title: Failed logon
id: 0a1f4f5e-8a63-4a4f-9d3c-0c3a2e9b7a01
name: failed_logon
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
level: low
---
title: Password spray
id: 0a1f4f5e-8a63-4a4f-9d3c-0c3a2e9b7a02
correlation: {type: value_count, rules: [failed_logon], group-by: [IpAddress], timespan: 5m, condition: {field: TargetUserName, gte: 3}}
level: high
tests:
  - name: three accounts
    match: true
    events:
      - {times: 3, every: 10s, event: {Channel: Security, EventID: 4625, '@timestamp': '2026-11-02T09:00:00Z', IpAddress: 203.0.113.9, TargetUserName: 'user{n}'}}
  - name: one account, and two more an hour later
    match: false
    events:
      - event: {Channel: Security, EventID: 4625, '@timestamp': '2026-11-02T09:00:00Z', IpAddress: 203.0.113.9, TargetUserName: alice}
      - {after: 1h, times: 2, event: {Channel: Security, EventID: 4625, '@timestamp': '2026-11-02T09:00:00Z', IpAddress: 203.0.113.9, TargetUserName: 'user{n}'}}
`

func loadText(t *testing.T, opt rule.LoadOptions, text string) *rule.Set {
	t.Helper()
	file := filepath.Join(t.TempDir(), "r.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opt.Paths, opt.Taxonomy = []string{file}, tax(t)
	set, err := rule.Load(opt)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func reasons(problems []sigma.Problem) (list []string) {
	for _, p := range problems {
		list = append(list, string(p.Kind)+" "+p.Title+": "+p.Reason)
	}
	return list
}

// TestCorrelationsOfTheLibrary: a correlation is a rule like the others, runs while its rules do, and tests itself.
func TestCorrelationsOfTheLibrary(t *testing.T) {
	t.Parallel()
	set := loadText(t, rule.LoadOptions{}, spray)
	if set.Active() != 2 || len(set.Problems) != 0 || len(set.Correlations.Rules()) != 1 {
		t.Fatalf("%d active, %s", set.Active(), reasons(set.Problems))
	}
	results := set.Test()
	if len(results) != 2 || !results[0].Passed() || !results[1].Passed() {
		t.Errorf("%+v", results)
	}

	set = loadText(t, rule.LoadOptions{MinLevel: sigma.LevelHigh}, spray)
	if set.Active() != 2 {
		t.Errorf("a correlation of a level needs its rules of a lower one: %s", reasons(set.Problems))
	}

	set = loadText(t, rule.LoadOptions{}, strings.Replace(strings.Split(spray, "tests:")[0], "rules: [failed_logon]", "rules: [nothing]", 1)+`---
title: Crowded
correlation: {type: event_count, rules: [failed_logon], group-by: [TargetLogonId], timespan: 5m, condition: {gte: 3}}
`)
	want := []string{
		"correlation Password spray: it refers to rule nothing, which is not there",
		"warning Crowded: group-by TargetLogonId makes nearly as many groups as there are events: each takes memory, and hardly any gets a second match",
	}
	if got := reasons(set.Problems); !slices.Equal(got, want) || set.Active() != 2 {
		t.Errorf("%d active, %q", set.Active(), got)
	}
}

// TestReviewOfACorrelation: a file that is added finds its rules in the library, and says what it misses.
func TestReviewOfACorrelation(t *testing.T) {
	t.Parallel()
	base, correlation, _ := strings.Cut(spray, "---\n")
	opt := rule.LoadOptions{Taxonomy: tax(t), Added: t.TempDir()}
	review, err := opt.Review(loadText(t, rule.LoadOptions{}, base), "spray.yml", []byte(correlation))
	if err != nil || !review.Sound() || len(review.Tests) != 2 || !review.Tests[0].Passed() || !review.Tests[1].Passed() {
		t.Errorf("%v: %s, %+v", err, reasons(review.Problems), review.Tests)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"base.yml": strings.Replace(base, "level: low", "level: high", 1), "correlation.yml": correlation} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := rule.Load(rule.LoadOptions{Paths: []string{dir}, Taxonomy: tax(t)})
	if want := []string{"warning Password spray: rule Failed logon raises no alerts of its own any more; with generate: true it does"}; err != nil || !slices.Equal(reasons(set.Problems), want) {
		t.Errorf("%v: %q", err, reasons(set.Problems))
	}
	review, err = opt.Review(nil, "spray.yml", []byte(correlation))
	if err != nil || review.Sound() {
		t.Errorf("%v: without its rule it is sound", err)
	}
}
