package backtest

import (
	"embed"
	"io/fs"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// Name is what records and permissions call a backtest.
const Name = "backtest"

// Permissions of this room.
const (
	MayRead  web.Permission = "backtest.read"
	MayWrite web.Permission = "backtest.write"
)

// Scopes are which rules a backtest is about.
const (
	ScopeText = "text" // rules that are given with it
	ScopeRule = "rule" // one rule of the library
	// All in a state of the library.
	ScopeLive   = "live"
	ScopeShadow = "shadow"
	ScopeDraft  = "draft"
	ScopeAll    = "all"
)

// Outcomes are how the work on a backtest stands.
const (
	Waiting = "waiting"
	Running = "running"
	Done    = "done"
	Failed  = "failed"
	Stopped = "stopped"
)

// States of the record.
const (
	open      = "open"
	cancelled = "cancelled"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// Migrations are the room's tables, for db.Migrate(ctx, "backtest", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table { return []ledger.Table{Kind(nil).Ledger()} }

// Kind says what a backtest is as a record. check tells what is wrong with the rules of a new one.
func Kind(check func(r *record.Record) error) *record.Kind {
	return &record.Kind{
		Name: Name, Path: "/backtests", House: "detect", Order: 34, Table: "backtest_backtest",
		Without: record.Without{Import: true},
		Fields: []record.Field{
			{Name: "scope", Type: record.Choice{ScopeText, ScopeRule, ScopeDraft, ScopeShadow, ScopeLive, ScopeAll}, Required: true, Fixed: true},
			{Name: "rule", Type: record.Text{}, Search: true, Fixed: true},
			{Name: "text", Type: record.Long{}, Search: true, Fixed: true},
			{Name: "since", Type: record.Moment{}, Required: true, Fixed: true},
			{Name: "until", Type: record.Moment{}, Required: true, Fixed: true},
			{Name: "outcome", Type: record.Choice{Waiting, Running, Done, Failed, Stopped}, Machine: true},
			{Name: "progress", Type: record.Int{}, Machine: true}, // percent
			{Name: "events", Type: record.Int{}, Machine: true},
			{Name: "matches", Type: record.Int{}, Machine: true, Sort: true},
		},
		States:  []record.State{{Name: open, Look: "active"}, {Name: cancelled, Done: true}},
		Moves:   []record.Move{{Name: "cancel", From: []string{open}, To: cancelled}, {Name: "again", From: []string{open, cancelled}, To: open}},
		Views:   []record.View{{Name: "all"}, {Name: "mine", Query: "created_by=me"}, {Name: "running", Query: "outcome=waiting&outcome=running"}},
		Columns: []string{"scope", "outcome", "progress", "events", "matches", "created_at"},
		Sort:    "-created_at",
		Changed: func(_ *db.Tx, before, after *record.Record) error {
			if before != nil || check == nil {
				return nil
			}
			return check(after)
		},
	}
}
