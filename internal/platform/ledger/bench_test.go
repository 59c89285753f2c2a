package ledger_test

import (
	"fmt"
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

// BenchmarkVerify verifies a ledger of 100,000 leaves, each of a row of its own.
func BenchmarkVerify(b *testing.B) {
	x := open(b, dbtest.New(b))
	const leaves = 100_000
	for n := 0; n < leaves; n += 1000 {
		x.fill(n, n+1000, true)
	}
	for b.Loop() {
		if got := x.problems(); got != "" {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/leaves, "µs/leaf")
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
