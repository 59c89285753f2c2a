package record

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
)

// What is said of a record's due time.
const (
	recordDue     = "record.due"
	recordOverdue = "record.overdue"
)

// DueEvent is a record that its owner should think of.
type DueEvent struct {
	Action string // "record.due", "record.overdue"
	Record *Record
}

// DueListener is told of each in its transaction, as a Listener is.
type DueListener func(tx *db.Tx, e DueEvent) error

// ListenDue has a listener told of records that will be due or are overdue.
func (s *Store) ListenDue(l DueListener) { s.due = append(s.due, l) }

// longPast is how long after its due time nobody is told of a record any more who was not told before: what an organisation brings along from
// elsewhere would otherwise ring for years that are over.
const longPast = 30 * 24 * time.Hour

// RemindDue tells the owners of open records what they were not told yet: that one is due before ahead, or overdue. A new owner and a new due
// time are told of anew. Run it every few minutes.
func (s *Store) RemindDue(ctx context.Context, ahead time.Time) (n int, err error) {
	for _, kind := range s.order {
		for {
			some := 0
			err := s.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
				some, err = s.remindDue(tx, s.kinds[kind], ahead)
				return err
			})
			if err != nil {
				return n, fmt.Errorf("what is due of %s: %w", kind, err)
			}
			if n += some; some < remindBatch {
				break
			}
		}
	}
	return n, s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM record_said WHERE due < $1`, db.Micros(tx.Now().Add(-longPast)))
		return err
	})
}

// remindDue says what is to be said of some records of a kind.
func (s *Store) remindDue(tx *db.Tx, k *kept, ahead time.Time) (int, error) {
	now := db.Micros(tx.Now())
	w := new(db.Where)
	w.And("due >= ?", db.Micros(tx.Now().Add(-longPast)))
	w.And("due < ?", db.Micros(ahead))
	w.And("deleted_at = 0")
	w.And("owner <> ''")
	db.In(w, "state", k.open())
	w.And(`NOT EXISTS (SELECT 1 FROM record_said AS said WHERE said.kind = ? AND said.record_id = `+k.Table+`.id AND said.due = `+k.Table+`.due AND said.person = `+k.Table+`.owner
		AND said.what = CASE WHEN `+k.Table+`.due < ? THEN ? ELSE ? END)`, k.Name, now, recordOverdue, recordDue)
	list, err := db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String()+` ORDER BY due, id LIMIT `+w.Next(1), w.Args(remindBatch)...)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		action := recordDue
		if r.Overdue(tx.Now()) {
			action = recordOverdue
		}
		_, err := tx.Exec(`INSERT INTO record_said (kind, record_id, due, what, person) VALUES ($1, $2, $3, $4, $5)`, k.Name, r.ID, db.Micros(r.Due), action, r.Owner)
		if err != nil {
			return 0, err
		}
		if _, may, err := s.seen(tx, r.Owner, r); err != nil || !may {
			if err != nil {
				return 0, err
			}
			continue
		}
		for _, listener := range s.due {
			if err := listener(tx, DueEvent{action, r}); err != nil {
				return 0, err
			}
		}
	}
	return len(list), nil
}
