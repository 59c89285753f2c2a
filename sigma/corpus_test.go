package sigma_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"yagura/sigma"
)

// corpusRules parses every rule file of the corpus below the given folders.
func corpusRules(tb testing.TB, folders ...string) (rules []*sigma.Rule, filters []*sigma.Filter, problems []sigma.Problem) {
	tb.Helper()
	root := os.Getenv("YAGURA_CORPUS")
	if root == "" {
		tb.Skip("YAGURA_CORPUS is not set")
	}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, "sigma", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yml" {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(root, path)
			file, err := sigma.Parse(name, data)
			if err != nil {
				return err
			}
			rules = append(rules, file.Rules()...)
			filters = append(filters, file.Filters()...)
			problems = append(problems, file.Problems()...)
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return rules, filters, problems
}

// ruleFolders are those of the rules that are meant to be used.
var ruleFolders = []string{"rules", "rules-compliance", "rules-dfir", "rules-emerging-threats", "rules-placeholder", "rules-threat-hunting"}

func TestCorpusLoads(t *testing.T) {
	t.Parallel()
	rules, filters, problems := corpusRules(t, ruleFolders...)
	m, more := sigma.Compile(rules, filters, sigma.Options{})
	kinds := map[sigma.ProblemKind]int{}
	for _, p := range append(problems, more...) {
		kinds[p.Kind]++
		if !p.Loaded() && !strings.HasPrefix(p.File, "sigma/rules-placeholder/") && p.Kind != sigma.ProblemPlaceholder {
			t.Errorf("%v", p)
		}
		if p.Kind == sigma.ProblemWarning {
			t.Log(p)
		}
	}
	t.Logf("%d rules and %d filters parsed, %d rules compiled, problems by kind: %v", len(rules), len(filters), len(m.Rules()), kinds)
	if len(rules) < 3700 {
		t.Errorf("only %d rules were parsed", len(rules))
	}
}

func TestCorpusUnsupportedIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	rules, _, problems := corpusRules(t, "unsupported")
	reasons := map[string]int{}
	for _, p := range problems {
		if p.Loaded() {
			continue
		}
		if p.Reason == "" || p.Line == 0 {
			t.Errorf("%#v has no reason or line", p)
		}
		reason, _, _ := strings.Cut(p.Reason, `"`)
		reasons[reason]++
	}
	keys := make([]string, 0, len(reasons))
	for k := range reasons {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		t.Logf("%4d %s", reasons[k], k)
	}
	t.Logf("%4d rules load", len(rules))
}

// BenchmarkParse parses all rule files, one after the other.
func BenchmarkParse(b *testing.B) {
	rules, _, _ := corpusRules(b, ruleFolders...)
	bytes := 0
	for _, r := range rules {
		bytes += len(r.Source)
	}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range rules {
			if _, err := sigma.Parse(r.File, []byte(r.Source)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(rules)), "rules/op")
}
