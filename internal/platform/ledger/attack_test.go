package ledger_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
)

// kept is what somebody with the database copied from a table, to put it back later.
type kept struct {
	table   string
	columns []string
	rows    [][]any
}

// copyOf copies the rows of a table that a condition chooses.
func (b *box) copyOf(table, condition string, args ...any) kept {
	b.t.Helper()
	k := kept{table: table}
	err := b.Read(b.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT * FROM `+table+` WHERE `+condition, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if k.columns, err = rows.Columns(); err != nil {
			return err
		}
		for rows.Next() {
			values, dest := make([]any, len(k.columns)), make([]any, len(k.columns))
			for i := range values {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			for i, value := range values {
				if empty, ok := value.([]byte); ok && len(empty) == 0 {
					values[i] = []byte{} // and not null, as it would be written
				}
			}
			k.rows = append(k.rows, values)
		}
		return rows.Err()
	})
	if err != nil || len(k.rows) == 0 {
		b.t.Fatalf("%s: %d rows, %v", table, len(k.rows), err)
	}
	return k
}

// followed is leaves as they are once others of their records follow: without nonces.
func (k kept) followed() kept {
	for _, row := range k.rows {
		row[slices.Index(k.columns, "nonce")] = []byte{}
	}
	return k
}

// forged is what a leaf says that covers one column alone.
func forged(column, value string, nonce []byte) (shape, digest string) {
	var b []byte
	part := func(text string) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
		b = append(b, text...)
	}
	part(string(nonce))
	part(column)
	part("s")
	part(value)
	sum, name := sha256.Sum256(b), sha256.Sum256([]byte(column))
	return hex.EncodeToString(name[:6]), hex.EncodeToString(sum[:])
}

// putBack writes the rows again.
func (b *box) putBack(k kept) {
	b.t.Helper()
	for _, row := range k.rows {
		if !b.insert(k.table, k.columns, row) {
			b.t.Fatalf("%s: a row could not be put back", k.table)
		}
	}
}

// TestNoRestartSignsWhatSomebodySlippedIn has somebody with the database and without the key make the program itself sign their rows:
// they hide or change leaves, so that the next start takes the rows for some that were there before the ledger, and put the leaves back.
func TestNoRestartSignsWhatSomebodySlippedIn(t *testing.T) {
	t.Parallel()
	const slip = `INSERT INTO thing (id, name, n, seen) VALUES ('slipped-in', '', 0, 0)`
	for _, one := range []struct {
		name    string
		want    string
		restart func(b *box)
	}{
		{"the leaf of the tracked table hidden", "row_inserted thing/slipped-in", func(b *box) {
			mark := b.copyOf("ledger_leaf", `tbl = 'ledger_table' AND rec = 'thing'`).followed()
			b.behind(slip)
			b.behind(`DELETE FROM ledger_leaf WHERE tbl = 'ledger_table' AND rec = 'thing'`)
			b.reopen()
			b.putBack(mark)
		}},
		{"the leaf of the tracked table renamed", "row_inserted thing/slipped-in", func(b *box) {
			b.behind(slip)
			b.behind(`UPDATE ledger_leaf SET rec = 'thong' WHERE tbl = 'ledger_table' AND rec = 'thing'`)
			b.reopen()
			b.behind(`UPDATE ledger_leaf SET rec = 'thing', nonce = $1 WHERE tbl = 'ledger_table' AND rec = 'thong'`, []byte{})
		}},
		{"a leaf made to fit a changed row", "row_changed thing/k1", func(b *box) {
			leaf := b.copyOf("ledger_leaf", `tbl = 'thing' AND rec = 'k1'`).followed()
			nonce := []byte("0123456789abcdef")
			shape, digest := forged("id", "k1", nonce)
			b.behind(`UPDATE thing SET n = 99 WHERE id = 'k1'`)
			b.behind(`INSERT INTO ledger_shape (id, columns) VALUES ($1, 'id')`, shape)
			b.behind(`UPDATE ledger_leaf SET shape = $1, digest = $2, nonce = $3 WHERE tbl = 'thing' AND rec = 'k1'`, shape, digest, nonce)
			b.behind(`UPDATE ledger_table SET shape = 'x' WHERE name = 'thing'`)
			b.reopen()
			b.behind(`DELETE FROM ledger_leaf WHERE idx = $1`, leaf.rows[0][0])
			b.behind(`DELETE FROM ledger_shape WHERE id = $1`, shape)
			b.putBack(leaf)
		}},
		{"the whole ledger wiped", "checkpoint_lost", func(b *box) {
			b.behind(slip)
			for _, table := range []string{"ledger_leaf", "ledger_tile", "ledger_head", "ledger_checkpoint", "ledger_table", "ledger_shape"} {
				b.behind(`DELETE FROM ` + table)
			}
			b.reopen()
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				b := open(t, d)
				for i := range 40 {
					b.create(fmt.Sprint("k", i))
				}
				b.keepBeside()
				one.restart(b)
				if got := b.problems(); !strings.Contains(got, one.want) {
					t.Errorf("found %q, want %q", got, one.want)
				}
			})
		})
	}
}

// keepBeside keeps a checkpoint beside the key, as the server does from time to time.
func (b *box) keepBeside() {
	b.t.Helper()
	if err := b.KeepBeside(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// TestAnEarlierStateIsFoundByTheCheckpointBesideTheKey puts the whole database back to an earlier state, every signature right, as
// somebody could who has the database and not the server's folder.
func TestAnEarlierStateIsFoundByTheCheckpointBesideTheKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		b.create("a")
		var before []kept
		tables := []string{"thing", "ledger_leaf", "ledger_tile", "ledger_head", "ledger_table", "ledger_shape"}
		for _, table := range tables {
			before = append(before, b.copyOf(table, `1 = 1`))
		}
		b.do("a", "close", `UPDATE thing SET n = 7 WHERE id = 'a'`)
		b.keepBeside()
		if got := b.problems(); got != "" {
			t.Fatalf("an honest history: %s", got)
		}
		b.behind(`DELETE FROM ledger_checkpoint`)
		for _, table := range tables {
			b.behind(`DELETE FROM ` + table)
		}
		for _, k := range before {
			b.putBack(k)
		}
		b.reopen()
		if got := b.problems(); got != "checkpoint_lost" {
			t.Errorf("found %q, want checkpoint_lost", got)
		}
		b.create("later") // work goes on, and what is beside the key stays
		b.create("and later")
		if err := b.KeepBeside(t.Context()); err == nil {
			t.Error("the checkpoint beside the key was replaced by one of another history")
		}
		if got := b.problems(); got != "checkpoint_lost" {
			t.Errorf("found %q, want checkpoint_lost", got)
		}
		beside := strings.TrimSuffix(b.keyFile, filepath.Ext(b.keyFile)) + ".checkpoint"
		if err := os.Remove(beside); err != nil { // an administrator who restored a backup
			t.Fatal(err)
		}
		b.keepBeside()
		if got := b.problems(); got != "" {
			t.Errorf("found %q after the restored state was accepted", got)
		}
	})
}
