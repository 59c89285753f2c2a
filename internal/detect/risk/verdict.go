package risk

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/record"
)

// Listen takes points back when an alert is closed as nothing bad, and gives them again when that changes. It is a record.Listener.
func (s *Store) Listen(tx *db.Tx, e record.Event) error {
	if e.Record.Kind.Name != alert.Name || e.Before == nil {
		return nil
	}
	was, is := harmless(e.Before), harmless(e.Record)
	if was == is {
		return nil
	}
	type point struct {
		kind, entity string
		at, points   int64
	}
	list, err := db.List(tx, func(row db.Scanner) (p point, err error) { return p, row.Scan(&p.kind, &p.entity, &p.at, &p.points) },
		`SELECT kind, entity, at, points FROM risk_point WHERE alert_id = $1 AND counts = $2 ORDER BY kind, entity`, e.Record.ID, bit(!was))
	if err != nil {
		return err
	}
	for _, p := range list {
		var score, at int64
		if err := tx.QueryRow(`SELECT score, at FROM risk_entity WHERE kind = $1 AND entity = $2`, p.kind, p.entity).Scan(&score, &at); err != nil {
			return fmt.Errorf("reading the risk of %s: %w", p.entity, err)
		}
		left := s.decay(float64(p.points)/thousand, db.Time(at).Sub(db.Time(p.at)))
		if is {
			left = -left
		}
		sum := max(0, float64(score)/thousand+left)
		if _, err := tx.Exec(`UPDATE risk_entity SET score = $3, fades = $4 WHERE kind = $1 AND entity = $2`, p.kind, p.entity, int64(sum*thousand), s.fades(sum, db.Time(at))); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`UPDATE risk_point SET counts = $2 WHERE alert_id = $1`, e.Record.ID, bit(!is))
	return err
}

// harmless reports whether an alert was closed as nothing bad.
func harmless(r *record.Record) bool {
	switch alert.Verdict(r.Str("verdict")) {
	case alert.FalsePositive, alert.BenignTruePositive:
		return true
	}
	return false
}

func bit(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// kept is how long points are kept.
const kept = 90 * 24 * time.Hour

// Sweep forgets points that are older than 90 days and entities that have none left.
func (s *Store) Sweep(ctx context.Context) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`DELETE FROM risk_point WHERE at < $1`, db.Micros(tx.Now().Add(-kept))); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM risk_entity WHERE at < $1 AND NOT EXISTS
			(SELECT 1 FROM risk_point AS p WHERE p.kind = risk_entity.kind AND p.entity = risk_entity.entity)`, db.Micros(tx.Now().Add(-kept)))
		return err
	})
}

// Adopt reckons anew what depends on the half-life, after it was set to another. Sums stay what they were when they were last added to.
func (s *Store) Adopt(ctx context.Context) error {
	for more := true; more; {
		err := s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			type one struct {
				kind, entity string
				score, at    int64
			}
			list, err := db.List(tx, func(row db.Scanner) (x one, err error) { return x, row.Scan(&x.kind, &x.entity, &x.score, &x.at) },
				`SELECT kind, entity, score, at FROM risk_entity WHERE half_life <> $1 LIMIT 500`, s.opt.HalfLife.Microseconds())
			more = len(list) == 500
			for _, x := range list {
				if err == nil {
					_, err = tx.Exec(`UPDATE risk_entity SET fades = $3, half_life = $4 WHERE kind = $1 AND entity = $2`,
						x.kind, x.entity, s.fades(float64(x.score)/thousand, db.Time(x.at)), s.opt.HalfLife.Microseconds())
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
