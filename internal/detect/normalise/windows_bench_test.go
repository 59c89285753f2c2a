package normalise_test

import (
	"path/filepath"
	"testing"

	"yagura/internal/detect/intake"
	"yagura/internal/event"

	"github.com/valyala/fastjson"
)

// benchItems reads the first items of a recorded attack.
func benchItems(b *testing.B, pattern string, most int) (items []intake.Item, batch *intake.Batch, size int64) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(realLogs(b, "otrf"), pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		eachItem(b, path, func(of *intake.Batch, it *intake.Item) {
			if batch = of; len(items) < most && it.Error == "" {
				items, size = append(items, *it), size+int64(len(it.Data))
			}
		})
	}
	return items, batch, size
}

// BenchmarkFlatWindows reads recorded events; BenchmarkJSONOnly is what parsing the same JSON costs by itself.
func BenchmarkFlatWindows(b *testing.B) {
	items, batch, size := benchItems(b, "atomic__windows__lateral_movement__host__covenant_*.gz", 20_000)
	n := newNormaliser(b)
	var ev event.Event
	b.SetBytes(size / int64(len(items)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ev.Reset()
		if err := n.Normalise(batch, &items[i%len(items)], &ev); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkJSONOnly(b *testing.B) {
	items, _, size := benchItems(b, "atomic__windows__lateral_movement__host__covenant_*.gz", 20_000)
	var p fastjson.Parser
	b.SetBytes(size / int64(len(items)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := p.ParseBytes(items[i%len(items)].Data); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
