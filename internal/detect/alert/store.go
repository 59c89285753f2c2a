package alert

import (
	"context"
	"embed"
	"io/fs"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
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
	Units       Units    // nil: alerts belong to no unit
	Notify      Notifier // nil: nobody is told of new ones
}

// Units are the organisation's group companies and departments; auth.Accounts knows them.
type Units interface {
	// UnitOfAccount returns the unit of the person whom a log calls account, "" where that is not known.
	UnitOfAccount(tx *db.Tx, account string) (id string, err error)
	// UnitAndBelow returns the ids of a unit and of those below it.
	UnitAndBelow(tx *db.Tx, id string) ([]string, error)
	// Units returns all.
	Units(ctx context.Context) ([]auth.Unit, error)
}

// Tables are the room's records, for the ledger: an alert as it was opened and what people decided. What the recorder counts is no
// decision of anybody.
func Tables() []ledger.Table {
	return []ledger.Table{
		{Name: "alert_alert", Key: "id", Link: "/alerts/{key}", Omit: []string{"first_seen", "last_seen", "count", "samples", "updated_at", "host_name", "user_name", "source_ip"}},
		{Name: "alert_history", Key: "id"},
	}
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

// Detail is an alert with everything that belongs to it.
type Detail struct {
	*Alert
	Samples []Sample // by time
	History []Change // latest first
	Counts  []Count  // by time, intervals without a match left out
}

// Count is how many matches an interval had.
type Count struct {
	Start time.Time
	Count int64
}

// Detail returns an alert with samples, history and counts, all of one moment.
func (s *Store) Detail(ctx context.Context, id string) (*Detail, error) {
	d := new(Detail)
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if d.Alert, err = scanAlert(tx.QueryRow(`SELECT `+columns+` FROM alert_alert WHERE id = $1`, id)); err != nil {
			return err
		}
		d.Samples, err = db.List(tx, func(row db.Scanner) (x Sample, err error) {
			var at int64
			err = row.Scan(&x.EventID, &at, &x.Event)
			x.Time = db.Time(at)
			return x, err
		}, `SELECT event_id, time, event FROM alert_sample WHERE alert_id = $1 ORDER BY time, slot`, id)
		if err != nil {
			return err
		}
		d.History, err = db.List(tx, func(row db.Scanner) (c Change, err error) {
			var at int64
			err = row.Scan(&at, &c.Actor, &c.From, &c.To, &c.Verdict, &c.Note)
			c.At = db.Time(at)
			return c, err
		}, `SELECT at, actor, from_state, to_state, verdict, note FROM alert_history WHERE alert_id = $1 ORDER BY at DESC, id DESC LIMIT 500`, id)
		if err != nil {
			return err
		}
		d.Counts, err = db.List(tx, scanCount, `SELECT start, count FROM alert_bucket WHERE alert_id = $1 ORDER BY start`, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
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
