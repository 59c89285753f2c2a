// Package recordtest opens a store of records for tests, with a kind to try things on and people to do them.
package recordtest

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/calendar"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
)

// Open makes a store in d with the kinds, whose tables are made by the statements.
func Open(t testing.TB, d *db.DB, tables string, kinds ...*record.Kind) *record.Store {
	t.Helper()
	return OpenIn(t, d, filepath.Join(t.TempDir(), "blobs"), tables, kinds...)
}

// OpenIn is Open with the folder of the files that are attached.
func OpenIn(t testing.TB, d *db.DB, files, tables string, kinds ...*record.Kind) *record.Store {
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
	blobs, err := blob.Open(blob.Options{Dir: files})
	if err != nil {
		t.Fatal(err)
	}
	store := record.New(record.Options{DB: d, Ledger: log, People: people{}, Blobs: blobs, MaxFile: MaxFile, KeepRemoved: KeepRemoved, Calendar: calendar.Japan()})
	for _, k := range kinds {
		if err := store.Register(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// The settings of the store: small, so that tests reach them.
const (
	MaxFile     = 1 << 20
	KeepRemoved = 24 * time.Hour
)

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

// people are aoki, baba and chiba, in the units tokyo, and shibuya below it; and the visitors of package webtest. What they may do by
// themselves, when nobody signed in is asked: aoki and the administrators everything, baba reading and writing, chiba and the reader
// reading, others nothing.
type people struct{}

// People are those whom the store of Open knows.
func People() record.People { return people{} }

func (people) Someone(_ *db.Tx, id string) (*auth.User, error) {
	may, known := map[string]func(string) bool{
		"aoki": func(string) bool { return true }, "admin": func(string) bool { return true }, "stale": func(string) bool { return true },
		"baba":  func(p string) bool { return strings.HasSuffix(p, ".read") || strings.HasSuffix(p, ".write") },
		"chiba": func(p string) bool { return strings.HasSuffix(p, ".read") }, "reader": func(p string) bool { return strings.HasSuffix(p, ".read") },
		"nobody": func(string) bool { return false },
	}[id]
	if !known {
		return nil, fault.New(fault.NotFound, "fault.person.not_found", "nobody is called %q", id)
	}
	return &auth.User{ID: id, Name: id, Session: true, Allowed: may}, nil
}

func (p people) Called(tx *db.Tx, text string) (string, error) {
	id, domain, full := strings.Cut(strings.ToLower(text), "@")
	if _, err := p.Someone(tx, id); err != nil || full && domain != "example.jp" {
		return "", nil
	}
	return id, nil
}

func (people) PersonID(_ context.Context, text string) (string, error) {
	id, _, _ := strings.Cut(strings.ToLower(text), "@")
	if slices.Contains([]string{"aoki", "baba", "chiba", "admin", "reader"}, id) {
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
