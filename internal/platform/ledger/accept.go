package ledger

import (
	"context"
	"fmt"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// maxReason bounds the reason of an acceptance, in bytes.
const maxReason = 2000

// Accept takes the rows of a table as they are: each that Verify finds changed, inserted or removed, or cannot check because a migration
// took columns away, gets an "accept" leaf, and why and by whom is a record with a leaf of its own. What was found before stays found in what was
// kept of it: nothing that was signed is changed. It returns how many rows it took. The error is fault.Invalid without a reason and
// fault.NotFound for a table that is not tracked. Leaves and hashes that were changed nobody can accept.
func (l *Log) Accept(ctx context.Context, table, reason string) (rows int64, err error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > maxReason {
		return 0, fault.New(fault.Invalid, "fault.ledger.reason", "an acceptance needs a reason of at most %d bytes", maxReason)
	}
	if _, err := l.table(table); err != nil {
		return 0, fault.New(fault.NotFound, "fault.ledger.table", "%w", err)
	}
	var keys []string
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		v := &verification{log: l, report: new(Report), found: func(key string) { keys = append(keys, key) }}
		if err := v.readShapes(tx); err != nil {
			return err
		}
		return v.compareTable(ctx, tx, table)
	})
	if err != nil {
		return 0, fmt.Errorf("accepting the rows of %s: %w", table, err)
	}
	if len(keys) == 0 {
		return 0, nil
	}
	rows = int64(len(keys))
	err = l.db.Write(ctx, func(tx *db.Tx) error { // first the reason: rows that were accepted always have one
		id := db.NewID()
		_, err := tx.Exec(`INSERT INTO ledger_acceptance (id, tbl, reason, rows) VALUES ($1, $2, $3, $4)`, id, table, reason, rows)
		if err != nil {
			return err
		}
		return l.Append(tx, Entry{Table: "ledger_acceptance", Key: id, Action: "create"})
	})
	for len(keys) > 0 && err == nil {
		some := keys[:min(len(keys), adoptBatch)]
		keys = keys[len(some):]
		err = l.db.Write(ctx, func(tx *db.Tx) error {
			entries := make([]Entry, len(some))
			for i, key := range some {
				entries[i] = Entry{Table: table, Key: key, Action: "accept"}
			}
			return l.Append(tx, entries...)
		})
	}
	if err != nil {
		return 0, fmt.Errorf("accepting the rows of %s: %w", table, err)
	}
	return rows, nil
}
