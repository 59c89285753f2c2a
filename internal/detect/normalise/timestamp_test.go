package normalise

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-02T03:04:05Z":                "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.123456789+09:00": "2026-01-01T18:04:05.123456789Z",
		"2026-01-02 03:04:05,123":             "2026-01-02T03:04:05.123Z",
		"2026-01-02 03:04:05.000000001":       "2026-01-02T03:04:05.000000001Z",
		"2026-01-02 03:04:05 +0900":           "2026-01-01T18:04:05Z",
		"2026-01-02 03:04:05 +09":             "2026-01-01T18:04:05Z",
		"2026-01-02 03:04:05 (UTC)":           "2026-01-02T03:04:05Z",
		"2026-01-02 03:04:05 UTC":             "2026-01-02T03:04:05Z",
		"2026/01/02 03:04:05":                 "2026-01-02T03:04:05Z",
		"2026-01-02T03:04Z":                   "2026-01-02T03:04:00Z",
		"2024-12-17 00:00:00000000":           "2024-12-17T00:00:00Z",
		"1767323045":                          "2026-01-02T03:04:05Z",
		"1767323045.25":                       "2026-01-02T03:04:05.25Z",
		"1767323045123":                       "2026-01-02T03:04:05.123Z",
		"1767323045123456":                    "2026-01-02T03:04:05.123456Z",
		"1767323045123456789":                 "2026-01-02T03:04:05.123456789Z",
		"10/Oct/2000:13:55:36 -0700":          "2000-10-10T20:55:36Z",
		"Sun Dec 04 04:47:44 2005":            "2005-12-04T04:47:44Z",
		"Mon, 02 Jan 2006 15:04:05 GMT":       "2006-01-02T15:04:05Z",
		"04/11/2025 06:21:02":                 "",
		"2026-02-30 03:04:05":                 "",
		"2026-01-02 25:04:05":                 "",
		"2026-01-02T03:04:05Zebra":            "",
		"123456":                              "",
		"315532800":                           "",
		"hello world":                         "",
		"":                                    "",
	} {
		got, ok := parseTime(text)
		if !ok && want != "" || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v, want %q", text, got, ok, want)
		}
	}
}

func TestANumberBehindATimeIsNoZone(t *testing.T) {
	t.Parallel()
	if got, rest, ok := isoTime("2026-01-02 03:04:05 -12 retries"); !ok || got.Hour() != 3 || rest != " -12 retries" {
		t.Errorf("%v, %q, %v", got, rest, ok)
	}
}

func TestATimeWithoutAYearIsTheLatestThatIsNotInTheFuture(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, received, want string }{
		{"Oct 11 22:14:15", "2026-03-01T12:00:00Z", "2025-10-11T22:14:15Z"},
		{"Mar  1 11:59:59", "2026-03-01T12:00:00Z", "2026-03-01T11:59:59Z"},
		{"Dec 31 23:59:58", "2026-01-01T00:00:05Z", "2025-12-31T23:59:58Z"},
		{"Jan  1 00:00:02", "2025-12-31T23:59:59Z", "2026-01-01T00:00:02Z"}, // a clock two seconds fast
		{"Jan  1 08:59:58", "2025-12-31T23:59:59Z", "2025-12-31T23:59:58Z"}, // Japan's new year
		{"Mar  1 21:00:00", "2026-03-01T12:00:01Z", "2026-03-01T12:00:00Z"}, // Japan
		{"Mar  1 17:45:00", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"}, // Nepal
		{"Feb 29 10:00:00", "2026-03-01T12:00:00Z", "2024-02-29T10:00:00Z"},
		{"Jan 02 2020 03:04:05", "2026-03-01T12:00:00Z", "2020-01-02T03:04:05Z"},
		{"2020 Jan  2 03:04:05.5", "2026-03-01T12:00:00Z", "2020-01-02T03:04:05.5Z"},
		{"Feb 30 10:00:00", "2026-03-01T12:00:00Z", ""},
		{"Foo 10 10:00:00", "2026-03-01T12:00:00Z", ""},
	} {
		received, err := time.Parse(time.RFC3339, c.received)
		if err != nil {
			t.Fatal(err)
		}
		got, _, ok := bsdTime(c.text, received)
		if !ok && c.want != "" || ok && got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s, received %s: %v, %v, want %s", c.text, c.received, got, ok, c.want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-01-02T03:04:05.1+09:00", "1767323045.5", "10/Oct/2000:13:55:36 -0700", "Oct 11 22:14:15", "Sun Dec 04 04:47:44 2005"} {
		f.Add(s)
	}
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := parseTime(s); ok && (at.Location() != time.UTC || at.Year() < 0 || at.Year() > 10000) {
			t.Errorf("%q is %v", s, at)
		}
		if at, rest, ok := bsdTime(s, received); ok && (len(rest) >= len(s) || at.Year() > 10000) {
			t.Errorf("%q is %v and leaves %q", s, at, rest)
		}
	})
}
