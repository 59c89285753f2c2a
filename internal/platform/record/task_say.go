package record

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/db"
)

// TaskEvent is something that somebody should hear about a task.
type TaskEvent struct {
	Action string // "task.assigned", "task.ready", "task.due", "task.overdue"
	Task   *Task
	Person string // whom to tell: the owner
}

// TaskListener is told of each in its transaction, as a Listener is. Its error undoes the change.
type TaskListener func(tx *db.Tx, e TaskEvent) error

// ListenTasks has a listener told of what happens to tasks.
func (s *Store) ListenTasks(l TaskListener) { s.reminded = append(s.reminded, l) }

// say tells a task's owner, unless they did it themselves; whether they may see its record is asked again.
func (s *Store) say(tx *db.Tx, t *Task, action string) error {
	if t.Owner == "" || t.Owner == tx.Actor() {
		return nil
	}
	if t.Record != nil {
		if _, may, err := s.seen(tx, t.Owner, t.Record); err != nil || !may {
			return err
		}
	}
	for _, listener := range s.reminded {
		if err := listener(tx, TaskEvent{action, t, t.Owner}); err != nil {
			return err
		}
	}
	return nil
}

// assigned tells the new owner.
func (s *Store) assigned(tx *db.Tx, t *Task) error { return s.say(tx, t, taskAssigned) }

// taskTold writes the history of a record's task; one that is ready is said to its owner, too.
func (s *Store) taskTold(tx *db.Tx, t *Task, action, note string, changes []Change) error {
	if t.Record != nil {
		if err := s.happened(tx, t.Record, action, note, changes); err != nil {
			return err
		}
	}
	if action == taskReady {
		return s.say(tx, t, taskReady)
	}
	return nil
}

// remindBatch is how many tasks are reminded of in one transaction.
const remindBatch = 200

// Remind says of every task what is to be said by now: that it will be due, or that it is overdue. What was missed while nothing ran is said
// once. Run it every few minutes.
func (s *Store) Remind(ctx context.Context) (n int, err error) {
	for {
		some := 0
		err := s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			list, err := db.List(tx, scanTask, `SELECT `+taskColumns+` FROM record_task WHERE say_at > 0 AND say_at <= $1 ORDER BY say_at, id LIMIT $2`,
				db.Micros(tx.Now()), remindBatch)
			if err != nil {
				return err
			}
			if err := s.withRecords(tx, list); err != nil {
				return err
			}
			for _, t := range list {
				if err := s.remind(tx, t); err != nil {
					return err
				}
			}
			some = len(list)
			return nil
		})
		if n += some; err != nil || some < remindBatch {
			return n, err
		}
	}
}

func (s *Store) remind(tx *db.Tx, t *Task) error {
	if _, err := tx.Exec(`UPDATE record_task SET say_at = $1 WHERE id = $2`, db.Micros(t.sayAt(tx.Now())), t.ID); err != nil {
		return err
	}
	if !t.Of.IsZero() && (t.Record == nil || !t.Record.DeletedAt.IsZero()) {
		return nil // its record is gone
	}
	action := taskDue
	if t.Overdue(tx.Now()) {
		action = taskOverdue
	}
	return s.say(tx, t, action)
}

// withRecords gives tasks their records, whoever may see them.
func (s *Store) withRecords(tx *db.Tx, list []*Task) error {
	for _, t := range list {
		if t.Of.IsZero() {
			continue
		}
		may, err := s.May(tx, System(), t.Of.Kind, t.Of.ID)
		if err != nil {
			return err
		}
		if may {
			if t.Record, err = s.GetTx(tx, System(), t.Of.Kind, t.Of.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rule is how a task comes again, counted from its first due day.
type Rule struct {
	Every int            `json:"every"`
	Unit  calendar.Unit  `json:"unit"`
	From  calendar.Date  `json:"from"`            // the first due day; it is filled in when it is zero
	Shift calendar.Shift `json:"shift,omitempty"` // where a day goes that is no business day
	Zone  string         `json:"zone"`            // IANA name: whose days are counted
}

// NewRule makes a rule from the due time of a task's first, in somebody's time zone.
func NewRule(every int, unit calendar.Unit, shift calendar.Shift, due time.Time, zone *time.Location) *Rule {
	if zone == nil {
		zone = time.UTC
	}
	r := &Rule{Every: every, Unit: unit, Shift: shift, Zone: zone.String()}
	if !due.IsZero() {
		r.From = calendar.DateOf(due.In(zone))
	}
	return r
}

func (r *Rule) recurrence(c *calendar.Calendar) calendar.Recurrence {
	return calendar.Recurrence{Every: r.Every, Unit: r.Unit, From: r.From, Shift: r.Shift, Calendar: c}
}

func (r *Rule) check() error {
	if _, err := time.LoadLocation(r.Zone); err != nil {
		return invalid("record.fault.rule", nil, "%v", err)
	}
	if !slices.Contains([]calendar.Unit{calendar.Days, calendar.Weeks, calendar.Months, calendar.Years}, r.Unit) || r.Every > 1000 {
		return invalid("record.fault.rule", nil, "every %d %.20q is no recurrence", r.Every, r.Unit)
	}
	if err := r.recurrence(nil).Check(); err != nil {
		return invalid("record.fault.rule", nil, "%v", err)
	}
	return nil
}

// String says the rule so that every change of it shows; nothing for none.
func (r *Rule) String() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("every %d %s from %s %s %s", r.Every, r.Unit, r.From, r.Shift, r.Zone)
}

// next is when a task is due again that was due then and is done now: what has passed meanwhile is left out. The time of day stays.
func (r *Rule) next(due, now time.Time, c *calendar.Calendar) time.Time {
	if r == nil {
		return time.Time{}
	}
	zone, err := time.LoadLocation(r.Zone)
	if err != nil {
		zone = time.UTC // the zone was there when the rule was made
	}
	local := due.In(zone)
	after := calendar.DateOf(local)
	if today := calendar.DateOf(now.In(zone)); today.After(after) {
		after = today
	}
	day := r.recurrence(c).NextDay(after)
	if day.IsZero() {
		return time.Time{}
	}
	of := time.Duration(local.Nanosecond()) + time.Duration(local.Second())*time.Second
	return day.At(local.Hour(), local.Minute(), zone).Add(of).UTC()
}
