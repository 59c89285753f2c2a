package pipeline_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// discard is a store that costs nothing: what is left is the pipeline itself.
type discard struct{}

func (discard) NewRows() pipeline.Rows                                 { return discard{} }
func (discard) Append(pipeline.Rows) error                             { return nil }
func (discard) Flush()                                                 {}
func (discard) IDs(context.Context, string, func(id string)) error     { return nil }
func (discard) Add(*event.Event)                                       {}
func (discard) Reset()                                                 {}
func (discard) Record(context.Context, string, []pipeline.Match) error { return nil }
func (discard) Cursor(context.Context) (string, error)                 { return "", nil }

// BenchmarkPipeline measures from Accept to stored and recorded, in events of batches of 500 from four senders: spool, decoding
// and order alone with everything else a fake ("bare"), and over real Windows logs with every part the real
// one and all SigmaHQ rules. Beside it, on the same logs and cores: the stages alone, without a spool.
func BenchmarkPipeline(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		names := make([]string, 500)
		for i := range names {
			names[i] = strings.Repeat("login of tanaka from 192.0.2.7 ", 20)
		}
		batches := []*intake.Batch{batchOf(names...)}
		pump(b, batches, pipeline.Options{Store: discard{}, Recorder: discard{}, Normaliser: newNameNormaliser})
	})
	corpus := os.Getenv("YAGURA_CORPUS")
	if corpus == "" {
		b.Log("YAGURA_CORPUS is not set: nothing real is measured")
		return
	}
	batches, tax, matcher := realLogs(b, corpus), taxonomyOf(b), (*sigma.Matcher)(nil)
	matcher = sigmaHQ(b, corpus, tax)
	newNormaliser := func() pipeline.Normaliser { return normalise.New(tax) }
	withRules := func() *sigma.Matcher { return matcher }

	b.Run("real/stages alone", func(b *testing.B) { stages(b, batches, tax, matcher) })
	b.Run("real/rules and fake stores", func(b *testing.B) {
		pump(b, batches, pipeline.Options{Store: discard{}, Recorder: discard{}, Normaliser: newNormaliser, Matcher: withRules})
	})
	b.Run("real/stores without rules", func(b *testing.B) {
		store, _ := realStores(b)
		pump(b, batches, pipeline.Options{Store: store, Recorder: discard{}, Normaliser: newNormaliser})
	})
	b.Run("real/all", func(b *testing.B) {
		store, recorder := realStores(b)
		pump(b, batches, pipeline.Options{Store: store, Recorder: recorder, Normaliser: newNormaliser, Matcher: withRules})
	})
}

// pump sends b.N events through a pipeline.
func pump(b *testing.B, batches []*intake.Batch, opt pipeline.Options) {
	dir := b.TempDir()
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	opt.Spool, opt.CursorFile, opt.Log = s, filepath.Join(dir, "cursor"), slog.New(slog.DiscardHandler)
	p, err := pipeline.New(b.Context(), opt)
	if err != nil {
		b.Fatal(err)
	}
	p.Start()
	var sent, bytes atomic.Int64
	var turn atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				batch := batches[int(turn.Add(1))%len(batches)]
				if sent.Add(int64(len(batch.Items))) > int64(b.N)+int64(len(batch.Items)) {
					return
				}
				for i := range batch.Items {
					bytes.Add(int64(len(batch.Items[i].Data)))
				}
				if err := p.Accept(context.Background(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := p.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
	report(b, p.Status().Events, bytes.Load())
	b.ReportMetric(float64(p.Status().Matches), "matches")
	if err := p.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func report(b *testing.B, events, bytes int64) {
	seconds := b.Elapsed().Seconds()
	b.StopTimer()
	b.ReportMetric(float64(events)/seconds, "events/s")
	b.ReportMetric(float64(bytes)/seconds/1e6, "MB/s")
}

// stages normalises, matches and stores on every core, without spool, ids, order or alerts.
func stages(b *testing.B, batches []*intake.Batch, tax *taxonomy.Taxonomy, matcher *sigma.Matcher) {
	store, err := logstore.Open(b.TempDir(), logstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	var sent, bytes, turn atomic.Int64
	b.ResetTimer()
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		n, rows, scratch := normalise.New(tax), store.NewRows(), matcher.NewScratch()
		var ev event.Event
		for left := 0; pb.Next(); left-- {
			if left > 0 {
				continue // a batch counts as its items
			}
			batch := batches[int(turn.Add(1))%len(batches)]
			left = len(batch.Items)
			rows.Reset()
			for i := range batch.Items {
				ev.Reset()
				if err := n.Normalise(batch, &batch.Items[i], &ev); err != nil {
					continue
				}
				bytes.Add(int64(len(batch.Items[i].Data)))
				matcher.Match(&ev, scratch)
				rows.Add(&ev)
			}
			sent.Add(int64(left))
			if err := store.Append(rows); err != nil {
				b.Error(err)
			}
		}
	})
	report(b, sent.Load(), bytes.Load())
}

func realStores(b *testing.B) (pipeline.Store, pipeline.AlertRecorder) {
	b.Helper()
	s, err := openStores(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.close() })
	return pipeline.LogStore(s.store), s.alerts
}

// realLogs reads the first 60,000 events of the recorded attacks.
func realLogs(b *testing.B, corpus string) []*intake.Batch {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "otrf", "*.ndjson.gz"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no logs in %s: %v", corpus, err)
	}
	const most, each = 60_000, 500
	var batches []*intake.Batch
	read := func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(z)
		lines.Buffer(nil, 8<<20)
		batch := &intake.Batch{Input: "api", Source: "bench", Format: intake.JSON, Received: time.Now().UTC()}
		for lines.Scan() && len(batches) < most/each {
			batch.Items = append(batch.Items, intake.Item{Data: append([]byte(nil), lines.Bytes()...)})
			if len(batch.Items) == each {
				batches = append(batches, batch)
				next := *batch
				next.Items = nil
				batch = &next
			}
		}
		return lines.Err()
	}
	for _, path := range files {
		if err := read(path); err != nil {
			b.Fatal(err)
		}
	}
	return batches
}

func taxonomyOf(b *testing.B) *taxonomy.Taxonomy {
	b.Helper()
	tax, err := taxonomy.Load()
	if err != nil {
		b.Fatal(err)
	}
	return tax
}

func sigmaHQ(b *testing.B, corpus string, tax *taxonomy.Taxonomy) *sigma.Matcher {
	b.Helper()
	var rules []*sigma.Rule
	err := filepath.WalkDir(filepath.Join(corpus, "sigma"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yml" || strings.Contains(path, "unsupported") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := sigma.Parse(path, data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rules = append(rules, file.Rules()...)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	matcher, _ := sigma.Compile(rules, nil, sigma.Options{Taxonomy: tax})
	b.Logf("%d rules", len(matcher.Rules()))
	return matcher
}
