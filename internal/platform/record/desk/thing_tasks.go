package desk

import (
	"net/http"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/web"
)

// myTasksView is what somebody has to do.
type myTasksView struct {
	Tabs    []web.Tab
	View    string
	Groups  []taskGroup
	Pending []pendingView
	Title   string // as it was typed
	Due     string
	Error   string
	Nothing bool // nothing to show
}

// taskGroup is the tasks of one time.
type taskGroup struct {
	Name string
	Rows []taskRow
}

// pendingView is an approval that waits for the reader.
type pendingView struct {
	record.Pending
	Of   related
	Late bool
}

// lastDone is how many tasks that ended stand at the end of the list.
const lastDone = 30

// myTasks shows the reader's tasks, those they gave to others, and the approvals that wait for them.
func (d *Desk) myTasks(w http.ResponseWriter, r *http.Request) error {
	return d.showMyTasks(w, r, http.StatusOK, nil)
}

func (d *Desk) showMyTasks(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	user, p := web.User(r), web.T(r)
	view := myTasksView{View: r.URL.Query().Get("view")}
	pending, err := d.opt.Store.WaitingFor(r.Context(), user)
	if err != nil {
		return err
	}
	for _, one := range pending {
		view.Pending = append(view.Pending, pendingView{one, d.related(p, one.Record), !one.Step.Due.IsZero() && one.Step.Due.Before(time.Now())})
	}
	for _, name := range []string{"", "given", "approvals", "ended"} {
		key, path := "record.tasks.mine", "/tasks"
		if name != "" {
			key, path = "record.tasks."+name, "/tasks?view="+name
		}
		tab := web.Tab{Label: p.T(key), Path: path, Current: view.View == name}
		if name == "approvals" && len(pending) > 0 {
			tab.Count = len(pending)
		}
		view.Tabs = append(view.Tabs, tab)
	}
	if err := d.groupTasks(r, &view); err != nil {
		return err
	}
	view.Nothing = len(view.Groups) == 0 && (view.View != "approvals" || len(view.Pending) == 0)
	if problem != nil {
		view.Error, view.Title, view.Due = problemText(r, problem), r.PostFormValue("title"), r.PostFormValue("due")
	}
	return d.opt.Site.Render(w, r, status, "desk/tasks", view)
}

// groupTasks reads the tasks of a view and puts them into times.
func (d *Desk) groupTasks(r *http.Request, view *myTasksView) error {
	f := record.TaskFilter{State: record.Open, Given: view.View == "given"}
	switch view.View {
	case "approvals":
		return nil
	case "ended":
		f = record.TaskFilter{State: record.Done, Most: lastDone}
	}
	list, err := d.opt.Store.MyTasks(r.Context(), web.User(r), f)
	if err != nil {
		return err
	}
	if view.View == "ended" {
		f.State = record.Dropped
		dropped, err := d.opt.Store.MyTasks(r.Context(), web.User(r), f)
		if err != nil {
			return err
		}
		list = append(list, dropped...)
	}
	p, now := web.T(r), time.Now()
	for _, t := range list {
		name := t.State
		if t.State == record.Open {
			name = timeOf(t.Due, now, p.Zone())
		}
		word := p.T("record.tasks.time." + name)
		if n := len(view.Groups); n == 0 || view.Groups[n-1].Name != word {
			view.Groups = append(view.Groups, taskGroup{Name: word})
		}
		row := d.taskRow(r, t, true)
		row.Next = r.URL.RequestURI()
		group := &view.Groups[len(view.Groups)-1]
		group.Rows = append(group.Rows, row)
	}
	return nil
}

// timeOf puts a due time into a group: what is overdue, today's, this week's (to Sunday), later ones, those without.
func timeOf(due, now time.Time, zone *time.Location) string {
	if due.IsZero() {
		return "none"
	}
	if due.Before(now) {
		return "overdue"
	}
	year, month, day := now.In(zone).Date()
	tomorrow := time.Date(year, month, day+1, 0, 0, 0, 0, zone)
	weekend := time.Date(year, month, day+1+(7-int(now.In(zone).Weekday()))%7, 0, 0, 0, 0, zone)
	switch {
	case due.Before(tomorrow):
		return "today"
	case due.Before(weekend):
		return "week"
	}
	return "later"
}

// quickTask makes a task of one's own.
func (d *Desk) quickTask(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	due, err := d.dueOf(r, "due", r.PostFormValue("due"))
	if err == nil {
		_, err = d.opt.Store.AddTask(r.Context(), web.User(r), ref.Ref{}, record.Tasking{Title: r.PostFormValue("title"), Due: due, Owner: web.User(r).ID})
	}
	if fault.Is(err, fault.Invalid) {
		return d.showMyTasks(w, r, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return d.opt.Site.Redirect(w, r, "/tasks")
}
