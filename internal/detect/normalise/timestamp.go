package normalise

import (
	"strconv"
	"strings"
	"time"
)

// parseTime reads a moment in the ways logs write one with a date: RFC 3339 and ISO 8601 with their
// usual liberties, Unix time in seconds to nanoseconds, the common log format, HTTP and ctime dates. A time
// without a zone is taken as UTC. A day and month in digits alone ("04/11/2025") is refused: nobody
// can tell which is which.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 9 || len(s) > 64 {
		return time.Time{}, false
	}
	if t, rest, ok := isoTime(s); ok {
		rest = strings.TrimSpace(rest)
		return t, rest == "" || rest == "(UTC)"
	}
	switch c := s[0]; {
	case c >= '0' && c <= '9':
		if t, ok := unixTime(s); ok {
			return t, true
		}
		if t, ok := clfTime(s); ok {
			return t, true
		}
	case c >= 'A' && c <= 'Z':
		for _, layout := range namedLayouts {
			if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
				return t.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

// namedLayouts are the dates that begin with a name. Fractions of a second are read in any of them.
var namedLayouts = [...]string{
	time.ANSIC, time.RFC1123, time.RFC1123Z, time.UnixDate, time.RubyDate,
	"Jan _2, 2006 3:04:05 PM MST", "Jan _2 2006 15:04:05", "Jan _2, 2006 @ 15:04:05",
}

// isoTime reads a leading "2006-01-02T15:04:05.999+09:00" and its variants: slashes or dots in the date, a space,
// an underscore or a colon before the time, a comma before the fraction, no seconds, no zone.
func isoTime(s string) (t time.Time, rest string, ok bool) {
	if len(s) < 16 || !isDigits(s[:4]) || (s[4] != '-' && s[4] != '/' && s[4] != '.') || s[7] != s[4] {
		return t, s, false
	}
	switch s[10] {
	case 'T', 't', ' ', '_', ':':
	default:
		return t, s, false
	}
	year, _ := strconv.Atoi(s[:4])
	month, day := twoDigits(s[5:]), twoDigits(s[8:])
	hour, minute, second, nanos, rest, ok := clock(s[11:])
	if !ok || year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return t, s, false
	}
	east, rest := zone(rest)
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC).Add(-east), rest, true
}

// clock reads "15:04:05.999", also without seconds.
func clock(s string) (hour, minute, second, nanos int, rest string, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, 0, 0, 0, s, false
	}
	hour, minute = twoDigits(s), twoDigits(s[3:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, 0, 0, 0, s, false
	}
	s = s[5:]
	if len(s) < 3 || s[0] != ':' {
		return hour, minute, 0, 0, s, true
	}
	if second = twoDigits(s[1:]); second < 0 || second > 60 { // 60 is a leap second
		return 0, 0, 0, 0, s, false
	}
	s = s[3:]
	nanos, s = fraction(s)
	return hour, minute, second, nanos, s, true
}

// fraction reads ".999", ",999" or bare digits as parts of a second, to the nanosecond.
func fraction(s string) (nanos int, rest string) {
	i := 0
	if s != "" && (s[0] == '.' || s[0] == ',') {
		i = 1
	}
	if i == len(s) || s[i] < '0' || s[i] > '9' {
		return 0, s
	}
	for scale := 100_000_000; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * scale
		scale /= 10
	}
	return nanos, s[i:]
}

// zone reads "Z", "+09:00", "+0900", "+09", " UTC", " GMT"; nothing means UTC.
func zone(s string) (east time.Duration, rest string) {
	t := strings.TrimLeft(s, " ")
	switch {
	case t == "":
		return 0, t
	case t[0] == 'Z' || t[0] == 'z':
		return 0, t[1:]
	case strings.HasPrefix(t, "UTC"), strings.HasPrefix(t, "GMT"):
		return 0, t[3:]
	case (t[0] == '+' || t[0] == '-') && len(t) >= 3:
		hours, minutes, n := twoDigits(t[1:]), 0, 3
		if len(t) >= 6 && t[3] == ':' {
			minutes, n = twoDigits(t[4:]), 6
		} else if len(t) >= 5 {
			if m := twoDigits(t[3:]); m >= 0 {
				minutes, n = m, 5
			}
		}
		if n == 3 && len(t) > n && len(t) < len(s) {
			return 0, s // a number behind the time rather than a zone: " -12 retries"
		}
		if hours < 0 || hours > 15 || minutes < 0 || minutes > 59 {
			return 0, s
		}
		east = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if t[0] == '-' {
			east = -east
		}
		return east, t[n:]
	}
	return 0, s
}

// unixTime reads seconds, milliseconds, microseconds or nanoseconds since 1970 by their size. What would lie
// before 1990 is no time but some other number.
func unixTime(s string) (time.Time, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(whole) < 9 || len(whole) > 19 || !isDigits(whole) || (frac != "" && !isDigits(frac)) {
		return time.Time{}, false
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || v < 631_152_000 {
		return time.Time{}, false
	}
	switch {
	case v < 100_000_000_000:
		nanos, _ := fraction(frac)
		return time.Unix(v, int64(nanos)).UTC(), true
	case v < 100_000_000_000_000:
		return time.UnixMilli(v).UTC(), true
	case v < 100_000_000_000_000_000:
		return time.UnixMicro(v).UTC(), true
	default:
		return time.Unix(0, v).UTC(), true
	}
}

// clfTime reads the common log format's "10/Oct/2000:13:55:36 -0700".
func clfTime(s string) (time.Time, bool) {
	if len(s) < 20 || s[2] != '/' || s[6] != '/' || s[11] != ':' || !isDigits(s[7:11]) {
		return time.Time{}, false
	}
	day, month := twoDigits(s), monthNumber(s[3:6])
	year, _ := strconv.Atoi(s[7:11])
	hour, minute, second, nanos, rest, ok := clock(s[12:])
	if !ok || year == 0 || month == 0 || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	east, rest := zone(rest)
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC).Add(-east), rest == ""
}

// bsdTime reads the leading "Oct 11 22:14:15" of RFC 3164, section 4.1.2, and what devices make of it: with a year
// before or after the day, with a fraction. Without a year it is resolved against received.
func bsdTime(s string, received time.Time) (t time.Time, rest string, ok bool) {
	year := 0
	if len(s) > 5 && isDigits(s[:4]) && s[4] == ' ' {
		year, _ = strconv.Atoi(s[:4])
		s = s[5:]
	}
	if len(s) < 14 || s[3] != ' ' {
		return t, s, false
	}
	month := monthNumber(s[:3])
	if month == 0 {
		return t, s, false
	}
	token, after := word(strings.TrimLeft(s[4:], " "))
	day, err := strconv.Atoi(strings.TrimSuffix(token, ","))
	if err != nil || day < 1 || day > 31 {
		return t, s, false
	}
	if len(after) > 5 && after[4] == ' ' && isDigits(after[:4]) {
		year, _ = strconv.Atoi(after[:4])
		after = strings.TrimLeft(after[5:], " ")
	}
	hour, minute, second, nanos, rest, ok := clock(after)
	if !ok {
		return t, s, false
	}
	if year != 0 {
		if day > daysIn(year, month) {
			return t, s, false
		}
		return time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC), rest, true
	}
	t, ok = withYear(month, day, hour, minute, second, nanos, received)
	return t, rest, ok
}

// withYear gives a date without a year the latest year in which it does not lie in the future.
//
// Such dates carry no zone either and are taken as UTC. Read so, a message from east of Greenwich seems to
// come up to 14 hours from the future, which cannot be: it is then moved back by whole quarters of an hour,
// the steps in which zones differ, to the moment nearest to its arrival.
func withYear(month, day, hour, minute, second, nanos int, received time.Time) (time.Time, bool) {
	const eastmost, skew = 14 * time.Hour, 5 * time.Minute
	received = received.UTC()
	year := received.Year()
	if received.Month() == time.December && month == 1 {
		year++ // a clock that runs ahead at the turn of the year
	}
	for range 9 { // 29 February comes within eight years
		if day <= daysIn(year, month) {
			t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
			ahead := t.Sub(received)
			if ahead <= skew {
				return t, true
			}
			if ahead <= eastmost {
				return t.Add(-ahead.Round(15 * time.Minute)), true
			}
		}
		year--
	}
	return time.Time{}, false
}

// twoDigits reads two leading digits, -1 where there are none.
func twoDigits(s string) int {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// monthNumber reads an English month's three letters, 0 where they are none.
func monthNumber(s string) int {
	const months = "janfebmaraprmayjunjulaugsepoctnovdec"
	if len(s) != 3 {
		return 0
	}
	key := [3]byte{s[0] | 0x20, s[1] | 0x20, s[2] | 0x20}
	for i := 0; i < len(months); i += 3 {
		if months[i] == key[0] && months[i+1] == key[1] && months[i+2] == key[2] {
			return i/3 + 1
		}
	}
	return 0
}

func daysIn(year, month int) int {
	switch time.Month(month) {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}
