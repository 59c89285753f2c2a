package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
)

// TestMigrationsOfTrackedTables changes the columns of a table whose rows have leaves, one of them tampered with before: honest rows stay
// honest, and the other is named until an administrator accepts it.
func TestMigrationsOfTrackedTables(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, statement, found string }{
		{"a column added", `ALTER TABLE thing ADD COLUMN more TEXT NOT NULL DEFAULT ''`, "row_changed thing/k1"},
		{"a column removed", `ALTER TABLE thing DROP COLUMN secret`, "rows_unchecked thing"},
		{"a column renamed", `ALTER TABLE thing RENAME COLUMN name TO label`, "rows_unchecked thing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachPlace(t, func(t *testing.T, place string) {
				d := openPlace(t, place)
				b := open(t, d)
				for n := range 4 {
					b.create(fmt.Sprint("k", n))
				}
				b.behind(`UPDATE thing SET n = 99 WHERE id = 'k1'`)
				b.behind(row.statement)
				if err := d.Close(); err != nil { // migrations come with another program
					t.Fatal(err)
				}
				b.DB = openPlace(t, place)
				t.Cleanup(func() { _ = b.DB.Close() })
				for range 2 { // and not at the second start either
					b.reopen()
					if got := b.problems(); got != row.found {
						t.Errorf("found %q, want %q", got, row.found)
					}
				}
				b.do("k2", "update", `UPDATE thing SET n = 7 WHERE id = 'k2'`) // goes on with the new columns
				if _, err := b.Accept(t.Context(), "thing", " "); !fault.Is(err, fault.Invalid) {
					t.Errorf("without a reason: %v", err)
				}
				if rows, err := b.Accept(t.Context(), "thing", "looked at, ticket 12"); err != nil || rows == 0 {
					t.Errorf("%d rows, %v", rows, err)
				}
				if got := b.problems(); got != "" {
					t.Errorf("after it was accepted: %s", got)
				}
				b.behind(`UPDATE thing SET n = 100 WHERE id = 'k3'`)
				if got := b.problems(); got != "row_changed thing/k3" {
					t.Errorf("and later: %q", got)
				}
			})
		})
	}
}

func TestRowsAreAdoptedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d) // the table is tracked, and has no row yet
		b.behind(`INSERT INTO thing (id, name, n, seen) VALUES ('slipped in', '', 0, 0)`)
		b.reopen()
		if got := b.problems(); got != "row_inserted thing/slipped in" {
			t.Errorf("found %q", got)
		}
		b.behind(`DELETE FROM ledger_table`) // so that it looks as if it had never been tracked
		b.reopen()
		if got := b.problems(); !strings.Contains(got, "row_inserted thing/slipped in") {
			t.Errorf("found %q", got)
		}
	})
}

func TestATableThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		b.create("k")
		b.Log = reopened(t, b) // by a program that does not know the table
		if got := b.problems(); got != "table_lost thing" {
			t.Errorf("found %q", got)
		}
	})
}

// TestNothingIsSignedOnTopOfWhatWasChanged changes stored hashes while the program is stopped.
func TestNothingIsSignedOnTopOfWhatWasChanged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		b.create("k")
		b.behind(`UPDATE ledger_tile SET hashes = $1`, make([]byte, 64))
		b.reopen()
		if _, err := b.Checkpoint(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a checkpoint of it: %v", err)
		}
	})
}
