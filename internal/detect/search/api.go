package search

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/web"
)

// defaultLimit is how many rows the API answers with where no limit is named.
const defaultLimit = 1000

// apiAsk reads query (or q), since, start and end. Without a range everything is searched.
func (x *Room) apiAsk(r *http.Request) (query string, span Range, err error) {
	q := r.URL.Query()
	span, err = ParseRange(q.Get("since"), q.Get("start"), q.Get("end"), x.service.now(), web.T(r).Zone())
	return cmp.Or(q.Get("query"), q.Get("q")), span, err
}

func apiLimit(r *http.Request, fallback int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "fault.search.limit", "limit: %q is no whole number of 0 or more", text)
	}
	return n, nil
}

// apiSearch streams rows as NDJSON: the newest first, or with limit=0 all of them in no order. A stream that fails on its way is
// cut off without its end.
func (x *Room) apiSearch(w http.ResponseWriter, r *http.Request) error {
	query, span, err := x.apiAsk(r)
	if err != nil {
		return err
	}
	limit, err := apiLimit(r, defaultLimit)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := NewJSONWriter(w)
	if err := x.service.Stream(r.Context(), query, span, limit, out.Write); err != nil {
		return err
	}
	return out.Close()
}

type apiCount struct {
	Value string `json:"value"`
	Hits  uint64 `json:"hits"`
}

func apiCounts(list []logstore.Count) []apiCount {
	out := make([]apiCount, len(list))
	for i, c := range list {
		out[i] = apiCount(c)
	}
	return out
}

// apiFields lists the fields of what is found and in how many rows they are.
func (x *Room) apiFields(w http.ResponseWriter, r *http.Request) error {
	query, span, err := x.apiAsk(r)
	if err != nil {
		return err
	}
	list, err := x.service.Fields(r.Context(), query, span)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, map[string]any{"fields": apiCounts(list)})
}

// apiValues lists the most frequent values of ?field=, of the dataset where none is named.
func (x *Room) apiValues(w http.ResponseWriter, r *http.Request) error {
	query, span, err := x.apiAsk(r)
	if err != nil {
		return err
	}
	limit, err := apiLimit(r, 10)
	if err != nil {
		return err
	}
	list, err := x.service.Values(r.Context(), query, span, cmp.Or(r.URL.Query().Get("field"), event.EventDataset), limit)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, map[string]any{"values": apiCounts(list)})
}

type apiSeries struct {
	Name  string   `json:"name"`
	Total uint64   `json:"total"`
	Hits  []uint64 `json:"hits"`
}

// apiHits counts over time, in steps of ?step=5m or about sixty of them, split by ?field= where named.
func (x *Room) apiHits(w http.ResponseWriter, r *http.Request) error {
	query, span, err := x.apiAsk(r)
	if err != nil {
		return err
	}
	by := r.URL.Query().Get("field")
	var h *Histogram
	if text := r.URL.Query().Get("step"); text != "" {
		step, err := config.ParseDuration(text)
		if err != nil {
			return fault.New(fault.Invalid, "fault.search.step", "step: %w", err)
		}
		h, err = x.service.Steps(r.Context(), query, span, time.Duration(step), by)
		if err != nil {
			return err
		}
	} else if h, err = x.service.Histogram(r.Context(), query, span, 0, by); err != nil {
		return err
	}
	series := make([]apiSeries, len(h.Series))
	for i, s := range h.Series {
		series[i] = apiSeries{s.Name, s.Total, s.Hits}
	}
	return web.JSON(w, http.StatusOK, apiHistogram{h.Step.Seconds(), h.Total, append([]time.Time{}, h.Times...), series})
}

// export streams everything that the query finds as a file, newest first: ?format=csv or ndjson.
func (x *Room) export(w http.ResponseWriter, r *http.Request) error {
	a, err := ask(r)
	if err != nil {
		return err
	}
	name := "yagura-" + x.service.now().In(web.T(r).Zone()).Format("20060102-150405")
	switch format := cmp.Or(r.URL.Query().Get("format"), "ndjson"); format {
	case "ndjson":
		attachment(w, "application/x-ndjson", name+".ndjson")
		out := NewJSONWriter(w)
		if err := x.service.Ordered(r.Context(), a.Query, a.Range, out.Write); err != nil {
			return err
		}
		return out.Close()
	case "csv":
		known, err := x.service.Fields(r.Context(), a.Query, a.Range)
		if err != nil {
			return err
		}
		attachment(w, "text/csv; charset=utf-8", name+".csv")
		out := &csvExport{w: w, query: a.Query, known: known}
		if err := x.service.Ordered(r.Context(), a.Query, a.Range, out.write); err != nil {
			return err
		}
		return out.close()
	default:
		return fault.New(fault.Invalid, "fault.search.format", "format is csv or ndjson, not %q", format)
	}
}

func attachment(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// csvExport finds the columns out by the first rows: those of events are known beforehand, those of a query's own rows are not.
type csvExport struct {
	w       http.ResponseWriter
	query   string
	known   []logstore.Count
	waiting []*event.Event
	out     *CSVWriter
}

const (
	csvLook    = 200 // rows that columns are found by
	csvColumns = 500
)

func (c *csvExport) write(ev *event.Event) error {
	if c.out != nil {
		return c.out.Write(ev)
	}
	if c.waiting = append(c.waiting, ev.Clone()); len(c.waiting) < csvLook {
		return nil
	}
	return c.begin()
}

// begin writes the header and the rows that waited.
func (c *csvExport) begin() (err error) {
	if c.out, err = NewCSVWriter(c.w, exportColumns(c.query, c.waiting, c.known)); err != nil {
		return err
	}
	for _, ev := range c.waiting {
		if err := c.out.Write(ev); err != nil {
			return err
		}
	}
	c.waiting = nil
	return nil
}

func (c *csvExport) close() error {
	if c.out == nil {
		if err := c.begin(); err != nil {
			return err
		}
	}
	return c.out.Close()
}
