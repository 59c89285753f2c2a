package taxonomy_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yagura/internal/detect/taxonomy"
	"yagura/sigma"
)

// TestPublicRules compiles every rule of the public set with the taxonomy: each log source must be known, and every field
// outside of Windows, whose own test says which fields its providers do not write.
func TestPublicRules(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("YAGURA_CORPUS")
	if dir == "" {
		t.Skip("YAGURA_CORPUS is not set: it names a folder with SigmaHQ's rules in sigma/")
	}
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	var rules []*sigma.Rule
	err = filepath.WalkDir(filepath.Join(dir, "sigma"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yml" || !strings.Contains(path, "/sigma/rules") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := sigma.Parse(path, data)
		if err != nil {
			return err
		}
		rules = append(rules, file.Rules()...)
		return nil
	})
	if err != nil || len(rules) < 3000 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	_, problems := sigma.Compile(rules, nil, sigma.Options{Taxonomy: tax})
	count := map[string]int{}
	for _, p := range problems {
		switch p.Kind {
		case sigma.ProblemUnknownLogsource:
			t.Errorf("%s: no log source %+v", p.File, p.Logsource)
		case sigma.ProblemUnmappedField:
			key := fmt.Sprintf("%s/%s/%s %s", p.Logsource.Product, p.Logsource.Category, p.Logsource.Service, p.Field)
			count[key]++
			if p.Logsource.Product != "windows" {
				t.Errorf("%s: no field %s", p.File, key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(count)) {
		t.Logf("unmapped: %s (%d rules)", key, count[key])
	}
}
