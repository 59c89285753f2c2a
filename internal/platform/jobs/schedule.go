package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Rule says when something is due, again and again: Cron, or a recurrence of package calendar.
type Rule interface {
	// Next returns the first time after the given one, the zero time for never.
	Next(after time.Time) time.Time
	// String says the rule so that a change of it shows.
	String() string
}

// schedule is a schedule that a room declared.
type schedule struct {
	job     string
	rule    Rule
	payload json.RawMessage
}

// Schedule has a job added whenever a rule says, on whichever node: once. Where the run before still waits, it is that one.
func (q *Queue) Schedule(name string, rule Rule, job string, payload any) {
	text, err := json.Marshal(payload)
	_, twice := q.schedules[name]
	switch {
	case err != nil:
		q.mistakes = append(q.mistakes, fmt.Errorf("the payload of the schedule %q: %w", name, err))
	case twice:
		q.mistakes = append(q.mistakes, fmt.Errorf("the schedule %q is declared twice", name))
	case !nameForm.MatchString(name) || rule == nil:
		q.mistakes = append(q.mistakes, fmt.Errorf("the schedule %q has no good name or no rule", name))
	}
	q.schedules[name] = schedule{job, rule, text}
}

// declareSchedules writes down when each schedule runs next, where it is new or its rule is, or where other holidays move a run that is
// still to come; what was missed under the same rule stays due. Rows of schedules that no version declares any more are forgotten after a
// month.
func (q *Queue) declareSchedules(ctx context.Context) error {
	return q.opt.DB.Write(ctx, func(tx *db.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(q.schedules)) {
			s := q.schedules[name]
			_, err := tx.Exec(`INSERT INTO job_schedule (name, rule, next_at, last_at, last_job) VALUES ($1, $2, $3, 0, '')
				ON CONFLICT (name) DO UPDATE SET rule = excluded.rule, next_at = excluded.next_at
				WHERE job_schedule.rule <> excluded.rule OR job_schedule.next_at <> excluded.next_at AND (job_schedule.next_at > $4 OR job_schedule.next_at = 0)`,
				name, s.rule.String(), db.Micros(s.rule.Next(tx.Now())), db.Micros(tx.Now()))
			if err != nil {
				return fmt.Errorf("declaring the schedule %s: %w", name, err)
			}
		}
		where := new(db.Where)
		where.And("next_at < ?", db.Micros(tx.Now().Add(-keepFailed)))
		for _, name := range slices.Sorted(maps.Keys(q.schedules)) {
			where.And("name <> ?", name)
		}
		_, err := tx.Exec(`DELETE FROM job_schedule`+where.String(), where.Args()...)
		return err
	})
}

// dueSchedules returns the declared schedules that are due, with the time they were due at, and when the first of the others is (0: never).
func (q *Queue) dueSchedules(tx *db.Tx) (due map[string]int64, first int64, err error) {
	type row struct {
		name string
		next int64
	}
	rows, err := db.List(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.name, &r.next) },
		`SELECT name, next_at FROM job_schedule WHERE next_at > 0 ORDER BY next_at, name LIMIT 1000`)
	due = make(map[string]int64)
	for _, r := range rows {
		if _, declared := q.schedules[r.name]; !declared {
			continue
		}
		if r.next <= db.Micros(tx.Now()) {
			due[r.name] = r.next
		} else if first == 0 {
			first = r.next
		}
	}
	return due, first, err
}

// fire adds the jobs of the schedules that are due. Their next run is worked out from now: what was missed is made up once.
func (q *Queue) fire(tx *db.Tx) error {
	due, _, err := q.dueSchedules(tx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(due)) {
		s := q.schedules[name]
		if err := q.addScheduled(tx, name, s); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE job_schedule SET next_at = $1 WHERE name = $2`, db.Micros(s.rule.Next(tx.Now())), name); err != nil {
			return err
		}
	}
	return nil
}

// addScheduled adds a schedule's job and remembers which it was.
func (q *Queue) addScheduled(tx *db.Tx, name string, s schedule) error {
	id, err := q.Add(tx, s.job, s.payload, Unique("schedule:"+name))
	if err != nil || id == "" {
		return err
	}
	_, err = tx.Exec(`UPDATE job_schedule SET last_at = $1, last_job = $2 WHERE name = $3`, db.Micros(tx.Now()), id, name)
	return err
}

// Scheduled is a schedule as it stands.
type Scheduled struct {
	Name    string
	Job     string // what it adds
	Rule    string
	Next    time.Time // zero: never
	Last    time.Time // zero: never yet
	LastJob string
	State   State // of the last job; "" where that is gone
	Error   string
}

// Schedules returns what is declared, sorted by name.
func (q *Queue) Schedules(ctx context.Context) ([]Scheduled, error) {
	list := make([]Scheduled, 0, len(q.schedules))
	err := q.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list = list[:0]
		for _, name := range slices.Sorted(maps.Keys(q.schedules)) {
			s := Scheduled{Name: name, Job: q.schedules[name].job, Rule: q.schedules[name].rule.String()}
			var next, last int64
			err := tx.QueryRow(`SELECT s.next_at, s.last_at, s.last_job, COALESCE(j.state, ''), COALESCE(j.error, '')
				FROM job_schedule s LEFT JOIN job j ON j.id = s.last_job WHERE s.name = $1`, name).Scan(&next, &last, &s.LastJob, &s.State, &s.Error)
			if err != nil && !fault.Is(err, fault.NotFound) { // until Run has begun there is no row
				return err
			}
			s.Next, s.Last = db.Time(next), db.Time(last)
			list = append(list, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing schedules: %w", err)
	}
	return list, nil
}
