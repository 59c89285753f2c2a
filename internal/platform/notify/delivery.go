package notify

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Delivery is a notice on its way to a target, or a person's mail, for administrators: it tells what it is about by topic only.
type Delivery struct {
	ID       string
	Channel  string // mail, target
	Target   string // a person's id, a target's
	Topic    string
	Severity Severity
	State    string // waiting, sent, failed, dropped
	Attempts int
	Answer   string
	Added    time.Time
	Due      time.Time // of one that waits
	Done     time.Time
}

// DeliveryFilter chooses deliveries.
type DeliveryFilter struct {
	State  string // waiting, sent, failed or dropped
	Cursor string
	Limit  int
}

// DeliveryStates lists the states in the order that they matter to an administrator.
func DeliveryStates() []string { return []string{"failed", "waiting", "sent", "dropped"} }

// Deliveries lists deliveries of a state: what waits as it was added, what is done the latest first.
func (n *Notifier) Deliveries(ctx context.Context, f DeliveryFilter) (page db.Page[Delivery], err error) {
	where := new(db.Where)
	where.And("d.state = ?", f.State)
	if f.Cursor != "" {
		var at int64
		var id string
		if err := db.DecodeCursor(f.Cursor, &at, &id); err != nil {
			return page, err
		}
		where.And("(d.done_at, d.id) < (?, ?)", at, id)
	}
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, func(s db.Scanner) (d Delivery, err error) {
			var added, due, done int64
			err = s.Scan(&d.ID, &d.Channel, &d.Target, &d.Topic, &d.Severity, &d.State, &d.Attempts, &d.Answer, &added, &due, &done)
			d.Added, d.Due, d.Done = db.Time(added), db.Time(due), db.Time(done)
			return d, err
		}, `SELECT d.id, d.channel, d.target, n.topic, n.severity, d.state, d.attempts, d.answer, d.at, d.due_at, d.done_at
			FROM notify_delivery d JOIN notify_notice n ON n.id = d.notice`+where.String()+` ORDER BY d.done_at DESC, d.id DESC LIMIT `+where.Next(1), where.Args(f.Limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, f.Limit, func(d Delivery) []any { return []any{db.Micros(d.Done), d.ID} })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("listing deliveries: %w", err)
	}
	return page, nil
}

// Retry has a delivery that was given up tried again, with all its attempts. The error is fault.Conflict where it is in another state.
func (n *Notifier) Retry(ctx context.Context, id string) error {
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		var channel, target string
		if err := tx.QueryRow(`SELECT channel, target FROM notify_delivery WHERE id = $1`, id).Scan(&channel, &target); err != nil {
			return err
		}
		changed, err := tx.Exec(`UPDATE notify_delivery SET state = 'waiting', attempts = 0, due_at = $1, done_at = 0 WHERE id = $2 AND state = 'failed'`, db.Micros(tx.Now()), id)
		if err == nil && changed == 0 {
			err = fault.New(fault.Conflict, "fault.conflict", "the delivery %s has not failed", id)
		}
		if err != nil {
			return err
		}
		if channel == "mail" {
			return n.mailAt(tx, target, tx.Now())
		}
		return n.postAt(tx, target, tx.Now())
	})
}
