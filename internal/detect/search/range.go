package search

import (
	"fmt"
	"strings"
	"time"

	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
)

// Range is a stretch of time: so long until now, or from one time to another, both included. The zero Range has no bounds.
type Range struct {
	Since      time.Duration
	Start, End time.Time
	Zone       *time.Location // whose days and hours a histogram's steps follow; nil is UTC
}

// ParseRange reads "24h", "7d" (since) or two times (start, end): RFC 3339, "2006-01-02 15:04", "2006-01-02", or how long ago.
// Times without a zone are in the zone given. Its errors are fault.Invalid.
func ParseRange(since, start, end string, now time.Time, zone *time.Location) (Range, error) {
	r := Range{Zone: zone}
	var err error
	if since != "" && start != "" {
		return r, fault.New(fault.Invalid, "fault.search.range", "give since or start, not both")
	}
	if since = strings.TrimSpace(since); since != "" && since != "all" {
		d, err := config.ParseDuration(since)
		if err == nil && d <= 0 {
			err = fmt.Errorf("%q is no stretch of time", since)
		}
		if err != nil {
			return r, fault.New(fault.Invalid, "fault.search.range", "since: %w", err)
		}
		r.Since = time.Duration(d)
	}
	if r.Start, err = parseTime(start, now, zone, false); err != nil {
		return r, err
	}
	if r.End, err = parseTime(end, now, zone, true); err != nil {
		return r, err
	}
	if !r.Start.IsZero() && !r.End.IsZero() && r.End.Before(r.Start) {
		return r, fault.New(fault.Invalid, "fault.search.range", "the range ends before it starts")
	}
	return r, nil
}

// parseTime reads a time; a coarse one that ends a range means its last instant.
func parseTime(text string, now time.Time, zone *time.Location, last bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "now" {
		return time.Time{}, nil
	}
	for _, form := range []struct {
		layout string
		covers time.Duration
	}{
		{time.RFC3339Nano, 0}, {"2006-01-02T15:04:05", time.Second}, {"2006-01-02 15:04:05", time.Second},
		{"2006-01-02T15:04", time.Minute}, {"2006-01-02 15:04", time.Minute}, {time.DateOnly, 24 * time.Hour},
	} {
		if t, err := time.ParseInLocation(form.layout, text, zone); err == nil {
			if last && form.covers > 0 {
				t = t.Add(form.covers - 1)
			}
			return t, nil
		}
	}
	if d, err := config.ParseDuration(strings.TrimSuffix(text, " ago")); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	return time.Time{}, fault.New(fault.Invalid, "fault.search.range", "%q is no time such as 2026-04-01T09:00:00+09:00, 2026-04-01 or 24h", text)
}

// query is the range as the engine takes it.
func (r Range) query(text string, now time.Time) logstore.Query {
	q := logstore.Query{LogsQL: text, Start: r.Start, End: r.End}
	if r.Since > 0 {
		q.Start = now.Add(-r.Since)
	}
	return q
}

// The times that the log store takes, roughly: without them a histogram over "everything" would be mostly void.
const (
	ancient = 100 * 365 * 24 * time.Hour
	ahead   = 48 * time.Hour
)
