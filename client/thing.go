package client

import (
	"context"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// Comment is what somebody said about a record.
type Comment struct {
	ID      string     `json:"id"`
	At      time.Time  `json:"at"`
	Author  string     `json:"author"` // a person's id
	Text    string     `json:"text"`   // Markdown; empty where it was deleted
	Edited  *time.Time `json:"edited"`
	Deleted *time.Time `json:"deleted"`
	Version int64      `json:"version"`
}

// Comments goes through what was said about a record, the latest first.
func (c *Client) Comments(ctx context.Context, kind, id string) iter.Seq2[Comment, error] {
	return List[Comment](ctx, c, at(kind, id)+"/comments", nil)
}

// Comment says something about a record; the text is Markdown.
func (c *Client) Comment(ctx context.Context, kind, id, text string) (said Comment, err error) {
	_, err = c.change(ctx, http.MethodPost, at(kind, id)+"/comments", 0, map[string]string{"text": text}, &said)
	return said, err
}

// Export streams the records that the filters leave as a file: "csv", "xlsx" or "json". The caller closes it. A stream that fails on its way ends
// with an error, and what came is not all.
func (c *Client) Export(ctx context.Context, kind, format string, filters url.Values) (io.ReadCloser, error) {
	query := maps.Clone(filters)
	if query == nil {
		query = url.Values{}
	}
	query.Set("format", format)
	response, err := c.send(ctx, call{method: http.MethodGet, path: kind + "/export", query: query, accept: "*/*", again: true})
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
