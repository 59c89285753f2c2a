package alert

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

// detailView is an alert's page, and its panel beside the list.
type detailView struct {
	*Detail
	Title     string // the rule's, in the reader's language where it has one
	Field     string // ECS name of the entity
	UnitName  string
	Kind      string // of the state's pill
	Tactics   []named
	Rule      RuleInfo
	RuleKnown bool
	Evidence  []evidence
	Samples   []sampleView
	Hits      web.Histogram
	Around    string // the search for what else happened to the entity
	Matched   string // the search for the sample events themselves
	MayWrite  bool
	Verdicts  []web.Option
	Chosen    string // the verdict, as the form has it
	Note      string
	Error     string
}

type named struct{ Name, Label string }

// evidence is a field that the rule looks at with its values in the latest sample.
type evidence struct {
	Field  string // as the rule says
	Name   string // ours
	Values []string
}

// sampleView is a sample event that opens to all its fields.
type sampleView struct {
	Time    time.Time
	Message string
	Fields  []sampleField
}

type sampleField struct {
	Name   string
	Values []string
}

// detail shows one alert.
func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	view, err := x.view(r)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "alert/detail", view)
}

func (x *Room) view(r *http.Request) (*detailView, error) {
	d, err := x.store.Detail(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := web.T(r)
	view := &detailView{
		Detail: d, Title: d.Title, Field: d.Entity.Field(), Kind: stateKind(d.State), MayWrite: may(r), Verdicts: verdictOptions(p), Chosen: string(d.Verdict),
		Hits: x.store.histogram(d, p),
	}
	names, err := x.unitNames(r)
	if err != nil {
		return nil, err
	}
	view.UnitName = names.name(d.Unit)
	for _, tactic := range d.Tactics {
		view.Tactics = append(view.Tactics, named{tactic, tacticLabel(p, tactic)})
	}
	for _, s := range d.Samples {
		view.Samples = append(view.Samples, readSample(s))
	}
	if x.rules != nil {
		view.Rule, view.RuleKnown = x.rules.About(d.RuleID, p.Lang())
		if title, ok := x.rules.Titles(p.Lang())[d.RuleID]; ok {
			view.Title = title
		}
	}
	if len(view.Samples) > 0 {
		latest := view.Samples[len(view.Samples)-1]
		view.Evidence = findEvidence(view.Rule.Fields, latest.Fields)
		view.Around = entityQuery(d.Entity, latest.Fields)
	}
	view.Matched = idQuery(d.Samples)
	slices.Reverse(view.Samples)
	return view, nil
}

// decide changes the alert's state, or adds a note.
func (x *Room) decide(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return badForm(err)
	}
	d := Decision{State: State(r.PostFormValue("state")), Note: r.PostFormValue("note"), Version: version}
	if d.State == Closed {
		d.Verdict = Verdict(r.PostFormValue("verdict"))
	}
	_, err = x.store.Decide(r.Context(), id, web.User(r).ID, d)
	switch fault.CodeOf(err) {
	case "":
		return x.site.Done(w, r, "/alerts/"+id, web.Flash{Kind: web.Good, Text: web.T(r).T("alert.decided."+string(d.State), 1)})
	case fault.Invalid, fault.TooLarge, fault.Conflict:
		view, viewErr := x.view(r)
		if viewErr != nil {
			return viewErr
		}
		view.Error, view.Note = web.Message(r, err), d.Note // what was written is not lost
		if known(d.Verdict) {
			view.Chosen = string(d.Verdict)
		}
		return x.site.Render(w, r, http.StatusUnprocessableEntity, "alert/detail", view)
	}
	return err
}

func badForm(err error) error {
	return fault.New(fault.Invalid, "alert.fault.form", "the form cannot be read: %w", err)
}

// histogram is the alert's matches over time, with some room around so that a single interval is seen in its day.
func (s *Store) histogram(d *Detail, p *i18n.Printer) web.Histogram {
	step := s.Interval()
	if len(d.Counts) == 0 {
		return web.Histogram{Start: d.FirstSeen.Truncate(step), Step: step}
	}
	start, end := d.Counts[0].Start, d.Counts[len(d.Counts)-1].Start
	for end.Sub(start) < 17*step {
		start, end = start.Add(-step), end.Add(step)
	}
	counts := make([]int64, min(int(end.Sub(start)/step)+1, 2000))
	for _, c := range d.Counts {
		if i := int(c.Start.Sub(start) / step); i < len(counts) {
			counts[i] += c.Count
		}
	}
	return web.Histogram{Start: start, Step: step, Series: []web.Series{{Label: p.T("alert.matches"), Level: d.Severity.String(), Counts: counts}}}
}

// readSample reads a sample's JSON in its order; what is no object shows nothing.
func readSample(s Sample) sampleView {
	view := sampleView{Time: s.Time}
	dec := json.NewDecoder(bytes.NewReader(s.Event))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return view
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return view
		}
		var raw any
		if dec.Decode(&raw) != nil {
			return view
		}
		field := sampleField{Name: name.(string), Values: texts(raw)}
		if field.Name == event.Message && len(field.Values) > 0 {
			view.Message = field.Values[0]
		}
		view.Fields = append(view.Fields, field)
	}
	return view
}

// texts writes a JSON value as the texts that an event has.
func texts(raw any) []string {
	switch v := raw.(type) {
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, texts(item)...)
		}
		return all
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{strconv.FormatBool(v)}
	}
	return []string{""}
}

func find(fields []sampleField, name string) []string {
	for _, f := range fields {
		if f.Name == name {
			return f.Values
		}
	}
	return nil
}

// findEvidence gives the fields that the rule looks at and the event has.
func findEvidence(fields []RuleField, have []sampleField) []evidence {
	var list []evidence
	for _, f := range fields {
		for _, name := range f.Names {
			if values := find(have, name); len(values) > 0 {
				list = append(list, evidence{f.Name, name, values})
				break
			}
		}
	}
	return list
}

// entityQuery is the LogsQL that finds what else happened to the entity, by the field in which the events name it; "" for
// an alert about none.
func entityQuery(e Entity, have []sampleField) string {
	names := map[EntityKind][]string{Host: hostNames[:], User: userNames[:], SourceIP: sourceIPs[:]}[e.Kind]
	for _, name := range names {
		for _, value := range find(have, name) {
			if strings.EqualFold(strings.TrimSpace(value), e.Value) {
				return name + ":=" + strconv.Quote(value)
			}
		}
	}
	return ""
}

// idQuery is the LogsQL that finds the sample events themselves.
func idQuery(samples []Sample) string {
	var ids []string
	for _, s := range samples {
		if s.EventID != "" {
			ids = append(ids, strconv.Quote(s.EventID))
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "event.id:in(" + strings.Join(ids, ", ") + ")"
}

// From and To are the stretch of time around the alert, for a search.
func (a *Alert) From() string { return a.FirstSeen.Add(-time.Hour).Format(time.RFC3339) }

// To is the end of it.
func (a *Alert) To() string { return a.LastSeen.Add(time.Hour).Format(time.RFC3339) }

// Lasted is how long the alert spans.
func (a *Alert) Lasted() time.Duration { return a.LastSeen.Sub(a.FirstSeen) }
