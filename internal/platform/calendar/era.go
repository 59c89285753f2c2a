package calendar

import (
	"fmt"
	"strings"
	"time"
)

// Era is a Japanese era.
type Era struct {
	Name    string // 令和
	Letter  string // R
	English string // Reiwa
	From    Date   // its first day
	base    int    // the year that is its first
}

// Eras returns the eras since Japan has the Gregorian calendar (明治5年太政官布告第337号), the latest first: of the law on eras
// (元号法, 昭和54年法律第43号) 令和 by 平成31年政令第143号 and 平成 by 昭和64年政令第1号; before it by rescripts. A day on which an era
// changed belongs to the new one.
func Eras() []Era {
	return []Era{
		{"令和", "R", "Reiwa", Date{2019, time.May, 1}, 2019},
		{"平成", "H", "Heisei", Date{1989, time.January, 8}, 1989},
		{"昭和", "S", "Shōwa", Date{1926, time.December, 25}, 1926},
		{"大正", "T", "Taishō", Date{1912, time.July, 30}, 1912},
		{"明治", "M", "Meiji", Date{1873, time.January, 1}, 1868},
	}
}

// EraOf returns the era of a day and the year of that era, false before 1873.
func EraOf(d Date) (era Era, year int, ok bool) {
	for _, e := range Eras() {
		if !d.Before(e.From) {
			return e, d.Year - e.base + 1, true
		}
	}
	return Era{}, 0, false
}

// Japanese writes a day in its era: 令和8年11月25日, and 元年 for its first year. Before 1873 the year is the Gregorian one.
func (d Date) Japanese() string {
	e, year, ok := EraOf(d)
	switch {
	case d.IsZero():
		return ""
	case !ok:
		return fmt.Sprintf("%d年%d月%d日", d.Year, d.Month, d.Day)
	case year == 1:
		return fmt.Sprintf("%s元年%d月%d日", e.Name, d.Month, d.Day)
	}
	return fmt.Sprintf("%s%d年%d月%d日", e.Name, year, d.Month, d.Day)
}

// ShortJapanese writes a day as forms have it: R8.11.25. Before 1873 it is ISO 8601.
func (d Date) ShortJapanese() string {
	e, year, ok := EraOf(d)
	if !ok {
		return d.String()
	}
	return fmt.Sprintf("%s%d.%d.%d", e.Letter, year, d.Month, d.Day)
}

// JapaneseYear writes a year of the fiscal or the calendar kind, by its first day: 令和8.
func JapaneseYear(first Date) string {
	e, year, ok := EraOf(first)
	switch {
	case !ok:
		return fmt.Sprint(first.Year)
	case year == 1:
		return e.Name + "元"
	}
	return fmt.Sprint(e.Name, year)
}

// inEra returns the day of an era's year; false where the era has no such day.
func inEra(name string, year, month, day int) (Date, bool) {
	for _, e := range Eras() {
		if name != e.Name && !strings.EqualFold(name, e.Letter) {
			continue
		}
		d := Date{e.base + year - 1, monthOf(month), day}
		if year < 1 || !d.Valid() {
			return Date{}, false
		}
		// Forms that were printed before an era began carry dates of the old one on: 平成31年12月 is meant, and is taken.
		return d, !d.Before(e.From)
	}
	return Date{}, false
}
