package rule

import (
	"net/http"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// listView is the list's page.
type listView struct {
	Summary
	Tabs       []web.Tab
	Levels     []levelLink
	Logsources []web.Option
	Origins    []web.Option
	Chips      []web.Chip
	Keep       []web.Option // hidden fields of the filter form
	Filter     Filter
	View       view
	Sort       Sort
	SortLinks  map[string]string
	Rows       []row
	Pager      web.Pager
	Self       string // the list's address, with its page
	AddPath    string // "" for who may not
	MayWrite   bool
}

// Summary is the size of the library.
type Summary struct {
	Rules, Active int
	Unreadable    int // rules and files that cannot be used at all
	Problems      int
}

func (s *Set) summary() Summary {
	sum := Summary{Rules: len(s.Rules), Active: s.Active(), Problems: len(s.Problems)}
	for _, p := range s.Problems {
		if p.Kind == sigma.ProblemRefused {
			sum.Unreadable++
		}
	}
	return sum
}

// row is a rule in a list. Its title is the reader's, before the rule's own.
type row struct {
	*Rule
	Title   string
	Tactics []string
	Matches int64 // in seven days
	Last    time.Time
}

// list shows the rules that the query asks for.
func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	ask, err := readWish(r)
	if err != nil {
		return err
	}
	set := x.library.Set()
	stats, err := x.stats(r.Context())
	if err != nil {
		return err
	}
	page, total, err := set.List(ask.filter, ask.sort, web.T(r).Lang(), stats, ask.cursor, ask.limit)
	if err != nil {
		return err
	}
	view := listView{
		Summary: set.summary(), Tabs: ask.tabs(r, set, stats), Levels: ask.levels(r, set, stats), Logsources: logsourceOptions(r, set),
		Chips: ask.chips(r), Filter: ask.filter, View: ask.view, Sort: ask.sort, Rows: rows(r, page.Items, stats),
		Pager: pager(r, ask, page, total), Self: withQuery("/rules", r.URL.Query()), MayWrite: may(r),
		SortLinks: map[string]string{
			"title": address(r, "sort", ""), "matches": address(r, "sort", string(ByMatches)), "level": address(r, "sort", string(ByLevel)),
		},
	}
	if view.MayWrite {
		view.AddPath = "/rules/-/add"
	}
	p := web.T(r)
	view.Origins = []web.Option{{Value: "", Label: p.T("rule.origin.any")}}
	for _, o := range Origins() {
		view.Origins = append(view.Origins, web.Option{Value: o, Label: p.T("rule.origin." + string(o))})
	}
	for _, name := range []string{"view", "level", "sort"} {
		if value := r.URL.Query().Get(name); value != "" {
			view.Keep = append(view.Keep, web.Option{Value: value, Label: name})
		}
	}
	return x.site.Render(w, r, http.StatusOK, "rule/list", view)
}

func rows(r *http.Request, rules []*Rule, stats map[string]alert.RuleStats) []row {
	list := make([]row, len(rules))
	p := web.T(r)
	for i, one := range rules {
		s := stats[one.Key]
		list[i] = row{Rule: one, Title: one.TitleIn(p.Lang()), Tactics: tacticLabels(p, one), Matches: s.Matches, Last: s.Last}
	}
	return list
}

func pager(r *http.Request, ask wish, page db.Page[*Rule], total int) web.Pager {
	pager := web.Pager{Text: web.T(r).T("rule.shown", len(page.Items), total)}
	if ask.cursor != "" {
		pager.First = address(r)
	}
	if page.Next != "" {
		q := r.URL.Query()
		q.Set("cursor", page.Next)
		pager.Next = withQuery("/rules", q)
	}
	return pager
}

// setState turns one rule on or off.
func (x *Room) setState(w http.ResponseWriter, r *http.Request) error {
	key := r.PathValue("key")
	return x.change(w, r, []string{key}, "/rules/"+key)
}

// setStates turns the ticked rules on or off, and goes back to the list they were ticked in.
func (x *Room) setStates(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "rule.fault.form", "the form cannot be read: %w", err)
	}
	keys := r.PostForm["key"]
	if len(keys) > MaxPage {
		return fault.New(fault.Invalid, "rule.fault.form", "%d rules at once, at most %d", len(keys), MaxPage)
	}
	return x.change(w, r, keys, back(r.PostFormValue("next")))
}

func (x *Room) change(w http.ResponseWriter, r *http.Request, keys []string, next string) error {
	state := r.PostFormValue("state")
	if state != "enabled" && state != "disabled" {
		return fault.New(fault.Invalid, "rule.fault.form", "state %q is neither enabled nor disabled", state)
	}
	if err := x.library.SetEnabled(r.Context(), keys, web.User(r).ID, state == "enabled"); err != nil {
		return err
	}
	return x.site.Done(w, r, next, web.Flash{Kind: web.Good, Text: web.T(r).T("rule.changed."+state, len(keys))})
}

// remove deletes the file of an added rule.
func (x *Room) remove(w http.ResponseWriter, r *http.Request) error {
	key := r.PathValue("key")
	old, err := x.library.Rule(key)
	if err != nil {
		return err
	}
	if err := x.library.Remove(r.Context(), key); err != nil {
		return err
	}
	flash := web.Flash{Kind: web.Good, Text: web.T(r).T("rule.removed")}
	if _, stillThere := x.library.Set().Rule(key); stillThere { // the rule that the added one replaced
		return x.site.Done(w, r, "/rules/"+old.Key, flash)
	}
	return x.site.Done(w, r, "/rules", flash)
}
