package rule

import (
	"context"
	"embed"
	"io/fs"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
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

// DisabledIn returns the keys of the rules that are disabled in d; it fits LoadOptions.Disabled.
func DisabledIn(ctx context.Context, d *db.DB) (func(key string) bool, error) {
	disabled := make(map[string]bool)
	err := d.Read(ctx, func(tx *db.Tx) error {
		keys, err := db.List(tx, func(row db.Scanner) (key string, err error) { return key, row.Scan(&key) },
			`SELECT rule_id FROM rule_state WHERE enabled = 0`)
		for _, key := range keys {
			disabled[key] = true
		}
		return err
	})
	return func(key string) bool { return disabled[key] }, err
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table {
	return []ledger.Table{{Name: "rule_state", Key: "rule_id", Link: "/rules/{key}"}}
}

// setEnabled writes the decision for each key.
func setEnabled(ctx context.Context, d *db.DB, log *ledger.Log, keys []string, actor string, enabled bool) error {
	value, action := 0, "disable"
	if enabled {
		value, action = 1, "enable"
	}
	return d.Write(ctx, func(tx *db.Tx) error {
		stmt, err := tx.Prepare(`INSERT INTO rule_state (rule_id, enabled, changed_at, changed_by) VALUES ($1, $2, $3, $4)
			ON CONFLICT (rule_id) DO UPDATE SET enabled = excluded.enabled, changed_at = excluded.changed_at, changed_by = excluded.changed_by`)
		if err != nil {
			return err
		}
		var entries []ledger.Entry
		for _, key := range keys {
			if _, err := stmt.Exec(key, value, db.Micros(tx.Now()), actor); err != nil {
				return err
			}
			entries = append(entries, ledger.Entry{Table: "rule_state", Key: key, Action: action})
		}
		return log.Append(tx, entries...)
	})
}
