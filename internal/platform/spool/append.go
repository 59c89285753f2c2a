package spool

import (
	"context"
	"runtime"
	"slices"

	"yagura/internal/platform/fault"
)

// groupBytes is how much one write and sync takes at most, unless a single record is longer. It bounds both the
// memory of waiting records and how long the last of them waits.
const groupBytes = 4 << 20

// group is the records that share one write and one sync.
type group struct {
	buf  []byte
	done chan struct{} // closed when base or err is set
	base Position      // of the first byte of buf
	err  error
}

func newGroup(buf []byte) *group { return &group{buf: buf[:0], done: make(chan struct{})} }

// Append keeps the payloads, one record each, side by side and all or none, and returns the position of the first
// once they are synced. Errors: fault.TooLarge for a payload longer than Options.MaxRecord, fault.Busy where MaxBytes or
// the disk is full, fault.Unavailable where the disk fails or the spool is closed. The payloads are not used after
// Append returns.
func (s *Spool) Append(ctx context.Context, payloads ...[]byte) (Position, error) {
	need := 0
	sums := make([]uint32, len(payloads))
	for i, payload := range payloads {
		if len(payload) > s.opt.MaxRecord {
			return Position{}, fault.New(fault.TooLarge, "fault.spool.too_large",
				"a record of %d bytes; the spool takes %d", len(payload), s.opt.MaxRecord)
		}
		sums[i] = castagnoli(payload)
		need += frameBytes + len(payload)
	}
	g, err := s.room(ctx, need)
	if err != nil {
		return Position{}, err
	}
	offset := len(g.buf)
	g.buf = slices.Grow(g.buf, need)
	for i, payload := range payloads {
		g.buf = appendFrame(g.buf, payload, sums[i])
	}
	s.mu.Unlock()
	s.signal()
	if err := waitFor(ctx, g.done); err != nil {
		return Position{}, err
	}
	if g.err != nil {
		return Position{}, g.err
	}
	return Position{g.base.Segment, g.base.Offset + int64(offset)}, nil
}

// room returns the group that is written next, and waits for the one before where that is full. Unless it fails, it leaves
// mu locked for the caller to add to the group.
func (s *Spool) room(ctx context.Context, need int) (*group, error) {
	for {
		s.mu.Lock()
		g := s.pending
		if s.closed {
			s.mu.Unlock()
			return nil, fault.New(fault.Unavailable, "fault.spool.closed", "the spool is closed")
		}
		if used := s.bytes + s.inFlight + int64(len(g.buf)); used+int64(need) > s.opt.MaxBytes {
			s.mu.Unlock()
			return nil, fault.New(fault.Busy, "fault.spool.full", "the spool is full: %d of %d bytes", used, s.opt.MaxBytes)
		}
		if len(g.buf) == 0 || len(g.buf)+need <= groupBytes {
			return g, nil
		}
		s.mu.Unlock()
		if err := waitFor(ctx, g.done); err != nil {
			return nil, err
		}
	}
}

// commitLoop writes group after group. While one is being synced the next one gathers: the slower the disk, the
// larger the groups, with no timer to tune.
func (s *Spool) commitLoop() {
	defer close(s.done)
	var spare []byte
	for range s.wake {
		// Those whom the last group woke are about to call again: let them join this one.
		runtime.Gosched()
		g, closed := s.take(spare)
		if g != nil {
			s.finish(g, s.commit(g))
			if spare = g.buf; cap(spare) > 2*groupBytes {
				spare = nil
			}
		}
		if closed {
			return
		}
	}
}

// take ends the gathering of a group, nil where nothing waits. The next one gathers in the memory of spare.
func (s *Spool) take(spare []byte) (g *group, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending.buf) == 0 {
		return nil, s.closed
	}
	g = s.pending
	s.pending, s.inFlight = newGroup(spare), int64(len(g.buf))
	return g, s.closed
}

// finish makes a group visible to readers, or says why it was refused, and answers all who wait for it.
func (s *Spool) finish(g *group, err error) {
	s.mu.Lock()
	s.inFlight = 0
	s.failure = err
	if err == nil {
		s.active.end += int64(len(g.buf))
		s.bytes += int64(len(g.buf))
		s.tail = Position{s.active.number, s.active.end}
	}
	s.broadcast()
	s.mu.Unlock()
	g.err = refusal(err)
	close(g.done)
}

// commit writes and syncs a group. Where it fails, the active segment is as before or abandoned.
func (s *Spool) commit(g *group) error {
	size := int64(len(g.buf))
	if s.active != nil && s.active.end > headerBytes && s.active.end+size > s.opt.SegmentBytes {
		// All its groups are synced, so an error here can cost nothing.
		_ = s.active.file.Close()
		s.active = nil
	}
	if s.active == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	g.base = Position{s.active.number, s.active.end}
	if err := writeAll(s.active.file, g.buf, s.active.end); err != nil {
		if cut := s.active.file.Truncate(s.active.end); cut != nil {
			s.abandon()
		}
		return err
	}
	if err := s.active.file.Sync(); err != nil {
		s.abandon()
		return err
	}
	return nil
}

// refusal says what a failed group means to the sender: a full disk may have room later.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case isDiskFull(err):
		return fault.New(fault.Busy, "fault.spool.disk_full", "the disk is full: %w", err)
	default:
		return fault.New(fault.Unavailable, "fault.spool.failed", "the spool cannot write: %w", err)
	}
}
