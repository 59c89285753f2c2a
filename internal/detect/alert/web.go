package alert

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// listView is the list's page.
type listView struct {
	Tabs       []web.Tab
	Severities []web.LevelLink
	Chips      []web.Chip
	Keep       []web.Option // hidden fields of the filter form
	Query      string
	Sort       Sort
	SortLinks  map[string]string
	Rows       []row
	ShowState  bool
	Pager      web.Pager
	State      string
	Filtered   bool
	Self       string // the list's address without paging
	Poll       string // where to ask what is new
	Fresh      int64  // alerts opened since the page was shown
	MayWrite   bool
	Verdicts   []web.Option
	Unit       string
	Units      []web.Option // none where the organisation has no units
}

// row is an alert in a list.
type row struct {
	*Alert
	Title   string // the rule's, in the reader's language where it has one
	Field   string // ECS name of the entity
	Also    also
	Tactics []string
}

// also is who or what else the latest event named, besides the entity.
type also struct{ Field, Value string }

func alsoOf(a *Alert) also {
	switch {
	case a.UserName != "" && a.Entity.Kind != User:
		return also{event.UserName, a.UserName}
	case a.SourceIP != "" && a.Entity.Kind != SourceIP:
		return also{event.SourceIP, a.SourceIP}
	case a.HostName != "" && a.Entity.Kind != Host:
		return also{event.HostName, a.HostName}
	}
	return also{}
}

// Kind is the pill of the alert's state.
func (r row) Kind() string { return stateKind(r.State) }

func stateKind(s State) string {
	return map[State]string{New: "new", InProgress: "active"}[s]
}

func rowsOf(p *i18n.Printer, alerts []*Alert, titles map[string]string) []row {
	rows := make([]row, len(alerts))
	for i, a := range alerts {
		rows[i] = row{Alert: a, Title: cmp.Or(titles[a.RuleID], a.Title), Field: a.Entity.Field(), Also: alsoOf(a), Tactics: tacticLabels(p, a.Tactics)}
	}
	return rows
}

func tacticLabels(p *i18n.Printer, tactics []string) []string {
	labels := make([]string, len(tactics))
	for i, tactic := range tactics {
		labels[i] = tacticLabel(p, tactic)
	}
	return labels
}

// list shows the alerts that the query asks for. With "seen" it tells how many more were opened since then.
func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	ask, err := readWish(r, string(New))
	if err != nil {
		return err
	}
	ctx := r.Context()
	var titles map[string]string
	if x.rules != nil {
		titles = x.rules.Titles(web.T(r).Lang())
	}
	ask.filter.Titles = titles
	page, err := x.store.List(ctx, ask.filter, ask.sort, ask.cursor, ask.limit)
	if err != nil {
		return err
	}
	tally, err := x.store.Tally(ctx, ask.filter)
	if err != nil {
		return err
	}
	everySeverity := ask.filter
	everySeverity.Severities = nil
	bySeverity, err := x.store.Tally(ctx, everySeverity)
	if err != nil {
		return err
	}
	view := listView{
		Tabs: tabs(r, ask, tally), Severities: severities(r, ask, bySeverity), Chips: ask.chips(r, titleOf(ask.filter.Rule, page.Items, titles)),
		Keep: keep(r), Query: ask.filter.Text, Sort: ask.sort, SortLinks: sortLinks(r, ask.sort), Rows: rowsOf(web.T(r), page.Items, titles),
		ShowState: len(ask.filter.States) != 1, State: ask.state, Self: address(r), MayWrite: may(r), Verdicts: verdictOptions(web.T(r)),
	}
	names, err := x.unitNames(r)
	if err != nil {
		return err
	}
	view.Unit, view.Units = ask.filter.Unit, names.options(web.T(r))
	view.Filtered = len(view.Chips) > 0 || len(ask.filter.Severities) > 0 || ask.filter.Unit != ""
	total := tally.Of(ask.filter.States...)
	view.Pager = pager(r, ask, page, total)
	return x.fresh(w, r, ask, view)
}

// fresh finishes the list with what came since it was shown first.
func (x *Room) fresh(w http.ResponseWriter, r *http.Request, ask wish, view listView) error {
	seen := r.URL.Query().Get("seen")
	since, err := strconv.ParseInt(seen, 10, 64)
	if seen == "" || err != nil {
		since = db.Micros(time.Now())
	}
	n, upTo, err := x.store.OpenedSince(r.Context(), ask.filter, db.Time(since))
	if err != nil {
		return err
	}
	if seen == "" {
		since, n = db.Micros(upTo), 0
	}
	view.Fresh = n
	view.Poll = address(r, "seen", strconv.FormatInt(since, 10))
	return x.site.Render(w, r, http.StatusOK, "alert/list", view)
}

// titleOf names the rule that a list is about.
func titleOf(key string, alerts []*Alert, titles map[string]string) string {
	if title, ok := titles[key]; ok || key == "" || len(alerts) == 0 {
		return cmp.Or(title, key)
	}
	return alerts[0].Title
}

func tabs(r *http.Request, ask wish, tally Tally) []web.Tab {
	p := web.T(r)
	var list []web.Tab
	for _, state := range []string{string(New), string(InProgress), string(Closed), "all"} {
		count := tally.Of()
		if state != "all" {
			count = tally.Of(State(state))
		}
		list = append(list, web.Tab{
			Label: p.T("alert.tab." + state), Path: address(r, "state", state), Count: count, Current: ask.state == state,
		})
	}
	if ask.state == "open" {
		list = append(list, web.Tab{Label: p.T("alert.tab.open"), Path: address(r, "state", "open"), Count: tally.Of(New, InProgress), Current: true})
	}
	return list
}

// severities are the levels, the most critical first; choosing one that is chosen takes it away.
func severities(r *http.Request, ask wish, tally Tally) []web.LevelLink {
	states := ask.filter.States
	if len(states) == 0 {
		states = States()
	}
	var links []web.LevelLink
	for level := sigma.LevelCritical; level >= sigma.LevelInformational; level-- {
		link := web.LevelLink{Level: level, Chosen: slices.Contains(ask.filter.Severities, level)}
		for _, state := range states {
			link.Count += tally[state][level]
		}
		q := r.URL.Query()
		q.Del("cursor")
		q.Del("seen")
		if link.Chosen {
			q["severity"] = slices.DeleteFunc(q["severity"], func(name string) bool { return name == level.String() })
		} else {
			q.Add("severity", level.String())
		}
		link.Path = withQuery("/alerts", q)
		links = append(links, link)
	}
	return links
}

// keep are the parts of the query that the filter form carries along.
func keep(r *http.Request) []web.Option {
	var kept []web.Option
	for _, name := range []string{"state", "severity", "verdict", "rule", "entity", "tactic", "technique", "since", "start", "end", "sort"} {
		for _, value := range r.URL.Query()[name] {
			kept = append(kept, web.Option{Value: value, Label: name})
		}
	}
	return kept
}

// sortLinks are the addresses of the columns' heads.
func sortLinks(r *http.Request, now Sort) map[string]string {
	links := make(map[string]string)
	for _, sort := range Sorts() {
		name := string(sort)
		if sort == ByLastSeen {
			name = ""
		}
		links[string(sort)] = address(r, "sort", name)
	}
	return links
}

func pager(r *http.Request, ask wish, page db.Page[*Alert], total int64) web.Pager {
	p := web.T(r)
	pager := web.Pager{Text: p.T("alert.shown", len(page.Items), total)}
	if ask.cursor != "" {
		pager.First = address(r)
	}
	if page.Next != "" {
		q := r.URL.Query()
		q.Del("seen")
		q.Set("cursor", page.Next)
		pager.Next = withQuery("/alerts", q)
	}
	return pager
}

func verdictOptions(p *i18n.Printer) []web.Option {
	options := []web.Option{{Value: "", Label: p.T("alert.verdict.choose")}}
	for _, v := range Verdicts() {
		options = append(options, web.Option{Value: v, Label: p.T("alert.verdict." + string(v))})
	}
	return options
}

// decideMany decides what becomes of the ticked alerts and goes back to the list they were ticked in.
func (x *Room) decideMany(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	d := Decision{State: State(r.PostFormValue("state"))}
	if d.State == Closed {
		d.Verdict = Verdict(r.PostFormValue("verdict"))
	}
	before, err := x.store.DecideMany(r.Context(), r.PostForm["id"], web.User(r).ID, d)
	p := web.T(r)
	flash := web.Flash{Kind: web.Good, Text: p.T("alert.decided."+string(d.State), len(before))}
	if err != nil {
		flash = web.Flash{Kind: web.Bad, Text: web.Message(r, err)}
	}
	return x.site.Done(w, r, back(r.PostFormValue("next")), flash)
}

// back is where a form came from: a list of alerts and nowhere else.
func back(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != "/alerts" && !strings.HasPrefix(u.Path, "/alerts/") {
		return "/alerts"
	}
	return withQuery(u.Path, u.Query())
}
