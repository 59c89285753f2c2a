package ledger_test

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
)

// BenchmarkAppend writes a row with its leaf, beside the same write without one.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 500} {
		for _, leaf := range []bool{false, true} {
			b.Run(fmt.Sprintf("rows=%d/leaf=%t", batch, leaf), func(b *testing.B) {
				x, n := open(b, dbtest.New(b)), 0
				for b.Loop() {
					n += batch
					x.fill(n-batch, n, leaf)
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/row")
			})
		}
	}
}

// BenchmarkVerify verifies a ledger whose leaves have a row each: 100,000, or as many as YAGURA_BENCH_LEAVES says. Beside it stands what
// only reading the same rows takes, without a look at them.
func BenchmarkVerify(b *testing.B) {
	leaves, err := strconv.Atoi(cmp.Or(os.Getenv("YAGURA_BENCH_LEAVES"), "100000"))
	if err != nil {
		b.Fatal(err)
	}
	x := open(b, dbtest.New(b))
	for n := 0; n < leaves; n += 1000 {
		x.fill(n, n+1000, true)
	}
	perLeaf := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(leaves), "µs/leaf")
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			x.readAll(`SELECT * FROM ledger_leaf`)
			x.readAll(`SELECT * FROM ledger_tile`)
			x.readAll(`SELECT * FROM thing`)
		}
		perLeaf(b)
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if got := x.problems(); got != "" {
				b.Fatal(got)
			}
		}
		perLeaf(b)
	})
}

// readAll reads what a query gives and forgets it.
func (b *box) readAll(query string) {
	b.t.Helper()
	err := b.Read(b.t.Context(), func(tx *db.Tx) error {
		rows, err := tx.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		dest := make([]any, len(columns))
		for i := range dest {
			dest[i] = new(any)
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) fill(from, to int, leaf bool) {
	b.t.Helper()
	err := b.Write(b.t.Context(), func(tx *db.Tx) error {
		var entries []ledger.Entry
		for n := from; n < to; n++ {
			key := fmt.Sprintf("k%08d", n)
			if _, err := tx.Exec(`INSERT INTO thing (id, name, n, seen) VALUES ($1, 'x', 1, 0)`, key); err != nil {
				return err
			}
			entries = append(entries, ledger.Entry{Table: "thing", Key: key, Action: "create"})
		}
		if !leaf {
			return nil
		}
		return b.Append(tx, entries...)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}
