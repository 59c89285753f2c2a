// Package dbtest opens databases for tests: a fresh one each, gone afterwards.
package dbtest

import (
	"path/filepath"
	"testing"
	"time"

	"yagura/internal/platform/db"
)

// New opens a fresh SQLite database.
func New(t testing.TB) *db.DB { return NewAt(t, time.Now) }

// NewAt is New with another clock.
func NewAt(t testing.TB, now func() time.Time) *db.DB {
	t.Helper()
	d, err := db.OpenAt(t.Context(), filepath.Join(t.TempDir(), "yagura.db"), now)
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

// Each runs a test on a fresh database of each engine.
func Each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, New(t))
	})
}
