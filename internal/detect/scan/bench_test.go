package scan_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"yagura/internal/detect/rule"
	"yagura/internal/detect/scan"
	"yagura/internal/detect/taxonomy"
)

// BenchmarkScan reads and matches the whole recorded corpus, all rules on all events, from compressed files to JSON
// lines: what `yagura detect` does. GOMAXPROCS (-cpu) says on how many cores.
func BenchmarkScan(b *testing.B) {
	corpus := os.Getenv("YAGURA_CORPUS")
	if corpus == "" {
		b.Skip("YAGURA_CORPUS is not set")
	}
	tax, err := taxonomy.Load()
	if err != nil {
		b.Fatal(err)
	}
	folders, err := filepath.Glob(filepath.Join(corpus, "sigma", "rules*"))
	if err != nil || len(folders) == 0 {
		b.Fatal("there are no rules", err)
	}
	set, err := rule.Load(rule.LoadOptions{Paths: folders, Taxonomy: tax})
	if err != nil {
		b.Fatal(err)
	}
	var events int64
	b.ReportAllocs()
	for b.Loop() {
		summary, err := scan.Files(b.Context(), []string{filepath.Join(corpus, "otrf")}, scan.Options{Matcher: set.Matcher, Taxonomy: tax}, scan.JSONLines{W: io.Discard})
		if err != nil {
			b.Fatal(err)
		}
		events += summary.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(set.Active()), "rules")
}
