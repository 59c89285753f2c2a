package mail

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Failure is a mail that could not be sent.
type Failure struct {
	ID        string
	Recipient string
	Written   time.Time
	Failed    time.Time
	Attempts  int
	Error     string // the server's last words, or ours
}

// Failed lists the mails that could not be sent, the latest first. They are kept for 30 days.
func (o *Outbox) Failed(ctx context.Context, cursor string, limit int) (page db.Page[Failure], err error) {
	if limit < 1 || limit > 500 {
		return page, fault.New(fault.Invalid, "fault.cursor", "a page holds 1 to 500 mails, not %d", limit)
	}
	var where db.Where
	where.And("failed_at > 0")
	if cursor != "" {
		var at int64
		var id string
		if err := db.DecodeCursor(cursor, &at, &id); err != nil {
			return page, err
		}
		where.And("(failed_at, id) < (?, ?)", at, id)
	}
	err = o.db.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, func(s db.Scanner) (f Failure, err error) {
			var written, failed int64
			err = s.Scan(&f.ID, &f.Recipient, &written, &failed, &f.Attempts, &f.Error)
			f.Written, f.Failed = db.Time(written), db.Time(failed)
			return f, err
		}, `SELECT id, recipient, created_at, failed_at, attempts, error FROM mail_outbox`+where.String()+
			` ORDER BY failed_at DESC, id DESC LIMIT `+where.Next(1), where.Args(limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, limit, func(f Failure) []any { return []any{db.Micros(f.Failed), f.ID} })
		return err
	})
	return page, err
}

// Retry puts a mail that could not be sent into the outbox again, for another day. What it says may have lost its sense.
func (o *Outbox) Retry(tx *db.Tx, id string) error {
	n, err := tx.Exec(`UPDATE mail_outbox SET failed_at = 0, attempts = 0, due_at = $1, until_at = $2 WHERE id = $3 AND failed_at > 0`,
		db.Micros(tx.Now()), db.Micros(tx.Now().Add(lifetime)), id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound, "mail.fault.not_found", "no mail %s has failed", id)
	}
	tx.AfterCommit(o.nudge)
	return nil
}

// Discard deletes a mail that could not be sent.
func (o *Outbox) Discard(tx *db.Tx, id string) error {
	n, err := tx.Exec(`DELETE FROM mail_outbox WHERE id = $1 AND failed_at > 0`, id)
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "mail.fault.not_found", "no mail %s has failed", id)
	}
	return err
}

// Stats is how the outbox stands.
type Stats struct {
	Waiting int64
	Failed  int64
	Oldest  time.Time // when the oldest of those that wait was written; zero for none
}

// Stats counts the mails.
func (o *Outbox) Stats(ctx context.Context) (s Stats, err error) {
	err = o.db.Read(ctx, func(tx *db.Tx) error {
		var oldest int64
		err := tx.QueryRow(`SELECT COUNT(CASE WHEN failed_at = 0 THEN 1 END), COUNT(CASE WHEN failed_at > 0 THEN 1 END),
			COALESCE(MIN(CASE WHEN failed_at = 0 THEN created_at END), 0) FROM mail_outbox`).Scan(&s.Waiting, &s.Failed, &oldest)
		s.Oldest = db.Time(oldest)
		return err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("counting mails: %w", err)
	}
	return s, nil
}

// sweep deletes what failed long ago.
func (o *Outbox) sweep(ctx context.Context) {
	var n int64
	err := o.db.Write(ctx, func(tx *db.Tx) (err error) {
		n, err = tx.Exec(`DELETE FROM mail_outbox WHERE failed_at > 0 AND failed_at < $1`, db.Micros(tx.Now().Add(-keepFailed)))
		return err
	})
	switch {
	case err != nil:
		o.log.WarnContext(ctx, "old failed mails could not be deleted", "error", err)
	case n > 0:
		o.log.InfoContext(ctx, "mails that failed 30 days ago were deleted", "mails", n)
	}
}
