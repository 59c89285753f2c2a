package jobs_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/jobs"
)

const childPlace = "YAGURA_JOBS_CHILD" // where the database is, for the process that is killed

func TestMain(m *testing.M) {
	if place := os.Getenv(childPlace); place != "" {
		if err := workUntilKilled(place); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// workUntilKilled is the process that is killed: it says of each job that its handler had.
func workUntilKilled(place string) error {
	d, err := db.Open(context.Background(), place)
	if err != nil {
		return err
	}
	q, err := jobs.Open(context.Background(), jobs.Options{DB: d, Log: slog.New(slog.DiscardHandler), Lease: time.Second})
	if err != nil {
		return err
	}
	registerBoxes(q, func(colour string) { fmt.Println(colour) }) // one write to the pipe: whole, or not there
	return q.Run(context.Background())
}

func registerBoxes(q *jobs.Queue, had func(colour string)) {
	jobs.Register(q, jobs.Spec{Name: "box.paint", Owner: "box", Concurrency: 8, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
		func(_ context.Context, p paint) error { had(p.Colour); return nil })
}

// TestKilledWhileItWorks kills a process with SIGKILL in the middle of its work, again and again, on each engine: every job is done in
// the end, none twice but those that were under way, and nothing says that it runs.
func TestKilledWhileItWorks(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killRounds(t, filepath.Join(t.TempDir(), "yagura.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		killRounds(t, dbtest.PostgresURL(t))
	})
}

const (
	killedJobs = 600
	killEach   = 120 // after so many answers
)

func killRounds(t *testing.T, place string) {
	d, err := db.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, d, jobs.Spec{}, jobs.Options{})
	for n := range killedJobs {
		b.add(fmt.Sprintf("box-%04d", n))
	}
	if d.Engine() == db.SQLite { // it belongs to one process
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	times, rounds := make(map[string]int), 0
	for ; len(times) < killedJobs && rounds < 40; rounds++ {
		for _, colour := range killRound(t, place, killedJobs-len(times)) {
			times[colour]++
		}
	}
	if len(times) != killedJobs || rounds < 3 {
		t.Errorf("%d of %d jobs were done after %d rounds", len(times), killedJobs, rounds)
	}
	// What the kills left behind is taken back and done.
	if d.Engine() == db.SQLite {
		if d, err = db.Open(t.Context(), place); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := jobs.Open(t.Context(), jobs.Options{DB: d, Log: slog.New(slog.DiscardHandler), Poll: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	registerBoxes(q, func(colour string) { mu.Lock(); defer mu.Unlock(); times[colour]++ })
	last := &bench{Queue: q, t: t, db: d}
	stop := last.run()
	for range 1000 {
		counts, err := q.Counts(t.Context(), "box.paint")
		if err != nil {
			t.Fatal(err)
		}
		if counts[jobs.Done] == killedJobs {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	counts, err := q.Counts(t.Context(), "box.paint")
	if err != nil || counts[jobs.Done] != killedJobs || counts[jobs.Running]+counts[jobs.Waiting]+counts[jobs.Failed]+counts[jobs.Cancelled] != 0 {
		t.Errorf("%v, %v", counts, err)
	}
	extra := 0
	for _, n := range times {
		extra += n - 1
	}
	// Each kill finds at most 8 that run and as many that wait to be written down.
	if extra > 16*(rounds+1) {
		t.Errorf("%d runs too many in %d rounds", extra, rounds)
	}
	t.Logf("%d kills; %d runs beyond one a job", rounds, extra)
}

// killRound runs the process, kills it after some answers, and returns what it had answered.
func killRound(t *testing.T, place string, left int) (colours []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), childPlace+"="+place)
	var complaints bytes.Buffer
	child.Stderr = &complaints
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the end of the process; a line without its end was no answer
		}
		if colours = append(colours, strings.TrimSuffix(line, "\n")); len(colours) == min(killEach, left) {
			_ = child.Process.Kill() // SIGKILL
		}
	}
	if err := child.Wait(); err == nil || complaints.Len() > 0 {
		t.Fatalf("the process ended by itself after %d answers: %v, %s", len(colours), err, &complaints)
	}
	return colours
}

// TestTwoNodesShareTheWork has two nodes on one database: each job is run once, and a schedule fires once.
func TestTwoNodesShareTheWork(t *testing.T) {
	t.Parallel()
	place := dbtest.PostgresURL(t)
	var mu sync.Mutex
	times, by := make(map[string]int), make(map[string]int)
	at := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	node := func(name string) *bench {
		d, err := db.OpenAt(t.Context(), place, clock)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		b := open(t, d, jobs.Spec{Concurrency: 2}, jobs.Options{Node: name})
		b.do = func(_ context.Context, colour string) error {
			mu.Lock()
			times[colour]++
			by[name]++
			mu.Unlock()
			time.Sleep(time.Millisecond)
			return nil
		}
		b.Schedule("box.nightly", jobs.MustCron("30 3 * * *", nil), "box.paint", paint{"nightly"})
		return b
	}
	one, two := node("one"), node("two")
	for n := range 200 {
		one.add(fmt.Sprintf("box-%d", n))
	}
	one.run()
	two.run()
	finished := func() int {
		counts, err := one.Counts(t.Context(), "box.paint")
		if err != nil {
			t.Fatal(err)
		}
		return int(counts[jobs.Done])
	}
	for want, limit := 200, 1500; finished() < want; limit-- {
		if limit == 0 {
			t.Fatalf("%d of %d are done", finished(), want)
		}
		time.Sleep(20 * time.Millisecond)
	}
	mu.Lock()
	at = at.Add(24 * time.Hour)
	mu.Unlock()
	for limit := 500; finished() < 201; limit-- {
		if limit == 0 {
			t.Fatal("the schedule did not fire")
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	for colour, n := range times {
		if n != 1 {
			t.Errorf("%s was run %d times", colour, n)
		}
	}
	if len(times) != 201 || by["one"] == 0 || by["two"] == 0 {
		t.Errorf("%d jobs, by node %v", len(times), by)
	}
}

// TestANodeThatDoesNotAnswerLosesItsJob lets a node's lease end while its handler hangs: another has the job, and what the first says
// in the end no longer counts.
func TestANodeThatDoesNotAnswerLosesItsJob(t *testing.T) {
	t.Parallel()
	place := dbtest.PostgresURL(t)
	release, begun := make(chan struct{}), make(chan struct{}, 1)
	node := func(name string, do func(ctx context.Context) error) *bench {
		d, err := db.Open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		// It abandons a run that goes beyond its time and its lease.
		b := open(t, d, jobs.Spec{Timeout: time.Millisecond, Concurrency: 1}, jobs.Options{Node: name, Lease: 300 * time.Millisecond})
		b.do = func(ctx context.Context, _ string) error { return do(ctx) }
		return b
	}
	hung := node("hung", func(context.Context) error { begun <- struct{}{}; <-release; return nil })
	id := hung.add("red")
	stop := hung.run()
	<-begun
	fresh := node("fresh", func(context.Context) error { return nil })
	fresh.run()
	if job := fresh.until(id, jobs.Done); job.Node != "fresh" || job.Attempts != 2 {
		t.Errorf("%+v", job)
	}
	close(release)
	stop()
	if job := fresh.get(id); job.State != jobs.Done || job.Node != "fresh" {
		t.Errorf("after the first one spoke: %+v", job)
	}
}

// TestAJobThatEndsProcessesIsGivenUp lets a claim lapse again and again, as a payload does that kills its process.
func TestAJobThatEndsProcessesIsGivenUp(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d, jobs.Spec{Attempts: 2}, jobs.Options{})
		id, next := b.add("killer"), b.add("blue")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE job SET state = 'running', attempts = 2, claim = 'x', node = 'gone', due_at = 1 WHERE id = $1`, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b.run()
		b.until(next, jobs.Done)
		if job := b.until(id, jobs.Failed); !strings.Contains(job.Error, "gone") || b.painted() != "blue" {
			t.Errorf("%+v, painted %q", job, b.painted())
		}
	})
}

func TestASingleJobRunsAloneOnAllNodes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	first := open(t, d, jobs.Spec{Single: true}, jobs.Options{})
	b := open(t, d, jobs.Spec{Single: true}, jobs.Options{})
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		id, err := first.Add(tx, "box.paint", paint{"elsewhere"})
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE job SET state = 'running', claim = 'x', node = 'other', due_at = $1 WHERE id = $2`, db.Micros(tx.Now().Add(time.Hour)), id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	id := b.add("red")
	if d.Engine() == db.SQLite { // there is no other process there: it takes the claim back, and runs both, one after the other
		b.run()
		b.until(id, jobs.Done)
		return
	}
	b.run()
	b.paints(0)
}

// TestAnIdleQueueWritesNothing watches the write-ahead log while a queue looks for work again and again and finds none.
func TestAnIdleQueueWritesNothing(t *testing.T) {
	t.Parallel()
	place := filepath.Join(t.TempDir(), "yagura.db")
	c := newClock() // it stands still: no schedule comes due
	d, err := db.OpenAt(t.Context(), place, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	b := open(t, d, jobs.Spec{}, jobs.Options{Poll: time.Millisecond, Lease: 3 * time.Millisecond})
	for n := range 100 {
		b.add(fmt.Sprint("later-", n), jobs.NotBefore(c.Now().Add(time.Hour)))
	}
	b.run()
	b.until(b.add("red"), jobs.Done)
	written := func() (time.Time, int64) {
		info, err := os.Stat(place + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime(), info.Size()
	}
	when, size := written()
	time.Sleep(300 * time.Millisecond) // a hundred looks or more
	if now, grown := written(); !now.Equal(when) || grown != size {
		t.Errorf("the log was written at %s and again at %s, %d bytes and then %d", when, now, size, grown)
	}
}
