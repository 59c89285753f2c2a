package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yagura/internal/platform/fault"
)

// TimeRange is the stretch of time a page looks at. A page whose data embeds one gets the picker in the top bar. It travels in
// the query: since=24h, or start and end.
type TimeRange struct {
	Since      string    // "15m", "24h", "7d"; "" when start and end were given
	Start, End time.Time // never zero, End after Start
}

// Spans are what the picker offers.
func Spans() []string { return []string{"15m", "1h", "6h", "24h", "7d", "30d", "90d"} }

// maxSince keeps the arithmetic of times within bounds.
const maxSince = 100 * 365 * 24 * time.Hour

// ReadTimeRange reads the range from the request's query; fallback ("24h") is for a request that names none. Errors:
// fault.Invalid for what cannot be read. start and end are RFC 3339, or without a zone in the reader's own.
func ReadTimeRange(r *http.Request, fallback string) (TimeRange, error) {
	query, req := r.URL.Query(), about(r)
	now := req.site.opt.Now()
	if query.Get("start") != "" || query.Get("end") != "" {
		start, err := readTime(query.Get("start"), req.prefs.Zone, time.Time{})
		if err != nil {
			return TimeRange{}, err
		}
		end, err := readTime(query.Get("end"), req.prefs.Zone, now)
		if err != nil {
			return TimeRange{}, err
		}
		if start.IsZero() {
			start = end.Add(-24 * time.Hour)
		}
		if !end.After(start) {
			return TimeRange{}, fault.New(fault.Invalid, "fault.range.order", "the range ends (%s) before it starts (%s)", end, start)
		}
		return TimeRange{Start: start, End: end}, nil
	}
	since := query.Get("since")
	if since == "" {
		since = fallback
	}
	span, err := readSpan(since)
	if err != nil {
		return TimeRange{}, err
	}
	return TimeRange{Since: since, Start: now.Add(-span), End: now}, nil
}

func readTime(text string, zone *time.Location, fallback time.Time) (time.Time, error) {
	if text == "" {
		return fallback, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "fault.range.time", "%q is no time such as 2026-11-23T10:00", text)
}

// readSpan reads "90m", "24h", "7d", "2w".
func readSpan(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'y': 365 * 24 * time.Hour}
	if len(text) > 1 {
		n, err := strconv.ParseInt(text[:len(text)-1], 10, 32)
		unit, ok := units[text[len(text)-1]]
		if span := time.Duration(n) * unit; err == nil && ok && n > 0 && time.Duration(n) <= maxSince/unit {
			return span, nil
		}
	}
	return 0, fault.New(fault.Invalid, "fault.range.since", "%q is no time span such as 15m, 24h or 7d", text)
}

// Query returns the range as it travels, for links that keep it.
func (t TimeRange) Query() url.Values {
	if t.Since != "" {
		return url.Values{"since": {t.Since}}
	}
	return url.Values{"start": {t.Start.UTC().Format(time.RFC3339Nano)}, "end": {t.End.UTC().Format(time.RFC3339Nano)}}
}

// InRange returns the range itself: it marks page data that embeds one.
func (t TimeRange) InRange() TimeRange { return t }
