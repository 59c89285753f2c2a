package pipeline

import (
	"context"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/match"
	"yagura/internal/event"
)

// Match is an event that a rule matched.
type Match = match.Match

// AlertRecorder counts matches. See alert.Store.
type AlertRecorder interface {
	// Record keeps the matches of all events up to a position, in the order of the events, and the position itself: both
	// or neither, durably. Positions only grow; a call that repeats the last one does nothing.
	Record(ctx context.Context, upTo string, matches []Match) error
	// Cursor is the last position recorded, "" before the first.
	Cursor(ctx context.Context) (string, error)
}

// Store keeps events; LogStore makes one of a logstore.Store. Append may be called from several goroutines.
type Store interface {
	NewRows() Rows
	// Append takes the rows, which may be reset and reused afterwards. What it took is durable after Options.Horizon
	// at the latest.
	Append(rows Rows) error
	// Flush makes everything that was appended visible to queries.
	Flush()
	// IDs yields the id of every stored event whose id begins with prefix.
	IDs(ctx context.Context, prefix string, yield func(id string)) error
}

// Rows is a batch for Store.Append. Add copies the event.
type Rows interface {
	Add(ev *event.Event)
	Reset()
}

// Normaliser makes events of items; see normalise.Normaliser.
type Normaliser interface {
	Normalise(b *intake.Batch, it *intake.Item, ev *event.Event) error
}

// Observer learns what became of what the sources sent. It is called in order, from one goroutine, and must be quick.
type Observer interface {
	Processed(observations []Observation)
}

// Observation is what one source sent in a stretch of the spool, after it was stored. What a restart replays
// and the store already has is not counted again.
type Observation struct {
	Source, Input string
	Events        int
	Bytes         int64 // of the items as they came
	Errors        int   // events that became a pipeline_error
	LastError     string
	Newest        time.Time     // the latest of the events' own times
	Lag           time.Duration // from the acceptance of the latest item until it was stored
}
