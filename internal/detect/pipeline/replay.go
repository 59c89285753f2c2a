package pipeline

import (
	"context"
	"strings"

	"yagura/internal/platform/spool"
)

// known is the set of a segment's events that the store has. A nil known is empty.
type known struct{ places map[place]struct{} }

func (k *known) has(at spool.Position, item int) bool {
	if k == nil {
		return false
	}
	_, ok := k.places[place{at.Offset, item}]
	return ok
}

// replay asks the store, once for each segment that was there at the start, which of its events it has.
type replay struct {
	p       *Pipeline
	segment uint64
	set     *known
}

// known returns the set for the record at a position. The only error is that of ctx: until the store
// answers, nothing can be replayed.
func (r *replay) known(ctx context.Context, at spool.Position) (*known, error) {
	if !at.Before(r.p.fence) {
		r.set = nil
		return nil, nil
	}
	if r.set != nil && r.segment == at.Segment {
		return r.set, nil
	}
	state := &r.p.state
	for wait := (backoff{}); ; {
		set, err := r.ask(ctx, at)
		state.trouble(&state.store, err)
		if err == nil {
			r.segment, r.set = at.Segment, set
			return set, nil
		}
		wait.log(r.p.log, "the store does not say what it has; the replay waits", err)
		if err := wait.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

func (r *replay) ask(ctx context.Context, from spool.Position) (*known, error) {
	r.p.opt.Store.Flush()
	set := &known{places: make(map[place]struct{})}
	prefix := segmentPrefix(r.p.id, from.Segment)
	err := r.p.opt.Store.IDs(ctx, prefix, func(id string) {
		rest, ok := strings.CutPrefix(id, prefix)
		if !ok {
			return
		}
		if at, ok := parsePlace(rest); ok && at.offset >= from.Offset {
			set.places[at] = struct{}{}
		}
	})
	return set, err
}
