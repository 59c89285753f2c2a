package alert

import (
	"context"

	"yagura/internal/platform/db"
)

// Past hands over the latest alerts with what was seen of them, the latest first: those of some rules by RuleKey, or of all for none; no more
// than most, and until yield returns false.
func (s *Store) Past(ctx context.Context, rules []string, most int, yield func(a *Alert, samples []Sample) bool) error {
	return s.db.Read(ctx, func(tx *db.Tx) error {
		w := new(db.Where)
		if len(rules) > 0 {
			db.In(w, "rule_id", rules)
		}
		list, err := db.List(tx, scanAlert, `SELECT `+columns+` FROM alert_alert`+w.String()+` ORDER BY last_seen DESC, id DESC LIMIT `+w.Next(1), w.Args(most)...)
		if err != nil {
			return err
		}
		for _, a := range list {
			samples, err := samplesOf(tx, a.ID)
			if err != nil {
				return err
			}
			if !yield(a, samples) {
				return nil
			}
		}
		return nil
	})
}

func samplesOf(tx *db.Tx, id string) ([]Sample, error) {
	return db.List(tx, func(row db.Scanner) (x Sample, err error) {
		var at int64
		err = row.Scan(&x.EventID, &at, &x.Event)
		x.Time = db.Time(at)
		return x, err
	}, `SELECT event_id, time, event FROM alert_sample WHERE alert_id = $1 ORDER BY time, slot`, id)
}
