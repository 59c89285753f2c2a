package pipeline

import (
	"context"

	"yagura/internal/event"
	"yagura/internal/platform/logstore"
)

// LogStore makes a Store of a log store.
func LogStore(s *logstore.Store) Store { return logStore{s} }

type logStore struct{ store *logstore.Store }

func (s logStore) NewRows() Rows          { return logRows{s.store.NewRows()} }
func (s logStore) Append(rows Rows) error { return s.store.Append(rows.(logRows).rows) }
func (s logStore) Flush()                 { s.store.Flush() }

func (s logStore) IDs(ctx context.Context, prefix string, yield func(id string)) error {
	return s.store.IDs(ctx, prefix, yield)
}

type logRows struct{ rows *logstore.Rows }

func (r logRows) Add(ev *event.Event) { r.rows.Add(ev) }
func (r logRows) Reset()              { r.rows.Reset() }
