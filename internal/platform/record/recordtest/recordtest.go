// Package recordtest opens a store of records for tests, with a kind to try things on and people to do them.
package recordtest

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
)

// Open makes a store in d with the kinds, whose tables are made by the statements.
func Open(t testing.TB, d *db.DB, tables string, kinds ...*record.Kind) *record.Store {
	t.Helper()
	ctx := t.Context()
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")})
	if err == nil {
		err = d.Migrate(ctx, "record", record.Migrations())
	}
	if err == nil {
		err = d.Write(ctx, func(tx *db.Tx) error {
			for statement := range strings.SplitSeq(tables, ";") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	all := record.Tables()
	for _, k := range kinds {
		all = append(all, k.Ledger())
	}
	if err := log.Track(ctx, all...); err != nil {
		t.Fatal(err)
	}
	store := record.New(record.Options{DB: d, Ledger: log, People: people{}})
	for _, k := range kinds {
		if err := store.Register(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// Columns are those that every kind's table has, for its CREATE TABLE.
const Columns = `id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, unit TEXT NOT NULL, due BIGINT NOT NULL,
	tags TEXT NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL,
	version BIGINT NOT NULL, deleted_at BIGINT NOT NULL, deleted_by TEXT NOT NULL, deleted_why TEXT NOT NULL`

// Somebody is a person with permissions.
func Somebody(id string, permissions ...string) *auth.User {
	return &auth.User{ID: id, Name: id, Session: true, Allowed: func(p string) bool { return slices.Contains(permissions, p) }}
}

// As is a context in which somebody acts.
func As(ctx context.Context, who *auth.User) context.Context { return db.WithActor(ctx, who.ID) }

// people are aoki, baba and chiba, in the units tokyo, and shibuya below it.
type people struct{}

func (people) PersonID(_ context.Context, text string) (string, error) {
	id, _, _ := strings.Cut(strings.ToLower(text), "@")
	if slices.Contains([]string{"aoki", "baba", "chiba"}, id) {
		return id, nil
	}
	return "", fault.New(fault.Invalid, "record.fault.person", "nobody is called %q", text)
}

func (people) UnitID(_ context.Context, text string) (string, error) {
	if slices.Contains([]string{"tokyo", "shibuya"}, text) {
		return text, nil
	}
	return "", fault.New(fault.Invalid, "record.fault.unit", "no unit is called %q", text)
}

func (people) Below(_ context.Context, unit string) ([]string, error) {
	if unit == "tokyo" {
		return []string{"shibuya"}, nil
	}
	return nil, nil
}
