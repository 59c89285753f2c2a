package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/calendar"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
)

func (x *desk) task(by *auth.User, of *record.Record, with record.Tasking) *record.Task {
	x.t.Helper()
	where := ref.Ref{}
	if of != nil {
		where = of.Kind.Ref(of.ID)
	}
	task, err := x.AddTask(x.as(by), by, where, with)
	if err != nil {
		x.t.Fatal(err)
	}
	return task
}

func (x *desk) end(by *auth.User, task *record.Task, state, why string) (*record.Task, error) {
	return x.EndTask(x.as(by), by, task.ID, 0, state, why)
}

// mine lists somebody's tasks: the title, "…" behind one that waits.
func (x *desk) mine(by *auth.User, f record.TaskFilter) string {
	x.t.Helper()
	list, err := x.MyTasks(x.t.Context(), by, f)
	if err != nil {
		x.t.Fatal(err)
	}
	var titles []string
	for _, task := range list {
		title := task.Title
		if task.Waits {
			title += "…"
		}
		titles = append(titles, title)
	}
	return strings.Join(titles, " ")
}

// said lists what was said to whom, and forgets it.
func (x *desk) said() string {
	var lines []string
	for _, e := range x.tasks {
		lines = append(lines, e.Person+" "+strings.TrimPrefix(e.Action, "task.")+" "+e.Task.Title)
	}
	x.tasks = nil
	return strings.Join(lines, ", ")
}

func TestATaskWaitsForAnother(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		a := x.task(writer, r, record.Tasking{Title: "A", Owner: "baba"})
		b := x.task(writer, r, record.Tasking{Title: "B", Owner: "baba", After: []string{a.ID}})
		c := x.task(writer, r, record.Tasking{Title: "C", Owner: "baba", After: []string{b.ID, a.ID}})
		if got := x.said(); got != "baba assigned A, baba assigned B, baba assigned C" {
			t.Errorf("said: %s", got)
		}
		if got := x.mine(second, record.TaskFilter{State: record.Open}); got != "A B… C…" {
			t.Errorf("baba's tasks: %s", got)
		}
		x.want("B before A", second1(x.end(second, b, record.Done, "")), fault.Conflict)
		_, err := x.EditTask(x.as(writer), writer, a.ID, 0, record.Tasking{Title: "A", After: []string{c.ID}})
		x.want("a circle", err, fault.Invalid)
		_, err = x.EditTask(x.as(writer), writer, a.ID, 0, record.Tasking{Title: "A", After: []string{a.ID}})
		x.want("after itself", err, fault.Invalid)
		other := x.task(writer, x.loan("L-2"), record.Tasking{Title: "other"})
		_, err = x.EditTask(x.as(writer), writer, a.ID, 0, record.Tasking{Title: "A", After: []string{other.ID}})
		x.want("after another record's", err, fault.Invalid)
		x.said()
		x.want("A is done", second1(x.end(writer, a, record.Done, "")), "")
		if got := x.said(); got != "baba ready B" {
			t.Errorf("said: %s", got)
		}
		x.want("A is done twice", second1(x.end(writer, a, record.Done, "")), fault.Conflict)
		x.want("dropping without a reason", second1(x.end(second, b, record.Dropped, "")), fault.Invalid)
		x.want("B is dropped", second1(x.end(writer, b, record.Dropped, "重複")), "")
		if got := x.said(); got != "baba ready C" {
			t.Errorf("said: %s", got)
		}
		x.want("A is opened again", x.ReopenTask(x.as(writer), writer, a.ID, 0), "")
		if got := x.mine(second, record.TaskFilter{State: record.Open}); got != "A C…" {
			t.Errorf("baba's tasks: %s", got)
		}
		if got := x.mine(second, record.TaskFilter{State: record.Dropped}); got != "B" {
			t.Errorf("baba's dropped tasks: %s", got)
		}
		for _, line := range []string{"task.create task.title:>A", "task.done task.title:A>A", "task.dropped", "task.reopened"} {
			if !has(x.history(reader, r), line) {
				t.Errorf("no %q in the history %q", line, x.history(reader, r))
			}
		}
	})
}

func TestTasksAreSeenByWhoMaySeeTheirRecord(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		hidden := x.secret("買収", "aoki")
		_, err := x.AddTask(x.as(writer), writer, hidden.Kind.Ref(hidden.ID), record.Tasking{Title: "x", Owner: "baba"})
		x.want("giving a task to who may not see its record", err, fault.Invalid)
		task := x.task(writer, hidden, record.Tasking{Title: "交渉", Owner: "aoki"})
		// It was theirs, and then the record was given to somebody else.
		lost := x.secret("売却", "aoki")
		gone := x.task(writer, lost, record.Tasking{Title: "gone", Owner: "aoki", Due: time.Now().Add(-time.Hour)})
		if _, err := x.Edit(x.as(writer), writer, "secret", lost.ID, 0, record.Values{"owner": "chiba"}, ""); err != nil {
			t.Fatal(err)
		}
		if got := x.mine(writer, record.TaskFilter{State: record.Open}); got != "交渉" {
			t.Errorf("aoki's tasks: %s", got)
		}
		if open, overdue, err := x.TaskCount(t.Context(), writer); err != nil || open != 1 || overdue != 0 {
			t.Errorf("counted: %d, %d, %v", open, overdue, err)
		}
		own := x.task(writer, nil, record.Tasking{Title: "私用"})
		given := x.task(writer, nil, record.Tasking{Title: "頼み", Owner: "baba"})
		for what, err := range map[string]error{
			"a task of a hidden record": second1(x.Task(t.Context(), second, task.ID)),
			"ending it":                 second1(x.end(second, task, record.Done, "")),
			"one's own of a record":     second1(x.Task(t.Context(), writer, gone.ID)),
			"another's of no record":    second1(x.Task(t.Context(), second, own.ID)),
			"an administrator's look":   second1(x.Task(t.Context(), aoki, "nothing")),
			"listing them":              second1(x.Tasks(t.Context(), second, hidden.Kind.Ref(hidden.ID))),
			"adding one":                second1(x.AddTask(x.as(second), second, hidden.Kind.Ref(hidden.ID), record.Tasking{Title: "x"})),
			"reassigning it":            x.AssignTask(x.as(second), second, task.ID, 0, "baba"),
			"ordering it":               x.MoveTask(x.as(second), second, task.ID, ""),
			"reopening it":              x.ReopenTask(x.as(second), second, task.ID, 0),
		} {
			x.want(what, err, fault.NotFound)
		}
		x.want("one that was given to me", second1(x.Task(t.Context(), second, given.ID)), "")
		if got := x.mine(writer, record.TaskFilter{State: record.Open, Given: true}); got != "私用 頼み" {
			t.Errorf("what aoki gave: %s", got)
		}
		x.want("a reader adds a task", second1(x.AddTask(x.as(reader), reader, x.loan("L-1").Kind.Ref("x"), record.Tasking{Title: "x"})), fault.NotFound)
	})
}

func TestWhoMayChangeATask(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	task := x.task(writer, r, record.Tasking{Title: "読む", Owner: "chiba"})
	other := x.task(writer, r, record.Tasking{Title: "書く", Owner: "baba"})
	x.want("a reader ends another's", second1(x.end(reader, other, record.Done, "")), fault.Forbidden)
	x.want("a reader ends their own", second1(x.end(reader, task, record.Done, "")), "")
	x.want("a reader adds one", second1(x.AddTask(x.as(reader), reader, r.Kind.Ref(r.ID), record.Tasking{Title: "x"})), fault.Forbidden)
	x.want("to somebody who may not see it", x.AssignTask(x.as(writer), writer, other.ID, 0, "nobody"), fault.Invalid)
	x.want("to somebody who does not exist", x.AssignTask(x.as(writer), writer, other.ID, 0, "stranger"), fault.Invalid)
	x.want("to a reader", x.AssignTask(x.as(writer), writer, other.ID, 0, "chiba"), "")
	x.want("on an old version", x.AssignTask(x.as(writer), writer, other.ID, 1, "baba"), fault.Conflict)
	for _, bad := range []record.Tasking{{}, {Title: strings.Repeat("x", 301)}, {Title: "x", Remind: []time.Duration{time.Hour}}, {Title: "x", Rule: &record.Rule{Every: 1, Unit: calendar.Days}},
		{Title: "x", Due: time.Now(), Rule: record.NewRule(0, calendar.Days, "", time.Now(), nil)}, {Title: "x", Due: time.Now(), Rule: record.NewRule(1, "fortnight", "", time.Now(), nil)},
		{Title: "x", Due: time.Now(), Remind: []time.Duration{time.Second}}} {
		x.want("a task that is none", second1(x.AddTask(x.as(writer), writer, r.Kind.Ref(r.ID), bad)), fault.Invalid)
	}
	third := x.task(writer, r, record.Tasking{Title: "三"})
	x.want("ordering", x.MoveTask(x.as(writer), writer, third.ID, task.ID), "")
	list, err := x.Tasks(t.Context(), reader, r.Kind.Ref(r.ID))
	if err != nil || len(list) != 3 || list[0].Title != "三" || list[1].Title != "読む" {
		t.Errorf("in order: %v, %v", list, err)
	}
}

// Each row is a rule, when the task was due, when it was done (both in Tokyo), and when it is due again.
func TestATaskComesAgain(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, tokyo)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	rows := []struct {
		every     int
		unit      calendar.Unit
		shift     calendar.Shift
		due, done string
		want      string
	}{
		{1, calendar.Days, "", "2026-04-01 18:00", "2026-04-01 10:00", "2026-04-02 18:00"},
		{1, calendar.Weeks, "", "2026-04-01 18:00", "2026-03-20 10:00", "2026-04-08 18:00"},
		{1, calendar.Months, "", "2026-01-31 23:59", "2026-02-01 00:10", "2026-02-28 23:59"},
		{3, calendar.Months, calendar.Following, "2026-02-03 09:00", "2026-02-03 10:00", "2026-05-07 09:00"}, // May 3 to 6 are holidays
		{3, calendar.Months, calendar.Preceding, "2026-02-03 09:00", "2026-02-03 10:00", "2026-05-01 09:00"},
		{1, calendar.Months, "", "2026-01-10 09:00", "2026-04-20 10:00", "2026-05-10 09:00"}, // what was missed is left out
		{1, calendar.Years, "", "2024-02-29 09:00", "2024-03-01 10:00", "2025-02-28 09:00"},
	}
	for _, row := range rows {
		now := at(row.done).Add(-time.Hour)
		x := openDesk(t, dbtest.NewSQLite(t, func() time.Time { return now }))
		r := x.loan("L-1")
		task := x.task(writer, r, record.Tasking{Title: "点検", Owner: "baba", Due: at(row.due), Rule: record.NewRule(row.every, row.unit, row.shift, at(row.due), tokyo), Remind: []time.Duration{time.Hour}})
		now = at(row.done)
		next, err := x.end(second, task, record.Done, "")
		if err != nil || next == nil || next.Due.In(tokyo).Format("2006-01-02 15:04") != row.want || next.Owner != "baba" || len(next.Remind) != 1 {
			t.Errorf("every %d %s of %s, done %s: %+v, %v, want %s", row.every, row.unit, row.due, row.done, next, err, row.want)
			continue
		}
		if again, err := x.end(second, next, record.Dropped, "終了"); err != nil || again != nil {
			t.Errorf("a task that was dropped comes again: %v, %v", again, err)
		}
	}
}

func TestReminders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	x := openDesk(t, dbtest.NewAt(t, func() time.Time { return now }))
	r := x.loan("L-1")
	hidden := x.secret("買収", "aoki")
	due := now.Add(48 * time.Hour)
	x.task(writer, r, record.Tasking{Title: "A", Owner: "baba", Due: due, Remind: []time.Duration{time.Hour, 24 * time.Hour}})
	x.task(writer, hidden, record.Tasking{Title: "B", Owner: "aoki", Due: due})
	done := x.task(writer, nil, record.Tasking{Title: "C", Owner: "baba", Due: due})
	x.task(writer, nil, record.Tasking{Title: "D", Due: due})
	x.want("C is done", second1(x.end(second, done, record.Done, "")), "")
	if _, err := x.Edit(x.as(writer), writer, "secret", hidden.ID, 0, record.Values{"owner": "chiba"}, ""); err != nil {
		t.Fatal(err)
	}
	x.said()
	var got []string
	for _, step := range []time.Duration{0, 24 * time.Hour, 25 * time.Hour, 47*time.Hour + time.Minute, 49 * time.Hour, 60 * time.Hour} {
		now = due.Add(-48 * time.Hour).Add(step)
		if _, err := x.Remind(t.Context()); err != nil {
			t.Fatal(err)
		}
		got = append(got, x.said())
	}
	if diff := cmp.Diff([]string{"", "baba due A", "", "baba due A", "baba overdue A", ""}, got); diff != "" {
		t.Error(diff)
	}
}

// TestATaskThatComesAgainIsNeverOneTooMany does a task as often as a record may have open ones, and once more.
func TestATaskThatComesAgainIsNeverOneTooMany(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	due := time.Now().Add(time.Hour)
	task := x.task(writer, r, record.Tasking{Title: "点検", Due: due, Rule: record.NewRule(1, calendar.Days, "", due, nil)})
	for n := range record.MaxTasks + 1 {
		next, err := x.end(writer, task, record.Done, "")
		if err != nil || next == nil {
			t.Fatalf("done %d times, then %v, %v", n, next, err)
		}
		task = next
	}
	list, err := x.Tasks(t.Context(), writer, r.Kind.Ref(r.ID))
	if err != nil || len(list) != record.MaxTasks || list[len(list)-1].ID != task.ID {
		t.Errorf("%d tasks, %v; the open one is not among them", len(list), err)
	}
}
