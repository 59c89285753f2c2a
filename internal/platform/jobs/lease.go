package jobs

import (
	"context"
	"time"

	"yagura/internal/platform/db"
)

// renewLeases keeps the claims of what runs here alive, until ctx ends.
func (q *Queue) renewLeases(ctx context.Context) {
	tick := time.NewTicker(q.opt.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := q.renew(ctx); err != nil && ctx.Err() == nil {
			q.opt.Log.Warn("the leases of running jobs could not be renewed", "error", err)
		}
	}
}

// renew renews the leases of what runs here, and has those stop that are no longer ours: cancelled, or taken by another node.
func (q *Queue) renew(ctx context.Context) error {
	claims := q.living()
	if len(claims) == 0 {
		return nil
	}
	mine := make(map[string]bool, len(claims))
	err := q.opt.DB.Write(ctx, func(tx *db.Tx) error {
		clear(mine)
		where := new(db.Where)
		where.And("state = 'running'")
		db.In(where, "claim", claims)
		if _, err := tx.Exec(`UPDATE job SET due_at = `+where.Next(1)+where.String(), where.Args(db.Micros(tx.Now().Add(q.opt.Lease)))...); err != nil {
			return err
		}
		kept, err := db.List(tx, func(s db.Scanner) (claim string, err error) { return claim, s.Scan(&claim) },
			`SELECT claim FROM job`+where.String(), where.Args()...)
		for _, claim := range kept {
			mine[claim] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, claim := range claims {
		if r := q.running[claim]; r != nil && !mine[claim] {
			r.cancel(errCancelled)
		}
	}
	return nil
}

// living returns the claims of what runs here and is within its time. A run that is past it is left to its lease: its handler does
// not return, and the job must not hang with it.
func (q *Queue) living() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var claims []string
	for claim, r := range q.running {
		if time.Now().Before(r.until) {
			claims = append(claims, claim)
		} else {
			q.opt.Log.Error("a job's handler does not return; the job is left to others", "name", r.Name, "job", r.ID, "attempt", r.Attempt)
		}
	}
	return claims
}

// lapsed is a claimed job whose lease has ended.
type lapsed struct {
	id, name, claim, node string
	attempts              int
}

// lapsedAtOnce is how many jobs are taken back in one transaction.
const lapsedAtOnce = 200

// takeBack takes jobs back whose leases end before a time, until there are none.
func (q *Queue) takeBack(ctx context.Context, before func(*db.Tx) int64) error {
	for {
		n := 0
		err := q.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
			n, err = q.takeSomeBack(tx, before(tx))
			return err
		})
		if err != nil || n < lapsedAtOnce {
			return err
		}
	}
}

func (q *Queue) takeBackTx(tx *db.Tx, before int64) error {
	_, err := q.takeSomeBack(tx, before)
	return err
}

// takeSomeBack has jobs wait again whose nodes let their leases end, or gives them up where that was their last attempt.
func (q *Queue) takeSomeBack(tx *db.Tx, before int64) (int, error) {
	list, err := db.List(tx, func(s db.Scanner) (l lapsed, err error) {
		return l, s.Scan(&l.id, &l.name, &l.claim, &l.node, &l.attempts)
	}, `SELECT id, name, claim, node, attempts FROM job WHERE state = 'running' AND due_at < $1 ORDER BY due_at, id LIMIT $2`, before, lapsedAtOnce)
	if err != nil {
		return 0, err
	}
	for _, l := range list {
		why := "the node " + l.node + " ended in the middle of it, or did not answer"
		k, known := q.kinds[l.name]
		if known && l.attempts >= k.Attempts {
			_, err = giveUp(tx, l.id, l.claim, why)
		} else {
			// The first time at once: most likely the server was restarted. After that it may be the job itself that ends processes.
			due := tx.Now()
			if l.attempts > 1 {
				due = due.Add(k.pauseAfter(l.attempts-1, nil))
			}
			_, err = putBack(tx, l.id, l.claim, due, l.attempts, why)
		}
		if err != nil {
			return 0, err
		}
		tx.AfterCommit(func() {
			q.opt.Log.Warn("a job was taken back from a node that ended or did not answer", "name", l.name, "job", l.id, "node", l.node, "attempts", l.attempts)
		})
	}
	return len(list), nil
}
