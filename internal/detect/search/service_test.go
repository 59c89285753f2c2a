package search_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/search"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
)

// now is when the tests ask: noon in Tokyo.
var now = time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

func tokyo(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func openStore(t testing.TB, events ...*event.Event) *logstore.Store {
	t.Helper()
	s, err := logstore.Open(t.TempDir(), logstore.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	add(t, s, events...)
	return s
}

func add(t testing.TB, s *logstore.Store, events ...*event.Event) {
	t.Helper()
	rows := s.NewRows()
	for _, ev := range events {
		rows.Add(ev)
	}
	if err := s.Append(rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
}

// newEvent is an event so long ago.
func newEvent(n int, ago time.Duration) *event.Event {
	ev := &event.Event{ID: fmt.Sprintf("e-%04d", n), Time: now.Add(-ago)}
	ev.Add(event.Message, fmt.Sprintf("event number %d", n))
	ev.Add(event.HostName, []string{"pc-0412", "pc-0413", "srv-ad01"}[n%3])
	ev.Add(event.EventDataset, "windows.security")
	ev.AddInt("n", int64(n))
	return ev
}

// minutes are so many events, one a minute, the newest a minute ago.
func minutes(n int) []*event.Event {
	list := make([]*event.Event, n)
	for i := range list {
		list[i] = newEvent(i, time.Duration(n-i)*time.Minute)
	}
	return list
}

func TestPagesMeetWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	events := minutes(100)
	for i := 40; i < 70; i++ { // more at one instant than a page holds
		events[i].Time = now.Add(-50 * time.Minute)
	}
	s := search.NewService(openStore(t, events...), clock)
	for _, query := range []string{"", `"host.name":in("pc-0412","pc-0413","srv-ad01")`, "event | fields _time, event.id"} {
		seen := make(map[string]bool)
		ask := search.Request{Query: query, Range: search.Range{Since: 24 * time.Hour}, Limit: 7}
		last := now
		for pages := 0; ; pages++ {
			page, err := s.Page(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				if seen[row.ID] || row.Time.After(last) {
					t.Fatalf("%q: %s comes again or too late", query, row.ID)
				}
				seen[row.ID], last = true, row.Time
			}
			if page.More != (page.Next != search.Cursor{}) || page.Own || pages > 100 {
				t.Fatalf("%q: page %d: %+v", query, pages, page.Next)
			}
			if !page.More {
				break
			}
			ask.Cursor = page.Next
		}
		if len(seen) != 100 {
			t.Errorf("%q: %d of 100 events on all pages", query, len(seen))
		}
	}
}

// Rows that the query's own pipes make or order have no next page that would be right.
func TestAQueryWithItsOwnOrderIsOnePage(t *testing.T) {
	t.Parallel()
	s := search.NewService(openStore(t, minutes(20)...), clock)
	for query, want := range map[string]int{"* | sort by (n)": 5, "* | stats by (n) count() c": 5, "* | limit 3": 3} {
		page, err := s.Page(t.Context(), search.Request{Query: query, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) != want || !page.Own || page.More != (want == 5) || page.Next != (search.Cursor{}) {
			t.Errorf("%s: %d rows, %+v", query, len(page.Rows), page)
		}
	}
	page, err := s.Page(t.Context(), search.Request{Query: "* | sort by (n)", Limit: 5})
	if err != nil || page.Rows[0].Get("n") != "0" {
		t.Errorf("the query's order is lost: %v %v", page, err)
	}
}

func TestAWrongQueryIsInvalidEverywhere(t *testing.T) {
	t.Parallel()
	s := search.NewService(openStore(t), clock)
	_, page := s.Page(t.Context(), search.Request{Query: "a:("})
	_, bars := s.Histogram(t.Context(), "a:(", search.Range{}, 0, "")
	_, fields := s.Fields(t.Context(), "a:(", search.Range{})
	_, values := s.Values(t.Context(), "a:(", search.Range{}, "x", 0)
	_, none := s.Values(t.Context(), "", search.Range{}, "", 0)
	stream := s.Stream(t.Context(), "a:(", search.Range{}, 0, nil)
	for name, err := range map[string]error{"page": page, "histogram": bars, "fields": fields, "values": values, "no field": none, "stream": stream} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := search.NewService(openStore(t, minutes(30)...), clock)
	for limit, want := range map[int]int{0: 30, 12: 12, 100: 30} {
		var got []time.Time
		if err := s.Stream(t.Context(), "", search.Range{}, limit, func(ev *event.Event) error { got = append(got, ev.Time); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != want {
			t.Errorf("limit %d: %d rows", limit, len(got))
		}
		if limit > 0 && !got[0].Equal(now.Add(-time.Minute)) {
			t.Errorf("limit %d begins at %v", limit, got[0])
		}
	}
	enough := errors.New("enough")
	if err := s.Stream(t.Context(), "", search.Range{}, 0, func(*event.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the reader's error is lost: %v", err)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	s := search.NewService(openStore(t, minutes(120)...), clock)
	for name, one := range map[string]struct {
		query string
		r     search.Range
		want  uint64
		step  time.Duration
	}{
		"two hours":     {"", search.Range{Since: 2 * time.Hour}, 120, 5 * time.Minute},
		"a query":       {"event | stats count()", search.Range{Since: 2 * time.Hour}, 120, 5 * time.Minute},
		"a quoted pipe": {`event !"a | b"`, search.Range{Since: time.Hour}, 60, 2 * time.Minute},
		"everything":    {"", search.Range{}, 120, 2 * time.Minute},
		"to the future": {"", search.Range{Start: now.Add(-30 * time.Minute), End: now.AddDate(9000, 0, 0)}, 30, 30 * time.Second},
		"from year one": {"", search.Range{Start: time.Time{}.Add(1), End: now}, 120, 2 * time.Minute},
		"nothing there": {"nothing", search.Range{}, 0, 0},
	} {
		h, err := s.Histogram(t.Context(), one.query, one.r, 60, "")
		if err != nil {
			t.Fatal(name, err)
		}
		if h.Total != one.want || h.Step != one.step || len(h.Times) > 122 {
			t.Errorf("%s: %d rows in %d steps of %v", name, h.Total, len(h.Times), h.Step)
		}
	}
}

func TestHistogramByAField(t *testing.T) {
	t.Parallel()
	events := minutes(60)
	for i, ev := range events {
		ev.Add("code", fmt.Sprint(i%10))
	}
	s := search.NewService(openStore(t, events...), clock)
	h, err := s.Histogram(t.Context(), "", search.Range{Since: time.Hour}, 10, "code")
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, series := range h.Series {
		var own uint64
		for _, n := range series.Hits {
			own += n
		}
		if own != series.Total || len(series.Hits) != len(h.Times) {
			t.Errorf("series %q: %d in its steps, %d in all", series.Name, own, series.Total)
		}
		sum += own
	}
	if len(h.Series) != 6 || h.Series[5].Name != "" || sum != 60 {
		t.Errorf("%d series with %d rows, the last %q", len(h.Series), sum, h.Series[len(h.Series)-1].Name)
	}
}

// Days begin at midnight of the reader.
func TestStepsFollowTheReadersClock(t *testing.T) {
	t.Parallel()
	zone := tokyo(t)
	midnight := time.Date(2026, 3, 31, 0, 0, 0, 0, zone)
	before, after := newEvent(1, now.Sub(midnight.Add(-time.Second))), newEvent(2, now.Sub(midnight))
	s := search.NewService(openStore(t, before, after), clock)
	r := search.Range{Start: midnight.AddDate(0, 0, -3).Add(time.Hour), End: midnight.Add(time.Hour), Zone: zone}
	h, err := s.Steps(t.Context(), "", r, 24*time.Hour, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{0, 0, 1, 1}, h.Series[0].Hits); diff != "" || !h.Start.Equal(midnight.AddDate(0, 0, -3)) {
		t.Errorf("from %v: %s", h.Start.In(zone), diff)
	}
	if _, err := s.Steps(t.Context(), "", r, time.Millisecond, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("too many steps: %v", err)
	}
}

func TestFieldsAndValues(t *testing.T) {
	t.Parallel()
	s := search.NewService(openStore(t, minutes(10)...), clock)
	fields, err := s.Fields(t.Context(), "event | limit 1", search.Range{Since: time.Hour})
	if err != nil || len(fields) < 4 || fields[0].Hits != 10 {
		t.Errorf("%v %v", fields, err)
	}
	values, err := s.Values(t.Context(), "n:>0", search.Range{}, event.HostName, 2)
	if diff := cmp.Diff([]logstore.Count{{Value: "pc-0412", Hits: 3}, {Value: "pc-0413", Hits: 3}}, values); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
