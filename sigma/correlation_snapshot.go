package sigma

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A snapshot is the magic, then numbers as varints and texts with their length before them, then the first bytes of the
// SHA-256 of all that. The last byte of the magic is the version.
const (
	snapshotMagic = "sigma correlator\x00\x01"
	snapshotSum   = 8
)

// errSnapshot is the reason where a snapshot is not one.
var errSnapshot = errors.New("sigma: the snapshot is damaged")

// Snapshot appends the whole state to dst.
func (c *Correlator) Snapshot(dst []byte) []byte {
	start := len(dst)
	w := snapshotWriter{append(dst, snapshotMagic...)}
	w.int(c.watermark)
	w.uint(c.seq)
	for _, n := range []int64{c.stats.Firings, c.stats.Late, c.stats.Alone, c.stats.Evicted, c.stats.Dropped} {
		w.uint(uint64(n))
	}
	w.uint(uint64(len(c.states)))
	for _, s := range c.states {
		w.text(s.def.print)
		groups := slices.Clone(s.order)
		slices.SortFunc(groups, func(a, b *group) int { return compareUint(a.born, b.born) })
		w.uint(uint64(len(groups)))
		for _, g := range groups {
			w.group(g)
		}
	}
	sum := sha256.Sum256(w.out[start:])
	return append(w.out, sum[:snapshotSum]...)
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

type snapshotWriter struct{ out []byte }

func (w *snapshotWriter) int(n int64)   { w.out = binary.AppendVarint(w.out, n) }
func (w *snapshotWriter) uint(n uint64) { w.out = binary.AppendUvarint(w.out, n) }
func (w *snapshotWriter) text(s string) { w.uint(uint64(len(s))); w.out = append(w.out, s...) }

func (w *snapshotWriter) list(cells []cell) {
	w.uint(uint64(len(cells)))
	for _, v := range cells {
		w.text(v.name)
		w.text(v.value)
	}
}

func (w *snapshotWriter) group(g *group) {
	w.uint(g.born)
	w.int(g.newest)
	w.int(g.touched)
	w.list(g.cells)
	w.uint(uint64(len(g.entries)))
	for i := range g.entries {
		e := &g.entries[i]
		w.int(e.at)
		w.uint(e.seq)
		w.uint(uint64(e.part))
		w.uint(uint64(e.matches))
		w.uint(uint64(len(e.keys)))
		for _, key := range e.keys {
			w.text(key)
		}
		w.uint(uint64(len(e.numbers)))
		for _, n := range e.numbers {
			w.out = binary.LittleEndian.AppendUint64(w.out, math.Float64bits(n))
		}
		w.uint(uint64(len(e.cells)))
		for _, cells := range e.cells {
			w.list(cells)
		}
		w.uint(uint64(len(e.refs)))
		for _, ref := range e.refs {
			w.text(ref.Rule)
			w.int(ref.Time.UnixMicro())
			w.text(ref.Ref)
		}
	}
}

// Restore replaces the state by that of a snapshot. Correlations that the snapshot does not know begin anew, and what it has
// of others is left out. An error leaves the Correlator as it was.
func (c *Correlator) Restore(snapshot []byte) error {
	body, ok := bytes.CutPrefix(snapshot, []byte(snapshotMagic))
	if !ok {
		if len(snapshot) >= len(snapshotMagic) && bytes.HasPrefix(snapshot, []byte(snapshotMagic[:len(snapshotMagic)-1])) {
			return fmt.Errorf("sigma: the snapshot is of version %d, not %d", snapshot[len(snapshotMagic)-1], snapshotMagic[len(snapshotMagic)-1])
		}
		return errSnapshot
	}
	if len(body) < snapshotSum {
		return errSnapshot
	}
	sum := sha256.Sum256(snapshot[:len(snapshot)-snapshotSum])
	if !bytes.Equal(sum[:snapshotSum], snapshot[len(snapshot)-snapshotSum:]) {
		return errSnapshot
	}
	return c.restore(body[:len(body)-snapshotSum])
}

// restore reads what stands between the magic and the sum.
func (c *Correlator) restore(body []byte) error {
	fresh := NewCorrelator(c.set, c.opts)
	r := snapshotReader{rest: body}
	fresh.watermark = max(-farTime, min(farTime, r.int()))
	fresh.seq = r.uint()
	for _, n := range []*int64{&fresh.stats.Firings, &fresh.stats.Late, &fresh.stats.Alone, &fresh.stats.Evicted, &fresh.stats.Dropped} {
		*n = int64(r.uint() & math.MaxInt64)
	}
	byPrint := make(map[string]*correlationState, len(fresh.states))
	for _, s := range fresh.states {
		byPrint[s.def.print] = s
	}
	for range r.count(2) {
		s := byPrint[r.text()]
		for range r.count(5) {
			g := r.group()
			if r.bad {
				return errSnapshot
			}
			if s == nil {
				continue
			}
			if !s.fits(g) || s.groups[g.key] != nil {
				return errSnapshot
			}
			fresh.take(s, g)
		}
	}
	if r.bad || len(r.rest) > 0 {
		return errSnapshot
	}
	fresh.schedule()
	fresh.evict()
	*c = *fresh
	return nil
}

// take puts a group that was read into a state.
func (c *Correlator) take(s *correlationState, g *group) {
	s.add(g)
	c.stats.Groups++
	c.count(s, g.size)
	c.stats.Matches += int64(len(g.entries))
	for i := range g.entries {
		c.count(s, g.entries[i].size())
		g.tally(&g.entries[i], 1)
	}
	c.reschedule(s, g)
}

// fits reports whether a group is one of the correlation's.
func (s *correlationState) fits(g *group) bool {
	x := s.def
	by := len(x.def.GroupBy)
	if len(g.cells) != by || len(g.entries) == 0 ||
		g.newest < -farTime || g.newest > farTime || g.touched < -farTime || g.touched > farTime || len(g.entries) > x.def.Type.most() {
		return false
	}
	asked := 0
	if x.asked {
		asked = len(x.columns) - by
	}
	for i := range g.entries {
		e := &g.entries[i]
		switch {
		case int(e.part) >= len(x.parts), len(e.cells) != asked, e.matches < 1, len(e.refs) == 0,
			e.at < -farTime, e.at > farTime, i > 0 && e.at < g.entries[i-1].at,
			(x.def.Type == ValueCount) != (len(e.keys) > 0), x.def.Type.numeric() != (len(e.numbers) > 0):
			return false
		}
	}
	return true
}

// snapshotReader reads what snapshotWriter wrote; bad says that it could not.
type snapshotReader struct {
	rest []byte
	bad  bool
}

func (r *snapshotReader) int() int64 {
	n, size := binary.Varint(r.rest)
	return skip(r, n, size)
}

func (r *snapshotReader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	return skip(r, n, size)
}

func skip[T int64 | uint64](r *snapshotReader, n T, size int) T {
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count reads how many things of at least so many bytes follow.
func (r *snapshotReader) count(each int) int {
	n := r.uint()
	if n > uint64(len(r.rest)/each) {
		r.bad, r.rest = true, nil
		return 0
	}
	return int(n)
}

func (r *snapshotReader) text() string {
	n := r.count(1)
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *snapshotReader) small() int32 {
	n := r.uint()
	if n > math.MaxInt32 {
		r.bad = true
		return 0
	}
	return int32(n)
}

func (r *snapshotReader) list() []cell {
	var cells []cell
	for range r.count(2) {
		cells = append(cells, cell{r.text(), r.text()})
	}
	return cells
}

func (r *snapshotReader) group() *group {
	born, newest, touched := r.uint(), r.int(), r.int()
	cells := r.list()
	g := newGroup(groupKey(cells), cells, born)
	g.newest, g.touched = newest, touched
	for range r.count(8) {
		e := hit{at: r.int(), seq: r.uint(), part: r.small(), matches: r.small()}
		for range r.count(1) {
			e.keys = append(e.keys, r.text())
		}
		for range r.count(8) {
			n := math.Float64frombits(binary.LittleEndian.Uint64(r.rest))
			r.bad = r.bad || math.IsNaN(n) || math.IsInf(n, 0)
			e.numbers, r.rest = append(e.numbers, n), r.rest[8:]
		}
		for range r.count(1) {
			e.cells = append(e.cells, r.list())
		}
		for range r.count(3) {
			e.refs = append(e.refs, Contribution{Rule: r.text(), Time: time.UnixMicro(r.int()).UTC(), Ref: r.text()})
		}
		g.entries = append(g.entries, e)
		if r.bad {
			break
		}
	}
	return g
}
