package search

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// asked is what a request searches for.
type asked struct {
	web.TimeRange
	Query string
	Range Range
}

// defaultSpan is the stretch of time that is searched where none is named.
const defaultSpan = "24h"

func ask(r *http.Request) (asked, error) {
	span, err := web.ReadTimeRange(r, defaultSpan)
	if err != nil {
		return asked{}, err
	}
	a := asked{TimeRange: span, Query: r.URL.Query().Get("q"), Range: Range{Zone: web.T(r).Zone()}}
	if span.Since != "" {
		a.Range.Since = span.End.Sub(span.Start)
	} else {
		a.Range.Start, a.Range.End = span.Start, span.End
	}
	return a, nil
}

// Address is a path with this search in its query; more is pairs of names and values.
func (a asked) Address(path string, more ...string) string {
	query := a.TimeRange.Query()
	if a.Query != "" {
		query.Set("q", a.Query)
	}
	for i := 0; i+1 < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return path + "?" + query.Encode()
}

// With is the address of the search page with another query.
func (a asked) With(query string) string {
	a.Query = query
	return a.Address("/search")
}

// For is the address of the search page with another stretch of time until now.
func (a asked) For(since string) string {
	a.TimeRange = web.TimeRange{Since: since}
	return a.Address("/search")
}

// view is the search page.
type view struct {
	asked
	Wrong    string // what the engine says of a query that it cannot read
	Rows     []row
	Own      bool     // the rows are the query's own: a table of Columns
	Columns  []column // with Own
	Full     bool     // there are more rows of the query's own than are shown
	Pager    web.Pager
	Bare     bool   // nothing is stored at all
	Wider    string // a longer stretch of time to offer, where nothing was found
	Saved    []Saved
	MaySave  bool
	MayTail  bool
	Older    bool // this is not the first page
	Examples []example
}

// row is an event in the list.
type row struct {
	*event.Event
	Href string
}

// Failed reports whether this is an event that could not be read.
func (r row) Failed() bool { return r.Get(event.EventKind) == event.KindPipelineError }

type column struct {
	Name    string
	Numeric bool
}

// Cell is a value of a row of the query's own.
func (r row) Cell(name string) string { return Value(r.Event, name) }

// Fields that the list has columns for.
func (r row) Host() string    { return r.Get(event.HostName) }
func (r row) User() string    { return r.Get(event.UserName) }
func (r row) Dataset() string { return cmp.Or(r.Get(event.EventDataset), r.Get(event.EventModule)) }
func (r row) Message() string { return shorten(r.Get(event.Message), 400) }

// shorten cuts a text for a line of a list.
func shorten(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

// example is a query to begin with.
type example struct{ Key, Query string }

// examples are worded in the catalogues: search.example.<key>.
func examples() []example {
	return []example{
		{"word", `powershell`},
		{"phrase", `i("failed password")`},
		{"field", `user.name:="administrator"`},
		{"case", `user.name:i(Administrator)`},
		{"prefix", `host.name:pc*`},
		{"all", `event.outcome:failure !source.ip:ipv4_range("10.0.0.0/8")`},
		{"list", `event.code:in(4624, 4625, 4648)`},
		{"regexp", `process.command_line:~"(?i)-enc(odedcommand)?\\s"`},
		{"top", `* | top 10 by (host.name)`},
		{"stats", `event.outcome:failure | stats by (user.name, source.ip) count() failures | sort by (failures desc)`},
	}
}

// page shows the newest events that the query finds; histogram and fields follow in parts of their own.
func (x *Room) page(w http.ResponseWriter, r *http.Request) error {
	a, err := ask(r)
	if err != nil {
		return err
	}
	v := view{asked: a, Examples: examples(), MaySave: web.User(r).May(string(MaySave))}
	if v.Saved, err = x.saved.list(r.Context()); err != nil {
		return err
	}
	request := Request{Query: a.Query, Range: a.Range}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		if request.Cursor, err = readCursor(cursor); err != nil {
			return err
		}
		v.Older = true
	}
	found, err := x.service.Page(r.Context(), request)
	if fault.Is(err, fault.Invalid) {
		v.Wrong = reason(err)
		return x.site.Render(w, r, http.StatusUnprocessableEntity, "search/page", v)
	}
	if err != nil {
		return err
	}
	v.MayTail = x.tail != nil && !found.Own
	if err := v.show(found); err != nil {
		return err
	}
	if len(v.Rows) == 0 && !v.Older {
		if err := x.explainNothing(r, &v); err != nil {
			return err
		}
	}
	return x.site.Render(w, r, http.StatusOK, "search/page", v)
}

// show puts found rows into the view.
func (v *view) show(found *Page) error {
	for _, ev := range found.Rows {
		v.Rows = append(v.Rows, row{ev, eventPath(ev)})
	}
	// Rows without an id are no events, whatever made them so: their own columns are what there is to see.
	v.Own = found.Own && !slices.ContainsFunc(found.Rows, func(ev *event.Event) bool { return ev.ID != "" }) ||
		len(found.Rows) > 0 && found.Rows[0].ID == ""
	if v.Own {
		v.Columns = columnsOf(v.Query, found.Rows)
	}
	v.Full = found.More && found.Next == Cursor{}
	if v.Older {
		v.Pager.First = v.Address("/search")
	}
	if (found.Next != Cursor{}) {
		cursor, err := writeCursor(found.Next)
		if err != nil {
			return err
		}
		v.Pager.Next = v.Address("/search", "cursor", cursor)
	}
	return nil
}

// columnsOf are the columns of a query's own rows, in the order in which the query names them.
func columnsOf(query string, rows []*event.Event) []column {
	var list []column
	for _, name := range inOrderOf(query, Columns(rows)) {
		c := column{Name: name, Numeric: true}
		for _, ev := range rows {
			if text := Value(ev, name); text != "" && !isNumber(text) {
				c.Numeric = false
				break
			}
		}
		list = append(list, c)
	}
	return list
}

// inOrderOf sorts columns by where a query names them first: the engine gives them in an order of its own. Those that it does not
// name, such as the hits of "top", come last.
func inOrderOf(query string, columns []string) []string {
	_, pipes := cutPipes(query)
	place := func(name string) int {
		if at := strings.Index(pipes, name); at >= 0 && name != "@timestamp" {
			return at
		}
		if name == "@timestamp" {
			return -1
		}
		return len(pipes)
	}
	slices.SortStableFunc(columns, func(a, b string) int { return cmp.Compare(place(a), place(b)) })
	return columns
}

// explainNothing finds out why there is nothing to show: nothing stored at all, or not in this time.
func (x *Room) explainNothing(r *http.Request, v *view) error {
	anything, err := x.service.Page(r.Context(), Request{Limit: 1})
	if err != nil {
		return err
	}
	v.Bare = len(anything.Rows) == 0
	for _, since := range append(web.Spans(), "10y") {
		if span, err := ParseRange(since, "", "", time.Time{}, nil); err == nil && span.Since > v.End.Sub(v.Start) {
			v.Wider = v.For(since)
			if since == "7d" || since == "30d" || since == "10y" {
				break
			}
		}
	}
	return nil
}

// eventPath is the address of an event's page; its time spares the store a search through everything.
func eventPath(ev *event.Event) string {
	return "/search/events/" + url.PathEscape(ev.ID) + "?at=" + url.QueryEscape(ev.Time.UTC().Format(time.RFC3339Nano))
}

func writeCursor(c Cursor) (string, error) { return db.EncodeCursor(c.Before.UnixNano(), c.Shown) }

func readCursor(text string) (Cursor, error) {
	var nanos int64
	var c Cursor
	if err := db.DecodeCursor(text, &nanos, &c.Shown); err != nil {
		return Cursor{}, err
	}
	c.Before = time.Unix(0, nanos).UTC()
	return c, nil
}

// reason is what is wrong with a query, as the engine says it.
func reason(err error) string {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return shorten(own.Detail, 2000)
	}
	return shorten(err.Error(), 2000)
}

// save keeps the search under a name.
func (x *Room) save(w http.ResponseWriter, r *http.Request) error {
	span := url.Values{}
	for _, name := range []string{"since", "start", "end"} {
		if text := r.PostFormValue(name); text != "" {
			span.Set(name, text)
		}
	}
	one := Saved{Name: r.PostFormValue("name"), Query: r.PostFormValue("q"), Span: span.Encode(), CreatedBy: web.User(r).ID}
	if err := x.saved.save(r.Context(), one); err != nil {
		return err
	}
	return x.site.Done(w, r, one.Path(), web.Flash{Kind: web.Good, Text: web.T(r).T("search.saved.done", one.Name)})
}

// remove deletes a saved search.
func (x *Room) remove(w http.ResponseWriter, r *http.Request) error {
	if err := x.saved.remove(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/search", web.Flash{Kind: web.Good, Text: web.T(r).T("search.saved.removed")})
}
