package calendar_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
)

func TestJapansHolidays(t *testing.T) {
	t.Parallel()
	japan := calendar.Japan()
	var got, want []string
	for year := 2020; year <= 2035; year++ {
		for _, h := range japan.Holidays(year) {
			got = append(got, h.Date.String()+" "+h.Name.In("ja"))
		}
	}
	want = lines(t, "japan.txt")
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d holidays, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	if first, last := japan.Years(); first != 2020 || last != 2035 || !japan.Known(day(t, "2035-12-31")) || japan.Known(day(t, "2036-01-01")) {
		t.Errorf("it knows %d to %d", first, last)
	}
	if h, ok := japan.Holiday(day(t, "2026-05-06")); !ok || h.Name.In("en") != "Substitute holiday" || h.Own {
		t.Errorf("%+v", h)
	}
}

func TestBusinessDays(t *testing.T) {
	t.Parallel()
	japan := calendar.Japan()
	for _, row := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-11-20", 1, "2026-11-24"}, // Friday; Monday is a holiday
		{"2026-05-01", 1, "2026-05-07"}, // Golden Week, with its substitute
		{"2026-09-18", 1, "2026-09-24"}, // Respect for the Aged Day, a day between, the equinox
		{"2026-09-24", -1, "2026-09-18"},
		{"2026-11-25", 5, "2026-12-02"},
		{"2026-11-23", 0, "2026-11-24"},
		{"2026-11-25", 0, "2026-11-25"},
	} {
		if got := japan.AddBusinessDays(day(t, row.from), row.n); got.String() != row.want {
			t.Errorf("%d business days from %s are %s, want %s", row.n, row.from, got, row.want)
		}
	}
	if got := japan.LastBusinessDay(2026, 5); got.String() != "2026-05-29" {
		t.Error(got)
	}
}

func TestBusinessDayArithmetic(t *testing.T) {
	t.Parallel()
	c, err := calendar.Japan().WithClosings("12-29..01-03", "2026-08-13..2026-08-14")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		d, n := knownDay.Draw(t, "day"), rapid.IntRange(1, 300).Draw(t, "n")
		later, earlier := c.AddBusinessDays(d, n), c.AddBusinessDays(d, -n)
		switch {
		case !c.IsBusinessDay(later) || !c.IsBusinessDay(earlier):
			t.Errorf("%s or %s is no business day", later, earlier)
		case c.BusinessDaysBetween(d, later) != n || c.BusinessDaysBetween(later, d) != -n:
			t.Errorf("from %s to %s there are %d, want %d", d, later, c.BusinessDaysBetween(d, later), n)
		case c.AddBusinessDays(c.Shifted(d, calendar.Preceding), n) != later:
			t.Errorf("a day off counts: %s", d)
		case c.Shifted(d, calendar.Following).Before(d) || c.Shifted(d, calendar.Preceding).After(d) || c.Shifted(d, calendar.Stay) != d:
			t.Errorf("%s goes the wrong way", d)
		case c.NextBusinessDay(c.PreviousBusinessDay(later)) != later:
			t.Errorf("%s is not the next of the one before it", later)
		}
	})
}

func TestClosingDays(t *testing.T) {
	t.Parallel()
	c, err := calendar.Japan().WithClosings("12-29..01-03", "2026-08-13..2026-08-14", "06-01", "2026-07-01")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days(t, "2026-12-29 2026-12-31 2027-01-02 2030-06-01 2026-08-13 2026-08-14 2026-07-01") {
		if h, ok := c.Holiday(d); !ok || !h.Own || c.IsBusinessDay(d) {
			t.Errorf("%s: %+v", d, h)
		}
	}
	for _, d := range days(t, "2026-12-28 2027-01-04 2027-08-13 2027-07-01") {
		if _, ok := c.Holiday(d); ok {
			t.Errorf("%s is closed", d)
		}
	}
	if h, _ := c.Holiday(day(t, "2027-01-01")); h.Name.In("ja") != "元日" {
		t.Errorf("a public holiday is called %s", h.Name.In("ja"))
	}
	if calendar.Japan().IsBusinessDay(day(t, "2026-12-29")) != true || calendar.Offices().IsBusinessDay(day(t, "2026-12-29")) {
		t.Error("only offices close at the end of the year")
	}
	for _, wrong := range []string{"", "13-01", "2026-02-30", "12-29..2027-01-03", "2026-08-14..2026-08-13", "01-01..12-31", "x..y", "12-29...01-03"} {
		if _, err := calendar.Japan().WithClosings(wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q was taken: %v", wrong, err)
		}
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	tokyo := zone(t, "Asia/Tokyo")
	// 23:30 UTC is the next morning in Japan: Wednesday, November 25.
	known := time.Date(2026, 11, 24, 23, 30, 0, 0, time.UTC)
	for _, row := range []struct {
		term calendar.Term
		want string
	}{
		{calendar.Term{Days: 3}, "2026-11-28"},
		{calendar.Term{Days: 5, FirstCounts: true}, "2026-11-29"},
		{calendar.Term{Days: 5, FirstCounts: true, Shift: calendar.Following}, "2026-11-30"},
		{calendar.Term{Days: 5, FirstCounts: true, Shift: calendar.Preceding}, "2026-11-27"},
		{calendar.Term{Days: 30, FirstCounts: true, Shift: calendar.Following}, "2026-12-24"},
		{calendar.Term{Days: 36, Shift: calendar.Following}, "2027-01-04"}, // December 31 is closed, and so until the 3rd
		{calendar.Term{Days: 60, Shift: calendar.Following}, "2027-01-25"},
		{calendar.Term{Days: 3, Business: true}, "2026-11-30"},
		{calendar.Term{Days: 3, Business: true, FirstCounts: true}, "2026-11-27"},
		{calendar.Term{Days: 1, Business: true, FirstCounts: true}, "2026-11-25"},
		{calendar.Term{Days: 0}, "2026-11-25"},
	} {
		got := calendar.Offices().Deadline(known, tokyo, row.term)
		if got.Day.String() != row.want || !got.End.Equal(got.Day.AddDays(1).At(0, 0, tokyo)) {
			t.Errorf("%+v ends on %s, want %s", row.term, got.Day, row.want)
		}
	}
	d := calendar.Offices().Deadline(known, tokyo, calendar.Term{Days: 1})
	if left := d.Left(known); left != 24*time.Hour+15*time.Hour+30*time.Minute {
		t.Errorf("%s are left", left)
	}
}

func TestCalendarsByFile(t *testing.T) {
	t.Parallel()
	c, err := calendar.Load([]byte(`
name: {ja: 支社, en: Branch}
years: [2026, 2027]
weekend: [fri, sat]
days:
  - {ja: 最終月曜, en: Last Monday, on: 05 last mon}
  - {ja: 閏日, en: Leap day, on: 02-29}
  - {ja: 一度, en: Once, dates: [2026-07-01]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Called().In("en") != "Branch" || len(c.Holidays(2026)) != 2 || len(c.Holidays(2027)) != 1 {
		t.Errorf("%v, %v", c.Holidays(2026), c.Holidays(2027))
	}
	for _, d := range days(t, "2026-05-25 2027-05-31 2026-07-01 2026-11-27") {
		if c.IsBusinessDay(d) {
			t.Errorf("%s is a business day", d)
		}
	}
	if !c.IsBusinessDay(day(t, "2026-11-29")) { // a Sunday
		t.Error("Sundays are off though the file has another weekend")
	}
	for _, wrong := range []string{
		``, `years: [2026, 2025]`, `years: [1, 9999]`, `years: [2026, 2026]
weekend: [sun, mon, tue, wed, thu, fri, sat]`, `years: [2026, 2026]
days: [{ja: x, on: 13-01}]`, `years: [2026, 2026]
days: [{ja: x, on: 01 fifth mon}]`, `years: [2026, 2026]
days: [{ja: x}]`, `years: [2026, 2026]
days: [{ja: x, dates: [2027-01-01]}]`, `years: [2026, 2026]
holidays: []`, strings.Repeat(" ", 2<<20),
	} {
		if _, err := calendar.Load([]byte(wrong)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.60q was taken: %v", wrong, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("years: [2026, 2027]\nweekend: [sat]\nsubstitute: {ja: 振替}\nbetween: {ja: 間}\ndays: [{ja: a, on: 01-01}, {ja: b, on: 05 last mon, except: [2026]}, {ja: c, dates: [2026-07-01]}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := calendar.Load([]byte(text))
		if err != nil {
			return
		}
		first, _ := c.Years()
		c.AddBusinessDays(calendar.Date{Year: first, Month: 1, Day: 1}, 3) // it comes to an end
	})
}

func TestRecurrences(t *testing.T) {
	t.Parallel()
	tokyo, newYork := zone(t, "Asia/Tokyo"), zone(t, "America/New_York")
	organisation := calendar.Organisation{Calendar: calendar.Japan(), Zone: tokyo}
	quarterly := organisation.FiscalEvery(3)
	atEnd := quarterly
	atEnd.From, atEnd.On = day(t, "2020-06-01"), calendar.LastBusinessDay
	japan := calendar.Japan()
	for name, row := range map[string]struct {
		rule calendar.Recurrence
		want string
	}{
		"each quarter": {quarterly, "2027-01-01 2027-04-01 2027-07-01"},
		"each quarter, moved on": {calendar.Recurrence{Every: 3, Unit: calendar.Months, From: day(t, "2026-04-01"), Shift: calendar.Following, Calendar: japan},
			"2027-01-04 2027-04-01 2027-07-01"},
		"the last business day of each quarter": {atEnd, "2026-12-31 2027-03-31 2027-06-30 2027-09-30 2027-12-31 2028-03-31 2028-06-30 2028-09-29"},
		"on the 31st":                           {calendar.Recurrence{Every: 1, Unit: calendar.Months, From: day(t, "2026-01-31")}, "2026-11-30 2026-12-31 2027-01-31 2027-02-28 2027-03-31"},
		"payday":                                {calendar.Recurrence{Every: 1, Unit: calendar.Months, From: day(t, "2026-01-25"), Shift: calendar.Preceding, Calendar: japan}, "2026-12-25 2027-01-25 2027-02-25 2027-03-25 2027-04-23"},
		"every second Monday":                   {calendar.Recurrence{Every: 2, Unit: calendar.Weeks, From: day(t, "2026-11-02")}, "2026-11-30 2026-12-14"},
		"each leap day":                         {calendar.Recurrence{Every: 4, Unit: calendar.Years, From: day(t, "2024-02-29")}, "2028-02-29 2032-02-29"},
		"every working day, in effect":          {calendar.Recurrence{Every: 1, Unit: calendar.Days, From: day(t, "2026-11-01"), Shift: calendar.Following, Calendar: japan}, "2026-11-26 2026-11-27 2026-11-30 2026-12-01"},
		"it has not begun yet":                  {calendar.Recurrence{Every: 1, Unit: calendar.Years, From: day(t, "2030-01-01"), On: calendar.FirstBusinessDay, Calendar: japan}, "2030-01-02 2031-01-02"},
		"the last day of a month":               {calendar.Recurrence{Every: 1, Unit: calendar.Months, From: day(t, "2026-02-01"), On: calendar.LastDay}, "2026-11-30 2026-12-31"},
	} {
		after := day(t, "2026-11-25")
		for i, want := range days(t, row.want) {
			if after = row.rule.NextDay(after); after != want {
				t.Errorf("%s: number %d is on %s, want %s", name, i+1, after, want)
			}
		}
	}
	daily := calendar.Recurrence{Every: 1, Unit: calendar.Days, From: day(t, "2026-03-01"), Hour: 2, Minute: 30, Zone: newYork}
	at := day(t, "2026-03-07").At(12, 0, newYork)
	for _, want := range []string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"} {
		if at = daily.Next(at); at.Format(time.RFC3339) != want {
			t.Errorf("%s, want %s", at.Format(time.RFC3339), want)
		}
	}
	if got := atEnd.String(); got != "every 3 month from 2020-06-01 on last_business_day at 09:00 Asia/Tokyo" {
		t.Error(got)
	}
	for _, wrong := range []calendar.Recurrence{
		{}, {Every: 1, Unit: calendar.Days}, {Every: 0, Unit: calendar.Days, From: day(t, "2026-01-01")},
		{Every: 1, Unit: "fortnight", From: day(t, "2026-01-01")}, {Every: 1, Unit: calendar.Days, From: day(t, "2026-01-01"), Hour: 24},
		{Every: 1, Unit: calendar.Days, From: day(t, "2026-01-01"), On: calendar.LastDay},
		{Every: 1, Unit: calendar.Months, From: day(t, "2026-01-01"), On: "middle"},
		{Every: 1, Unit: calendar.Months, From: day(t, "2026-01-01"), Shift: "away"},
	} {
		if wrong.Check() == nil || !wrong.Next(time.Now()).IsZero() {
			t.Errorf("%+v was taken", wrong)
		}
	}
}

// TestARecurrenceLeavesNoneOut compares Next with going through the recurrences one by one.
func TestARecurrenceLeavesNoneOut(t *testing.T) {
	t.Parallel()
	japan := calendar.Japan()
	rapid.Check(t, func(t *rapid.T) {
		r := calendar.Recurrence{
			Every: rapid.IntRange(1, 5).Draw(t, "every"), Unit: rapid.SampledFrom([]calendar.Unit{calendar.Days, calendar.Weeks, calendar.Months, calendar.Years}).Draw(t, "unit"),
			From: knownDay.Draw(t, "from"), Shift: rapid.SampledFrom([]calendar.Shift{calendar.Stay, calendar.Following, calendar.Preceding}).Draw(t, "shift"), Calendar: japan,
		}
		var all []calendar.Date
		for after := r.From.AddDays(-30); len(all) < 100; {
			after = r.NextDay(after)
			all = append(all, after)
		}
		after := knownDay.Draw(t, "after")
		got := r.NextDay(after)
		for _, d := range all {
			if d.After(after) {
				if d != got {
					t.Errorf("%s: after %s comes %s, and Next says %s", r, after, d, got)
				}
				return
			}
		}
	})
}
