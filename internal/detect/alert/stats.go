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
		// Each figure comes from an index alone: of a million alerts, no row is read.
		if err := eachRule(tx, stats, func(x *RuleStats, last int64) { x.Last = db.Time(last) },
			`SELECT rule_id, MAX(last_seen) FROM alert_alert GROUP BY rule_id`); err != nil {
			return err
		}
		if err := eachRule(tx, stats, func(x *RuleStats, n int64) { x.Open = n },
			`SELECT rule_id, COUNT(*) FROM alert_alert WHERE state <> 'closed' GROUP BY rule_id`); err != nil {
			return err
		}
		return eachRule(tx, stats, func(x *RuleStats, n int64) { x.Matches = n },
			`SELECT rule_id, SUM(count) FROM alert_rule_hour WHERE hour >= $1 GROUP BY rule_id`, db.Micros(since))
	})
	return stats, err
}

// StatsOf returns the statistics of one rule.
func (s *Store) StatsOf(ctx context.Context, rule string, since time.Time) (x RuleStats, err error) {
	var last int64
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT (SELECT COALESCE(MAX(last_seen), 0) FROM alert_alert WHERE rule_id = $1),
			(SELECT COUNT(*) FROM alert_alert WHERE rule_id = $1 AND state <> 'closed'),
			(SELECT COALESCE(SUM(count), 0) FROM alert_rule_hour WHERE rule_id = $1 AND hour >= $2)`, rule, db.Micros(since)).Scan(&last, &x.Open, &x.Matches)
	})
	x.Last = db.Time(last)
	return x, err
}

// eachRule puts a figure that a query has for each rule into the statistics.
func eachRule(tx *db.Tx, stats map[string]RuleStats, put func(x *RuleStats, figure int64), query string, args ...any) error {
	_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
		var rule string
		var figure int64
		err := row.Scan(&rule, &figure)
		x := stats[rule]
		put(&x, figure)
		stats[rule] = x
		return struct{}{}, err
	}, query, args...)
	return err
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

// ByTechniques counts the alerts whose latest match is not older than since, by the ATT&CK techniques that they name: ids with spaces between.
func ByTechniques(ctx context.Context, d *db.DB, since time.Time) (map[string]int, error) {
	counts := make(map[string]int)
	err := d.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var ids string
			var n int
			err := row.Scan(&ids, &n)
			counts[ids] = n
			return struct{}{}, err
		}, `SELECT techniques, COUNT(*) FROM alert_alert WHERE last_seen >= $1 AND techniques <> '' GROUP BY techniques`, db.Micros(since))
		return err
	})
	return counts, err
}

// RuleMatches counts what each rule matched in the hours that begin between two times, by RuleKey.
func RuleMatches(ctx context.Context, d *db.DB, from, to time.Time) (map[string]int64, error) {
	counts := make(map[string]int64)
	err := d.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var rule string
			var n int64
			err := row.Scan(&rule, &n)
			counts[rule] = n
			return struct{}{}, err
		}, `SELECT rule_id, SUM(count) FROM alert_rule_hour WHERE hour >= $1 AND hour < $2 GROUP BY rule_id`, db.Micros(from.Truncate(time.Hour)), db.Micros(to))
		return err
	})
	return counts, err
}
