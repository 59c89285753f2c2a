package record

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ref"
)

// Dropped is a task that need not be done any more. Others are Open or Done.
const Dropped = "dropped"

const (
	// MaxTasks is how many open tasks a record may have, and how many of a record's are read at once: the open ones first.
	MaxTasks = 500
	maxWaits = 50 // tasks that one waits for
	maxLeads = 10 // reminders of one task
	maxLead  = 366 * 24 * time.Hour
)

// What is done to tasks, in the history and for who listens.
const (
	taskMade     = "task.create"
	taskEdited   = "task.edit"
	taskAssigned = "task.assigned"
	taskDone     = "task.done"
	taskDropped  = "task.dropped"
	taskReopened = "task.reopened"
	taskReady    = "task.ready" // what it waited for is done
	taskDue      = "task.due"
	taskOverdue  = "task.overdue"
	taskField    = "task." // with the field's name behind it
)

// Task is something that somebody has to do, for a record or for none.
type Task struct {
	ID       string
	Of       ref.Ref // zero for a task of no record: then only its author and its owner see it
	Title    string
	Text     string // Markdown
	Owner    string // a person's id, "" for nobody yet
	Due      time.Time
	State    string // Open, Done or Dropped
	Why      string // it was dropped
	Position int64  // among the tasks of its record
	Rule     *Rule  // how it comes again, nil for once
	Remind   []time.Duration
	Created  time.Time
	Author   string
	Ended    time.Time
	EndedBy  string
	Version  int64

	// Filled in when tasks are read: Record is that which it belongs to, After are the ids of the tasks it waits for, and Waits says that
	// one of those is still open.
	Record *Record
	After  []string
	Waits  bool
}

// Overdue reports whether the task should have been done before now.
func (t *Task) Overdue(now time.Time) bool {
	return t.State == Open && !t.Due.IsZero() && t.Due.Before(now)
}

// Tasking is what somebody says of a task.
type Tasking struct {
	Title  string
	Text   string
	Owner  string
	Due    time.Time
	Rule   *Rule
	Remind []time.Duration // how long before it is due
	After  []string        // ids of tasks of the same record that come first
}

// check makes it fit to be kept.
func (x *Tasking) check() (err error) {
	wrong := Wrong{}
	note := func(field string, one error) {
		if one != nil {
			wrong[field] = one
			if w, ok := one.(Wrong); ok {
				wrong[field] = w[field]
			}
		}
	}
	x.Title, err = lineOf("title", x.Title, 300, true)
	note("title", err)
	x.Text, err = textOf("text", x.Text, MaxNote, false)
	note("text", err)
	if x.Rule != nil && x.Due.IsZero() {
		note("due", missing("due"))
	}
	if x.Rule != nil {
		note("rule", x.Rule.check())
	}
	if len(x.Remind) > 0 && x.Due.IsZero() {
		note("due", missing("due"))
	}
	slices.Sort(x.Remind)
	slices.Reverse(x.Remind)
	x.Remind = slices.Compact(x.Remind)
	if len(x.Remind) > maxLeads || len(x.Remind) > 0 && (x.Remind[0] > maxLead || x.Remind[len(x.Remind)-1] < time.Minute) {
		note("remind", invalid("record.fault.remind", []any{maxLeads}, "reminders are up to %d, from a minute to a year before", maxLeads))
	}
	return wrong.orNil()
}

// ParseLeads reads reminders as people write them: "1d, 2h".
func ParseLeads(text string) (list []time.Duration, err error) {
	for _, word := range strings.FieldsFunc(text, separates) {
		lead, ok := span(word)
		if !ok {
			return nil, Wrong{"remind": invalid("record.fault.remind", []any{maxLeads}, "%.20q is no time such as 1d or 2h", word)}
		}
		list = append(list, lead)
	}
	return list, nil
}

const taskColumns = `id, kind, record_id, title, text, owner, due, state, why, position, rule, remind, created_at, created_by, ended_at, ended_by, version`

func scanTask(row db.Scanner) (*Task, error) {
	t := new(Task)
	var due, created, ended int64
	var rule, remind string
	err := row.Scan(&t.ID, &t.Of.Kind, &t.Of.ID, &t.Title, &t.Text, &t.Owner, &due, &t.State, &t.Why, &t.Position, &rule, &remind,
		&created, &t.Author, &ended, &t.EndedBy, &t.Version)
	if err != nil {
		return nil, err
	}
	t.Due, t.Created, t.Ended = db.Time(due), db.Time(created), db.Time(ended)
	for _, word := range strings.Fields(remind) {
		minutes, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the reminders of task %s: %w", t.ID, err)
		}
		t.Remind = append(t.Remind, time.Duration(minutes)*time.Minute)
	}
	if rule != "" {
		t.Rule = new(Rule)
		err = json.Unmarshal([]byte(rule), t.Rule)
	}
	return t, err
}

func (t *Task) leads() string {
	var words []string
	for _, lead := range t.Remind {
		words = append(words, strconv.FormatInt(int64(lead/time.Minute), 10))
	}
	return strings.Join(words, " ")
}

func (t *Task) ruleText() (string, error) {
	if t.Rule == nil {
		return "", nil
	}
	text, err := json.Marshal(t.Rule)
	return string(text), err
}

// sayAt is when there is something to say of the task after a time: a reminder, or that it is overdue.
func (t *Task) sayAt(after time.Time) time.Time {
	if t.State != Open || t.Due.IsZero() {
		return time.Time{}
	}
	for _, lead := range t.Remind { // the longest first
		if at := t.Due.Add(-lead); at.After(after) {
			return at
		}
	}
	if t.Due.After(after) {
		return t.Due
	}
	return time.Time{}
}

// AddTask makes a task: of a record, which takes the right to change that, or, with the zero Ref, of none. Errors: Wrong; fault.Conflict where
// the record has MaxTasks.
func (s *Store) AddTask(ctx context.Context, by *auth.User, of ref.Ref, x Tasking) (t *Task, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, err = s.AddTaskTx(tx, by, of, x)
		return err
	})
	return t, err
}

// AddTaskTx is AddTask within a transaction.
func (s *Store) AddTaskTx(tx *db.Tx, by *auth.User, of ref.Ref, x Tasking) (*Task, error) {
	t := &Task{Of: of, State: Open, Author: by.ID}
	if !of.IsZero() {
		_, r, err := s.forWriting(tx, by, of.Kind, of.ID)
		if err != nil {
			return nil, err
		}
		t.Record = r
	}
	if err := x.check(); err != nil {
		return nil, err
	}
	if err := s.mayOwn(tx, by, t, x.Owner); err != nil {
		return nil, err
	}
	t.Title, t.Text, t.Owner, t.Due, t.Rule, t.Remind, t.After = x.Title, x.Text, x.Owner, x.Due, x.Rule, x.Remind, x.After
	return t, s.insertTask(tx, t)
}

// insertTask writes a new task.
func (s *Store) insertTask(tx *db.Tx, t *Task) error {
	var n int
	// What ended does not count: a task that comes again every day would one day not be done for it.
	err := tx.QueryRow(`SELECT COUNT(CASE WHEN state = $3 THEN 1 END), COALESCE(MAX(position), 0) + 1 FROM record_task WHERE kind = $1 AND record_id = $2`,
		t.Of.Kind, t.Of.ID, Open).Scan(&n, &t.Position)
	if err != nil {
		return err
	}
	if n >= MaxTasks && !t.Of.IsZero() {
		return &fault.Error{Code: fault.Conflict, Key: "record.fault.tasks", Args: []any{MaxTasks}, Detail: "the record has as many tasks as it may have"}
	}
	t.ID, t.Created, t.Version = db.NewID(), tx.Now(), 1
	rule, err := t.ruleText()
	if err != nil {
		return err
	}
	err = s.put(tx, "record_task", t.ID, "create", `INSERT INTO record_task (`+taskColumns+`, say_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', $9, $10, $11, $12, $13, 0, '', 1, $14)`,
		t.ID, t.Of.Kind, t.Of.ID, t.Title, t.Text, t.Owner, db.Micros(t.Due), t.State, t.Position, rule, t.leads(), db.Micros(t.Created), t.Author, db.Micros(t.sayAt(tx.Now())))
	if err != nil {
		return err
	}
	if err := s.waitFor(tx, t, nil, t.After); err != nil {
		return err
	}
	if err := s.taskTold(tx, t, taskMade, "", []Change{{taskField + "title", "", t.Title}}); err != nil {
		return err
	}
	return s.assigned(tx, t)
}

// mayOwn refuses an owner who may not see the record.
func (s *Store) mayOwn(tx *db.Tx, by *auth.User, t *Task, owner string) error {
	if owner == "" || owner == by.ID {
		return nil
	}
	if t.Record == nil {
		if _, err := s.opt.People.Someone(tx, owner); fault.Is(err, fault.NotFound) {
			return Wrong{"owner": cannotSee()}
		} else {
			return err
		}
	}
	_, may, err := s.seen(tx, owner, t.Record)
	if err == nil && !may {
		err = Wrong{"owner": cannotSee()}
	}
	return err
}

// waitFor has a task wait for others of its record, instead of those it waited for before.
func (s *Store) waitFor(tx *db.Tx, t *Task, before, after []string) error {
	after = slices.Compact(slices.Sorted(slices.Values(after)))
	if slices.Equal(before, after) {
		return nil
	}
	if len(after) > maxWaits || len(after) > 0 && t.Of.IsZero() {
		return Wrong{"after": invalid("record.fault.task_after", nil, "a task waits for others of its record, for %d at most", maxWaits)}
	}
	if len(after) > 0 {
		if err := mayWaitFor(tx, t, after); err != nil {
			return err
		}
	}
	rows, err := db.List(tx, scanWait, `SELECT id, task_id, after_id FROM record_task_after WHERE task_id = $1`, t.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := s.put(tx, "record_task_after", row.id, "delete", `DELETE FROM record_task_after WHERE id = $1`, row.id); err != nil {
			return err
		}
	}
	for _, other := range after {
		id := db.NewID()
		if err := s.put(tx, "record_task_after", id, "create", `INSERT INTO record_task_after (id, task_id, after_id) VALUES ($1, $2, $3)`, id, t.ID, other); err != nil {
			return err
		}
	}
	t.After = after
	return nil
}

// wait is a row: a task, and one it waits for.
type wait struct{ id, task, after string }

func scanWait(row db.Scanner) (w wait, err error) { return w, row.Scan(&w.id, &w.task, &w.after) }

// mayWaitFor refuses tasks that are not others of the task's record, and those that wait for it, directly or through others.
func mayWaitFor(tx *db.Tx, t *Task, after []string) error {
	w := new(db.Where)
	db.In(w, "id", after)
	others, err := db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task`+w.String(), w.Args()...)
	if err != nil {
		return err
	}
	known := make(map[string]*Task, len(others))
	for _, other := range others {
		known[other.ID] = other
	}
	waiting, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }, `WITH RECURSIVE waiting(id) AS (
		SELECT task_id FROM record_task_after WHERE after_id = $1
		UNION SELECT a.task_id FROM record_task_after AS a JOIN waiting ON a.after_id = waiting.id) SELECT id FROM waiting`, t.ID)
	if err != nil {
		return err
	}
	for _, id := range after {
		other := known[id]
		if other == nil || other.Of != t.Of || id == t.ID {
			return Wrong{"after": invalid("record.fault.task_after", nil, "there is no other task %.40q of this record", id)}
		}
		if slices.Contains(waiting, id) {
			return Wrong{"after": invalid("record.fault.task_circle", []any{other.Title}, "each would wait for the other")}
		}
	}
	return nil
}
