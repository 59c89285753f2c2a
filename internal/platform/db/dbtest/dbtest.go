// Package dbtest opens databases for tests: a fresh one each, gone afterwards.
package dbtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yagura/internal/platform/db"
)

// New opens a fresh database of the engine that the run is for.
func New(t testing.TB) *db.DB { return NewAt(t, time.Now) }

// NewAt is New with another clock.
func NewAt(t testing.TB, now func() time.Time) *db.DB {
	t.Helper()
	return open(t, Place(t), now)
}

// Place returns where a fresh database can be opened (db.Open): a file, or, where YAGURA_TEST_ENGINE is "postgres", a database of
// the server that YAGURA_POSTGRES names. So the tests of every store run once for each engine.
func Place(t testing.TB) string {
	t.Helper()
	if os.Getenv("YAGURA_TEST_ENGINE") == "postgres" {
		return PostgresURL(t)
	}
	return filepath.Join(t.TempDir(), "yagura.db")
}

func open(t testing.TB, place string, now func() time.Time) *db.DB {
	t.Helper()
	d, err := db.OpenAt(t.Context(), place, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// NewSQLite opens a fresh SQLite database.
func NewSQLite(t testing.TB, now func() time.Time) *db.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "yagura.db"), now)
}

// NewPostgres opens a fresh PostgreSQL database, or skips the test where there is no server.
func NewPostgres(t testing.TB, now func() time.Time) *db.DB {
	t.Helper()
	return open(t, PostgresURL(t), now)
}

// Each runs a test on a fresh database of each engine: SQLite, and PostgreSQL where YAGURA_POSTGRES is the URL of a server whose
// user may create databases (tools/postgres.sh starts one). In CI it must be there: a test that was skipped proves nothing.
func Each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	EachAt(t, time.Now, test)
}

// EachAt is Each with another clock.
func EachAt(t *testing.T, now func() time.Time, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, NewSQLite(t, now))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, NewPostgres(t, now))
	})
}

// PostgresURL makes a fresh PostgreSQL database, which is dropped after the test, and returns its URL.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv("YAGURA_POSTGRES")
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("YAGURA_POSTGRES is not set: run the tests through tools/postgres.sh")
		}
		t.Skip("YAGURA_POSTGRES is not set: run the tests through tools/postgres.sh")
	}
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal("YAGURA_POSTGRES is no URL")
	}
	name := "test_" + strings.ToLower(rand.Text())
	admin(t, server, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`)
	t.Cleanup(func() { admin(t, server, `DROP DATABASE `+name+` WITH (FORCE)`) })
	address.Path = "/" + name
	return address.String()
}

// admin runs a statement on the server itself.
func admin(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own context has ended at its cleanup
	defer cancel()
	connection, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close(ctx) }()
	if _, err := connection.Exec(ctx, statement); err != nil {
		t.Error(err)
	}
}
