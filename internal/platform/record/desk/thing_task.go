package desk

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// taskRow is a task in a list.
type taskRow struct {
	*record.Task
	Of      *related // the record it belongs to, where the list has tasks of many
	Late    bool
	MayEdit bool
	Next    string // where its forms lead back to
	Again   string // how it comes again
	Waits   []string
	Above   string // the task that it can be put before
}

// tasksView is the tasks of a record.
type tasksView struct {
	Open, Ended []taskRow
	Form        taskForm
	MayWrite    bool
}

// taskForm is the form of a task, new or there.
type taskForm struct {
	Title, Text, Due, Remind string
	Owner                    input
	Every                    string
	Units, Shifts            []option
	After                    []option
}

func (x *desk) tasksView(r *http.Request, view *detailView) (tasksView, error) {
	user := web.User(r)
	v := tasksView{MayWrite: mayWriteNow(user, view.Record)}
	list, err := x.opt.Store.Tasks(r.Context(), user, x.kind.Ref(view.ID))
	if err != nil {
		return v, err
	}
	titles := make(map[string]string, len(list))
	for _, t := range list {
		titles[t.ID] = t.Title
	}
	for _, t := range list {
		row := x.taskRow(r, t, false)
		row.Next = view.Self + "?tab=tasks"
		for _, id := range t.After {
			row.Waits = append(row.Waits, titles[id])
		}
		if t.State == record.Open {
			if n := len(v.Open); n > 0 && row.MayEdit {
				row.Above = v.Open[n-1].ID
			}
			v.Open = append(v.Open, row)
		} else {
			v.Ended = append(v.Ended, row)
		}
	}
	v.Form = x.taskForm(r, typedIn(r), list, "")
	return v, nil
}

func (d *Desk) taskRow(r *http.Request, t *record.Task, named bool) taskRow {
	user, p := web.User(r), web.T(r)
	row := taskRow{Task: t, Late: t.Overdue(time.Now()), Again: ruleText(p, t.Rule)}
	row.MayEdit = t.Record == nil || t.Record.DeletedAt.IsZero() && (t.Owner == user.ID || user.May(t.Record.Kind.MayWrite()))
	if t.Record != nil && named {
		of := d.related(p, t.Record)
		row.Of = &of
	}
	return row
}

// ruleText says how a task comes again.
func ruleText(p *i18n.Printer, rule *record.Rule) string {
	if rule == nil {
		return ""
	}
	text := p.T("record.task.every."+string(rule.Unit), rule.Every)
	if rule.Shift != calendar.Stay {
		text += " (" + p.T("record.task.shift."+string(rule.Shift)) + ")"
	}
	return text
}

// taskForm fills a form with what was typed, or what there is.
func (d *Desk) taskForm(r *http.Request, typed url.Values, beside []*record.Task, self string) taskForm {
	p := web.T(r)
	f := taskForm{
		Title: typed.Get("title"), Text: typed.Get("text"), Due: typed.Get("due"), Remind: typed.Get("remind"), Every: typed.Get("every"),
		Owner: personInput(p, "owner", typed.Get("owner"), false),
	}
	for _, unit := range []calendar.Unit{"", calendar.Days, calendar.Weeks, calendar.Months, calendar.Years} {
		key := "record.task.unit." + string(unit)
		if unit == "" {
			key = "record.task.once"
		}
		f.Units = append(f.Units, option{Value: string(unit), Label: p.T(key), Chosen: typed.Get("unit") == string(unit)})
	}
	for _, shift := range []calendar.Shift{calendar.Stay, calendar.Following, calendar.Preceding} {
		word := string(shift)
		if shift == calendar.Stay {
			word = "stay"
		}
		f.Shifts = append(f.Shifts, option{Value: string(shift), Label: p.T("record.task.shift." + word), Chosen: typed.Get("shift") == string(shift)})
	}
	for _, t := range beside {
		chosen := slices.Contains(typed["after"], t.ID)
		if t.ID != self && (t.State == record.Open || chosen) {
			f.After = append(f.After, option{Value: t.ID, Label: t.Title, Chosen: chosen})
		}
	}
	return f
}

// typedOf writes a task as its form would send it.
func (d *Desk) typedOf(r *http.Request, t *record.Task) url.Values {
	p := web.T(r)
	v := url.Values{"title": {t.Title}, "text": {t.Text}, "due": {dueText(p, t.Due)}, "owner": {d.personText(r, t.Owner)}, "remind": {leadsText(t.Remind)}, "after": t.After}
	if t.Rule != nil {
		v.Set("every", strconv.Itoa(t.Rule.Every))
		v.Set("unit", string(t.Rule.Unit))
		v.Set("shift", string(t.Rule.Shift))
	}
	return v
}

// leadsText writes reminders as ParseLeads reads them.
func leadsText(leads []time.Duration) string {
	var words []string
	for _, lead := range leads {
		words = append(words, leadText(lead))
	}
	return strings.Join(words, ", ")
}

func leadText(lead time.Duration) string {
	switch {
	case lead%(24*time.Hour) == 0:
		return strconv.Itoa(int(lead/(24*time.Hour))) + "d"
	case lead%time.Hour == 0:
		return strconv.Itoa(int(lead/time.Hour)) + "h"
	}
	return strconv.Itoa(int(lead/time.Minute)) + "m"
}

// tasking reads the form of a task. A rule that is there already goes on counting from where it began, unless it or the due time was changed.
func (d *Desk) tasking(r *http.Request, was *record.Task) (x record.Tasking, err error) {
	form := r.PostForm
	x = record.Tasking{Title: form.Get("title"), Text: form.Get("text"), After: form["after"]}
	if x.Owner, err = d.personID(r, "owner", form.Get("owner")); err != nil {
		return x, err
	}
	if x.Due, err = d.dueOf(r, "due", form.Get("due")); err != nil {
		return x, err
	}
	if x.Remind, err = record.ParseLeads(form.Get("remind")); err != nil {
		return x, err
	}
	unit := calendar.Unit(form.Get("unit"))
	if unit == "" {
		return x, nil
	}
	every, err := strconv.Atoi(strings.TrimSpace(form.Get("every")))
	if form.Get("every") == "" {
		every, err = 1, nil
	}
	if err != nil {
		return x, record.Wrong{"rule": fault.New(fault.Invalid, "record.fault.rule", "every %.20q", form.Get("every"))}
	}
	x.Rule = record.NewRule(every, unit, calendar.Shift(form.Get("shift")), x.Due, web.T(r).Zone())
	if was != nil && was.Rule != nil && was.Rule.Every == every && was.Rule.Unit == unit && was.Rule.Shift == x.Rule.Shift && dueText(web.T(r), was.Due) == dueText(web.T(r), x.Due) {
		x.Rule, x.Due = was.Rule, was.Due
	}
	return x, nil
}

// addTask makes a task of a record.
func (x *desk) addTask(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	with, err := x.tasking(r, nil)
	if err == nil {
		_, err = x.opt.Store.AddTask(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")), with)
	}
	return x.done(w, r, tabTasks, err)
}

// taskView is the page of a task.
type taskView struct {
	taskRow
	Form  taskForm
	Prose template.HTML
	Error string
	Was   int64
}

// taskPage shows a task.
func (d *Desk) taskPage(w http.ResponseWriter, r *http.Request) error {
	return d.showTask(w, r, http.StatusOK, nil)
}

func (d *Desk) showTask(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	t, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	view := taskView{taskRow: d.taskRow(r, t, true), Prose: d.prose(r, t.Text, "t-"), Was: t.Version}
	view.Next = "/tasks/" + t.ID
	var beside []*record.Task
	if t.Record != nil {
		if beside, err = d.opt.Store.Tasks(r.Context(), web.User(r), t.Of); err != nil {
			return err
		}
	}
	for _, other := range beside {
		if slices.Contains(t.After, other.ID) {
			view.Waits = append(view.Waits, other.Title)
		}
	}
	typed := d.typedOf(r, t)
	if problem != nil {
		view.Error = problemText(r, problem)
		if r.PostForm.Has("title") {
			typed = r.PostForm
		}
	}
	view.Form = d.taskForm(r, typed, beside, t.ID)
	return d.opt.Site.Render(w, r, status, "desk/task", view)
}

// editTask changes a task.
func (d *Desk) editTask(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	was, err := version(r)
	if err != nil {
		return err
	}
	t, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	with, err := d.tasking(r, t)
	if err == nil {
		_, err = d.opt.Store.EditTask(r.Context(), web.User(r), t.ID, was, with)
	}
	return d.taskDone(w, r, "/tasks/"+t.ID, err)
}

// doTask ends a task, opens it again, gives it to somebody, or puts it elsewhere among the others.
func (d *Desk) doTask(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	user, id, store := web.User(r), r.PathValue("id"), d.opt.Store
	var err error
	switch r.PathValue("do") {
	case "done":
		_, err = store.EndTask(r.Context(), user, id, 0, record.Done, "")
	case "drop":
		_, err = store.EndTask(r.Context(), user, id, 0, record.Dropped, r.PostFormValue("why"))
	case "reopen":
		err = store.ReopenTask(r.Context(), user, id, 0)
	case "move":
		err = store.MoveTask(r.Context(), user, id, r.PostFormValue("before"))
	case "assign":
		owner := ""
		if owner, err = d.personID(r, "owner", r.PostFormValue("owner")); err == nil {
			err = store.AssignTask(r.Context(), user, id, 0, owner)
		}
	default:
		err = fault.New(fault.NotFound, "fault.not_found", "nothing is done with a task by %q", r.PathValue("do"))
	}
	return d.taskDone(w, r, back(r, "/tasks/"+id), err)
}

// taskDone leads on, or says on the task's page what was wrong. A task that was given away may be out of sight.
func (d *Desk) taskDone(w http.ResponseWriter, r *http.Request, to string, err error) error {
	switch fault.CodeOf(err) {
	case "":
		return d.opt.Site.Redirect(w, r, to)
	case fault.Invalid, fault.Conflict:
		return d.showTask(w, r, http.StatusUnprocessableEntity, err)
	}
	return err
}
