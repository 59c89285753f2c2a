package sigma

import "math/bits"

// filing is a text on its way into the index.
type filing struct {
	unit  int32
	text  string
	atom  int32
	place place
}

// keyed is a posting with the key that it is filed under.
type keyed struct {
	key     uint64
	posting posting
}

// indexBuilder makes an index of filings.
type indexBuilder struct {
	index     *index
	frequency gramCounts
	shortest  []int // by unit: the length of the shortest text for which more than every fourth place is looked at; 0: none
	keyed     []keyed
	hashes    [][keyPair + 1][]uint64 // by unit and kind
	heads     [][]uint64              // by unit: of the first four bytes of eight
}

// build files the texts.
func (x *index) build(filings []filing) {
	b := indexBuilder{
		index: x, shortest: make([]int, len(x.units)), keyed: make([]keyed, 0, 3*len(filings)),
		hashes: make([][keyPair + 1][]uint64, len(x.units)), heads: make([][]uint64, len(x.units)),
	}
	for i := range filings {
		f := &filings[i]
		b.frequency.add(f.text)
		if n := len(f.text); f.place == placeAnywhere && n >= minFour && n < minFours && (b.shortest[f.unit] == 0 || n < b.shortest[f.unit]) {
			b.shortest[f.unit] = n
		}
	}
	for id, shortest := range b.shortest {
		if x.units[id].step = 1; shortest > minFour {
			x.units[id].step = 2
		}
	}
	for i := range filings {
		b.file(&filings[i])
	}
	for id := range x.units {
		b.fillSets(int32(id))
	}
	b.fillSlots()
}

// file chooses the keys for a text.
func (b *indexBuilder) file(f *filing) {
	u, text := &b.index.units[f.unit], f.text
	switch {
	case f.place == placeWhole:
		u.whole = true
		b.put(f, keyWhole, 0, mixText(text))
	case f.place != placeAnywhere:
		i := len(edgeLengths) - 1
		for edgeLengths[i] > len(text) {
			i--
		}
		if n := edgeLengths[i]; f.place == placeStart {
			u.starts |= 1 << i
			b.put(f, keyStart, 0, mixText(text[:n]))
		} else {
			u.ends |= 1 << i
			b.put(f, keyEnd, len(text)-n, mixText(text[len(text)-n:]))
		}
	case len(text) < minFour:
		gram := uint16(text[0]) | uint16(text[1])<<8
		if u.pairs == nil {
			u.pairs = make([]uint64, 1<<16/64)
		}
		u.pairs[gram>>6] |= 1 << (gram & 63)
		b.put(f, keyPair, 0, mix(uint64(gram)))
	case len(text) >= minEight:
		at := b.frequency.rarest(text, stride, 8)
		for i := at; i < at+stride; i++ {
			b.put(f, keyEight, i, mix(load64(text[i:])))
			b.heads[f.unit] = append(b.heads[f.unit], mix(uint64(load32(text[i:]))))
		}
	case len(text) >= minFours && b.shortest[f.unit] == 0:
		at := b.frequency.rarest(text, stride, 4)
		for i := at; i < at+stride; i++ {
			b.put(f, keyFour, i, mix(uint64(load32(text[i:]))))
		}
	default: // those places are looked at anyway where there are shorter ones
		at := b.frequency.rarest(text, u.step, 4)
		for i := at; i < at+u.step; i++ {
			b.put(f, keyNarrow, i, mix(uint64(load32(text[i:]))))
		}
	}
}

func (b *indexBuilder) put(f *filing, kind uint64, offset int, hashed uint64) {
	b.keyed = append(b.keyed, keyed{makeKey(kind, f.unit, hashed), posting{text: f.text, atom: f.atom, offset: int32(offset), place: f.place}})
	b.hashes[f.unit][kind] = append(b.hashes[f.unit][kind], hashed)
}

// fillSets makes the bitmaps of a unit.
func (b *indexBuilder) fillSets(id int32) {
	u, hashes := &b.index.units[id], &b.hashes[id]
	u.edges = newGramSet(hashes[keyWhole], hashes[keyStart], hashes[keyEnd])
	u.eights, u.fours, u.narrow = newGramSet(hashes[keyEight]), newGramSet(hashes[keyFour]), newGramSet(hashes[keyNarrow])
	if u.eights.bits != nil && u.fours.bits != nil {
		u.both = newGramSet(hashes[keyFour], b.heads[id])
	}
}

// fillSlots groups the postings by their keys.
func (b *indexBuilder) fillSlots() {
	x := b.index
	width := max(4, bits.Len(uint(2*len(b.keyed))))
	x.slots, x.shift = make([]slot, 1<<width), uint8(64-width)
	places := make([]int32, len(b.keyed)) // of the slots of the keys
	for i := range b.keyed {
		key := b.keyed[i].key
		at := slotOf(key) >> x.shift
		for x.slots[at].end != 0 && x.slots[at].key != key {
			at = (at + 1) & (1<<width - 1)
		}
		x.slots[at].key = key
		x.slots[at].end++ // how many, for now
		places[i] = int32(at)
	}
	total := int32(0)
	for i := range x.slots {
		s := &x.slots[i]
		total, s.start, s.end = total+s.end, total, total
	}
	x.postings = make([]posting, total)
	for i, at := range places {
		s := &x.slots[at]
		x.postings[s.end] = b.keyed[i].posting
		s.end++
	}
}

// gramCounts counts how often each four bytes stand in the texts of all rules, which tells well enough
// how common they are in logs.
type gramCounts struct{ counts [1 << 16]uint32 }

func gramSlot(gram uint32) uint32 { return gram * 0x9e3779b1 >> 16 }

func (g *gramCounts) add(text string) {
	for i := 0; i+4 <= len(text); i++ {
		g.counts[gramSlot(load32(text[i:]))]++
	}
}

// rarest returns where n groups of bytes, size each and one byte apart, begin that are rarest in all.
func (g *gramCounts) rarest(text string, n, size int) int {
	best, at := ^uint32(0), 0
	for i := 0; i+n-1+size <= len(text); i++ {
		sum := uint32(0)
		for j := i; j < i+n; j++ {
			count := g.counts[gramSlot(load32(text[j:]))]
			if size == 8 {
				count = min(count, g.counts[gramSlot(load32(text[j+4:]))])
			}
			sum += count
		}
		if sum < best {
			best, at = sum, i
		}
	}
	return at
}
