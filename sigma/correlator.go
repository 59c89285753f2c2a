package sigma

import (
	"math"
	"slices"
	"strings"
	"time"
)

// CorrelatorOptions bound what a Correlator keeps. A zero value means the default.
type CorrelatorOptions struct {
	// Lateness is how late a match may come; default 10 minutes. What is decided at once takes matches that are so much older
	// than the newest of their group, and keeps a group until the newest event is newer by timespan and lateness than when the group was last
	// joined. So it takes old logs, too, that are read while new ones come. What is decided when its time is over takes matches that are
	// so much older than the newest event. Others are counted and left out. Negative: nothing is too late, and nothing is over before Close.
	Lateness  time.Duration
	MaxGroups int   // default 1,000,000
	MaxBytes  int64 // about what the groups take, default 64 MiB
}

// Correlator finds what correlations look for in matches of their rules. It is fed in any order, and goes by the time of the
// events. One goroutine uses it at a time.
type Correlator struct {
	opts      CorrelatorOptions
	lateness  int64
	set       *Correlations
	states    []*correlationState // by correlation.number
	watermark int64               // the newest time seen
	due       int64               // nothing expires before the watermark passes it
	seq       uint64
	firings   []*Firing
	stats     CorrelatorStats
}

// CorrelatorStats is what a Correlator keeps, and what it could not keep since its state began.
type CorrelatorStats struct {
	Groups  int64
	Matches int64 // kept
	Bytes   int64 // that they take, about
	Firings int64
	Late    int64 // matches that were too late, each for each correlation
	Alone   int64 // matches without a value to group by
	Evicted int64 // groups given up for want of room
	Dropped int64 // matches given up because their group was too large
}

// Firing is what a correlation found.
type Firing struct {
	Rule     *Rule
	Group    []GroupValue // in the order of group-by
	From, To time.Time    // the first and the last match
	Value    float64      // what the condition was asked of: the count, sum, mean or percentile
	Matches  int
	// Contributions are the first and the last matches, by time. Those of a correlation that was correlated stand in its place.
	Contributions []Contribution

	cells [][]cell // by column
}

// GroupValue is what the matches of a firing have in common. Name is the event's field that Field was found in.
type GroupValue struct {
	Field, Name, Value string
}

// Contribution is one match: the Key of the rule, and the reference that Add was given.
type Contribution struct {
	Rule string
	Time time.Time
	Ref  string
}

// Limits of what is kept of a match, a group and a firing.
const (
	maxContributions = 20 // of a firing
	maxPassedOn      = 8  // of a firing that is itself correlated
	maxCells         = 64 // values of one field in one match, and groups that one match belongs to
	maxCell          = 1 << 10
	farTime          = math.MaxInt64 / 4
)

// NewCorrelator returns a Correlator without state.
func NewCorrelator(set *Correlations, opts CorrelatorOptions) *Correlator {
	if opts.Lateness == 0 {
		opts.Lateness = 10 * time.Minute
	}
	if opts.MaxGroups <= 0 {
		opts.MaxGroups = 1_000_000
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = 64 << 20
	}
	c := &Correlator{opts: opts, lateness: opts.Lateness.Microseconds(), watermark: -farTime, due: math.MaxInt64}
	if opts.Lateness < 0 {
		c.lateness = farTime
	}
	c.Swap(set)
	return c
}

// Add takes a match of a rule: the event, its time, and a reference by which the caller finds it again. It returns what
// fired, whatever refers to another firing after that one; the slice is valid until the next call.
func (c *Correlator) Add(r *Rule, ev Event, at time.Time, ref string) []*Firing {
	c.firings = c.firings[:0]
	feeds := c.set.feeds[r.Key()]
	if len(feeds) == 0 {
		return nil
	}
	t := micros(at)
	c.advance(t)
	// A copy: the reference may be a part of its event's memory, which is not counted and would be kept with it.
	refs := []Contribution{{Rule: r.Key(), Time: time.UnixMicro(t).UTC(), Ref: strings.Clone(ref)}}
	for _, f := range feeds {
		from := f.to.parts[f.part].from
		cells := make([][]cell, len(from))
		for i := range from {
			cells[i] = eventCells(ev, from[i].names)
		}
		c.put(f, t, cells, refs)
	}
	c.evict()
	return c.firings
}

// Advance says that events up to a time have been seen, whether they matched or not, and returns what fired because its time
// is over. The slice is valid until the next call.
func (c *Correlator) Advance(to time.Time) []*Firing {
	c.firings = c.firings[:0]
	c.advance(micros(to))
	c.evict()
	return c.firings
}

// Close decides all that waits for its time to be over, as if no more events came, and keeps nothing.
func (c *Correlator) Close() []*Firing {
	c.firings = c.firings[:0]
	for _, s := range c.states {
		for len(s.order) > 0 {
			c.expire(s)
		}
	}
	return c.firings
}

// Stats returns the present state in numbers.
func (c *Correlator) Stats() CorrelatorStats { return c.stats }

// Swap replaces the correlations. Those whose definition did not change keep their state, whatever else of the rule did.
func (c *Correlator) Swap(set *Correlations) {
	if set == c.set {
		return
	}
	before := make(map[string]*correlationState, len(c.states))
	for _, s := range c.states {
		before[s.def.print] = s
	}
	c.set, c.states = set, make([]*correlationState, len(set.list))
	for i, x := range set.list {
		s := before[x.print]
		if s == nil {
			s = newCorrelationState()
		}
		delete(before, x.print)
		s.def, c.states[i] = x, s
	}
	for _, s := range before {
		for len(s.order) > 0 {
			c.remove(s, s.order[0])
		}
	}
	c.schedule()
}

// micros bounds times so that sums of them fit.
func micros(t time.Time) int64 {
	switch {
	case t.Year() < -100_000:
		return -farTime
	case t.Year() > 100_000:
		return farTime
	}
	return max(-farTime, min(farTime, t.UnixMicro()))
}

// put puts a match into its groups.
func (c *Correlator) put(f feed, at int64, cells [][]cell, refs []Contribution) {
	x := f.to
	by := len(x.def.GroupBy)
	e := hit{at: at, part: int32(f.part), matches: 1, refs: refs}
	if !e.fill(x, cells) {
		c.stats.Alone++
		return
	}
	groups := combinations(cells[:by])
	if len(groups) == 0 {
		c.stats.Alone++
		return
	}
	for _, values := range groups {
		c.seq++
		e.seq = c.seq
		c.join(c.states[x.number], values, e)
	}
}

// join puts a match into one group and decides what can be decided at once.
func (c *Correlator) join(s *correlationState, values []cell, e hit) {
	key := groupKey(values)
	g := s.groups[key]
	newest := c.watermark
	if s.def.atOnce {
		newest = e.at
		if g != nil {
			newest = max(newest, g.newest)
		}
	}
	if e.at < newest-c.hold(s.def) {
		c.stats.Late++
		return
	}
	if g == nil {
		g = newGroup(key, values, e.seq)
		s.add(g)
		c.stats.Groups++
		c.count(s, g.size)
	}
	g.newest, g.touched = newest, c.watermark
	c.forget(s, g)
	if len(g.entries) >= s.def.def.Type.most() {
		c.compact(s, g)
	}
	g.insert(e)
	c.stats.Matches++
	c.count(s, e.size())
	g.tally(&e, 1)
	if s.def.atOnce {
		c.decide(s, g, e.at)
	}
	c.reschedule(s, g)
}

// count books bytes.
func (c *Correlator) count(s *correlationState, bytes int64) {
	s.bytes += bytes
	c.stats.Bytes += bytes
}

// hold is how much older than the watermark a match of the correlation may be.
func (c *Correlator) hold(x *correlation) int64 {
	if c.lateness >= farTime {
		return farTime
	}
	return min(farTime, x.holdLateness*c.lateness+x.holdTime)
}

// forget leaves out what no window can reach any more. What is decided when its time is over is removed then.
func (c *Correlator) forget(s *correlationState, g *group) {
	if !s.def.atOnce {
		return
	}
	if n := g.from(g.newest - s.def.span - c.hold(s.def)); n > 0 {
		c.cut(s, g, 0, n)
	}
}

// cut removes matches from a group.
func (c *Correlator) cut(s *correlationState, g *group, from, to int) {
	for i := from; i < to; i++ {
		c.count(s, -g.entries[i].size())
		g.tally(&g.entries[i], -1)
	}
	c.stats.Matches -= int64(to - from)
	g.entries = slices.Delete(g.entries, from, to)
}

// decide looks at each window that a new match belongs to, the earliest first: those that end with a match within the
// timespan behind it.
func (c *Correlator) decide(s *correlationState, g *group, at int64) {
	x := s.def
	if x.def.Type == ValueCount && len(g.values) < x.least {
		return
	}
	for i := g.from(at); i < len(g.entries); {
		end := g.entries[i].at
		if end > at+x.span {
			return
		}
		from, to := g.from(end-x.span), g.behind(end)
		value, ok := 0.0, false
		if x.def.Type != EventCount || to-from >= x.least {
			value, ok = x.weigh(g.entries[from:to])
		}
		if !ok {
			i = to
			continue
		}
		c.fire(s, g, from, to, value)
		if x.def.Type != TemporalOrdered {
			c.cut(s, g, from, to)
			return // the new match is among them
		}
		last := g.last(end, to)
		c.cut(s, g, last, last+1)
		i = g.from(end)
	}
}

// fire reports what a window of a group holds, and hands it to the correlations that refer to this one.
func (c *Correlator) fire(s *correlationState, g *group, from, to int, value float64) {
	x, window := s.def, g.entries[from:to]
	f := &Firing{
		Rule: x.rule, Value: value, From: time.UnixMicro(window[0].at).UTC(), To: time.UnixMicro(window[len(window)-1].at).UTC(),
		Contributions: contributions(window, maxContributions),
	}
	for i, v := range g.cells {
		f.Group = append(f.Group, GroupValue{Field: x.def.GroupBy[i], Name: v.name, Value: v.value})
		f.cells = append(f.cells, []cell{v})
	}
	for i := range window {
		f.Matches += int(window[i].matches)
	}
	c.stats.Firings++
	c.firings = append(c.firings, f)
	if len(x.parents) == 0 {
		return
	}
	f.cells = append(f.cells, gather(window, len(x.columns)-len(f.cells))...)
	refs := contributions(window, maxPassedOn)
	for _, p := range x.parents {
		origins := p.to.parts[p.part].from
		cells := make([][]cell, len(origins))
		for i, o := range origins {
			cells[i] = f.cells[o.column]
		}
		c.put(p, window[len(window)-1].at, cells, refs)
	}
}

// advance moves the watermark and decides or forgets whatever is over.
func (c *Correlator) advance(to int64) {
	c.watermark = max(c.watermark, to)
	if c.watermark <= c.due {
		return
	}
	for _, s := range c.states { // firings only go to states further on
		for len(s.order) > 0 && s.order[0].expires < c.watermark {
			c.expire(s)
		}
	}
	c.schedule()
}

// expire decides the first window of the group that expires next, or forgets the group.
func (c *Correlator) expire(s *correlationState) {
	g := s.order[0]
	if s.def.atOnce || len(g.entries) == 0 {
		c.remove(s, g)
		return
	}
	to := g.behind(g.entries[0].at + s.def.span)
	if value, ok := s.def.weigh(g.entries[:to]); ok {
		c.fire(s, g, 0, to, value)
	}
	c.cut(s, g, 0, to)
	c.reschedule(s, g)
}

// reschedule notes when a group expires, and removes it where it is empty.
func (c *Correlator) reschedule(s *correlationState, g *group) {
	if len(g.entries) == 0 {
		c.remove(s, g)
		return
	}
	at := g.entries[0].at
	if s.def.atOnce {
		at = g.touched
	}
	g.expires = at + s.def.span + c.hold(s.def)
	s.fix(g)
	c.due = min(c.due, g.expires)
}

// schedule finds out when the next group expires.
func (c *Correlator) schedule() {
	c.due = math.MaxInt64
	for _, s := range c.states {
		if len(s.order) > 0 {
			c.due = min(c.due, s.order[0].expires)
		}
	}
}

// remove forgets a group.
func (c *Correlator) remove(s *correlationState, g *group) {
	c.cut(s, g, 0, len(g.entries))
	s.drop(g)
	c.count(s, -g.size)
	c.stats.Groups--
}

// evict makes room: the correlation that takes most gives up the groups that would expire first.
func (c *Correlator) evict() {
	for c.stats.Groups > int64(c.opts.MaxGroups) || c.stats.Bytes > c.opts.MaxBytes {
		most := slices.MaxFunc(c.states, func(a, b *correlationState) int { return int(a.bytes - b.bytes) })
		c.remove(most, most.order[0])
		c.stats.Evicted++
	}
}
