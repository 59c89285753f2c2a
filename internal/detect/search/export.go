package search

import (
	"context"
	"slices"

	"yagura/internal/event"
	"yagura/internal/platform/logstore"
)

// Ordered gives every row to yield, newest first, page by page so that memory stays bounded; rows that the query's own pipes
// make come in their own order. The event is reused.
func (s *Service) Ordered(ctx context.Context, query string, r Range, yield func(*event.Event) error) error {
	if r.Since > 0 { // pages must all begin where the first did
		r.Start, r.Since = s.now().Add(-r.Since), 0
	}
	request := Request{Query: query, Range: r, Limit: MaxPage}
	for {
		page, err := s.Page(ctx, request)
		if err != nil {
			return err
		}
		if page.More && page.Next == (Cursor{}) {
			return s.Stream(ctx, query, r, 0, yield)
		}
		for _, row := range page.Rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		request.Cursor = page.Next
	}
}

// exportColumns are the columns of a CSV file: what people look at first, then every other field; for a query's own rows theirs.
func exportColumns(query string, rows []*event.Event, known []logstore.Count) []string {
	columns := Columns(rows)
	if len(rows) == 0 || rows[0].ID == "" {
		return inOrderOf(query, columns)
	}
	columns = append(columns, "event.id")
	var rest []string
	for _, c := range known { // the most frequent first
		if len(rest) < csvColumns && !slices.Contains(columns, c.Value) {
			rest = append(rest, c.Value)
		}
	}
	slices.Sort(rest)
	return append(columns, rest...)
}
