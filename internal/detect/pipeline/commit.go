package pipeline

import (
	"context"
	"time"
)

// One transaction of the recorder takes the matches of at most this many jobs and matches.
const (
	groupJobs    = 64
	groupMatches = 2048
)

// commit finishes jobs in the order of the spool.
func (p *Pipeline) commit(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var next *job // taken from the queue and not done when it was
	for {
		first := next
		next = nil
		for first == nil {
			select {
			case j, open := <-p.ordered:
				if !open {
					return
				}
				first = j
			case <-tick.C:
				p.horizonPassed()
			}
		}
		<-first.done
		group := []*job{first}
		group, next = p.finished(group)
		if !p.finish(ctx, group) {
			return
		}
		p.horizonPassed()
	}
}

// finished adds the jobs behind the first that are done by now: while a transaction ran, several may be, and
// they share the next one.
func (p *Pipeline) finished(group []*job) (done []*job, next *job) {
	matches := group[0].matches
	for len(group) < groupJobs && matches < groupMatches {
		var j *job
		select {
		case j = <-p.ordered:
		default:
		}
		if j == nil {
			break
		}
		select {
		case <-j.done:
		default:
			return group, j
		}
		group = append(group, j)
		matches += j.matches
	}
	return group, nil
}

// finish records, publishes and counts a group. False: it was told to stop, and the group is done again after
// the next start.
func (p *Pipeline) finish(ctx context.Context, group []*job) bool {
	var steps []step
	matched := 0
	for _, j := range group {
		if !j.ok {
			return false
		}
		steps = append(steps, j.steps...)
		matched += j.matches
	}
	end := group[len(group)-1].end
	matches := p.correlations.feed(steps, end)
	if p.record(ctx, cursor{p.id, end}, matches) != nil {
		p.correlations.ahead = true
		return false
	}
	p.state.matches.Add(int64(matched))
	p.state.correlated(p.correlations.keeper.Stats())
	now := time.Now()
	var observations []Observation
	for _, j := range group {
		p.hub.publish(j.tail)
		for _, o := range j.observations {
			o.Lag = now.Sub(o.received)
			observations = append(observations, o.Observation)
			p.state.events.Add(int64(o.Events))
			p.state.failed.Add(int64(o.Errors))
		}
		p.memory.Release(j.bytes)
	}
	if p.opt.Observer != nil && len(observations) > 0 {
		p.opt.Observer.Processed(observations)
	}
	p.horizon.stored(end, now)
	p.committed.set(end)
	return true
}

// record hands matches to the recorder, and tries again until it succeeds or the pipeline stops. Without matches there is nothing
// that could be counted twice, and the position need not move.
func (p *Pipeline) record(ctx context.Context, upTo cursor, matches []Match) error {
	if len(matches) == 0 || p.opt.Recorder == nil {
		return nil
	}
	for wait := (backoff{}); ; {
		err := p.opt.Recorder.Record(ctx, upTo.String(), matches)
		if ctx.Err() != nil && err != nil {
			return err
		}
		p.state.trouble(&p.state.record, err)
		if err == nil {
			return nil
		}
		wait.log(p.log, "alerts cannot be recorded; the pipeline waits", err)
		if err := wait.sleep(p.reading); err != nil {
			return err
		}
	}
}

// horizonPassed moves the cursor and frees what lies before it.
func (p *Pipeline) horizonPassed() {
	if p.correlations.swapped { // a replay by other rules than those of the time would come to other firings
		if _, err := p.correlations.keep(); err != nil {
			p.log.Error("the correlations' state cannot be kept", "error", err)
		}
	}
	if err := p.horizon.advance(time.Now()); err != nil {
		p.log.Error("the spool cannot be freed", "error", err)
	}
}
