package alert

import (
	"context"
	"time"

	"yagura/internal/platform/db"
)

// RuleStats is how often a rule fired.
type RuleStats struct {
	Matches int64 // since the time asked for
	Open    int64 // alerts that are not closed
	Last    time.Time
}

// RuleStats returns the statistics of every rule that ever fired, by RuleKey. Hours that began before since do not count.
func (s *Store) RuleStats(ctx context.Context, since time.Time) (map[string]RuleStats, error) {
	stats := make(map[string]RuleStats)
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var rule string
			var x RuleStats
			var last int64
			err := row.Scan(&rule, &last, &x.Open)
			x.Last = db.Time(last)
			stats[rule] = x
			return struct{}{}, err
		}, `SELECT rule_id, MAX(last_seen), SUM(CASE WHEN state <> 'closed' THEN 1 ELSE 0 END) FROM alert_alert GROUP BY rule_id`)
		if err != nil {
			return err
		}
		_, err = db.List(tx, func(row db.Scanner) (struct{}, error) {
			var rule string
			var n int64
			err := row.Scan(&rule, &n)
			x := stats[rule]
			x.Matches = n
			stats[rule] = x
			return struct{}{}, err
		}, `SELECT rule_id, SUM(count) FROM alert_rule_hour WHERE hour >= $1 GROUP BY rule_id`, db.Micros(since))
		return err
	})
	return stats, err
}

// RuleHours returns a rule's matches by hour since a time, hours without one left out.
func (s *Store) RuleHours(ctx context.Context, rule string, since time.Time) (counts []Count, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		counts, err = db.List(tx, scanCount,
			`SELECT hour, count FROM alert_rule_hour WHERE rule_id = $1 AND hour >= $2 ORDER BY hour`, rule, db.Micros(since))
		return err
	})
	return counts, err
}
