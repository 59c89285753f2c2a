package logstore

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"
	"github.com/valyala/fastjson"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
)

// Query is a question in LogsQL.
type Query struct {
	LogsQL string
	// Start and End bound the events' times, both included; zero is no bound.
	Start, End time.Time
	// Limit is how many rows are wanted; 0 is all of them, in no order.
	Limit int
	// Newest asks for the last Limit rows by time, latest first. A query whose own pipes decide what a row is or how rows are
	// sorted (stats, sort, limit, uniq …) is answered in their order.
	Newest bool
	// Skip leaves out so many of the newest rows at End exactly: with End the time of the last row seen it gives the next page.
	Skip int
	// Offset moves the steps of Hits away from whole multiples since 1970 UTC: -9 h makes days begin at midnight in Tokyo.
	Offset time.Duration
}

// parse reads the query; its errors are fault.Invalid.
func (s *Store) parse(q Query) (*logstorage.Query, error) {
	text := q.LogsQL
	if strings.TrimSpace(text) == "" {
		text = "*"
	}
	parsed, err := logstorage.ParseQueryAtTimestamp(text, s.opt.Now().UnixNano())
	if err != nil {
		return nil, fault.New(fault.Invalid, "fault.search.query", "LogsQL: %w", err)
	}
	start, end := bounds(q.Start, q.End)
	parsed.AddTimeFilter(start, end)
	return parsed, nil
}

// Plan is what a query does, as far as showing its results depends on it.
type Plan struct {
	Filter string // the query without its pipes
	// Rows is whether the results are stored events that Newest puts in order and Skip pages through; otherwise the query's own pipes
	// (stats, sort, limit …) make the rows, or order them.
	Rows bool
}

// Plan reads a query without running it. The error is fault.Invalid, with what the engine says.
func (s *Store) Plan(text string) (Plan, error) {
	parsed, err := s.parse(Query{LogsQL: text})
	if err != nil {
		return Plan{}, err
	}
	return Plan{Filter: filterOf(text), Rows: parsed.CanReturnLastNResults()}, nil
}

// The times that nanoseconds can say.
var (
	earliest = time.Unix(0, -1<<63+1)
	latest   = time.Unix(0, 1<<63-1)
)

func bounds(from, to time.Time) (start, end int64) {
	start, end = earliest.UnixNano(), latest.UnixNano()
	if !from.IsZero() && from.After(earliest) {
		start = from.UnixNano()
	}
	if !to.IsZero() && to.Before(latest) {
		end = to.UnixNano()
	}
	return start, end
}

// Query streams the rows to yield, one at a time. The event is reused for the next row; fields that the row has no value for
// are left out. An error of yield ends the query and is returned.
func (s *Store) Query(ctx context.Context, q Query, yield func(*event.Event) error) error {
	parsed, err := s.parse(q)
	if err != nil {
		return err
	}
	if q.Newest && q.Limit > 0 && parsed.CanReturnLastNResults() {
		return s.newest(ctx, q, parsed, yield)
	}
	if q.Limit > 0 {
		parsed.AddPipeLimit(uint64(q.Limit))
	}
	return s.rows(ctx, parsed, yield)
}

// errStop ends a query early without an error.
var errStop = errors.New("enough")

// run runs the query and gives each block to visit, one at a time.
func (s *Store) run(ctx context.Context, parsed *logstorage.Query, visit func(*logstorage.DataBlock) error) error {
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var failed error
	err := s.use(func() error {
		return s.engine.RunQuery(ctx, []logstorage.TenantID{{}}, parsed, func(_ uint, block *logstorage.DataBlock) {
			mu.Lock()
			defer mu.Unlock()
			if failed != nil || block.RowsCount() == 0 {
				return
			}
			if failed = visit(block); failed != nil {
				cancel(failed)
			}
		})
	})
	switch {
	case errors.Is(failed, errStop):
		return nil
	case failed != nil:
		return failed
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && fault.CodeOf(err) == fault.Internal:
		return fault.New(fault.Invalid, "fault.search.query", "LogsQL: %w", err)
	}
	return err
}

func (s *Store) rows(ctx context.Context, parsed *logstorage.Query, yield func(*event.Event) error) error {
	var ev event.Event
	var parser fastjson.Parser
	return s.run(ctx, parsed, func(block *logstorage.DataBlock) error {
		for i := range block.RowsCount() {
			readRow(block, i, &ev, &parser)
			if err := yield(&ev); err != nil {
				return err
			}
		}
		return nil
	})
}

// readRow makes an event of a block's i-th row. Its strings live as long as the block.
func readRow(block *logstorage.DataBlock, i int, ev *event.Event, parser *fastjson.Parser) {
	ev.Reset()
	for c := range block.Columns {
		column := &block.Columns[c]
		value := column.Values[i]
		switch column.Name {
		case "_time":
			if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
				ev.Time = at
			} else {
				ev.AddNonEmpty(column.Name, value)
			}
		case "event.id":
			ev.ID = value
		case "_msg", "":
			ev.AddNonEmpty(event.Message, value)
		case "_stream", "_stream_id":
		default:
			addValue(ev, column.Name, value, parser)
		}
	}
}

// addValue adds a field, or several where the value is a list that Rows wrote.
func addValue(ev *event.Event, name, value string, parser *fastjson.Parser) {
	if strings.HasPrefix(value, `["`) && strings.HasSuffix(value, `"]`) {
		if list, err := parser.Parse(value); err == nil {
			for _, v := range list.GetArray() {
				if text, err := v.StringBytes(); err == nil {
					ev.Add(name, ev.Keep(text))
				} else {
					ev.Add(name, ev.Keep(v.MarshalTo(nil)))
				}
			}
			return
		}
	}
	ev.AddNonEmpty(name, value)
}

// newest finds the last q.Limit rows. Sorting reads every column of every row it sees, so this first looks by halving, with queries
// that stop early, for a beginning from which there are enough rows but not twice too many. The order is the engine's in every case:
// pages must agree on it where many rows have one time.
func (s *Store) newest(ctx context.Context, q Query, parsed *logstorage.Query, yield func(*event.Event) error) error {
	want := q.Limit + q.Skip
	low, end := parsed.GetFilterTimeRange() // from low on there are enough rows, or all there are
	count, err := s.count(ctx, parsed, 2*want)
	for high := end; err == nil && count >= 2*want && high-low > 1; {
		middle := low + int64(uint64(high-low)/2)
		var n int
		if n, err = s.count(ctx, parsed.CloneWithTimeFilter(parsed.GetTimestamp(), middle, end), 2*want); n < want {
			high = middle
		} else {
			low, count = middle, n
		}
	}
	if err != nil {
		return err
	}
	q.Start = time.Unix(0, low)
	q.LogsQL = cmp.Or(strings.TrimSpace(q.LogsQL), "*") + ` | sort by (_time desc, "event.id" desc) limit ` + strconv.Itoa(want)
	if parsed, err = s.parse(q); err != nil {
		return err
	}
	skip := q.Skip
	return s.rows(ctx, parsed, func(ev *event.Event) error {
		if skip > 0 && ev.Time.Equal(q.End) {
			skip--
			return nil
		}
		return yield(ev)
	})
}

// count counts the rows of a query up to limit.
func (s *Store) count(ctx context.Context, parsed *logstorage.Query, limit int) (n int, err error) {
	err = s.run(ctx, parsed, func(block *logstorage.DataBlock) error {
		if n += block.RowsCount(); n >= limit {
			return errStop
		}
		return nil
	})
	return n, err
}

// IDs yields the id of every stored event whose id begins with prefix. A prefix of whole words ("<a>-<b>-") is answered by bloom
// filters, so that blocks without it are not read.
func (s *Store) IDs(ctx context.Context, prefix string, yield func(id string)) error {
	words := strings.Trim(prefix, "-")
	filter := "*"
	if words != "" {
		filter = "event.id:" + quote(words)
	}
	parsed, err := s.parse(Query{LogsQL: filter + " | fields event.id"})
	if err != nil {
		return err
	}
	return s.run(ctx, parsed, func(block *logstorage.DataBlock) error {
		for _, column := range block.Columns {
			for _, id := range column.Values {
				if column.Name == "event.id" && strings.HasPrefix(id, prefix) && id != "" {
					yield(strings.Clone(id))
				}
			}
		}
		return nil
	})
}

// quote writes text as a LogsQL string.
func quote(text string) string { return string(event.AppendQuoted(nil, text)) }
