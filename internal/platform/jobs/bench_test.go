package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/jobs"
)

// eachEngine runs a benchmark on a fresh database of each engine.
func eachEngine(b *testing.B, run func(b *testing.B, d *db.DB)) {
	b.Helper()
	for name, engine := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		b.Run(name, func(b *testing.B) { run(b, engine(b, time.Now)) })
	}
}

// batched runs fn n times, a hundred in a transaction.
func batched(b *testing.B, d *db.DB, n int, fn func(tx *db.Tx, i int) error) {
	b.Helper()
	for from := 0; from < n; from += 100 {
		err := d.Write(b.Context(), func(tx *db.Tx) error {
			for i := from; i < min(from+100, n); i++ {
				if err := fn(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// bareTable is the least that a job could be kept in.
func bareTable(b *testing.B, d *db.DB) {
	b.Helper()
	err := d.Write(b.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`CREATE TABLE bare (id TEXT NOT NULL PRIMARY KEY, payload TEXT NOT NULL, state TEXT NOT NULL)`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func bareInsert(tx *db.Tx, _ int) error {
	_, err := tx.Exec(`INSERT INTO bare (id, payload, state) VALUES ($1, '{"Colour":"red"}', 'waiting')`, db.NewID())
	return err
}

func perSecond(b *testing.B, n int, what string) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what)
}

// BenchmarkAdd adds jobs, a hundred in a transaction, beside bare inserts.
func BenchmarkAdd(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		eachEngine(b, func(b *testing.B, d *db.DB) {
			bareTable(b, d)
			b.ResetTimer()
			batched(b, d, b.N, bareInsert)
			perSecond(b, b.N, "rows/s")
		})
	})
	b.Run("job", func(b *testing.B) {
		eachEngine(b, func(b *testing.B, d *db.DB) {
			q := benchQueue(b, d, nil)
			b.ResetTimer()
			batched(b, d, b.N, func(tx *db.Tx, _ int) error {
				_, err := q.Add(tx, "box.paint", paint{"red"})
				return err
			})
			perSecond(b, b.N, "jobs/s")
		})
	})
}

// BenchmarkWork works off jobs that do nothing, 16 at a time, beside two bare updates of a row each in transactions of 16: what a claim and
// a settlement are at least.
func BenchmarkWork(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		eachEngine(b, func(b *testing.B, d *db.DB) {
			bareTable(b, d)
			ids := make([]string, b.N)
			batched(b, d, b.N, func(tx *db.Tx, i int) error {
				ids[i] = db.NewID()
				_, err := tx.Exec(`INSERT INTO bare (id, payload, state) VALUES ($1, '{"Colour":"red"}', 'waiting')`, ids[i])
				return err
			})
			b.ResetTimer()
			for from := 0; from < b.N; from += 16 {
				for _, state := range []string{"running", "done"} {
					err := d.Write(b.Context(), func(tx *db.Tx) error {
						for _, id := range ids[from:min(from+16, b.N)] {
							if _, err := tx.Exec(`UPDATE bare SET state = $1 WHERE id = $2`, state, id); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			perSecond(b, b.N, "rows/s")
		})
	})
	for _, waiting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("job, %d others wait", waiting), func(b *testing.B) {
			eachEngine(b, func(b *testing.B, d *db.DB) { work(b, d, waiting) })
		})
	}
}

// work works off b.N jobs while others wait for another day.
func work(b *testing.B, d *db.DB, waiting int) {
	var left sync.WaitGroup
	q := benchQueue(b, d, left.Done)
	batched(b, d, waiting, func(tx *db.Tx, _ int) error {
		_, err := q.Add(tx, "box.paint", paint{"later"}, jobs.NotBefore(time.Now().Add(24*time.Hour)), jobs.WithPriority(jobs.High))
		return err
	})
	left.Add(b.N)
	batched(b, d, b.N, func(tx *db.Tx, _ int) error {
		_, err := q.Add(tx, "box.paint", paint{"red"})
		return err
	})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	b.ResetTimer()
	go func() { ended <- q.Run(ctx) }()
	left.Wait()
	perSecond(b, b.N, "jobs/s")
	b.StopTimer()
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

func benchQueue(b *testing.B, d *db.DB, done func()) *jobs.Queue {
	b.Helper()
	q, err := jobs.Open(b.Context(), jobs.Options{DB: d, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	jobs.Register(q, jobs.Spec{Name: "box.paint", Owner: "box", Concurrency: 16}, func(context.Context, paint) error { done(); return nil })
	return q
}

// BenchmarkPage reads what the administrators' page shows while 100,000 jobs wait, beside one row by its id.
func BenchmarkPage(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *db.DB) {
		q := benchQueue(b, d, nil)
		id := ""
		batched(b, d, 100_000, func(tx *db.Tx, i int) (err error) {
			id, err = q.Add(tx, "box.paint", paint{"later"}, jobs.NotBefore(time.Now().Add(time.Duration(i)*time.Second)))
			return err
		})
		b.Run("row", func(b *testing.B) {
			for b.Loop() {
				if _, err := q.Get(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("list", func(b *testing.B) {
			for b.Loop() {
				if page, err := q.List(b.Context(), jobs.Filter{State: jobs.Waiting, Name: "box.paint", Limit: 50}); err != nil || len(page.Items) != 50 {
					b.Fatal(err)
				}
			}
		})
		b.Run("counts", func(b *testing.B) {
			for b.Loop() {
				if _, err := q.Counts(b.Context(), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
