// Package spool keeps what an input accepted on disk until the pipeline has made it durable elsewhere:
// an append-only log of records in segment files, with one appending side, any number of readers and
// whole segments deleted from the front.
//
// What it promises:
//
//   - Append returns nil only after the record and everything before it is synced to disk. Concurrent calls share
//     one write and one sync: a call waits for the sync that is under way and then for its own.
//   - A record is read back whole or reported as damaged, with its place; the reader then goes on behind it. Where a
//     record's header can still be trusted only that record is lost, otherwise the rest of its segment.
//   - A write that fails or is cut short (disk full) leaves nothing behind: the segment is cut back to its last good
//     record. After a failed sync nothing can be said about the pages that were to be written (the kernel may
//     have dropped them and marked them clean), so that segment takes no more records and the group is refused.
//   - A position is never given twice under one ID: the last segment is kept, so numbers go on after a restart, and
//     a spool that lost all its segments takes a new ID.
//   - One process at a time.
//
// A call whose context ends while it waits returns the context's error; its record may or may not be kept.
// What a crash leaves half written was never acknowledged; Open cuts it off and Recovery tells how much.
//
// Why our own: tidwall/wal v1.2.1 has no checksums, does not open after a torn write (ErrCorrupt), syncs once for
// each call under its lock, and keeps the tail segment in memory. Prometheus' tsdb/wlog v0.55.0 does not sync in
// Log, notes in its source that a failed page flush leaves a corrupt log, and its Repair deletes everything
// behind the first damaged record. Neither has a limit on size.
package spool

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"yagura/internal/platform/fault"
)

// Options sets the spool's limits. The zero value of each means its default.
type Options struct {
	// SegmentBytes is the size at which a new segment is begun; default 32 MiB. Space is given back by the segment.
	SegmentBytes int64
	// MaxBytes is how much the spool may take on disk before Append answers fault.Busy; default 4 GiB, at
	// least two segments.
	MaxBytes int64
	// MaxRecord is the longest payload in bytes; default 9 MiB, which is an item of 8 and what is said about it; never more
	// than SegmentBytes.
	MaxRecord int
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 32 << 20
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 4 << 30
	}
	o.MaxBytes = max(o.MaxBytes, 2*o.SegmentBytes)
	if o.MaxRecord <= 0 {
		o.MaxRecord = 9 << 20
	}
	o.MaxRecord = int(min(int64(o.MaxRecord), o.SegmentBytes))
	return o
}

// Spool is a log of records in a folder. It is safe for concurrent use.
type Spool struct {
	dir      string
	opt      Options
	fs       fileSystem
	lock     io.Closer
	id       [idBytes]byte
	recovery Recovery

	wake chan struct{} // capacity 1: the committer has something to do
	done chan struct{} // closed when the committer has returned

	// active is the segment being appended to, nil before the first append and after a failure. Only the
	// committer touches it.
	active *activeSegment

	mu       sync.Mutex
	segments []*segment    // in order; the last one is never freed
	next     uint64        // the number of the next segment
	tail     Position      // behind the last synced record
	grown    chan struct{} // closed and replaced at every change that a waiting reader wants to see
	pending  *group
	inFlight int64 // bytes handed to the committer and not yet on disk
	bytes    int64 // bytes of all segments
	closed   bool
	failure  error // why the last group was refused; nil after a success
}

// Recovery is what Open found behind the last good record of the last segment: a torn write, cut off.
type Recovery struct {
	At    Position
	Bytes int64 // 0: nothing was torn
}

// Open opens the spool in dir and makes the folder where it does not exist. A folder that another process has
// open is a fault.Conflict.
func Open(dir string, opt Options) (*Spool, error) { return open(dir, opt, osFiles{}) }

func open(dir string, opt Options, fs fileSystem) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "LOCK"))
	if err != nil {
		return nil, fault.New(fault.Conflict, "fault.spool.locked", "spool %s is in use by another process: %w", dir, err)
	}
	s := &Spool{
		dir: dir, opt: opt.withDefaults(), fs: fs, lock: lock,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		grown: make(chan struct{}), pending: newGroup(nil),
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	go s.commitLoop()
	return s, nil
}

// load lists the segments, mends the last one and learns the spool's ID from them.
func (s *Spool) load() error {
	segments, err := listSegments(s.fs, s.dir)
	if err != nil {
		return err
	}
	s.next = 1
	if len(segments) > 0 {
		s.next = segments[len(segments)-1].number + 1
		if segments, err = s.mendLast(segments); err != nil {
			return err
		}
	}
	s.segments = segments
	known := false
	var unread error
	for i := len(segments) - 1; i >= 0 && !known; i-- {
		// A damaged header is the reader's to report.
		id, err := s.readHeader(segments[i])
		if err == nil {
			s.id, known = id, true
		} else if errors.Is(err, errUnread) {
			unread = err
		}
	}
	if !known && unread != nil {
		return fmt.Errorf("spool: %w", unread) // under a new ID its records would be nobody's
	}
	if !known {
		if _, err := rand.Read(s.id[:]); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
	}
	s.tail = Position{s.next, headerBytes}
	for _, seg := range segments {
		s.bytes += seg.end
		// A kill between a segment's header and its first record leaves one that nobody ever reads up to.
		if seg.end > headerBytes {
			s.tail = Position{seg.number, seg.end}
		}
	}
	return nil
}

// ID is the spool's random name, 12 hexadecimal digits, the same for as long as any of its segments exists.
func (s *Spool) ID() string { return hex.EncodeToString(s.id[:]) }

// MaxRecord is the longest payload that Append takes, in bytes.
func (s *Spool) MaxRecord() int { return s.opt.MaxRecord }

// Recovered tells what Open cut off.
func (s *Spool) Recovered() Recovery { return s.recovery }

// Stats is the spool's state at one moment.
type Stats struct {
	Bytes    int64    // on disk
	MaxBytes int64    // the limit at which Append answers fault.Busy
	Segments int      // files
	First    Position // the first record that may still be read
	End      Position // behind the last synced record
	Failure  string   // why the last group was refused; empty after a success
}

// Stats returns the spool's present state.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Bytes: s.bytes, MaxBytes: s.opt.MaxBytes, Segments: len(s.segments), End: s.tail}
	st.First = st.End
	if len(s.segments) > 0 {
		st.First = Position{s.segments[0].number, headerBytes}
	}
	if s.failure != nil {
		st.Failure = s.failure.Error()
	}
	return st
}

// End is the position behind the last synced record.
func (s *Spool) End() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tail
}

// Segments returns the numbers of the segments on disk, in order.
func (s *Spool) Segments() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers := make([]uint64, len(s.segments))
	for i, seg := range s.segments {
		numbers[i] = seg.number
	}
	return numbers
}

// Free deletes every segment whose records all lie before upTo. The last segment always stays.
func (s *Spool) Free(upTo Position) error {
	s.mu.Lock()
	n := 0
	for n < len(s.segments)-1 && !upTo.Before(Position{s.segments[n].number, s.segments[n].end}) {
		n++
	}
	gone := s.segments[:n:n]
	s.segments = s.segments[n:]
	s.mu.Unlock()

	var failed []error
	for _, seg := range gone {
		// A file that cannot be deleted now is found again by the next Open and freed then; until then its
		// bytes stay counted, because it does take the space.
		if err := s.fs.Remove(seg.path(s.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, fmt.Errorf("spool: freeing segment %d: %w", seg.number, err))
			continue
		}
		s.mu.Lock()
		s.bytes -= seg.end
		s.mu.Unlock()
	}
	return errors.Join(failed...)
}

// Close syncs what was appended, refuses what comes later with fault.Unavailable, and ends waiting readers with
// ErrClosed.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.broadcast()
	s.mu.Unlock()
	s.signal()
	<-s.done
	var err error
	if s.active != nil {
		err = s.active.file.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// idle reports whether no group waits or is being written. The caller holds mu.
func (s *Spool) idle() bool { return s.inFlight == 0 && len(s.pending.buf) == 0 }

// broadcast wakes every waiting reader. The caller holds mu.
func (s *Spool) broadcast() {
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *Spool) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// ErrClosed is what a reader gets at the end of a closed spool.
var ErrClosed = errors.New("spool: closed")

func waitFor(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
