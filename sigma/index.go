package sigma

import "math/bits"

// index finds the texts that rules look for. It is one hash table for all fields: the field is part of
// every key, so what is looked for in one field costs nothing in another.
//
// A value is looked up in three ways: as a whole; by each four bytes in it, for texts of at least four
// bytes, each of which is filed under the four of its bytes that are rarest among all texts; and by each
// two bytes, for shorter texts. A bitmap in front of the table answers most look-ups with no. What the
// table holds is compared with the value, so a hit is certain, and the time is linear in the value but
// for the texts filed under the same bytes.
type index struct {
	atoms    []atom
	preds    []int32   // of the atoms, one after the other
	postings []posting // grouped by key
	slots    []slot
	shift    uint8 // of the hash, for slots
	// The bitmaps answer "is there anything under this key", for whole values and long texts by a hash, for
	// short texts by field and the two bytes themselves.
	bitmap   []uint64
	bitShift uint8
	shorts   [][]uint64 // by field; nil where there are none
}

// atom is one value of rules, for one field: when it is found, the predicates that it is part
// of hold, or may hold.
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

// The three kinds of key, told apart by their upper bits.
const (
	keyLong  = 1 << 62
	keyShort = 2 << 62
	keyWhole = 3 << 62
)

func longKey(field int32, gram uint32) uint64 { return keyLong | uint64(field)<<32 | uint64(gram) }

func shortKey(field int32, gram uint16) uint64 { return keyShort | uint64(field)<<32 | uint64(gram) }

// wholeKey is made of the length and up to sixteen bytes of the value.
func wholeKey(field int32, s string) uint64 {
	h := uint64(len(s))
	if len(s) >= 8 {
		h = (h ^ load64(s)) * 0x9e3779b97f4a7c15
		h = (h ^ h>>29 ^ load64(s[len(s)-8:])) * 0xbf58476d1ce4e5b9
	} else {
		for i := 0; i < len(s); i++ {
			h = (h<<8 | uint64(s[i])) ^ h>>56
		}
		h *= 0x9e3779b97f4a7c15
	}
	return keyWhole | uint64(field)<<32 | (h^h>>32)&0xffffffff
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

func hash(key uint64) uint64 {
	h := key * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// fieldSalt and gramBit place a key in the bitmap. They are as simple as they can be, because this is what
// happens for every byte of every event.
func fieldSalt(field int32) uint32 { return uint32(field) * 0x85ebca6b }

func gramBit(gram, salt uint32, shift uint8) uint32 {
	return ((gram ^ salt) * 0x9e3779b1) >> (shift & 31)
}

// lookup returns the postings filed under a key.
func (x *index) lookup(key uint64) []posting {
	for i := hash(key) >> x.shift; ; i++ {
		if i == uint64(len(x.slots)) {
			i = 0
		}
		if s := &x.slots[i]; s.start == s.end || s.key == key {
			return x.postings[s.start:s.end]
		}
	}
}

// scan finds everything that is looked for in a folded value of a field.
func (x *index) scan(s *Scratch, id int32, f *field, text string) {
	salt := fieldSalt(id)
	if f.whole {
		key := wholeKey(id, text)
		if b := gramBit(uint32(key), salt, x.bitShift); x.bitmap[b>>6]&(1<<(b&63)) != 0 {
			x.check(s, x.lookup(key), text, 0)
		}
	}
	if f.long && len(text) >= 4 {
		bitmap, shift := x.bitmap, x.bitShift
		gram := load32(text)
		for i := 4; ; i++ {
			if b := gramBit(gram, salt, shift); bitmap[b>>6]&(1<<(b&63)) != 0 {
				x.check(s, x.lookup(longKey(id, gram)), text, i-4)
			}
			if i >= len(text) {
				break
			}
			gram = gram>>8 | uint32(text[i])<<24
		}
	}
	if f.short {
		bitmap := x.shorts[id]
		for i := 1; i < len(text); i++ {
			gram := uint16(text[i-1]) | uint16(text[i])<<8
			if bitmap[gram>>6]&(1<<(gram&63)) != 0 {
				x.check(s, x.lookup(shortKey(id, gram)), text, i-1)
			}
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

// build files the postings, which come with the field they are for, and tells the fields what there is.
func (x *index) build(filed []filing, fields []field) {
	x.shorts = make([][]uint64, len(fields))
	var frequency gramCounts
	for i := range filed {
		frequency.add(filed[i].posting.text)
	}
	keyed := make(map[uint64][]posting, len(filed))
	for i := range filed {
		e, id := filed[i].posting, filed[i].field
		var key uint64
		switch {
		case e.place == placeWhole:
			key = wholeKey(id, e.text)
			fields[id].whole = true
		case len(e.text) >= 4:
			e.offset = frequency.rarest(e.text)
			key = longKey(id, load32(e.text[e.offset:]))
			fields[id].long = true
		default:
			gram := uint16(e.text[0]) | uint16(e.text[1])<<8
			key = shortKey(id, gram)
			fields[id].short = true
			if x.shorts[id] == nil {
				x.shorts[id] = make([]uint64, 1<<16/64)
			}
			x.shorts[id][gram>>6] |= 1 << (gram & 63)
		}
		keyed[key] = append(keyed[key], e)
	}
	slotBits := max(4, bits.Len(uint(2*len(keyed))))
	x.slots = make([]slot, 1<<slotBits)
	x.shift = uint8(64 - slotBits)
	bitmapBits := min(28, max(10, bits.Len(uint(32*len(keyed)))))
	x.bitmap = make([]uint64, 1<<(bitmapBits-6))
	x.bitShift = uint8(32 - bitmapBits)
	x.postings = make([]posting, 0, len(filed))
	for key, entries := range keyed {
		if key>>62 != keyShort>>62 {
			b := gramBit(uint32(key), fieldSalt(int32(key>>32&(1<<30-1))), x.bitShift)
			x.bitmap[b>>6] |= 1 << (b & 63)
		}
		start := int32(len(x.postings))
		x.postings = append(x.postings, entries...)
		i := hash(key) >> x.shift
		for x.slots[i].start != x.slots[i].end {
			i = (i + 1) & (1<<slotBits - 1)
		}
		x.slots[i] = slot{key: key, start: start, end: int32(len(x.postings))}
	}
}

// filing is a posting on its way into the index.
type filing struct {
	field   int32
	posting posting
}

// indexable reports whether a text is long enough to be found in that place.
func indexable(text string, p place) bool { return p == placeWhole || len(text) >= 2 }

// gramCounts counts how often each four bytes stand in the texts of all rules, which tells well enough
// how common they are in logs.
type gramCounts struct{ counts [1 << 16]uint32 }

func gramSlot(gram uint32) uint32 { return gram * 0x9e3779b1 >> 16 }

func (g *gramCounts) add(text string) {
	for i := 0; i+4 <= len(text); i++ {
		g.counts[gramSlot(load32(text[i:]))]++
	}
}

// rarest returns where in the text its rarest four bytes stand.
func (g *gramCounts) rarest(text string) int32 {
	best, at := g.counts[gramSlot(load32(text))], 0
	for i := 1; i+4 <= len(text); i++ {
		if n := g.counts[gramSlot(load32(text[i:]))]; n < best {
			best, at = n, i
		}
	}
	return int32(at)
}
