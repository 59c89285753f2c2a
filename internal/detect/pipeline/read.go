package pipeline

import (
	"context"
	"errors"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
	"yagura/internal/platform/spool"
)

// A job takes records until it has one of these: enough to make a small request cheap, little enough to keep every worker
// busy.
const (
	jobBytes   = 512 << 10
	jobRecords = 1024
)

// job is a run of the spool's records, all of one segment.
type job struct {
	records []record
	end     spool.Position // behind the last record
	bytes   int64          // taken from Pipeline.memory
	known   *known         // ids that the store may already have; nil: none

	done chan struct{} // closed by the worker; what follows is the committer's from then on
	// ok is false where the worker was told to stop before everything was stored.
	ok           bool
	steps        []step // by record
	matches      int
	tail         []*event.Event
	observations []observation
}

type record struct {
	at      spool.Position
	payload *[]byte
}

// observation is an Observation in the making.
type observation struct {
	Observation
	received time.Time
}

func (p *Pipeline) read(ctx context.Context) {
	defer close(p.jobs)
	defer close(p.ordered)
	r := p.spool.Reader(p.start)
	defer r.Close()
	replay := replay{p: p}
	var wait backoff
	for {
		j, err := p.gather(ctx, r)
		if ctx.Err() != nil {
			return
		}
		p.state.trouble(&p.state.reading, err)
		if err != nil {
			if errors.Is(err, spool.ErrClosed) || wait.sleep(ctx) != nil {
				return
			}
			continue
		}
		wait = backoff{}
		if !p.dispatch(ctx, j, &replay) {
			return
		}
	}
}

// dispatch gives a job to the committer and to a worker. False: ctx has ended, and the job is read again after the next
// start.
func (p *Pipeline) dispatch(ctx context.Context, j *job, r *replay) bool {
	if len(j.records) > 0 {
		known, err := r.known(ctx, j.records[0].at)
		if err != nil {
			return false
		}
		j.known = known
	}
	if p.memory.Acquire(ctx, j.bytes) != nil {
		return false
	}
	select {
	case p.ordered <- j:
		p.jobs <- j // workers take jobs until the channel closes
		return true
	case <-ctx.Done():
		return false
	}
}

// gather waits for a record and adds what else is there, as far as it is of the same segment.
func (p *Pipeline) gather(ctx context.Context, r *spool.Reader) (*job, error) {
	j := &job{done: make(chan struct{})}
	for j.bytes < jobBytes && len(j.records) < jobRecords {
		if len(j.records) > 0 && (!r.Ready() || r.Position().Segment != j.records[0].at.Segment) {
			break
		}
		next, err := p.next(ctx, r)
		j.end = r.Position()
		if damage, ok := errors.AsType[*spool.Damage](err); ok {
			p.damaged(damage)
			break // what was read before, or nothing, up to behind the damage
		}
		if err != nil && len(j.records) == 0 {
			return nil, err
		}
		if err != nil {
			break // met again, at the same place
		}
		j.records = append(j.records, next)
		j.bytes += int64(len(*next.payload))
	}
	// A job larger than the whole allowance is worked on alone.
	j.bytes = min(j.bytes, p.opt.Memory)
	return j, nil
}

func (p *Pipeline) next(ctx context.Context, r *spool.Reader) (record, error) {
	buf := p.buffer()
	payload, at, err := r.Next(ctx, *buf)
	if err != nil {
		p.buffers.Put(buf)
		return record{}, err
	}
	*buf = payload
	return record{at, buf}, nil
}

func (p *Pipeline) damaged(damage *spool.Damage) {
	p.log.Error("a part of the spool is lost", "at", damage.At, "bytes", damage.Bytes, "error", damage.Err)
	p.state.damaged.Add(damage.Bytes)
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	p.state.damage = damage.Error()
}

// decode reads a record; one that is no batch becomes a batch of one item that cannot be read.
func decode(payload []byte, b *intake.Batch) {
	if err := b.Decode(payload); err != nil {
		*b = intake.Batch{Received: time.Now().UTC(), Items: []intake.Item{{Data: payload, Error: err.Error()}}}
	}
}
