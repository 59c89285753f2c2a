package alert

import (
	"context"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

// Filter says which alerts are wanted: those that meet every part that is set.
type Filter struct {
	States     []State
	Severities []sigma.Level
	Verdict    Verdict
	Rule       string // a RuleKey
	Entity     string // a host, user or address, whichever way the alert is about it; case does not matter
	Unit       string // id of an organisation unit: those of it and of all below it
	Tactic     string // ATT&CK short name
	Technique  string // ATT&CK id
	From, To   time.Time
	Text       string            // words that title, host, user or address contain, all of them
	Titles     map[string]string // other titles that Text looks at, by RuleKey: those that the reader sees

	units []string // Unit and those below it
}

// Sort is what a list is ordered by, the greatest first.
type Sort string

// The orders.
const (
	ByLastSeen  Sort = "last_seen"
	ByFirstSeen Sort = "first_seen"
	BySeverity  Sort = "severity" // then by last seen
	ByCount     Sort = "count"
)

// Sorts lists them.
func Sorts() []Sort { return []Sort{ByLastSeen, ByFirstSeen, BySeverity, ByCount} }

// MaxPage is the most alerts that one page holds.
const MaxPage = 500

// maxWords bounds the words of a filter's text.
const maxWords = 10

// where are the conditions of the filter.
func (f *Filter) where() *db.Where {
	w := new(db.Where)
	if len(f.States) > 0 {
		db.In(w, "state", f.States)
	}
	f.whereButState(w)
	return w
}

func (f *Filter) whereButState(w *db.Where) {
	if len(f.Severities) > 0 {
		levels := make([]int64, len(f.Severities))
		for i, l := range f.Severities {
			levels[i] = int64(l)
		}
		db.In(w, "severity", levels)
	}
	if f.Verdict != "" {
		w.And("verdict = ?", f.Verdict)
	}
	if f.Rule != "" {
		w.And("rule_id = ?", f.Rule)
	}
	if f.Entity != "" {
		name := strings.ToLower(f.Entity)
		w.And("(entity_key = ? OR LOWER(host_name) = ? OR LOWER(user_name) = ? OR source_ip = ?)", name, name, name, f.Entity)
	}
	if f.Unit != "" {
		db.In(w, "unit", f.units)
	}
	if f.Tactic != "" {
		w.And(`tactics LIKE ? ESCAPE '\'`, db.Contains(" "+strings.ToLower(f.Tactic)+" "))
	}
	if f.Technique != "" {
		w.And(`techniques LIKE ? ESCAPE '\'`, db.Contains(" "+strings.ToUpper(f.Technique)+" "))
	}
	if !f.From.IsZero() {
		w.And("last_seen >= ?", db.Micros(f.From))
	}
	if !f.To.IsZero() {
		w.And("first_seen < ?", db.Micros(f.To))
	}
	for i, word := range strings.Fields(f.Text) {
		if i == maxWords {
			break
		}
		pattern := db.Contains(clean(word))
		const like = ` LIKE LOWER(?) ESCAPE '\'`
		args := []any{pattern, pattern, pattern, pattern, pattern}
		titled := ""
		for key, title := range f.Titles {
			if strings.Contains(strings.ToLower(title), strings.ToLower(word)) {
				titled += " OR rule_id = ?"
				args = append(args, key)
			}
		}
		w.And("(LOWER(title)"+like+" OR entity_key"+like+" OR LOWER(host_name)"+like+" OR LOWER(user_name)"+like+" OR source_ip"+like+titled+")", args...)
	}
}

// resolve finds the units that the filter means.
func (s *Store) resolve(ctx context.Context, f *Filter) error {
	if f.Unit == "" || s.opt.Units == nil {
		return nil
	}
	return s.db.Read(ctx, func(tx *db.Tx) (err error) {
		f.units, err = s.opt.Units.UnitAndBelow(tx, f.Unit)
		return err
	})
}

// List returns one page of alerts, at most limit. cursor is the Next of the page before in the same order, "" for the first;
// one of another order is a fault.Invalid.
func (s *Store) List(ctx context.Context, f Filter, sort Sort, cursor string, limit int) (db.Page[*Alert], error) {
	limit = min(max(limit, 1), MaxPage)
	if err := s.resolve(ctx, &f); err != nil {
		return db.Page[*Alert]{}, err
	}
	w := f.where()
	order, key, err := f.order(w, sort, cursor)
	if err != nil {
		return db.Page[*Alert]{}, err
	}
	var page db.Page[*Alert]
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		alerts, err := db.List(tx, scanAlert,
			`SELECT `+columns+` FROM alert_alert`+w.String()+` ORDER BY `+order+` LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(alerts, limit, key)
		return err
	})
	return page, err
}

// order continues behind the cursor and returns the order with the values it is by.
func (f *Filter) order(w *db.Where, sort Sort, cursor string) (order string, key func(*Alert) []any, err error) {
	var a, b int64
	var id string
	switch sort {
	case BySeverity:
		if cursor != "" {
			if err := db.DecodeCursor(cursor, &a, &b, &id); err != nil {
				return "", nil, err
			}
			w.And("(severity, last_seen, id) < (?, ?, ?)", a, b, id)
		}
		return "severity DESC, last_seen DESC, id DESC",
			func(x *Alert) []any { return []any{int64(x.Severity), db.Micros(x.LastSeen), x.ID} }, nil
	case "", ByLastSeen, ByFirstSeen, ByCount:
		column := string(sort)
		if sort == "" {
			column = string(ByLastSeen)
		}
		if cursor != "" {
			if err := db.DecodeCursor(cursor, &a, &id); err != nil {
				return "", nil, err
			}
			w.And("("+column+", id) < (?, ?)", a, id)
		}
		return column + " DESC, id DESC", func(x *Alert) []any {
			value := map[string]int64{"first_seen": db.Micros(x.FirstSeen), "last_seen": db.Micros(x.LastSeen), "count": x.Count}[column]
			return []any{value, x.ID}
		}, nil
	}
	return "", nil, fault.New(fault.Invalid, "alert.fault.sort", "sort %q is none of last_seen, first_seen, severity, count", sort)
}

// Tally counts alerts by state and severity.
type Tally map[State]map[sigma.Level]int64

// Of returns how many alerts are in one of states, all where none is named.
func (t Tally) Of(states ...State) (n int64) {
	if len(states) == 0 {
		states = States()
	}
	for _, state := range states {
		for _, count := range t[state] {
			n += count
		}
	}
	return n
}

// Tally counts the alerts that meet the filter, whatever their state: what a list's tabs show.
func (s *Store) Tally(ctx context.Context, f Filter) (Tally, error) {
	if err := s.resolve(ctx, &f); err != nil {
		return nil, err
	}
	w := new(db.Where)
	f.whereButState(w)
	t := make(Tally)
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var state State
			var severity, n int64
			err := row.Scan(&state, &severity, &n)
			if t[state] == nil {
				t[state] = make(map[sigma.Level]int64)
			}
			t[state][sigma.Level(severity)] = n
			return struct{}{}, err
		}, `SELECT state, severity, COUNT(*) FROM alert_alert`+w.String()+` GROUP BY state, severity`, w.Args()...)
		return err
	})
	return t, err
}

// OpenedSince returns how many alerts that meet the filter were opened after t, and the time up to which it looked.
func (s *Store) OpenedSince(ctx context.Context, f Filter, t time.Time) (n int64, upTo time.Time, err error) {
	if err := s.resolve(ctx, &f); err != nil {
		return 0, upTo, err
	}
	w := f.where()
	w.And("created_at > ?", db.Micros(t))
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		upTo = tx.Now()
		return tx.QueryRow(`SELECT COUNT(*) FROM alert_alert`+w.String(), w.Args()...).Scan(&n)
	})
	return n, upTo, err
}

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
