package ledger

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
)

// Filter chooses leaves. Zero fields choose all.
type Filter struct {
	Table, Key, Actor string
	From, To          time.Time // To is not included
	Cursor            string    // of the page before
	Limit             int       // 50 where it is 0
}

// Recent returns leaves, newest first, a page at a time.
func (l *Log) Recent(ctx context.Context, f Filter) (db.Page[Leaf], error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	where := new(db.Where)
	for condition, value := range map[string]string{"tbl = ?": f.Table, "rec = ?": f.Key, "actor = ?": f.Actor} {
		if value != "" {
			where.And(condition, value)
		}
	}
	if !f.From.IsZero() {
		where.And("at >= ?", db.Micros(f.From))
	}
	if !f.To.IsZero() {
		where.And("at < ?", db.Micros(f.To))
	}
	if f.Cursor != "" {
		var before int64
		if err := db.DecodeCursor(f.Cursor, &before); err != nil {
			return db.Page[Leaf]{}, err
		}
		where.And("idx < ?", before)
	}
	var leaves []Leaf
	err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
		leaves, err = db.List(tx, scanLeaf, `SELECT `+leafColumns+` FROM ledger_leaf`+where.String()+` ORDER BY idx DESC LIMIT `+where.Next(1), where.Args(f.Limit+1)...)
		return err
	})
	if err != nil {
		return db.Page[Leaf]{}, fmt.Errorf("listing the ledger: %w", err)
	}
	return db.Paged(leaves, f.Limit, func(leaf Leaf) []any { return []any{leaf.Index} })
}

// State returns how many leaves the ledger has and its newest kept checkpoint, zero where there is none.
func (l *Log) State(ctx context.Context) (size int64, newest Checkpoint, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRow(`SELECT COALESCE(MAX(size), 0) FROM ledger_head`).Scan(&size); err != nil {
			return err
		}
		var err error
		newest, err = newestCheckpoint(tx)
		return err
	})
	if err != nil {
		return 0, Checkpoint{}, fmt.Errorf("reading the ledger's state: %w", err)
	}
	return size, newest, nil
}
