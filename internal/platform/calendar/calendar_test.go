package calendar_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
)

// day reads an ISO date.
func day(t testing.TB, text string) (d calendar.Date) {
	t.Helper()
	if err := d.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return d
}

func days(t testing.TB, texts string) (list []calendar.Date) {
	t.Helper()
	for _, text := range strings.Fields(texts) {
		list = append(list, day(t, text))
	}
	return list
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loaded, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// lines reads a text of testdata without its comments.
func lines(t testing.TB, name string) (list []string) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

var anyDay = rapid.Custom(func(t *rapid.T) calendar.Date {
	return calendar.On(2000, 1, 1).AddDays(rapid.IntRange(0, 20_000).Draw(t, "days since 2000"))
})

var knownDay = rapid.Custom(func(t *rapid.T) calendar.Date {
	return calendar.On(2020, 1, 1).AddDays(rapid.IntRange(0, 16*365).Draw(t, "days since 2020"))
})

func TestDates(t *testing.T) {
	t.Parallel()
	if got := calendar.On(2026, 2, 30); got != day(t, "2026-03-02") {
		t.Error(got)
	}
	for _, row := range []struct {
		from string
		n    int
		want string
	}{{"2026-01-31", 1, "2026-02-28"}, {"2027-11-30", 3, "2028-02-29"}, {"2026-01-15", -1, "2025-12-15"}, {"2026-03-31", -1, "2026-02-28"}} {
		if got := day(t, row.from).AddMonths(row.n); got.String() != row.want {
			t.Errorf("%s and %d months are %s, want %s", row.from, row.n, got, row.want)
		}
	}
	for _, wrong := range []calendar.Date{{}, {2026, 2, 29}, {2026, 13, 1}, {2026, 1, 0}, {0, 1, 1}, {10000, 1, 1}} {
		if wrong.Valid() {
			t.Errorf("%v is said to be a day", wrong)
		}
	}
	type form struct{ Due calendar.Date }
	for text, want := range map[string]form{`{"Due":"2026-11-25"}`: {day(t, "2026-11-25")}, `{"Due":""}`: {}} {
		var got form
		back, err := json.Marshal(want)
		if err != nil || string(back) != text || json.Unmarshal([]byte(text), &got) != nil || got != want {
			t.Errorf("%s: %v, written %s", text, got, back)
		}
	}
	if json.Unmarshal([]byte(`{"Due":"2026-02-30"}`), new(form)) == nil {
		t.Error("February 30 was read")
	}
}

func TestDaysAreCountedWithoutGaps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, n := anyDay.Draw(t, "day"), rapid.IntRange(-5000, 5000).Draw(t, "n")
		later := d.AddDays(n)
		if d.DaysUntil(later) != n || later.AddDays(-n) != d || (n > 0) != later.After(d) || (n < 0) != later.Before(d) {
			t.Errorf("%s and %d days are %s", d, n, later)
		}
	})
}

func TestAMomentOnADayWhereClocksChange(t *testing.T) {
	t.Parallel()
	newYork, tokyo, saoPaulo := zone(t, "America/New_York"), zone(t, "Asia/Tokyo"), zone(t, "America/Sao_Paulo")
	for _, row := range []struct {
		day          string
		hour, minute int
		zone         *time.Location
		want         string
	}{
		{"2026-11-25", 9, 0, tokyo, "2026-11-25T09:00:00+09:00"},
		{"2026-11-25", 24, 0, tokyo, "2026-11-26T00:00:00+09:00"},
		{"2026-03-08", 1, 59, newYork, "2026-03-08T01:59:00-05:00"},
		{"2026-03-08", 2, 30, newYork, "2026-03-08T03:00:00-04:00"}, // clocks go from 2 to 3
		{"2026-03-08", 3, 0, newYork, "2026-03-08T03:00:00-04:00"},
		{"2026-11-01", 1, 30, newYork, "2026-11-01T01:30:00-04:00"}, // 1:30 comes twice
		{"2026-11-01", 2, 0, newYork, "2026-11-01T02:00:00-05:00"},
		{"2018-11-04", 0, 0, saoPaulo, "2018-11-04T01:00:00-02:00"}, // there was no midnight
	} {
		if got := day(t, row.day).At(row.hour, row.minute, row.zone).Format(time.RFC3339); got != row.want {
			t.Errorf("%s %d:%02d in %s is %s, want %s", row.day, row.hour, row.minute, row.zone, got, row.want)
		}
	}
}

func TestFiscalYears(t *testing.T) {
	t.Parallel()
	var april calendar.Fiscal
	january, err := calendar.NewFiscal(time.January)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		fiscal         calendar.Fiscal
		day            string
		ja, en         string
		first, last    string
		quarter, qName string
	}{
		{april, "2026-11-25", "2026年度", "FY2026", "2026-04-01", "2027-03-31", "2026年度第3四半期", "Q3 FY2026"},
		{april, "2027-03-31", "2026年度", "FY2026", "2026-04-01", "2027-03-31", "2026年度第4四半期", "Q4 FY2026"},
		{april, "2026-03-31", "2025年度", "FY2025", "2025-04-01", "2026-03-31", "2025年度第4四半期", "Q4 FY2025"},
		{april, "2026-04-01", "2026年度", "FY2026", "2026-04-01", "2027-03-31", "2026年度第1四半期", "Q1 FY2026"},
		{january, "2026-12-31", "2026年度", "FY2026", "2026-01-01", "2026-12-31", "2026年度第4四半期", "Q4 FY2026"},
	} {
		d := day(t, row.day)
		y, q := row.fiscal.YearOf(d), row.fiscal.QuarterOf(d)
		if y.Label("ja") != row.ja || y.Label("en") != row.en || y.First.String() != row.first || y.Last.String() != row.last ||
			q.Label("ja") != row.quarter || q.Label("en") != row.qName {
			t.Errorf("%s: %+v, %+v", row.day, y, q)
		}
	}
	if _, err := calendar.NewFiscal(13); err == nil {
		t.Error("a 13th month was taken")
	}
	rapid.Check(t, func(t *rapid.T) {
		fiscal, err := calendar.NewFiscal(time.Month(rapid.IntRange(1, 12).Draw(t, "start")))
		d := anyDay.Draw(t, "day")
		y, q := fiscal.YearOf(d), fiscal.QuarterOf(d)
		if err != nil || d.Before(y.First) || d.After(y.Last) || d.Before(q.First) || d.After(q.Last) || q.Year != y ||
			fiscal.YearOf(y.Last.AddDays(1)).Year != y.Year+1 {
			t.Errorf("%s is in %v and %v", d, y, q)
		}
	})
}

func TestEras(t *testing.T) {
	t.Parallel()
	for iso, want := range map[string][2]string{
		"2026-11-25": {"令和8年11月25日", "R8.11.25"},
		"2019-05-01": {"令和元年5月1日", "R1.5.1"},
		"2019-04-30": {"平成31年4月30日", "H31.4.30"},
		"1989-01-08": {"平成元年1月8日", "H1.1.8"},
		"1989-01-07": {"昭和64年1月7日", "S64.1.7"},
		"1926-12-25": {"昭和元年12月25日", "S1.12.25"},
		"1926-12-24": {"大正15年12月24日", "T15.12.24"},
		"1912-07-30": {"大正元年7月30日", "T1.7.30"},
		"1912-07-29": {"明治45年7月29日", "M45.7.29"},
		"1873-01-01": {"明治6年1月1日", "M6.1.1"},
		"1872-12-31": {"1872年12月31日", "1872-12-31"},
	} {
		d := day(t, iso)
		if d.Japanese() != want[0] || d.ShortJapanese() != want[1] {
			t.Errorf("%s: %s, %s, want %v", iso, d.Japanese(), d.ShortJapanese(), want)
		}
	}
	if got := calendar.JapaneseYear(day(t, "2019-05-01")) + " " + calendar.JapaneseYear(day(t, "2026-04-01")); got != "令和元 令和8" {
		t.Error(got)
	}
}

func TestWhatPeopleTypeForADate(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-11-25")
	for _, line := range lines(t, "dates.txt") {
		text, want, ok := strings.Cut(line, " => ")
		if !ok {
			t.Fatal(line)
		}
		got, err := calendar.Parse(text, today)
		if want == "-" {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s was read as %s, %v", text, got, err)
			}
		} else if err != nil || got.String() != want {
			t.Errorf("%s was read as %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := calendar.On(1873, 1, 1).AddDays(rapid.IntRange(0, 100_000).Draw(t, "days"))
		for _, text := range []string{d.String(), d.Japanese(), d.ShortJapanese(), strings.ReplaceAll(d.String(), "-", ""), strings.ReplaceAll(d.String(), "-", "/")} {
			if got, err := calendar.Parse(text, calendar.Date{2026, 11, 25}); err != nil || got != d {
				t.Errorf("%s was read as %s, %v, want %s", text, got, err, d)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, line := range lines(f, "dates.txt") {
		text, _, _ := strings.Cut(line, " => ")
		f.Add(text)
	}
	today := calendar.Date{Year: 2026, Month: 11, Day: 25}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := calendar.Parse(text, today)
		if err == nil && !d.Valid() || err != nil && !d.IsZero() {
			t.Errorf("%q was read as %v, %v", text, d, err)
		}
	})
}
