package calendar

import (
	"cmp"
	"fmt"
	"time"
)

// Date is a day of the Gregorian calendar, wherever on earth. The zero Date is no day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// On returns a date, normalised as time.Date does: On(2026, 2, 30) is March 2.
func On(year int, month time.Month, day int) Date {
	return DateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// DateOf returns the day that it is at t in t's own zone.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{year, month, day}
}

// IsZero reports whether it is no day.
func (d Date) IsZero() bool { return d == Date{} }

// Valid reports whether there is such a day, in the years 1 to 9999.
func (d Date) Valid() bool { return d.Year >= 1 && d.Year <= 9999 && On(d.Year, d.Month, d.Day) == d }

// Compare returns -1, 0 or 1 as d is before, on or after other.
func (d Date) Compare(other Date) int {
	return cmp.Or(cmp.Compare(d.Year, other.Year), cmp.Compare(d.Month, other.Month), cmp.Compare(d.Day, other.Day))
}

// Before reports whether d is before other.
func (d Date) Before(other Date) bool { return d.Compare(other) < 0 }

// After reports whether d is after other.
func (d Date) After(other Date) bool { return d.Compare(other) > 0 }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// AddDays returns the day n days later, or earlier.
func (d Date) AddDays(n int) Date { return On(d.Year, d.Month, d.Day+n) }

// AddMonths returns the same day n months later, or earlier; where that month is too short, its last day.
func (d Date) AddMonths(n int) Date {
	first := On(d.Year, d.Month+time.Month(n), 1)
	return Date{first.Year, first.Month, min(d.Day, first.daysInMonth())}
}

// DaysUntil returns how many days later other is; negative where it is earlier.
func (d Date) DaysUntil(other Date) int { return int(other.utc().Sub(d.utc()) / (24 * time.Hour)) }

func (d Date) daysInMonth() int { return On(d.Year, d.Month+1, 0).Day }

func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// String writes the date as ISO 8601 does, 2026-11-25; the zero Date is "".
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// MarshalText writes the date as String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is no date such as 2026-11-25", text)
	}
	*d = DateOf(t)
	return nil
}

// At returns the moment when clocks of the zone show that time on that day. Where clocks are put forward over it, it is the moment
// when they are; where they show it twice, it is the first time. Hour 24 is the end of the day.
func (d Date) At(hour, minute int, zone *time.Location) time.Time {
	wall := time.Date(d.Year, d.Month, d.Day, hour, minute, 0, 0, time.UTC)
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	// Being east of Greenwich more is being earlier: the greater offset gives the first of two moments.
	for _, offset := range []int{max(before, after), min(before, after)} {
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if _, real := t.Zone(); real == offset {
			return t
		}
	}
	start, _ := wall.Add(-time.Duration(before) * time.Second).In(zone).ZoneBounds()
	return start.In(zone)
}
