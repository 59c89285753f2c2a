package sigma

import "math/bits"

// nameTable finds the numbers of names. It is asked for each field of each event, and does less than a map.
type nameTable struct {
	slots []nameSlot
	shift uint8
}

type nameSlot struct {
	name string
	id   int32 // plus one; 0 where the slot is free
}

func newNameTable(names []string) nameTable {
	width := max(4, bits.Len(uint(4*len(names))))
	t := nameTable{slots: make([]nameSlot, 1<<width), shift: uint8(64 - width)}
	for i, name := range names {
		at := mixName(name) >> t.shift
		for t.slots[at].id != 0 {
			at = (at + 1) & uint64(len(t.slots)-1)
		}
		t.slots[at] = nameSlot{name, int32(i) + 1}
	}
	return t
}

// mixName hashes a name by its length and its last sixteen bytes, where names of one kind differ.
func mixName(name string) uint64 {
	n := len(name)
	switch {
	case n >= 16:
		return mix(load64(name[n-8:])^mix(load64(name[n-16:]))>>7) ^ mix(uint64(n))
	case n >= 8:
		return mix(load64(name[n-8:])^mix(load64(name))>>7) ^ mix(uint64(n))
	}
	h := uint64(n)
	for i := range n {
		h = h<<8 | uint64(name[i])
	}
	return mix(h ^ h>>32)
}

// find returns the number of a name, -1 where it is none of the table's.
func (t *nameTable) find(name string) int32 {
	for at := mixName(name) >> (t.shift & 63); ; at = (at + 1) & uint64(len(t.slots)-1) {
		if s := &t.slots[at]; s.id == 0 || s.name == name {
			return s.id - 1
		}
	}
}
