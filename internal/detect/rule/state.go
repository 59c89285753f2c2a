package rule

import (
	"context"
	"embed"
	"io/fs"
	"sync/atomic"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations returns the room's tables, for db.Migrate(ctx, "rule", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Tables are the room's records, for the ledger, with what people had decided before rules were records like any other.
func Tables() []ledger.Table {
	return []ledger.Table{RecordKind(nil, nil).Ledger(), {Name: "rule_state", Key: "rule_id", Link: "/rules/{key}"}}
}

// States are where rules stand, as the database has it. It is safe for concurrent use.
type States struct {
	db      *db.DB
	changed chan struct{} // has something in it when the database has changed since a Library looked
	library atomic.Pointer[Library]
}

// NewStates returns those of a database, whose tables Migrations makes.
func NewStates(d *db.DB) *States { return &States{db: d, changed: make(chan struct{}, 1)} }

// All returns where each rule stands that somebody decided about, or that was ever loaded.
func (s *States) All(ctx context.Context) (map[string]State, error) {
	all := make(map[string]State)
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (_ struct{}, err error) {
			var key string
			var state State
			err = row.Scan(&key, &state)
			all[key] = state
			return struct{}{}, err
		}, `SELECT id, state FROM rule_rule UNION ALL
			SELECT rule_id, 'retired' FROM rule_state WHERE enabled = 0 AND NOT EXISTS (SELECT 1 FROM rule_rule WHERE id = rule_id)`)
		return err
	})
	return all, err
}

// Moved has the library look at the states again once a change is committed; it is Kind.Changed of RecordKind. It waits for nothing: the library
// looks by itself, once for any number of changes.
func (s *States) Moved(tx *db.Tx, before, after *record.Record) error {
	if before == nil || before.State != after.State {
		tx.AfterCommit(s.look)
	}
	return nil
}

func (s *States) look() {
	select {
	case s.changed <- struct{}{}:
	default: // it is to look already
	}
}

var _ alert.Standings = (*States)(nil)

// Standing implements alert.Standings. A rule that no row tells of yet stands where the library has it begin.
func (s *States) Standing(tx *db.Tx, rules []string) (map[string]alert.Standing, error) {
	states := make(map[string]State, len(rules))
	if l := s.library.Load(); l != nil {
		for _, key := range rules {
			if r, ok := l.Set().Rule(key); ok {
				states[key] = r.State
			}
		}
	}
	w := new(db.Where)
	db.In(w, "id", rules)
	_, err := db.List(tx, func(row db.Scanner) (_ struct{}, err error) {
		var key string
		var state State
		err = row.Scan(&key, &state)
		states[key] = state
		return struct{}{}, err
	}, `SELECT id, state FROM rule_rule`+w.String(), w.Args()...)
	standings := make(map[string]alert.Standing)
	for key, state := range states {
		switch state {
		case Shadow:
			standings[key] = alert.Counts
		case Draft, Retired:
			standings[key] = alert.Nothing
		}
	}
	return standings, err
}

// Count implements alert.Standings.
func (s *States) Count(tx *db.Tx, counted []alert.Counted) error {
	stmt, err := tx.Prepare(`INSERT INTO rule_shadow (rule_id, day, count, last) VALUES ($1, $2, $3, $4)
		ON CONFLICT (rule_id, day) DO UPDATE SET count = rule_shadow.count + excluded.count,
		last = CASE WHEN excluded.last > rule_shadow.last THEN excluded.last ELSE rule_shadow.last END`)
	if err != nil {
		return err
	}
	for _, c := range counted {
		if _, err := stmt.Exec(c.Rule, db.Micros(c.Day), c.Count, db.Micros(c.Last)); err != nil {
			return err
		}
	}
	return nil
}

// ShadowDay is what a rule matched in shadow on a day.
type ShadowDay struct {
	Day   time.Time
	Count int64
	Last  time.Time
}

// ShadowDays returns what a rule matched in shadow since a time, by day, days without a match left out.
func (s *States) ShadowDays(ctx context.Context, key string, since time.Time) (days []ShadowDay, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		days, err = db.List(tx, func(row db.Scanner) (d ShadowDay, err error) {
			var day, last int64
			err = row.Scan(&day, &d.Count, &last)
			d.Day, d.Last = db.Time(day), db.Time(last)
			return d, err
		}, `SELECT day, count, last FROM rule_shadow WHERE rule_id = $1 AND day >= $2 ORDER BY day`, key, db.Micros(since.Truncate(24*time.Hour)))
		return err
	})
	return days, err
}
