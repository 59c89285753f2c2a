package desk

import (
	"net/http"
	"net/url"
	"slices"

	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// viewTab is a view of the list: one of the kind's, or one that somebody saved.
type viewTab struct {
	ID      string // of a saved one; the name of one of the kind's
	Label   string
	Query   string // as it is saved
	Columns []string
	Count   string
	Href    string
	Saved   bool
	Shared  bool
	Mine    bool
	// MayChange: the reader may rename, share, move and remove it.
	MayChange bool
}

// everything is the view without a condition, which every kind has.
const everything = "all"

func (t viewTab) values() url.Values {
	values, err := url.ParseQuery(t.Query)
	if err != nil {
		return make(url.Values) // a kind's own view that is misspelt: its test finds it
	}
	return values
}

// address is the query of the tab's link.
func (t viewTab) address() string {
	values := t.values()
	values.Set("view", t.ID)
	return values.Encode()
}

// viewTabs are the views that the reader has: the kind's, everything, then those that people saved.
func (x *desk) viewTabs(r *http.Request) (list []viewTab, err error) {
	p, user := web.T(r), web.User(r)
	all := false
	for _, v := range x.kind.Views {
		t := viewTab{ID: v.Name, Label: say(p, x.kind, v.Name, "view", v.Name), Columns: v.Columns}
		q, err := x.kind.ParseQuery(viewTab{Query: v.Query}.values())
		if err != nil {
			return nil, err
		}
		t.Query = q.Values().Encode()
		all = all || t.Query == "" || t.ID == everything
		list = append(list, t)
	}
	if !all {
		list = append(list, viewTab{ID: everything, Label: p.T("record.list.all")})
	}
	saved, err := x.opt.Store.Views(r.Context(), user, x.kind.Name)
	for _, v := range saved {
		list = append(list, viewTab{ID: v.ID, Label: v.Name, Query: v.Query, Columns: v.Columns, Saved: true, Shared: v.Shared, Mine: v.Owner == user.ID,
			MayChange: v.MayChange(x.kind, user)})
	}
	return list, err
}

// tabOf finds a view that the reader has.
func (x *desk) tabOf(r *http.Request, id string) (viewTab, bool) {
	tabs, err := x.viewTabs(r)
	if err != nil {
		return viewTab{}, false
	}
	i := slices.IndexFunc(tabs, func(t viewTab) bool { return t.ID == id })
	if i < 0 {
		return viewTab{}, false
	}
	return tabs[i], true
}

// saveView keeps the present list as a view: a new one, or, with an id, one that is there already.
func (x *desk) saveView(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	v := record.SavedView{ID: r.PostFormValue("id"), Kind: x.kind.Name, Name: r.PostFormValue("name"), Query: r.PostFormValue("query"),
		Columns: r.PostForm["column"], Shared: r.PostFormValue("shared") == "true"}
	saved, err := x.opt.Store.SaveView(r.Context(), x.env(r), v)
	if err != nil {
		return err
	}
	if r.PostFormValue("first") == "true" {
		if err := x.beginWith(r, saved.ID); err != nil {
			return err
		}
	}
	next := x.kind.Path + "?" + viewTab{ID: saved.ID, Query: saved.Query}.address()
	return x.opt.Site.Done(w, r, next, web.Flash{Kind: web.Good, Text: web.T(r).T("record.view.saved", saved.Name)})
}

// beginWith makes a view the one that the reader's list begins with.
func (x *desk) beginWith(r *http.Request, view string) error {
	reading, err := x.opt.Store.Reading(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return err
	}
	reading.View = view
	return x.opt.Store.SetReading(r.Context(), web.User(r), x.kind.Name, reading)
}

// changeView moves or removes a view, or makes it the one to begin with.
func (x *desk) changeView(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	id, user := r.PostFormValue("id"), web.User(r)
	next, said := x.next(r).String(), "record.view.moved"
	var err error
	switch do := r.PostFormValue("do"); do {
	case "front", "back":
		err = x.opt.Store.MoveView(r.Context(), user, x.kind.Name, id, do == "front")
	case "remove":
		err, next, said = x.opt.Store.RemoveView(r.Context(), user, x.kind.Name, id), x.kind.Path, "record.view.removed"
	case "first":
		err, said = x.beginWith(r, id), "record.view.first.done"
	default:
		said = "record.view.moved"
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Done(w, r, next, web.Flash{Kind: web.Good, Text: web.T(r).T(said)})
}
