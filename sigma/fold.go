package sigma

import (
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
	if r >= 0x2e80 && r < 0xa640 || r >= 0xac00 && r < 0xfb00 { // East Asian scripts have no case
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

// isFolded reports whether folding would certainly leave s as it is.
func isFolded(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c-'A' < 26 || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendFolded appends the folded s to dst.
func appendFolded(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c-'A' < 26 {
				c += 'a' - 'A'
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
	if isFolded(s) {
		return s
	}
	return string(appendFolded(make([]byte, 0, len(s)), s))
}

// viewString views b as a string. The caller promises not to write these bytes while the view is in use.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
