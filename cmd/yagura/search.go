package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"yagura/internal/app"
	"yagura/internal/detect/search"
	"yagura/internal/event"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
)

type searchCmd struct {
	Query string `arg:"" optional:"" help:"LogsQL, such as 'event.code:=4625 AND host.name:pc-*'; everything without one. Syntax: docs/search.md."`
	Since string `help:"Only the last so long: 15m, 24h, 90d, 2y. Default: all time."`
	Start string `help:"Only from this time on: RFC 3339, 2026-04-01 or '2026-04-01 09:00'."`
	End   string `help:"Only up to this time."`
	Limit int    `default:"100" help:"The newest so many rows; 0 is all, in no order."`
	JSON  bool   `name:"json" help:"Print one JSON object a row."`
}

// Run searches through the server that has the data folder open, or the stopped folder itself.
func (c *searchCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	period, err := search.ParseRange(c.Since, c.Start, c.End, time.Now(), time.Local)
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return fault.New(fault.Invalid, "", "--limit must not be negative")
	}
	server, err := running(ctx, conf)
	if err != nil {
		return err
	}
	if server == nil {
		if _, err := os.Stat(conf.Data); err != nil {
			return fault.New(fault.Invalid, "fault.data_folder", "there is nothing to search: %w", err)
		}
	}
	out := c.output(io.out)
	if server != nil {
		err = c.remote(ctx, server, period, out.row)
	} else {
		err = withEngine(ctx, conf, io, func(e *app.Engine) error {
			switch err := drain(ctx, e); {
			case fault.Is(err, fault.Unavailable): // what is stored can be searched
				fmt.Fprintln(io.err, "yagura:", err)
			case err != nil:
				return err
			}
			return e.Search.Stream(ctx, c.Query, period, c.Limit, out.row)
		})
	}
	if err != nil {
		return err
	}
	return out.end()
}

// rows is where found rows go.
type rows interface {
	row(*event.Event) error
	end() error
}

func (c *searchCmd) output(w io.Writer) rows {
	if c.JSON {
		return jsonRows{search.NewJSONWriter(w)}
	}
	width, _ := terminal(w)
	return &tableRows{w: w, width: width}
}

type jsonRows struct{ w *search.JSONWriter }

func (j jsonRows) row(ev *event.Event) error { return j.w.Write(ev) }
func (j jsonRows) end() error                { return j.w.Close() }

// tableRows keeps the rows until it knows how wide the columns are.
type tableRows struct {
	w     io.Writer
	width int
	rows  []*event.Event
}

// maxTableRows bounds the memory; --json has no bound.
const maxTableRows = 100_000

func (t *tableRows) row(ev *event.Event) error {
	if len(t.rows) >= maxTableRows {
		return fault.New(fault.Invalid, "", "more than %d rows: narrow the search, or use --json", maxTableRows)
	}
	t.rows = append(t.rows, ev.Clone())
	return nil
}

func (t *tableRows) end() error {
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(t.w, "Nothing found.")
		return err
	}
	return search.WriteTable(t.w, t.rows, t.width)
}

// remote asks a running server.
func (c *searchCmd) remote(ctx context.Context, server *auth.Server, period search.Range, yield func(*event.Event) error) error {
	q := url.Values{"query": {c.Query}, "limit": {strconv.Itoa(c.Limit)}}
	if period.Since > 0 {
		q.Set("start", time.Now().Add(-period.Since).Format(time.RFC3339Nano))
	}
	if !period.Start.IsZero() {
		q.Set("start", period.Start.Format(time.RFC3339Nano))
	}
	if !period.End.IsZero() {
		q.Set("end", period.End.Format(time.RFC3339Nano))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/search?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+server.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "", "asking the server: %w", err)
	}
	defer resp.Body.Close() // it was only read
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	lines := bufio.NewReaderSize(resp.Body, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			ev, err := readRow(line)
			if err != nil {
				return err
			}
			if err := yield(ev); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fault.New(fault.Unavailable, "", "the answer broke off: %w", err)
		}
	}
}

// refused makes an error of an answer that is none (RFC 9457).
func refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // what arrived is enough to tell
	var problem struct{ Title, Detail string }
	if json.Unmarshal(text, &problem) != nil || problem.Detail == "" {
		problem.Detail = resp.Status + " " + problem.Title
	}
	code := fault.Unavailable
	if resp.StatusCode == http.StatusBadRequest {
		code = fault.Invalid
	}
	return fault.New(code, "", "the server answers: %s", problem.Detail)
}

// readRow reads a flat JSON object in its order.
func readRow(line []byte) (*event.Event, error) {
	ev := &event.Event{}
	dec := json.NewDecoder(bytes.NewReader(line))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("the server's answer: %w", err)
		}
		name, _ := key.(string)
		addRow(ev, name, value)
	}
	return ev, nil
}

func addRow(ev *event.Event, name string, value any) {
	text, isText := value.(string)
	switch {
	case name == "@timestamp" && isText:
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			ev.Time = t
			return
		}
	case name == "event.id" && isText:
		ev.ID = text
		return
	}
	switch v := value.(type) {
	case string:
		ev.Add(name, v)
	case []any:
		for _, x := range v {
			addRow(ev, name, x)
		}
	default:
		ev.Add(name, fmt.Sprint(v))
	}
}
