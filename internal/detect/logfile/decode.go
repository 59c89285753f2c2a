package logfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"yagura/internal/detect/charset"
)

const bufferSize = 256 << 10

// decompress looks at the first bytes: gzip (RFC 1952), zstd (RFC 8878), or neither.
func decompress(r io.Reader) (content *bufio.Reader, closers []func() error, err error) {
	raw := bufio.NewReaderSize(r, bufferSize)
	magic, _ := raw.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
		return bufio.NewReaderSize(z, bufferSize), []func() error{z.Close}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", err)
		}
		return bufio.NewReaderSize(z, bufferSize), []func() error{func() error { z.Close(); return nil }}, nil
	}
	return raw, nil, nil
}

// decodeText turns the content into UTF-8 without a byte order mark.
func decodeText(content *bufio.Reader) *bufio.Reader {
	head, _ := content.Peek(64 << 10)
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, _ = content.Discard(3) // it has been peeked
		return content
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		enc = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)
	case looksUTF16LE(head):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case looksShiftJIS(head):
		enc = japanese.ShiftJIS
	default:
		return content
	}
	return bufio.NewReaderSize(transform.NewReader(content, enc.NewDecoder()), bufferSize)
}

// isText reports whether the beginning of a file, decoded, can be that of a text.
func isText(head []byte) bool {
	if bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", r) }) {
		return false
	}
	for cut := range min(utf8.UTFMax, len(head)) { // a character may be cut at the end
		if utf8.Valid(head[:len(head)-cut]) {
			return true
		}
	}
	return len(head) == 0
}

// looksUTF16LE: ASCII text in two bytes a character, as Windows' tools write it.
func looksUTF16LE(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	for i := range 8 {
		if printable := head[i] >= '\t' && head[i] < 0x7f; printable != (i%2 == 0) || i%2 == 1 && head[i] != 0 {
			return false
		}
	}
	return true
}

// looksShiftJIS: text that is no UTF-8 and all Japanese in Shift_JIS (code page 932), as spreadsheets save it in Japan.
func looksShiftJIS(head []byte) bool {
	const kept = 4 // a character may be cut at the end
	sure := head
	if len(sure) >= 64<<10 {
		sure = sure[:len(sure)-kept]
		for len(sure) > 0 && sure[len(sure)-1] >= 0x80 {
			sure = sure[:len(sure)-1]
		}
	}
	_, ok := charset.ShiftJIS(sure)
	return ok
}
