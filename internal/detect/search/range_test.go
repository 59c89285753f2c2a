package search_test

import (
	"testing"
	"time"

	"yagura/internal/detect/search"
	"yagura/internal/platform/fault"
)

func TestParseRange(t *testing.T) {
	t.Parallel()
	zone := tokyo(t)
	at := func(y int, m time.Month, d, h, mi, s int) time.Time { return time.Date(y, m, d, h, mi, s, 0, zone) }
	for name, one := range map[string]struct {
		since, start, end string
		want              search.Range
	}{
		"nothing":        {"", "", "", search.Range{}},
		"everything":     {"all", "", "", search.Range{}},
		"hours":          {"24h", "", "", search.Range{Since: 24 * time.Hour}},
		"days":           {" 7d ", "", "", search.Range{Since: 7 * 24 * time.Hour}},
		"since, until":   {"7d", "", "24h", search.Range{Since: 7 * 24 * time.Hour, End: now.Add(-24 * time.Hour)}},
		"a day is whole": {"", "2026-03-01", "2026-03-01", search.Range{Start: at(2026, 3, 1, 0, 0, 0), End: at(2026, 3, 2, 0, 0, 0).Add(-1)}},
		"a minute too":   {"", "2026-03-01 09:30", "2026-03-01T09:30", search.Range{Start: at(2026, 3, 1, 9, 30, 0), End: at(2026, 3, 1, 9, 31, 0).Add(-1)}},
		"with a zone":    {"", "2026-03-01T00:00:00Z", "now", search.Range{Start: at(2026, 3, 1, 9, 0, 0)}},
		"so long ago":    {"", "3h ago", "90m", search.Range{Start: now.Add(-3 * time.Hour), End: now.Add(-90 * time.Minute)}},
	} {
		got, err := search.ParseRange(one.since, one.start, one.end, now, zone)
		if err != nil || got.Since != one.want.Since || !got.Start.Equal(one.want.Start) || !got.End.Equal(one.want.End) {
			t.Errorf("%s: %+v %v, want %+v", name, got, err, one.want)
		}
	}
	for _, wrong := range [][3]string{
		{"24h", "2026-03-01", ""}, {"yesterday", "", ""}, {"0h", "", ""}, {"-5h", "", ""}, {"NaNd", "", ""}, {"", "2026-13-01", ""}, {"", "2026-03-02", "2026-03-01"}, {"", "", "soon"},
	} {
		if got, err := search.ParseRange(wrong[0], wrong[1], wrong[2], now, zone); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v %v", wrong, got, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("24h", "", "")
	f.Add("", "2026-03-01", "2026-03-01T09:30:00+09:00")
	f.Add("9e99y", "infd", "-1h ago")
	f.Fuzz(func(t *testing.T, since, start, end string) {
		r, err := search.ParseRange(since, start, end, now, time.UTC)
		switch {
		case err != nil && !fault.Is(err, fault.Invalid):
			t.Errorf("%q %q %q: %v", since, start, end, err)
		case err == nil && (r.Since < 0 || !r.Start.IsZero() && !r.End.IsZero() && r.End.Before(r.Start)):
			t.Errorf("%q %q %q: %+v", since, start, end, r)
		}
	})
}
