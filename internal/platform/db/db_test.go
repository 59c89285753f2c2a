package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
)

func migrations(files ...string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for i, up := range files {
		fsys[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up)}
	}
	return fsys
}

const thing = `CREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL UNIQUE);`

// each runs a test on both engines, with a table of things.
func each(t *testing.T, test func(t *testing.T, d *db.DB)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		migrateThing(t, d)
		test(t, d)
	})
}

func open(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.NewSQLite(t, time.Now)
	migrateThing(t, d)
	return d
}

func migrateThing(t testing.TB, d *db.DB) {
	t.Helper()
	if err := d.Migrate(t.Context(), "thing", migrations(thing)); err != nil {
		t.Fatal(err)
	}
}

func insert(t *testing.T, d *db.DB, n int64) {
	t.Helper()
	if err := d.Write(t.Context(), add(n)); err != nil {
		t.Fatal(err)
	}
}

func add(n int64) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO thing (id, n) VALUES ($1, $2)`, db.NewID(), n)
		return err
	}
}

func numbers(t *testing.T, d *db.DB) []int64 {
	t.Helper()
	var list []int64
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		list, err = db.List(tx, func(s db.Scanner) (n int64, err error) { return n, s.Scan(&n) }, `SELECT n FROM thing ORDER BY n`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhatIsWrittenIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a folder, 100% odd?", "yagura.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for round := range int64(3) {
		d, err := db.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context(), "thing", migrations(thing)); err != nil {
			t.Fatal(err)
		}
		insert(t, d, round)
		if got := len(numbers(t, d)); got != int(round)+1 {
			t.Errorf("%d rows after %d rounds", got, round+1)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
}

func TestEveryConnectionIsSetUp(t *testing.T) {
	t.Parallel()
	d := open(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		ask := func(tx *db.Tx) error {
			var got string
			if err := tx.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%s is %s, want %s", pragma, got, want)
			}
			return nil
		}
		if err := errors.Join(d.Read(t.Context(), ask), d.Write(t.Context(), ask)); err != nil {
			t.Error(err)
		}
	}
}

func TestAnErrorOrAPanicUndoesAll(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		called := false
		failed := errors.New("changed my mind")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			tx.AfterCommit(func() { called = true })
			return errors.Join(add(1)(tx), failed)
		})
		if !errors.Is(err, failed) {
			t.Errorf("got %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = d.Write(t.Context(), func(tx *db.Tx) error {
				_ = add(2)(tx)
				panic("bug")
			})
		}()
		if got := numbers(t, d); len(got) != 0 || called {
			t.Errorf("left behind: %v, callback called: %v", got, called)
		}
		insert(t, d, 3) // the connection is free again
	})
}

func TestCallbacksRunInOrderOnceCommitted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		var order []int
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range 3 {
				tx.AfterCommit(func() {
					if len(numbers(t, d)) != 1 {
						t.Error("called before the commit")
					}
					order = append(order, i)
				})
			}
			return add(1)(tx)
		})
		if err != nil || fmt.Sprint(order) != "[0 1 2]" {
			t.Errorf("%v, %v", order, err)
		}
	})
}

func TestNowIsFrozenAndInMicroseconds(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 4, 1, 18, 0, 0, 123_456_789, time.FixedZone("JST", 9*3600))
	d, err := db.OpenAt(t.Context(), filepath.Join(t.TempDir(), "yagura.db"), func() time.Time {
		clock = clock.Add(time.Second)
		return clock
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		want := time.Date(2026, 4, 1, 9, 0, 1, 123_456_000, time.UTC)
		for range 2 { // and it stays
			if tx.Now() != want {
				t.Errorf("now is %v, want %v", tx.Now(), want)
			}
		}
		if got := db.Time(db.Micros(want)); got != want {
			t.Errorf("stored and read: %v", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestErrorsCarryTheirCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		insert(t, d, 1)
		if err := d.Write(t.Context(), add(1)); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second of the same: %v", err)
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var id string
			return tx.QueryRow(`SELECT id FROM thing WHERE n = $1`, 99).Scan(&id)
		})
		if !fault.Is(err, fault.NotFound) || !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("none: %v", err)
		}
		if err := d.Read(t.Context(), add(5)); err == nil {
			t.Error("a reader wrote")
		}
		// A conflict inside a transaction can be answered inside it.
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			if err := tx.Try(func() error { return add(1)(tx) }); !fault.Is(err, fault.Conflict) {
				return fmt.Errorf("inside: %w", err)
			}
			return add(2)(tx)
		})
		if err != nil || len(numbers(t, d)) != 2 {
			t.Errorf("%v, %v", numbers(t, d), err)
		}
	})
}

// TestReadersWaitForNobody holds a write transaction open while readers go on and see the state before it.
func TestReadersWaitForNobody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		insert(t, d, 1)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := add(2)(tx); err != nil {
				return err
			}
			var readers sync.WaitGroup
			for range 16 {
				readers.Go(func() {
					if got := numbers(t, d); len(got) != 1 {
						t.Errorf("a reader sees what is not committed: %v", got)
					}
				})
			}
			readers.Wait()
			return nil
		})
		if err != nil || len(numbers(t, d)) != 2 {
			t.Errorf("afterwards: %v, %v", numbers(t, d), err)
		}
	})
}

// TestAReaderSeesOneMoment counts twice in one transaction while others write in between.
func TestAReaderSeesOneMoment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		ctx, stop := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for w := range int64(4) { // writers queue for the one connection
			work.Go(func() {
				for n := w; ctx.Err() == nil; n += 4 {
					if err := d.Write(t.Context(), add(n)); err != nil {
						t.Errorf("writing %d: %v", n, err)
					}
				}
			})
		}
		count := func(tx *db.Tx) (n int) {
			if err := tx.QueryRow(`SELECT COUNT(*) FROM thing`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		last := 0
		for last < 200 {
			err := d.Read(t.Context(), func(tx *db.Tx) error {
				first := count(tx)
				time.Sleep(time.Millisecond)
				if second := count(tx); second != first {
					t.Errorf("%d rows, then %d in the same transaction", first, second)
				}
				last = max(last, first)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		stop()
		work.Wait()
	})
}

func TestTwoProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "yagura.db")
	var both [2]*db.DB
	for i := range both {
		d, err := db.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Migrate(t.Context(), "thing", migrations(thing)); err != nil {
			t.Fatal(err)
		}
		both[i] = d
	}
	var work sync.WaitGroup
	for i, d := range both {
		work.Go(func() {
			for n := range int64(50) {
				if err := d.Write(t.Context(), add(n*2+int64(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if got := len(numbers(t, both[0])); got != 100 {
		t.Errorf("%d rows, want 100", got)
	}
}

func TestMigrationsGoForwardOnlyAndByRoom(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		insert(t, d, 1)
		second := `ALTER TABLE thing ADD COLUMN note TEXT NOT NULL DEFAULT '';`
		for range 2 { // a second run changes nothing
			if err := d.Migrate(t.Context(), "thing", migrations(thing, second)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Migrate(t.Context(), "other", migrations(`CREATE TABLE other (id TEXT NOT NULL PRIMARY KEY);`)); err != nil {
			t.Errorf("another room's first: %v", err)
		}
		if err := d.Migrate(t.Context(), "empty", migrations()); err != nil {
			t.Errorf("a room without tables: %v", err)
		}
		if err := d.Migrate(t.Context(), "thing", migrations(thing)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("an older program took a newer database: %v", err)
		}
		if err := d.Migrate(t.Context(), "broken", migrations(`CREATE TABLE half (id TEXT); CREATE NONSENSE;`)); err == nil {
			t.Error("a broken migration passed")
		}
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var n int
			return tx.QueryRow(`SELECT COUNT(*) FROM half`).Scan(&n)
		})
		if err == nil {
			t.Error("half of a broken migration is left")
		}
		if got := numbers(t, d); len(got) != 1 {
			t.Errorf("rows after migrating: %v", got)
		}
	})
}

func TestACancelledWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Write(ctx, func(tx *db.Tx) error {
			defer cancel()
			return add(1)(tx)
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		insert(t, d, 2)
		if got := numbers(t, d); len(got) != 1 || got[0] != 2 {
			t.Errorf("rows: %v", got)
		}
	})
}

func BenchmarkDurableWrites(b *testing.B) {
	benchmark(b, func(b *testing.B, d *db.DB) {
		n := int64(0)
		for b.Loop() {
			n++
			if err := d.Write(b.Context(), add(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkShortReads(b *testing.B) {
	benchmark(b, func(b *testing.B, d *db.DB) {
		if err := d.Write(b.Context(), add(7)); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			err := d.Read(b.Context(), func(tx *db.Tx) error {
				var id string
				return tx.QueryRow(`SELECT id FROM thing WHERE n = $1`, 7).Scan(&id)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmark(b *testing.B, run func(b *testing.B, d *db.DB)) {
	for name, open := range map[string]func(testing.TB) *db.DB{
		"sqlite":   func(t testing.TB) *db.DB { return dbtest.NewSQLite(t, time.Now) },
		"postgres": func(t testing.TB) *db.DB { return dbtest.NewPostgres(t, time.Now) },
	} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			migrateThing(b, d)
			run(b, d)
		})
	}
}

func TestWhatFailedInATryIsUndoneAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		insert(t, d, 1)
		called := 0
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			failed := tx.Try(func() error {
				tx.AfterCommit(func() { called += 100 })
				return errors.Join(add(5)(tx), add(1)(tx)) // 5 is new, 1 is there
			})
			if !fault.Is(failed, fault.Conflict) {
				return fmt.Errorf("the try: %w", failed)
			}
			return tx.Try(func() error {
				tx.AfterCommit(func() { called++ })
				return add(2)(tx)
			})
		})
		if got := numbers(t, d); err != nil || fmt.Sprint(got) != "[1 2]" || called != 1 {
			t.Errorf("%v, %v, callbacks %d", got, err, called)
		}
	})
}

func TestATryInsideATryGoesWithTheOuterOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_ = tx.Try(func() error {
				if err := add(1)(tx); err != nil {
					return err
				}
				_ = tx.Try(func() error { return errors.New("inner") })
				return errors.New("outer")
			})
			return nil
		})
		if got := numbers(t, d); err != nil || len(got) != 0 {
			t.Errorf("%v; what the outer one did stayed: %v", err, got)
		}
	})
}

// TestReadersWaitForNoQueueOfWriters has many writers wait for one that does not end before the reader has read.
func TestReadersWaitForNoQueueOfWriters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		var writers sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		err := d.Write(t.Context(), func(*db.Tx) error {
			for n := range int64(40) {
				writers.Go(func() { _ = d.Write(ctx, add(n)) })
			}
			for range 20 { // whether they queue yet or not
				_ = numbers(t, d)
			}
			return nil
		})
		stop()
		writers.Wait()
		if err != nil {
			t.Error(err)
		}
	})
}

func TestATransactionKnowsWhoMakesIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		for want, ctx := range map[string]context.Context{"system": t.Context(), "tanaka": db.WithActor(t.Context(), "tanaka")} {
			if err := d.Write(ctx, func(tx *db.Tx) error {
				if tx.Actor() != want {
					t.Errorf("made by %q, want %q", tx.Actor(), want)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTextsSortByTheirBytes holds what pages of lists rest on.
func TestTextsSortByTheirBytes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.Migrate(t.Context(), "word", migrations(`CREATE TABLE word (w TEXT NOT NULL PRIMARY KEY, b BYTEA);`)); err != nil {
			t.Fatal(err)
		}
		words := []string{"", "A", "Z", "_", "a", "b", "é", "あ", "ア", "亜", "𠮷"}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, w := range slices.Backward(words) {
				if _, err := tx.Exec(`INSERT INTO word (w, b) VALUES ($1, $2)`, w, []byte{0, 0xff, byte(len(w))}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			got, err := db.List(tx, func(s db.Scanner) (w string, err error) {
				var b []byte
				err = s.Scan(&w, &b)
				if err == nil && (len(b) != 3 || b[2] != byte(len(w))) {
					err = fmt.Errorf("the bytes of %q read %v", w, b)
				}
				return w, err
			}, `SELECT w, b FROM word ORDER BY w`)
			if !slices.Equal(got, words) {
				t.Errorf("in the order %q, want %q", got, words)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestManyPeopleAtOnce has 200 do ordinary work at the same time: each reads, writes and reads again.
func TestManyPeopleAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		const people, rounds = 200, 5
		var crowd sync.WaitGroup
		for p := range int64(people) {
			crowd.Go(func() {
				for round := range int64(rounds) {
					n := p*rounds + round
					if err := d.Write(t.Context(), add(n)); err != nil {
						t.Errorf("person %d: %v", p, err)
						return
					}
					err := d.Read(t.Context(), func(tx *db.Tx) error {
						var id string
						return tx.QueryRow(`SELECT id FROM thing WHERE n = $1`, n).Scan(&id)
					})
					if err != nil {
						t.Errorf("person %d does not see what they wrote: %v", p, err)
						return
					}
				}
			})
		}
		crowd.Wait()
		if got := len(numbers(t, d)); got != people*rounds {
			t.Errorf("%d rows, want %d", got, people*rounds)
		}
	})
}
