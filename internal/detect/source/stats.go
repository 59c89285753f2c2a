package source

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"yagura/internal/detect/pipeline"
)

const (
	minutesKept  = 60  // of the rate
	refusalsKept = 20  // of each source
	sendersKept  = 200 // addresses of each source
	sourcesKept  = 10_000

	// recent is how long a refusal or a silence counts.
	recent = 15 * time.Minute
	// maxReason bounds what is kept of a reason: it may quote what was sent.
	maxReason = 300
)

// State is how a source is doing.
type State string

// The states.
const (
	Waiting State = "waiting" // nothing came yet
	Alive   State = "alive"   // something came of late
	Quiet   State = "quiet"   // something came, but not of late
	Failing State = "failing" // of late, more than one in a hundred was refused, dropped or could not be read
)

// Refusal is something that was turned away.
type Refusal struct {
	At     time.Time `json:"at"`
	Remote string    `json:"remote,omitempty"`
	Events int       `json:"events"` // 0: a whole request
	Reason string    `json:"reason"`
}

// Sender is an address that a source's events come from.
type Sender struct {
	Remote   string    `json:"remote"`
	Events   uint64    `json:"events"`
	LastSeen time.Time `json:"last_seen"`
}

// minute is what happened in one minute.
type minute struct {
	Events uint32 `json:"e,omitempty"`
	Bad    uint32 `json:"b,omitempty"` // refused, dropped or not readable
}

// counters is all that is known of one source and input. It is kept in the database as its JSON.
type counters struct {
	Events   uint64    `json:"events"` // accepted
	Bytes    uint64    `json:"bytes"`
	Refused  uint64    `json:"refused"`
	Dropped  uint64    `json:"dropped"` // by us or by the kernel: UDP only
	Unread   uint64    `json:"unread"`  // accepted, but the pipeline could not make sense of it
	LastSeen time.Time `json:"last_seen"`
	// Newest is the latest event time that was stored, and Delay how old that event was then.
	Newest time.Time     `json:"newest"`
	Delay  time.Duration `json:"delay"`
	Lag    time.Duration `json:"lag"` // from acceptance to the store, the last time

	Refusals []Refusal           `json:"refusals,omitempty"` // the newest last
	Senders  map[string]*Sender  `json:"senders,omitempty"`
	Minutes  [minutesKept]minute `json:"minutes"` // a ring, by Unix minute
	Minute   int64               `json:"minute"`  // the latest one in the ring
}

// Figures is what is known of one source and input, for people.
type Figures struct {
	Source, Input string // Source is "" for callers without a known token

	Events, Bytes, Refused, Dropped, Unread uint64

	LastSeen time.Time // zero: never
	Newest   time.Time
	Delay    time.Duration // how old the newest event was when it was stored
	Lag      time.Duration // from acceptance to the store, the last time
	Rate     float64       // events a second, over the last minute
	Hour     []int64       // events in each of the last 60 minutes, the latest last
	Refusals []Refusal     // the newest first
	Senders  []Sender      // the busiest first
	State    State
}

type key struct{ source, input string }

// Stats counts, for each source and input, what was accepted, refused, dropped and read. It implements the observers of
// all inputs and of the pipeline. Counting is in memory; what it counted is written every few seconds, so a crash
// costs the last of it. Safe for concurrent use.
type Stats struct {
	now func() time.Time

	mu      sync.Mutex
	sources map[key]*counters
	changed map[key]bool // since the last write
}

// NewStats returns statistics that are kept in memory only; OpenStats keeps them in a database.
func NewStats(now func() time.Time) *Stats {
	return &Stats{now: now, sources: make(map[key]*counters), changed: make(map[key]bool)}
}

// change runs f on a source's counters. Past sourcesKept names, new ones are counted together: names come from
// tokens and listeners, but an import may name any.
func (s *Stats) change(source, input string, f func(c *counters, now time.Time)) {
	now := s.now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{source, input}
	c, ok := s.sources[k]
	if !ok {
		if len(s.sources) >= sourcesKept {
			k = key{"", input}
		}
		if c = s.sources[k]; c == nil {
			c = &counters{Minute: now.Unix() / 60}
			s.sources[k] = c
		}
	}
	s.changed[k] = true
	f(c, now)
}

// Accepted implements the observer of every input.
func (s *Stats) Accepted(source, input, remote string, events, bytes int) {
	if events == 0 {
		return
	}
	s.change(source, input, func(c *counters, now time.Time) {
		c.Events += uint64(events)
		c.Bytes += uint64(bytes)
		c.LastSeen = now
		c.at(now).Events += uint32(events)
		c.sender(remote, now, events)
	})
}

// Refused implements the observer of every input.
func (s *Stats) Refused(source, input, remote string, events int, reason string) {
	s.change(source, input, func(c *counters, now time.Time) {
		c.Refused += uint64(max(events, 1))
		c.at(now).Bad += uint32(max(events, 1))
		c.refuse(Refusal{now, remote, events, clip(reason)})
	})
}

// Dropped counts events that were lost because nobody could be told to wait.
func (s *Stats) Dropped(source, input, remote string, events int, reason string) {
	s.change(source, input, func(c *counters, now time.Time) {
		c.Dropped += uint64(events)
		c.at(now).Bad += uint32(events)
		c.refuse(Refusal{now, remote, events, clip(reason)})
	})
}

// Processed implements pipeline.Observer: what became of events that were accepted.
func (s *Stats) Processed(list []pipeline.Observation) {
	for _, o := range list {
		s.change(o.Source, o.Input, func(c *counters, now time.Time) {
			if o.Newest.After(c.Newest) {
				c.Newest = o.Newest.UTC()
			}
			if !o.Newest.IsZero() {
				c.Delay = max(0, now.Sub(o.Newest))
			}
			c.Lag = o.Lag
			if o.Errors > 0 {
				c.Unread += uint64(o.Errors)
				c.at(now).Bad += uint32(o.Errors)
				c.refuse(Refusal{At: now, Events: o.Errors, Reason: clip(o.LastError)})
			}
		})
	}
}

func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return reason[:maxReason] + "…"
}

// at returns the minute of now, after clearing those since the last one.
func (c *counters) at(now time.Time) *minute {
	this := now.Unix() / 60
	if this > c.Minute {
		for m := max(c.Minute+1, this-minutesKept+1); m <= this; m++ {
			c.Minutes[m%minutesKept] = minute{}
		}
		c.Minute = this
	}
	return &c.Minutes[c.Minute%minutesKept]
}

// refuse keeps the newest refusals; the same one again only changes the last.
func (c *counters) refuse(r Refusal) {
	if n := len(c.Refusals); n > 0 {
		if last := &c.Refusals[n-1]; last.Remote == r.Remote && last.Reason == r.Reason {
			last.At, last.Events = r.At, last.Events+r.Events
			return
		}
	}
	if len(c.Refusals) >= refusalsKept {
		c.Refusals = slices.Delete(c.Refusals, 0, 1)
	}
	c.Refusals = append(c.Refusals, r)
}

// sender counts an address; where there are too many, the one that was silent longest makes room.
func (c *counters) sender(remote string, now time.Time, events int) {
	if remote == "" {
		return
	}
	sender, ok := c.Senders[remote]
	if !ok {
		if c.Senders == nil {
			c.Senders = make(map[string]*Sender)
		}
		if len(c.Senders) >= sendersKept {
			oldest := ""
			for address, other := range c.Senders {
				if oldest == "" || other.LastSeen.Before(c.Senders[oldest].LastSeen) {
					oldest = address
				}
			}
			delete(c.Senders, oldest)
		}
		sender = &Sender{Remote: remote}
		c.Senders[remote] = sender
	}
	sender.Events += uint64(events)
	sender.LastSeen = now
}

// All returns the figures of every source and input, by source and input.
func (s *Stats) All() []Figures {
	now := s.now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Figures, 0, len(s.sources))
	for k, c := range s.sources {
		list = append(list, c.figures(k, now))
	}
	slices.SortFunc(list, func(a, b Figures) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Input, b.Input))
	})
	return list
}

func (c *counters) figures(k key, now time.Time) Figures {
	c.at(now)
	f := Figures{
		Source: k.source, Input: k.input,
		Events: c.Events, Bytes: c.Bytes, Refused: c.Refused, Dropped: c.Dropped, Unread: c.Unread,
		LastSeen: c.LastSeen, Newest: c.Newest, Delay: c.Delay, Lag: c.Lag,
		Rate:     c.rate(now),
		Refusals: slices.Clone(c.Refusals),
	}
	slices.Reverse(f.Refusals)
	for i := minutesKept - 1; i >= 0; i-- {
		f.Hour = append(f.Hour, int64(c.ago(i).Events))
	}
	for _, sender := range c.Senders {
		f.Senders = append(f.Senders, *sender)
	}
	slices.SortFunc(f.Senders, func(a, b Sender) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Remote, b.Remote))
	})
	f.State = c.state(now)
	return f
}

// rate is events a second over the last sixty seconds: this minute, and as much of the one before as is missing.
func (c *counters) rate(now time.Time) float64 {
	missing := 1 - float64(now.Unix()%60)/60
	return (float64(c.ago(0).Events) + missing*float64(c.ago(1).Events)) / 60
}

// ago returns the minute that was n minutes before the latest.
func (c *counters) ago(n int) minute {
	m := (c.Minute - int64(n)) % minutesKept
	if m < 0 {
		m += minutesKept
	}
	return c.Minutes[m]
}

func (c *counters) state(now time.Time) State {
	var good, bad uint64
	for i := range int(recent / time.Minute) {
		m := c.ago(i)
		good, bad = good+uint64(m.Events), bad+uint64(m.Bad)
	}
	switch {
	case bad > 0 && bad*100 > good+bad:
		return Failing
	case c.LastSeen.IsZero():
		return Waiting
	case now.Sub(c.LastSeen) > recent:
		return Quiet
	default:
		return Alive
	}
}
