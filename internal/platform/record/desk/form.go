package desk

import (
	"net/http"
	"net/url"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// formView is the form of a new record, or of one that is changed.
type formView struct {
	Title   string
	Many    string
	Home    string
	Action  string // where it is sent
	Cancel  string
	Version int64 // 0 for a new record
	Inputs  []input
	Error   string
	Note    string
}

// newForm is an empty form; fields named in the address are filled in.
func (x *desk) newForm(w http.ResponseWriter, r *http.Request) error {
	return x.showNew(w, r, http.StatusOK, func(f *record.Field) string { return r.URL.Query().Get(f.Name) }, nil)
}

func (x *desk) showNew(w http.ResponseWriter, r *http.Request, status int, text func(*record.Field) string, problem error) error {
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	view := formView{
		Title: in.p.T("record.new", one(in.p, x.kind)), Many: many(in.p, x.kind), Home: x.kind.Path, Action: x.kind.Path, Cancel: x.kind.Path,
	}
	for _, f := range x.kind.Editable() {
		view.Inputs = append(view.Inputs, in.field(f, text(f)))
	}
	view.Error = in.wrong(view.Inputs, problem)
	return x.opt.Site.Render(w, r, status, "desk/form", view)
}

// create makes a record.
func (x *desk) create(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	values, texts, err := in.read(nil)
	var made *record.Record
	if err == nil {
		made, err = x.opt.Store.Create(r.Context(), web.User(r), x.kind.Name, values)
	}
	if fault.Is(err, fault.Invalid) {
		return x.showNew(w, r, http.StatusUnprocessableEntity, func(f *record.Field) string { return texts[f.Name] }, err)
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Done(w, r, made.Address(), web.Flash{Kind: web.Good, Text: in.p.T("record.made", x.titleOf(in.p, made))})
}

// editForm is the form of a record.
func (x *desk) editForm(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	return x.showEdit(w, in, rec, http.StatusOK, func(f *record.Field) string { return in.text(rec, f) }, nil)
}

func (x *desk) showEdit(w http.ResponseWriter, in *inputs, rec *record.Record, status int, text func(*record.Field) string, problem error) error {
	view := formView{
		Title: x.titleOf(in.p, rec), Many: many(in.p, x.kind), Home: x.kind.Path, Action: rec.Address(), Cancel: rec.Address(), Version: rec.Version,
		Note: in.r.PostFormValue("note"),
	}
	for _, f := range x.kind.Editable() {
		if !f.Fixed {
			view.Inputs = append(view.Inputs, in.field(f, text(f)))
		}
	}
	view.Error = in.wrong(view.Inputs, problem)
	return x.opt.Site.Render(w, in.r, status, "desk/form", view)
}

// edit changes a record. Where somebody was faster, a page shows both versions (merge.go).
func (x *desk) edit(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	id, user := r.PathValue("id"), web.User(r)
	was, err := version(r)
	if err != nil {
		return err
	}
	base, err := x.opt.Store.At(r.Context(), user, x.kind.Name, id, was)
	if err != nil {
		return err
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	values, texts, err := in.read(base)
	if err == nil {
		_, err = x.opt.Store.Edit(r.Context(), user, x.kind.Name, id, was, values, r.PostFormValue("note"))
	}
	if conflict, ok := record.AsConflict(err); ok {
		return x.showMerge(w, in, conflict, texts)
	}
	if fault.Is(err, fault.Invalid) {
		return x.showEdit(w, in, base, http.StatusUnprocessableEntity, func(f *record.Field) string { return texts[f.Name] }, err)
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Done(w, r, base.Address(), web.Flash{Kind: web.Good, Text: in.p.T("record.saved")})
}

// maxPeople is how many people are offered at once.
const maxPeople = 20

// choosePeople answers the options of a field that names a person, for what was typed so far.
func (d *Desk) choosePeople(w http.ResponseWriter, r *http.Request) error {
	view := struct{ People []auth.Person }{}
	if d.opt.People != nil {
		page, err := d.opt.People.People(r.Context(), auth.PeopleFilter{Text: typed(r.URL.Query()), States: []auth.State{auth.Active}}, "", maxPeople)
		if err != nil {
			return err
		}
		view.People = page.Items
	}
	return d.opt.Site.Render(w, r, http.StatusOK, "desk/people", view)
}

// typed is what was typed into the field that asks, whatever the field is called.
func typed(q url.Values) string {
	for _, texts := range q {
		return texts[0]
	}
	return ""
}
