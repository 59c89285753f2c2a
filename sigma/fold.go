package sigma

import (
	"encoding/binary"
	"slices"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Matching without regard to case compares folded texts: each rune is replaced by one representative of
// its Unicode simple case folding orbit (CaseFolding.txt, statuses C and S), ASCII letters by their lower
// case. Rune by rune, so the number of characters stays what it was; bytes that are no UTF-8 stay as they
// are.

// foldRune returns the representative of r's orbit.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	// Punctuation and East Asian scripts have no case.
	if r >= 0x2000 && r < 0x2126 || r >= 0x2e80 && r < 0xa640 || r >= 0xac00 && r < 0xfb00 {
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// The bytes of eight at a time.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// upperBits returns the high bit of each of the eight bytes that is an ASCII capital; all must be ASCII.
func upperBits(w uint64) uint64 {
	return (w + (0x80-'A')*eachByte) & ^(w + (0x7f-'Z')*eachByte) & highBits
}

// foldedPrefix returns how many bytes at the beginning of s folding would certainly leave as they are; len(s) where all.
func foldedPrefix(s string) int {
	rest := s
	for ; len(rest) >= 8; rest = rest[8:] {
		if w := load64(rest); w&highBits|upperBits(w) != 0 {
			return len(s) - len(rest)
		}
	}
	for i := 0; i < len(rest); i++ {
		if c := rest[i]; c-'A' < 26 || c >= utf8.RuneSelf {
			return len(s) - len(rest) + i
		}
	}
	return len(s)
}

// appendFolded appends the folded s to dst. It never appends more bytes than s has: of an orbit the least
// rune is taken.
func appendFolded(dst []byte, s string) []byte {
	dst = slices.Grow(dst, len(s))
	out, rest := dst[len(dst):len(dst)+len(s)], s
	for ; len(rest) >= 8 && len(out) >= 8; rest, out = rest[8:], out[8:] {
		w := load64(rest)
		if w&highBits != 0 {
			break
		}
		binary.LittleEndian.PutUint64(out, w|upperBits(w)>>2)
	}
	return appendFoldedRunes(dst[:len(dst)+len(s)-len(rest)], rest)
}

// appendFoldedRunes is appendFolded rune by rune.
func appendFoldedRunes(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c-'A' < 26 {
				c |= 0x20
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, c)
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		i += size
	}
	return dst
}

// fold returns the folded s.
func fold(s string) string {
	if foldedPrefix(s) == len(s) {
		return s
	}
	return string(appendFolded(make([]byte, 0, len(s)), s))
}

// viewString views b as a string. The caller promises not to write these bytes while the view is in use.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
