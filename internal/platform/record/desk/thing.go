package desk

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/web"
)

// Tabs of what hangs on a record.
const (
	tabTimeline  = "timeline"
	tabEvidence  = "evidence"
	tabLinks     = "links"
	tabTasks     = "tasks"
	tabApprovals = "approvals"
)

// thingRoutes are the forms of what hangs on a record, and the pages of attachments and approvals. Who may do what, the store decides.
func (x *desk) thingRoutes() []web.Route {
	read, write, self := x.mayRead(), x.mayWrite(), x.kind.Path+"/{id}"
	return []web.Route{
		{Pattern: "POST " + self + "/comments", Permission: write, Handle: x.comment},
		{Pattern: "GET " + self + "/comments/{thing}", Permission: write, Handle: x.commentForm},
		{Pattern: "POST " + self + "/comments/{thing}", Permission: write, Handle: x.editComment},
		{Pattern: "POST " + self + "/comments/{thing}/delete", Permission: write, Handle: x.deleteComment},

		{Pattern: "POST " + self + "/attachments", Permission: write, Handle: x.attach},
		{Pattern: "GET " + self + "/attachments/{thing}", Permission: read, Handle: x.attachment},
		{Pattern: "GET " + self + "/attachments/{thing}/file", Permission: read, Handle: x.file},
		{Pattern: "POST " + self + "/attachments/{thing}/verify", Permission: read, Handle: x.verify},
		{Pattern: "POST " + self + "/attachments/{thing}/place", Permission: write, Handle: x.place},
		{Pattern: "POST " + self + "/attachments/{thing}/offer", Permission: read, Handle: x.offer},
		{Pattern: "GET " + self + "/attachments/{thing}/take", Permission: read, Fresh: true, Handle: x.attachment},
		{Pattern: "POST " + self + "/attachments/{thing}/take", Permission: read, Fresh: true, Handle: x.take},
		{Pattern: "POST " + self + "/attachments/{thing}/remove", Permission: write, Handle: x.removeAttachment},

		{Pattern: "POST " + self + "/links", Permission: write, Handle: x.link},
		{Pattern: "POST " + self + "/links/{thing}/remove", Permission: write, Handle: x.unlink},

		{Pattern: "POST " + self + "/tasks", Permission: write, Handle: x.addTask},

		{Pattern: "POST " + self + "/approvals", Permission: write, Handle: x.askApproval},
		{Pattern: "GET " + self + "/approvals/{thing}", Permission: read, Fresh: true, Handle: x.approval},
		{Pattern: "POST " + self + "/approvals/{thing}", Permission: read, Fresh: true, Handle: x.answer},
	}
}

// thing reads what a tab shows, nil for a tab of detail.go.
func (x *desk) thing(r *http.Request, view *detailView, b *book) (any, error) {
	switch view.Tab {
	case tabTimeline:
		return x.timeline(r, view, b)
	case tabEvidence:
		return x.evidence(r, view)
	case tabLinks:
		return x.linksView(r, view, b)
	case tabTasks:
		return x.tasksView(r, view)
	case tabApprovals:
		return x.approvalsView(r, view)
	}
	return nil, nil
}

// counts says on the tabs how much there is.
func (x *desk) counts(r *http.Request, rec *record.Record) (map[string]any, error) {
	h, err := x.opt.Store.Hanging(r.Context(), web.User(r), rec.Kind.Ref(rec.ID))
	counts := make(map[string]any)
	for tab, n := range map[string]int{tabTimeline: h.Comments, tabEvidence: h.Attachments, tabLinks: h.Links, tabTasks: h.Tasks, tabApprovals: h.Approvals} {
		if n > 0 {
			counts[tab] = n
		}
	}
	return counts, err
}

// again shows a tab once more after a form on it was wrong, with what was typed.
func (x *desk) again(w http.ResponseWriter, r *http.Request, tab string, problem error) error {
	if !fault.Is(problem, fault.Invalid) && !fault.Is(problem, fault.Conflict) {
		return problem
	}
	view, err := x.view(r, tab)
	if err != nil {
		return err
	}
	view.Error = problemText(r, problem)
	return x.opt.Site.Render(w, r, http.StatusUnprocessableEntity, "desk/detail", view)
}

// done leads back to a tab, or says what was wrong.
func (x *desk) done(w http.ResponseWriter, r *http.Request, tab string, err error) error {
	if err != nil {
		return x.again(w, r, tab, err)
	}
	return x.opt.Site.Redirect(w, r, x.kind.Address(r.PathValue("id"))+"?tab="+tab)
}

// problemText says what is wrong with a form in one line, field by field.
func problemText(r *http.Request, err error) string {
	wrong, ok := errors.AsType[record.Wrong](err)
	if !ok {
		return web.Message(r, err)
	}
	var parts []string
	for field, problem := range wrong {
		parts = append(parts, web.T(r).T("record.thing.problem", web.T(r).T("record.thing."+field), web.Message(r, problem)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// typedIn is what a form on the page was sent with, so that nothing typed is lost.
func typedIn(r *http.Request) url.Values {
	if r.PostForm == nil {
		return url.Values{}
	}
	return r.PostForm
}

// people fills an input that names a person.
func personInput(p *i18n.Printer, name, text string, required bool) input {
	return input{Name: name, Label: p.T("record.thing." + strings.TrimRight(name, "0123456789")), Word: "person", Text: text, Required: required}
}

// personID finds the person that a form names; "" for an empty text.
func (d *Desk) personID(r *http.Request, field, text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", nil
	}
	id, err := record.Person{}.Parse(text, d.env(r))
	if err != nil {
		return "", record.Wrong{field: err}
	}
	return id.(string), nil
}

// dueOf reads a due time that a form names.
func (d *Desk) dueOf(r *http.Request, field, text string) (time.Time, error) {
	v, err := record.Deadline{}.Parse(text, d.env(r))
	if err != nil {
		return time.Time{}, record.Wrong{field: err}
	}
	return v.(time.Time), nil
}

// dueText writes a due time as a form has it: a whole day as a date, anything else to the minute.
func dueText(p *i18n.Printer, at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case endOfDay(at, p.Zone()):
		return at.In(p.Zone()).Format(time.DateOnly)
	}
	return at.In(p.Zone()).Format("2006-01-02T15:04")
}

// related is another record as a page names it.
type related struct {
	Title   string
	One     string // what such a record is called
	Href    string
	State   string
	Look    string
	Deleted bool
}

func (d *Desk) related(p *i18n.Printer, r *record.Record) related {
	s, _ := r.Kind.StateOf(r.State)
	return related{Title: cmp.Or(d.titleOf(p, r), r.ID), One: one(p, r.Kind), Href: r.Address(), State: stateWord(p, r.Kind, r.State), Look: s.Look, Deleted: !r.DeletedAt.IsZero()}
}

// thingChange is a change in a history that is about no field of the kind: "attach.place", "task.due", "link.blocks".
func (x *desk) thingChange(b *book, c record.Change) changeView {
	p := b.p
	v := changeView{Label: c.Field, From: c.From, To: c.To}
	what, field, _ := strings.Cut(c.Field, ".")
	if v.From == v.To {
		v.From = "" // it says which thing was changed
	}
	switch {
	case what == "link":
		v.Label, v.From, v.To = p.T("record.link."+field), b.titleOf(c.From), b.titleOf(c.To)
	case p.Has("record.thing." + field):
		v.Label = p.T("record.thing." + field)
	}
	if what == "class" {
		v.From, v.To = p.T("record.class."+c.From), p.T("record.class."+c.To)
	}
	if field == "owner" || field == "holder" {
		v.Word = "person"
	}
	if field == "due" {
		v.From, v.To = momentText(p, c.From), momentText(p, c.To)
	}
	return v
}

// titleOf is what the record of a reference is called.
func (b *book) titleOf(reference string) string {
	one, err := ref.Parse(reference)
	if err != nil || b.other == nil {
		return reference
	}
	return cmp.Or(b.other(one), reference)
}

// others has a book know what other records are called, of those that the reader may see.
func (x *desk) others(r *http.Request, b *book) {
	known := make(map[ref.Ref]string)
	b.other = func(one ref.Ref) string {
		if _, ok := known[one]; !ok {
			known[one] = ""
			if rec, err := x.opt.Store.Get(r.Context(), web.User(r), one.Kind, one.ID); err == nil {
				known[one] = x.titleOf(b.p, rec)
			}
		}
		return known[one]
	}
}

// momentText writes a time of a history in the reader's zone.
func momentText(p *i18n.Printer, text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return deadlineText(at, p)
}

// chooseRecord answers the options of a field that names a record, for what was typed so far.
func (d *Desk) chooseRecord(w http.ResponseWriter, r *http.Request) error {
	var list []*record.Record
	for _, k := range d.opt.Store.Kinds() {
		found, err := d.opt.Store.Search(r.Context(), web.User(r), k.Name, typed(r.URL.Query()), 8)
		if err != nil {
			return err
		}
		list = append(list, found...)
	}
	var view struct{ Records []option }
	for _, rec := range list[:min(len(list), maxPeople)] {
		about := d.related(web.T(r), rec)
		view.Records = append(view.Records, option{Value: rec.Kind.Ref(rec.ID).String(), Label: about.One + " · " + about.Title})
	}
	return d.opt.Site.Render(w, r, http.StatusOK, "desk/records", view)
}

// refOf reads how people name a record: a reference, or the address of its page.
func (d *Desk) refOf(text string) (ref.Ref, error) {
	text = strings.TrimSpace(text)
	if u, err := url.Parse(text); err == nil && strings.HasPrefix(u.Path, "/") {
		for _, k := range d.opt.Store.Kinds() {
			if id, ok := strings.CutPrefix(u.Path, k.Path+"/"); ok && id != "" && !strings.Contains(id, "/") {
				return k.Ref(id), nil
			}
		}
	}
	one, err := ref.Parse(text)
	if err != nil {
		return one, record.Wrong{"other": err}
	}
	return one, nil
}

// mayWriteNow reports whether the reader may hang something on the record.
func mayWriteNow(user *auth.User, rec *record.Record) bool {
	return user.May(rec.Kind.MayWrite()) && rec.DeletedAt.IsZero()
}
