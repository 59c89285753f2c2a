package rule

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// MaxPage is the most rules that one page holds.
const MaxPage = 500

// wish is what a list's address asks for. The page and the API read the same query:
//
//	view=all|fired|reported|idle|disabled  level=high  logsource=windows | windows/process_creation/*  origin=folder  q=
//	sort=title|matches|level  cursor=  limit=
type wish struct {
	view   view
	filter Filter // with the view's part
	sort   Sort
	cursor string
	limit  int
}

// view is a tab of the list.
type view string

const (
	viewAll      view = "all"
	viewFired    view = "fired"
	viewReported view = "reported"
	viewIdle     view = "idle"
	viewDisabled view = "disabled"
)

func views() []view { return []view{viewAll, viewFired, viewReported, viewIdle, viewDisabled} }

// narrow adds the view's condition to a filter.
func (v view) narrow(f Filter) Filter {
	f.Fired, f.Disabled, f.Health = v == viewFired, v == viewDisabled, ""
	switch v {
	case viewReported:
		f.Health = Reported
	case viewIdle:
		f.Health = Idle
	}
	return f
}

func readWish(r *http.Request) (wish, error) {
	q := r.URL.Query()
	w := wish{
		view: viewAll, sort: Sort(q.Get("sort")), cursor: q.Get("cursor"), limit: 50,
		filter: Filter{Text: strings.TrimSpace(q.Get("q")), Logsource: q.Get("logsource"), Origin: Origin(q.Get("origin"))},
	}
	if given := q.Get("view"); given != "" {
		w.view = view(given)
	}
	if !slices.Contains(views(), w.view) {
		return w, fault.New(fault.Invalid, "rule.fault.view", "view %q is none of %v", w.view, views())
	}
	if o := w.filter.Origin; o != "" && !slices.Contains(Origins(), o) {
		return w, fault.New(fault.Invalid, "rule.fault.origin", "origin %q is none of %v", o, Origins())
	}
	if name := q.Get("level"); name != "" {
		level, err := sigma.ParseLevel(name)
		if err != nil {
			return w, fault.New(fault.Invalid, "rule.fault.level", "%w", err)
		}
		w.filter.Level = level
	}
	if text := q.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > MaxPage {
			return w, fault.New(fault.Invalid, "rule.fault.limit", "limit %q is no number from 1 to %d", text, MaxPage)
		}
		w.limit = limit
	}
	w.filter = w.view.narrow(w.filter)
	return w, nil
}

// address is the list's address with some of its query changed; an empty value leaves the name out. Paging starts over.
func address(r *http.Request, changes ...string) string {
	q := r.URL.Query()
	q.Del("cursor")
	change(q, changes...)
	return withQuery("/rules", q)
}

func change(q url.Values, changes ...string) {
	for i := 0; i+1 < len(changes); i += 2 {
		q.Del(changes[i])
		if changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
}

// count returns how many rules meet the filter.
func (s *Set) count(f Filter, stats map[string]alert.RuleStats) (n int) {
	for _, r := range s.Rules {
		if f.meets(r, stats) {
			n++
		}
	}
	return n
}

// tabs are the views with how many rules each has under the other conditions.
func (w *wish) tabs(r *http.Request, set *Set, stats map[string]alert.RuleStats) []web.Tab {
	p := web.T(r)
	var tabs []web.Tab
	for _, v := range views() {
		name := string(v)
		if v == viewAll {
			name = ""
		}
		tabs = append(tabs, web.Tab{
			Label: p.T("rule.view." + string(v)), Path: address(r, "view", name), Count: set.count(v.narrow(w.filter), stats), Current: v == w.view,
		})
	}
	return tabs
}

// levelLink filters by a level, and shows how many rules there are.
type levelLink struct {
	Level  sigma.Level
	Count  int
	Path   string
	Chosen bool
}

func (w *wish) levels(r *http.Request, set *Set, stats map[string]alert.RuleStats) []levelLink {
	f := w.filter
	f.Level = sigma.LevelNone
	counts := make(map[sigma.Level]int)
	for _, one := range set.Rules {
		if f.meets(one, stats) {
			counts[one.Severity()]++
		}
	}
	var links []levelLink
	for level := sigma.LevelCritical; level >= sigma.LevelInformational; level-- {
		link := levelLink{Level: level, Count: counts[level], Path: address(r, "level", level.String()), Chosen: level == w.filter.Level}
		if link.Chosen {
			link.Path = address(r, "level", "")
		}
		links = append(links, link)
	}
	return links
}

// chips are the conditions that the page does not show in another way.
func (w *wish) chips(r *http.Request) []web.Chip {
	p := web.T(r)
	var chips []web.Chip
	add := func(name, text string) {
		if text != "" {
			chips = append(chips, web.Chip{Label: p.T("rule.filter." + name), Text: text, Remove: address(r, name, "")})
		}
	}
	add("q", w.filter.Text)
	add("logsource", logsourceText(w.filter.Logsource))
	if w.filter.Origin != "" {
		add("origin", p.T("rule.origin."+string(w.filter.Origin)))
	}
	return chips
}

// logsourceText writes a filter's log source for people.
func logsourceText(filter string) string {
	parts := strings.Split(filter, "/")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "*" || part == "" }), " / ")
}

// maxLogsources bounds the choice of log sources; the rest is found by typing.
const maxLogsources = 200

// logsourceOptions offers products with all their rules, then each log source, the largest first.
func logsourceOptions(r *http.Request, set *Set) []web.Option {
	p := web.T(r)
	options := []web.Option{{Value: "", Label: p.T("rule.logsource.any")}}
	products, order := make(map[string]int), []string(nil)
	sources := set.Logsources()
	for _, s := range sources {
		if product := s.Logsource.Product; product != "" {
			if products[product] == 0 {
				order = append(order, product)
			}
			products[product] += s.Rules
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return products[b] - products[a] })
	label := func(name string, n int) string { return name + " (" + p.Number(n) + ")" }
	for _, product := range order {
		options = append(options, web.Option{Value: product, Label: label(product, products[product])})
	}
	for _, s := range sources[:min(len(sources), maxLogsources)] {
		if s.Logsource != (sigma.Logsource{Product: s.Logsource.Product}) {
			options = append(options, web.Option{Value: s.Logsource.String(), Label: label(LogsourceLabel(s.Logsource), s.Rules)})
		}
	}
	return options
}
