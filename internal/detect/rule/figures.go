package rule

import (
	"context"
	"slices"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
)

const (
	// statsSpan is how far back matches are counted, shadowSpan how far back those in shadow.
	statsSpan  = 7 * 24 * time.Hour
	shadowSpan = 30 * 24 * time.Hour
	// keepShadow is how long counts of a day are kept.
	keepShadow = 400 * 24 * time.Hour
	// figuresBatch is how many records get their figures in one transaction.
	figuresBatch = 500
)

// figures are what a rule's record says of its matches.
type figures struct {
	id                    string
	matches, open, shadow int64
	last                  int64 // microseconds
}

// Figures brings the figures of the records up to date: matches, open alerts, the last match, and what was counted in shadow. It writes those
// alone that changed, and forgets counts of long ago.
func (s *States) Figures(ctx context.Context, alerts *alert.Store, now time.Time) error {
	stats, err := alerts.RuleStats(ctx, now.Add(-statsSpan))
	if err != nil {
		return err
	}
	var rows []figures
	shadow := make(map[string]ShadowDay)
	err = s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if _, err = db.List(tx, func(row db.Scanner) (_ struct{}, err error) {
			var key string
			var d ShadowDay
			var last int64
			err = row.Scan(&key, &d.Count, &last)
			d.Last = db.Time(last)
			shadow[key] = d
			return struct{}{}, err
		}, `SELECT rule_id, SUM(CASE WHEN day >= $1 THEN count ELSE 0 END), MAX(last) FROM rule_shadow GROUP BY rule_id`,
			db.Micros(now.Add(-shadowSpan).Truncate(24*time.Hour))); err != nil {
			return err
		}
		rows, err = db.List(tx, func(row db.Scanner) (f figures, err error) {
			return f, row.Scan(&f.id, &f.matches, &f.open, &f.last, &f.shadow)
		}, `SELECT id, matches, open_alerts, last_match, shadow_matches FROM rule_rule`)
		return err
	})
	if err != nil {
		return err
	}
	var other []figures
	for _, old := range rows {
		x, d := stats[old.id], shadow[old.id]
		f := figures{id: old.id, matches: x.Matches, open: x.Open, shadow: d.Count, last: max(old.last, db.Micros(x.Last), db.Micros(d.Last))}
		if f != old {
			other = append(other, f)
		}
	}
	for some := range slices.Chunk(other, figuresBatch) {
		if err := s.db.Write(ctx, func(tx *db.Tx) error { return writeFigures(tx, some) }); err != nil {
			return err
		}
	}
	return s.forget(ctx, now.Add(-keepShadow))
}

func writeFigures(tx *db.Tx, list []figures) error {
	stmt, err := tx.Prepare(`UPDATE rule_rule SET matches = $2, open_alerts = $3, last_match = $4, shadow_matches = $5 WHERE id = $1`)
	if err != nil {
		return err
	}
	for _, f := range list {
		if _, err := stmt.Exec(f.id, f.matches, f.open, f.last, f.shadow); err != nil {
			return err
		}
	}
	return nil
}

// forget drops counts of days before a time.
func (s *States) forget(ctx context.Context, before time.Time) error {
	old := 0
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM rule_shadow WHERE day < $1 LIMIT 1) AS old`, db.Micros(before)).Scan(&old)
	})
	if err != nil || old == 0 {
		return err
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM rule_shadow WHERE day < $1`, db.Micros(before))
		return err
	})
}
