package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/db"
)

const (
	// kindsAtOnce bounds the statement that looks for what is due: SQLite takes 500 parts, and each kind makes three.
	kindsAtOnce = 100
	// rowsAtOnce bounds the statements that change jobs by their ids.
	rowsAtOnce = 200
	// gather is the pause between rounds: short jobs that were begun together are written down together, with one sync of the disk.
	gather = time.Millisecond
	// writeLimit bounds a write that must be tried though the process is about to end.
	writeLimit = 15 * time.Second
	// afterCancel is how long Run waits, once it has cancelled what runs, for it to return.
	afterCancel = 5 * time.Second
)

var (
	errStopping  = errors.New("the server stops")
	errCancelled = errors.New("the job was cancelled, or its lease was lost")
	errTimeout   = errors.New("the job took longer than it may")
)

// run is a job that this process has claimed.
type run struct {
	Run
	kind    kind
	payload string
	claim   string
	until   time.Time // when it is abandoned
	cancel  context.CancelCauseFunc
	cause   func() error // why its context ended, nil while it has not
	err     error
}

// Run works off jobs until ctx ends. Then it takes no more, waits for what runs, at most the grace, cancels what still runs, and
// puts that back as it was.
func (q *Queue) Run(ctx context.Context) error {
	if err := q.Check(); err != nil {
		return err
	}
	if err := q.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	renewed := make(chan struct{})
	lives, stop := context.WithCancel(context.WithoutCancel(ctx)) // leases are renewed until the last job has ended
	go func() {
		defer close(renewed)
		q.renewLeases(lives)
	}()
	troubles := 0
	for ctx.Err() == nil {
		busy, next, err := q.round(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			troubles++
			pause := min(time.Second<<min(troubles-1, 5), 30*time.Second)
			q.opt.Log.Warn("jobs wait: the database cannot be used", "error", err, "again_in", pause)
			wait(ctx, pause, nil)
		case busy:
			troubles = 0
			wait(ctx, gather, nil)
		default:
			troubles = 0
			wait(ctx, next, q.wake)
		}
	}
	q.drain(context.WithoutCancel(ctx))
	stop()
	<-renewed
	return nil
}

// begin readies what the last process left behind.
func (q *Queue) begin(ctx context.Context) error {
	if err := q.declareSchedules(ctx); err != nil {
		return fmt.Errorf("starting to work off jobs: %w", err)
	}
	if q.opt.DB.Engine() != db.SQLite {
		return nil
	}
	// The database is this process's own: who had claimed anything is no more.
	if err := q.takeBack(ctx, func(*db.Tx) int64 { return 1<<63 - 1 }); err != nil {
		return fmt.Errorf("taking jobs back from a process that has ended: %w", err)
	}
	return nil
}

func wait(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// round writes down what has ended, takes what is due and starts it. Where there was nothing to do, next is how long there will be
// nothing.
func (q *Queue) round(ctx context.Context) (busy bool, next time.Duration, err error) {
	ended := q.takeEnded()
	if len(ended) == 0 {
		var something bool
		if something, next, err = q.look(ctx); err != nil || !something {
			return false, next, err
		}
	}
	var claimed []*run
	err = q.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
		claimed = nil
		if err := q.settle(tx, ended); err != nil {
			return err
		}
		if err := q.fire(tx); err != nil {
			return err
		}
		if err := q.takeBackTx(tx, db.Micros(tx.Now())); err != nil {
			return err
		}
		claimed, err = q.claim(tx, ended)
		return err
	})
	if err != nil {
		q.giveEnded(ended)
		return false, 0, err
	}
	q.forget(ended)
	for _, r := range claimed {
		q.start(ctx, r)
	}
	return true, 0, nil
}

// look reports whether a round would find something to do, and otherwise when.
func (q *Queue) look(ctx context.Context) (something bool, next time.Duration, err error) {
	next = q.opt.Poll
	err = q.opt.DB.Read(ctx, func(tx *db.Tx) error {
		now := db.Micros(tx.Now())
		var lapsed, soon int64
		err := tx.QueryRow(`SELECT (SELECT COUNT(*) FROM job WHERE state = 'running' AND due_at < $1),
			COALESCE((SELECT MIN(due_at) FROM job WHERE state = 'waiting' AND due_at > $1), 0)`, now).Scan(&lapsed, &soon)
		if err != nil {
			return err
		}
		due, first, err := q.dueSchedules(tx)
		if err != nil {
			return err
		}
		for _, at := range []int64{soon, first} {
			if at > 0 {
				next = min(next, max(db.Time(at).Sub(tx.Now()), time.Millisecond))
			}
		}
		if something = lapsed > 0 || len(due) > 0; something {
			return nil
		}
		waiting, err := q.candidates(tx, nil)
		something = len(waiting) > 0
		return err
	})
	return something, next, err
}

// free returns the kinds that this process could start jobs of, and how many. What has ended is no longer counted.
func (q *Queue) free(ended []*run) map[string]int {
	room := make(map[string]int, len(q.kinds))
	for name, k := range q.kinds {
		room[name] = k.Concurrency
	}
	for _, r := range ended {
		room[r.Name]++
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.running {
		room[r.Name]--
	}
	return room
}

// candidates reads what could be started now: of each name as many as there is room for, in the order of priority and time.
func (q *Queue) candidates(tx *db.Tx, ended []*run) (list []*run, err error) {
	room := q.free(ended)
	var names []string
	for name, n := range room {
		if n > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for some := range slices.Chunk(names, kindsAtOnce) {
		query, args := q.dueQuery(some, room, db.Micros(tx.Now()))
		found, err := db.List(tx, scanRun, query, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	return slices.DeleteFunc(list, func(r *run) bool {
		room[r.Name]--
		return room[r.Name] < 0
	}), nil
}

// dueQuery asks for each name and priority apart, so that each part is one range of an index however many jobs wait.
func (q *Queue) dueQuery(names []string, room map[string]int, now int64) (query string, args []any) {
	var b strings.Builder
	args = []any{now}
	for _, name := range names {
		args = append(args, name)
		for p := High; p <= Low; p++ {
			if b.Len() > 0 {
				b.WriteString(" UNION ALL ")
			}
			fmt.Fprintf(&b, `SELECT * FROM (SELECT id, name, payload, attempts, created_at, created_by FROM job
				WHERE state = 'waiting' AND name = $%d AND priority = %d AND due_at <= $1`, len(args), p)
			if q.kinds[name].Single {
				fmt.Fprintf(&b, ` AND NOT EXISTS (SELECT 1 FROM job other WHERE other.state = 'running' AND other.name = $%d)`, len(args))
			}
			fmt.Fprintf(&b, ` ORDER BY due_at, id LIMIT %d) part`, room[name])
		}
	}
	return b.String(), args
}

func scanRun(s db.Scanner) (*run, error) {
	var r run
	var added int64
	err := s.Scan(&r.ID, &r.Name, &r.payload, &r.Attempt, &added, &r.AddedBy)
	r.Added = db.Time(added)
	return &r, err
}

// claim takes what is due for this process.
func (q *Queue) claim(tx *db.Tx, ended []*run) ([]*run, error) {
	list, err := q.candidates(tx, ended)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	round := db.NewID() + "/" // a token of this claim and no other; the job's id makes it the run's
	for some := range slices.Chunk(list, rowsAtOnce) {
		where := new(db.Where)
		db.In(where, "id", idsOf(some))
		_, err := tx.Exec(`UPDATE job SET state = 'running', claim = CAST(`+where.Next(1)+` AS TEXT) || id, node = `+where.Next(2)+`, attempts = attempts + 1,
			started_at = `+where.Next(3)+`, due_at = `+where.Next(4)+where.String(),
			where.Args(round, q.opt.Node, db.Micros(tx.Now()), db.Micros(tx.Now().Add(q.opt.Lease)))...)
		if err != nil {
			return nil, err
		}
	}
	for _, r := range list {
		r.kind, r.claim = q.kinds[r.Name], round+r.ID
		r.Attempt++
		r.Last = r.Attempt >= r.kind.Attempts
	}
	return list, nil
}

func idsOf(runs []*run) []string {
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	return ids
}

// start runs a claimed job's handler.
func (q *Queue) start(ctx context.Context, r *run) {
	// Stopping does not end it at once: drain gives it its grace.
	work, cancel := context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), runKey{}, r.Run))
	work, stop := context.WithTimeoutCause(work, r.kind.Timeout, errTimeout)
	r.cancel, r.until = cancel, time.Now().Add(r.kind.Timeout+q.opt.Lease)
	r.cause = func() error { return context.Cause(work) }
	q.mu.Lock()
	q.running[r.claim] = r
	q.mu.Unlock()
	go func() {
		err := q.call(work, r)
		q.mu.Lock()
		r.err = err
		if err != nil && work.Err() != nil {
			r.err = fmt.Errorf("%w: %w", context.Cause(work), err)
		}
		q.ended = append(q.ended, r)
		q.mu.Unlock()
		stop()
		cancel(nil)
		q.nudge()
	}()
}

// call calls the handler. Its panic, and its leaving without a word (runtime.Goexit), are errors.
func (q *Queue) call(ctx context.Context, r *run) (err error) {
	returned := make(chan error, 1)
	go func() {
		failed := errors.New("the handler ended without returning")
		defer func() {
			if problem := recover(); problem != nil {
				q.opt.Log.ErrorContext(ctx, "a job's handler panicked", "name", r.Name, "job", r.ID, "panic", problem, "stack", string(debug.Stack()))
				failed = fmt.Errorf("panic: %v", problem)
			}
			returned <- failed
		}()
		failed = r.kind.do(ctx, r.payload)
	}()
	return <-returned
}

func (q *Queue) takeEnded() []*run {
	q.mu.Lock()
	defer q.mu.Unlock()
	ended := q.ended
	q.ended = nil
	return ended
}

func (q *Queue) giveEnded(ended []*run) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = append(q.ended, ended...)
}

func (q *Queue) forget(ended []*run) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range ended {
		delete(q.running, r.claim)
	}
}

// settle writes down what came of runs, but for jobs that are no longer theirs.
func (q *Queue) settle(tx *db.Tx, ended []*run) error {
	var done []*run
	for _, r := range ended {
		if r.err == nil {
			done = append(done, r)
		} else if err := q.settleFailed(tx, r); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(done, rowsAtOnce) {
		claims := make([]string, len(some))
		for i, r := range some {
			claims[i] = r.claim
		}
		where := new(db.Where)
		db.In(where, "id", idsOf(some))
		db.In(where, "claim", claims)
		_, err := tx.Exec(`UPDATE job SET state = 'done', payload = '', claim = '', error = '', ended_at = `+where.Next(1)+`, due_at = `+where.Next(2)+where.String(),
			where.Args(db.Micros(tx.Now()), db.Micros(tx.Now().Add(keepDone)))...)
		if err != nil {
			return err
		}
	}
	return nil
}

// settleFailed has a job wait for its next attempt, or gives it up.
func (q *Queue) settleFailed(tx *db.Tx, r *run) error {
	if errors.Is(r.err, errStopping) {
		_, err := putBack(tx, r.ID, r.claim, tx.Now(), r.Attempt-1, "")
		return err
	}
	_, hopeless := errors.AsType[final](r.err)
	if r.Last || hopeless {
		n, err := giveUp(tx, r.ID, r.claim, r.err.Error())
		if n > 0 {
			tx.AfterCommit(func() {
				q.opt.Log.Error("a job failed for the last time", "name", r.Name, "job", r.ID, "attempts", r.Attempt, "error", clip(r.err.Error()))
			})
		}
		return err
	}
	pause := r.kind.pauseAfter(r.Attempt, r.err)
	n, err := putBack(tx, r.ID, r.claim, tx.Now().Add(pause), r.Attempt, r.err.Error())
	if n > 0 {
		tx.AfterCommit(func() {
			q.opt.Log.Warn("a job failed and will be tried again", "name", r.Name, "job", r.ID, "attempts", r.Attempt, "again_in", pause.Round(time.Second).String(), "error", clip(r.err.Error()))
		})
	}
	return err
}

// putBack has a claimed job wait again. Where another of the same key waits meanwhile, that one does the work, and this one is over.
func putBack(tx *db.Tx, id, claim string, due time.Time, attempts int, failure string) (int64, error) {
	n, err := tx.Exec(`UPDATE job SET state = 'waiting', claim = '', due_at = $1, attempts = $2, error = CASE WHEN $3 = '' THEN error ELSE $3 END WHERE id = $4 AND claim = $5
		AND (unique_key = '' OR NOT EXISTS (SELECT 1 FROM job other WHERE other.state = 'waiting' AND other.name = job.name AND other.unique_key = job.unique_key))`,
		db.Micros(due), attempts, clip(failure), id, claim)
	if err != nil || n > 0 {
		return n, err
	}
	return end(tx, Cancelled, id, claim, strings.TrimSpace(failure+" (another job of the same key waits)"))
}

// giveUp keeps a claimed job as failed.
func giveUp(tx *db.Tx, id, claim, failure string) (int64, error) {
	return end(tx, Failed, id, claim, failure)
}

func end(tx *db.Tx, as State, id, claim, failure string) (int64, error) {
	return tx.Exec(`UPDATE job SET state = $1, claim = '', ended_at = $2, due_at = $3, error = $4 WHERE id = $5 AND claim = $6`,
		as, db.Micros(tx.Now()), db.Micros(tx.Now().Add(keepFailed)), clip(failure), id, claim)
}

// drain ends what this process has begun.
func (q *Queue) drain(ctx context.Context) {
	if q.settleUntil(ctx, q.opt.Grace) {
		return
	}
	q.mu.Lock()
	for _, r := range q.running {
		r.cancel(errStopping)
	}
	q.mu.Unlock()
	if q.settleUntil(ctx, afterCancel) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.running {
		q.opt.Log.Error("a job did not end when the server stopped: it runs again when its lease has ended", "name", r.Name, "job", r.ID)
	}
}

// settleUntil writes down what ends, and reports whether nothing runs any more before the time is over.
func (q *Queue) settleUntil(ctx context.Context, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for {
		if ended := q.takeEnded(); len(ended) > 0 {
			bound, cancel := context.WithTimeout(ctx, writeLimit)
			err := q.opt.DB.Write(bound, func(tx *db.Tx) error { return q.settle(tx, ended) })
			cancel()
			if err != nil {
				q.opt.Log.Error("what came of jobs could not be written down: they may run again", "jobs", strconv.Itoa(len(ended)), "error", err)
			}
			q.forget(ended)
		}
		q.mu.Lock()
		left := len(q.running)
		q.mu.Unlock()
		rest := time.Until(deadline)
		if left == 0 || rest <= 0 {
			return left == 0
		}
		wait(ctx, cmp.Or(min(rest, time.Second), time.Second), q.wake)
	}
}
