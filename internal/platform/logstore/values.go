package logstore

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
)

// Count is a value, or a field's name, and in how many rows it was found.
type Count struct {
	Value string
	Hits  uint64
}

// FieldNames lists the fields of the rows that the query finds.
func (s *Store) FieldNames(ctx context.Context, q Query) ([]Count, error) {
	return s.counts(ctx, q, func(parsed *logstorage.Query) ([]logstorage.ValueWithHits, error) {
		return s.engine.GetFieldNames(ctx, []logstorage.TenantID{{}}, parsed)
	})
}

// FieldValues lists the most frequent values of a field in the rows that the query finds, q.Limit at the most (0: 10).
func (s *Store) FieldValues(ctx context.Context, q Query, field string) ([]Count, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 10
	}
	if field == event.Message {
		field = "_msg"
	}
	q.LogsQL = filterOf(q.LogsQL) + " | top " + strconv.Itoa(limit) + " by (" + quote(field) + ") hits hits"
	q.Limit = 0
	parsed, err := s.parse(q)
	if err != nil {
		return nil, err
	}
	var list []Count
	err = s.run(ctx, parsed, func(block *logstorage.DataBlock) error {
		var values, hits []string
		for _, c := range block.Columns {
			switch c.Name {
			case "hits":
				hits = c.Values
			case field:
				values = c.Values
			}
		}
		for i := range values {
			if n, err := strconv.ParseUint(hits[i], 10, 64); err == nil && values[i] != "" {
				list = append(list, Count{Value: string([]byte(values[i])), Hits: n})
			}
		}
		return nil
	})
	return list, err
}

// filterOf is the part of a query before its pipes; what cannot be read is left for parse to complain of.
func filterOf(text string) string {
	parsed, err := logstorage.ParseQuery(text)
	if err != nil {
		return cmp.Or(strings.TrimSpace(text), "*")
	}
	parsed.DropAllPipes()
	return parsed.String()
}

func (s *Store) counts(ctx context.Context, q Query, ask func(*logstorage.Query) ([]logstorage.ValueWithHits, error)) ([]Count, error) {
	q.LogsQL = filterOf(q.LogsQL)
	parsed, err := s.parse(q)
	if err != nil {
		return nil, err
	}
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var list []Count
	err = s.use(func() error {
		found, err := ask(parsed)
		for _, v := range found {
			switch v.Value {
			case "_stream", "_stream_id", "_time":
			case "_msg":
				list = append(list, Count{Value: event.Message, Hits: v.Hits})
			default:
				list = append(list, Count{Value: v.Value, Hits: v.Hits})
			}
		}
		return err
	})
	return list, err
}

// Bucket is how many rows fall into a step of time.
type Bucket struct {
	Start time.Time
	Group string // the value of the field the histogram is split by, "" without one
	Hits  uint64
}

// Hits counts the rows that the query's filter finds by steps of time, split by a field unless that is "". Steps without a row are
// left out; the list is in no order.
func (s *Store) Hits(ctx context.Context, q Query, step time.Duration, by string) ([]Bucket, error) {
	parsed, err := s.parse(q)
	if err != nil {
		return nil, err
	}
	parsed.DropAllPipes()
	var fields []string
	if by != "" {
		fields = []string{by}
	}
	parsed.AddCountByTimePipe(int64(max(step, time.Millisecond)), int64(q.Offset), fields)
	var list []Bucket
	err = s.run(ctx, parsed, func(block *logstorage.DataBlock) error {
		columns := block.Columns
		for i := range block.RowsCount() {
			b := Bucket{}
			if b.Start, err = time.Parse(time.RFC3339Nano, columns[0].Values[i]); err != nil {
				return err
			}
			if b.Hits, err = strconv.ParseUint(columns[len(columns)-1].Values[i], 10, 64); err != nil {
				return err
			}
			if len(columns) == 3 {
				b.Group = string([]byte(columns[1].Values[i]))
			}
			list = append(list, b)
		}
		return nil
	})
	return list, err
}
