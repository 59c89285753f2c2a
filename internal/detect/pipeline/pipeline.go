// Package pipeline takes batches from inputs and turns them into stored events and alerts: spool, normalise,
// match, store, record.
//
// What it promises:
//
//   - Accept returns nil only after the batch is synced to the spool (intake.Sink).
//   - Every item that was accepted is stored exactly once, through a crash at any moment: a restart replays what may
//     not have been durable yet, and leaves out the events whose id the store already has.
//   - Each match of it is recorded exactly once, in the order of acceptance: the recorder keeps its position in the same
//     transaction as the matches, and a replay records nothing before that position.
//   - Each correlation fires exactly once for what it found (correlate.go), while its rules stay as they are. Its state is not older than
//     what the spool still has.
//   - An item that cannot be read, or that makes a parser panic, is stored as it came with event.kind pipeline_error.
//   - When the store or the recorder fails, everything waits in the spool and is tried again; Status says so, and
//     Accept answers fault.Busy once the spool is full.
//
// The store does not say when its rows are durable. So the pipeline keeps the spool for a horizon beyond the moment
// when it handed them over; only a store that takes longer than that to write its memory to disk, and loses
// power just then, loses events.
//
// One goroutine reads the spool, one for each CPU normalises, matches and stores, and one finishes what they did, in the
// order of the spool: it records matches, feeds the live tail and the observer, and moves the position from which a
// restart begins.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// Options are what the pipeline works with. Spool, Store, Normaliser and CursorFile are needed.
type Options struct {
	Spool *spool.Spool
	Store Store
	// Normaliser makes one; each worker has its own, and takes a new one after a panic.
	Normaliser func() Normaliser
	// CursorFile is where the position from which a restart replays is kept.
	CursorFile string

	Matcher func() *sigma.Matcher // asked for every batch; nil, or returning nil: no rules
	// Correlations are asked for before matches are recorded; nil, or returning nil: none. Their state is read by Start, for the
	// correlations of that moment. CorrelationFile is where it is kept, beside CursorFile where that is empty.
	Correlations    func() *sigma.Correlations
	CorrelationFile string
	Correlator      sigma.CorrelatorOptions
	Recorder        AlertRecorder // nil: matches are counted only
	Observer        Observer      // nil: nobody
	Log             *slog.Logger  // nil: slog.Default()

	// Horizon is how long after Append the store's rows may not be durable yet; default 30 s. (A killed logstore that
	// flushes every 5 s can lose its last 10 to 12 s.)
	Horizon time.Duration
	Workers int   // default GOMAXPROCS
	Memory  int64 // bytes of raw batches being worked on at once, at most; default 32 MiB
}

// Pipeline is an intake.Sink. Make one with New, and Start it.
type Pipeline struct {
	opt    Options
	spool  *spool.Spool
	id     string // the spool's
	log    *slog.Logger
	hub    Hub
	state  state
	stacks panicLog

	buffers sync.Pool // *[]byte: encoded records, of Accept and of the reader
	memory  *semaphore.Weighted
	jobs    chan *job // to the workers
	ordered chan *job // the same jobs, to the committer, in order

	// What a restart has to know; set by New.
	start      spool.Position // where reading begins
	fence      spool.Position // records before it may already be in the store
	counted    spool.Position // matches of records before it are recorded
	correlated spool.Position // records before it are in the correlations' state
	horizon    horizon

	correlations *correlations

	reading     context.Context // ends when Stop is called
	stopReading context.CancelFunc
	abort       context.CancelFunc
	done        chan struct{} // closed when every goroutine has returned
	committed   progress
}

// New prepares a pipeline and finds where the last one ended.
func New(ctx context.Context, opt Options) (*Pipeline, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Horizon <= 0 {
		opt.Horizon = 30 * time.Second
	}
	if opt.Workers <= 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	if opt.Memory <= 0 {
		opt.Memory = 32 << 20
	}
	if opt.Matcher == nil {
		opt.Matcher = func() *sigma.Matcher { return nil }
	}
	if opt.CorrelationFile == "" {
		opt.CorrelationFile = opt.CursorFile + ".correlations"
	}
	p := &Pipeline{
		opt: opt, spool: opt.Spool, id: opt.Spool.ID(), log: opt.Log.With("component", "pipeline"),
		memory:  semaphore.NewWeighted(opt.Memory),
		jobs:    make(chan *job, opt.Workers),
		ordered: make(chan *job, 16*opt.Workers),
		done:    make(chan struct{}),
	}
	if err := p.recall(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// recall learns from the two cursors what is left to do.
func (p *Pipeline) recall(ctx context.Context) error {
	stored, err := readCursor(p.opt.CursorFile)
	if err != nil {
		// Beginning from the first segment costs time and loses nothing.
		p.log.Warn("the cursor cannot be read; replaying the whole spool", "error", err)
	}
	p.start, _ = stored.in(p.id)
	if p.opt.Recorder != nil {
		text, err := p.opt.Recorder.Cursor(ctx)
		if err != nil {
			return fmt.Errorf("pipeline: the recorder's position: %w", err)
		}
		recorded, err := parseCursor(text)
		if err != nil && text != "" {
			return fmt.Errorf("pipeline: the recorder's position: %w", err)
		}
		p.counted, _ = recorded.in(p.id)
	}
	p.fence = p.spool.End()
	p.committed.set(p.start)
	if rest := p.spool.Reader(p.start); !rest.Ready() {
		p.committed.set(p.fence)
	}
	p.horizon = horizon{wait: p.opt.Horizon, file: p.opt.CursorFile, spool: p.spool, saved: p.start}
	if torn := p.spool.Recovered(); torn.Bytes > 0 {
		p.log.Info("a write that was never acknowledged was cut off", "at", torn.At, "bytes", torn.Bytes)
	}
	return nil
}

// Start begins to work off the spool.
func (p *Pipeline) Start() {
	p.startCorrelations()
	workers := make([]*worker, p.opt.Workers)
	for i := range workers {
		workers[i] = p.newWorker()
	}
	hard, abort := context.WithCancel(context.Background())
	soft, stop := context.WithCancel(hard)
	p.reading, p.abort, p.stopReading = soft, abort, stop

	var wg sync.WaitGroup
	wg.Go(func() { p.read(soft) })
	for _, w := range workers {
		wg.Go(func() { w.run(hard) })
	}
	wg.Go(func() { p.commit(hard) })
	go func() {
		wg.Wait()
		close(p.done)
	}()
}

// Stop ends the work: what is being worked on is finished, unless ctx ends first or the store refuses it, and the rest stays
// in the spool for the next start. Stop the inputs first; Accept still answers, from the spool.
func (p *Pipeline) Stop(ctx context.Context) error {
	if p.stopReading == nil {
		return nil // never started
	}
	p.stopReading()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.abort()
	<-p.done
	return p.horizon.save()
}

// Settle is called after Stop and after the store was closed, and so made everything durable: nothing that was
// stored needs to be replayed.
func (p *Pipeline) Settle() error { return p.horizon.settle(p.committed.position()) }

// Drain waits until everything accepted so far is stored, visible to queries, and its matches are recorded.
func (p *Pipeline) Drain(ctx context.Context) error {
	if err := p.committed.wait(ctx, p.spool.End(), p.done); err != nil {
		return fmt.Errorf("pipeline: waiting for the spool to be worked off: %w", err)
	}
	p.opt.Store.Flush()
	return nil
}

// Tail is where stored events can be watched as they come.
func (p *Pipeline) Tail() *Hub { return &p.hub }

// errStopped is what Drain gets from a pipeline that stops.
var errStopped = errors.New("the pipeline has stopped")

// progress is a position that others can wait for.
type progress struct {
	mu  sync.Mutex
	at  spool.Position
	ask []waiter
}

type waiter struct {
	at      spool.Position
	reached chan struct{}
}

func (g *progress) position() spool.Position {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.at
}

func (g *progress) set(at spool.Position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = at
	kept := g.ask[:0]
	for _, w := range g.ask {
		if at.Before(w.at) {
			kept = append(kept, w)
		} else {
			close(w.reached)
		}
	}
	g.ask = kept
}

func (g *progress) wait(ctx context.Context, at spool.Position, stopped <-chan struct{}) error {
	g.mu.Lock()
	if !g.at.Before(at) {
		g.mu.Unlock()
		return nil
	}
	w := waiter{at, make(chan struct{})}
	g.ask = append(g.ask, w)
	g.mu.Unlock()
	select {
	case <-w.reached:
		return nil
	case <-stopped:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// state is what Status shows.
type state struct {
	events, failed, matches, panics, replayed, damaged atomic.Int64

	mu           sync.Mutex
	store        trouble
	record       trouble
	reading      trouble
	damage       string
	correlations sigma.CorrelatorStats
}
