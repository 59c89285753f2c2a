package search

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/logstore"
)

// Histogram is counts over time, in steps of one length from Start.
type Histogram struct {
	Start  time.Time
	Step   time.Duration
	Times  []time.Time // the beginning of each step
	Series []Series    // the largest first; the last may be the rest
	Total  uint64
}

// Series is the counts of one group, a count a step.
type Series struct {
	Name  string // "" where the field has no value, and of the rest
	Rest  bool   // all groups that are too many to tell apart
	Hits  []uint64
	Total uint64
}

const maxSeries = 6

// steps are lengths that people find on a clock.
func steps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 30 * day, 91 * day, 365 * day,
	}
}

func roundStep(wanted time.Duration) time.Duration {
	for _, s := range steps() {
		if s >= wanted {
			return s
		}
	}
	return wanted.Round(24 * time.Hour)
}

// newHistogram lays what was found by the engine out on all steps of the query's range.
func newHistogram(q logstore.Query, step time.Duration, found []logstore.Bucket) *Histogram {
	since := q.Start.Add(-q.Offset).Sub(time.Unix(0, 0)) % step
	if since < 0 {
		since += step
	}
	first := q.Start.Add(-since)
	h := &Histogram{Start: first, Step: step}
	for t := first; !t.After(q.End); t = t.Add(step) {
		h.Times = append(h.Times, t)
	}
	h.fill(found)
	return h
}

// fill counts what was found in series. The groups that are too many to tell apart are added up: a step takes room for a few
// series and not for each value that a field has.
func (h *Histogram) fill(found []logstore.Bucket) {
	totals := make(map[string]uint64)
	for _, b := range found {
		if h.at(b) >= 0 {
			totals[b.Group] += b.Hits
			h.Total += b.Hits
		}
	}
	names := slices.SortedFunc(maps.Keys(totals), func(a, b string) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), strings.Compare(a, b))
	})
	rest := len(names) > maxSeries
	if rest {
		names = names[:maxSeries-1]
	}
	place := make(map[string]int)
	for i, name := range names {
		place[name] = i
		h.Series = append(h.Series, Series{Name: name, Hits: make([]uint64, len(h.Times))})
	}
	if rest {
		h.Series = append(h.Series, Series{Rest: true, Hits: make([]uint64, len(h.Times))})
	}
	for _, b := range found {
		step := h.at(b)
		if step < 0 {
			continue
		}
		i, ok := place[b.Group]
		if !ok {
			i = len(h.Series) - 1
		}
		h.Series[i].Hits[step] += b.Hits
		h.Series[i].Total += b.Hits
	}
}

// at is the step of a bucket, -1 for one outside.
func (h *Histogram) at(b logstore.Bucket) int {
	if i := int(b.Start.Sub(h.Start) / h.Step); i < len(h.Times) && !b.Start.Before(h.Start) {
		return i
	}
	return -1
}
