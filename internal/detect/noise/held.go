package noise

import (
	"context"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/record"
)

// Held is what something held back.
type Held struct {
	Matches int64
	Last    time.Time // the latest hour
	Event   string    // id of the latest event
	Rules   []HeldRule
	Slots   []int64 // by day, the latest last
}

// HeldRule is what was held back of one rule.
type HeldRule struct {
	Rule    string // alert.RuleKey
	Matches int64
}

const (
	heldSlots = 30
	heldRules = 20
	day       = 24 * time.Hour
	// keptHeld is how long counts are kept by the hour.
	keptHeld = 400 * day
)

// Held tells what an exception or a suppression held back.
func (s *Store) Held(ctx context.Context, cause string) (h *Held, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error { h, err = heldBy(tx, cause); return err })
	return h, err
}

func heldBy(tx *db.Tx, cause string) (*Held, error) {
	h := &Held{Slots: make([]int64, heldSlots)}
	var err error
	h.Rules, err = db.List(tx, func(row db.Scanner) (x HeldRule, err error) { return x, row.Scan(&x.Rule, &x.Matches) },
		`SELECT rule_id, SUM(count) AS n FROM noise_held WHERE cause = $1 GROUP BY rule_id ORDER BY n DESC, rule_id`, cause)
	if err != nil || len(h.Rules) == 0 {
		return h, err
	}
	for _, x := range h.Rules {
		h.Matches += x.Matches
	}
	h.Rules = h.Rules[:min(len(h.Rules), heldRules)]
	var last int64
	if err := tx.QueryRow(`SELECT hour, event_id FROM noise_held WHERE cause = $1 ORDER BY hour DESC, rule_id LIMIT 1`, cause).Scan(&last, &h.Event); err != nil {
		return nil, err
	}
	h.Last = db.Time(last)
	first := tx.Now().Truncate(day).Add(-(heldSlots - 1) * day)
	_, err = db.List(tx, func(row db.Scanner) (struct{}, error) {
		var hour, n int64
		err := row.Scan(&hour, &n)
		if i := int(db.Time(hour).Sub(first) / day); i >= 0 && i < heldSlots {
			h.Slots[i] += n
		}
		return struct{}{}, err
	}, `SELECT hour, SUM(count) FROM noise_held WHERE cause = $1 AND hour >= $2 GROUP BY hour`, cause, db.Micros(first))
	return h, err
}

// heldOf returns how many matches of a rule were held back since a time, by what did it.
func heldOf(tx *db.Tx, rule string, since time.Time) (map[string]int64, error) {
	counts := make(map[string]int64)
	_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
		var cause string
		var n int64
		err := row.Scan(&cause, &n)
		counts[cause] = n
		return struct{}{}, err
	}, `SELECT cause, SUM(count) FROM noise_held WHERE rule_id = $1 AND hour >= $2 GROUP BY cause`, rule, db.Micros(since))
	return counts, err
}

const sweepBatch = 100

// ended is the reason that the history gives where a time came.
const ended = "期限が来たため自動で終了 / ended by itself at its time"

// Sweep ends what has come to its end, and forgets counts of more than a year ago. What has ended holds nothing back any more even before this
// has run. Run it every few minutes.
func (s *Store) Sweep(ctx context.Context) error {
	for kind, query := range map[string]string{
		Exception:   `SELECT id FROM noise_exception WHERE state = 'active' AND deleted_at = 0 AND due > 0 AND due <= $1 ORDER BY due, id LIMIT $2`,
		Suppression: `SELECT id FROM noise_suppression WHERE state = 'active' AND deleted_at = 0 AND ends > 0 AND ends <= $1 ORDER BY ends, id LIMIT $2`,
	} {
		for more := true; more; {
			err := s.opt.DB.Write(ctx, func(tx *db.Tx) error {
				ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }, query, db.Micros(tx.Now()), sweepBatch)
				more = len(ids) == sweepBatch
				for _, id := range ids {
					if err == nil {
						_, err = s.opt.Records.MoveTx(tx, record.System(), kind, id, record.Moving{Move: "end", Why: ended})
					}
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM noise_held WHERE hour < $1`, db.Micros(tx.Now().Add(-keptHeld)))
		return err
	})
}
