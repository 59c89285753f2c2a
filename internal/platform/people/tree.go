package people

import (
	"net/http"
	"strconv"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// unitRow is a unit in the list.
type unitRow struct {
	auth.Unit
	Depth int
	Path  string // its name
}

func (x *Room) units(w http.ResponseWriter, r *http.Request) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	var rows []unitRow
	for _, n := range auth.UnitTree(units) {
		rows = append(rows, unitRow{n.Unit, n.Depth, n.LabelIn(string(web.T(r).Lang()))})
	}
	return x.site.Render(w, r, http.StatusOK, "people/units", struct {
		Units    []unitRow
		MayWrite bool
	}{rows, may(r)})
}

type unitView struct {
	Unit    auth.Unit
	Parents []web.Option
	Error   string
}

func (x *Room) unitForm(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if id == "" {
		return x.renderUnit(w, r, http.StatusOK, unitView{Unit: auth.Unit{Parent: r.URL.Query().Get("parent")}})
	}
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	for _, u := range units {
		if u.ID == id {
			return x.renderUnit(w, r, http.StatusOK, unitView{Unit: u})
		}
	}
	return fault.New(fault.NotFound, "fault.not_found", "there is no unit %q", id)
}

func (x *Room) renderUnit(w http.ResponseWriter, r *http.Request, status int, v unitView) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	v.Parents = unitOptions(units, string(web.T(r).Lang()), web.T(r).T("unit.top"))
	return x.site.Render(w, r, status, "people/unit", v)
}

func (x *Room) saveUnit(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r, maxForm); err != nil {
		return err
	}
	v, _ := strconv.ParseInt(r.PostForm.Get("version"), 10, 64) // none is a new one's
	unit := auth.Unit{
		ID: r.PostForm.Get("id"), Parent: r.PostForm.Get("parent"), Code: r.PostForm.Get("code"),
		Name: r.PostForm.Get("name"), NameEn: r.PostForm.Get("name_en"), Version: v,
	}
	if _, err := x.opt.Accounts.SaveUnit(r.Context(), unit); err != nil {
		if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Conflict) {
			return err
		}
		return x.renderUnit(w, r, http.StatusUnprocessableEntity, unitView{Unit: unit, Error: web.Message(r, err)})
	}
	return x.site.Done(w, r, "/units", web.Flash{Kind: web.Good, Text: web.T(r).T("unit.saved", unit.Name)})
}

func (x *Room) deleteUnit(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r, maxForm); err != nil {
		return err
	}
	v, err := version(r)
	if err != nil {
		return err
	}
	if err := x.opt.Accounts.DeleteUnit(r.Context(), r.PathValue("id"), v); err != nil {
		return err
	}
	return x.site.Done(w, r, "/units", web.Flash{Kind: web.Good, Text: web.T(r).T("unit.deleted")})
}
