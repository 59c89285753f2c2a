package jobs

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
)

// Cron is a rule in the five fields of cron(5), minute, hour, day of the month, month, day of the week, in a time zone.
//
// Where clocks change it does what people mean: with every hour ("*/15 * * * *") it keeps its pace, and with certain hours ("30 2 * * *")
// it runs once that day, at the moment of the change where clocks are put forward over its time.
type Cron struct {
	text                            string
	zone                            *time.Location
	minute, hour, day, month, weeks uint64 // a bit for each value
	eachDay, eachWeekday            bool   // the field was *
}

// cronField is what a field may hold.
type cronField struct {
	name       string
	least, max int
	words      []string // names of values, from least
}

func cronFields() [5]cronField {
	return [5]cronField{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	}
}

// ParseCron reads a rule such as "30 3 * * mon-fri". A nil zone is UTC. The error is fault.Invalid.
func ParseCron(text string, zone *time.Location) (*Cron, error) {
	if zone == nil {
		zone = time.UTC
	}
	invalid := func(err error) error {
		return fault.New(fault.Invalid, "fault.job.cron", "the schedule %q: %w", text, err)
	}
	parts := strings.Fields(text)
	if len(parts) != 5 {
		return nil, invalid(fmt.Errorf("%d fields, want minute, hour, day of the month, month, day of the week", len(parts)))
	}
	c := &Cron{text: strings.Join(parts, " "), zone: zone}
	for i, place := range []*uint64{&c.minute, &c.hour, &c.day, &c.month, &c.weeks} {
		field := cronFields()[i]
		set, err := field.parse(strings.ToLower(parts[i]))
		if err != nil {
			return nil, invalid(fmt.Errorf("%s: %w", field.name, err))
		}
		*place = set
	}
	if c.weeks&(1<<7) != 0 { // Sunday is 0 and 7
		c.weeks |= 1
	}
	c.eachDay, c.eachWeekday = strings.HasPrefix(parts[2], "*"), strings.HasPrefix(parts[4], "*")
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, invalid(fmt.Errorf("there is no such day"))
	}
	return c, nil
}

// MustCron is ParseCron for rules that stand in the program; it panics where one is wrong.
func MustCron(text string, zone *time.Location) *Cron {
	c, err := ParseCron(text, zone)
	if err != nil {
		panic(err)
	}
	return c
}

// parse reads a field: a list of *, n, n-m, each with /step.
func (f cronField) parse(text string) (set uint64, err error) {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || step > f.max {
				return 0, fmt.Errorf("%q is no step", stepText)
			}
		}
		from, to := f.least, f.max
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			if from, err = f.value(first); err != nil {
				return 0, err
			}
			switch {
			case ranged:
				if to, err = f.value(last); err != nil {
					return 0, err
				}
			case !stepped:
				to = from
			}
		}
		if from > to {
			return 0, fmt.Errorf("%q ends before it begins", span)
		}
		for v := from; v <= to; v += step {
			set |= 1 << v
		}
	}
	return set, nil
}

func (f cronField) value(text string) (int, error) {
	for i, word := range f.words {
		if text == word {
			return f.least + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.least || n > f.max || text[0] == '+' || text[0] == '-' {
		return 0, fmt.Errorf("%q is not between %d and %d", text, f.least, f.max)
	}
	return n, nil
}

// Expression returns the five fields.
func (c *Cron) Expression() string { return c.text }

// String returns the five fields and the zone.
func (c *Cron) String() string { return c.text + " " + c.zone.String() }

// farthest bounds the search, in days: a leap day can be eight years away.
const farthest = 9 * 366

// Next returns the first time after the given one.
func (c *Cron) Next(after time.Time) time.Time {
	after = after.In(c.zone)
	day := calendar.DateOf(after)
	for range farthest {
		if c.on(day) {
			if t := c.nextOn(day, after); !t.IsZero() {
				return t
			}
		}
		day = day.AddDays(1)
	}
	return time.Time{}
}

// on reports whether the rule holds on a day. As cron(5) has it, where both days are restricted, either will do.
func (c *Cron) on(d calendar.Date) bool {
	if c.month&(1<<d.Month) == 0 {
		return false
	}
	day, weekday := c.day&(1<<d.Day) != 0, c.weeks&(1<<d.Weekday()) != 0
	if c.eachDay || c.eachWeekday {
		return day && weekday
	}
	return day || weekday
}

const everyHour = 1<<24 - 1

// nextOn returns the first time after the given one on that day, the zero time for none.
func (c *Cron) nextOn(d calendar.Date, after time.Time) time.Time {
	if c.hour == everyHour {
		return c.nextPaced(d, after)
	}
	for hours := c.hour; hours != 0; hours &= hours - 1 {
		for minutes := c.minute; minutes != 0; minutes &= minutes - 1 {
			if t := d.At(bits.TrailingZeros64(hours), bits.TrailingZeros64(minutes), c.zone); t.After(after) {
				return t
			}
		}
	}
	return time.Time{}
}

// nextPaced goes minute by minute as time passes, whatever clocks show.
func (c *Cron) nextPaced(d calendar.Date, after time.Time) time.Time {
	t := d.At(0, 0, c.zone)
	if !after.Before(t) {
		t = after.Add(time.Minute - time.Duration(after.Second())*time.Second - time.Duration(after.Nanosecond()))
	}
	for ; calendar.DateOf(t) == d; t = t.Add(time.Minute) {
		if c.minute&(1<<t.Minute()) != 0 {
			return t
		}
	}
	return time.Time{}
}
