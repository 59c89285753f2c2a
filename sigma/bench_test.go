package sigma_test

import (
	"encoding/json"
	"runtime"
	"sync/atomic"
	"testing"

	"yagura/sigma"
)

// The benchmarks measure all rules on recorded Windows events in memory; YAGURA_CORPUS says where both are. With -cpu 1,2 they
// run on one core and on two. us-cpu/event is the processor time of the whole process, which other work on the machine disturbs less
// than events/s.

func benchmarkRules(b *testing.B) ([]*sigma.Rule, []*sigma.Filter, sigma.Options) {
	b.Helper()
	rules, filters, _ := corpusRules(b, ruleFolders...)
	return rules, filters, sigma.Options{Taxonomy: windowsTaxonomy{}}
}

// eachEvent runs a worker's function for the events, on every core.
func eachEvent(b *testing.B, events int, worker func() (one func(event int))) {
	b.Helper()
	b.ReportAllocs()
	var workers atomic.Int64
	b.ResetTimer()
	before := processorTime()
	b.RunParallel(func(pb *testing.PB) {
		one, i := worker(), int(workers.Add(1)-1)*events/runtime.GOMAXPROCS(0)
		for pb.Next() {
			if i++; i >= events {
				i = 0
			}
			one(i)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(1e6*(processorTime()-before).Seconds()/float64(b.N), "us-cpu/event")
}

// BenchmarkMatch matches events.
func BenchmarkMatch(b *testing.B) {
	m, _ := sigma.Compile(benchmarkRules(b))
	events := corpusEvents(b, 400)
	eachEvent(b, len(events), func() func(int) {
		s := m.NewScratch()
		return func(i int) { m.Match(events[i], s) }
	})
}

// BenchmarkMatchBytes reads events from JSON and matches them.
func BenchmarkMatchBytes(b *testing.B) {
	m, _ := sigma.Compile(benchmarkRules(b))
	lines := corpusLines(b, 400)
	eachEvent(b, len(lines), func() func(int) {
		s, ev := m.NewScratch(), new(sigma.JSON)
		return func(i int) {
			if err := ev.Parse(lines[i]); err != nil {
				b.Error(err)
			}
			m.Match(ev, s)
		}
	})
}

// BenchmarkJSON only reads them.
func BenchmarkJSON(b *testing.B) {
	lines := corpusLines(b, 400)
	eachEvent(b, len(lines), func() func(int) {
		ev := new(sigma.JSON)
		return func(i int) {
			if err := ev.Parse(lines[i]); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkJSONNaive reads them with the standard library.
func BenchmarkJSONNaive(b *testing.B) {
	lines := corpusLines(b, 400)
	eachEvent(b, len(lines), func() func(int) {
		return func(i int) {
			var object map[string]any
			if err := json.Unmarshal(lines[i], &object); err != nil {
				b.Error(err)
			}
			flatten(nil, "", object)
		}
	})
}

// BenchmarkMatchNaive is the baseline: each rule of the log source, one after the other.
func BenchmarkMatchNaive(b *testing.B) {
	oracle := sigma.NewOracle(benchmarkRules(b))
	events := corpusEvents(b, 20)
	eachEvent(b, len(events), func() func(int) {
		return func(i int) { oracle.Match(events[i]) }
	})
}

// BenchmarkCompile measures the time to compile all rules, and the memory that rules and Matcher keep.
func BenchmarkCompile(b *testing.B) {
	heap := func() float64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return float64(stats.HeapAlloc) / (1 << 20)
	}
	before := heap()
	rules, filters, opts := benchmarkRules(b)
	parsed := heap()
	var m *sigma.Matcher
	for b.Loop() {
		m, _ = sigma.Compile(rules, filters, opts)
	}
	b.ReportMetric(parsed-before, "MB-rules")
	b.ReportMetric(heap()-parsed, "MB-matcher")
	runtime.KeepAlive(rules)
	runtime.KeepAlive(m)
}
