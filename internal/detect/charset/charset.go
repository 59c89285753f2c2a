// Package charset reads text that is no UTF-8 but Japanese in Shift_JIS (code page 932), as spreadsheets, Windows' own tools
// and network devices made for Japan write it.
package charset

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// ShiftJIS returns the text in UTF-8. ok is false where it is UTF-8 already, or cannot be told to be Japanese: all of it must
// decode, and something of it must be what Japanese cannot do without, kana or one of the everyday characters (JIS level 1),
// whose first byte no text in Latin-1 has.
func ShiftJIS(text []byte) (decoded []byte, ok bool) {
	if bytes.IndexByte(text, 0) >= 0 || utf8.Valid(text) || !everyday(text) {
		return nil, false
	}
	decoded, err := japanese.ShiftJIS.NewDecoder().Bytes(text)
	if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
		return nil, false
	}
	return decoded, true
}

// everyday reports whether a character is kana or of JIS level 1.
func everyday(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		switch c, next := text[i], text[i+1]; {
		case c == 0x82 && next >= 0x9f && next <= 0xf1, c == 0x83 && next >= 0x40 && next <= 0x96, // hiragana, katakana
			c >= 0x88 && c <= 0x98 && next >= 0x40:
			return true
		case c >= 0x81 && c <= 0x9f, c >= 0xe0 && c <= 0xfc:
			i++ // another character of two bytes
		}
	}
	return false
}
