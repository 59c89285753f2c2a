// Package demo makes sample logs for `yagura demo`: a day in the life of a made-up shop, in the shapes the real
// products send, and in it a story: a phishing mail, a stolen session, a mass download, a USB copy.
//
// The logs are made from a seed: the same seed and times give the same bytes. Addresses and domains are private or reserved
// for documentation (RFC 1918, RFC 2606, RFC 5737), but for the phishing site's: it lies on free hosting, as such sites do, and a rule
// looks for that. Nothing connects to it.
package demo

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"yagura/internal/detect/intake"
)

// Generator makes logs. It is not safe for concurrent use.
type Generator struct {
	rng    *rand.Rand
	people []person
	serial int // of the ids that products give to their events
}

// New makes a generator whose output depends on the seed and the times asked for.
func New(seed uint64) *Generator {
	g := &Generator{rng: rand.New(rand.NewPCG(seed, seed^0x79616775726121))}
	g.people = employees()
	return g
}

// record is one log line of one source at one time.
type record struct {
	at   time.Time
	from origin
	data []byte
}

const (
	// storyLength is how long the story takes from the mail to the cleared log.
	storyLength = 95 * time.Second
	// storyEvery is when the next victim opens the mail.
	storyEvery = 6 * time.Minute
	// noisePerSecond is the ordinary traffic while the demo runs.
	noisePerSecond = 12
	// backlogEvents is the ordinary traffic of the time before the demo starts.
	backlogEvents = 5000
	// stretch is how much of it comes at once.
	stretch = 20 * time.Minute
)

// Backlog makes what happened in the span before now: ordinary traffic that follows the working day, and the
// story once. It comes in order of time, a stretch after the other, each in batches by source: as it would have come day by day, so
// that nothing is late.
func (g *Generator) Backlog(now time.Time, span time.Duration) []*intake.Batch {
	records := make([]record, 0, backlogEvents+100)
	for len(records) < backlogEvents {
		at := now.Add(-time.Duration(g.rng.Int64N(int64(span))))
		if g.rng.Float64() < activity(at) {
			records = append(records, g.noise(at)...)
		}
	}
	began := now.Add(-span / 5)
	for _, step := range story(g.people[0]) {
		records = append(records, step.play(g, began)...)
	}
	slices.SortStableFunc(records, func(a, b record) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	var list []*intake.Batch
	for len(records) > 0 {
		end := records[0].at.Add(stretch)
		n := len(records)
		if i := slices.IndexFunc(records, func(r record) bool { return r.at.After(end) }); i >= 0 {
			n = i
		}
		list, records = append(list, batches(records[:n], now)...), records[n:]
	}
	return list
}

// activity is how busy the company is at that hour, from 0 to 1, Japan time.
func activity(at time.Time) float64 {
	hour := at.In(japan()).Hour()
	switch {
	case hour >= 9 && hour < 19:
		return 1
	case hour >= 7 && hour < 23:
		return 0.4
	default:
		return 0.12
	}
}

// Run sends the day's traffic to sink as it happens until ctx ends; the story starts at once and comes back with
// another victim every six minutes. An error of the sink ends it.
func (g *Generator) Run(ctx context.Context, sink intake.Sink) error {
	const tick = 250 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	started := time.Now()
	last := started
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			var records []record
			for range g.count(noisePerSecond * now.Sub(last).Seconds()) {
				records = append(records, g.noise(now)...)
			}
			records = append(records, g.storyBetween(started, last, now)...)
			for _, b := range batches(records, now) {
				if err := sink.Accept(ctx, b); err != nil && ctx.Err() == nil {
					return err
				}
			}
			last = now
		}
	}
}

// count turns an expected number into a whole one, at random where it is between two.
func (g *Generator) count(expected float64) int {
	n := int(expected)
	if g.rng.Float64() < expected-float64(n) {
		n++
	}
	return n
}

// storyBetween plays the steps that are due from the one time to just before the other.
func (g *Generator) storyBetween(started, from, to time.Time) []record {
	var records []record
	round := int(to.Sub(started) / storyEvery)
	victim := g.people[round%len(g.people)]
	began := started.Add(time.Duration(round) * storyEvery)
	for _, s := range story(victim) {
		if due := began.Add(s.after); !due.Before(from) && due.Before(to) {
			records = append(records, s.play(g, began)...)
		}
	}
	return records
}

// batches groups records by origin and keeps their order.
func batches(records []record, received time.Time) []*intake.Batch {
	var list []*intake.Batch
	byOrigin := make(map[origin]*intake.Batch)
	for _, r := range records {
		b, ok := byOrigin[r.from]
		if !ok {
			b = r.from.batch()
			b.Remote, b.Received = "127.0.0.1", received.UTC()
			byOrigin[r.from] = b
			list = append(list, b)
		}
		b.Items = append(b.Items, intake.Item{Data: r.data})
	}
	return list
}
