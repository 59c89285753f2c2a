package rule_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"yagura/internal/detect/rule"
	"yagura/internal/detect/taxonomy"
)

func tax(t testing.TB) *taxonomy.Taxonomy {
	t.Helper()
	x, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestSigmaHQ loads a real collection: nearly all of it runs, and the rest says why not.
func TestSigmaHQ(t *testing.T) {
	corpus := os.Getenv("YAGURA_CORPUS")
	if corpus == "" {
		t.Skip("YAGURA_CORPUS names no folder of real input")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	set, err := rule.Load(rule.LoadOptions{Paths: []string{filepath.Join(corpus, "sigma")}, Builtin: true, Taxonomy: tax(t)})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d files, %d rules, %d active, %d problems, in %v, %d MiB kept", set.Files, len(set.Rules), set.Active(), len(set.Problems), took,
		int64(after.HeapAlloc-before.HeapAlloc)>>20)
	if set.Active() < 3500 {
		t.Errorf("only %d of %d rules are active", set.Active(), len(set.Rules))
	}
	for _, r := range set.Rules {
		if !r.Active && len(r.Problems) == 0 {
			t.Errorf("%s is not active, and nothing says why", r.File)
		}
	}
	runtime.KeepAlive(set)
}
