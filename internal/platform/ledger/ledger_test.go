package ledger_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
)

const thing = "-- +goose Up\nCREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, n BIGINT NOT NULL, secret BYTEA, seen BIGINT NOT NULL);"

// box is a database with a tracked table of things.
type box struct {
	*db.DB
	*ledger.Log
	t       testing.TB
	keyFile string
}

func open(t testing.TB, d *db.DB) *box {
	t.Helper()
	return openWith(t, d, filepath.Join(t.TempDir(), "ledger.key"))
}

func openWith(t testing.TB, d *db.DB, keyFile string) *box {
	t.Helper()
	if err := d.Migrate(t.Context(), "thing", fstest.MapFS{"00001_thing.sql": {Data: []byte(thing)}}); err != nil {
		t.Fatal(err)
	}
	b := &box{DB: d, t: t, keyFile: keyFile}
	b.reopen()
	return b
}

// reopened opens the ledger again and tracks nothing yet.
func reopened(t testing.TB, b *box) *ledger.Log {
	t.Helper()
	log, err := ledger.Open(t.Context(), b.DB, ledger.Options{KeyFile: b.keyFile})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func (b *box) reopen() {
	b.t.Helper()
	b.Log = reopened(b.t, b)
	if err := b.Track(b.t.Context(), ledger.Table{Name: "thing", Key: "id", Omit: []string{"seen"}}); err != nil {
		b.t.Fatal(err)
	}
}

// do runs a statement with its leaf.
func (b *box) do(key, action, query string, args ...any) {
	b.t.Helper()
	err := b.Write(db.WithActor(b.t.Context(), "tanaka"), func(tx *db.Tx) error {
		if _, err := tx.Exec(query, args...); err != nil {
			return err
		}
		return b.Append(tx, ledger.Entry{Table: "thing", Key: key, Action: action})
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) create(key string) {
	b.t.Helper()
	b.do(key, "create", `INSERT INTO thing (id, name, n, secret, seen) VALUES ($1, $2, $3, $4, 0)`, key, "名前 "+key, int64(len(key)), []byte{0, 1, 255})
}

// behind runs a statement behind the ledger's back.
func (b *box) behind(query string, args ...any) {
	b.t.Helper()
	err := b.Write(b.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// problems verifies and says what was found: "row_changed thing/a".
func (b *box) problems(elsewhere ...ledger.Checkpoint) string {
	b.t.Helper()
	report, err := b.Verify(b.t.Context(), ledger.VerifyOptions{Checkpoints: elsewhere})
	if err != nil {
		b.t.Fatal(err)
	}
	var list []string
	for _, p := range report.Problems {
		list = append(list, strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%s %s/%s", p.Kind, p.Table, p.Key), "/"), " "))
	}
	return strings.Join(list, ", ")
}

func TestAnHonestHistoryVerifies(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		if got := b.problems(); got != "" {
			t.Errorf("an empty ledger: %s", got)
		}
		for i := range 70 {
			b.create(fmt.Sprint("k", i))
		}
		b.do("k3", "rename", `UPDATE thing SET name = 'x' WHERE id = 'k3'`)
		b.do("k4", "delete", `DELETE FROM thing WHERE id = 'k4'`)
		b.behind(`UPDATE thing SET seen = 12 WHERE id = 'k5'`) // no leaf covers it
		b.reopen()
		b.create("after")
		report, err := b.Verify(t.Context(), ledger.VerifyOptions{})
		if err != nil || !report.OK() || report.Leaves != 74 || report.Rows != 70+1 || report.Head.Size != 74 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

func TestWhatIsDoneBehindItsBackIsNamed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, query, want string }{
		{"a value changed", `UPDATE thing SET n = n + 1 WHERE id = 'k1'`, "row_changed thing/k1"},
		{"bytes changed", `UPDATE thing SET secret = NULL WHERE id = 'k2'`, "row_changed thing/k2"},
		{"a row removed", `DELETE FROM thing WHERE id = 'k3'`, "row_removed thing/k3"},
		{"a row inserted", `INSERT INTO thing (id, name, n, seen) VALUES ('new', '', 0, 0)`, "row_inserted thing/new"},
		{"a deleted row is back", `INSERT INTO thing (id, name, n, seen) VALUES ('gone', '', 0, 0)`, "row_inserted thing/gone"},
		{"a leaf's actor changed", `UPDATE ledger_leaf SET actor = 'suzuki' WHERE idx = 2`, "leaf_changed thing/k1"},
		{"a leaf's time changed", `UPDATE ledger_leaf SET at = at + 1 WHERE idx = 1`, "leaf_changed thing/k0"},
		{"a leaf's number changed to a huge one", `UPDATE ledger_leaf SET idx = 9000000000000000000 WHERE idx = 4`, "leaf_unsigned"},
		{"a leaf's number changed to a negative one", `UPDATE ledger_leaf SET idx = -4 WHERE idx = 4`, "leaf_missing"},
		{"a leaf's record changed", `UPDATE ledger_leaf SET rec = 'k9' WHERE idx = 1`, "row_inserted thing/k0"},
		{"a nonce changed", `UPDATE ledger_leaf SET nonce = $1 WHERE idx = 5`, "row_changed thing/k4"},
		{"an erased nonce is back", `UPDATE ledger_leaf SET nonce = $1 WHERE idx = 9`, "leaf_changed thing/gone"},
		{"the last leaves removed", `DELETE FROM ledger_leaf WHERE idx >= 10`, "row_removed thing/gone"},
		{"a leaf in the middle removed", `DELETE FROM ledger_leaf WHERE idx = 1`, "row_inserted thing/k0"},
		{"a leaf before the first", `UPDATE ledger_leaf SET idx = -1 WHERE idx = 0`, "leaf_unsigned"},
		{"a leaf's action emptied", `UPDATE ledger_leaf SET action = '' WHERE idx = 3`, "leaf_changed thing/k2"},
		{"a leaf's digest emptied, as of a deleted row", `UPDATE ledger_leaf SET digest = '' WHERE idx = 3`, "leaf_changed thing/k2"},
		{"the leaves of two rows swapped", `UPDATE ledger_leaf SET rec = CASE rec WHEN 'k1' THEN 'k2' ELSE 'k1' END WHERE rec IN ('k1', 'k2')`, "row_changed thing/k1"},
		{"the contents of two rows swapped", `UPDATE thing SET name = CASE id WHEN 'k1' THEN '名前 k2' ELSE '名前 k1' END WHERE id IN ('k1', 'k2')`, "row_changed thing/k2"},
		{"a table emptied", `DELETE FROM thing`, "row_removed thing/k7"},
		{"all leaves removed", `DELETE FROM ledger_leaf`, "row_inserted thing/k7"},
		{"a row under another key", `UPDATE thing SET id = 'K1' WHERE id = 'k1'`, "row_inserted thing/K1"},
		{"the signed head of an earlier state", `UPDATE ledger_head SET size = 11, note = (SELECT note FROM ledger_checkpoint)`, "leaf_unsigned"},
		{"the head of an earlier state, its tail cut off", `DELETE FROM ledger_leaf WHERE idx >= (SELECT size FROM ledger_checkpoint)`, "leaf_missing"},
		{"a checkpoint kept as one of another size", `UPDATE ledger_checkpoint SET size = 3`, "checkpoint_lost"},
		{"upper hashes that nothing asked for", `INSERT INTO ledger_tile (level, n, hashes) VALUES (3, 0, $1)`, "hash_changed"},
		{"hashes of leaves changed", `UPDATE ledger_tile SET hashes = $1 WHERE level = 0`, "hash_changed thing/k0"},
		{"hashes of leaves removed", `DELETE FROM ledger_tile WHERE level = 0`, "hash_changed thing/k0"},
		{"the head forged", `UPDATE ledger_head SET note = 'x'`, "head_wrong"},
		{"the head's size changed", `UPDATE ledger_head SET size = 7`, "head_wrong"},
		{"the head removed", `DELETE FROM ledger_head`, "head_wrong"},
		{"a checkpoint forged", `UPDATE ledger_checkpoint SET note = 'x'`, "checkpoint_lost"},
		{"a checkpoint's time changed", `UPDATE ledger_checkpoint SET at = at + 1`, "row_changed ledger_checkpoint/11"},
		{"a checkpoint removed", `DELETE FROM ledger_checkpoint`, "row_removed ledger_checkpoint/11"},
		{"the columns of a shape changed", `UPDATE ledger_shape SET columns = 'id'`, "shape_changed"},
		{"the mark of a tracked table removed", `DELETE FROM ledger_table`, "row_removed ledger_table/thing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				b := open(t, d)
				for i := range 8 {
					b.create(fmt.Sprint("k", i))
				}
				b.create("gone")
				b.do("gone", "delete", `DELETE FROM thing WHERE id = 'gone'`)
				if _, err := b.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				var args []any
				if strings.Contains(row.query, "$1") {
					args = append(args, make([]byte, 32))
				}
				b.behind(row.query, args...)
				if got := b.problems(); !strings.Contains(got, row.want) {
					t.Errorf("found %q, want %q", got, row.want)
				}
			})
		})
	}
}

func TestARolledBackDatabaseIsFoundByACheckpointKeptElsewhere(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t))
	b.create("a")
	early, err := b.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.create("b")
	late, err := b.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.problems(early, late); got != "" {
		t.Errorf("its own checkpoints: %s", got)
	}
	// Somebody with the database and the key makes another history, every signature right.
	other := openWith(t, dbtest.New(t), b.keyFile)
	other.create("a")
	if got := other.problems(late); got != "checkpoint_lost" {
		t.Errorf("a shorter history: %q", got)
	}
	other.create("b")
	if got := other.problems(late); got != "checkpoint_lost" {
		t.Errorf("another history: %q", got)
	}
	if got := other.problems(); got != "" {
		t.Errorf("and without it nobody knows: %q", got)
	}
}
