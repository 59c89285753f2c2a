package alert

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// overview is what the page of an alert shows of it, besides what pages of all records show.
type overview struct {
	*record.Record
	Seen
	Entity    Entity
	Severity  string
	Tactics   []named
	Rule      RuleInfo
	RuleID    string
	RuleKnown bool
	Evidence  []evidence
	Samples   []sampleView
	Together  []contribution
	Hits      web.Histogram
	Around    string // the search for what else happened to the entity
	From, To  string // the stretch of time around the alert, for a search
	Lasted    time.Duration
	MayWrite  bool
	Open      bool
	Verdicts  []web.Option
	Beside    template.HTML
	Why       template.HTML
	Story     template.HTML // of an alert that tells of others
}

type named struct{ Name, Label string }

// evidence is a field that the rule looks at with its values in the latest sample.
type evidence struct {
	Field  string // as the rule says
	Name   string // ours
	Values []string
}

// contribution is an event that a correlation took together with others.
type contribution struct {
	match.Contribution
	Query, From, To string // the search that finds it
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

// overview shows why there is an alert, and what was seen.
func (x *Room) overview(r *http.Request, a *record.Record) (template.HTML, error) {
	seen, err := x.store.Seen(r.Context(), a.ID)
	if err != nil {
		return "", err
	}
	p := web.T(r)
	view := &overview{
		Record: a, Seen: seen, Entity: entityOf(a), Severity: severityOf(a).String(), RuleID: a.Str("rule"), MayWrite: may(r), Open: !a.Done(),
		Verdicts: verdictOptions(p), Hits: x.store.histogram(a, seen, p), Lasted: a.At("last_seen").Sub(a.At("first_seen")),
	}
	view.From, view.To = around(a)
	list, _ := a.Get("tactic").([]string)
	for _, tactic := range list {
		view.Tactics = append(view.Tactics, named{tactic, tacticLabel(p, tactic)})
	}
	for _, s := range seen.Samples {
		view.Samples = append(view.Samples, readSample(s))
	}
	if x.rules != nil {
		view.Rule, view.RuleKnown = x.rules.About(view.RuleID, p.Lang())
	}
	if len(view.Samples) > 0 {
		latest := view.Samples[len(view.Samples)-1]
		view.Evidence = findEvidence(view.Rule.Fields, latest.Fields)
		view.Around = entityQuery(view.Entity, latest.Fields)
		view.Together = together(latest.Fields)
		for i := range view.Together {
			if one := &view.Together[i]; x.rules != nil {
				one.Rule = cmp.Or(x.rules.Title(strings.ToLower(one.RuleID), p.Lang()), one.Rule)
			}
		}
	}
	if n := len(seen.Samples); n > 0 && x.Why != nil {
		if view.Why, err = x.Why(r, view.RuleID, seen.Samples[n-1].Event); err != nil {
			return "", err
		}
	}
	slices.Reverse(view.Samples)
	if x.Story != nil && view.RuleID == StoryRule {
		if view.Story, err = x.Story(r, a); err != nil {
			return "", err
		}
	}
	if x.Beside != nil {
		if view.Beside, err = x.Beside(r, a); err != nil {
			return "", err
		}
	}
	return x.site.Part(r, "alert/overview", "content", view)
}

// around is the stretch of time around an alert, for a search.
func around(a *record.Record) (from, to string) {
	return a.At("first_seen").Add(-time.Hour).Format(time.RFC3339), a.At("last_seen").Add(time.Hour).Format(time.RFC3339)
}

// actions lead from an alert to its events.
func (x *Room) actions(r *http.Request, a *record.Record) ([]web.Option, error) {
	seen, err := x.store.Seen(r.Context(), a.ID)
	if err != nil {
		return nil, err
	}
	var links []web.Option
	from, to := around(a)
	if query := idQuery(seen.Samples); query != "" {
		links = append(links, web.Option{Label: web.T(r).T("alert.search.matched"), Value: "/search?" + url.Values{"q": {query}, "start": {from}, "end": {to}}.Encode()})
	}
	return links, nil
}

func verdictOptions(p *i18n.Printer) []web.Option {
	options := []web.Option{{Value: "", Label: p.T("alert.verdict.choose")}}
	for _, v := range verdicts() {
		options = append(options, web.Option{Value: v, Label: p.T("kind.alert.verdict." + v)})
	}
	return options
}

// tacticLabel is an ATT&CK tactic in the reader's language, or its short name where we have no word for it.
func tacticLabel(p *i18n.Printer, tactic string) string {
	if key := "attack.tactic." + tactic; tactic != "" && p.Has(key) {
		return p.T(key)
	}
	return tactic
}

// histogram is the alert's matches over time, with some room around so that a single interval is seen in its day.
func (s *Store) histogram(a *record.Record, d Seen, p *i18n.Printer) web.Histogram {
	step := s.Interval()
	if len(d.Counts) == 0 {
		return web.Histogram{Start: a.At("first_seen").Truncate(step), Step: step}
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
	return web.Histogram{Start: start, Step: step, Series: []web.Series{{Label: p.T("alert.matches"), Level: severityOf(a).String(), Counts: counts}}}
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

// together is the events that made a correlation fire.
func together(have []sampleField) []contribution {
	var list []contribution
	for _, text := range find(have, match.Contributing) {
		if c, ok := match.ReadContribution(text); ok {
			list = append(list, contribution{
				Contribution: c, Query: "event.id:=" + strconv.Quote(c.EventID),
				From: c.Time.Add(-time.Minute).Format(time.RFC3339), To: c.Time.Add(time.Minute).Format(time.RFC3339),
			})
		}
	}
	return list
}

// idQuery is the LogsQL that finds the sample events themselves, and those that stand behind them.
func idQuery(samples []Sample) string {
	var ids []string
	add := func(id string) {
		if quoted := strconv.Quote(id); id != "" && !slices.Contains(ids, quoted) {
			ids = append(ids, quoted)
		}
	}
	for _, s := range samples {
		add(s.EventID)
		for _, c := range together(readSample(s).Fields) {
			add(c.EventID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "event.id:in(" + strings.Join(ids, ", ") + ")"
}
