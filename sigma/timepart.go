package sigma

import (
	"fmt"
	"strings"
	"time"
)

// The time modifiers take one number out of a point in time. As the modifiers appendix says, they convert
// neither time zones nor formats: the clock that the value shows counts. Understood are ISO 8601 dates with
// or without a time (also with / between the numbers of the date, or a blank instead of the T) and Unix
// times of 10, 13, 16 or 19 digits (seconds to nanoseconds), which count as UTC.

// timePart returns the part of the time that value shows.
func timePart(part modifierSet, value string) (int64, bool) {
	t, hasClock, ok := parseTime(value)
	if !ok {
		return 0, false
	}
	switch {
	case part.has(modMinute):
		return int64(t.Minute()), hasClock
	case part.has(modHour):
		return int64(t.Hour()), hasClock
	case part.has(modDay):
		return int64(t.Day()), true
	case part.has(modWeek):
		_, week := t.ISOWeek()
		return int64(week), true
	case part.has(modMonth):
		return int64(t.Month()), true
	default:
		return int64(t.Year()), true
	}
}

// checkTimePart refuses a number that the part can never have.
func checkTimePart(part modifierSet, n int64) error {
	low, high := int64(1), int64(9999)
	switch {
	case part.has(modMinute):
		low, high = 0, 59
	case part.has(modHour):
		low, high = 0, 23
	case part.has(modDay):
		high = 31
	case part.has(modWeek):
		high = 53
	case part.has(modMonth):
		high = 12
	}
	if n < low || n > high {
		return fmt.Errorf("modifier %s: %d is not between %d and %d", part.list(), n, low, high)
	}
	return nil
}

// parseTime reads a time without an allocation. The result's zone is always UTC.
func parseTime(s string) (t time.Time, hasClock, ok bool) {
	if v, whole := parseInteger(s, false); whole {
		t, ok = unixTime(v, len(s))
		return t, ok, ok
	}
	if len(s) == 19 && strings.Trim(s, "0123456789") == "" { // too long for parseInteger
		v, _ := parseInteger(s[:18], false)
		return time.UnixMicro(v / 100).UTC(), true, true
	}
	if len(s) < 10 || s[4] != '-' && s[4] != '/' || s[7] != s[4] {
		return time.Time{}, false, false
	}
	year, ok1 := parseInteger(s[:4], false)
	month, ok2 := parseInteger(s[5:7], false)
	day, ok3 := parseInteger(s[8:10], false)
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > 31 {
		return time.Time{}, false, false
	}
	var hour, minute int64
	if rest := s[10:]; rest != "" {
		if len(rest) < 6 || rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' || rest[3] != ':' {
			return time.Time{}, false, false
		}
		hour, ok1 = parseInteger(rest[1:3], false)
		minute, ok2 = parseInteger(rest[4:6], false)
		if !ok1 || !ok2 || hour > 23 || minute > 59 {
			return time.Time{}, false, false
		}
		hasClock = true
	}
	t = time.Date(int(year), time.Month(month), int(day), int(hour), int(minute), 0, 0, time.UTC)
	return t, hasClock, t.Day() == int(day) // the 31st of a shorter month is no date
}

// unixTime tells the unit of a Unix time by its length.
func unixTime(v int64, digits int) (time.Time, bool) {
	switch digits {
	case 10:
		return time.Unix(v, 0).UTC(), true
	case 13:
		return time.UnixMilli(v).UTC(), true
	case 16:
		return time.UnixMicro(v).UTC(), true
	}
	return time.Time{}, false
}
