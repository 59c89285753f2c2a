package logstore

import (
	"context"
	"errors"
	"fmt"
	"math"
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

// asked is a query as it runs: its text taken apart, its bounds in nanoseconds.
type asked struct {
	question
	start, end int64
	now        int64 // what _time:5m counts back from
}

// ask reads the query; its errors are fault.Invalid.
func (s *Store) ask(q Query) (asked, error) {
	text, err := readQuestion(q.LogsQL)
	if err != nil {
		return asked{}, err
	}
	now := s.opt.Now()
	// There are no events outside these; the engine's arithmetic wants bounds.
	a := asked{question: text, now: now.UnixNano(), start: s.oldestTaken(now).Add(-48 * time.Hour).UnixNano(), end: now.Add(3 * futureLimit).UnixNano()}
	if first := time.Unix(0, a.start); q.Start.After(first) {
		a.start = min(a.end, nanos(q.Start))
	}
	if last := time.Unix(0, a.end); !q.End.IsZero() && q.End.Before(last) {
		a.end = max(a.start-1, nanos(q.End))
	}
	return a, nil
}

// nanos is t in nanoseconds since 1970, as near as those can say.
func nanos(t time.Time) int64 {
	switch first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64); {
	case t.Before(first):
		return math.MinInt64
	case t.After(last):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// parsed is the question with further pipes as the engine runs it.
func (a asked) parsed(more string) (parsed *logstorage.Query, err error) {
	defer func() { // the parser is large, and what it reads comes from outside
		if problem := recover(); problem != nil {
			err = invalid(fmt.Errorf("the engine cannot read it: %v", problem))
		}
	}()
	parsed, err = logstorage.ParseQueryAtTimestamp(a.with(more), a.now)
	if err != nil {
		return nil, invalid(err)
	}
	parsed.AddTimeFilter(a.start, a.end)
	if a.end%int64(time.Millisecond) == 0 {
		// The engine takes a bound that it writes without a fraction for the whole second, or millisecond.
		exact, err := logstorage.ParseFilter(fmt.Sprintf("_time:[%s,%s)", timeText(a.start), timeText(a.end+1)))
		if err != nil {
			return nil, fmt.Errorf("bounding a query's time: %w", err)
		}
		parsed.AddExtraFilters(exact)
	}
	return parsed, nil
}

func timeText(at int64) string { return time.Unix(0, at).UTC().Format(time.RFC3339Nano) }

// Plan is what a query does, as far as showing its results depends on it.
type Plan struct {
	Filter string // the query without its pipes
	// Rows is whether the results are stored events that Newest puts in order and Skip pages through; otherwise the query's own pipes
	// (stats, sort, limit …) make the rows, or order them.
	Rows bool
}

// Plan reads a query without running it. The error is fault.Invalid, with what the engine says.
func (s *Store) Plan(text string) (Plan, error) {
	a, err := s.ask(Query{LogsQL: text})
	if err != nil {
		return Plan{}, err
	}
	parsed, err := a.parsed("")
	if err != nil {
		return Plan{}, err
	}
	return Plan{Filter: a.filter, Rows: parsed.CanReturnLastNResults()}, nil
}

// Query streams the rows to yield, one at a time. The event is reused for the next row; fields that the row has no value for
// are left out. All values are text: the engine keeps no kinds. An error of yield ends the query and is returned. Errors:
// fault.Invalid for what the engine cannot read or run, fault.Busy where too many queries run, ctx's own.
func (s *Store) Query(ctx context.Context, q Query, yield func(*event.Event) error) error {
	a, err := s.ask(q)
	if err != nil {
		return err
	}
	more := ""
	if q.Limit > 0 {
		more = "limit " + strconv.Itoa(q.Limit)
	}
	parsed, err := a.parsed("")
	if err != nil {
		return err
	}
	if q.Newest && q.Limit > 0 && parsed.CanReturnLastNResults() {
		return s.newest(ctx, q, a, yield)
	}
	return s.rows(ctx, a, more, yield)
}

// errStop ends a query early without an error.
var errStop = errors.New("enough")

// patience is how long a query waits for others to end.
const patience = 20 * time.Second

// admit waits for a place among the running queries. The function that it returns gives the place back.
func (s *Store) admit(ctx context.Context) (leave func(), err error) {
	leave = func() { <-s.queries }
	select {
	case s.queries <- struct{}{}:
		return leave, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.queries <- struct{}{}:
		return leave, nil
	case <-timer.C:
		return nil, fault.New(fault.Busy, "fault.store.busy", "%d searches are running already", cap(s.queries))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run runs the query and gives each block to visit, one at a time.
func (s *Store) run(ctx context.Context, a asked, more string, visit func(*logstorage.DataBlock) error) error {
	parsed, err := a.parsed(more)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	var broken any // what visit panicked with: in a goroutine of the engine's that would end the process
	err = s.do(ctx, func(ctx context.Context, cancel func()) error {
		return s.engine.RunQuery(ctx, []logstorage.TenantID{{}}, parsed, func(_ uint, block *logstorage.DataBlock) {
			mu.Lock()
			defer mu.Unlock()
			if failed != nil || block.RowsCount() == 0 {
				return
			}
			defer func() {
				if broken = recover(); broken != nil {
					failed = errStop
				}
				if failed != nil {
					cancel()
				}
			}()
			failed = visit(block)
		})
	})
	switch {
	case broken != nil:
		panic(broken)
	case errors.Is(failed, errStop):
		return nil
	case failed != nil:
		return failed
	}
	return err
}

// do runs something of the engine's among the running queries, until the context or the store ends.
func (s *Store) do(ctx context.Context, fn func(ctx context.Context, cancel func()) error) error {
	leave, err := s.admit(ctx)
	if err != nil {
		return err
	}
	defer leave()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	err = s.use(func() error { return fn(running, cancel) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.life.Err() != nil:
		return errClosed()
	case err != nil && fault.CodeOf(err) == fault.Internal:
		return refused(err)
	}
	return err
}

// noStream leaves out which stream a row is of. An event has no such fields, and the engine does not show a row whose stream is so
// new that its index does not show it yet.
const noStream = "delete _stream, _stream_id"

func (s *Store) rows(ctx context.Context, a asked, more string, yield func(*event.Event) error) error {
	if more != "" {
		more += " | "
	}
	more += noStream
	var ev event.Event
	var parser fastjson.Parser
	return s.run(ctx, a, more, func(block *logstorage.DataBlock) error {
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
		default:
			addValue(ev, column.Name, value, parser)
		}
	}
}

// addValue adds a field, or several where the value is a list that Rows wrote.
func addValue(ev *event.Event, name, value string, parser *fastjson.Parser) {
	if strings.HasPrefix(value, `["`) && strings.HasSuffix(value, `"]`) {
		if list, err := parser.Parse(value); err == nil && allText(list.GetArray()) {
			for _, v := range list.GetArray() {
				ev.Add(name, ev.Keep(v.GetStringBytes()))
			}
			return
		}
	}
	ev.AddNonEmpty(name, value)
}

// allText reports whether these could be the values of one name.
func allText(list []*fastjson.Value) bool {
	for _, v := range list {
		if v.Type() != fastjson.TypeString {
			return false
		}
	}
	return len(list) > 1
}

// maxSkip bounds what is sorted for a page among events of one time.
const maxSkip = 500_000

// newest finds the last q.Limit rows. Sorting reads every column of every row it sees, so this first looks by halving, with queries
// that stop early, for a beginning from which there are enough rows but not twice too many. The order is the engine's in every case:
// pages must agree on it where many rows have one time.
func (s *Store) newest(ctx context.Context, q Query, a asked, yield func(*event.Event) error) error {
	if q.Skip > maxSkip {
		return invalid(fmt.Errorf("more than %d events have the time %s: the page cannot be found", maxSkip, q.End))
	}
	want := q.Limit + max(q.Skip, 0)
	count, err := s.count(ctx, a, 2*want)
	from := a // from there on there are enough rows, or all there are
	for high := a.end; err == nil && count >= 2*want && high-from.start > 1; {
		middle, n := a, 0
		middle.start = from.start + (high-from.start)/2
		if n, err = s.count(ctx, middle, 2*want); n < want {
			high = middle.start
		} else {
			from, count = middle, n
		}
	}
	if err != nil {
		return err
	}
	skip, end := q.Skip, q.End
	return s.rows(ctx, from, `sort by (_time desc, "event.id" desc) limit `+strconv.Itoa(want), func(ev *event.Event) error {
		if skip > 0 && ev.Time.Equal(end) {
			skip--
			return nil
		}
		return yield(ev)
	})
}

// count counts the rows of a query up to limit.
func (s *Store) count(ctx context.Context, a asked, limit int) (n int, err error) {
	err = s.run(ctx, a, "fields _time", func(block *logstorage.DataBlock) error {
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
		filter = `"event.id":` + quote(words)
	}
	a, err := s.ask(Query{LogsQL: filter})
	if err != nil {
		return err
	}
	return s.run(ctx, a, `fields "event.id"`, func(block *logstorage.DataBlock) error {
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
