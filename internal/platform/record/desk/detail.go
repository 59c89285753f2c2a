package desk

import (
	"html/template"
	"net/http"
	"slices"
	"time"

	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// detailRoutes are the pages of one record.
func (x *desk) detailRoutes() []web.Route {
	read, write := x.mayRead(), x.mayWrite()
	routes := []web.Route{
		{Pattern: "GET " + x.kind.Path + "/{id}", Permission: read, Handle: x.detail},
		{Pattern: "GET " + x.kind.Path + "/{id}/move/{move}", Permission: read, Handle: x.moveForm},
		{Pattern: "POST " + x.kind.Path + "/{id}/move/{move}", Permission: read, Handle: x.move},
	}
	routes = append(routes, web.Route{Pattern: "POST " + x.kind.Path + "/{id}/class", Permission: write, Handle: x.classify})
	if x.opt.Press != nil {
		routes = append(routes, web.Route{Pattern: "GET " + x.kind.Path + "/{id}/pdf", Permission: read, Handle: x.paper})
	}
	if !x.kind.Without.Create {
		routes = append(routes,
			web.Route{Pattern: "GET " + x.kind.Path + "/-/new", Permission: write, Handle: x.newForm},
			web.Route{Pattern: "POST " + x.kind.Path, Permission: write, Handle: x.create})
	}
	if !x.kind.Without.Edit {
		routes = append(routes,
			web.Route{Pattern: "GET " + x.kind.Path + "/{id}/edit", Permission: write, Handle: x.editForm},
			web.Route{Pattern: "POST " + x.kind.Path + "/{id}", Permission: write, Handle: x.edit})
	}
	if !x.kind.Without.Delete {
		remove := web.Permission(x.kind.MayDelete())
		routes = append(routes,
			web.Route{Pattern: "POST " + x.kind.Path + "/{id}/delete", Permission: remove, Handle: x.delete},
			web.Route{Pattern: "POST " + x.kind.Path + "/{id}/restore", Permission: remove, Handle: x.restore})
	}
	return routes
}

// detailView is a record's page, and its panel beside the list.
type detailView struct {
	head
	Overview template.HTML
	Fields   []cell
	Tab      string
	Tabs     []web.Tab
	Thing    any // what a tab of thing.go shows
	Error    string
	History  []entryView
	Older    string // address of older history
	Styles   []string
}

// head is what stands above every page about one record.
type head struct {
	*record.Record
	Name    string // of the record in the reader's language
	One     string // what such a record is called
	Many    string
	Home    string // the list
	State   cell
	Class   string   // of its papers
	Classes []option // that they could have, for who may decide it
	Level   *cell    // its severity, where it has one
	Owner   string
	Due     cell
	Moves   []moveButton
	Actions []web.Option
	MayEdit bool
	MayKill bool
	Self    string
}

// moveButton is a move that the reader may make. Where it asks for something, the button leads to a form.
type moveButton struct {
	Move  string
	Label string
	Main  bool
	Asks  bool
}

func (x *desk) head(r *http.Request, rec *record.Record, b *book) head {
	p, user := web.T(r), web.User(r)
	h := head{
		Record: rec, Name: x.titleOf(p, rec), One: one(p, x.kind), Many: many(p, x.kind), Home: x.kind.Path, Owner: rec.Owner,
		State: b.cell(rec, x.kind.Field("state"), time.Now()), Due: b.cell(rec, x.kind.Field("due"), time.Now()),
		MayEdit: !x.kind.Without.Edit && user.May(x.kind.MayWrite()) && rec.DeletedAt.IsZero(),
		MayKill: !x.kind.Without.Delete && user.May(x.kind.MayDelete()), Self: rec.Address(),
	}
	for _, f := range x.kind.All() {
		if f.Type.Word() == "level" && rec.Text(f.Name) != "" {
			c := b.cell(rec, f, time.Now())
			h.Level = &c
			break
		}
	}
	for _, m := range x.kind.MovesFor(user, rec) {
		h.Moves = append(h.Moves, moveButton{m.Name, moveWord(p, x.kind, m.Name), m.Main, asks(m, rec)})
	}
	return h
}

// asks reports whether a move needs something of who makes it.
func asks(m *record.Move, rec *record.Record) bool {
	missing := func(field string) bool { return rec.Text(field) == "" || slices.Contains(m.Clears, field) }
	return m.Why || len(m.Asks) > 0 || slices.ContainsFunc(m.Needs, missing)
}

// detail shows one record.
func (x *desk) detail(w http.ResponseWriter, r *http.Request) error {
	view, err := x.view(r, r.URL.Query().Get("tab"))
	if err != nil {
		return err
	}
	return x.opt.Site.Render(w, r, http.StatusOK, "desk/detail", view)
}

// Tabs of a record's page.
const (
	tabOverview = "overview"
	tabHistory  = "history"
)

func (x *desk) view(r *http.Request, tab string) (*detailView, error) {
	rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := web.T(r)
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return nil, err
	}
	x.others(r, b)
	view := &detailView{head: x.head(r, rec, b), Tab: tab, Styles: x.Styles}
	if err := x.showClass(r, &view.head); err != nil {
		return nil, err
	}
	if x.Actions != nil {
		if view.Actions, err = x.Actions(r, rec); err != nil {
			return nil, err
		}
	}
	if x.opt.Press != nil {
		view.Actions = append(view.Actions, web.Option{Label: p.T("record.paper"), Value: view.Self + "/pdf"})
	}
	if view.Tabs, err = x.tabs(r, view); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(view.Tabs, func(t web.Tab) bool { return t.Current }) {
		view.Tab, view.Tabs[0].Current = tabOverview, true
	}
	for _, f := range x.kind.All() {
		if c := b.cell(rec, f, time.Now()); !c.Empty && f.Name != "title" && f.Name != "state" && c.Word != "long" && !slices.Contains(x.Apart, f.Name) {
			view.Fields = append(view.Fields, c)
		}
	}
	for _, f := range x.kind.All() { // long texts last
		if c := b.cell(rec, f, time.Now()); !c.Empty && c.Word == "long" && !slices.Contains(x.Apart, f.Name) {
			c.Prose = x.prose(r, c.Text, "f-"+f.Name+"-")
			view.Fields = append(view.Fields, c)
		}
	}
	if x.Room.Overview != nil && view.Tab == tabOverview {
		if view.Overview, err = x.Room.Overview(r, rec); err != nil {
			return nil, err
		}
	}
	if view.Tab == tabHistory {
		return view, x.history(r, view, b)
	}
	view.Thing, err = x.thing(r, view, b)
	return view, err
}

// tabs are the parts of a record's page.
func (x *desk) tabs(r *http.Request, view *detailView) (list []web.Tab, err error) {
	p := web.T(r)
	counts, err := x.counts(r, view.Record)
	for _, name := range []string{tabOverview, tabTimeline, tabEvidence, tabLinks, tabTasks, tabApprovals, tabHistory} {
		path := view.Self
		if name != tabOverview {
			path += "?tab=" + name
		}
		list = append(list, web.Tab{Label: p.T("record.tab." + name), Path: path, Count: counts[name], Current: name == view.Tab})
	}
	return list, err
}

// entryView is an entry of a history as people read it.
type entryView struct {
	record.Entry
	What    string
	Changes []changeView
}

type changeView struct {
	Label    string
	Word     string // the type's: a person is shown by name
	From, To string
}

// history reads a page of the record's history.
func (x *desk) history(r *http.Request, view *detailView, b *book) error {
	page, err := x.opt.Store.History(r.Context(), web.User(r), x.kind.Name, view.ID, r.URL.Query().Get("cursor"), 50)
	if err != nil {
		return err
	}
	for _, e := range page.Items {
		view.History = append(view.History, x.entry(b, e))
	}
	if page.Next != "" {
		view.Older = view.Self + "?tab=history&cursor=" + page.Next
	}
	return nil
}

func (x *desk) entry(b *book, e record.Entry) entryView {
	v := entryView{Entry: e, What: x.action(b.p, e.Action)}
	for _, c := range e.Changes {
		f := x.kind.Field(c.Field)
		if f == nil {
			v.Changes = append(v.Changes, x.thingChange(b, c))
			continue
		}
		change := changeView{Label: label(b.p, x.kind, c.Field), Word: f.Type.Word()}
		if !f.Secret {
			change.From, change.To = b.plain(x.kind, f, c.From), b.plain(x.kind, f, c.To)
		}
		v.Changes = append(v.Changes, change)
	}
	return v
}

// action says what an entry of a history is about.
func (x *desk) action(p *i18n.Printer, action string) string {
	if m, ok := record.MoveOf(action); ok {
		return p.T("record.action.move", moveWord(p, x.kind, m))
	}
	if key := "record.action." + action; p.Has(key) {
		return p.T(key)
	}
	return action
}
