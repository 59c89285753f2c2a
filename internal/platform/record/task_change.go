package record

import (
	"context"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// task reads a task that may be shown to somebody, with its record and what it waits for; else fault.NotFound.
func (s *Store) task(tx *db.Tx, by *auth.User, id string) (*Task, error) {
	t, err := scanTask(tx.QueryRow(`SELECT `+taskColumns+` FROM record_task WHERE id = $1`, id))
	if fault.Is(err, fault.NotFound) {
		return nil, noneOf("task", id)
	}
	if err != nil {
		return nil, err
	}
	seen, err := s.seenTasks(tx, by, []*Task{t})
	if err == nil && len(seen) == 0 {
		err = noneOf("task", id)
	}
	if err != nil {
		return nil, err
	}
	return t, s.withWaits(tx, seen)
}

// changing reads a task that somebody means to change: its owner may, its author if it is of no record, and who may change its record.
func (s *Store) changing(tx *db.Tx, by *auth.User, id string, version int64) (*Task, error) {
	t, err := s.task(tx, by, id)
	switch {
	case err != nil:
		return nil, err
	case t.Record != nil && !t.Record.DeletedAt.IsZero():
		return nil, fault.New(fault.Conflict, "record.fault.deleted", "%s is deleted", t.Of)
	case t.Record != nil && t.Owner != by.ID && !by.May(t.Record.Kind.MayWrite()):
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "the task is neither theirs nor may they change its record")
	case version != 0 && version != t.Version:
		return nil, fault.New(fault.Conflict, "record.fault.task_changed", "the task was changed meanwhile")
	}
	return t, nil
}

// updateTask writes a task that was changed.
func (s *Store) updateTask(tx *db.Tx, t *Task, action string) error {
	rule, err := t.ruleText()
	if err != nil {
		return err
	}
	t.Version++
	return s.put(tx, "record_task", t.ID, action, `UPDATE record_task SET title = $1, text = $2, owner = $3, due = $4, state = $5, why = $6, position = $7, rule = $8,
		remind = $9, say_at = $10, ended_at = $11, ended_by = $12, version = $13 WHERE id = $14`, t.Title, t.Text, t.Owner, db.Micros(t.Due), t.State, t.Why,
		t.Position, rule, t.leads(), db.Micros(t.sayAt(tx.Now())), db.Micros(t.Ended), t.EndedBy, t.Version, t.ID)
}

// EditTask changes what is said of a task of that version (0 takes whatever there is).
func (s *Store) EditTask(ctx context.Context, by *auth.User, id string, version int64, x Tasking) (t *Task, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if t, err = s.changing(tx, by, id, version); err != nil {
			return err
		}
		if err := x.check(); err != nil {
			return err
		}
		before := *t
		if x.Owner != t.Owner {
			if err := s.mayOwn(tx, by, t, x.Owner); err != nil {
				return err
			}
		}
		t.Title, t.Text, t.Owner, t.Due, t.Rule, t.Remind = x.Title, x.Text, x.Owner, x.Due, x.Rule, x.Remind
		if err := s.waitFor(tx, t, before.After, x.After); err != nil {
			return err
		}
		if err := s.updateTask(tx, t, "update"); err != nil {
			return err
		}
		if err := s.taskTold(tx, t, taskEdited, "", taskChanges(&before, t)); err != nil {
			return err
		}
		if t.Owner != before.Owner {
			return s.assigned(tx, t)
		}
		return nil
	})
	return t, err
}

// taskChanges compares two versions of a task.
func taskChanges(before, after *Task) (list []Change) {
	list = append(list, Change{taskField + "title", before.Title, after.Title})
	for _, c := range []Change{
		{"text", before.Text, after.Text},
		{"owner", before.Owner, after.Owner},
		{"due", Moment{}.Text(before.Due), Moment{}.Text(after.Due)},
		{"rule", before.Rule.String(), after.Rule.String()},
		{"remind", before.leads(), after.leads()},
	} {
		if c.From != c.To {
			list = append(list, Change{taskField + c.Field, c.From, c.To})
		}
	}
	return list
}

// AssignTask gives a task to somebody who may see its record, or to nobody ("").
func (s *Store) AssignTask(ctx context.Context, by *auth.User, id string, version int64, owner string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, err := s.changing(tx, by, id, version)
		if err != nil || t.Owner == owner {
			return err
		}
		if err := s.mayOwn(tx, by, t, owner); err != nil {
			return err
		}
		before := *t
		t.Owner = owner
		if err := s.updateTask(tx, t, "assign"); err != nil {
			return err
		}
		if err := s.taskTold(tx, t, taskEdited, "", taskChanges(&before, t)); err != nil {
			return err
		}
		return s.assigned(tx, t)
	})
}

// EndTask has a task be Done, or Dropped with a reason. One that waits for another is not done before that. What waited for it alone is ready
// then; and a task that comes again is made anew: the next one is returned, nil for none.
func (s *Store) EndTask(ctx context.Context, by *auth.User, id string, version int64, state, why string) (next *Task, err error) {
	if why, err = textOf("why", why, MaxNote, state == Dropped); err != nil {
		return nil, err
	}
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, err := s.changing(tx, by, id, version)
		switch {
		case err != nil:
			return err
		case state != Done && state != Dropped:
			return fault.New(fault.Invalid, "", "a task does not end as %q", state)
		case t.State != Open:
			return fault.New(fault.Conflict, "record.fault.task_ended", "the task is %s", t.State)
		case t.Waits && state == Done:
			return fault.New(fault.Conflict, "record.fault.task_waits", "the task waits for another")
		}
		t.State, t.Why, t.Ended, t.EndedBy = state, why, tx.Now(), tx.Actor()
		if err := s.updateTask(tx, t, state); err != nil {
			return err
		}
		action := map[string]string{Done: taskDone, Dropped: taskDropped}[state]
		if err := s.taskTold(tx, t, action, why, []Change{{taskField + "title", t.Title, t.Title}}); err != nil {
			return err
		}
		if err := s.release(tx, by, t); err != nil || state != Done {
			return err
		}
		next, err = s.again(tx, t)
		return err
	})
	return next, err
}

// release tells of the tasks that waited for one and wait for nothing more.
func (s *Store) release(tx *db.Tx, by *auth.User, ended *Task) error {
	list, err := db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task WHERE state = $1 AND id IN
		(SELECT task_id FROM record_task_after WHERE after_id = $2) ORDER BY position, id LIMIT $3`, Open, ended.ID, MaxTasks)
	if err != nil {
		return err
	}
	for _, t := range list {
		t.Record = ended.Record
	}
	if err := s.withWaits(tx, list); err != nil {
		return err
	}
	for _, t := range list {
		if t.Waits {
			continue
		}
		if err := s.taskTold(tx, t, taskReady, "", []Change{{taskField + "title", t.Title, t.Title}}); err != nil {
			return err
		}
	}
	return nil
}

// again makes the next of a task that comes again.
func (s *Store) again(tx *db.Tx, t *Task) (*Task, error) {
	due := t.Rule.next(t.Due, tx.Now(), s.opt.Calendar)
	if due.IsZero() {
		return nil, nil
	}
	next := &Task{Of: t.Of, Record: t.Record, Title: t.Title, Text: t.Text, Owner: t.Owner, Due: due, State: Open, Rule: t.Rule, Remind: t.Remind, Author: tx.Actor()}
	if next.Owner != "" && t.Record != nil {
		if _, may, err := s.seen(tx, next.Owner, t.Record); err != nil {
			return nil, err
		} else if !may && next.Owner != tx.Actor() {
			next.Owner = "" // it is nobody's, rather than hidden with who has left
		}
	}
	return next, s.insertTask(tx, next)
}

// ReopenTask has a task that ended be open again.
func (s *Store) ReopenTask(ctx context.Context, by *auth.User, id string, version int64) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, err := s.changing(tx, by, id, version)
		if err != nil {
			return err
		}
		if t.State == Open {
			return fault.New(fault.Conflict, "record.fault.task_open", "the task is open")
		}
		t.State, t.Why, t.Ended, t.EndedBy = Open, "", time.Time{}, ""
		if err := s.updateTask(tx, t, "reopen"); err != nil {
			return err
		}
		return s.taskTold(tx, t, taskReopened, "", []Change{{taskField + "title", t.Title, t.Title}})
	})
}

// MoveTask puts a task before another one of the same record, "" for the end.
func (s *Store) MoveTask(ctx context.Context, by *auth.User, id, before string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, err := s.changing(tx, by, id, 0)
		if err != nil {
			return err
		}
		list, err := s.tasksOf(tx, t)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(one *Task) bool { return one.ID == id })
		at := len(list)
		if before != "" {
			if at = slices.IndexFunc(list, func(one *Task) bool { return one.ID == before }); at < 0 {
				return noneOf("task", before)
			}
		}
		for i, one := range slices.Insert(list, at, t) {
			if one.Position == int64(i+1) {
				continue
			}
			// The version stays: nobody's editing collides with the order.
			if err := s.put(tx, "record_task", one.ID, "order", `UPDATE record_task SET position = $1 WHERE id = $2`, i+1, one.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
