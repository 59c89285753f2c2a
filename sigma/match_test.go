package sigma_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"yagura/sigma"
)

// Each file of testdata/match shows one feature: rules (and filters) whose key "tests" lists events and
// whether the rule must match them. A file's filters apply to its rules.
func TestMatchFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/match/*.yml")
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
			file, err := sigma.Parse(path, data)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range file.Problems() {
				if !p.Loaded() {
					t.Error(p)
				}
			}
			m, problems := sigma.Compile(file.Rules(), file.Filters(), testOptions())
			for _, p := range problems {
				if !p.Loaded() {
					t.Error(p)
				}
			}
			s := m.NewScratch()
			for _, r := range file.Rules() {
				runRuleTests(t, m, s, r, file.Filters())
			}
		})
	}
}

// runRuleTests matches the events of a rule's key "tests", with the Matcher and with Explain.
func runRuleTests(t *testing.T, m *sigma.Matcher, s *sigma.Scratch, r *sigma.Rule, filters []*sigma.Filter) {
	t.Helper()
	node := r.Custom["tests"]
	if node == nil {
		t.Errorf("%s:%d: rule %q has no tests", r.File, r.Line, r.Title)
		return
	}
	var tests []struct {
		Match bool      `yaml:"match"`
		Event yaml.Node `yaml:"event"`
	}
	if err := node.Decode(&tests); err != nil {
		t.Fatal(err)
	}
	outcomes := map[bool]int{}
	for _, test := range tests {
		ev := eventOf(t, &test.Event)
		got := slices.Contains(m.Match(ev, s), r)
		if got != test.Match {
			t.Errorf("%s:%d: rule %q: match = %v, want %v", r.File, test.Event.Line, r.Title, got, test.Match)
		}
		if why, err := sigma.Explain(r, ev, testOptions(), filters...); err != nil || why.Matched != test.Match {
			t.Errorf("%s:%d: rule %q: %v, explained as:\n%s", r.File, test.Event.Line, r.Title, err, why)
		}
		outcomes[test.Match]++
	}
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("%s:%d: rule %q needs an event that matches and one that does not", r.File, r.Line, r.Title)
	}
}

// eventOf flattens a YAML map: a list makes repeated fields, scalars stay as written.
func eventOf(t *testing.T, n *yaml.Node) sigma.Fields {
	t.Helper()
	var ev sigma.Fields
	for i := 0; i+1 < len(n.Content); i += 2 {
		values := []*yaml.Node{n.Content[i+1]}
		if values[0].Kind == yaml.SequenceNode {
			values = values[0].Content
		}
		for _, v := range values {
			f := sigma.Field{Name: n.Content[i].Value, Value: v.Value, Null: v.Tag == "!!null"}
			if f.Null {
				f.Value = ""
			}
			ev = append(ev, f)
		}
	}
	return ev
}

// testOptions is a small taxonomy: product windows is what has a Channel, service sysmon one channel of it,
// category process_creation event 1 of that; Image may be called process.executable; keywords are searched
// in everything but on product windows only in Message and Data.
func testOptions() sigma.Options {
	return sigma.Options{
		Taxonomy:     testTaxonomy{},
		Placeholders: map[string][]string{"Administrators": {"root", "adm_*"}, "servers": {"srv1", "srv2"}, "number": {"[0-9]+"}},
	}
}

type testTaxonomy struct{}

func (testTaxonomy) Events(ls sigma.Logsource) ([]sigma.Conjunction, bool) {
	sysmon := sigma.Condition{Field: "Channel", Values: []string{"Microsoft-Windows-Sysmon*"}}
	switch ls {
	case sigma.Logsource{Product: "test"}:
		return []sigma.Conjunction{{}}, true
	case sigma.Logsource{Product: "windows"}:
		return []sigma.Conjunction{{{Field: "Channel", Values: []string{"*"}}}}, true
	case sigma.Logsource{Product: "windows", Service: "sysmon"}:
		return []sigma.Conjunction{{sysmon}}, true
	case sigma.Logsource{Product: "windows", Category: "process_creation"}:
		return []sigma.Conjunction{
			{sysmon, {Field: "EventID", Values: []string{"1"}}},
			{{Field: "Channel", Values: []string{"security"}}, {Field: "EventID", Values: []string{"4688", "4696"}}},
		}, true
	}
	return nil, false
}

func (testTaxonomy) Fields(_ sigma.Logsource, field string) ([]string, bool) {
	if field == "Image" {
		return []string{"process.executable", "Image"}, true
	}
	return []string{field}, field != "Unmapped"
}

func (testTaxonomy) Keywords(ls sigma.Logsource) []string {
	if ls.Product == "windows" {
		return []string{"Message", "Data"}
	}
	return nil
}
