package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
)

// keysOf lists the tables that one change must not go unnoticed in, with what names a row.
func keysOf() map[string][]string {
	return map[string][]string{
		"thing":               {"id"},
		"ledger_leaf":         {"idx"},
		"ledger_shape":        {"id"},
		"ledger_tile":         {"level", "n"},
		"ledger_head":         {"id"},
		"ledger_checkpoint":   {"id"},
		"ledger_table":        {"name"},
		"ledger_verification": {"id"},
		"ledger_acceptance":   {"id"},
	}
}

// history does honest things at random.
func history(r *rapid.T, b *box, there map[string]bool) {
	for range rapid.IntRange(1, 12).Draw(r, "changes") {
		key := fmt.Sprint("k", rapid.IntRange(0, 20).Draw(r, "key"))
		switch kind := rapid.IntRange(0, 9).Draw(r, "kind"); {
		case !there[key]:
			b.create(key)
			there[key] = true
		case kind < 2:
			b.do(key, "delete", `DELETE FROM thing WHERE id = $1`, key)
			there[key] = false
		case kind == 2:
			b.behind(`UPDATE thing SET seen = seen + 1 WHERE id = $1`, key) // which no leaf covers
		case kind == 3:
			if _, err := b.Checkpoint(b.t.Context()); err != nil {
				r.Fatal(err)
			}
		case kind == 4:
			b.reopen()
		default:
			secret := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "secret")
			b.do(key, "update", `UPDATE thing SET name = $1, n = $2, secret = $3 WHERE id = $4`, rapid.StringOf(rapid.Rune().Filter(func(c rune) bool { return c != 0 })).Draw(r, "name"), rapid.Int64().Draw(r, "n"), secret, key)
		}
	}
}

func TestHonestHistoriesVerify(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b, there := open(t, d), make(map[string]bool)
		rapid.Check(t, func(r *rapid.T) {
			history(r, b, there)
			if got := b.problems(); got != "" {
				r.Error(got)
			}
		})
	})
}

// TestAnySingleChangeIsFound changes one value, removes one row or copies one, anywhere in the ledger's tables and in a tracked one.
func TestAnySingleChangeIsFound(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		for n := range 40 { // more than a tile
			b.create(fmt.Sprint("k", n))
		}
		b.do("k1", "update", `UPDATE thing SET n = 5 WHERE id = 'k1'`)
		b.do("k2", "delete", `DELETE FROM thing WHERE id = 'k2'`)
		if _, err := b.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.VerifyAndKeep(t.Context(), ledger.VerifyOptions{}); err != nil {
			t.Fatal(err)
		}
		b.behind(`UPDATE thing SET n = 6 WHERE id = 'k3'`)
		if _, err := b.Accept(t.Context(), "thing", "a correction by hand"); err != nil {
			t.Fatal(err)
		}
		tables := rapid.SampledFrom(slices.Sorted(maps.Keys(keysOf())))
		rapid.Check(t, func(r *rapid.T) {
			table := tables.Draw(r, "table")
			columns, rows := b.rows(table)
			old := rows[rapid.IntRange(0, len(rows)-1).Draw(r, "row")]
			changed := slices.Clone(old)
			at := rapid.IntRange(0, len(columns)-1).Draw(r, "column")
			if table == "thing" && columns[at] == "seen" {
				return // no leaf covers it
			}
			what := rapid.SampledFrom([]string{"value", "value", "value", "row removed", "row copied"}).Draw(r, "what")
			switch what {
			case "value":
				if changed[at] = other(r, old[at]); changed[at] == nil {
					return
				}
				b.delete(table, columns, old)
				if !b.insert(table, columns, changed) {
					changed = nil // no such row can be: another has its key
				}
			case "row removed":
				b.delete(table, columns, old)
				changed = nil
			case "row copied":
				for i, c := range columns {
					if slices.Contains(keysOf()[table], c) {
						changed[i] = other(r, old[i])
					}
				}
				if !b.insert(table, columns, changed) {
					return
				}
			}
			got := b.problems()
			if got == "" {
				r.Errorf("%s in %s, column %s: %v became %v, and nothing was found", what, table, columns[at], old, changed)
			}
			if changed != nil {
				b.delete(table, columns, changed)
			}
			if what != "row copied" {
				if !b.insert(table, columns, old) {
					r.Fatalf("%v cannot be put back", old)
				}
			}
			if got := b.problems(); got != "" {
				r.Fatalf("put back, and still: %s", got)
			}
		})
	})
}

// other is a value that differs a little.
func other(r *rapid.T, value any) any {
	switch v := value.(type) {
	case int64:
		return v + rapid.SampledFrom([]int64{-1, 1, 1 << 40}).Draw(r, "by")
	case string:
		at := rapid.IntRange(0, len(v)).Draw(r, "at")
		for at > 0 && at < len(v) && v[at]&0xc0 == 0x80 {
			at-- // at the beginning of a character
		}
		if rapid.Bool().Draw(r, "insert") || at == len(v) {
			return v[:at] + rapid.SampledFrom([]string{"x", " ", "長", "\n"}).Draw(r, "text") + v[at:]
		}
		_, rest, _ := strings.Cut(v[at:], string([]rune(v[at:])[0]))
		return v[:at] + rest
	case []byte:
		changed := slices.Clone(v)
		if len(changed) == 0 || rapid.Bool().Draw(r, "longer") {
			return append(changed, 0)
		}
		changed[rapid.IntRange(0, len(changed)-1).Draw(r, "at")] ^= byte(rapid.IntRange(1, 255).Draw(r, "by"))
		return changed
	}
	return nil
}

func (b *box) rows(table string) (columns []string, list [][]any) {
	b.t.Helper()
	err := b.Read(b.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT * FROM ` + table)
		if err != nil {
			return err
		}
		defer rows.Close()
		if columns, err = rows.Columns(); err != nil {
			return err
		}
		for rows.Next() {
			values := make([]any, len(columns))
			dest := make([]any, len(columns))
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
			list = append(list, values)
		}
		return rows.Err()
	})
	if err != nil || len(list) == 0 {
		b.t.Fatalf("%s: %d rows, %v", table, len(list), err)
	}
	return columns, list
}

func (b *box) delete(table string, columns []string, row []any) {
	b.t.Helper()
	w := new(db.Where)
	for i, c := range columns {
		if slices.Contains(keysOf()[table], c) {
			w.And(c+" = ?", row[i])
		}
	}
	b.behind(`DELETE FROM `+table+w.String(), w.Args()...)
}

// insert reports whether the row could be inserted.
func (b *box) insert(table string, columns []string, row []any) bool {
	b.t.Helper()
	marks := make([]string, len(row))
	for i := range row {
		marks[i] = fmt.Sprint("$", i+1)
	}
	return b.Write(b.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO `+table+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, row...)
		return err
	}) == nil
}
