package desk

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/web"
)

const tasksPath = "/api/v1/tasks"

// apiTasks are the tasks of a record, for programs; what is done with one is the same for all kinds (apiMine).
func (x *desk) apiTasks() []web.Route {
	self := x.apiPath() + "/{id}/tasks"
	list := x.doc("The tasks of one in their order; all at once", nil, openapi.Page(taskSchema(taskJSON{})))
	return []web.Route{
		{Pattern: "GET " + self, Permission: x.mayRead(), Handle: x.apiTasksOf, Doc: list},
		{Pattern: "POST " + self, Permission: x.mayWrite(), Handle: x.apiAddTask, Doc: docAddTask(x.kind.Name, "Make a task of one")},
	}
}

// apiMine are the tasks of all kinds of records and of none, and the approvals that wait for who asks.
func (d *Desk) apiMine() []web.Route {
	one := taskSchema(taskJSON{})
	ended := openapi.Of(endedTask{}).Replacing("task", one).Replacing("next", one)
	doc := func(summary string, body, answer any) *openapi.Operation {
		return &openapi.Operation{Summary: summary, Tag: "tasks", Body: body, Answer: answer}
	}
	list := doc("List your tasks, of records of every kind and of none: open ones by their due time, others the latest first", nil, openapi.Page(one))
	list.Query = append([]openapi.Parameter{
		{Name: "state", Description: "Left out is open.", Schema: openapi.Enum(record.Open, record.Done, record.Dropped)},
		{Name: "given", Description: "true: those that you gave to others, or to nobody, instead of your own.", Schema: openapi.Boolean()},
	}, paging()...)
	list.Description = "Tasks of records that you may no longer see are left out, so that a page may have fewer than there is room for."
	route := func(pattern string, handle web.Handle, op *openapi.Operation) web.Route {
		return web.Route{Pattern: pattern, Permission: web.SignedIn, Handle: handle, Doc: op}
	}
	self := tasksPath + "/{id}"
	return []web.Route{
		route("GET "+tasksPath, d.apiMyTasks, list),
		route("POST "+tasksPath, d.apiQuickTask, docAddTask("tasks", "Make a task of no record; without an owner it is yours")),
		route("GET "+tasksPath+"/-/approvals", d.apiPending, doc("The approvals of records that wait for you, by their due time; all at once", nil, openapi.Page(openapi.Of(pendingJSON{})))),
		route("GET "+self, d.apiTask, doc("Read one", nil, one)),
		route("PATCH "+self, d.apiEditTask, changing(doc("Change one; what is left out stays", taskSchema(taskAsked{}).Optional(), one))),
		route("POST "+self+"/done", d.apiEndTask(record.Done), changing(doc("Say that one is done; where it comes again, the next is answered, too", nil, ended))),
		route("POST "+self+"/drop", d.apiEndTask(record.Dropped), changing(doc("Drop one, with the reason", reason{}, ended))),
		route("POST "+self+"/reopen", d.apiReopenTask, changing(doc("Open one that ended again", nil, one))),
		route("POST "+self+"/move", d.apiMoveTask, repeatable(doc("Put one before another of its record, or at the end", beforeTask{}, one))),
	}
}

func docAddTask(tag, summary string) *openapi.Operation {
	return repeatable(&openapi.Operation{Summary: summary, Tag: tag, Body: taskSchema(taskAsked{}), Answer: taskSchema(taskJSON{}), Status: http.StatusCreated})
}

// taskSchema is the schema of a task, with the words that its recurrence takes.
func taskSchema(task any) openapi.Schema {
	again := openapi.Of(againJSON{}).
		Replacing("unit", openapi.Enum(string(calendar.Days), string(calendar.Weeks), string(calendar.Months), string(calendar.Years))).
		Replacing("shift", openapi.Enum(string(calendar.Stay), string(calendar.Following), string(calendar.Preceding)))
	return openapi.Of(task).Replacing("again", again.Nullable())
}

// againJSON is how a task comes again.
type againJSON struct {
	Every int            `json:"every"`
	Unit  calendar.Unit  `json:"unit"`
	Shift calendar.Shift `json:"shift,omitempty"` // where a day goes that is no business day
}

// taskJSON is a task as programs see it.
type taskJSON struct {
	ID      string     `json:"id"`
	Record  string     `json:"record,omitempty"` // the reference of the record that it is of
	Title   string     `json:"title"`
	Text    string     `json:"text"` // Markdown
	Owner   *string    `json:"owner"`
	Due     *time.Time `json:"due"`
	State   string     `json:"state"`
	Why     string     `json:"why,omitempty"` // it was dropped
	Again   *againJSON `json:"again,omitempty"`
	Remind  []string   `json:"remind"` // how long before it is due: "1d", "2h"
	After   []string   `json:"after"`  // the tasks that come first
	Waits   bool       `json:"waits"`  // one of those is open
	At      time.Time  `json:"at"`
	Author  string     `json:"author"`
	Ended   *time.Time `json:"ended,omitempty"`
	EndedBy string     `json:"ended_by,omitempty"`
	Version int64      `json:"version"`
}

func taskOf(t *record.Task) taskJSON {
	out := taskJSON{
		ID: t.ID, Title: t.Title, Text: t.Text, Owner: some(t.Owner), Due: moment(t.Due), State: t.State, Why: t.Why, Remind: []string{}, After: append([]string{}, t.After...),
		Waits: t.Waits, At: t.Created, Author: t.Author, Ended: moment(t.Ended), EndedBy: t.EndedBy, Version: t.Version,
	}
	if !t.Of.IsZero() {
		out.Record = t.Of.String()
	}
	if t.Rule != nil {
		out.Again = &againJSON{t.Rule.Every, t.Rule.Unit, t.Rule.Shift}
	}
	for _, lead := range t.Remind {
		out.Remind = append(out.Remind, leadText(lead))
	}
	return out
}

// some is a text, or nil for none.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// taskAsked is what is asked of a task. A change is read over what there is: members that are left out stay, null is none.
type taskAsked struct {
	Title  string     `json:"title"`
	Text   string     `json:"text,omitempty"`
	Owner  *string    `json:"owner,omitempty"` // a person: an id, a mail address or me
	Due    *string    `json:"due,omitempty"`   // RFC 3339, or a date: its end where you are
	Again  *againJSON `json:"again,omitempty"`
	Remind []string   `json:"remind,omitempty"`
	After  []string   `json:"after,omitempty"`
}

// askedOf is a task as a change is read over it.
func askedOf(t *record.Task) taskAsked {
	now := taskOf(t)
	return taskAsked{now.Title, now.Text, now.Owner, some(record.Moment{}.Text(t.Due)), now.Again, now.Remind, now.After}
}

// tasking reads what is asked. A rule that is there already goes on counting from where it began, unless it or the due time was changed.
func (a *taskAsked) tasking(d *Desk, r *http.Request, was *record.Task) (x record.Tasking, err error) {
	x = record.Tasking{Title: a.Title, Text: a.Text, After: a.After}
	switch {
	case a.Owner == nil:
	case was != nil && *a.Owner == was.Owner:
		x.Owner = was.Owner // who may have left
	default:
		if x.Owner, err = d.personID(r, "owner", *a.Owner); err != nil {
			return x, err
		}
	}
	if a.Due != nil {
		if x.Due, err = d.dueOf(r, "due", *a.Due); err != nil {
			return x, err
		}
	}
	for _, word := range a.Remind {
		lead, err := record.ParseLeads(word)
		if err != nil {
			return x, err
		}
		x.Remind = append(x.Remind, lead...)
	}
	if a.Again == nil {
		return x, nil
	}
	x.Rule = record.NewRule(a.Again.Every, a.Again.Unit, a.Again.Shift, x.Due, web.T(r).Zone())
	if was != nil && was.Rule != nil && *a.Again == (againJSON{was.Rule.Every, was.Rule.Unit, was.Rule.Shift}) && was.Due.Equal(x.Due) {
		x.Rule = was.Rule
	}
	return x, nil
}

func (x *desk) apiTasksOf(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Tasks(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")))
	if err != nil {
		return err
	}
	return answerTasks(w, list, "")
}

func answerTasks(w http.ResponseWriter, list []*record.Task, next string) error {
	items := make([]taskJSON, 0, len(list))
	for _, t := range list {
		items = append(items, taskOf(t))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, next))
}

func answerTask(w http.ResponseWriter, status int, t *record.Task) error {
	w.Header().Set("ETag", etag(t.Version))
	return web.JSON(w, status, taskOf(t))
}

func (x *desk) apiAddTask(w http.ResponseWriter, r *http.Request) error {
	var asked taskAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	return x.addTaskOf(w, r, x.kind.Ref(r.PathValue("id")), asked)
}

func (d *Desk) apiQuickTask(w http.ResponseWriter, r *http.Request) error {
	var asked taskAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if asked.Owner == nil {
		asked.Owner = some(record.Me)
	}
	return d.addTaskOf(w, r, ref.Ref{}, asked)
}

func (d *Desk) addTaskOf(w http.ResponseWriter, r *http.Request, of ref.Ref, asked taskAsked) error {
	with, err := asked.tasking(d, r, nil)
	if err != nil {
		return err
	}
	t, err := d.opt.Store.AddTask(r.Context(), web.User(r), of, with)
	if err != nil {
		return err
	}
	w.Header().Set("Location", tasksPath+"/"+t.ID)
	return answerTask(w, http.StatusCreated, t)
}

func (d *Desk) apiMyTasks(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	f := record.TaskFilter{State: query.Get("state"), Given: query.Get("given") == "true"}
	switch f.State {
	case "":
		f.State = record.Open
	case record.Open, record.Done, record.Dropped:
	default:
		return fault.New(fault.Invalid, "", "there is no state %q of tasks", f.State)
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := d.opt.Store.MyTasksPage(r.Context(), web.User(r), f, query.Get("cursor"), limit)
	if err != nil {
		return err
	}
	return answerTasks(w, page.Items, page.Next)
}

func (d *Desk) apiTask(w http.ResponseWriter, r *http.Request) error {
	t, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return answerTask(w, http.StatusOK, t)
}

// taskConflict makes of a version that is no longer what it is for programs that named one: 412, with the version that there is.
func (d *Desk) taskConflict(w http.ResponseWriter, r *http.Request, named int64, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Key != "record.fault.task_changed" || named == 0 {
		return err
	}
	if now, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id")); err == nil {
		w.Header().Set("ETag", etag(now.Version))
	}
	return &fault.Error{Code: fault.Outdated, Key: f.Key, Detail: "the task is no longer of version " + strconv.FormatInt(named, 10)}
}

func (d *Desk) apiEditTask(w http.ResponseWriter, r *http.Request) error {
	named, err := matched(r)
	if err != nil {
		return err
	}
	t, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	asked := askedOf(t)
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	with, err := asked.tasking(d, r, t)
	if err != nil {
		return err
	}
	version := named
	if version == 0 {
		version = t.Version // what is left out is as it was read a moment ago
	}
	if t, err = d.opt.Store.EditTask(r.Context(), web.User(r), t.ID, version, with); err != nil {
		return d.taskConflict(w, r, named, err)
	}
	return d.answerEdited(w, r, t)
}

// answerEdited answers with a task as its author sees it, who may just have given it out of their own sight.
func (d *Desk) answerEdited(w http.ResponseWriter, r *http.Request, t *record.Task) error {
	now, err := d.opt.Store.Task(r.Context(), web.User(r), t.ID)
	if fault.Is(err, fault.NotFound) {
		now, err = t, nil
	}
	if err != nil {
		return err
	}
	return answerTask(w, http.StatusOK, now)
}

// endedTask is a task that ended, and the next where it comes again.
type endedTask struct {
	Task taskJSON  `json:"task"`
	Next *taskJSON `json:"next,omitempty"`
}

func (d *Desk) apiEndTask(state string) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		var asked reason
		if err := readJSON(w, r, &asked); err != nil {
			return err
		}
		named, err := matched(r)
		if err != nil {
			return err
		}
		next, err := d.opt.Store.EndTask(r.Context(), web.User(r), r.PathValue("id"), named, state, asked.Why)
		if err != nil {
			return d.taskConflict(w, r, named, err)
		}
		t, err := d.opt.Store.Task(r.Context(), web.User(r), r.PathValue("id"))
		if err != nil {
			return err
		}
		answer := endedTask{Task: taskOf(t)}
		if next != nil {
			following := taskOf(next)
			answer.Next = &following
		}
		w.Header().Set("ETag", etag(t.Version))
		return web.JSON(w, http.StatusOK, answer)
	}
}

func (d *Desk) apiReopenTask(w http.ResponseWriter, r *http.Request) error {
	named, err := matched(r)
	if err != nil {
		return err
	}
	if err := d.opt.Store.ReopenTask(r.Context(), web.User(r), r.PathValue("id"), named); err != nil {
		return d.taskConflict(w, r, named, err)
	}
	return d.apiTask(w, r)
}

// beforeTask is where a task goes.
type beforeTask struct {
	Before string `json:"before,omitempty"` // another task of the record; left out is the end
}

func (d *Desk) apiMoveTask(w http.ResponseWriter, r *http.Request) error {
	var asked beforeTask
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := d.opt.Store.MoveTask(r.Context(), web.User(r), r.PathValue("id"), asked.Before); err != nil {
		return err
	}
	return d.apiTask(w, r)
}
