package logfile

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"yagura/internal/event"
)

// The types of binary XML's values (MS-EVEN6, section 2.2.12). arrayFlag makes a list of a type.
const (
	nullValue       = 0x00
	stringValue     = 0x01
	ansiValue       = 0x02
	int8Value       = 0x03
	uint8Value      = 0x04
	int16Value      = 0x05
	uint16Value     = 0x06
	int32Value      = 0x07
	uint32Value     = 0x08
	int64Value      = 0x09
	uint64Value     = 0x0a
	real32Value     = 0x0b
	real64Value     = 0x0c
	boolValue       = 0x0d
	binaryValue     = 0x0e
	guidValue       = 0x0f
	sizeValue       = 0x10
	fileTimeValue   = 0x11
	systemTimeValue = 0x12
	sidValue        = 0x13
	hex32Value      = 0x14
	hex64Value      = 0x15
	xmlValue        = 0x21
	arrayFlag       = 0x80
	textValue       = 0xff // a literal in the XML itself; not a type of the format
)

// fixedSize is how many bytes a value of the type takes; 0 where that differs.
func fixedSize(kind byte) int {
	switch kind {
	case int8Value, uint8Value:
		return 1
	case int16Value, uint16Value:
		return 2
	case int32Value, uint32Value, real32Value, hex32Value, boolValue:
		return 4
	case int64Value, uint64Value, real64Value, fileTimeValue, hex64Value:
		return 8
	case guidValue, systemTimeValue:
		return 16
	}
	return 0
}

// appendValue appends a value as JSON the way Windows renders it as XML: integers and booleans as such, the rest as text.
func (w *jsonWriter) appendValue(v value) {
	if v.kind == textValue {
		w.dst = event.AppendQuoted(w.dst, v.text)
		return
	}
	data := w.x.chunk[v.from:v.to]
	if v.kind&arrayFlag != 0 {
		w.appendArray(v.kind&^arrayFlag, data)
		return
	}
	switch v.kind {
	case int8Value, uint8Value, int16Value, uint16Value, int32Value, uint32Value, int64Value, uint64Value:
		if n, ok := appendInteger(w.dst, v.kind, data); ok {
			w.dst = n
			return
		}
	case boolValue:
		if len(data) > 0 {
			w.dst = strconv.AppendBool(w.dst, !zero(data))
			return
		}
	}
	w.dst = append(w.dst, '"')
	w.appendPlain(v.kind, data)
	w.dst = append(w.dst, '"')
}

// appendInteger reports false where the size is not the type's.
func appendInteger(dst []byte, kind byte, data []byte) ([]byte, bool) {
	if len(data) != fixedSize(kind) {
		return dst, false
	}
	switch kind {
	case int8Value:
		return strconv.AppendInt(dst, int64(int8(data[0])), 10), true
	case uint8Value:
		return strconv.AppendUint(dst, uint64(data[0]), 10), true
	case int16Value:
		return strconv.AppendInt(dst, int64(int16(binary.LittleEndian.Uint16(data))), 10), true
	case uint16Value:
		return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint16(data)), 10), true
	case int32Value:
		return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(data))), 10), true
	case uint32Value:
		return strconv.AppendUint(dst, uint64(binary.LittleEndian.Uint32(data)), 10), true
	case int64Value:
		return strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(data)), 10), true
	default:
		return strconv.AppendUint(dst, binary.LittleEndian.Uint64(data), 10), true
	}
}

// appendPlain appends a value's text, escaped for JSON, without the quotes. A value whose size is not its type's, or whose
// type is not known, is its bytes in hexadecimal.
func (w *jsonWriter) appendPlain(kind byte, data []byte) {
	if size := fixedSize(kind); size > 0 && len(data) != size {
		w.dst = appendHex(w.dst, data)
		return
	}
	switch kind {
	case stringValue:
		w.appendText(appendUTF16(w.x.text[:0], data))
	case ansiValue:
		w.x.text = w.x.text[:0]
		for _, c := range data { // Windows-1252's printable part is close enough: providers write ASCII
			w.x.text = append(w.x.text, string(rune(c))...)
		}
		w.appendText(w.x.text)
	case real32Value:
		w.dst = strconv.AppendFloat(w.dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))), 'g', -1, 32)
	case real64Value:
		w.dst = strconv.AppendFloat(w.dst, math.Float64frombits(binary.LittleEndian.Uint64(data)), 'g', -1, 64)
	case guidValue:
		w.dst = appendGUID(w.dst, data)
	case fileTimeValue:
		w.dst = appendFileTime(w.dst, binary.LittleEndian.Uint64(data))
	case systemTimeValue:
		w.dst = appendSystemTime(w.dst, data)
	case sidValue:
		w.dst = appendSID(w.dst, data)
	case hex32Value:
		w.dst = strconv.AppendUint(append(w.dst, "0x"...), uint64(binary.LittleEndian.Uint32(data)), 16)
	case hex64Value:
		w.dst = strconv.AppendUint(append(w.dst, "0x"...), binary.LittleEndian.Uint64(data), 16)
	case sizeValue:
		if len(data) == 4 || len(data) == 8 {
			var wide [8]byte
			copy(wide[:], data)
			w.dst = strconv.AppendUint(append(w.dst, "0x"...), binary.LittleEndian.Uint64(wide[:]), 16)
			return
		}
		w.dst = appendHex(w.dst, data)
	case int8Value, uint8Value, int16Value, uint16Value, int32Value, uint32Value, int64Value, uint64Value:
		w.dst, _ = appendInteger(w.dst, kind, data)
	case boolValue:
		w.dst = strconv.AppendBool(w.dst, !zero(data))
	default:
		w.dst = appendHex(w.dst, data)
	}
}

// appendText appends text within quotes, without the nulls that end it.
func (w *jsonWriter) appendText(text []byte) {
	w.x.text = text
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1]
	}
	start := len(w.dst)
	w.dst = event.AppendQuoted(w.dst, string(text))
	w.dst = append(w.dst[:start], w.dst[start+1:len(w.dst)-1]...) // the caller writes the quotes
}

// appendArray appends a list: texts end in a null each, everything else has its type's size.
func (w *jsonWriter) appendArray(kind byte, data []byte) {
	w.dst = append(w.dst, '[')
	for first := true; len(data) > 0; first = false {
		size := fixedSize(kind)
		switch {
		case kind == stringValue:
			size = nullAt(data)
		case kind == sidValue && len(data) >= 8:
			size = 8 + 4*int(data[1])
		case size == 0:
			size = len(data)
		}
		size = min(size, len(data))
		if !first {
			w.dst = append(w.dst, ',')
		}
		if number, ok := appendInteger(w.dst, kind, data[:size]); ok && kind >= int8Value && kind <= uint64Value {
			w.dst = number
		} else {
			w.dst = append(w.dst, '"')
			w.appendPlain(kind, data[:size])
			w.dst = append(w.dst, '"')
		}
		data = data[size:]
	}
	w.dst = append(w.dst, ']')
}

// nullAt returns the size of the text at the beginning, with its null.
func nullAt(data []byte) int {
	for i := 0; i+1 < len(data); i += 2 {
		if data[i] == 0 && data[i+1] == 0 {
			return i + 2
		}
	}
	return len(data)
}

func appendHex(dst, data []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range data {
		dst = append(dst, digits[c>>4], digits[c&0xf])
	}
	return dst
}

// appendGUID appends "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}".
func appendGUID(dst, d []byte) []byte {
	b := [16]byte{d[3], d[2], d[1], d[0], d[5], d[4], d[7], d[6]}
	copy(b[8:], d[8:16])
	dst = hex.AppendEncode(append(dst, '{'), b[:4])
	for _, part := range [...][]byte{b[4:6], b[6:8], b[8:10], b[10:]} {
		dst = hex.AppendEncode(append(dst, '-'), part)
	}
	return append(dst, '}')
}

// appendFileTime appends a time in 100 ns since 1601 as Windows renders it.
func appendFileTime(dst []byte, ticks uint64) []byte {
	const toUnix = 11644473600 // seconds from 1601 to 1970
	if ticks > math.MaxInt64 {
		return strconv.AppendUint(dst, ticks, 10) // "never": no date
	}
	t := time.Unix(int64(ticks/1e7)-toUnix, int64(ticks%1e7)*100).UTC()
	if t.Year() > 9999 {
		return strconv.AppendUint(dst, ticks, 10)
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.0000000Z")
}

func appendSystemTime(dst, d []byte) []byte {
	part := func(i int) int { return int(binary.LittleEndian.Uint16(d[2*i:])) }
	t := time.Date(part(0), time.Month(part(1)), part(3), part(4), part(5), part(6), part(7)*1e6, time.UTC)
	if t.Year() > 9999 {
		return appendHex(dst, d)
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendSID appends "S-1-5-21-…".
func appendSID(dst, d []byte) []byte {
	if len(d) < 8 || len(d) != 8+4*int(d[1]) {
		return appendHex(dst, d)
	}
	dst = strconv.AppendUint(append(dst, "S-"...), uint64(d[0]), 10)
	authority := uint64(binary.BigEndian.Uint16(d[2:]))<<32 | uint64(binary.BigEndian.Uint32(d[4:]))
	dst = strconv.AppendUint(append(dst, '-'), authority, 10)
	for i := 8; i < len(d); i += 4 {
		dst = strconv.AppendUint(append(dst, '-'), uint64(binary.LittleEndian.Uint32(d[i:])), 10)
	}
	return dst
}
