package i18n

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/calendar"
)

// Any writes a value as a message argument: numbers grouped, spans and times in words, the rest as fmt.Sprint.
func (p *Printer) Any(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Duration:
		return p.Duration(v)
	case time.Time:
		return p.Time(v)
	case fmt.Stringer:
		return v.String()
	}
	switch rv := reflect.ValueOf(v); {
	case rv.IsValid() && (rv.CanInt() || rv.CanUint() || rv.CanFloat()):
		return p.Number(v)
	default:
		return fmt.Sprint(v)
	}
}

// Number writes a number with its thousands grouped: 1,234,567 and 0.25. Both languages group alike.
func (p *Printer) Number(v any) string {
	rv := reflect.ValueOf(v)
	var digits string
	switch {
	case !rv.IsValid():
		return ""
	case rv.CanInt():
		digits = strconv.FormatInt(rv.Int(), 10)
	case rv.CanUint():
		digits = strconv.FormatUint(rv.Uint(), 10)
	case rv.CanFloat():
		f := rv.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return "–"
		}
		digits = strconv.FormatFloat(f, 'f', -1, 64)
		if math.Abs(f) >= 100 {
			digits = strconv.FormatFloat(f, 'f', 0, 64)
		} else if short := strconv.FormatFloat(f, 'f', 2, 64); len(short) < len(digits) {
			digits = strings.TrimRight(strings.TrimRight(short, "0"), ".")
		}
	default:
		return fmt.Sprint(v)
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}

// Percent writes a share of one: 0.256 is 26 %.
func (p *Printer) Percent(share float64) string {
	if p.lang == Japanese {
		return p.Number(math.Round(share*100)) + "%"
	}
	return p.Number(math.Round(share*100)) + " %"
}

// Bytes writes a size with a binary unit: 1.5 MiB.
func (p *Printer) Bytes(n int64) string {
	if n < 1024 && n > -1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	size, unit := float64(n), 0
	for (size >= 1024 || size <= -1024) && unit < 5 {
		size /= 1024
		unit++
	}
	text := strconv.FormatFloat(size, 'f', 1, 64)
	if math.Abs(size) >= 100 || strings.HasSuffix(text, ".0") {
		text = strconv.FormatFloat(size, 'f', 0, 64)
	}
	return text + " " + []string{"", "KiB", "MiB", "GiB", "TiB", "PiB"}[unit]
}

// spans are the units of a Duration, longest first.
var spans = [...]struct {
	key  string
	unit time.Duration
}{
	{"span.days", 24 * time.Hour}, {"span.hours", time.Hour}, {"span.minutes", time.Minute}, {"span.seconds", time.Second},
}

// Duration writes a span with its two longest units: "2 h 5 min", "2時間5分"; below a second in milliseconds.
func (p *Printer) Duration(d time.Duration) string {
	if d < 0 {
		return "−" + p.Duration(-d)
	}
	if d < time.Millisecond && d > 0 {
		return p.T("span.milliseconds", float64(d)/float64(time.Millisecond))
	}
	if d < time.Second && d > 0 {
		return p.T("span.milliseconds", d.Milliseconds())
	}
	for i, span := range spans {
		n := d / span.unit
		if n == 0 && span.unit != time.Second {
			continue
		}
		text := p.T(span.key, int64(n))
		if i+1 < len(spans) {
			if rest := (d % span.unit) / spans[i+1].unit; rest > 0 {
				text += map[Lang]string{English: " "}[p.lang] + p.T(spans[i+1].key, int64(rest))
			}
		}
		return text
	}
	return ""
}

// Ago writes how long before now a time was, in one unit: "3 min ago", "3分前"; a time to come as "in 3 min".
// Beyond a week it is the date: nobody counts back 40 days.
func (p *Printer) Ago(t, now time.Time) string {
	d := now.Sub(t)
	key := "ago.past"
	if d < 0 {
		d, key = -d, "ago.future"
	}
	switch {
	case d < 5*time.Second:
		return p.T("ago.now")
	case d >= 7*24*time.Hour:
		return p.Date(t)
	}
	for _, span := range spans {
		if n := d / span.unit; n > 0 {
			return p.T(key, p.T(span.key, int64(n)))
		}
	}
	return p.T("ago.now")
}

// Date writes the day in the reader's zone: "2026-11-23" reads alike in both languages and sorts.
func (p *Printer) Date(t time.Time) string {
	t = t.In(p.zone)
	if p.eras && p.lang == Japanese {
		return calendar.DateOf(t).Japanese()
	}
	return t.Format("2006-01-02")
}

// Time writes the moment to the second in the reader's zone: "2026-11-23 11:55:45".
func (p *Printer) Time(t time.Time) string { return p.Date(t) + t.In(p.zone).Format(" 15:04:05") }

// Exact writes the moment to the millisecond with the zone: "2026-11-23 11:55:45.123 JST (UTC+09:00)".
func (p *Printer) Exact(t time.Time) string {
	t = t.In(p.zone)
	name, offset := t.Zone()
	text := t.Format("2006-01-02 15:04:05.000")
	if offset == 0 {
		return text + " UTC"
	}
	zone := "UTC" + t.Format("-07:00")
	if name != "" && name[0] != '+' && name[0] != '-' {
		return text + " " + name + " (" + zone + ")"
	}
	return text + " " + zone
}
