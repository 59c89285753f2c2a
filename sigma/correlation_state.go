package sigma

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"sort"
)

// correlationState is what a Correlator keeps for one correlation.
type correlationState struct {
	def    *correlation
	groups map[string]*group
	order  groupHeap // the same, the first to expire first
	bytes  int64
}

func newCorrelationState() *correlationState {
	return &correlationState{groups: make(map[string]*group)}
}

func (s *correlationState) add(g *group) {
	s.groups[g.key] = g
	heap.Push(&s.order, g)
}

func (s *correlationState) fix(g *group) { heap.Fix(&s.order, g.place) }

func (s *correlationState) drop(g *group) {
	delete(s.groups, g.key)
	heap.Remove(&s.order, g.place)
}

// groupHeap orders groups by when they expire, then by age, so that a state read from a snapshot gives up the same ones.
type groupHeap []*group

func (h groupHeap) Len() int { return len(h) }
func (h groupHeap) Less(i, j int) bool {
	if h[i].expires != h[j].expires {
		return h[i].expires < h[j].expires
	}
	return h[i].born < h[j].born
}
func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *groupHeap) Push(x any) {
	g := x.(*group)
	g.place = len(*h)
	*h = append(*h, g)
}
func (h *groupHeap) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return g
}

// group is the matches that have the same values in all fields of group-by.
type group struct {
	key     string
	cells   []cell
	entries []hit          // by time, then as they came
	values  map[string]int // of value_count: how many matches have each
	born    uint64
	newest  int64 // of the matches that joined
	touched int64 // the watermark when the last of them did
	expires int64
	place   int   // in correlationState.order
	size    int64 // without its entries
}

// cell is a value with the name of the event's field that has it.
type cell struct{ name, value string }

// hit is a match, or the firing of another correlation.
type hit struct {
	at      int64
	seq     uint64
	part    int32
	matches int32          // more than one where several were drawn together
	keys    []string       // of value_count: what is counted, folded
	numbers []float64      // of the numeric types
	cells   [][]cell       // what other correlations ask for: the columns behind group-by
	refs    []Contribution // of the match, or of the firing's matches
}

// About what the structures take beside their texts.
const (
	groupBytes = 320
	entryBytes = 160
	cellBytes  = 40
)

func newGroup(key string, cells []cell, born uint64) *group {
	g := &group{key: key, cells: cells, born: born, size: groupBytes + int64(len(key)), values: make(map[string]int)}
	for _, v := range cells {
		g.size += cellBytes + int64(len(v.value))
	}
	return g
}

func (e *hit) size() int64 {
	n := entryBytes + 8*len(e.numbers)
	for _, key := range e.keys {
		n += cellBytes + 2*len(key)
	}
	for _, cells := range e.cells {
		n += 24
		for _, v := range cells {
			n += cellBytes + len(v.value)
		}
	}
	for i := range e.refs {
		n += 56 + len(e.refs[i].Ref)
	}
	return int64(n)
}

// fill takes what the type needs from a match; false where it has none of it.
func (e *hit) fill(x *correlation, cells [][]cell) bool {
	by := len(x.def.GroupBy)
	if x.asked {
		e.cells = cells[by:]
	}
	var fields [][]cell
	for _, f := range x.def.Fields {
		fields = append(fields, cells[slices.Index(x.columns, f)])
	}
	switch {
	case x.def.Type == ValueCount:
		for _, values := range combinations(fields) {
			if key := groupKey(values); !slices.Contains(e.keys, key) {
				e.keys = append(e.keys, key)
			}
		}
		return len(e.keys) > 0
	case x.def.Type.numeric():
		for _, v := range fields[0] {
			if n, ok := parseNumber(v.value); ok {
				e.numbers = append(e.numbers, n.real)
			}
		}
		return len(e.numbers) > 0
	}
	return true
}

// insert puts a hit in its place.
func (g *group) insert(e hit) {
	i := len(g.entries)
	for i > 0 && g.entries[i-1].at > e.at {
		i--
	}
	g.entries = slices.Insert(g.entries, i, e)
}

// tally counts a hit's values in or out.
func (g *group) tally(e *hit, by int) {
	for _, key := range e.keys {
		if g.values[key] += by; g.values[key] == 0 {
			delete(g.values, key)
		}
	}
}

// from returns the place of the first hit at a time or later.
func (g *group) from(at int64) int {
	return sort.Search(len(g.entries), func(i int) bool { return g.entries[i].at >= at })
}

// behind returns the place behind the last hit at a time or earlier.
func (g *group) behind(at int64) int {
	return sort.Search(len(g.entries), func(i int) bool { return g.entries[i].at > at })
}

// last returns the place of the hit that ends an ordered window: of those at its end, that of the last rule.
func (g *group) last(end int64, to int) int {
	last := to - 1
	for i := to - 2; i >= 0 && g.entries[i].at == end; i-- {
		if g.entries[i].part > g.entries[last].part {
			last = i
		}
	}
	return last
}

// eventCells returns an event's values of a field: of the first of its names that the event has. Null and empty text are
// values of nobody.
func eventCells(ev Event, names []string) []cell {
	for _, name := range names {
		var cells []cell
		present := false
		for i := range ev.NumFields() {
			field, value, null := ev.Field(i)
			if field != name {
				continue
			}
			present = true
			if !null && value != "" && len(cells) < maxCells {
				cells = append(cells, cell{name, bounded(value)})
			}
		}
		if present {
			return cells
		}
	}
	return nil
}

// bounded returns a copy of a value that is not too long; the hash keeps long values apart.
func bounded(s string) string {
	if len(s) <= maxCell {
		return string([]byte(s))
	}
	sum := sha256.Sum256([]byte(s))
	return s[:maxCell-48] + "…" + hex.EncodeToString(sum[:16])
}

// combinations returns each choice of one value from each list, the first ones of very many; no list, one empty choice.
func combinations(lists [][]cell) [][]cell {
	all := [][]cell{{}}
	for _, list := range lists {
		var longer [][]cell
		for _, head := range all {
			for _, v := range list {
				if len(longer) < maxCells {
					longer = append(longer, append(slices.Clone(head), v))
				}
			}
		}
		all = longer
	}
	return all
}

// groupKey makes one text of values, folded, that no other values make.
func groupKey(values []cell) string {
	var key []byte
	for _, v := range values {
		folded := appendFolded(nil, v.value)
		key = binary.AppendUvarint(key, uint64(len(folded)))
		key = append(key, folded...)
	}
	return string(key)
}

// gather returns the different values of each column in a window.
func gather(window []hit, columns int) [][]cell {
	all := make([][]cell, columns)
	for c := range all {
		seen := make(map[string]bool)
		for i := range window {
			for _, v := range window[i].cells[c] {
				if key := groupKey([]cell{v}); !seen[key] && len(all[c]) < maxCells {
					seen[key] = true
					all[c] = append(all[c], v)
				}
			}
		}
	}
	return all
}

// contributions returns the first and the last matches of a window.
func contributions(window []hit, most int) []Contribution {
	var first, last []Contribution
	i := 0
	for ; i < len(window) && len(first) < most/2; i++ {
		first = append(first, window[i].refs...)
	}
	for j := len(window) - 1; j >= i && len(last) < most/2; j-- {
		last = append(slices.Clone(window[j].refs), last...)
	}
	if len(first) > most/2 && len(first)+len(last) > most {
		first = first[:most/2]
	}
	if over := len(first) + len(last) - most; over > 0 {
		last = last[over:]
	}
	return append(first, last...)
}

// most is how many matches of one group are kept. Beyond it they are drawn together where that changes nothing or little,
// else the oldest are given up.
func (t CorrelationType) most() int {
	switch {
	case t == EventCount:
		return 100_000
	case t == ValueCount:
		return 10_000
	case t.temporal():
		return 1_000
	}
	return 4_000
}

// compact makes room in a group that is full.
func (c *Correlator) compact(s *correlationState, g *group) {
	x, full := s.def, len(g.entries)
	var kept []hit
	switch {
	case x.def.Type == ValueCount:
		kept = latestOfEach(g.entries)
	case x.def.Type.temporal():
		kept = lastOfRuns(g.entries)
	case x.def.Type == ValueSum, x.def.Type == EventCount && !x.atOnce:
		kept = pairs(g.entries)
	default:
		kept = g.entries
	}
	c.stats.Matches -= int64(full)
	for i := range g.entries {
		c.count(s, -g.entries[i].size())
	}
	if most := full - full/4; len(kept) > most {
		c.stats.Dropped += int64(len(kept) - most)
		kept = kept[len(kept)-most:]
	}
	g.entries = slices.Clone(kept)
	clear(g.values)
	for i := range g.entries {
		c.count(s, g.entries[i].size())
		g.tally(&g.entries[i], 1)
	}
	c.stats.Matches += int64(len(kept))
}

// latestOfEach keeps, of each value, the match that is last.
func latestOfEach(entries []hit) []hit {
	seen := make(map[string]bool)
	var kept []hit
	for i := len(entries) - 1; i >= 0; i-- {
		fresh := false
		for _, key := range entries[i].keys {
			fresh = fresh || !seen[key]
			seen[key] = true
		}
		if fresh {
			kept = append(kept, entries[i])
		}
	}
	slices.Reverse(kept)
	return kept
}

// lastOfRuns keeps, of matches of one rule that follow each other, the last.
func lastOfRuns(entries []hit) []hit {
	var kept []hit
	for i := range entries {
		if i+1 == len(entries) || entries[i+1].part != entries[i].part {
			kept = append(kept, entries[i])
		}
	}
	return kept
}

// pairs draws each two neighbours together, at the time of the later.
func pairs(entries []hit) []hit {
	var kept []hit
	for i := 0; i+1 < len(entries); i += 2 {
		e := entries[i+1]
		e.matches += entries[i].matches
		if len(e.numbers) > 0 {
			sum := 0.0
			for _, n := range slices.Concat(entries[i].numbers, e.numbers) {
				sum += n
			}
			e.numbers = []float64{max(-math.MaxFloat64, min(sum, math.MaxFloat64))} // a snapshot holds no infinity
		}
		kept = append(kept, e)
	}
	return kept
}
