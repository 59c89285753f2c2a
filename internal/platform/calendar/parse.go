package calendar

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/fault"
)

// maxText is the longest text that can be a date, in bytes.
const maxText = 100

// Parse reads a date as people in Japan type it. today gives what is left out.
//
//	2026/11/25  2026-11-25  2026.11.25  2026年11月25日  20261125  ２０２６年１１月２５日
//	令和8年11月25日  R8.11.25  r8/11/25  令和元年5月1日
//	11/25  11月25日  25日      the nearest to today: in this year, the last or the next; of this month
//	今日  明日  明後日  昨日
//
// A weekday in brackets after it, (水), must be that day's. Errors are fault.Invalid.
func Parse(text string, today Date) (Date, error) {
	invalid := fault.New(fault.Invalid, "fault.calendar.date", "this is no date such as 2026-11-25")
	if len(text) > maxText {
		return Date{}, invalid
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return -1
		case strings.ContainsRune("‐‑–−ー", r): // what the key of the hyphen gives under an input method
			return '-'
		}
		return r
	}, norm.NFKC.String(text)) // digits, letters and signs of full width, ㋿ and the like
	plain, weekday := cutWeekday(plain)
	d, ok := parseDay(plain, today)
	if !ok || !d.Valid() || weekday >= 0 && d.Weekday() != weekday {
		return Date{}, invalid
	}
	return d, nil
}

// cutWeekday takes "(水)", "(水曜日)" or "水曜日" off the end; -1 where there is none.
func cutWeekday(text string) (rest string, weekday time.Weekday) {
	for i, word := range []string{"日", "月", "火", "水", "木", "金", "土"} {
		for _, form := range []string{"(" + word + ")", "(" + word + "曜)", "(" + word + "曜日)", word + "曜日"} {
			if rest, ok := strings.CutSuffix(text, form); ok && rest != "" {
				return rest, time.Weekday(i)
			}
		}
	}
	return text, -1
}

func parseDay(text string, today Date) (Date, bool) {
	switch text {
	case "今日", "本日", "きょう":
		return today, true
	case "明日", "あす", "あした":
		return today.AddDays(1), true
	case "明後日", "あさって":
		return today.AddDays(2), true
	case "昨日", "きのう":
		return today.AddDays(-1), true
	}
	era, text := cutEra(text)
	numbers, ok := split(text, era != "")
	switch {
	case !ok:
		return Date{}, false
	case era != "" && len(numbers) == 3:
		return inEra(era, numbers[0], numbers[1], numbers[2])
	case era != "":
		return Date{}, false
	case len(numbers) == 3:
		return Date{numbers[0], monthOf(numbers[1]), numbers[2]}, numbers[0] >= 1000 // 26/11/25 could be three days
	case len(numbers) == 2:
		return nearest(numbers[0], numbers[1], today)
	case len(numbers) == 1:
		return Date{today.Year, today.Month, numbers[0]}, true
	}
	return Date{}, false
}

// cutEra takes an era's name or letter off the beginning; "" where there is none.
func cutEra(text string) (era, rest string) {
	for _, e := range Eras() {
		if rest, ok := strings.CutPrefix(text, e.Name); ok {
			return e.Name, rest
		}
		if len(text) > 1 && strings.EqualFold(text[:1], e.Letter) {
			return e.Letter, strings.TrimPrefix(text[1:], ".")
		}
	}
	return "", strings.TrimPrefix(text, "西暦")
}

// split takes the numbers of a date apart: year, month and day, month and day, or a day alone.
func split(text string, era bool) ([]int, bool) {
	if strings.ContainsAny(text, "年月日") {
		return splitWords(text)
	}
	if len(text) == 8 && !era && strings.Trim(text, "0123456789") == "" {
		return numbers(text[:4], text[4:6], text[6:])
	}
	for _, sign := range []string{"/", "-", "."} {
		if parts := strings.Split(text, sign); len(parts) == 2 && sign != "." || len(parts) == 3 {
			return numbers(parts...)
		}
	}
	return nil, false
}

// splitWords reads 2026年11月25日 and its later parts.
func splitWords(text string) ([]int, bool) {
	var parts []string
	for _, word := range []string{"年", "月", "日"} {
		before, after, found := strings.Cut(text, word)
		if !found {
			if len(parts) > 0 {
				return nil, false // 11月 has no day, 2026年25日 no month
			}
			continue
		}
		if word == "年" && before == "元" {
			before = "1"
		}
		parts, text = append(parts, before), after
	}
	if text != "" {
		return nil, false
	}
	return numbers(parts...)
}

// numbers reads digits, at most four each.
func numbers(parts ...string) ([]int, bool) {
	list := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || len(part) > 4 || part[0] == '+' || part[0] == '-' {
			return nil, false
		}
		list[i] = n
	}
	return list, true
}

// monthOf keeps a number that is no month from becoming one.
func monthOf(n int) time.Month { return time.Month(min(max(n, 0), 13)) }

// nearest returns the day of that month and number that is nearest to today; the later of two that are as near.
func nearest(month, day int, today Date) (Date, bool) {
	var best Date
	distance := 0
	for year := today.Year - 1; year <= today.Year+1; year++ {
		d := Date{year, monthOf(month), day}
		if !d.Valid() {
			continue
		}
		far := today.DaysUntil(d)
		if far < 0 {
			far = -far
		}
		if best.IsZero() || far <= distance {
			best, distance = d, far
		}
	}
	return best, !best.IsZero()
}
