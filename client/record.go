package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// List goes through all records that the filters leave, page by page. It ends with the first error.
func List[T any](ctx context.Context, c *Client, kind string, filters url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := maps.Clone(filters)
		if query == nil {
			query = url.Values{}
		}
		for {
			var page struct {
				Items []T    `json:"items"`
				Next  string `json:"next"`
			}
			if _, err := c.ask(ctx, call{method: http.MethodGet, path: kind, query: query, again: true}, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("cursor", page.Next)
		}
	}
}

// Get reads a record and the version that it is of; 0 for what has none.
func Get[T any](ctx context.Context, c *Client, kind, id string) (one T, version int64, err error) {
	version, err = c.ask(ctx, call{method: http.MethodGet, path: at(kind, id), again: true}, &one)
	return one, version, err
}

// Create makes a record of values and returns it with its version.
func Create[T any](ctx context.Context, c *Client, kind string, values any) (one T, version int64, err error) {
	version, err = c.change(ctx, http.MethodPost, kind, 0, values, &one)
	return one, version, err
}

// Update changes fields of a record; those that values leaves out stay. The error has the code "outdated" where the record is no longer of
// the version; 0 is whatever it is of.
func Update[T any](ctx context.Context, c *Client, kind, id string, version int64, values any) (one T, now int64, err error) {
	now, err = c.change(ctx, http.MethodPatch, at(kind, id), version, values, &one)
	return one, now, err
}

// Moving is what goes with a move to another state.
type Moving struct {
	Values map[string]any `json:"values,omitempty"`
	Why    string         `json:"why,omitempty"`
}

// Move moves a record to another state. Versions are those of Update.
func Move[T any](ctx context.Context, c *Client, kind, id, move string, version int64, with Moving) (one T, now int64, err error) {
	now, err = c.change(ctx, http.MethodPost, at(kind, id)+"/moves/"+url.PathEscape(move), version, with, &one)
	return one, now, err
}

// Delete deletes a record with the reason. Versions are those of Update.
func (c *Client) Delete(ctx context.Context, kind, id string, version int64, why string) error {
	_, err := c.change(ctx, http.MethodDelete, at(kind, id), version, map[string]string{"why": why}, nil)
	return err
}

// change sends a change. A POST is named by a key, so that it can be sent again; another change only where it names a version, which a first
// success makes outdated, so that it is not sent again here at all: who sent it would take its own success for somebody else's.
func (c *Client) change(ctx context.Context, method, path string, version int64, values, into any) (int64, error) {
	body, err := json.Marshal(values)
	if err != nil {
		return 0, fmt.Errorf("writing the values for %s: %w", path, err)
	}
	x := call{method: method, path: path, body: body, header: make(http.Header), again: method == http.MethodPost}
	if version > 0 {
		x.header.Set("If-Match", strconv.Quote(strconv.FormatInt(version, 10)))
	}
	if method == http.MethodPost {
		x.header.Set("Idempotency-Key", NewKey())
	}
	return c.ask(ctx, x, into)
}

// maxLine bounds an event of a search.
const maxLine = 16 << 20

// Search goes through the events that a LogsQL query finds, the newest first, each as its JSON text. What are "since", "start", "end" and
// "limit" stands in the API's document. An error may come after some events: those are then not all.
func (c *Client) Search(ctx context.Context, query string, more url.Values) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		asked := maps.Clone(more)
		if asked == nil {
			asked = url.Values{}
		}
		asked.Set("query", query)
		response, err := c.send(ctx, call{method: http.MethodGet, path: "search", query: asked, accept: "application/x-ndjson", again: true})
		if err != nil {
			yield(nil, err)
			return
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(make([]byte, 64<<10), maxLine)
		for lines.Scan() {
			if !yield(json.RawMessage(append([]byte(nil), lines.Bytes()...)), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fmt.Errorf("the search was cut off: %w", err))
		}
	}
}

func at(kind, id string) string { return kind + "/" + url.PathEscape(id) }
