// Package scan matches Sigma rules against log files without a server: the engine of `yagura detect`.
//
// Files are read one after another and matched on every core; matches come out in the order of the files
// and of the events in them, whatever the number of workers. Memory is bounded by the workers, not by
// the files, and by what the correlations may keep. A correlation goes by the events' times, whatever the order of the files; what it
// finds comes out behind the event that completes it, or at the end. A file that cannot be opened, a damaged chunk or a line that cannot be read is counted and named in
// the Summary, and the scan goes on.
package scan

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/load"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/sigma"
)

// Options says what to match and how.
type Options struct {
	Matcher *sigma.Matcher
	// Correlations take the matches of the rules that they refer to; nil: there are none.
	Correlations *sigma.Correlations
	Taxonomy     *taxonomy.Taxonomy
	Workers      int // 0: one a core
	// Progress, if set, is told now and then how far the scan is, from one goroutine.
	Progress func(load.Progress)
}

// Match is one rule that holds for one event. The event is valid only inside the Visit that is given it.
type Match struct {
	Rule   *sigma.Rule
	File   string
	Record uint64 // the line, or the EVTX record id
	Group  string // of a correlation, what its matches have in common
	Event  *event.Event
}

// Visitor turns matches into output. Visit is called on the workers, concurrently, and appends to dst what is to
// be written; Emit is called with the results one at a time in the order of the input.
type Visitor interface {
	Visit(dst []byte, m Match) []byte
	Emit(chunk []byte) error
}

// Summary is what a scan came to.
type Summary struct {
	Files     int
	Events    int64
	Malformed int64 // events that could not be decoded
	Matches   int64
	ByLevel   map[sigma.Level]int64
	ByTactic  map[string]int64
	Problems  []load.Problem // as load.Cut leaves them
	Elapsed   time.Duration
}

// chunk is a batch on its way to a worker and back.
type chunk struct {
	lent    *load.Lent
	out     []byte
	found   []found
	tally   tally
	matched chan struct{} // closed by the worker
}

// tally is what one chunk adds to the summary.
type tally struct {
	events, malformed, matches int64
	levels                     map[sigma.Level]int64
	tactics                    map[string]int64
	problems                   []load.Problem
}

// Files scans the files, and the folders among paths with all below them.
func Files(ctx context.Context, paths []string, opt Options, v Visitor) (*Summary, error) {
	started := time.Now()
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Correlations == nil {
		opt.Correlations, _ = sigma.CompileCorrelations(nil, sigma.Options{})
	}
	together := newTogether(opt.Correlations, v)
	s := &Summary{ByLevel: make(map[sigma.Level]int64), ByTactic: make(map[string]int64)}
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan *chunk, opt.Workers)
	ordered := make(chan *chunk, 4*opt.Workers)
	pool := &sync.Pool{New: func() any { return new(chunk) }}

	for range opt.Workers {
		group.Go(func() error {
			w := worker{normaliser: normalise.New(opt.Taxonomy), scratch: opt.Matcher.NewScratch(), matcher: opt.Matcher, correlations: opt.Correlations, visitor: v}
			for c := range work {
				w.match(c)
				c.lent.Release() // what is left of it is in out
				close(c.matched)
			}
			return nil
		})
	}
	var read *load.Result
	group.Go(func() (err error) {
		defer close(ordered)
		defer close(work)
		read, err = load.Lend(ctx, paths, load.Options{Input: "detect", Progress: opt.Progress}, func(ctx context.Context, l *load.Lent) error {
			c := pool.Get().(*chunk)
			c.lent, c.out, c.found, c.tally, c.matched = l, c.out[:0], nil, tally{}, make(chan struct{})
			for _, to := range []chan<- *chunk{work, ordered} {
				select {
				case to <- c:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		return err
	})
	group.Go(func() error {
		for c := range ordered {
			<-c.matched
			c.out = together.add(c.out, c.found, &c.tally)
			if err := v.Emit(c.out); err != nil {
				return err
			}
			s.add(&c.tally)
			pool.Put(c)
		}
		var last tally
		out := together.close(nil, &last)
		s.add(&last)
		return v.Emit(out)
	})
	err := group.Wait()
	if read != nil {
		s.Files = read.Files
		s.Problems = load.Cut(append(s.Problems, read.Problems...))
	}
	s.Elapsed = time.Since(started)
	return s, err
}

func (s *Summary) add(t *tally) {
	s.Events += t.events
	s.Malformed += t.malformed
	s.Matches += t.matches
	for level, n := range t.levels {
		s.ByLevel[level] += n
	}
	for tactic, n := range t.tactics {
		s.ByTactic[tactic] += n
	}
	s.Problems = load.Cut(append(s.Problems, t.problems...))
}

// worker matches chunks; its engines are its own.
type worker struct {
	normaliser   *normalise.Normaliser
	matcher      *sigma.Matcher
	correlations *sigma.Correlations
	scratch      *sigma.Scratch
	visitor      Visitor
	event        event.Event
}

func (w *worker) match(c *chunk) {
	t, batch := &c.tally, &c.lent.Batch
	for i := range batch.Items {
		it := &batch.Items[i]
		t.events++
		w.event.Reset()
		if err := w.normalise(batch, it); err != nil {
			t.malformed++
			if len(t.problems) < load.MaxProblems {
				t.problems = append(t.problems, load.Problem{File: batch.File, Place: fmt.Sprintf("record %d", it.Record), Reason: err.Error()})
			}
			continue
		}
		for _, rule := range w.matcher.Match(&w.event, w.scratch) {
			if w.correlations.Alerts(rule) {
				t.count(rule)
				c.out = w.visitor.Visit(c.out, Match{Rule: rule, File: batch.File, Record: it.Record, Event: &w.event})
			}
			if w.correlations.Wants(rule) && !w.event.Time.IsZero() {
				c.found = append(c.found, found{rule, batch.File, it.Record, w.event.Clone()})
			}
		}
	}
}

// normalise keeps one hostile event from ending the scan of all the others.
func (w *worker) normalise(b *intake.Batch, it *intake.Item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder failed: %v", p)
		}
	}()
	return w.normaliser.Normalise(b, it, &w.event)
}

func (t *tally) count(rule *sigma.Rule) {
	if t.levels == nil {
		t.levels, t.tactics = make(map[sigma.Level]int64), make(map[string]int64)
	}
	t.matches++
	t.levels[rule.Level]++
	for _, tactic := range rule.Tactics() {
		t.tactics[tactic]++
	}
}
