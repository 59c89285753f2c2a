package jobs

import (
	"context"
	"fmt"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// Retry has a job that failed or was cancelled wait again, with all its attempts. Errors: fault.NotFound; fault.Conflict where it is in
// another state, or another job of the same key waits.
func (q *Queue) Retry(ctx context.Context, id string) error {
	return q.decide(ctx, "retrying a job", func(tx *db.Tx) error {
		job, err := get(tx, id)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE job SET state = 'waiting', attempts = 0, due_at = $1, ended_at = 0 WHERE id = $2 AND state IN ('failed', 'cancelled')
			AND (unique_key = '' OR NOT EXISTS (SELECT 1 FROM job other WHERE other.state = 'waiting' AND other.name = job.name AND other.unique_key = job.unique_key))`,
			db.Micros(tx.Now()), id)
		if err == nil && n == 0 {
			err = fault.New(fault.Conflict, "fault.job.retry", "the job %s is %s, or another of the same key waits", id, job.State)
		}
		if err != nil {
			return err
		}
		return q.keepDecision(tx, "retry", id, job.Name)
	})
}

// Cancel ends a job that waits or runs. A run hears it by its context: here at once, on another node when that renews its lease.
// Errors: fault.NotFound; fault.Conflict where it has ended already.
func (q *Queue) Cancel(ctx context.Context, id string) error {
	return q.decide(ctx, "cancelling a job", func(tx *db.Tx) error {
		job, err := get(tx, id)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE job SET state = 'cancelled', claim = '', ended_at = $1, due_at = $2 WHERE id = $3 AND state IN ('waiting', 'running')`,
			db.Micros(tx.Now()), db.Micros(tx.Now().Add(keepFailed)), id)
		if err == nil && n == 0 {
			err = fault.New(fault.Conflict, "fault.job.cancel", "the job %s is %s", id, job.State)
		}
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { q.interrupt(id) })
		return q.keepDecision(tx, "cancel", id, job.Name)
	})
}

// interrupt ends the context of a job that runs here.
func (q *Queue) interrupt(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.running {
		if r.ID == id {
			r.cancel(errCancelled)
		}
	}
}

// RunNow adds the job of a schedule now; when the schedule runs next does not change. Errors: fault.NotFound where nothing of that name is
// declared; fault.Conflict where its job waits already.
func (q *Queue) RunNow(ctx context.Context, name string) error {
	s, ok := q.schedules[name]
	if !ok {
		return fault.New(fault.NotFound, "fault.not_found", "there is no schedule %q", name)
	}
	return q.decide(ctx, "running a schedule", func(tx *db.Tx) error {
		id, err := q.Add(tx, s.job, s.payload, Unique("schedule:"+name), WithPriority(High))
		if err == nil && id == "" {
			err = fault.New(fault.Conflict, "fault.job.waits", "the job of the schedule %s waits already", name)
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE job_schedule SET last_at = $1, last_job = $2 WHERE name = $3`, db.Micros(tx.Now()), id, name); err != nil {
			return err
		}
		return q.keepDecision(tx, "run", id, name)
	})
}

func (q *Queue) decide(ctx context.Context, what string, fn func(*db.Tx) error) error {
	if err := q.opt.DB.Write(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	q.nudge()
	return nil
}

// keepDecision keeps who decided what.
func (q *Queue) keepDecision(tx *db.Tx, decision, job, name string) error {
	id := db.NewID()
	_, err := tx.Exec(`INSERT INTO job_decision (id, at, actor, decision, job, name) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, db.Micros(tx.Now()), tx.Actor(), decision, job, name)
	if err != nil {
		return err
	}
	return q.opt.Ledger.Append(tx, ledger.Entry{Table: "job_decision", Key: id, Action: decision})
}
