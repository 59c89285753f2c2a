package rule

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/intake"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// detailView is what a rule's page shows of it, besides what pages of all records show.
type detailView struct {
	*Rule
	Record         *record.Record
	Title          string          // the reader's, before the rule's own
	Description    string          // likewise
	Problems       []sigma.Problem // likewise
	FalsePositives []string        // likewise
	Stats          alert.RuleStats
	Slots          []int64 // matches by four hours
	ShadowDays     []int64 // matches in shadow by day
	ShadowCount    int64
	Tactics        []named
	Techniques     []string
	References     []reference
	Events         []string // what the log source means, a line for each kind of event
	Known          bool     // the log source
	Search         string   // the LogsQL that finds the log source's events
	Usages         []Usage
	Parts          []part // of a correlation
	Source         string
	Whole          bool // Source is the whole file, its line numbers are the file's
	Marked         []int
	SourceErr      string
	Siblings       int // other rules of its file, which removing it removes too
	Recent         []*alert.Alert
	Cases          []Case
	CasesErr       string
	Results        []Result // nil before the tests ran
	Form           tryForm
	Trial          *trialView
	MayWrite       bool
	Beside         template.HTML
}

type named struct{ Name, Label string }

// reference is a page or a document that a rule cites. Only what is plainly a page on the web becomes a link.
type reference struct{ Text, Link string }

func references(list []string) []reference {
	refs := make([]reference, len(list))
	for i, text := range list {
		refs[i].Text = text
		if u, err := url.Parse(text); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
			refs[i].Link = u.String()
		}
	}
	return refs
}

// overview shows what a rule looks for, what it found, and where it comes from.
func (x *Room) overview(r *http.Request, rec *record.Record) (template.HTML, error) {
	one, ok := x.library.Set().Rule(rec.ID)
	if !ok {
		return x.site.Part(r, "rule/gone", "content", rec)
	}
	view, err := x.view(r, one)
	if err != nil {
		return "", err
	}
	view.Record = rec
	return x.site.Part(r, "rule/overview", "content", view)
}

// bench is the page of a rule's tests, and of trying events. With run=tests the tests run; case=1 puts the event of the first into the form.
func (x *Room) bench(w http.ResponseWriter, r *http.Request) error {
	one, err := x.library.Rule(r.PathValue("id"))
	if err != nil {
		return err
	}
	view, err := x.view(r, one)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Get("run") == "tests" {
		if view.Results, err = x.library.Test(view.Key); err != nil {
			return err
		}
	}
	if n, err := strconv.Atoi(q.Get("case")); err == nil && n >= 1 && n <= len(view.Cases) {
		c := view.Cases[n-1]
		view.Form.Event, view.Form.Format, view.Form.Dataset = string(c.Data), c.Format, c.Dataset
	}
	return x.site.Render(w, r, http.StatusOK, "rule/bench", view)
}

func (x *Room) view(r *http.Request, one *Rule) (*detailView, error) {
	p := web.T(r)
	view := &detailView{
		Rule: one, Title: one.TitleIn(p.Lang()), Description: one.DescriptionIn(p.Lang()), FalsePositives: one.FalsePositivesIn(p.Lang()), Problems: told(p, one.Problems), References: references(one.References), Techniques: one.Techniques(), MayWrite: may(r),
		Form: tryForm{Format: intake.JSON, Formats: formatOptions(p)},
	}
	for _, tactic := range one.Tactics() {
		view.Tactics = append(view.Tactics, named{tactic, tacticLabel(p, tactic)})
	}
	err := x.figures(r.Context(), view)
	if err != nil {
		return nil, err
	}
	var events []sigma.Conjunction
	events, view.Known = x.library.Events(one.Logsource)
	view.Events, view.Search = eventLines(p, events), eventQuery(events)
	if view.Source, view.Whole, err = one.source(); err != nil {
		view.SourceErr = web.Message(r, sourceFault(err))
	}
	if view.Usages, err = x.library.Usages(one.Key); err != nil && view.SourceErr == "" {
		view.SourceErr = web.Message(r, sourceFault(err))
	}
	view.Parts = x.library.Set().parts(one, p.Lang())
	for _, problem := range one.Problems {
		if view.Whole && problem.Line > 0 {
			view.Marked = append(view.Marked, problem.Line)
		}
	}
	if x.beside != nil {
		if view.Beside, err = x.beside(r, one.Key); err != nil {
			return nil, err
		}
	}
	if view.Cases, err = Cases(one.Rule); err != nil {
		view.CasesErr = err.Error()
	}
	for _, other := range x.library.Set().Rules {
		if other.Key != one.Key && other.File == one.File {
			view.Siblings++
		}
	}
	return view, nil
}

// sourceFault says that a rule's file is gone or broken since it was loaded: the rest of the page stands.
func sourceFault(err error) error {
	if fault.Is(err, fault.Internal) {
		return fault.New(fault.Unavailable, "rule.fault.unreadable", "%w", err)
	}
	return err
}

// slots are the bars of the small chart of matches.
const slots = 42

// figures adds how often the rule matched, what it matched in shadow, and its latest alerts.
func (x *Room) figures(ctx context.Context, view *detailView) (err error) {
	if x.alerts == nil {
		return nil
	}
	now := time.Now().UTC()
	if view.Stats, err = x.alerts.StatsOf(ctx, view.Key, now.Add(-statsSpan)); err != nil {
		return err
	}
	const step = statsSpan / slots
	start := now.Add(-statsSpan).Truncate(time.Hour)
	hours, err := x.alerts.RuleHours(ctx, view.Key, start)
	if err != nil {
		return err
	}
	view.Slots = make([]int64, slots)
	for _, h := range hours {
		view.Slots[min(max(int(h.Start.Sub(start)/step), 0), slots-1)] += h.Count
	}
	first := now.Add(-shadowSpan).Truncate(24 * time.Hour)
	days, err := x.states.ShadowDays(ctx, view.Key, first)
	if err != nil {
		return err
	}
	view.ShadowDays = make([]int64, int(shadowSpan.Hours()/24)+1)
	for _, d := range days {
		view.ShadowDays[min(max(int(d.Day.Sub(first).Hours()/24), 0), len(view.ShadowDays)-1)] += d.Count
		view.ShadowCount += d.Count
		if d.Last.After(view.Stats.Last) {
			view.Stats.Last = d.Last
		}
	}
	view.Recent, err = x.alerts.OfRule(ctx, view.Key, 5)
	return err
}

// eventLines says which events a log source means.
func eventLines(p *i18n.Printer, events []sigma.Conjunction) []string {
	var lines []string
	for _, c := range events {
		var conditions []string
		for _, one := range c {
			conditions = append(conditions, one.Field+" = "+strings.Join(one.Values, " | "))
		}
		if len(c) == 0 {
			conditions = []string{p.T("rule.events.all")}
		}
		lines = append(lines, strings.Join(conditions, "  ∧  "))
	}
	return lines
}

// maxQuery is the longest search that a link carries.
const maxQuery = 1500

// eventQuery is the LogsQL that finds the events of a log source, "" where it is every event or too much for a link.
func eventQuery(events []sigma.Conjunction) string {
	var any []string
	for _, c := range events {
		var all []string
		for _, one := range c {
			all = append(all, conditionQuery(one))
		}
		if len(all) == 0 {
			return ""
		}
		any = append(any, strings.Join(all, " "))
	}
	query := strings.Join(any, " or ")
	if len(query) > maxQuery {
		return ""
	}
	return query
}

func conditionQuery(c sigma.Condition) string {
	var exact, either []string
	for _, value := range c.Values {
		prefix, isPrefix := strings.CutSuffix(value, "*")
		switch {
		case !isPrefix:
			exact = append(exact, strconv.Quote(value))
		case prefix == "":
			either = append(either, c.Field+":*")
		default:
			either = append(either, c.Field+":="+strconv.Quote(prefix)+"*")
		}
	}
	switch len(exact) {
	case 0:
	case 1:
		either = append(either, c.Field+":="+exact[0])
	default:
		either = append(either, c.Field+":in("+strings.Join(exact, ", ")+")")
	}
	if len(either) == 1 {
		return either[0]
	}
	return "(" + strings.Join(either, " or ") + ")"
}

// ResultOf is how the test with that number went, nil before it ran.
func (v *detailView) ResultOf(i int) *Result {
	if i >= len(v.Results) || len(v.Results) != len(v.Cases) {
		return nil
	}
	return &v.Results[i]
}

// Number is how an address names the case with that index.
func (v *detailView) Number(i int) int { return i + 1 }

// Mark is the line of the rule's i-th finding, 0 where there is none or its number is not the file's.
func (v *detailView) Mark(i int) int {
	if i >= len(v.Marked) {
		return 0
	}
	return v.Marked[i]
}

// Paragraphs are the description's, which authors part by empty lines.
func (v *detailView) Paragraphs() []string {
	return slices.DeleteFunc(strings.Split(v.Description, "\n\n"), func(p string) bool { return strings.TrimSpace(p) == "" })
}

// Failed returns how many tests did not pass.
func (v *detailView) Failed() (n int) {
	for _, r := range v.Results {
		if !r.Passed() {
			n++
		}
	}
	return n
}

// tryForm is the form for an event to try.
type tryForm struct {
	Event   string
	Format  intake.Format
	Dataset string
	Formats []web.Option
	Error   string
}

func formatOptions(p *i18n.Printer) []web.Option {
	var options []web.Option
	for _, f := range Formats() {
		options = append(options, web.Option{Value: f, Label: p.T("rule.format." + string(f))})
	}
	return options
}

// trialView is what became of an event.
type trialView struct {
	*Trial
	// Looked are the fields that the rule looks at, with what the event has there.
	Looked []looked
	Fields []looked // all others
}

type looked struct {
	Field  string // as the rule says
	Name   string // ours; "" where the event has none of them
	Values []string
}

// try reads an event as an input would and tells whether the rule matches it.
func (x *Room) try(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxTried) // a form writes a byte as three at most
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.TooLarge, "rule.fault.event_form", "the form cannot be read: %w", err)
	}
	one, err := x.library.Rule(r.PathValue("id"))
	if err != nil {
		return err
	}
	view, err := x.view(r, one)
	if err != nil {
		return err
	}
	view.Form.Event, view.Form.Dataset = r.PostFormValue("event"), strings.TrimSpace(r.PostFormValue("dataset"))
	view.Form.Format = intake.Format(r.PostFormValue("format"))
	trial, err := x.library.Try(view.Key, view.Form.Format, view.Form.Dataset, []byte(view.Form.Event))
	if err != nil {
		view.Form.Error = web.Message(r, err)
		return x.site.Render(w, r, http.StatusUnprocessableEntity, "rule/bench", view)
	}
	view.Trial = newTrialView(trial, view.Usages)
	return x.site.Render(w, r, http.StatusOK, "rule/bench", view)
}

// newTrialView puts the fields that the rule looks at first.
func newTrialView(t *Trial, usages []Usage) *trialView {
	v := &trialView{Trial: t}
	values := make(map[string][]string)
	var names []string
	for _, f := range t.Fields {
		if _, ok := values[f.Name]; !ok {
			names = append(names, f.Name)
		}
		value := f.Value
		if f.Kind == event.Null {
			value = "null"
		}
		values[f.Name] = append(values[f.Name], value)
	}
	used := make(map[string]bool)
	for _, u := range usages {
		one := looked{Field: u.Field}
		if i := slices.IndexFunc(u.Names, func(name string) bool { return values[name] != nil }); i >= 0 {
			one.Name, one.Values = u.Names[i], values[u.Names[i]]
			used[one.Name] = true
		}
		v.Looked = append(v.Looked, one)
	}
	for _, name := range names {
		if !used[name] {
			v.Fields = append(v.Fields, looked{Name: name, Values: values[name]})
		}
	}
	return v
}
