package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Damage is a stretch of the spool that cannot be read. The reader that reports it has moved on behind it.
type Damage struct {
	At    Position
	Bytes int64
	Err   error
}

func (d *Damage) Error() string {
	return fmt.Sprintf("spool: %d bytes at %s are damaged: %v", d.Bytes, d.At, d.Err)
}

// Unwrap gives the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Reader reads records in order, and at the tail as they are appended. It is not safe for concurrent use; several
// readers of one spool are.
type Reader struct {
	spool *Spool
	pos   Position
	file  file // of segment pos.Segment, or nil
	scan  scanner
}

// Reader returns a reader that begins at from, or at the first record that is still there. A place that is no
// record's is reported as damage.
func (s *Spool) Reader(from Position) *Reader {
	return &Reader{spool: s, pos: Position{from.Segment, max(from.Offset, headerBytes)}}
}

// Position is where the next record begins: behind everything that Next returned.
func (r *Reader) Position() Position { return r.pos }

// Close gives the file back. The reader is not used afterwards.
func (r *Reader) Close() error { return r.leave() }

// Ready reports whether Next would return without waiting.
func (r *Reader) Ready() bool {
	ready, _ := r.locate()
	return ready
}

// Next returns the next record's payload, in buf's memory where it is long enough, and its position. At the tail
// it waits for the next Append. A *Damage error tells of a stretch that is lost; the next call goes on behind it.
// ErrClosed: the spool is closed and everything was read. Any other error is of the moment (too many open files)
// and the next call tries the same record again.
func (r *Reader) Next(ctx context.Context, buf []byte) (payload []byte, at Position, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, r.pos, context.Cause(ctx)
		}
		ready, grown := r.locate()
		if ready {
			break
		}
		if grown == nil {
			return nil, r.pos, ErrClosed
		}
		if err := waitFor(ctx, grown); err != nil {
			return nil, r.pos, err
		}
	}
	at = r.pos
	if r.file == nil {
		if err := r.enter(); err != nil {
			return nil, at, err
		}
	}
	r.scan.offset = at.Offset
	payload, err = r.scan.next(buf)
	r.pos.Offset = r.scan.offset
	if err != nil {
		return nil, at, &Damage{At: at, Bytes: r.pos.Offset - at.Offset, Err: err}
	}
	return payload, at, nil
}

// locate moves to the segment that holds the next record. Where there is none yet, it returns the channel that is
// closed when that may have changed, nil when the spool is closed.
func (r *Reader) locate() (ready bool, grown <-chan struct{}) {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, seg := range s.segments {
		if seg.number < r.pos.Segment {
			continue
		}
		if seg.number > r.pos.Segment {
			_ = r.leave()
			r.pos = Position{seg.number, headerBytes}
		}
		if r.pos.Offset < seg.end {
			r.scan.limit = seg.end
			return true, nil
		}
		if i == len(s.segments)-1 {
			break
		}
	}
	if s.closed && s.idle() {
		return false, nil
	}
	return false, s.grown
}

// enter opens the segment's file and checks that it is what its name says.
func (r *Reader) enter() error {
	s := r.spool
	seg := &segment{number: r.pos.Segment}
	f, err := s.fs.Open(seg.path(s.dir))
	if errors.Is(err, os.ErrNotExist) {
		return r.skipSegment(err)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	r.file = f
	r.scan = scanner{file: f, limit: r.scan.limit, buf: r.scan.buf[:0]}
	var header [headerBytes]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return r.skipSegment(err)
	}
	id, err := parseHeader(header[:], seg.number)
	if err != nil {
		return r.skipSegment(err)
	}
	if id != s.id {
		return r.skipSegment(fmt.Errorf("the segment belongs to spool %x", id))
	}
	return nil
}

func (r *Reader) skipSegment(why error) error {
	lost := &Damage{At: Position{r.pos.Segment, 0}, Bytes: r.scan.limit, Err: why}
	r.pos.Offset = r.scan.limit
	return lost
}

func (r *Reader) leave() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
