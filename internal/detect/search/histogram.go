package search

import (
	"cmp"
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
	Series []Series    // the largest first; the last may be the rest, with Name ""
	Total  uint64
}

// Series is the counts of one group, a count a step.
type Series struct {
	Name  string
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
	groups := make(map[string]*Series)
	for _, b := range found {
		i := int(b.Start.Sub(first) / step)
		if i < 0 || i >= len(h.Times) {
			continue
		}
		g, ok := groups[b.Group]
		if !ok {
			g = &Series{Name: b.Group, Hits: make([]uint64, len(h.Times))}
			groups[b.Group] = g
		}
		g.Hits[i] += b.Hits
		g.Total += b.Hits
		h.Total += b.Hits
	}
	for _, g := range groups {
		h.Series = append(h.Series, *g)
	}
	slices.SortFunc(h.Series, func(a, b Series) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Name, b.Name))
	})
	h.foldRest()
	return h
}

// foldRest adds up what is too many to tell apart.
func (h *Histogram) foldRest() {
	if len(h.Series) <= maxSeries {
		return
	}
	rest := Series{Hits: make([]uint64, len(h.Times))}
	for _, s := range h.Series[maxSeries-1:] {
		rest.Total += s.Total
		for i, n := range s.Hits {
			rest.Hits[i] += n
		}
	}
	h.Series = append(h.Series[:maxSeries-1], rest)
}
