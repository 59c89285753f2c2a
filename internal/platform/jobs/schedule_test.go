package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
)

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)} }

// paints waits until so many boxes were painted, and a little for one too many.
func (b *bench) paints(want int) {
	b.t.Helper()
	count := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.seen) }
	for range 1000 {
		if count() >= want {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // five times as long as a node needs to look again
	if got := count(); got != want {
		b.t.Fatalf("%d runs, want %d", got, want)
	}
}

func TestAScheduleRunsWhenItsRuleSaysAndMakesUpOnce(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock() // of this engine's test alone
			makesUpOnce(t, engine(t, c.Now), c)
		})
	}
}

func makesUpOnce(t *testing.T, d *db.DB, c *clock) {
	b := open(t, d, jobs.Spec{}, jobs.Options{})
	b.Schedule("box.nightly", jobs.MustCron("30 3 * * *", nil), "box.paint", paint{"red"})
	stop := b.run()
	b.paints(0) // a new schedule begins with its next time
	schedules, err := b.Schedules(t.Context())
	if err != nil || len(schedules) != 2 || !schedules[0].Next.Equal(time.Date(2026, 11, 25, 3, 30, 0, 0, time.UTC)) || !schedules[0].Last.IsZero() {
		t.Fatalf("%+v, %v", schedules, err)
	}
	c.add(2 * time.Hour)
	b.paints(1)
	stop()
	c.add(5 * 24 * time.Hour) // nothing ran for five nights
	b = again(t, d, b)
	b.run()
	b.paints(1)
	schedules, err = b.Schedules(t.Context())
	if err != nil || !schedules[0].Next.Equal(time.Date(2026, 12, 1, 3, 30, 0, 0, time.UTC)) || !schedules[0].Last.Equal(c.Now()) {
		t.Fatalf("%+v, %v", schedules, err)
	}
	b.until(schedules[0].LastJob, jobs.Done)
}

// again opens the queue as the next start of the server does.
func again(t *testing.T, d *db.DB, old *bench) *bench {
	t.Helper()
	b := open(t, d, jobs.Spec{}, jobs.Options{})
	b.do = old.do
	b.Schedule("box.nightly", jobs.MustCron("30 3 * * *", nil), "box.paint", paint{"red"})
	return b
}

func TestASchedulesNewRuleCounts(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := dbtest.NewSQLite(t, c.Now)
	first := open(t, d, jobs.Spec{}, jobs.Options{})
	first.Schedule("box.nightly", jobs.MustCron("30 5 * * *", nil), "box.paint", paint{"red"})
	stop := first.run()
	first.untilNext(5)
	stop()
	b := again(t, d, first)
	b.run()
	b.untilNext(3)
}

// moved is a rule that says the same of itself and means another time, as one does whose holidays have changed.
type moved struct{ at time.Time }

func (m moved) Next(time.Time) time.Time { return m.at }
func (m moved) String() string           { return "the last business day" }

func TestARunStillToComeMovesWithTheHolidays(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := dbtest.NewAt(t, c.Now)
	start := func(rule jobs.Rule) *bench {
		b := open(t, d, jobs.Spec{}, jobs.Options{})
		b.Schedule("box.monthly", rule, "box.paint", paint{"red"})
		return b
	}
	first := start(moved{c.Now().Add(5 * time.Hour)})
	stop := first.run()
	first.untilNext(7)
	stop()
	second := start(moved{c.Now().Add(3 * time.Hour)})
	stop = second.run()
	second.untilNext(5)
	stop()
	c.add(4 * time.Hour) // it was missed: it is made up, not moved on
	third := start(moved{c.Now().Add(2 * time.Hour)})
	third.run()
	third.paints(1)
	third.untilNext(8)
}

// untilNext waits for the first schedule to run next at that hour.
func (b *bench) untilNext(hour int) {
	b.t.Helper()
	for range 1000 {
		if schedules, err := b.Schedules(b.t.Context()); err == nil && !schedules[0].Next.IsZero() && schedules[0].Next.Hour() == hour {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.t.Fatalf("it does not run next at %d", hour)
}

func TestAScheduleIsRunByHand(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	b := again(t, d, &bench{do: func(context.Context, string) error { return nil }})
	ctx := db.WithActor(t.Context(), "aoki")
	if err := b.RunNow(ctx, "box.nightly"); err != nil {
		t.Fatal(err)
	}
	if err := b.RunNow(ctx, "box.nightly"); !fault.Is(err, fault.Conflict) {
		t.Errorf("while it waits: %v", err)
	}
	if err := b.RunNow(ctx, "box.daily"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown one: %v", err)
	}
	b.run()
	b.paints(1)
	var decision string
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT decision || ' ' || actor || ' ' || name FROM job_decision`).Scan(&decision)
	})
	if err != nil || decision != "run aoki box.nightly" {
		t.Errorf("%q, %v", decision, err)
	}
}

func TestWhatPeopleDecideIsInTheLedger(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: t.TempDir() + "/key"})
		if err != nil {
			t.Fatal(err)
		}
		b := open(t, d, jobs.Spec{}, jobs.Options{Ledger: log})
		if err := log.Track(t.Context(), jobs.Tables()...); err != nil {
			t.Fatal(err)
		}
		id := b.add("red", jobs.NotBefore(time.Now().Add(time.Hour)))
		ctx := db.WithActor(t.Context(), "aoki")
		for _, do := range []func(context.Context, string) error{b.Cancel, b.Retry, b.Cancel} {
			if err := do(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.RunNow(ctx, "jobs.sweep"); err != nil {
			t.Fatal(err)
		}
		page, err := log.Recent(t.Context(), ledger.Filter{Actor: "aoki", Limit: 10})
		if err != nil || len(page.Items) != 4 || page.Items[0].Action != "run" || page.Items[1].Action != "cancel" || page.Items[2].Action != "retry" {
			t.Errorf("%+v, %v", page, err)
		}
		report, err := log.Verify(t.Context(), ledger.VerifyOptions{})
		if err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

func TestWhatEndedLongAgoIsSwept(t *testing.T) {
	t.Parallel()
	c := newClock()
	d := dbtest.NewAt(t, c.Now)
	b := open(t, d, jobs.Spec{Attempts: 1}, jobs.Options{})
	b.do = func(_ context.Context, colour string) error {
		if colour == "dry" {
			return errors.New("dry")
		}
		return nil
	}
	waits, cancelled := b.add("later", jobs.NotBefore(c.Now().Add(365*24*time.Hour))), b.add("other", jobs.NotBefore(c.Now().Add(time.Hour)))
	if err := b.Cancel(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	stop := b.run()
	done, failed := b.until(b.add("red"), jobs.Done), b.until(b.add("dry"), jobs.Failed)
	stop()
	for _, row := range []struct {
		after time.Duration
		left  []string
	}{
		{2 * 24 * time.Hour, []string{waits, cancelled, done.ID, failed.ID}},
		{2 * 24 * time.Hour, []string{waits, cancelled, failed.ID}},
		{27 * 24 * time.Hour, []string{waits}},
	} {
		c.add(row.after)
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{waits, cancelled, done.ID, failed.ID} {
			_, err := b.Get(t.Context(), id)
			there := err == nil
			wanted := false
			for _, left := range row.left {
				wanted = wanted || left == id
			}
			if there != wanted {
				t.Errorf("after %s the job %s is there: %t, %v", row.after, id, there, err)
			}
		}
	}
}
