package people

import (
	"net/http"
	"strconv"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// node is a unit in its place in the tree.
type node struct {
	auth.Unit
	Depth int
	Path  string // its name
}

// tree orders units so that each stands below its parent. Units whose parent is not there stand at the top.
func tree(units []auth.Unit) []node {
	known, below := make(map[string]bool), make(map[string][]auth.Unit)
	for _, u := range units {
		known[u.ID] = true
	}
	for _, u := range units {
		parent := u.Parent
		if !known[parent] {
			parent = ""
		}
		below[parent] = append(below[parent], u)
	}
	var list []node
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		for _, u := range below[parent] {
			list = append(list, node{Unit: u, Depth: depth})
			walk(u.ID, depth+1)
		}
	}
	walk("", 0)
	return list
}

// indent is room before a name, in full-width spaces: a select has no other.
func indent(depth int) string { return strings.Repeat("　", depth) }

func (x *Room) units(w http.ResponseWriter, r *http.Request) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	nodes := tree(units)
	for i := range nodes {
		nodes[i].Path = indent(nodes[i].Depth) + unitName(nodes[i].Unit, string(web.T(r).Lang()))
	}
	return x.site.Render(w, r, http.StatusOK, "people/units", struct {
		Units    []node
		MayWrite bool
	}{nodes, may(r)})
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
