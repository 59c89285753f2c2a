package search

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/web"
)

// histogram shows how many events the query finds over time, coloured by where they are from.
func (x *Room) histogram(w http.ResponseWriter, r *http.Request) error {
	a, err := ask(r)
	if err != nil {
		return err
	}
	h, err := x.service.Histogram(r.Context(), a.Query, a.Range, 80, event.EventDataset)
	if err != nil {
		return err
	}
	chart := web.Histogram{Start: h.Start, Step: h.Step, Brush: a.With(a.Query)}
	for _, series := range h.Series {
		name := series.Name
		if name == "" {
			name = web.T(r).T("search.histogram.none")
		}
		if series.Rest {
			name = web.T(r).T("search.histogram.rest")
		}
		counts := make([]int64, len(series.Hits))
		for j, n := range series.Hits {
			counts[j] = int64(min(n, math.MaxInt64))
		}
		chart.Series = append(chart.Series, web.Series{Label: name, Counts: counts})
	}
	return x.site.Render(w, r, http.StatusOK, "search/histogram", map[string]any{"Chart": chart, "Total": h.Total, "Step": h.Step})
}

// leading are the fields that people look at first.
func leading() []string {
	return []string{
		event.EventDataset, event.HostName, event.UserName, event.EventCode, event.EventAction, event.EventOutcome, event.SourceIP,
		event.DestinationIP, event.ProcessExe, event.ProcessName, event.ProcessCommand, event.FilePath, event.URLFull, event.SourceID,
	}
}

// field is an entry of the list of fields.
type field struct {
	Name string
	Hits uint64
	Href string // its most frequent values
}

// fields lists the fields of what the query finds: the usual ones, then all others.
func (x *Room) fields(w http.ResponseWriter, r *http.Request) error {
	a, err := ask(r)
	if err != nil {
		return err
	}
	counts, err := x.service.Fields(r.Context(), a.Query, a.Range)
	if err != nil {
		return err
	}
	slices.SortFunc(counts, func(a, b logstore.Count) int { return strings.Compare(a.Value, b.Value) })
	var lead, rest []field
	for _, c := range counts {
		f := field{c.Value, c.Hits, a.Address("/search/values", "field", c.Value)}
		switch {
		case slices.Contains(leading(), c.Value):
			lead = append(lead, f)
		case c.Value != event.Message && c.Value != "event.id":
			rest = append(rest, f)
		}
	}
	slices.SortStableFunc(lead, func(a, b field) int {
		return cmp.Compare(slices.Index(leading(), a.Name), slices.Index(leading(), b.Name))
	})
	return x.site.Render(w, r, http.StatusOK, "search/fields", map[string]any{"Lead": lead, "Rest": rest, "Count": len(lead) + len(rest)})
}

// topValues is how many values of a field the list shows.
const topValues = 10

type fieldValue struct {
	Text    string
	Hits    uint64
	In, Out string // the search narrowed to this value, or without it
}

// values shows a field's most frequent values.
func (x *Room) values(w http.ResponseWriter, r *http.Request) error {
	a, err := ask(r)
	if err != nil {
		return err
	}
	name := cmp.Or(r.URL.Query().Get("field"), event.HostName)
	counts, err := x.service.Values(r.Context(), a.Query, a.Range, name, topValues)
	if err != nil {
		return err
	}
	var list []fieldValue
	var most uint64
	for _, c := range counts {
		most = max(most, c.Hits)
		filter := exactly(name, c.Value)
		list = append(list, fieldValue{c.Value, c.Hits, a.With(narrow(a.Query, filter)), a.With(narrow(a.Query, "!"+filter))})
	}
	head, _ := cutPipes(a.Query)
	head = cmp.Or(strings.TrimSpace(head), "*")
	return x.site.Render(w, r, http.StatusOK, "search/values", map[string]any{
		"Field": name, "Values": list, "Most": most, "Full": len(list) == topValues,
		"All": a.With(head + gap(head) + "| top 100 by (" + quote(name) + ")"),
	})
}

// eventField is a field of an event with all its values.
type eventField struct {
	Name   string
	Values []string
	Cut    int // how many bytes of its values are not shown
}

const (
	maxShownValue  = 8 << 10
	maxShownValues = 100
	maxShownJSON   = 256 << 10
)

// event shows one event: all its fields, and as JSON.
func (x *Room) event(w http.ResponseWriter, r *http.Request) error {
	ev, err := x.find(r)
	if err != nil {
		return err
	}
	raw := ev.AppendJSON(nil)
	if r.URL.Query().Get("format") == "json" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="event.json"`)
		_, err := w.Write(append(raw, '\n'))
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return err
	}
	view := map[string]any{
		"Event": row{ev, eventPath(ev)}, "Fields": fieldsOf(ev), "Original": shorten(ev.Get(event.Original), maxShownValue),
		"Around": around(ev), "From": ev.Time.Add(-12 * time.Hour).Format(time.RFC3339), "To": ev.Time.Add(12 * time.Hour).Format(time.RFC3339),
	}
	if pretty.Len() <= maxShownJSON {
		view["JSON"] = pretty.String()
	}
	return x.site.Render(w, r, http.StatusOK, "search/event", view)
}

// find finds the event that a request names.
func (x *Room) find(r *http.Request) (found *event.Event, err error) {
	var span Range
	if at, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("at")); err == nil {
		span.Start, span.End = at, at
	}
	id := r.PathValue("id")
	err = x.service.Stream(r.Context(), `event.id:=`+quote(id), span, 1, func(ev *event.Event) error {
		found = ev.Clone()
		return nil
	})
	if err == nil && found == nil {
		err = fault.New(fault.NotFound, "fault.search.event", "no event has the id %s", id)
	}
	return found, err
}

// fieldsOf lists an event's fields by name.
func fieldsOf(ev *event.Event) []eventField {
	var list []eventField
	for _, f := range ev.Fields() {
		if f.Name == event.Original || f.Name == event.Message || slices.ContainsFunc(list, func(e eventField) bool { return e.Name == f.Name }) {
			continue
		}
		one := eventField{Name: f.Name}
		for i, value := range ev.Values(f.Name) {
			shown := value
			if i >= maxShownValues {
				shown = ""
			} else if len(value) > maxShownValue {
				shown = strings.ToValidUTF8(value[:maxShownValue], "")
			}
			one.Cut += len(value) - len(shown)
			if shown != "" {
				one.Values = append(one.Values, shown)
			}
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b eventField) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// around is the address of what happened on the same host within five minutes.
func around(ev *event.Event) string {
	const span = 5 * time.Minute
	a := asked{TimeRange: web.TimeRange{Start: ev.Time.Add(-span), End: ev.Time.Add(span)}}
	if host := ev.Get(event.HostName); host != "" {
		a.Query = exactly(event.HostName, host)
	}
	return a.Address("/search")
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}
