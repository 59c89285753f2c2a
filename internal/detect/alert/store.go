package alert

import (
	"context"
	"embed"
	"io/fs"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations returns the room's tables, for db.Migrate(ctx, "alert", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Options sets how matches become alerts. A zero value means the default.
type Options struct {
	Window      time.Duration // 24 h
	MaxEntities int           // 1,000 open alerts of one rule
	Ledger      *ledger.Log
	Records     *record.Store // knows the kind of RecordKind; nil: alerts are not found by words
	Units       Units         // nil: alerts belong to no unit
	Rules       Standings     // nil: every match is an alert
	Notify      Notifier      // nil: nobody is told of new ones
	Noise       Noise         // nil: every match is an alert, or joins one
	Follower    Follower      // nil: nobody follows
	Flood       int64         // how many alerts a rule may open in an hour of the events' clock; 0: any number
}

// Units knows to which of the organisation's units people belong; auth.Accounts does.
type Units interface {
	// UnitOfAccount returns the unit of the person whom a log calls account, "" where that is not known.
	UnitOfAccount(tx *db.Tx, account string) (id string, err error)
}

// Tables are the room's records, for the ledger: an alert as it was opened and what people decided, with what they had decided before
// alerts were records like any other. What the recorder counts is no decision of anybody.
func Tables() []ledger.Table {
	return []ledger.Table{RecordKind(nil).Ledger(), {Name: "alert_history", Key: "id"}}
}

// Store keeps alerts. It is safe for concurrent use.
type Store struct {
	db  *db.DB
	opt Options
}

// NewStore returns the store in d, whose tables Migrations makes.
func NewStore(d *db.DB, opt Options) *Store {
	if opt.Window <= 0 {
		opt.Window = 24 * time.Hour
	}
	if opt.MaxEntities <= 0 {
		opt.MaxEntities = 1000
	}
	return &Store{db: d, opt: opt}
}

// Interval is the step of an alert's counts over time: 10 minutes with the usual window.
func (s *Store) Interval() time.Duration {
	return max(time.Minute, (s.opt.Window / 144).Truncate(time.Minute))
}

// Get returns an alert; a fault.NotFound where there is none.
func (s *Store) Get(ctx context.Context, id string) (*Alert, error) {
	var a *Alert
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		a, err = scanAlert(tx.QueryRow(`SELECT `+columns+` FROM alert_alert WHERE id = $1`, id))
		return err
	})
	return a, err
}

// Seen is what the recorder keeps of an alert's matches.
type Seen struct {
	Samples []Sample // by time
	Counts  []Count  // by time, intervals without a match left out
}

// Count is how many matches an interval had.
type Count struct {
	Start time.Time
	Count int64
}

// Seen returns what was seen of an alert, all of one moment; nothing of one that is not there.
func (s *Store) Seen(ctx context.Context, id string) (x Seen, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		if x.Samples, err = samplesOf(tx, id); err != nil {
			return err
		}
		x.Counts, err = db.List(tx, scanCount, `SELECT start, count FROM alert_bucket WHERE alert_id = $1 ORDER BY start`, id)
		return err
	})
	return x, err
}

// OfRule returns the latest alerts of a rule.
func (s *Store) OfRule(ctx context.Context, rule string, limit int) (list []*Alert, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, scanAlert, `SELECT `+columns+` FROM alert_alert WHERE rule_id = $1 ORDER BY last_seen DESC, id DESC LIMIT $2`, rule, limit)
		return err
	})
	return list, err
}

// Count returns how many alerts there are.
func (s *Store) Count(ctx context.Context) (n int64, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM alert_alert`).Scan(&n) })
	return n, err
}

func scanCount(row db.Scanner) (c Count, err error) {
	var at int64
	err = row.Scan(&at, &c.Count)
	c.Start = db.Time(at)
	return c, err
}

// columns are an alert's, in the order of scanAlert.
const columns = `id, rule_id, title, severity, tactics, techniques, entity_kind, entity, host_name, user_name, source_ip, unit,
	state, verdict, first_seen, last_seen, count, created_at, updated_at, version`

func scanAlert(row db.Scanner) (*Alert, error) {
	var a Alert
	var tactics, techniques string
	var severity, firstSeen, lastSeen, created, updated int64
	err := row.Scan(&a.ID, &a.RuleID, &a.Title, &severity, &tactics, &techniques, &a.Entity.Kind, &a.Entity.Value,
		&a.HostName, &a.UserName, &a.SourceIP, &a.Unit, &a.State, &a.Verdict, &firstSeen, &lastSeen, &a.Count, &created, &updated, &a.Version)
	a.Severity = sigma.Level(severity)
	a.Tactics, a.Techniques = strings.Fields(tactics), strings.Fields(techniques)
	a.FirstSeen, a.LastSeen, a.CreatedAt, a.UpdatedAt = db.Time(firstSeen), db.Time(lastSeen), db.Time(created), db.Time(updated)
	return &a, err
}

// words writes a list so that LIKE '% word %' finds one of it.
func words(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " " + strings.Join(list, " ") + " "
}
