package jobs_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loaded, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestCron(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ rule, zone, after, want string }{
		{"30 3 * * *", "Asia/Tokyo", "2026-11-25T03:30:00+09:00", "2026-11-26T03:30:00+09:00 2026-11-27T03:30:00+09:00"},
		{"*/20 * * * *", "UTC", "2026-11-25T23:30:10Z", "2026-11-25T23:40:00Z 2026-11-26T00:00:00Z 2026-11-26T00:20:00Z"},
		{"0 9 * * mon-fri", "Asia/Tokyo", "2026-11-27T09:00:00+09:00", "2026-11-30T09:00:00+09:00"},
		{"0 9 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T09:00:00Z"},
		{"0 0 13 * fri", "UTC", "2026-11-12T00:00:00Z", "2026-11-13T00:00:00Z 2026-11-20T00:00:00Z"}, // either day will do
		{"0 0 29 feb *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"5,35 8-10/2 1 JAN,jul *", "UTC", "2026-11-25T00:00:00Z", "2027-01-01T08:05:00Z 2027-01-01T08:35:00Z 2027-01-01T10:05:00Z"},
		// Clocks go from 2 to 3 in the night to March 8, and from 2 back to 1 in the night to November 1.
		{"30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00 2026-03-09T02:30:00-04:00"},
		{"0,30 2,3 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00 2026-03-08T03:30:00-04:00 2026-03-09T02:00:00-04:00"},
		{"30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00"},
		{"*/30 * * * *", "America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T01:30:00-05:00 2026-11-01T02:00:00-05:00"},
		{"0 * * * *", "America/New_York", "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
	} {
		rule, err := jobs.ParseCron(row.rule, zone(t, row.zone))
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, row.after)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range strings.Fields(row.want) {
			if at = rule.Next(at); at.Format(time.RFC3339) != want {
				t.Errorf("%s in %s: number %d is at %s, want %s", row.rule, row.zone, i+1, at.Format(time.RFC3339), want)
			}
		}
	}
}

func TestWhatIsNoCron(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "*/x * * * *",
		"5-1 * * * *", "-1 * * * *", "+1 * * * *", "1,,2 * * * *", "* * 30 feb *", "* * * nov-oct *", "@daily"} {
		if _, err := jobs.ParseCron(text, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q was taken: %v", text, err)
		}
	}
}

// TestCronLeavesNoTimeOut compares Next with going through a week minute by minute.
func TestCronLeavesNoTimeOut(t *testing.T) {
	t.Parallel()
	field := rapid.OneOf(rapid.Just("*"), rapid.StringMatching(`[0-9]`), rapid.SampledFrom([]string{"*/7", "1-5", "2,4", "3-9/2"}))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join([]string{field.Draw(t, "minute"), field.Draw(t, "hour"), "*", "*", rapid.SampledFrom([]string{"*", "1", "0,3", "2-5"}).Draw(t, "weekday")}, " ")
		rule, err := jobs.ParseCron(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		after := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "after"), 0).UTC()
		got := rule.Next(after)
		// Next of the minute before each of its times is that time, and of it is a later one.
		if !got.After(after) || got.Second() != 0 || !rule.Next(got.Add(-time.Minute)).Equal(got) || !rule.Next(got).After(got) {
			t.Errorf("%s: after %s comes %s", text, after, got)
		}
		for at := after.Truncate(time.Minute).Add(time.Minute); at.Before(got); at = at.Add(time.Minute) {
			if rule.Next(at.Add(-time.Second)).Equal(at) {
				t.Fatalf("%s: after %s comes %s, and Next says %s", text, after, at, got)
			}
		}
	})
}

func FuzzParseCron(f *testing.F) {
	for _, text := range []string{"30 3 * * mon-fri", "*/5 1,2 1-31/2 jan *", "0 0 29 2 *", "* * 31 2 *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := jobs.ParseCron(text, time.UTC)
		if err != nil {
			return
		}
		now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
		if next := rule.Next(now); !next.After(now) {
			t.Errorf("%q: %s", text, next)
		}
		if again, err := jobs.ParseCron(rule.Expression(), time.UTC); err != nil || !again.Next(now).Equal(rule.Next(now)) {
			t.Errorf("%q is written %q", text, rule.Expression())
		}
	})
}
