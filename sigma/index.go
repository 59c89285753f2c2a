package sigma

import (
	"math"
	"math/bits"
)

// index finds the texts that rules look for. What is looked for together in one field is a unit; one hash table
// serves all units, the unit being part of every key.
//
// A value is looked up as a whole; at its beginning and its end, by up to sixteen bytes there; and by the bytes
// within it. The longer a text that may stand anywhere, the fewer places need a look: a text of eleven bytes
// holds, wherever it stands, eight bytes that begin at a multiple of four, and one of seven bytes holds four. So
// every fourth place is enough for those, and only what is shorter costs a look at every second place or at every
// one. A long text is filed under each of the four groups of bytes of which one must be met; which four
// neighbours it is filed under is decided by what is rare among all texts.
//
// A bitmap of the unit answers most look-ups with no. What the table holds is compared with the value, so a hit
// is certain, and the time is linear in the value but for the texts that are filed under the same bytes.
type index struct {
	units    []unit
	atoms    []atom
	preds    []int32   // of the atoms, one after the other
	postings []posting // grouped by key
	slots    []slot
	shift    uint8 // of the hash, for slots
}

// unit is what is looked for together in one field: the witnesses that select rules, or what is asked only of
// events for which a rule has been selected.
type unit struct {
	field        int32
	edges        gramSet // whole values, beginnings and ends
	whole        bool
	starts, ends uint8    // which lengths of edgeLengths there are
	eights       gramSet  // eight bytes, at every fourth place
	fours        gramSet  // four bytes, at every fourth place
	both         gramSet  // the first four bytes of both, where there are both
	narrow       gramSet  // four bytes, at every place or every second
	step         int      // 1 or 2: where narrow is looked up
	pairs        []uint64 // two bytes, at every place: a bit for each pair; nil where there are none
}

// atom is one value of rules, for one unit: when it is found, the predicates that it is part of hold, or may hold.
type atom struct {
	certain    bool  // finding the text is all there is to it; otherwise the predicates only may hold
	start, end int32 // in index.preds
}

// posting is a text under which an atom is filed.
type posting struct {
	text   string
	atom   int32
	offset int32 // where in text its key stands
	place  place
}

// place says where in the value the text must stand.
type place uint8

const (
	placeAnywhere place = iota
	placeStart
	placeEnd
	placeWhole
)

type slot struct {
	key        uint64
	start, end int32 // in postings; empty where start == end
}

// How a text may be filed. The kind is part of its key.
const (
	keyWhole uint64 = iota + 1
	keyStart
	keyEnd
	keyEight
	keyFour
	keyNarrow
	keyPair
)

// The lengths of texts for each way of filing those that may stand anywhere.
const (
	minPair  = 2
	minFour  = 4
	minFours = 7  // four bytes at some multiple of four, wherever it stands
	minEight = 11 // likewise eight bytes
	stride   = 4
)

// edgeLengths are by how many bytes beginnings and ends are filed: the most that the text has.
var edgeLengths = [...]int{2, 4, 8, 16}

// makeKey makes a key of 32 bits of a hash. Unit and kind stand in it as they are: texts of another unit must never
// be compared.
func makeKey(kind uint64, unit int32, hashed uint64) uint64 {
	return kind<<61 | uint64(unit)<<32 | hashed>>32
}

// mix spreads the bits of a few bytes over all 64, the upper ones best.
func mix(gram uint64) uint64 { return gram * 0x9e3779b97f4a7c15 }

// mixText hashes a text by its length and up to sixteen of its bytes.
func mixText(s string) uint64 {
	h := uint64(len(s))
	if len(s) >= 8 {
		h = mix(h ^ load64(s))
		return (h ^ h>>29 ^ load64(s[len(s)-8:])) * 0xbf58476d1ce4e5b9
	}
	for i := 0; i < len(s); i++ {
		h = (h<<8 | uint64(s[i])) ^ h>>56
	}
	return mix(h)
}

func load32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// gramSet is a set of hashes that may say yes to others as well.
type gramSet struct {
	bits  []uint64 // nil: empty
	shift uint8
}

// newGramSet makes a set of all that the lists have.
func newGramSet(lists ...[]uint64) gramSet {
	n := 0
	for _, list := range lists {
		n += len(list)
	}
	if n == 0 {
		return gramSet{}
	}
	width := min(24, max(10, bits.Len(uint(16*n))))
	g := gramSet{bits: make([]uint64, 1<<(width-6)), shift: uint8(64 - width)}
	for _, list := range lists {
		for _, hashed := range list {
			b := hashed >> g.shift
			g.bits[b>>6] |= 1 << (b & 63)
		}
	}
	return g
}

func (g *gramSet) has(hashed uint64) bool {
	b := hashed >> (g.shift & 63)
	return g.bits[b>>6]&(1<<(b&63)) != 0
}

// lookup returns the postings filed under a key.
func (x *index) lookup(key uint64) []posting {
	for i := slotOf(key) >> x.shift; ; i++ {
		if i == uint64(len(x.slots)) {
			i = 0
		}
		if s := &x.slots[i]; s.start == s.end || s.key == key {
			return x.postings[s.start:s.end]
		}
	}
}

func slotOf(key uint64) uint64 {
	h := mix(key)
	return h ^ h>>32
}

// scan finds everything that is looked for in a folded value of a unit's field.
func (x *index) scan(s *Scratch, id int32, text string) {
	u := &x.units[id]
	if u.edges.bits != nil {
		x.scanEdges(s, id, u, text)
	}
	switch {
	case u.both.bits != nil:
		x.scanBoth(s, id, u, text)
	case u.eights.bits != nil:
		x.scanEights(s, id, &u.eights, text)
	case u.fours.bits != nil:
		x.scanFours(s, id, &u.fours, keyFour, stride, text)
	}
	if u.narrow.bits != nil {
		x.scanFours(s, id, &u.narrow, keyNarrow, u.step, text)
	}
	if u.pairs != nil {
		x.scanPairs(s, id, u.pairs, text)
	}
}

func (x *index) scanEdges(s *Scratch, id int32, u *unit, text string) {
	if u.whole {
		if h := mixText(text); u.edges.has(h) {
			x.check(s, x.lookup(makeKey(keyWhole, id, h)), text, 0)
		}
	}
	if u.starts|u.ends == 0 {
		return
	}
	for i, n := range edgeLengths {
		if len(text) < n {
			return
		}
		if u.starts>>i&1 != 0 {
			if h := mixText(text[:n]); u.edges.has(h) {
				x.check(s, x.lookup(makeKey(keyStart, id, h)), text, 0)
			}
		}
		if u.ends>>i&1 != 0 {
			if h := mixText(text[len(text)-n:]); u.edges.has(h) {
				x.check(s, x.lookup(makeKey(keyEnd, id, h)), text, len(text)-n)
			}
		}
	}
}

func (x *index) scanEights(s *Scratch, id int32, set *gramSet, text string) {
	bitmap, shift := set.bits, set.shift&63
	for rest := text; len(rest) >= 8; rest = rest[stride:] {
		h := mix(load64(rest))
		if b := h >> shift; bitmap[b>>6]&(1<<(b&63)) != 0 {
			x.check(s, x.lookup(makeKey(keyEight, id, h)), text, len(text)-len(rest))
		}
	}
}

// scanBoth is scanEights and scanFours with one look at each place: at its first four bytes.
func (x *index) scanBoth(s *Scratch, id int32, u *unit, text string) {
	bitmap, shift := u.both.bits, u.both.shift&63
	rest := text
	for ; len(rest) >= 8; rest = rest[stride:] {
		w := load64(rest)
		four := mix(w & math.MaxUint32)
		if b := four >> shift; bitmap[b>>6]&(1<<(b&63)) == 0 {
			continue
		}
		at := len(text) - len(rest)
		if h := mix(w); u.eights.has(h) {
			x.check(s, x.lookup(makeKey(keyEight, id, h)), text, at)
		}
		if u.fours.has(four) {
			x.check(s, x.lookup(makeKey(keyFour, id, four)), text, at)
		}
	}
	if len(rest) >= 4 {
		if h := mix(uint64(load32(rest))); u.fours.has(h) {
			x.check(s, x.lookup(makeKey(keyFour, id, h)), text, len(text)-len(rest))
		}
	}
}

func (x *index) scanFours(s *Scratch, id int32, set *gramSet, kind uint64, step int, text string) {
	bitmap, shift := set.bits, set.shift&63
	for i := 0; i+4 <= len(text); i += step {
		h := mix(uint64(load32(text[i:])))
		if b := h >> shift; bitmap[b>>6]&(1<<(b&63)) != 0 {
			x.check(s, x.lookup(makeKey(kind, id, h)), text, i)
		}
	}
}

func (x *index) scanPairs(s *Scratch, id int32, bitmap []uint64, text string) {
	for i := 1; i < len(text); i++ {
		gram := uint16(text[i-1]) | uint16(text[i])<<8
		if bitmap[gram>>6]&(1<<(gram&63)) != 0 {
			x.check(s, x.lookup(makeKey(keyPair, id, mix(uint64(gram)))), text, i-1)
		}
	}
}

// check compares the postings whose key stands at text[at:] with the text.
func (x *index) check(s *Scratch, postings []posting, text string, at int) {
	for i := range postings {
		e := &postings[i]
		if s.atoms[e.atom] == s.gen {
			continue
		}
		start := at - int(e.offset)
		end := start + len(e.text)
		if start < 0 || end > len(text) || text[start:end] != e.text {
			continue
		}
		if e.place&placeStart != 0 && start != 0 || e.place&placeEnd != 0 && end != len(text) {
			continue
		}
		s.found(e.atom)
	}
}

// indexable reports whether a text is long enough to be found in that place.
func indexable(text string, p place) bool { return p == placeWhole || len(text) >= minPair }
