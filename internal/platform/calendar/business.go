package calendar

import "time"

// IsBusinessDay reports whether a day is neither weekend nor holiday nor closing day.
func (c *Calendar) IsBusinessDay(d Date) bool {
	if c.weekend[d.Weekday()] {
		return false
	}
	_, off := c.Holiday(d)
	return !off
}

// Shift is where a day goes that is no business day.
type Shift string

// The shifts.
const (
	Stay      Shift = ""          // it stays where it is
	Following Shift = "following" // to the next business day
	Preceding Shift = "preceding" // to the business day before
)

// Shifted moves a day that is no business day.
func (c *Calendar) Shifted(d Date, shift Shift) Date {
	step := map[Shift]int{Following: 1, Preceding: -1}[shift]
	if step == 0 {
		return d
	}
	for !c.IsBusinessDay(d) {
		d = d.AddDays(step)
	}
	return d
}

// AddBusinessDays returns the n-th business day after d; before it where n is negative. With 0 it is d itself, moved to the next
// business day where it is none.
func (c *Calendar) AddBusinessDays(d Date, n int) Date {
	if n == 0 {
		return c.Shifted(d, Following)
	}
	step := 1
	if n < 0 {
		step, n = -1, -n
	}
	for n > 0 {
		if d = d.AddDays(step); c.IsBusinessDay(d) {
			n--
		}
	}
	return d
}

// NextBusinessDay returns the first business day after d.
func (c *Calendar) NextBusinessDay(d Date) Date { return c.AddBusinessDays(d, 1) }

// PreviousBusinessDay returns the last business day before d.
func (c *Calendar) PreviousBusinessDay(d Date) Date { return c.AddBusinessDays(d, -1) }

// BusinessDaysBetween returns how many business days there are after from and up to to; negative where to is earlier.
func (c *Calendar) BusinessDaysBetween(from, to Date) int {
	if to.Before(from) {
		return -c.BusinessDaysBetween(to, from)
	}
	n := 0
	for d := from.AddDays(1); !d.After(to); d = d.AddDays(1) {
		if c.IsBusinessDay(d) {
			n++
		}
	}
	return n
}

// LastBusinessDay returns the last business day of a month.
func (c *Calendar) LastBusinessDay(year int, month time.Month) Date {
	return c.Shifted(On(year, month+1, 0), Preceding)
}

// Term is how long something may take.
type Term struct {
	Days     int
	Business bool // business days are counted, not days
	// FirstCounts has the day itself be the first, on which it becomes known: 30 days end 29 days later. Otherwise the first day is the
	// next one (初日不算入, 民法第140条).
	FirstCounts bool
	Shift       Shift // where the last day goes that is no business day (民法第142条 has it Following)
}

// Deadline is when a term ends that begins at a moment: the last day, and the moment when that day is over in the zone.
type Deadline struct {
	Day Date
	End time.Time
}

// Deadline returns when a term ends. What becomes known at known, in that zone, begins it.
func (c *Calendar) Deadline(known time.Time, zone *time.Location, term Term) Deadline {
	day, n := DateOf(known.In(zone)), term.Days
	if term.FirstCounts && (!term.Business || c.IsBusinessDay(day)) {
		n--
	}
	switch {
	case n < 0:
	case term.Business && n == 0 && term.FirstCounts:
	case term.Business:
		day = c.AddBusinessDays(day, n)
	default:
		day = day.AddDays(n)
	}
	day = c.Shifted(day, term.Shift)
	return Deadline{day, day.AddDays(1).At(0, 0, zone)}
}

// Left returns how long there still is, negative once it is over.
func (d Deadline) Left(now time.Time) time.Duration { return d.End.Sub(now) }
