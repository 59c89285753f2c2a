// Package logstore keeps events in VictoriaLogs' storage engine, in this process, and answers LogsQL. It is the only
// package that imports that engine.
//
// What it promises:
//
//   - Every event that Append takes can be found again. The engine drops what breaks its limits (row size, fields of a row,
//     length of a name, distinct names of a stream, times outside the retention) with no more than a line in its log, so this
//     package bends such events until they fit: see rows.go. Only fields without a value are not kept.
//   - What Append took can be searched after a second, or after Flush. It is on disk after at most two FlushIntervals and the
//     time that one write takes: a kill -9 costs up to the last 10 to 12 s at the default of 5 s, a power cut as much. There
//     is no signal for "now durable", so a caller that promises more keeps its own copy for a horizon well beyond that.
//     Close makes everything durable.
//   - While less than MinFree is free on the disk, Append answers fault.Unavailable and takes nothing; it recovers
//     by itself. Searching goes on.
//
// Events older than Retention are deleted by the day, by their own time; past MaxDisk the oldest days go first. A Store is
// safe for concurrent use; Rows are for one goroutine.
package logstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/platform/fault"
)

// Options sets a store's limits. The zero value of each means its default.
type Options struct {
	Retention     time.Duration // default 10 years
	MaxDisk       int64         // bytes; 0 is no limit
	MinFree       int64         // bytes; default 256 MiB
	FlushInterval time.Duration // default 5 s: a write makes up to 256 files a day of events, so fewer of them cost much less
	Queries       int           // how many queries run at once; default 8, or four a core
	Now           func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Retention <= 0 {
		o.Retention = 10 * 365 * 24 * time.Hour
	}
	if o.MinFree <= 0 {
		o.MinFree = 256 << 20
	}
	if o.FlushInterval <= 0 {
		o.FlushInterval = 5 * time.Second
	}
	if o.Queries <= 0 {
		o.Queries = max(8, 4*runtime.GOMAXPROCS(0)) // most of them wait for their reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// futureLimit is how far ahead of the clock an event's time may be before it is taken for a mistake.
const futureLimit = 24 * time.Hour

// Store is a folder of events.
type Store struct {
	opt     Options
	dir     string
	engine  *logstorage.Storage
	queries chan struct{} // a place for each running query
	streams streams
	bent    atomic.Int64

	life context.Context // ends with the store, and all queries with it
	end  context.CancelFunc

	closing sync.RWMutex // held for reading while the engine is used
	closed  bool
}

// Open opens the store in dir and makes it where there is none. A folder that another process has open is a fault.Conflict.
func Open(dir string, opt Options) (*Store, error) {
	if err := prepareEngine(); err != nil {
		return nil, err
	}
	opt = opt.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log store's folder: %w", err)
	}
	engine, err := openEngine(dir, &logstorage.StorageConfig{
		Retention:              opt.Retention,
		MaxDiskSpaceUsageBytes: opt.MaxDisk,
		FlushInterval:          opt.FlushInterval,
		FutureRetention:        2 * futureLimit,
		MinFreeDiskSpaceBytes:  opt.MinFree,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{opt: opt, dir: dir, engine: engine, queries: make(chan struct{}, opt.Queries), streams: newStreams()}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close makes everything durable and closes the store. Running queries are ended; it waits for what they have called to return.
func (s *Store) Close() error {
	s.end()
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.closed {
		s.closed = true
		s.engine.MustClose()
	}
	return nil
}

// use runs fn while the engine is open.
func (s *Store) use(fn func() error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return errClosed()
	}
	return fn()
}

func errClosed() error {
	return fault.New(fault.Unavailable, "fault.store.closed", "the log store is closed")
}

// Append takes the rows. They may be reset and reused afterwards.
func (s *Store) Append(rows *Rows) error {
	return s.use(func() error {
		if rows.Len() == 0 {
			return nil
		}
		if s.engine.IsReadOnly() {
			return fault.New(fault.Unavailable, "fault.store.full",
				"the log store takes nothing more: less than %d bytes are free on the disk of %s", s.opt.MinFree, s.dir)
		}
		s.engine.MustAddRows(rows.engine)
		return nil
	})
}

// Flush makes everything that was appended visible to queries.
func (s *Store) Flush() {
	_ = s.use(func() error { s.engine.DebugFlush(); return nil }) // a closed store has nothing to flush
}

// Stats says how much there is.
type Stats struct {
	Rows         uint64    // in memory and on disk
	Bytes        uint64    // on disk, compressed
	Uncompressed uint64    // bytes before compression
	Days         uint64    // that there are events of
	Oldest       time.Time // the first of those days in UTC; zero where there is none
	ReadOnly     bool      // the disk is full
	Bent         int64     // events since Open that did not fit the engine's limits as they were
}

// Stats counts what the store holds.
func (s *Store) Stats() Stats {
	var out Stats
	_ = s.use(func() error { // a closed store counts as empty
		var st logstorage.StorageStats
		s.engine.UpdateStats(&st)
		out = Stats{
			Rows:         st.InmemoryRowsCount + st.SmallPartRowsCount + st.BigPartRowsCount,
			Bytes:        st.CompressedSmallPartSize + st.CompressedBigPartSize + st.IndexdbSizeBytes,
			Uncompressed: st.UncompressedInmemorySize + st.UncompressedSmallPartSize + st.UncompressedBigPartSize,
			Days:         st.PartitionsCount, Oldest: s.oldest(), ReadOnly: st.IsReadOnly, Bent: s.bent.Load(),
		}
		return nil
	})
	return out
}

// oldest is the first day that there is a partition of; they are folders named 20060102.
func (s *Store) oldest() time.Time {
	days, err := os.ReadDir(filepath.Join(s.dir, "partitions")) // sorted by name
	if err != nil || len(days) == 0 {
		return time.Time{}
	}
	day, err := time.Parse("20060102", days[0].Name())
	if err != nil {
		return time.Time{}
	}
	return day
}
