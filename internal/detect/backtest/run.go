// Package backtest tells what rules would have matched in events that are stored already: before a rule goes live, or after it was changed.
//
// What it promises:
//
//   - A run goes over the stored events of its time once, in windows of time, with the matcher, the taxonomy, the filters and the correlations
//     that live events go through. Memory is bounded by a window's blocks and the bounds of Result, not by how much is stored.
//   - What was found is kept after a few seconds' work. A run that is interrupted goes on behind the last window that was kept; one with correlations
//     begins again, because what they had seen is not kept.
//   - It gives way: after each window it rests for half as long as the window took, and it is one goroutine of matching at any time.
//   - Nothing is recorded but the run itself: no alert comes of it.
//
// Stored events are text. Three things of the original are not kept, and rules that ask for them can tell a live event from a stored one: a
// field that is there without a value, a field that is null, and the rest of a value so long that the store split it.
package backtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
	"yagura/sigma"
)

// Events are the stored events; logstore.Store has them.
type Events interface {
	Query(ctx context.Context, q logstore.Query, yield func(*event.Event) error) error
}

// Plan is what a run is about.
type Plan struct {
	Rules    []*sigma.Rule // correlations among them
	Filters  []*sigma.Filter
	Options  sigma.Options
	Only     string    // the key of the one rule that is asked about, where others are there for its sake; "" is all
	From, To time.Time // From is included, To is not
	// Rest has the run give way to others; false: as fast as it can.
	Rest bool
}

// The length of windows is such that each has about this many events.
const (
	eventsWanted = 50_000
	firstWindow  = 10 * time.Minute
	maxWindow    = time.Hour
	minWindow    = time.Second
	maxRest      = 2 * time.Second
)

// partOf is the field of rows that continue an event.
const partOf = "yagura.part.of"

// run is a Plan on its way.
type run struct {
	plan       Plan
	matcher    *sigma.Matcher
	scratch    *sigma.Scratch
	correlated *sigma.Correlations
	correlator *sigma.Correlator
	result     *Result
}

// Run goes over the events. before is what an earlier run of the plan came to; nil is nothing. keep is called with what was found so far after each window,
// and ends the run by its error. The Result is as far as the run came, also where there is an error.
func Run(ctx context.Context, events Events, plan Plan, before *Result, keep func(*Result) error) (*Result, error) {
	r, err := newRun(plan, before)
	if err != nil {
		return nil, err
	}
	length := firstWindow
	for r.result.Through.Before(plan.To) {
		began, from := time.Now(), r.result.Through
		to := from.Add(length)
		if to.After(plan.To) {
			to = plan.To
		}
		seen := r.result.Events
		if err := r.window(ctx, events, from, to); err != nil {
			return r.result, err
		}
		r.result.Through = to
		if err := keep(r.result); err != nil {
			return r.result, err
		}
		length = next(length, r.result.Events-seen)
		if plan.Rest {
			if err := pause(ctx, min(time.Since(began)/2, maxRest)); err != nil {
				return r.result, err
			}
		}
	}
	if r.correlator != nil {
		r.fired(r.correlator.Close(), nil)
	}
	return r.result, keep(r.result)
}

func newRun(plan Plan, before *Result) (*run, error) {
	if !plan.From.Before(plan.To) {
		return nil, fault.New(fault.Invalid, "backtest.fault.time", "the time from %s to %s is none", plan.From, plan.To)
	}
	r := &run{plan: plan, scratch: new(sigma.Scratch)}
	var problems, more []sigma.Problem
	r.matcher, problems = sigma.Compile(plan.Rules, plan.Filters, plan.Options)
	if slices.ContainsFunc(plan.Rules, func(rule *sigma.Rule) bool { return rule.Correlation != nil }) {
		r.correlated, more = sigma.CompileCorrelations(plan.Rules, plan.Options)
		r.correlator = sigma.NewCorrelator(r.correlated, sigma.CorrelatorOptions{Lateness: maxWindow + 10*time.Minute})
		before = nil // what the correlations had seen is gone
	}
	if before != nil && before.From.Equal(plan.From) && before.To.Equal(plan.To) {
		r.result = before
		return r, nil
	}
	r.result = &Result{From: plan.From, To: plan.To, Through: plan.From, Rules: make(map[string]*RuleResult), Asked: len(plan.Rules)}
	for _, p := range slices.Concat(problems, more) {
		if !p.Loaded() && p.Kind != sigma.ProblemCorrelation {
			r.result.problem(p)
		}
	}
	return r, nil
}

// next is how long the window after one with so many events is.
func next(length time.Duration, events int64) time.Duration {
	switch {
	case events > 2*eventsWanted:
		return max(length/2, minWindow)
	case events < eventsWanted/2:
		return min(2*length, maxWindow)
	}
	return length
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// window goes over the events from a time to just before another.
func (r *run) window(ctx context.Context, events Events, from, to time.Time) error {
	err := events.Query(ctx, logstore.Query{LogsQL: "*", Start: from, End: to.Add(-time.Nanosecond)}, func(ev *event.Event) error {
		if ev.Has(partOf) {
			return nil
		}
		r.result.Events++
		for _, rule := range r.matcher.Match(ev, r.scratch) {
			r.matched(rule, ev)
		}
		return ctx.Err()
	})
	if err == nil && r.correlator != nil {
		r.fired(r.correlator.Advance(to), nil)
	}
	return err
}

func (r *run) matched(rule *sigma.Rule, ev *event.Event) {
	if r.correlator == nil {
		r.add(rule, ev)
		return
	}
	if r.correlated.Alerts(rule) {
		r.add(rule, ev)
	}
	if r.correlated.Wants(rule) {
		r.fired(r.correlator.Add(rule, ev.Clone(), ev.Time, strings.Clone(ev.ID)), ev)
	}
}

func (r *run) fired(firings []*sigma.Firing, completing *event.Event) {
	for _, f := range firings {
		if r.correlated.Alerts(f.Rule) {
			r.add(f.Rule, match.OfFiring(f, r.correlated, completing).Event)
		}
	}
}

func (r *run) add(rule *sigma.Rule, ev *event.Event) {
	if key := alert.RuleKey(rule); r.plan.Only == "" || r.plan.Only == key {
		r.result.add(key, rule, ev)
	}
}
