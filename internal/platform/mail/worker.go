package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"yagura/internal/platform/db"
)

const (
	// batch is how many mails go over one connection.
	batch = 20
	// shift bounds a round; lease, well beyond it, is how long the claim of a node that died holds.
	shift = 5 * time.Minute
	lease = 10 * time.Minute
	// lookEvery is how often the worker looks for what is due; a new mail of this node wakes it at once.
	lookEvery = 15 * time.Second
	// firstPause and longestPause are those between two tries.
	firstPause   = time.Minute
	longestPause = time.Hour
	// maxError is the longest error that is kept, in bytes.
	maxError = 1000
)

// job is a mail that this node has claimed.
type job struct {
	id, sealed, claim   string
	written, until, due time.Time
	attempts            int
	last                string // the error of the last try
}

// errLine says that no mail can be sent at present, whichever it is.
var errLine = errors.New("no connection to the mail server")

// Run sends what is in the outbox until ctx ends.
func (o *Outbox) Run(ctx context.Context) error {
	if !o.Enabled() {
		<-ctx.Done()
		return nil
	}
	troubles, swept := 0, time.Time{}
	for ctx.Err() == nil {
		claimed, err := o.round(ctx)
		pause := lookEvery
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			troubles++
			pause = min(firstPause<<min(troubles-1, 3), 5*time.Minute)
			o.log.Warn("mail waits", "error", err, "again_in", pause)
		default:
			troubles = 0
			if claimed == batch {
				continue
			}
		}
		if time.Since(swept) > time.Hour {
			o.sweep(ctx)
			swept = time.Now()
		}
		o.wait(ctx, pause, err == nil)
	}
	return nil
}

// wait waits for the pause, or less where a new mail may end it.
func (o *Outbox) wait(ctx context.Context, pause time.Duration, wakeable bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	wake := o.wake
	if !wakeable {
		wake = nil
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// round sends what is due, at most a batch, and returns how many mails it claimed. Its error is about the server or the
// database, not about a single mail.
func (o *Outbox) round(ctx context.Context) (claimed int, err error) {
	jobs, err := o.claim(ctx)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, shift)
	defer cancel()
	var connection *line
	defer func() {
		if connection != nil {
			connection.close()
		}
	}()
	for i, one := range jobs {
		if limited.Err() != nil {
			o.release(ctx, jobs[i:])
			break
		}
		connection, err = o.deliver(limited, connection, one)
		if err = o.settle(ctx, one, err); errors.Is(err, errLine) {
			// The others would hear the same. They are put back untouched.
			o.release(ctx, jobs[i+1:])
			return len(jobs), err
		}
	}
	return len(jobs), nil
}

// deliver sends one mail over the connection, or over a new one where there is none, and returns the one to go on with.
func (o *Outbox) deliver(ctx context.Context, connection *line, one job) (*line, error) {
	plain, err := o.keys.Open(Columns()[0].Purpose(one.id), one.sealed)
	if err != nil {
		return connection, err
	}
	defer clear(plain)
	l, err := decode(plain)
	if err != nil {
		return connection, err
	}
	message, err := l.compose(one.id, one.written, o.transport.from)
	if err != nil {
		return connection, err
	}
	if connection == nil {
		if connection, err = o.transport.dial(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errLine, err)
		}
	}
	if err := connection.send(message); err != nil {
		if !connection.usable() {
			connection.cut()
			return nil, err
		}
		return connection, err
	}
	return connection, nil
}

// claim takes what is due for this node. A mail that is past its time is given up instead.
func (o *Outbox) claim(ctx context.Context) (jobs []job, err error) {
	candidates, err := o.due(ctx)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	claim := db.NewID()
	err = o.db.Write(ctx, func(tx *db.Tx) error {
		jobs = nil
		for _, j := range candidates {
			j.claim = claim
			// The old due_at makes this a comparison: a node that was faster has moved it.
			n, err := tx.Exec(`UPDATE mail_outbox SET claim = $1, due_at = $2 WHERE id = $3 AND due_at = $4 AND failed_at = 0`,
				claim, db.Micros(tx.Now().Add(lease)), j.id, db.Micros(j.due))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if j.until.After(tx.Now()) {
				jobs = append(jobs, j)
				continue
			}
			if err := giveUp(tx, j, j.attempts, "it could not be sent in time; the last error: "+cmp.Or(j.last, "none")); err != nil {
				return err
			}
			tx.AfterCommit(func() {
				o.log.Error("a mail was given up: it could not be sent in time", "mail", j.id, "tries", j.attempts)
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claiming mail: %w", err)
	}
	return jobs, nil
}

// due returns a batch of what is due, the longest due first.
func (o *Outbox) due(ctx context.Context) (list []job, err error) {
	err = o.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(tx, func(s db.Scanner) (j job, err error) {
			var written, until, due int64
			err = s.Scan(&j.id, &j.sealed, &written, &until, &due, &j.attempts, &j.last)
			j.written, j.until, j.due = db.Time(written), db.Time(until), db.Time(due)
			return j, err
		}, fmt.Sprintf(`SELECT id, sealed, created_at, until_at, due_at, attempts, error FROM mail_outbox
			WHERE failed_at = 0 AND due_at <= $1 ORDER BY due_at, id LIMIT %d`, batch), db.Micros(tx.Now()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for mail to send: %w", err)
	}
	return list, nil
}

// settle writes down what came of a mail and returns problem where it is about the server, or what the database said.
// Shutting down does not keep it from being written: a mail that went out must not go out again.
func (o *Outbox) settle(ctx context.Context, one job, problem error) error {
	if problem != nil && ctx.Err() != nil {
		o.release(ctx, []job{one}) // it was us who hung up
		return problem
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := o.db.Write(ctx, func(tx *db.Tx) error {
		if problem == nil {
			_, err := tx.Exec(`DELETE FROM mail_outbox WHERE id = $1 AND claim = $2`, one.id, one.claim)
			return err
		}
		next := tx.Now().Add(pauseAfter(one.attempts))
		if refused(problem) || next.After(one.until) {
			return giveUp(tx, one, one.attempts+1, problem.Error())
		}
		_, err := tx.Exec(`UPDATE mail_outbox SET attempts = attempts + 1, due_at = $1, claim = '', error = $2 WHERE id = $3 AND claim = $4`,
			db.Micros(next), clip(problem.Error()), one.id, one.claim)
		return err
	})
	o.report(ctx, one, problem, err)
	if errors.Is(problem, errLine) {
		return problem
	}
	return nil
}

func (o *Outbox) report(ctx context.Context, one job, problem, unwritten error) {
	switch {
	case unwritten != nil && problem == nil:
		o.log.ErrorContext(ctx, "a mail was sent and may be sent again: that it was could not be written down", "mail", one.id, "error", unwritten)
	case unwritten != nil:
		o.log.ErrorContext(ctx, "a mail's state could not be written down", "mail", one.id, "error", unwritten)
	case problem == nil:
		o.log.DebugContext(ctx, "a mail was sent", "mail", one.id, "tries", one.attempts+1)
	case refused(problem):
		o.log.ErrorContext(ctx, "a mail was given up: the server refuses it", "mail", one.id, "error", describe(problem))
	default:
		o.log.LogAttrs(ctx, slog.LevelWarn, "a mail was not sent", slog.String("mail", one.id),
			slog.Int("tries", one.attempts+1), slog.String("error", describe(problem)))
	}
}

// release puts claimed mails back as they were.
func (o *Outbox) release(ctx context.Context, jobs []job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := o.db.Write(ctx, func(tx *db.Tx) error {
		for _, one := range jobs {
			if _, err := tx.Exec(`UPDATE mail_outbox SET claim = '', due_at = $1 WHERE id = $2 AND claim = $3`,
				db.Micros(tx.Now()), one.id, one.claim); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.log.WarnContext(ctx, "mails wait until their lease ends", "mails", len(jobs), "error", err)
	}
}

// giveUp keeps a claimed mail as failed.
func giveUp(tx *db.Tx, one job, attempts int, why string) error {
	_, err := tx.Exec(`UPDATE mail_outbox SET failed_at = $1, attempts = $2, claim = '', error = $3 WHERE id = $4 AND claim = $5`,
		db.Micros(tx.Now()), attempts, clip(why), one.id, one.claim)
	return err
}

// pauseAfter is how long a mail waits after so many tries before: doubling from a minute to an hour, and a little by
// chance, so that mails that failed together do not come back together.
func pauseAfter(tries int) time.Duration {
	pause := min(firstPause<<min(tries, 10), longestPause)
	return pause + rand.N(pause/5)
}

func clip(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}
