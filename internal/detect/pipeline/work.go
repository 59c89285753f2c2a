package pipeline

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/event"
	"yagura/sigma"
)

// worker makes events of items, matches and stores them.
type worker struct {
	p          *Pipeline
	normaliser Normaliser
	scratch    *sigma.Scratch
	rows       Rows
	batch      intake.Batch
	event      event.Event
	id         []byte
	added      int // rows
}

func (p *Pipeline) newWorker() *worker {
	return &worker{p: p, normaliser: p.opt.Normaliser(), scratch: new(sigma.Scratch), rows: p.opt.Store.NewRows()}
}

func (w *worker) run(ctx context.Context) {
	for j := range w.p.jobs {
		w.work(j)
		j.ok = w.store() == nil
		close(j.done)
	}
}

func (w *worker) work(j *job) {
	w.rows.Reset()
	w.added = 0
	matcher := w.p.opt.Matcher()
	correlated := w.p.correlations.rules()
	tail := w.p.hub.watched()
	for _, r := range j.records {
		decode(*r.payload, &w.batch)
		record := work{
			job: j, record: r, prefix: recordPrefix(w.p.id, r.at), ingested: w.batch.Received.Format(time.RFC3339Nano), tail: tail,
			step: step{at: r.at, recorded: r.at.Before(w.p.counted)},
		}
		if !record.step.recorded {
			record.matcher = matcher
		} else if !r.at.Before(w.p.correlated) && len(correlated.Rules()) > 0 {
			record.matcher, record.correlated = matcher, correlated
		}
		for i := range w.batch.Items {
			w.item(&record, i)
		}
		j.steps = append(j.steps, record.step)
	}
	for _, r := range j.records {
		w.p.buffers.Put(r.payload)
	}
	j.records = nil
}

// work is what the items of one record have in common.
type work struct {
	job      *job
	record   record
	prefix   string
	ingested string
	matcher  *sigma.Matcher // nil: nothing to match
	// correlated is set where matches are recorded already: then only those that it wants count.
	correlated *sigma.Correlations
	tail       bool // somebody watches
	step       step
}

func (w *worker) item(r *work, i int) {
	it := &w.batch.Items[i]
	stored := r.job.known.has(r.record.at, i)
	if stored {
		w.p.state.replayed.Add(1)
		if r.matcher == nil {
			return
		}
	}
	failure := w.normalise(it)
	w.id = strconv.AppendInt(append(w.id[:0], r.prefix...), int64(i), 16)
	w.event.ID = w.event.Keep(w.id)
	w.event.Set(event.EventIngested, r.ingested)

	kept := w.matched(r)
	if stored {
		return
	}
	w.rows.Add(&w.event)
	w.added++
	if r.tail {
		if kept == nil {
			kept = w.event.Clone()
		}
		r.job.tail = append(r.job.tail, kept)
	}
	r.job.observe(&w.batch, it, w.event.Time, failure)
}

// matched notes the rules that match w.event and when it happened. It returns the copy that the matches have, nil without any.
func (w *worker) matched(r *work) (kept *event.Event) {
	if r.matcher == nil {
		return nil
	}
	at := w.event.Time
	if latest := w.batch.Received.Add(skew); at.IsZero() || at.After(latest) {
		at = w.batch.Received
	}
	if at.After(r.step.newest) {
		r.step.newest = at
	}
	for _, rule := range w.match(r.matcher) {
		if r.correlated != nil && !r.correlated.Wants(rule) {
			continue
		}
		if kept == nil {
			kept = w.event.Clone()
		}
		r.step.matches = append(r.step.matches, found{Match: Match{Rule: rule, Event: kept}, at: at})
		if !r.step.recorded {
			r.job.matches++
		}
	}
	return kept
}

// normalise fills w.event, with a pipeline error where the item cannot be read.
func (w *worker) normalise(it *intake.Item) error {
	w.event.Reset()
	err := w.tryNormalise(it)
	if err != nil {
		w.event.Reset()
		normalise.Failed(&w.batch, it, err, &w.event)
	}
	return err
}

// tryNormalise keeps a parser's bug from taking everything else down.
func (w *worker) tryNormalise(it *intake.Item) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			w.p.panicked("normalise", cause)
			err = fmt.Errorf("the parser failed: %v", cause)
			w.normaliser = w.p.opt.Normaliser() // the old one may be in any state
		}
	}()
	return w.normaliser.Normalise(&w.batch, it, &w.event)
}

func (w *worker) match(m *sigma.Matcher) (rules []*sigma.Rule) {
	defer func() {
		if cause := recover(); cause != nil {
			w.p.panicked("match", cause)
			rules, w.scratch = nil, new(sigma.Scratch)
		}
	}()
	return m.Match(&w.event, w.scratch)
}

// store hands the rows over, and tries again until it succeeds or the pipeline stops.
func (w *worker) store() error {
	if w.added == 0 {
		return nil
	}
	p := w.p
	for wait := (backoff{}); ; {
		err := p.opt.Store.Append(w.rows)
		p.state.trouble(&p.state.store, err)
		if err == nil {
			return nil
		}
		wait.log(p.log, "the store refuses events; they wait in the spool", err)
		if err := wait.sleep(p.reading); err != nil {
			return err
		}
	}
}

func (j *job) observe(b *intake.Batch, it *intake.Item, at time.Time, failure error) {
	var o *observation
	for i := range j.observations {
		if x := &j.observations[i]; x.Source == b.Source && x.Input == b.Input {
			o = x
			break
		}
	}
	if o == nil {
		j.observations = append(j.observations, observation{Observation: Observation{Source: b.Source, Input: b.Input}})
		o = &j.observations[len(j.observations)-1]
	}
	o.Events++
	o.Bytes += int64(len(it.Data))
	o.received = b.Received
	if at.After(o.Newest) {
		o.Newest = at
	}
	if failure != nil {
		o.Errors++
		o.LastError = failure.Error()
	}
}

// panicLog lets a bug that every event meets fill the log with one stack a second at most.
type panicLog struct {
	mu   sync.Mutex
	last time.Time
}

func (p *Pipeline) panicked(step string, cause any) {
	p.state.panics.Add(1)
	p.stacks.mu.Lock()
	defer p.stacks.mu.Unlock()
	if now := time.Now(); now.Sub(p.stacks.last) >= time.Second {
		p.stacks.last = now
		p.log.Error("an event made the program fail; it is kept", "step", step, "cause", cause, "stack", string(debug.Stack()))
	}
}
