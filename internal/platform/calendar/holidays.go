package calendar

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"yagura/internal/platform/fault"
)

//go:embed data/japan.yml
var japanFile []byte

// Name is what something is called in both languages.
type Name struct {
	Japanese string `yaml:"ja"`
	English  string `yaml:"en"`
}

// In returns the name in a language: "ja", or English for any other.
func (n Name) In(lang string) string {
	if lang == "ja" || n.English == "" {
		return n.Japanese
	}
	return n.English
}

// Holiday is a day off and why.
type Holiday struct {
	Date Date
	Name Name
	Own  bool // a closing day of the organisation's own
}

// Calendar tells holidays and business days. It does not change once it is made.
type Calendar struct {
	name        Name
	first, last int // the years it knows
	weekend     [7]bool
	holidays    map[Date]Name
	closings    []closing
}

// file is a calendar as it is written: data/japan.yml is the example.
type file struct {
	Name       Name     `yaml:"name"`
	Years      [2]int   `yaml:"years"`
	Weekend    []string `yaml:"weekend"`
	Substitute *Name    `yaml:"substitute"`
	Between    *Name    `yaml:"between"`
	Days       []entry  `yaml:"days"`
}

// entry is a holiday of every year but some, or of certain dates.
type entry struct {
	Name   `yaml:",inline"`
	On     string   `yaml:"on"`
	Except []int    `yaml:"except"`
	Dates  []string `yaml:"dates"`
}

// maxFile bounds a calendar's file, and maxYears how far it goes.
const (
	maxFile  = 1 << 20
	maxYears = 200
)

// Japan returns the public holidays of Japan.
func Japan() *Calendar {
	c, err := Load(japanFile)
	if err != nil {
		panic(err) // a file of our own that is embedded
	}
	return c
}

// Load reads a calendar from YAML in the form of data/japan.yml. Errors are fault.Invalid and say what is wrong.
func Load(text []byte) (*Calendar, error) {
	c, err := load(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "fault.calendar.file", "the calendar's file: %w", err)
	}
	return c, nil
}

func load(text []byte) (*Calendar, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), maxFile)
	}
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return nil, err
	}
	c := &Calendar{name: f.Name, first: f.Years[0], last: f.Years[1], holidays: make(map[Date]Name)}
	if c.first < 1 || c.last > 9999 || c.first > c.last || c.last-c.first >= maxYears {
		return nil, fmt.Errorf("years %v are no span of at most %d years", f.Years, maxYears)
	}
	for _, word := range f.Weekend {
		day, err := weekday(word)
		if err != nil {
			return nil, err
		}
		c.weekend[day] = true
	}
	for i, e := range f.Days {
		if err := c.addEntry(e); err != nil {
			return nil, fmt.Errorf("day %d, %s: %w", i+1, e.Japanese, err)
		}
	}
	c.derive(f.Substitute, f.Between)
	return c, c.open()
}

// addEntry adds the days of an entry.
func (c *Calendar) addEntry(e entry) error {
	if (e.On == "") == (len(e.Dates) == 0) {
		return fmt.Errorf(`it needs "on" or "dates"`)
	}
	for _, text := range e.Dates {
		var d Date
		if err := d.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		if d.Year < c.first || d.Year > c.last {
			return fmt.Errorf("%s is not in the calendar's years", d)
		}
		c.holidays[d] = e.Name
	}
	if e.On == "" {
		return nil
	}
	for year := c.first; year <= c.last; year++ {
		d, err := dayOf(year, e.On)
		if err != nil {
			return err
		}
		if !slices.Contains(e.Except, year) && d.Valid() { // February 29 is not in every year
			c.holidays[d] = e.Name
		}
	}
	return nil
}

// dayOf reads "02-11" and "01 second mon" for a year.
func dayOf(year int, text string) (Date, error) {
	if t, err := time.Parse("2006-01-02", "2000-"+text); err == nil { // a leap year takes them all
		return Date{year, t.Month(), t.Day()}, nil
	}
	words := strings.Fields(text)
	wrong := fmt.Errorf(`%q is no day such as "02-11" or "01 second mon"`, text)
	if len(words) != 3 {
		return Date{}, wrong
	}
	month, err := strconv.Atoi(words[0])
	nth := slices.Index([]string{"first", "second", "third", "fourth", "last"}, words[1])
	day, unknown := weekday(words[2])
	if err != nil || unknown != nil || nth < 0 || month < 1 || month > 12 {
		return Date{}, wrong
	}
	if nth == 4 {
		last := On(year, time.Month(month)+1, 0)
		return last.AddDays(-((int(last.Weekday()) - int(day) + 7) % 7)), nil
	}
	first := On(year, time.Month(month), 1)
	return first.AddDays((int(day)-int(first.Weekday())+7)%7 + 7*nth), nil
}

func weekday(word string) (time.Weekday, error) {
	i := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, word)
	if i < 0 {
		return 0, fmt.Errorf("%q is no day of the week such as sun", word)
	}
	return time.Weekday(i), nil
}

// derive adds the days that follow from others. Of the law on Japan's holidays, article 3: (2) where one falls on a Sunday, the
// nearest later day that is none; (3) a day that is none between two that are. Days that come by (2) make none by (3).
func (c *Calendar) derive(substitute, between *Name) {
	named := make(map[Date]bool, len(c.holidays))
	for d := range c.holidays {
		named[d] = true
	}
	for d := range named {
		if substitute != nil && d.Weekday() == time.Sunday {
			next := d.AddDays(1)
			for named[next] {
				next = next.AddDays(1)
			}
			c.holidays[next] = *substitute
		}
	}
	for d := range named {
		middle := d.AddDays(1)
		_, taken := c.holidays[middle]
		if between != nil && named[d.AddDays(2)] && !taken && middle.Weekday() != time.Sunday {
			c.holidays[middle] = *between
		}
	}
}

// mostClosed is how many days in a row a calendar may have no business day.
const mostClosed = 60

// open reports a calendar that has no business days for long: whoever counts them would never come to an end.
func (c *Calendar) open() error {
	closed := 0
	for d := (Date{c.first, 1, 1}); d.Year <= c.last; d = d.AddDays(1) {
		if closed++; c.IsBusinessDay(d) {
			closed = 0
		}
		if closed > mostClosed {
			return fmt.Errorf("there is no business day in the %d days before %s", mostClosed, d)
		}
	}
	return nil
}

// Called returns what the calendar is called.
func (c *Calendar) Called() Name { return c.name }

// Years returns the first and the last year whose holidays are known.
func (c *Calendar) Years() (first, last int) { return c.first, c.last }

// Known reports whether the holidays of that day's year are known. Of other years only weekends and the organisation's closing days are.
func (c *Calendar) Known(d Date) bool { return d.Year >= c.first && d.Year <= c.last }

// Holiday returns why a day is a holiday or a closing day, false where it is neither. A weekend alone is neither.
func (c *Calendar) Holiday(d Date) (Holiday, bool) {
	if name, ok := c.holidays[d]; ok {
		return Holiday{Date: d, Name: name}, true
	}
	for _, one := range c.closings {
		if one.holds(d) {
			return Holiday{Date: d, Name: Name{"休業日", "Closing day"}, Own: true}, true
		}
	}
	return Holiday{}, false
}

// Holidays returns the holidays and closing days of a year, by date.
func (c *Calendar) Holidays(year int) []Holiday {
	var list []Holiday
	for d := (Date{year, 1, 1}); d.Year == year; d = d.AddDays(1) {
		if h, ok := c.Holiday(d); ok {
			list = append(list, h)
		}
	}
	return list
}
