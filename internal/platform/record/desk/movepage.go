package desk

import (
	"net/http"
	"slices"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// moveView is the form of a move that asks for something.
type moveView struct {
	head
	Move     string
	Label    string
	From     cell
	To       cell
	Inputs   []input
	Why      input
	NeedsWhy bool
	Error    string
}

// moveForm asks for what a move needs.
func (x *desk) moveForm(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	return x.showMove(w, r, rec, http.StatusOK, nil)
}

func (x *desk) showMove(w http.ResponseWriter, r *http.Request, rec *record.Record, status int, problem error) error {
	m := x.kind.Move(r.PathValue("move"))
	if m == nil || !slices.Contains(x.kind.MovesFor(web.User(r), rec), m) {
		return fault.New(fault.Conflict, "record.fault.state", "%s is in state %s, from which %q does not lead", rec.Kind.Ref(rec.ID), rec.State, r.PathValue("move"))
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	b, err := x.newBook(r.Context(), in.p)
	if err != nil {
		return err
	}
	state := x.kind.Field("state")
	view := moveView{
		head: x.head(r, rec, b), Move: m.Name, Label: moveWord(in.p, x.kind, m.Name), From: b.show(x.kind, state, rec.State, false), To: b.show(x.kind, state, m.To, false),
		NeedsWhy: m.Why, Why: input{Name: "why", Label: in.p.T("record.why"), Word: "long", Required: m.Why, Text: r.PostFormValue("why")},
	}
	for _, f := range x.asked(m, rec) {
		text, given := posted(r, f)
		if !given {
			text = in.text(rec, f)
		}
		field := in.field(f, text)
		field.Required = field.Required || slices.Contains(m.Needs, f.Name)
		view.Inputs = append(view.Inputs, field)
	}
	all := append(slices.Clone(view.Inputs), view.Why)
	view.Error = in.wrong(all, problem)
	view.Inputs, view.Why = all[:len(view.Inputs)], all[len(all)-1]
	return x.opt.Site.Render(w, r, status, "desk/move", view)
}

// asked are the fields that a move's form shows.
func (x *desk) asked(m *record.Move, rec *record.Record) (list []*record.Field) {
	for _, name := range slices.Concat(m.Needs, m.Asks) {
		f := x.kind.Field(name)
		if !f.Machine && !slices.Contains(list, f) && (slices.Contains(m.Asks, name) || rec.Text(name) == "" || slices.Contains(m.Clears, name)) {
			list = append(list, f)
		}
	}
	return list
}

// move moves a record.
func (x *desk) move(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	id, user := r.PathValue("id"), web.User(r)
	was, err := version(r)
	if err != nil {
		return err
	}
	rec, err := x.opt.Store.Get(r.Context(), user, x.kind.Name, id)
	if err != nil {
		return err
	}
	m := x.kind.Move(r.PathValue("move"))
	if m == nil {
		return fault.New(fault.NotFound, "record.fault.move", "%s has no move %q", x.kind.Name, r.PathValue("move"))
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	texts := make(map[string]string)
	for _, f := range x.asked(m, rec) {
		if text, ok := posted(r, f); ok {
			texts[f.Name] = text
		}
	}
	values, err := x.kind.Parse(texts, x.env(r))
	if err == nil {
		_, err = x.opt.Store.Move(r.Context(), user, x.kind.Name, id, record.Moving{Move: m.Name, Version: was, Values: values, Why: r.PostFormValue("why")})
	}
	switch fault.CodeOf(err) {
	case "":
		return x.opt.Site.Done(w, r, back(r, rec.Address()), web.Flash{Kind: web.Good, Text: in.p.T("record.moved", x.titleOf(in.p, rec), stateWord(in.p, x.kind, m.To))})
	case fault.Conflict:
		return x.movedMeanwhile(w, r, id, err)
	case fault.Invalid:
		return x.showMove(w, r, rec, http.StatusUnprocessableEntity, err)
	}
	return err
}

// back is where a form came from, where it says so and that is one of our pages.
func back(r *http.Request, otherwise string) string {
	if next := r.PostFormValue("next"); next != "" {
		return web.SafeNext(next)
	}
	return otherwise
}

// delete marks a record as deleted.
func (x *desk) delete(w http.ResponseWriter, r *http.Request) error {
	return x.erase(w, r, "record.deleted", func(id string, was int64) (string, error) {
		return x.kind.Path, x.opt.Store.Delete(r.Context(), web.User(r), x.kind.Name, id, was, r.PostFormValue("why"))
	})
}

// restore brings a deleted record back.
func (x *desk) restore(w http.ResponseWriter, r *http.Request) error {
	return x.erase(w, r, "record.restored", func(id string, was int64) (string, error) {
		return x.kind.Address(id), x.opt.Store.Restore(r.Context(), web.User(r), x.kind.Name, id, was)
	})
}

// erase does what deletes a record or brings it back, and says how it ended.
func (x *desk) erase(w http.ResponseWriter, r *http.Request, done string, do func(id string, version int64) (next string, err error)) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	was, err := version(r)
	if err != nil {
		return err
	}
	next, err := do(id, was)
	switch fault.CodeOf(err) {
	case "":
		return x.opt.Site.Done(w, r, next, web.Flash{Kind: web.Good, Text: web.T(r).T(done)})
	case fault.Conflict, fault.Invalid:
		return x.movedMeanwhile(w, r, id, err)
	}
	return err
}
