// Package search is the search room: LogsQL over the stored events, for the page, the API and the command line.
//
// What it promises: results are streamed, never gathered; a page of results is the newest rows and says how to get the next
// without a gap or a repeat; a wrong query is fault.Invalid with the engine's reason.
package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
)

// Engine answers LogsQL; logstore.Store does.
type Engine interface {
	Plan(query string) (logstore.Plan, error)
	Query(ctx context.Context, q logstore.Query, yield func(*event.Event) error) error
	FieldNames(ctx context.Context, q logstore.Query) ([]logstore.Count, error)
	FieldValues(ctx context.Context, q logstore.Query, field string) ([]logstore.Count, error)
	Hits(ctx context.Context, q logstore.Query, step time.Duration, by string) ([]logstore.Bucket, error)
}

// Service answers searches. It is safe for concurrent use.
type Service struct {
	engine Engine
	now    func() time.Time
}

// NewService makes a service over an engine; now is nil for the clock.
func NewService(engine Engine, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{engine: engine, now: now}
}

// MaxPage is how many rows a page may ask for.
const MaxPage = 1000

// Request is a search.
type Request struct {
	Query  string // LogsQL; "" finds everything
	Range  Range
	Limit  int    // rows on a page; 0 is 100
	Cursor Cursor // where the last page ended; the zero Cursor begins
}

// Cursor is the end of a page: the time of its last row, and how many rows at exactly that time were shown.
type Cursor struct {
	Before time.Time
	Shown  int
}

// Page is one page of results, newest first.
type Page struct {
	Rows []*event.Event
	// Next is where to go on; zero where there is no more, or where the query's own pipes order the rows.
	Next Cursor
	More bool // there are more rows than these
	Own  bool // the query's pipes make or order the rows: they are no plain list of events
}

// Page finds one page.
func (s *Service) Page(ctx context.Context, r Request) (*Page, error) {
	plan, err := s.engine.Plan(r.Query)
	if err != nil {
		return nil, err
	}
	limit := min(cmp.Or(max(r.Limit, 0), 100), MaxPage)
	q := r.Range.query(r.Query, s.now())
	q.Limit, q.Newest = limit+1, true
	if !r.Cursor.Before.IsZero() && plan.Rows {
		q.End, q.Skip = r.Cursor.Before, max(r.Cursor.Shown, 0)
	}
	page := &Page{Own: !plan.Rows}
	err = s.engine.Query(ctx, q, func(ev *event.Event) error {
		page.Rows = append(page.Rows, ev.Clone())
		return nil
	})
	if err != nil {
		return nil, err
	}
	if page.More = len(page.Rows) > limit; page.More {
		page.Rows = page.Rows[:limit]
		if plan.Rows {
			page.Next = r.Cursor.after(page.Rows)
		}
	}
	return page, nil
}

// after is the cursor behind rows, which follow c.
func (c Cursor) after(rows []*event.Event) Cursor {
	last := rows[len(rows)-1].Time
	if last.IsZero() {
		return Cursor{} // rows of a stats query have no time: there is no next page
	}
	next := Cursor{Before: last}
	for _, row := range slices.Backward(rows) {
		if !row.Time.Equal(last) {
			return next
		}
		next.Shown++
	}
	if c.Before.Equal(last) {
		next.Shown += c.Shown
	}
	return next
}

// Stream gives every row that the query finds to yield, newest first where limit is above 0, otherwise in no order and
// all of them. The event is reused.
func (s *Service) Stream(ctx context.Context, query string, r Range, limit int, yield func(*event.Event) error) error {
	q := r.query(query, s.now())
	q.Limit, q.Newest = limit, limit > 0
	return s.engine.Query(ctx, q, yield)
}

// Histogram counts the rows over the range in about so many buckets (60 where 0, 1000 at the most), split by the field by unless that is "".
func (s *Service) Histogram(ctx context.Context, query string, r Range, buckets int, by string) (*Histogram, error) {
	q, err := s.bounded(ctx, query, r)
	if err != nil || q.End.Before(q.Start) {
		return &Histogram{}, err
	}
	buckets = min(cmp.Or(max(buckets, 0), 60), 1000)
	return s.histogram(ctx, q, r, roundStep(q.End.Sub(q.Start)/time.Duration(buckets)), by)
}

// Steps is a Histogram in steps of a given length; the error is fault.Invalid where that makes more than 10,000 steps.
func (s *Service) Steps(ctx context.Context, query string, r Range, step time.Duration, by string) (*Histogram, error) {
	q, err := s.bounded(ctx, query, r)
	if err != nil || q.End.Before(q.Start) {
		return &Histogram{}, err
	}
	if step <= 0 || q.End.Sub(q.Start)/step > 10_000 {
		return nil, fault.New(fault.Invalid, "fault.search.step", "a step of %s cuts the range into too many parts: 10,000 is the most", step)
	}
	return s.histogram(ctx, q, r, step, by)
}

func (s *Service) histogram(ctx context.Context, q logstore.Query, r Range, step time.Duration, by string) (*Histogram, error) {
	if r.Zone != nil {
		_, east := q.Start.In(r.Zone).Zone()
		q.Offset = -time.Duration(east) * time.Second % step
	}
	found, err := s.engine.Hits(ctx, q, step, by)
	if err != nil {
		return nil, err
	}
	return newHistogram(q, step, found), nil
}

// bounded is a query with both ends: those of the range, or of what there is. Its End is before its Start where there is nothing.
func (s *Service) bounded(ctx context.Context, query string, r Range) (logstore.Query, error) {
	now := s.now()
	plan, err := s.engine.Plan(query)
	if err != nil {
		return logstore.Query{}, err
	}
	q := r.query(plan.Filter, now)
	if q.Start.Before(now.Add(-ancient)) || q.End.After(now.Add(ahead)) || (q.End.IsZero() && r.Since == 0) {
		all := q
		all.LogsQL += " | stats min(_time) first, max(_time) last"
		var first, last time.Time
		err = s.engine.Query(ctx, all, func(ev *event.Event) error {
			first, _ = time.Parse(time.RFC3339Nano, ev.Get("first")) // nothing found leaves them zero
			last, _ = time.Parse(time.RFC3339Nano, ev.Get("last"))
			return nil
		})
		if first.IsZero() {
			q.Start, q.End = now, now.Add(-1)
			return q, err
		}
		if q.Start.Before(now.Add(-ancient)) {
			q.Start = first
		}
		if q.End.IsZero() || q.End.After(now.Add(ahead)) {
			q.End = last
		}
	}
	if q.End.IsZero() { // the last so many hours: a sender whose clock is ahead is seen too
		q.End = now.Add(5 * time.Minute)
	}
	return q, err
}

// Fields lists the fields of the found rows, most frequent first.
func (s *Service) Fields(ctx context.Context, query string, r Range) ([]logstore.Count, error) {
	list, err := s.engine.FieldNames(ctx, r.query(query, s.now()))
	slices.SortFunc(list, func(a, b logstore.Count) int {
		return cmp.Or(cmp.Compare(b.Hits, a.Hits), strings.Compare(a.Value, b.Value))
	})
	return list, err
}

// Values lists the most frequent values of a field among the found rows.
func (s *Service) Values(ctx context.Context, query string, r Range, field string, limit int) ([]logstore.Count, error) {
	if field == "" {
		return nil, fault.New(fault.Invalid, "fault.search.field", "which field's values?")
	}
	q := r.query(query, s.now())
	q.Limit = min(cmp.Or(limit, 10), MaxPage)
	return s.engine.FieldValues(ctx, q, field)
}
