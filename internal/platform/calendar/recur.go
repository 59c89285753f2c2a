package calendar

import (
	"fmt"
	"time"
)

// Unit is what a recurrence counts.
type Unit string

// The units.
const (
	Days   Unit = "day"
	Weeks  Unit = "week"
	Months Unit = "month"
	Years  Unit = "year"
)

// Place is where in its month a recurrence of months or years falls.
type Place string

// The places.
const (
	SameDay          Place = ""                   // the day of From; in a month that is too short, its last
	LastDay          Place = "last_day"           // of the month
	FirstBusinessDay Place = "first_business_day" // of the month
	LastBusinessDay  Place = "last_business_day"  // of the month
)

// Recurrence is a day again and again: every 3 months from the fiscal year's start, on the last business day.
type Recurrence struct {
	Every int   // 1 is each
	Unit  Unit  //
	From  Date  // the first one; from it is counted
	On    Place // of months and years
	Shift Shift // where a day goes that is no business day

	Hour, Minute int
	Zone         *time.Location // nil is UTC
	Calendar     *Calendar      // nil knows no holidays: every day is a business day
}

// Check reports a recurrence that is none.
func (r Recurrence) Check() error {
	_, unit := r.step()
	switch {
	case unit == 0 || r.Every < 1 || r.Every > 10_000:
		return fmt.Errorf("every %d %q is no recurrence", r.Every, r.Unit)
	case !r.From.Valid():
		return fmt.Errorf("%v is no day to count from", r.From)
	case r.Hour < 0 || r.Hour > 23 || r.Minute < 0 || r.Minute > 59:
		return fmt.Errorf("%d:%02d is no time", r.Hour, r.Minute)
	case r.On != SameDay && (r.Unit != Months && r.Unit != Years):
		return fmt.Errorf("%q is a place in a month, and it counts by %s", r.On, r.Unit)
	case r.On != SameDay && r.On != LastDay && r.On != FirstBusinessDay && r.On != LastBusinessDay:
		return fmt.Errorf("there is no place %q in a month", r.On)
	case r.Shift != Stay && r.Shift != Following && r.Shift != Preceding:
		return fmt.Errorf("there is no shift %q", r.Shift)
	}
	return nil
}

// step returns how many days or months one recurrence is; 0 and 0 where the unit is none.
func (r Recurrence) step() (months, days int) {
	switch r.Unit {
	case Days:
		return 0, r.Every
	case Weeks:
		return 0, 7 * r.Every
	case Months:
		return r.Every, 30 * r.Every
	case Years:
		return 12 * r.Every, 365 * r.Every
	}
	return 0, 0
}

// nth returns the day of the n-th recurrence, from 0.
func (r Recurrence) nth(n int) Date {
	months, days := r.step()
	d := r.From.AddDays(n * days)
	if months > 0 {
		d = r.From.AddMonths(n * months)
	}
	calendar := r.Calendar
	if calendar == nil {
		calendar = new(Calendar)
	}
	switch r.On {
	case LastDay:
		d = On(d.Year, d.Month+1, 0)
	case FirstBusinessDay:
		d = calendar.Shifted(Date{d.Year, d.Month, 1}, Following)
	case LastBusinessDay:
		d = calendar.LastBusinessDay(d.Year, d.Month)
	}
	return calendar.Shifted(d, r.Shift)
}

// Next returns the first recurrence after a time; the zero time for what Check refuses, and beyond the year 9999.
func (r Recurrence) Next(after time.Time) time.Time {
	if r.Check() != nil {
		return time.Time{}
	}
	zone := r.Zone
	if zone == nil {
		zone = time.UTC
	}
	_, days := r.step()
	// A month may be longer than its 30 days here and a day be moved by holidays: begin early enough.
	n := r.From.DaysUntil(DateOf(after.In(zone)))*30/(days*31) - 2*mostClosed/days - 2
	for n = max(n, 0); ; n++ {
		d := r.nth(n)
		if d.Year > 9999 {
			return time.Time{}
		}
		if t := d.At(r.Hour, r.Minute, zone); t.After(after) {
			return t
		}
	}
}

// NextDay returns the first recurrence after a day, whatever the time.
func (r Recurrence) NextDay(after Date) Date {
	r.Hour, r.Minute, r.Zone = 0, 0, time.UTC
	next := r.Next(after.utc())
	if next.IsZero() {
		return Date{}
	}
	return DateOf(next)
}

// String says the recurrence so that every change of it shows.
func (r Recurrence) String() string {
	text := fmt.Sprintf("every %d %s from %s", r.Every, r.Unit, r.From)
	if r.On != SameDay {
		text += " on " + string(r.On)
	}
	if r.Shift != Stay {
		text += ", " + string(r.Shift)
	}
	zone := "UTC"
	if r.Zone != nil {
		zone = r.Zone.String()
	}
	return fmt.Sprintf("%s at %02d:%02d %s", text, r.Hour, r.Minute, zone)
}

// Organisation is how an organisation counts days.
type Organisation struct {
	Fiscal   Fiscal
	Calendar *Calendar
	Zone     *time.Location
}

// Today returns the organisation's day at a moment.
func (o Organisation) Today(now time.Time) Date { return DateOf(now.In(o.Zone)) }

// FiscalEvery returns the recurrence of every so many months from the fiscal year's start, at nine in the morning: every 3 are its
// quarters. What else it is to be is set on it.
func (o Organisation) FiscalEvery(months int) Recurrence {
	return Recurrence{Every: months, Unit: Months, From: o.Fiscal.Year(2020).First, Hour: 9, Zone: o.Zone, Calendar: o.Calendar}
}
