package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// View is a saved way to look at a kind's list.
type View struct {
	ID      string   `json:"id,omitempty"`
	Owner   string   `json:"owner,omitempty"`
	Name    string   `json:"name"`
	Query   string   `json:"query"` // as the list's address has it
	Columns []string `json:"columns"`
	Shared  bool     `json:"shared"`
}

// Views goes through the views that who asks has: their own, and those that are shared.
func (c *Client) Views(ctx context.Context, kind string) iter.Seq2[View, error] {
	return List[View](ctx, c, kind+"/-/views", nil)
}

// SaveView saves a view: a new one, or, with an id, one that is there already.
func (c *Client) SaveView(ctx context.Context, kind string, v View) (saved View, err error) {
	method, path := http.MethodPost, kind+"/-/views"
	if v.ID != "" {
		method, path = http.MethodPatch, at(path, v.ID)
	}
	v.ID, v.Owner = "", ""
	_, err = c.change(ctx, method, path, 0, v, &saved)
	return saved, err
}

// RemoveView forgets a view.
func (c *Client) RemoveView(ctx context.Context, kind, id string) error {
	_, err := c.ask(ctx, call{method: http.MethodDelete, path: at(kind+"/-/views", id)}, nil)
	return err
}

// Bulk is something that is done to many records at once: one of a move, a change, and a deletion.
type Bulk struct {
	IDs        []string       `json:"ids,omitempty"`
	Filter     *string        `json:"filter,omitempty"` // the query of a list, instead of ids; an empty one is all records
	Move       string         `json:"move,omitempty"`
	Values     map[string]any `json:"values,omitempty"`
	AddTags    []string       `json:"add_tags,omitempty"`
	RemoveTags []string       `json:"remove_tags,omitempty"`
	Delete     bool           `json:"delete,omitempty"`
	Why        string         `json:"why,omitempty"`
}

// BulkDone is what was done to many records.
type BulkDone struct {
	Action string `json:"action"`
	Count  int    `json:"count"`
	Undo   string `json:"undo"` // what UndoBulk takes; empty where there is no way back
}

// Bulk does something to many records: to all of them or, where the error's detail names one, to none.
func (c *Client) Bulk(ctx context.Context, kind string, do Bulk) (done BulkDone, err error) {
	_, err = c.change(ctx, http.MethodPost, kind+"/-/bulk", 0, do, &done)
	return done, err
}

// UndoBulk takes back what was done to many records, within an hour.
func (c *Client) UndoBulk(ctx context.Context, kind, undo string) (done BulkDone, err error) {
	_, err = c.change(ctx, http.MethodPost, kind+"/-/undo", 0, map[string]string{"undo": undo}, &done)
	return done, err
}

// Import is a list that was sent to be imported.
type Import struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	State    string           `json:"state"` // sent, checked, done
	Headings []string         `json:"headings"`
	Fields   []string         `json:"fields"` // what the columns are; empty for one that is left
	Lines    int64            `json:"lines"`
	Fates    map[string]int64 `json:"fates"` // how many lines have each
}

// ImportLine is a line of a list with what becomes of it.
type ImportLine struct {
	Number   int64           `json:"number"`
	Fate     string          `json:"fate"`
	Record   string          `json:"record"` // the id of the record that it changes, or that was made of it
	Cells    []string        `json:"cells"`
	Problems []ImportProblem `json:"problems"`
}

// ImportProblem is why a line cannot be imported.
type ImportProblem struct {
	Field   string `json:"field"` // empty for the line as a whole
	Message string `json:"message"`
}

// SendList sends a list, CSV or XLSX, to be imported; it waits for an hour.
func (c *Client) SendList(ctx context.Context, kind, name string, list io.Reader) (u Import, err error) {
	err = c.upload(ctx, kind+"/-/imports", url.Values{"name": {name}}, list, &u)
	return u, err
}

// CheckImport says what would become of each line, and changes nothing. fields are those of the columns in their order; nil takes those that
// their headings name. With blanks an empty cell empties its field.
func (c *Client) CheckImport(ctx context.Context, kind, id string, fields []string, blanks bool) (u Import, err error) {
	body := struct {
		Fields []string `json:"fields,omitempty"`
		Blanks bool     `json:"blanks,omitempty"`
	}{fields, blanks}
	_, err = c.change(ctx, http.MethodPost, at(kind+"/-/imports", id)+"/check", 0, body, &u)
	return u, err
}

// RunImport imports what was checked, portion by portion, until all is done.
func (c *Client) RunImport(ctx context.Context, kind, id string) (u Import, err error) {
	for u.State != "done" {
		if _, err = c.change(ctx, http.MethodPost, at(kind+"/-/imports", id)+"/run", 0, struct{}{}, &u); err != nil {
			return u, err
		}
	}
	return u, nil
}

// ImportLines goes through the lines of a list, of one fate or, with "", of all.
func (c *Client) ImportLines(ctx context.Context, kind, id, fate string) iter.Seq2[ImportLine, error] {
	var filters url.Values
	if fate != "" {
		filters = url.Values{"fate": {fate}}
	}
	return List[ImportLine](ctx, c, at(kind+"/-/imports", id)+"/lines", filters)
}
