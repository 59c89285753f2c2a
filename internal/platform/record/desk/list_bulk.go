package desk

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// deed is something that can be done with the ticked records.
type deed struct {
	Do    string // as the form sends it
	Label string
	From  string // the states from which it leads, with spaces between; "" for all
	Main  bool
	Harm  bool // it deletes
}

// What a bulk form asks to be done, besides "move:<move>" and "set:<field>".
const (
	doTags   = "tags"
	doDelete = "delete"
)

// deeds are what somebody may do with records of the page.
func (x *desk) deeds(p *i18n.Printer, by *auth.User, items []*record.Record) (list []deed) {
	for i := range x.kind.Moves {
		m := &x.kind.Moves[i]
		var from []string
		for _, rec := range items {
			if slices.Contains(x.kind.MovesFor(by, rec), m) && !slices.Contains(from, rec.State) {
				from = append(from, rec.State)
			}
		}
		if len(from) > 0 {
			list = append(list, deed{Do: "move:" + m.Name, Label: moveWord(p, x.kind, m.Name), From: strings.Join(from, " "), Main: m.Main})
		}
	}
	if !x.kind.Without.Edit && by.May(x.kind.MayWrite()) {
		for _, f := range x.kind.Editable() {
			if settable(f) {
				list = append(list, deed{Do: "set:" + f.Name, Label: p.T("record.bulk.set", label(p, x.kind, f.Name))})
			}
		}
		list = append(list, deed{Do: doTags, Label: p.T("record.bulk.tags")})
	}
	if !x.kind.Without.Delete && by.May(x.kind.MayDelete()) {
		list = append(list, deed{Do: doDelete, Label: p.T("record.delete"), Harm: true})
	}
	return list
}

// settable reports whether a field makes sense with the same value in many records.
func settable(f *record.Field) bool {
	return !f.Fixed && slices.Contains([]string{"person", "unit", "deadline", "day", "choice", "level", "bool"}, f.Type.Word())
}

// bulkView asks for what it takes to do something with many records, or says why it could not be done.
type bulkView struct {
	Many, Home, Title string
	Do                string
	IDs               []string
	Names             []string // of the first of them
	Rest              int      // how many more there are
	Inputs            []input
	Why               *input
	Next              string
	Error             string
	Harm              bool
	Count             int
}

const bulkNames = 10

// bulk does something with the ticked records, or asks for what that takes.
func (x *desk) bulk(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	ids, err := x.meant(r)
	if err != nil {
		return x.opt.Site.Done(w, r, x.next(r).String(), web.Flash{Kind: web.Bad, Text: web.Message(r, err)})
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	do := r.PostFormValue("do")
	view := &bulkView{Many: many(in.p, x.kind), Home: x.kind.Path, Do: do, IDs: ids, Count: len(ids), Next: x.next(r).String(), Harm: do == doDelete}
	chosen, err := x.chosen(r, view)
	if err != nil {
		return err
	}
	asks, err := x.ask(in, view, chosen)
	if err != nil {
		return err
	}
	if asks && r.PostFormValue("ready") == "" {
		return x.opt.Site.Render(w, r, http.StatusOK, "desk/list_bulk", view)
	}
	deed, err := x.deedOf(in, view)
	var undo record.Undo
	if err == nil {
		undo, err = x.opt.Store.Bulk(r.Context(), web.User(r), x.kind.Name, ids, deed)
	}
	if err != nil {
		return x.bulkFailed(w, in, view, err)
	}
	next := x.next(r)
	if undo.ID != "" {
		address := next.Query()
		address.Set("_undo", undo.ID)
		next.RawQuery = address.Encode()
		return x.opt.Site.Redirect(w, r, next.String())
	}
	return x.opt.Site.Done(w, r, next.String(), web.Flash{Kind: web.Good, Text: in.p.T("record.bulk.done", undo.Count)})
}

// meant are the records of a bulk form: the ticked ones, or all that its list shows.
func (x *desk) meant(r *http.Request) ([]string, error) {
	if r.PostFormValue("all") == "" {
		return r.PostForm["id"], nil
	}
	return x.listed(r, viewTab{Query: r.PostFormValue("query")}.values())
}

// listed are the records that a list shows, one more at most than can be changed at once.
func (x *desk) listed(r *http.Request, query url.Values) ([]string, error) {
	q, err := x.kind.ParseQuery(query, record.Aside()...)
	if err != nil {
		return nil, err
	}
	page, err := x.opt.Store.List(r.Context(), x.kind.Name, q, x.env(r), "", record.MaxBulk+1)
	ids := make([]string, len(page.Items))
	for i, rec := range page.Items {
		ids[i] = rec.ID
	}
	return ids, err
}

// chosen reads the records, as far as they are there, and names the first.
func (x *desk) chosen(r *http.Request, view *bulkView) (list []*record.Record, err error) {
	for _, id := range view.IDs[:min(len(view.IDs), record.MaxBulk)] {
		rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, id)
		if fault.Is(err, fault.NotFound) {
			continue // doing it says so
		}
		if err != nil {
			return nil, err
		}
		list = append(list, rec)
		if len(view.Names) < bulkNames {
			view.Names = append(view.Names, x.titleOf(web.T(r), rec))
		}
	}
	view.Rest = len(list) - len(view.Names)
	return list, nil
}

// ask makes the inputs of what is to be done, and reports whether there is anything to ask.
func (x *desk) ask(in *inputs, view *bulkView, chosen []*record.Record) (bool, error) {
	why := &input{Name: "why", Label: in.p.T("record.why"), Word: "long", Text: in.r.PostFormValue("why")}
	verb, name, _ := strings.Cut(view.Do, ":")
	switch f := x.kind.Field(name); {
	case verb == "move" && x.kind.Move(name) != nil:
		m := x.kind.Move(name)
		view.Title = moveWord(in.p, x.kind, name)
		for _, rec := range chosen {
			for _, f := range x.asked(m, rec) {
				if !slices.ContainsFunc(view.Inputs, func(i input) bool { return i.Name == f.Name }) {
					i := x.bulkInput(in, f)
					i.Required = slices.Contains(m.Needs, f.Name)
					view.Inputs = append(view.Inputs, i)
				}
			}
		}
		why.Required = m.Why
		if view.Why = why; !m.Why && len(view.Inputs) == 0 {
			return false, nil
		}
	case verb == "set" && f != nil && settable(f):
		view.Title, view.Why = in.p.T("record.bulk.set", label(in.p, x.kind, name)), why
		view.Inputs = []input{x.bulkInput(in, f)}
		why.Label = in.p.T("record.note")
	case view.Do == doTags:
		view.Title, view.Why = in.p.T("record.bulk.tags"), why
		for _, what := range []string{"add", "remove"} {
			view.Inputs = append(view.Inputs, input{Name: what, Label: in.p.T("record.bulk.tags." + what), Word: "tags", Text: in.r.PostFormValue(what), Help: in.p.T("record.help.tags")})
		}
		why.Label = in.p.T("record.note")
	case view.Do == doDelete:
		view.Title, view.Why = in.p.T("record.delete"), why
		why.Required = true
	default:
		return false, fault.New(fault.Invalid, "record.fault.bulk_nothing", "there is no %q to do", view.Do)
	}
	return true, nil
}

func (x *desk) bulkInput(in *inputs, f *record.Field) input {
	text, _ := posted(in.r, f)
	i := in.field(f, text)
	if f.Type.Word() == "deadline" {
		i.Date = true // the same moment for many is a day
	}
	return i
}

// deedOf reads the form.
func (x *desk) deedOf(in *inputs, view *bulkView) (do record.Bulk, err error) {
	do.Why = in.r.PostFormValue("why")
	verb, name, _ := strings.Cut(view.Do, ":")
	switch verb {
	case doDelete:
		do.Delete = true
		return do, nil
	case doTags:
		do.Add, do.Remove = words(in.r.PostFormValue("add")), words(in.r.PostFormValue("remove"))
		return do, nil
	case "move":
		do.Move = name
	}
	texts := make(map[string]string)
	for _, i := range view.Inputs {
		if text, ok := posted(in.r, x.kind.Field(i.Name)); ok {
			texts[i.Name] = text
		}
	}
	do.Values, err = x.kind.Parse(texts, x.env(in.r))
	return do, err
}

// words are the tags that somebody typed.
func words(text string) []string {
	v, err := record.Tags{}.Parse(text, nil)
	if err != nil {
		return []string{text} // it is refused where it is added
	}
	list, _ := v.([]string)
	return list
}

// bulkFailed says why nothing was done, and for which record.
func (x *desk) bulkFailed(w http.ResponseWriter, in *inputs, view *bulkView, err error) error {
	code := fault.CodeOf(err)
	if code == fault.Internal || code == fault.Unavailable || code == fault.Forbidden {
		return err
	}
	why := err
	who := ""
	if one, ok := errors.AsType[*record.BulkError](err); ok {
		why, who = one.Err, in.p.T("record.bulk.gone")
		if one.Record != nil {
			who = x.titleOf(in.p, one.Record)
		}
	}
	all := slices.Clone(view.Inputs)
	if view.Why != nil {
		all = append(all, *view.Why)
	}
	view.Error = in.wrong(all, why)
	view.Inputs = all[:len(view.Inputs)]
	if view.Why != nil {
		view.Why = &all[len(all)-1]
	}
	if who != "" {
		view.Error = in.p.T("record.bulk.failed", who, view.Error)
	}
	return x.opt.Site.Render(w, in.r, http.StatusUnprocessableEntity, "desk/list_bulk", view)
}

// undoLine is what was just done to many records, with the way back.
type undoLine struct {
	ID   string
	Text string
	Next string
}

func (x *desk) undoLine(r *http.Request, v *listView) error {
	id := r.URL.Query().Get("_undo")
	if id == "" {
		return nil
	}
	undo, err := x.opt.Store.Undoable(r.Context(), web.User(r), x.kind.Name, id)
	if fault.Is(err, fault.NotFound) {
		return nil // taken back already, or too long ago
	}
	v.Undo = &undoLine{ID: id, Text: web.T(r).T("record.bulk.done", undo.Count), Next: v.Self}
	return err
}

// undo takes back what was just done to many records.
func (x *desk) undo(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	p, next := web.T(r), x.next(r).String()
	undo, err := x.opt.Store.UndoBulk(r.Context(), web.User(r), x.kind.Name, r.PostFormValue("undo"), p.T("record.bulk.undone.note"))
	if err == nil {
		return x.opt.Site.Done(w, r, next, web.Flash{Kind: web.Good, Text: p.T("record.bulk.undone", undo.Count)})
	}
	if one, ok := errors.AsType[*record.BulkError](err); ok && one.Record != nil {
		return x.opt.Site.Done(w, r, next, web.Flash{Kind: web.Bad, Text: p.T("record.bulk.failed", x.titleOf(p, one.Record), web.Message(r, one.Err))})
	}
	return err
}
