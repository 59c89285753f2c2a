package desk

import (
	"net/http"
	"slices"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiViews are the saved views of a kind's list and how who asks reads it, for programs.
func (x *desk) apiViews() []web.Route {
	self, read := x.apiPath()+"/-/views", x.mayRead()
	one := openapi.Of(viewJSON{})
	list := x.doc("The views that you have: your own, and those that are shared; all at once", nil, openapi.Page(one))
	add := repeatable(x.doc("Save a view", openapi.Of(viewAsked{}), one))
	add.Status = http.StatusCreated
	add.Description = "`query` is what stands behind the question mark of the list's address. Sharing takes the right to write records of the kind."
	reading := openapi.Of(readingJSON{})
	move := openapi.Object(openapi.Property{Name: "to", Schema: openapi.Enum("front", "back"), Required: true})
	return []web.Route{
		{Pattern: "GET " + self, Permission: read, Handle: x.apiViewsOf, Doc: list},
		{Pattern: "POST " + self, Permission: read, Handle: x.apiAddView, Doc: add},
		{Pattern: "PATCH " + self + "/{view}", Permission: read, Handle: x.apiEditView, Doc: x.doc("Change a view, or share it; what is left out stays", openapi.Of(viewAsked{}).Optional(), one)},
		{Pattern: "DELETE " + self + "/{view}", Permission: read, Handle: x.apiRemoveView, Doc: x.doc("Forget a view", nil, nil)},
		{Pattern: "POST " + self + "/{view}/move", Permission: read, Handle: x.apiMoveView, Doc: repeatable(x.doc("Move a view by one place", move, nil))},
		{Pattern: "GET " + x.apiPath() + "/-/reading", Permission: read, Handle: x.apiReading, Doc: x.doc("How your list begins: its columns and its view", nil, reading)},
		{Pattern: "PUT " + x.apiPath() + "/-/reading", Permission: read, Handle: x.apiSetReading, Doc: x.doc("Say how your list begins", reading, reading)},
	}
}

// viewJSON is a saved view as programs see it.
type viewJSON struct {
	ID        string `json:"id"`
	Owner     string `json:"owner"`
	MayChange bool   `json:"may_change"`
	viewAsked
}

// viewAsked is what is asked of a view; a change is read over what there is.
type viewAsked struct {
	Name    string   `json:"name"`
	Query   string   `json:"query"`
	Columns []string `json:"columns"` // none: the reader's own
	Shared  bool     `json:"shared"`
}

func (x *desk) viewOf(r *http.Request, v record.SavedView) viewJSON {
	return viewJSON{v.ID, v.Owner, v.MayChange(x.kind, web.User(r)), viewAsked{v.Name, v.Query, append([]string{}, v.Columns...), v.Shared}}
}

func (x *desk) apiViewsOf(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Views(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return err
	}
	items := make([]viewJSON, 0, len(list))
	for _, v := range list {
		items = append(items, x.viewOf(r, v))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}

func (x *desk) apiAddView(w http.ResponseWriter, r *http.Request) error {
	return x.apiSaveView(w, r, http.StatusCreated, record.SavedView{})
}

func (x *desk) apiEditView(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Views(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(v record.SavedView) bool { return v.ID == r.PathValue("view") })
	if i < 0 {
		return fault.New(fault.NotFound, "fault.not_found", "there is no view %q", r.PathValue("view"))
	}
	return x.apiSaveView(w, r, http.StatusOK, list[i])
}

// apiSaveView reads what is asked over a view that is there, or over none.
func (x *desk) apiSaveView(w http.ResponseWriter, r *http.Request, status int, v record.SavedView) error {
	asked := viewAsked{v.Name, v.Query, v.Columns, v.Shared}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	v.Kind, v.Name, v.Query, v.Columns, v.Shared = x.kind.Name, asked.Name, asked.Query, asked.Columns, asked.Shared
	saved, err := x.opt.Store.SaveView(r.Context(), x.env(r), v)
	if err != nil {
		return err
	}
	return web.JSON(w, status, x.viewOf(r, saved))
}

func (x *desk) apiRemoveView(w http.ResponseWriter, r *http.Request) error {
	err := x.opt.Store.RemoveView(r.Context(), web.User(r), x.kind.Name, r.PathValue("view"))
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (x *desk) apiMoveView(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		To string `json:"to"`
	}
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if asked.To != "front" && asked.To != "back" {
		return fault.New(fault.Invalid, "", "a view is moved to the front or to the back, not to %q", asked.To)
	}
	err := x.opt.Store.MoveView(r.Context(), web.User(r), x.kind.Name, r.PathValue("view"), asked.To == "front")
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// readingJSON is how somebody's list begins.
type readingJSON struct {
	Columns []string `json:"columns"` // none: the kind's
	View    string   `json:"view"`    // a saved view's id, or the name of one of the kind's; empty: the first
}

func (x *desk) apiReading(w http.ResponseWriter, r *http.Request) error {
	reading, err := x.opt.Store.Reading(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, readingJSON{append([]string{}, reading.Columns...), reading.View})
}

func (x *desk) apiSetReading(w http.ResponseWriter, r *http.Request) error {
	var asked readingJSON
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := x.opt.Store.SetReading(r.Context(), web.User(r), x.kind.Name, record.Reading{Columns: asked.Columns, View: asked.View}); err != nil {
		return err
	}
	return x.apiReading(w, r)
}
