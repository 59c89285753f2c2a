package alert

import (
	"context"
	"slices"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// MaxDecided is the most alerts that DecideMany takes at once.
const MaxDecided = 1000

// Decide changes an alert's state, or adds a note to it where the state stays, and writes its history. Errors:
// fault.Invalid for what makes no sense, fault.NotFound, fault.Conflict when the alert is no longer of the version that
// the decision names.
func (s *Store) Decide(ctx context.Context, id, actor string, d Decision) (*Alert, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	var a *Alert
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		a, _, err = s.decide(tx, id, actor, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// DecideMany makes the same decision on several alerts, all or none, and returns those it changed as they were before,
// so that it can be undone. The decision's version is left aside. Errors as Decide.
func (s *Store) DecideMany(ctx context.Context, ids []string, actor string, d Decision) (before []Alert, err error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if len(ids) > MaxDecided {
		return nil, fault.New(fault.TooLarge, "alert.fault.many", "%d alerts at once, more than %d", len(ids), MaxDecided)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	d.Version = 0
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		for _, id := range slices.Compact(ids) {
			_, was, err := s.decide(tx, id, actor, d)
			if err != nil {
				return err
			}
			if was != nil {
				before = append(before, *was)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return before, nil
}

// decide returns the alert as it is now, and as it was, nil where nothing changed.
func (s *Store) decide(tx *db.Tx, id, actor string, d Decision) (now, was *Alert, err error) {
	a, err := scanAlert(tx.QueryRow(`SELECT `+columns+` FROM alert_alert WHERE id = $1`, id))
	if err != nil {
		return nil, nil, err
	}
	if d.Version != 0 && d.Version != a.Version {
		return nil, nil, fault.New(fault.Conflict, "alert.fault.conflict", "alert %s is of version %d, the decision was made on %d", id, a.Version, d.Version)
	}
	if a.State == d.State && a.Verdict == d.Verdict && d.Note == "" {
		return a, nil, nil
	}
	old := *a
	a.State, a.Verdict, a.UpdatedAt = d.State, d.Verdict, tx.Now()
	a.Version++
	_, err = tx.Exec(`UPDATE alert_alert SET state = $2, verdict = $3, updated_at = $4, version = $5 WHERE id = $1`,
		id, a.State, a.Verdict, db.Micros(a.UpdatedAt), a.Version)
	if err != nil {
		return nil, nil, err
	}
	entry := db.NewID()
	_, err = tx.Exec(`INSERT INTO alert_history (id, alert_id, at, actor, from_state, to_state, verdict, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		entry, id, db.Micros(tx.Now()), actor, old.State, d.State, d.Verdict, d.Note)
	if err != nil {
		return nil, nil, err
	}
	err = s.opt.Ledger.Append(tx,
		ledger.Entry{Table: "alert_alert", Key: id, Action: string(d.State)},
		ledger.Entry{Table: "alert_history", Key: entry, Action: "create"})
	return a, &old, err
}
