package logstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
)

// Count is a value, or a field's name, and in how many rows it was found.
type Count struct {
	Value string
	Hits  uint64
}

// FieldNames lists the fields of the rows that the query's filter finds.
func (s *Store) FieldNames(ctx context.Context, q Query) ([]Count, error) {
	a, err := s.filter(q)
	if err != nil {
		return nil, err
	}
	parsed, err := a.parsed("")
	if err != nil {
		return nil, err
	}
	var list []Count
	err = s.do(ctx, func(ctx context.Context, _ func()) error {
		found, err := s.engine.GetFieldNames(ctx, []logstorage.TenantID{{}}, parsed)
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

// filter is the query without its pipes.
func (s *Store) filter(q Query) (asked, error) {
	a, err := s.ask(q)
	a.pipes = ""
	return a, err
}

// FieldValues lists the most frequent values of a field in the rows that the query's filter finds, q.Limit at the most (0: 10).
func (s *Store) FieldValues(ctx context.Context, q Query, field string) ([]Count, error) {
	a, err := s.filter(q)
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 10
	}
	var list []Count
	// One more than wanted, since rows without the field count as a value of their own.
	top := fmt.Sprintf("top %d by (%s) hits as hits", limit+1, quotedField(field))
	err = s.run(ctx, a, top, func(block *logstorage.DataBlock) error {
		values, hits := block.Columns[0].Values, block.Columns[len(block.Columns)-1].Values
		for i := range values {
			n, err := strconv.ParseUint(hits[i], 10, 64)
			if err != nil {
				return fmt.Errorf("reading the number of a value's rows: %w", err)
			}
			if values[i] != "" && len(list) < limit {
				list = append(list, Count{Value: strings.Clone(values[i]), Hits: n})
			}
		}
		return nil
	})
	return list, err
}

// Bucket is how many rows fall into a step of time.
type Bucket struct {
	Start time.Time
	Group string // the value of the field the histogram is split by, "" without one
	Hits  uint64
}

// maxBuckets bounds what a histogram takes in memory.
const maxBuckets = 50_000

// Hits counts the rows that the query's filter finds by steps of time, split by a field unless that is "". Steps without a row are
// left out; the list is in no order. A field with so many values that nobody could see them apart is fault.Invalid.
func (s *Store) Hits(ctx context.Context, q Query, step time.Duration, by string) ([]Bucket, error) {
	a, err := s.filter(q)
	if err != nil {
		return nil, err
	}
	groups := ""
	if by != "" {
		groups = ", " + quotedField(by)
	}
	count := fmt.Sprintf("stats by (_time:%dns offset %dns%s) count() hits", max(step, time.Millisecond), q.Offset, groups)
	var list []Bucket
	err = s.run(ctx, a, count, func(block *logstorage.DataBlock) error {
		columns := block.Columns
		if len(list)+block.RowsCount() > maxBuckets {
			return fault.New(fault.Invalid, "fault.search.groups", "the histogram would have more than %d bars", maxBuckets)
		}
		for i := range block.RowsCount() {
			b := Bucket{}
			if b.Start, err = time.Parse(time.RFC3339Nano, columns[0].Values[i]); err != nil {
				return err
			}
			if b.Hits, err = strconv.ParseUint(columns[len(columns)-1].Values[i], 10, 64); err != nil {
				return err
			}
			if len(columns) == 3 {
				b.Group = strings.Clone(columns[1].Values[i])
			}
			list = append(list, b)
		}
		return nil
	})
	return list, err
}
