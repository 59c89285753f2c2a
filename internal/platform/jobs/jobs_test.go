package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
)

// bench is a queue with a kind of job, "box.paint", and what its handler was given.
type bench struct {
	*jobs.Queue
	t    testing.TB
	db   *db.DB
	mu   sync.Mutex
	seen []string
	do   func(ctx context.Context, colour string) error
}

type paint struct{ Colour string }

func open(t testing.TB, d *db.DB, spec jobs.Spec, opt jobs.Options) *bench {
	t.Helper()
	opt.DB, opt.Log = d, slog.New(slog.DiscardHandler)
	if opt.Poll == 0 {
		opt.Poll = 20 * time.Millisecond
	}
	q, err := jobs.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Queue: q, t: t, db: d, do: func(context.Context, string) error { return nil }}
	spec.Name, spec.Owner = "box.paint", "box"
	if spec.Backoff == 0 {
		spec.Backoff = time.Millisecond
	}
	jobs.Register(q, spec, func(ctx context.Context, p paint) error {
		b.mu.Lock()
		b.seen = append(b.seen, p.Colour)
		b.mu.Unlock()
		return b.do(ctx, p.Colour)
	})
	return b
}

// run works off jobs until the test ends, or until stop is called, which waits for it.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) add(colour string, options ...jobs.Option) (id string) {
	b.t.Helper()
	err := b.db.Write(b.t.Context(), func(tx *db.Tx) (err error) {
		id, err = b.Add(tx, "box.paint", paint{colour}, options...)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bench) get(id string) jobs.Job {
	b.t.Helper()
	job, err := b.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return job
}

// until waits for a job to be in a state.
func (b *bench) until(id string, want jobs.State) jobs.Job {
	b.t.Helper()
	var job jobs.Job
	for range 3000 {
		if job = b.get(id); job.State == want {
			return job
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("the job is %+v, want %s", job, want)
	return job
}

func (b *bench) painted() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.seen, " ")
}

func TestAJobRunsOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{}, jobs.Options{Node: "pc-1"})
		b.run()
		undone := errors.New("undone")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := b.Add(tx, "box.paint", paint{"never"}); err != nil {
				return err
			}
			return undone
		})
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
		job := b.until(b.add("red"), jobs.Done)
		if b.painted() != "red" || job.Attempts != 1 || job.Node != "pc-1" || job.Payload != "" || job.AddedBy != "system" {
			t.Errorf("painted %q; %+v", b.painted(), job)
		}
	})
}

func TestWhatFailsIsTriedAgainUntilItsLastAttempt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{Attempts: 3}, jobs.Options{})
		b.do = func(ctx context.Context, colour string) error {
			run, _ := jobs.Current(ctx)
			switch {
			case colour == "panic":
				panic("no\x00 brush")
			case colour == "leave":
				runtime.Goexit()
			case colour == "final":
				return jobs.Final(errors.New("no such box"))
			case colour == "second" && run.Attempt == 2:
				return nil
			}
			return fmt.Errorf("attempt %d, last: %t, %s", run.Attempt, run.Last, strings.Repeat("塗", 2000))
		}
		b.run()
		for colour, want := range map[string]struct {
			state    jobs.State
			attempts int
			error    string
		}{
			"second": {jobs.Done, 2, ""},
			"never":  {jobs.Failed, 3, "attempt 3, last: true, 塗"},
			"final":  {jobs.Failed, 1, "no such box"},
			"panic":  {jobs.Failed, 3, "panic: no brush"},
			"leave":  {jobs.Failed, 3, "without returning"},
		} {
			job := b.until(b.add(colour), want.state)
			if job.Attempts != want.attempts || !strings.Contains(job.Error, want.error) || len(job.Error) > 1010 {
				t.Errorf("%s: %+v, want %+v", colour, job, want)
			}
		}
	})
}

// TestAPoisonedPayloadIsGivenUp writes into the table what no version of the program wrote.
func TestAPoisonedPayloadIsGivenUp(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t), jobs.Spec{Concurrency: 1}, jobs.Options{})
	poisoned, next := b.add("secret-colour"), b.add("blue")
	err := b.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE job SET payload = '{"Colour": ["secret-colour"' WHERE id = $1`, poisoned)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.run()
	b.until(next, jobs.Done)
	if job := b.until(poisoned, jobs.Failed); job.Attempts != 1 || strings.Contains(job.Error, "secret-colour") {
		t.Errorf("%+v", job)
	}
}

func TestWhatAddMayBeTold(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{Concurrency: 1}, jobs.Options{})
		later := b.add("later", jobs.NotBefore(time.Now().Add(time.Hour)))
		b.add("low", jobs.WithPriority(jobs.Low))
		b.add("normal")
		last := b.add("low", jobs.WithPriority(jobs.Low))
		b.add("high", jobs.WithPriority(jobs.High))
		if b.add("once", jobs.Unique("box-1")) == "" || b.add("twice", jobs.Unique("box-1")) != "" || b.add("other", jobs.Unique("box-2")) == "" {
			t.Error("unique keys")
		}
		b.run()
		b.until(last, jobs.Done)
		if got := b.painted(); got != "high normal once other low low" {
			t.Errorf("painted %q", got)
		}
		if job := b.get(later); job.State != jobs.Waiting || job.Due.Before(time.Now().Add(50*time.Minute)) {
			t.Errorf("%+v", job)
		}
		if b.add("again", jobs.Unique("box-1")) == "" {
			t.Error("a key is taken though its job is done")
		}
	})
}

func TestWhatCannotBeAdded(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t), jobs.Spec{}, jobs.Options{})
	for _, add := range []func(tx *db.Tx) (string, error){
		func(tx *db.Tx) (string, error) { return b.Add(tx, "box.burn", nil) },
		func(tx *db.Tx) (string, error) { return b.Add(tx, "box.paint", func() {}) },
		func(tx *db.Tx) (string, error) { return b.Add(tx, "box.paint", nil, jobs.WithPriority(7)) },
		func(tx *db.Tx) (string, error) { return b.Add(tx, "box.paint", strings.Repeat("x", 300<<10)) },
	} {
		if err := b.db.Write(t.Context(), func(tx *db.Tx) error { _, err := add(tx); return err }); err == nil {
			t.Error("it was added")
		}
	}
	jobs.Register(b.Queue, jobs.Spec{Name: "box.paint", Owner: "box"}, func(context.Context, string) error { return nil })
	jobs.Register(b.Queue, jobs.Spec{Name: "nameless"}, func(context.Context, string) error { return nil })
	b.Schedule("box.nightly", jobs.MustCron("0 3 * * *", nil), "box.burn", nil)
	if err := b.Check(); err == nil || strings.Count(err.Error(), "\n") != 2 || b.Run(t.Context()) == nil {
		t.Errorf("three mistakes: %v", err)
	}
}

// TestARetryYieldsToAnotherOfItsKey has a job fail while another of the same key waits.
func TestARetryYieldsToAnotherOfItsKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{}, jobs.Options{})
		second := make(chan string, 1)
		b.do = func(_ context.Context, colour string) error {
			if colour != "first" {
				return nil
			}
			second <- b.add("second", jobs.Unique("box-1"), jobs.NotBefore(time.Now().Add(time.Second)))
			return errors.New("dry")
		}
		first := b.add("first", jobs.Unique("box-1"))
		b.run()
		if job := b.until(first, jobs.Cancelled); !strings.Contains(job.Error, "dry") {
			t.Errorf("%+v", job)
		}
		if err := b.Retry(t.Context(), first); !fault.Is(err, fault.Conflict) {
			t.Errorf("retrying while another waits: %v", err)
		}
		b.until(<-second, jobs.Done)
	})
}

func TestNoMoreRunAtATimeThanMay(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t), jobs.Spec{Concurrency: 3}, jobs.Options{})
	var mu sync.Mutex
	now, most := 0, 0
	b.do = func(context.Context, string) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	var last string
	for range 40 {
		last = b.add("red")
	}
	b.run()
	b.until(last, jobs.Done)
	if most != 3 {
		t.Errorf("%d ran at a time", most)
	}
}

func TestStoppingWaitsThenCancels(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t), jobs.Spec{}, jobs.Options{Grace: 50 * time.Millisecond})
	begun := make(chan struct{}, 2)
	b.do = func(ctx context.Context, colour string) error {
		begun <- struct{}{}
		if colour == "quick" {
			time.Sleep(10 * time.Millisecond)
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	quick, slow := b.add("quick"), b.add("slow")
	stop := b.run()
	<-begun
	<-begun
	stop()
	if job := b.get(quick); job.State != jobs.Done {
		t.Errorf("the quick one: %+v", job)
	}
	// It is not its fault: the attempt does not count.
	if job := b.get(slow); job.State != jobs.Waiting || job.Attempts != 0 || job.Error != "" {
		t.Errorf("the slow one: %+v", job)
	}
}

func TestAHandlerThatTakesTooLong(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t), jobs.Spec{Attempts: 1, Timeout: time.Millisecond}, jobs.Options{})
	b.do = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	b.run()
	if job := b.until(b.add("red"), jobs.Failed); !strings.Contains(job.Error, "longer than it may") {
		t.Errorf("%+v", job)
	}
}

func TestAdministratorsCancelAndRetry(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{Attempts: 1}, jobs.Options{})
		ctx := db.WithActor(t.Context(), "aoki")
		begun := make(chan struct{})
		b.do = func(ctx context.Context, colour string) error {
			if colour != "slow" {
				return errors.New("dry")
			}
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}
		b.run()
		waits, slow := b.add("later", jobs.NotBefore(time.Now().Add(time.Hour))), b.add("slow")
		<-begun
		for _, id := range []string{waits, slow} {
			if err := b.Cancel(ctx, id); err != nil {
				t.Error(err)
			}
			if job := b.get(id); job.State != jobs.Cancelled {
				t.Errorf("%+v", job)
			}
			if err := b.Cancel(ctx, id); !fault.Is(err, fault.Conflict) {
				t.Errorf("cancelling again: %v", err)
			}
		}
		failed := b.until(b.add("dry"), jobs.Failed)
		if err := b.Retry(ctx, failed.ID); err != nil {
			t.Error(err)
		}
		if job := b.until(failed.ID, jobs.Failed); job.Attempts != 1 || b.painted() != "slow dry dry" {
			t.Errorf("after a retry %+v, painted %q", job, b.painted())
		}
		if err := b.Retry(ctx, "nothing"); !fault.Is(err, fault.NotFound) {
			t.Errorf("retrying nothing: %v", err)
		}
	})
}
