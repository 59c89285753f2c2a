package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

// closing is days on which an organisation is closed: certain days, or days of every year.
type closing struct {
	yearly   bool
	from, to Date // of a yearly one the year is 2000, and to may be before from: over New Year
}

// WithClosings returns the calendar with an organisation's own closing days: "2026-08-13", "2026-08-13..2026-08-15", and, for every
// year, "06-01" or "12-29..01-03". Errors are fault.Invalid and name the text.
func (c *Calendar) WithClosings(texts ...string) (*Calendar, error) {
	more := *c
	more.closings = slices.Clone(c.closings)
	for _, text := range texts {
		one, err := parseClosing(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.calendar.closing", "closing days %q: %w", text, err)
		}
		more.closings = append(more.closings, one)
	}
	if err := more.open(); err != nil {
		return nil, fault.New(fault.Invalid, "fault.calendar.closing", "closing days: %w", err)
	}
	return &more, nil
}

// Offices returns the calendar of Japan's administrative organs, by which deadlines of authorities are moved: its holidays, and
// December 29 to January 3 (行政機関の休日に関する法律, 昭和63年法律第91号, 第1条).
func Offices() *Calendar {
	c, err := Japan().WithClosings("12-29..01-03")
	if err != nil {
		panic(err) // a text of our own
	}
	return c
}

func parseClosing(text string) (one closing, err error) {
	first, last, ranged := strings.Cut(strings.TrimSpace(text), "..")
	if !ranged {
		last = first
	}
	var yearlyToo bool
	if one.from, one.yearly, err = parseClosingDay(first); err != nil {
		return one, err
	}
	if one.to, yearlyToo, err = parseClosingDay(last); err != nil {
		return one, err
	}
	if one.yearly != yearlyToo {
		return one, fmt.Errorf("one end has a year and the other has none")
	}
	if !one.yearly && one.to.Before(one.from) {
		return one, fmt.Errorf("it ends before it begins")
	}
	return one, nil
}

func parseClosingDay(text string) (d Date, yearly bool, err error) {
	if t, err := time.Parse("2006-01-02", "2000-"+text); err == nil {
		return DateOf(t), true, nil
	}
	if err := d.UnmarshalText([]byte(text)); err != nil || d.IsZero() {
		return d, false, fmt.Errorf("%q is no day such as 12-29 or 2026-08-13", text)
	}
	return d, false, nil
}

func (one closing) holds(d Date) bool {
	if !one.yearly {
		return !d.Before(one.from) && !d.After(one.to)
	}
	d.Year = one.from.Year
	if one.to.Before(one.from) {
		return !d.Before(one.from) || !d.After(one.to)
	}
	return !d.Before(one.from) && !d.After(one.to)
}
