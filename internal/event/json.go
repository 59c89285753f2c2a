package event

import (
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// MarshalJSON writes the event as one flat JSON object; see AppendJSON.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the event as one flat JSON object in field order: "@timestamp" and "event.id" first
// where set, numbers and booleans as such, a repeated name as one list in the place of its first.
// Bytes that are no UTF-8 become U+FFFD.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	open := len(dst)
	if !e.Time.IsZero() {
		dst = append(dst, `"@timestamp":"`...)
		dst = e.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
		dst = append(dst, '"')
	}
	if e.ID != "" {
		dst = appendKey(dst, open, "event.id")
		dst = AppendQuoted(dst, e.ID)
	}
	for i, f := range e.fields {
		if e.index(f.Name) != i {
			continue // written with the first of its name
		}
		dst = appendKey(dst, open, f.Name)
		last := i
		for j := i + 1; j < len(e.fields); j++ {
			if e.fields[j].Name == f.Name {
				if last == i {
					dst = append(dst, '[')
					dst = appendValue(dst, f)
				}
				dst = append(dst, ',')
				dst = appendValue(dst, e.fields[j])
				last = j
			}
		}
		if last == i {
			dst = appendValue(dst, f)
		} else {
			dst = append(dst, ']')
		}
	}
	return append(dst, '}')
}

func appendKey(dst []byte, open int, name string) []byte {
	if len(dst) > open {
		dst = append(dst, ',')
	}
	return append(AppendQuoted(dst, name), ':')
}

func appendValue(dst []byte, f Field) []byte {
	switch f.Kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		if f.Value == "true" || f.Value == "false" {
			return append(dst, f.Value...)
		}
	case Number:
		if isJSONNumber(f.Value) {
			return append(dst, f.Value...)
		}
	}
	return AppendQuoted(dst, f.Value)
}

// isJSONNumber reports whether s is a number by RFC 8259, section 6.
func isJSONNumber(s string) bool {
	digits := func() bool {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n > 0
	}
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	leadingZero := len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9'
	if leadingZero || !digits() {
		return false
	}
	if s != "" && s[0] == '.' {
		s = s[1:]
		if !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends s as a JSON string (RFC 8259, section 7). Bytes that are no UTF-8 become U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// FormatFloat writes a number the way the events carry it: as an integer where it is one.
func FormatFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// unsafeString views b as a string. The caller promises that these bytes are never written again.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
