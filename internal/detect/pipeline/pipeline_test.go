package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/logfile"
	"yagura/internal/detect/pipeline"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/spool"
)

func TestWhatIsAcceptedIsStoredMatchedAndRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.accept(t, "login", "alarm 1")
	r.accept(t, "alarm 2")
	r.drain(t)

	got := r.store.values("name")
	slices.Sort(got)
	if diff := cmp.Diff([]string{"alarm 1", "alarm 2", "login"}, got); diff != "" {
		t.Error(diff)
	}
	if events, _ := r.recorder.recorded(); !slices.Equal(events, []string{"alarm 1", "alarm 2"}) {
		t.Errorf("recorded %q", events)
	}
	prefix := r.spool.ID() + "-00000001-"
	for _, ev := range r.store.events {
		if !strings.HasPrefix(ev.ID, prefix) || !ev.Has(event.EventIngested) {
			t.Errorf("stored %s", must(ev.MarshalJSON()))
		}
	}
	if st := r.Status(); st.Events != 3 || st.Matches != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestMatchesAreRecordedInTheOrderOfAcceptance(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var want []string
	for i := range 300 {
		name := fmt.Sprintf("alarm %d", i)
		want = append(want, name)
		r.accept(t, name)
	}
	r.drain(t)
	events, calls := r.recorder.recorded()
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	if calls > 300 {
		t.Errorf("%d transactions for 300 requests", calls)
	}
}

func TestSmallBatchesShareTransactions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.store.breakWith(errFull)
	for range 200 {
		r.accept(t, "alarm")
	}
	r.store.breakWith(nil)
	r.drain(t)
	if events, calls := r.recorder.recorded(); len(events) != 200 || calls > 20 {
		t.Errorf("%d matches took %d transactions", len(events), calls)
	}
}

func TestALargeBatchIsSplitAndStaysWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	names := make([]string, 300)
	for i := range names {
		names[i] = fmt.Sprintf("%d %s", i, strings.Repeat("x", 10_000))
	}
	r.accept(t, names...)
	r.drain(t)
	got := r.store.values("name")
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("%d events stored, %d accepted", len(got), len(names))
	}
}

func TestAnItemThatNoRecordHoldsIsRefusedWithItsBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.spoolOpt.MaxRecord = 1000 })
	err := r.Accept(t.Context(), batchOf("small", strings.Repeat("x", 1000)))
	if !fault.Is(err, fault.TooLarge) {
		t.Errorf("answered %v", err)
	}
	r.accept(t, strings.Repeat("y", 500), strings.Repeat("y", 500))
	r.drain(t)
	if n := len(r.store.events); n != 2 {
		t.Errorf("%d events are stored", n)
	}
}

func TestWhatCannotBeReadIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.accept(t, "bad line", "panic now", "good")
	damaged := batchOf("half a rec")
	damaged.Items[0].Error = "the file ends here"
	if err := r.Accept(t.Context(), damaged); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	reasons := map[string]string{}
	for _, ev := range r.store.events {
		if ev.Get(event.EventKind) == event.KindPipelineError {
			reasons[ev.Get(event.Original)] = ev.Get(event.ErrorMessage)
		}
	}
	want := map[string]string{
		"bad line": "bad item", "panic now": "the parser failed: a parser's bug", "half a rec": "the file ends here",
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
	if st := r.Status(); st.Errors != 3 || st.Panics != 1 || st.Events != 4 {
		t.Errorf("status %+v", st)
	}
}

func TestAFailingStoreLosesNothingAndIsSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.spoolOpt = spool.Options{SegmentBytes: 20_000, MaxBytes: 100_000} })
	r.store.breakWith(errFull)
	var accepted []string
	var err error
	for i := range 10_000 {
		name := fmt.Sprintf("%d %s", i, strings.Repeat("x", 900))
		if err = r.Accept(t.Context(), batchOf(name)); err != nil {
			break
		}
		accepted = append(accepted, name)
	}
	if !fault.Is(err, fault.Busy) {
		t.Fatalf("with a full spool the answer was %v", err)
	}
	waitUntil(t, func() bool { return r.Status().Store.Error != "" })
	r.store.breakWith(nil)
	r.drain(t)
	got := r.store.values("name")
	slices.Sort(got)
	slices.Sort(accepted)
	if !slices.Equal(got, accepted) {
		t.Errorf("%d accepted, %d stored", len(accepted), len(got))
	}
	if st := r.Status(); st.Store.Error != "" {
		t.Errorf("the status still shows %+v", st.Store)
	}
}

// TestStoppingWaitsForNoStoreThatRefuses stops without a limit of time: it would hang.
func TestStoppingWaitsForNoStoreThatRefuses(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*rig, error){
		"store":    func(r *rig, err error) { r.store.breakWith(err) },
		"recorder": func(r *rig, err error) { r.recorder.breakWith(err) },
	} {
		r := newRig(t, nil)
		breaks(r, errFull)
		r.accept(t, "alarm 1", "alarm 2")
		waitUntil(t, func() bool { return r.Status().Store.Error != "" || r.Status().Recorder.Error != "" })
		r.reopen(t)
		breaks(r, nil)
		r.drain(t)
		got := r.store.values("name")
		slices.Sort(got)
		if !slices.Equal(got, []string{"alarm 1", "alarm 2"}) {
			t.Errorf("a refusing %s: afterwards %q are stored", name, got)
		}
	}
}

func TestAFailingRecorderLosesNothingAndIsSeen(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.recorder.breakWith(errFull)
	r.accept(t, "alarm 1")
	waitUntil(t, func() bool { return r.Status().Recorder.Error != "" })
	r.accept(t, "alarm 2")
	r.recorder.breakWith(nil)
	r.drain(t)
	if events, _ := r.recorder.recorded(); !slices.Equal(events, []string{"alarm 1", "alarm 2"}) {
		t.Errorf("recorded %q", events)
	}
}

func TestAnOrderlyRestartRepeatsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.accept(t, "alarm 1", "login")
	r.drain(t)
	r.reopen(t)
	r.accept(t, "alarm 2")
	r.drain(t)
	if st := r.Status(); st.Events != 1 || st.Replayed != 0 {
		t.Errorf("status %+v", st)
	}
	if events, _ := r.recorder.recorded(); !slices.Equal(events, []string{"alarm 1", "alarm 2"}) {
		t.Errorf("recorded %q", events)
	}
	if n := len(r.spool.Segments()); n > 2 {
		t.Errorf("%d segments are kept", n)
	}
}

func TestWhatWaitsInTheSpoolIsWorkedOffAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.store.breakWith(errFull)
	r.accept(t, "alarm 1")
	r.accept(t, "login")
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Stop(now); err != nil {
		t.Fatal(err)
	}
	r.store.breakWith(nil)
	r.reopen(t)
	r.drain(t)
	if got := r.store.values("name"); len(got) != 2 {
		t.Errorf("stored %q", got)
	}
	if events, _ := r.recorder.recorded(); !slices.Equal(events, []string{"alarm 1"}) {
		t.Errorf("recorded %q", events)
	}
}

// TestCrashesLoseAndRepeatNothing crashes store and pipeline together, again and again: the store loses any of its
// young rows, the recorder nothing, and the spool what was never acknowledged.
func TestCrashesLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const horizon = 60 * time.Millisecond
	r := newRig(t, func(r *rig) {
		r.opt.Horizon = horizon
		r.spoolOpt = spool.Options{SegmentBytes: 4000, MaxRecord: 2000}
	})
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	var accepted []string
	for round := range 25 {
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for sender := range 3 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					name := fmt.Sprintf("alarm %d.%d.%d", round, sender, i)
					if r.Accept(t.Context(), batchOf(name, name+"'")) == nil {
						mu.Lock()
						accepted = append(accepted, name, name+"'")
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
		stop()
		wg.Wait()
		// Nothing gets through any more. Only then is it decided which rows were young: a row that the pipeline took
		// for durable before it stopped must not count as young because this test was slow.
		r.store.breakWith(errFull)
		r.recorder.breakWith(errFull)
		r.halt(r.Pipeline)
		if err := r.spool.Close(); err != nil {
			t.Fatal(err)
		}
		r.store = r.store.crash(horizon/2, func() bool { return rng.IntN(2) == 0 })
		r.recorder.breakWith(nil)
		r.open(t)
	}
	r.drain(t)
	slices.Sort(accepted)
	got := r.store.values("name")
	slices.Sort(got)
	if !slices.Equal(accepted, got) {
		t.Errorf("seed %d: stored %d events, accepted %d", seed, len(got), len(accepted))
	}
	alarms, _ := r.recorder.recorded()
	slices.Sort(alarms)
	if !slices.Equal(accepted, alarms) {
		t.Errorf("seed %d: recorded %d matches of %d", seed, len(alarms), len(accepted))
	}
}

func TestSegmentsAreFreedBehindTheHorizon(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.opt.Horizon = 50 * time.Millisecond
		r.spoolOpt = spool.Options{SegmentBytes: 2000, MaxRecord: 2000}
	})
	for range 20 {
		r.accept(t, strings.Repeat("x", 1000))
	}
	r.drain(t)
	waitUntil(t, func() bool {
		r.accept(t, "tick")
		return r.Status().Spool.Segments <= 2
	})
	if _, err := os.Stat(r.opt.CursorFile); err != nil {
		t.Error(err)
	}
}

func TestAForeignCursorReplaysTheWholeSpool(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"000000000000-00000009-00000000\n", "garbage", ""} {
		r := newRig(t, nil)
		r.accept(t, "alarm 1")
		r.drain(t)
		r.halt(r.Pipeline)
		if err := r.spool.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.opt.CursorFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.open(t)
		r.drain(t)
		if got := r.store.values("name"); len(got) != 1 {
			t.Errorf("cursor %q: stored %q", text, got)
		}
		if st := r.Status(); st.Replayed != 1 {
			t.Errorf("cursor %q: status %+v", text, st)
		}
	}
}

func TestWatchersSeeStoredEventsAndNeverHoldUpThePipeline(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	reading, sleeping := r.Tail().Watch(), r.Tail().Watch()
	defer reading.Close()
	defer sleeping.Close()
	const n = 500
	var got []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for run := range reading.Events {
			for _, ev := range run {
				got = append(got, ev.Get("name"))
			}
		}
	}()
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		r.accept(t, want[i])
	}
	r.drain(t)
	reading.Close()
	reading.Close()
	<-done
	if len(got)+int(reading.Dropped()) != n {
		t.Errorf("%d seen and %d dropped of %d", len(got), reading.Dropped(), n)
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) }) {
		t.Error("events came out of order")
	}
	if sleeping.Dropped() == 0 {
		t.Error("one who never reads dropped nothing")
	}
}

type observer struct {
	mu sync.Mutex
	by map[string]pipeline.Observation
}

func (o *observer) Processed(list []pipeline.Observation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by == nil {
		o.by = map[string]pipeline.Observation{}
	}
	for _, x := range list {
		sum := o.by[x.Source]
		sum.Events += x.Events
		sum.Errors += x.Errors
		sum.Bytes += x.Bytes
		if x.LastError != "" {
			sum.LastError = x.LastError
		}
		if x.Lag < 0 || x.Lag > time.Minute {
			sum.LastError = "lag " + x.Lag.String()
		}
		o.by[x.Source] = sum
	}
}

func TestObserversLearnWhatEachSourceSent(t *testing.T) {
	t.Parallel()
	seen := new(observer)
	r := newRig(t, func(r *rig) { r.opt.Observer = seen })
	for i := range 10 {
		b := batchOf("good", "bad")
		b.Source = fmt.Sprint("source ", i%2)
		if err := r.Accept(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	r.drain(t)
	want := map[string]pipeline.Observation{}
	for _, source := range []string{"source 0", "source 1"} {
		want[source] = pipeline.Observation{Events: 10, Errors: 5, Bytes: 35, LastError: "bad item"}
	}
	if diff := cmp.Diff(want, seen.by); diff != "" {
		t.Error(diff)
	}
}

func TestARecordThatIsNoBatchIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if _, err := r.spool.Append(t.Context(), []byte("not a batch")); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	if got := r.store.values(event.Original); !slices.Equal(got, []string{"not a batch"}) {
		t.Errorf("stored %q", got)
	}
}

// One item that a file's reader hands out must not end an import.
func TestTheLargestItemOfAFileIsAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	b := batchOf(strings.Repeat("x", logfile.MaxItem))
	b.File = strings.Repeat("/folder", 500)
	if err := r.Accept(t.Context(), b); err != nil {
		t.Error(err)
	}
}

func TestDrainOfAnEmptyPipeline(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.drain(t)
	if err := r.Accept(t.Context(), &intake.Batch{}); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	r.reopen(t)
	r.drain(t)
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited 10 s in vain")
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
