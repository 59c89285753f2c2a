package jobs

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
)

const (
	// keepDone and keepFailed are how long jobs that have ended are kept.
	keepDone   = 3 * 24 * time.Hour
	keepFailed = 30 * 24 * time.Hour
	// sweepBatch is how many are deleted in one transaction: others write, too.
	sweepBatch = 500
)

// registerSweep has this package use itself.
func (q *Queue) registerSweep() {
	Register(q, Spec{Name: "jobs.sweep", Owner: "jobs", Single: true, Attempts: 3}, func(ctx context.Context, _ struct{}) error { return q.Sweep(ctx) })
	q.Schedule("jobs.sweep", MustCron("17 * * * *", time.UTC), "jobs.sweep", struct{}{})
}

// Sweep deletes jobs that ended long ago.
func (q *Queue) Sweep(ctx context.Context) error {
	for _, state := range []State{Done, Failed, Cancelled} {
		for deleted := int64(sweepBatch); deleted == sweepBatch; {
			err := q.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
				deleted, err = tx.Exec(`DELETE FROM job WHERE id IN (SELECT id FROM job WHERE state = $1 AND due_at < $2 ORDER BY due_at, id LIMIT $3)`,
					state, db.Micros(tx.Now()), sweepBatch)
				return err
			})
			if err != nil {
				return fmt.Errorf("deleting jobs that ended long ago: %w", err)
			}
		}
	}
	return nil
}
