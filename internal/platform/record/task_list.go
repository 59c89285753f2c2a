package record

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
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
	limit := maxMine
	if f.Most > 0 {
		limit = min(limit, f.Most)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := s.mine(tx, by, f, "", limit)
		if err == nil {
			list, err = s.shownTasks(tx, by, all)
		}
		return err
	})
	return list, err
}

// MyTasksPage is MyTasks page by page; cursor as with lists. A page has fewer than limit where some are not to be seen.
func (s *Store) MyTasksPage(ctx context.Context, by *auth.User, f TaskFilter, cursor string, limit int) (page db.Page[*Task], err error) {
	limit = min(max(limit, 1), MaxPage)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := s.mine(tx, by, f, cursor, limit+1)
		if err != nil {
			return err
		}
		page, err = db.Paged(all, limit, func(t *Task) []any { return []any{t.sortedBy(), t.ID} })
		if err == nil {
			page.Items, err = s.shownTasks(tx, by, page.Items)
		}
		return err
	})
	return page, err
}

// never is the due time, in a list, of a task that has none: behind all others.
const never = math.MaxInt64

// sortedBy is the number that somebody's list is sorted by before the id.
func (t *Task) sortedBy() int64 {
	switch {
	case t.State != Open:
		return db.Micros(t.Ended)
	case t.Due.IsZero():
		return never
	}
	return db.Micros(t.Due)
}

// mine reads somebody's tasks after a cursor.
func (s *Store) mine(tx *db.Tx, by *auth.User, f TaskFilter, cursor string, limit int) ([]*Task, error) {
	w := new(db.Where)
	if f.Given {
		w.And("created_by = ?", by.ID)
		w.And("owner <> ?", by.ID)
	} else {
		w.And("owner = ?", by.ID)
	}
	w.And("state = ?", f.State)
	column, way, beyond := "ended_at", " DESC", "<"
	if f.State == Open {
		column, way, beyond = "CASE WHEN due = 0 THEN "+strconv.FormatInt(never, 10)+" ELSE due END", "", ">"
	}
	if cursor != "" {
		var at int64
		var id string
		if err := db.DecodeCursor(cursor, &at, &id); err != nil {
			return nil, err
		}
		w.And("("+column+" "+beyond+" ? OR "+column+" = ? AND id "+beyond+" ?)", at, at, id)
	}
	return db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task`+w.String()+` ORDER BY `+column+way+`, id`+way+` LIMIT `+w.Next(1), w.Args(limit)...)
}

// shownTasks leaves out what somebody is not to see in their list.
func (s *Store) shownTasks(tx *db.Tx, by *auth.User, all []*Task) ([]*Task, error) {
	list, err := s.seenTasks(tx, by, all)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(t *Task) bool { return t.Record != nil && !t.Record.DeletedAt.IsZero() })
	return list, s.withWaits(tx, list)
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
