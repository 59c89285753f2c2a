package record

import (
	"cmp"
	"context"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ref"
)

// Task returns a task that may be shown to somebody; else fault.NotFound.
func (s *Store) Task(ctx context.Context, by *auth.User, id string) (t *Task, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		t, err = s.task(tx, by, id)
		return err
	})
	return t, err
}

// Tasks returns the tasks of a record that may be shown to somebody, in their order.
func (s *Store) Tasks(ctx context.Context, by *auth.User, of ref.Ref) (list []*Task, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		r, err := s.GetTx(tx, by, of.Kind, of.ID)
		if err != nil {
			return err
		}
		if list, err = s.tasksOf(tx, &Task{Of: of}); err != nil {
			return err
		}
		for _, t := range list {
			t.Record = r
		}
		return s.withWaits(tx, list)
	})
	return list, err
}

// tasksOf reads the tasks that stand beside one.
func (s *Store) tasksOf(tx *db.Tx, t *Task) ([]*Task, error) {
	if t.Of.IsZero() {
		return db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task WHERE kind = '' AND record_id = '' AND state = $1 AND owner = $2 ORDER BY position, id LIMIT $3`,
			Open, t.Owner, MaxTasks)
	}
	// Of more than are read the open ones are wanted; in their order they stand with the others.
	list, err := db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task WHERE kind = $1 AND record_id = $2
		ORDER BY CASE WHEN state = $3 THEN 0 ELSE 1 END, position, id LIMIT $4`, t.Of.Kind, t.Of.ID, Open, MaxTasks)
	slices.SortStableFunc(list, func(a, b *Task) int { return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// TaskFilter chooses among somebody's tasks.
type TaskFilter struct {
	State string // Open, Done or Dropped
	Given bool   // those that they gave to others, or to nobody, instead of their own
	Most  int    // how many; 0 is all that a page has
}

// maxMine bounds a person's list of tasks.
const maxMine = 1000

// MyTasks returns somebody's tasks: open ones by their due time, those without last; others the latest first. Tasks of records that they may
// not see (any more), or that are deleted, are not there.
func (s *Store) MyTasks(ctx context.Context, by *auth.User, f TaskFilter) (list []*Task, err error) {
	w := new(db.Where)
	if f.Given {
		w.And("created_by = ?", by.ID)
		w.And("owner <> ?", by.ID)
	} else {
		w.And("owner = ?", by.ID)
	}
	w.And("state = ?", f.State)
	order := "ended_at DESC, id DESC"
	if f.State == Open {
		order = "CASE WHEN due = 0 THEN 1 ELSE 0 END, due, id"
	}
	limit := maxMine
	if f.Most > 0 {
		limit = min(limit, f.Most)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task`+w.String()+` ORDER BY `+order+` LIMIT `+w.Next(1), w.Args(limit)...)
		if err != nil {
			return err
		}
		if list, err = s.seenTasks(tx, by, all); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(t *Task) bool { return t.Record != nil && !t.Record.DeletedAt.IsZero() })
		return s.withWaits(tx, list)
	})
	return list, err
}

// seenTasks leaves out the tasks that somebody may not see, and gives the others their records.
func (s *Store) seenTasks(tx *db.Tx, by *auth.User, all []*Task) (list []*Task, err error) {
	var refs []ref.Ref
	for _, t := range all {
		if !t.Of.IsZero() {
			refs = append(refs, t.Of)
		}
	}
	found, err := s.findRefs(tx, by, refs)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		t.Record = found[t.Of]
		if t.Of.IsZero() && (t.Owner == by.ID || t.Author == by.ID) || t.Record != nil {
			list = append(list, t)
		}
	}
	return list, nil
}

// withWaits finds what tasks wait for.
func (s *Store) withWaits(tx *db.Tx, list []*Task) error {
	byID := make(map[string]*Task, len(list))
	var ids []string
	for _, t := range list {
		t.After, t.Waits = nil, false
		byID[t.ID] = t
		ids = append(ids, t.ID)
	}
	w := new(db.Where)
	db.In(w, "a.task_id", ids)
	type row struct{ task, after, state string }
	rows, err := db.List(tx, func(found db.Scanner) (r row, err error) { return r, found.Scan(&r.task, &r.after, &r.state) },
		`SELECT a.task_id, a.after_id, t.state FROM record_task_after a JOIN record_task t ON t.id = a.after_id`+w.String()+` ORDER BY a.after_id`, w.Args()...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := byID[r.task]
		t.After = append(t.After, r.after)
		t.Waits = t.Waits || r.state == Open && t.State == Open
	}
	return nil
}

// TaskCount is how many open tasks somebody has, and how many of them are overdue.
func (s *Store) TaskCount(ctx context.Context, by *auth.User) (open, overdue int, err error) {
	list, err := s.MyTasks(ctx, by, TaskFilter{State: Open})
	now := time.Now()
	for _, t := range list {
		if open++; t.Overdue(now) {
			overdue++
		}
	}
	return open, overdue, err
}
