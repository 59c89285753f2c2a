package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
)

var noon = time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)

func open(t testing.TB, opt logstore.Options) *logstore.Store {
	t.Helper()
	s, err := logstore.Open(t.TempDir(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// numbered makes the n-th event: ids go up with time.
func numbered(n int) *event.Event {
	e := &event.Event{ID: fmt.Sprintf("spool-%08x-%08x-0", n/10, n), Time: noon.Add(time.Duration(n) * time.Second)}
	e.Add(event.Message, fmt.Sprintf("event number %d", n))
	e.Add(event.HostName, fmt.Sprintf("pc-%d", n%3))
	e.AddInt("n", int64(n))
	return e
}

func fill(t testing.TB, s *logstore.Store, events ...*event.Event) {
	t.Helper()
	rows := s.NewRows()
	for _, e := range events {
		rows.Add(e)
	}
	if err := s.Append(rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
}

func ask(t testing.TB, s *logstore.Store, q logstore.Query) []*event.Event {
	t.Helper()
	var list []*event.Event
	if err := s.Query(t.Context(), q, func(e *event.Event) error { list = append(list, e.Clone()); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func hundred() []*event.Event {
	list := make([]*event.Event, 100)
	for i := range list {
		list[i] = numbered(i)
	}
	return list
}

func TestAnEventComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	e := &event.Event{ID: "a-b-1", Time: noon.Add(1234567)}
	e.Add(event.Message, "ログオン失敗")
	e.Add("tags", "one")
	e.Add("user.name", `MARUMADO\鈴木 "健"`)
	e.Add("tags", "two")
	e.Add("_time", "not ours")
	e.Add("_msg", "nor this")
	e.Add("", "no name")
	fill(t, s, e)
	got := ask(t, s, logstore.Query{LogsQL: `"ログオン失敗"`})
	if len(got) != 1 || got[0].ID != "a-b-1" || !got[0].Time.Equal(e.Time) {
		t.Fatalf("found %d events: %v", len(got), got)
	}
	for name, want := range map[string][]string{
		event.Message: {"ログオン失敗"}, "tags": {"one", "two"}, "user.name": {`MARUMADO\鈴木 "健"`}, "original.time": {"not ours"},
		"original.msg": {"nor this"}, "original.": {"no name"},
	} {
		if diff := cmp.Diff(want, got[0].Values(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNewestComesFirstAndPagesMeetWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	events := hundred()
	for i := 40; i < 60; i++ { // twenty in the same instant, across a page's edge
		events[i].Time = noon.Add(50 * time.Second)
	}
	fill(t, s, events...)
	seen := make(map[string]bool)
	q := logstore.Query{Newest: true, Limit: 7}
	last := noon.Add(time.Hour)
	for page := 0; ; page++ {
		rows := ask(t, s, q)
		if len(rows) == 0 {
			break
		}
		for _, e := range rows {
			if e.Time.After(last) {
				t.Fatalf("page %d is not sorted: %v after %v", page, e.Time, last)
			}
			if seen[e.ID] {
				t.Fatalf("%s comes twice", e.ID)
			}
			if !e.Time.Equal(last) {
				q.Skip = 0
			}
			last, seen[e.ID] = e.Time, true
			q.Skip++
		}
		q.End = last
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 events were shown", len(seen))
	}
}

func TestTimeBoundsAreIncluded(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	if n := len(ask(t, s, logstore.Query{Start: noon.Add(10 * time.Second), End: noon.Add(19 * time.Second)})); n != 10 {
		t.Errorf("%d events in ten seconds, want 10", n)
	}
}

// TestABoundOfAWholeSecondEndsThere: the engine reads such a bound as the whole second, which would repeat rows between pages.
func TestABoundOfAWholeSecondEndsThere(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	var list []*event.Event
	for i, after := range []time.Duration{0, 1, time.Microsecond, 5 * time.Millisecond, 999_999_999} {
		e := numbered(i)
		e.Time = noon.Add(after)
		list = append(list, e)
	}
	fill(t, s, list...)
	for after, want := range map[time.Duration]int{0: 1, 1: 2, time.Microsecond: 3, 5 * time.Millisecond: 4, time.Second: 5} {
		if n := len(ask(t, s, logstore.Query{LogsQL: "number or nothing", End: noon.Add(after)})); n != want {
			t.Errorf("%d events until %v after noon, want %d", n, after, want)
		}
	}
}

func TestFieldsAreAskedForByTheirNames(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	for text, want := range map[string]int{
		`message:"number 7"`:                            1,
		`@timestamp:<2026-04-01T03:00:10Z`:              10,
		`* | stats by (message) count() n | filter n:1`: 100,
		`number # | limit 1`:                            100,
	} {
		if n := len(ask(t, s, logstore.Query{LogsQL: text})); n != want {
			t.Errorf("%s finds %d rows, want %d", text, n, want)
		}
	}
	values, err := s.FieldValues(t.Context(), logstore.Query{LogsQL: "message:7 | limit 1"}, event.Message)
	if diff := cmp.Diff([]logstore.Count{{"event number 7", 1}}, values); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestFieldsValuesAndHits(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	q := logstore.Query{LogsQL: "*"}
	names, err := s.FieldNames(t.Context(), q)
	if err != nil || !slices.Contains(names, logstore.Count{Value: event.HostName, Hits: 100}) || !slices.Contains(names, logstore.Count{Value: event.Message, Hits: 100}) {
		t.Errorf("field names: %v, %v", names, err)
	}
	values, err := s.FieldValues(t.Context(), q, event.HostName)
	if diff := cmp.Diff([]logstore.Count{{"pc-0", 34}, {"pc-1", 33}, {"pc-2", 33}}, values); err != nil || diff != "" {
		t.Error(err, diff)
	}
	buckets, err := s.Hits(t.Context(), logstore.Query{LogsQL: "* | fields n"}, 50*time.Second, "")
	var total uint64
	for _, b := range buckets {
		total += b.Hits
	}
	if err != nil || total != 100 || len(buckets) < 2 {
		t.Errorf("hits: %v, %v", buckets, err)
	}
}

func TestAHistogramThatNobodyCouldReadIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 50,001 events")
	}
	t.Parallel()
	s := open(t, logstore.Options{})
	rows := s.NewRows()
	for i := range 50_001 {
		rows.Add(numbered(i))
	}
	if err := s.Append(rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	if _, err := s.Hits(t.Context(), logstore.Query{}, time.Hour, "event.id"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bar for each of 50,001 events: %v", err)
	}
}

func TestIDsOfASegmentAreFound(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	var ids []string
	if err := s.IDs(t.Context(), "spool-00000003-", func(id string) { ids = append(ids, id) }); err != nil {
		t.Fatal(err)
	}
	if len(ids) != 10 || !strings.HasPrefix(ids[0], "spool-00000003-") {
		t.Errorf("ids: %v", ids)
	}
}

func TestAWrongQueryIsInvalid(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	for _, text := range []string{`a:b:(`, `* | sort by`, `* | limit many`, `"open`, `* | stats`} {
		if err := s.Query(t.Context(), logstore.Query{LogsQL: text}, func(*event.Event) error { return nil }); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAQueryEndsWithItsContextAndItsReader(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	enough := errors.New("enough")
	if err := s.Query(t.Context(), logstore.Query{}, func(*event.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the reader's error is lost: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Query(ctx, logstore.Query{}, func(*event.Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled query gives %v", err)
	}
}

// TestClosingEndsQueries: a reader that has stopped reading does not keep the store from closing once it lets go.
func TestClosingEndsQueries(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	reading, let, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- s.Query(t.Context(), logstore.Query{}, func(e *event.Event) error {
			if e.ID == "" {
				return nil
			}
			select {
			case <-reading:
			default:
				close(reading)
				<-let
			}
			return nil
		})
	}()
	<-reading
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	close(let)
	if err := <-ended; err != nil && !fault.Is(err, fault.Unavailable) {
		t.Errorf("a query that was ended: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Query(t.Context(), logstore.Query{}, func(*event.Event) error { return nil }); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a closed store answers %v", err)
	}
}

// TestAReaderThatPanicsEndsAloneAndNotTheProcess: the engine calls back in goroutines of its own.
func TestAReaderThatPanicsEndsAloneAndNotTheProcess(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	fill(t, s, hundred()...)
	defer func() {
		if recover() != "reader" {
			t.Error("the panic is lost")
		}
		if n := len(ask(t, s, logstore.Query{})); n != 100 {
			t.Errorf("then %d events are found", n)
		}
	}()
	_ = s.Query(t.Context(), logstore.Query{}, func(*event.Event) error { panic("reader") })
}

func TestAFolderIsOpenedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := logstore.Open(dir, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := logstore.Open(dir, logstore.Options{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second store in the same folder: %v", err)
	}
}

func TestStatsCountWhatIsThere(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	if st := s.Stats(); st.Rows != 0 || !st.Oldest.IsZero() {
		t.Errorf("an empty store has %+v", st)
	}
	old := numbered(1)
	old.Time = noon.AddDate(-6, 0, 0)
	fill(t, s, append(hundred(), old)...)
	if st := s.Stats(); st.Rows != 101 || st.Days != 2 || !st.Oldest.Equal(time.Date(2020, 4, 1, 0, 0, 0, 0, time.UTC)) || st.ReadOnly || st.Bent != 0 {
		t.Errorf("%+v", st)
	}
}

func TestWhatWasClosedIsThereAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 3 {
		s, err := logstore.Open(dir, logstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(ask(t, s, logstore.Query{})); n != round {
			t.Errorf("round %d finds %d events", round, n)
		}
		fill(t, s, numbered(round))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Append(s.NewRows()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a closed store takes rows: %v", err)
		}
	}
}

func TestAFullDiskIsSaidAndNothingTaken(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{MinFree: 1 << 60})
	rows := s.NewRows()
	rows.Add(numbered(1))
	deadline := time.Now().Add(20 * time.Second)
	for !s.Stats().ReadOnly && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if err := s.Append(rows); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a full disk answers %v", err)
	}
}

// The engine shows a new stream's rows before it shows which stream they are of.
func TestARowThatIsCountedCanBeSeen(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	rows := s.NewRows()
	rows.Add(numbered(7))
	if err := s.Append(rows); err != nil {
		t.Fatal(err)
	}
	query := logstore.Query{LogsQL: "n:=7"}
	for ask(t, s, logstore.Query{LogsQL: query.LogsQL + " | stats count() found"})[0].Get("found") != "1" {
		time.Sleep(5 * time.Millisecond)
	}
	if got := ask(t, s, query); len(got) != 1 {
		t.Error("the event is counted and not shown")
	}
	query.Limit, query.Newest = 10, true
	if got := ask(t, s, query); len(got) != 1 {
		t.Error("the event is counted and not among the newest")
	}
}
