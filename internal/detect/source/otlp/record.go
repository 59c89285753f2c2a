package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxDepth is how deep values may be nested in each other.
const maxDepth = 100

var errDeep = errors.New("values nested too deep")

// readBinary reads an ExportLogsServiceRequest. The numbers are those of opentelemetry/proto/logs/v1/logs.proto.
func readBinary(request []byte, set *records) error {
	return each(request, func(f field) error {
		if !f.is(1, protowire.BytesType) { // resource_logs
			return nil
		}
		resource, err := message(f.bytes, 1)
		if err != nil {
			return err
		}
		return each(f.bytes, func(f field) error {
			if !f.is(2, protowire.BytesType) { // scope_logs
				return nil
			}
			scope, err := message(f.bytes, 1)
			if err != nil {
				return err
			}
			context, err := appendContext(nil, resource, scope)
			if err != nil {
				return err
			}
			return each(f.bytes, func(f field) error {
				if f.is(2, protowire.BytesType) { // log_records
					return set.add(f.bytes, context)
				}
				return nil
			})
		})
	})
}

// message returns a message inside a message, joined where it came in parts.
func message(outer []byte, number protowire.Number) (inner []byte, err error) {
	err = each(outer, func(f field) error {
		if f.is(number, protowire.BytesType) {
			inner = append(inner, f.bytes...)
		}
		return nil
	})
	return inner, err
}

// appendContext appends what all records of a scope share: `"resource":{…},"scope":{…},`.
func appendContext(dst, resource, scope []byte) ([]byte, error) {
	mark := len(dst)
	dst = append(dst, `"resource":`...)
	dst, count, err := appendAttributes(dst, resource, 1, 0)
	if err != nil {
		return dst, err
	}
	if count == 0 {
		dst = dst[:mark]
	} else {
		dst = append(dst, ',')
	}
	mark = len(dst)
	dst = append(dst, `"scope":{`...)
	err = each(scope, func(f field) error {
		switch {
		case f.is(1, protowire.BytesType):
			dst = appendMember(dst, "name", f.bytes)
		case f.is(2, protowire.BytesType):
			dst = appendMember(dst, "version", f.bytes)
		}
		return nil
	})
	if err != nil {
		return dst, err
	}
	inner := len(dst)
	dst = append(dst, `"attributes":`...)
	if dst, count, err = appendAttributes(dst, scope, 3, 0); err != nil {
		return dst, err
	}
	if count == 0 {
		dst = dst[:inner]
	} else {
		dst = append(dst, ',')
	}
	if len(dst) == mark+len(`"scope":{`) {
		return dst[:mark], nil
	}
	return append(trimComma(dst), "},"...), nil
}

// appendRecord appends a LogRecord as the package comment shows it.
func appendRecord(dst, record, context []byte) ([]byte, error) {
	dst = append(dst, '{')
	err := each(record, func(f field) (err error) {
		switch {
		case f.is(1, protowire.Fixed64Type):
			dst = appendTime(dst, "timeUnixNano", f.value)
		case f.is(11, protowire.Fixed64Type):
			dst = appendTime(dst, "observedTimeUnixNano", f.value)
		case f.is(2, protowire.VarintType) && f.value != 0:
			dst = appendNumber(dst, "severityNumber", f.value)
		case f.is(3, protowire.BytesType):
			dst = appendMember(dst, "severityText", f.bytes)
		case f.is(5, protowire.BytesType):
			dst = append(dst, `"body":`...)
			dst, err = appendValue(dst, f.bytes, 0)
			dst = append(dst, ',')
		case f.is(7, protowire.VarintType) && f.value != 0:
			dst = appendNumber(dst, "droppedAttributesCount", f.value)
		case f.is(8, protowire.Fixed32Type) && f.value != 0:
			dst = appendNumber(dst, "flags", f.value)
		case f.is(9, protowire.BytesType) && len(f.bytes) > 0:
			dst = appendHex(dst, "traceId", f.bytes)
		case f.is(10, protowire.BytesType) && len(f.bytes) > 0:
			dst = appendHex(dst, "spanId", f.bytes)
		case f.is(12, protowire.BytesType):
			dst = appendMember(dst, "eventName", f.bytes)
		}
		return err
	})
	if err != nil {
		return dst, err
	}
	mark := len(dst)
	dst = append(dst, `"attributes":`...)
	dst, count, err := appendAttributes(dst, record, 6, 0)
	if err != nil {
		return dst, err
	}
	if count == 0 {
		dst = dst[:mark]
	} else {
		dst = append(dst, ',')
	}
	return append(trimComma(append(dst, context...)), '}'), nil
}

// appendAttributes appends the KeyValues that a message has under that number as an object, and says how many.
func appendAttributes(dst, outer []byte, number protowire.Number, depth int) ([]byte, int, error) {
	if depth > maxDepth {
		return dst, 0, errDeep
	}
	count := 0
	dst = append(dst, '{')
	err := each(outer, func(f field) (err error) {
		if !f.is(number, protowire.BytesType) {
			return nil
		}
		count++
		var key, value []byte
		err = each(f.bytes, func(f field) error {
			switch {
			case f.is(1, protowire.BytesType):
				key = f.bytes
			case f.is(2, protowire.BytesType):
				value = f.bytes
			}
			return nil
		})
		if err != nil {
			return err
		}
		dst = append(appendText(dst, key), ':')
		dst, err = appendValue(dst, value, depth+1)
		dst = append(dst, ',')
		return err
	})
	return append(trimComma(dst), '}'), count, err
}

// appendValue appends an AnyValue; one without a value is null.
func appendValue(dst, value []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, errDeep
	}
	mark := len(dst)
	err := each(value, func(f field) (err error) {
		begun := dst
		dst = dst[:mark] // of several, which only a broken sender sends, the last counts
		switch {
		case f.is(1, protowire.BytesType):
			dst = appendText(dst, f.bytes)
		case f.is(2, protowire.VarintType):
			dst = strconv.AppendBool(dst, f.value != 0)
		case f.is(3, protowire.VarintType):
			dst = strconv.AppendInt(dst, int64(f.value), 10)
		case f.is(4, protowire.Fixed64Type):
			dst = appendFloat(dst, f.double())
		case f.is(5, protowire.BytesType):
			dst, err = appendArray(dst, f.bytes, depth+1)
		case f.is(6, protowire.BytesType):
			dst, _, err = appendAttributes(dst, f.bytes, 1, depth+1)
		case f.is(7, protowire.BytesType):
			dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), f.bytes), '"')
		default:
			dst = begun
		}
		return err
	})
	if len(dst) == mark {
		dst = append(dst, "null"...)
	}
	return dst, err
}

func appendArray(dst, array []byte, depth int) ([]byte, error) {
	dst = append(dst, '[')
	err := each(array, func(f field) (err error) {
		if f.is(1, protowire.BytesType) {
			dst, err = appendValue(dst, f.bytes, depth)
			dst = append(dst, ',')
		}
		return err
	})
	return append(trimComma(dst), ']'), err
}

// appendFloat appends a number; JSON has none for the infinities and for what is not a number.
func appendFloat(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), v, 'g', -1, 64), '"')
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

func appendMember(dst []byte, name string, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	return append(appendText(appendName(dst, name), text), ',')
}

func appendTime(dst []byte, name string, nanos uint64) []byte {
	if nanos == 0 {
		return dst
	}
	return append(strconv.AppendUint(append(appendName(dst, name), '"'), nanos, 10), `",`...)
}

func appendNumber(dst []byte, name string, v uint64) []byte {
	return append(strconv.AppendInt(appendName(dst, name), int64(v), 10), ',')
}

func appendHex(dst []byte, name string, id []byte) []byte {
	return append(hex.AppendEncode(append(appendName(dst, name), '"'), id), `",`...)
}

func appendName(dst []byte, name string) []byte {
	return append(append(append(dst, '"'), name...), `":`...)
}

const hexDigits = "0123456789abcdef"

// appendText appends text as a JSON string.
func appendText(dst, text []byte) []byte {
	dst = append(dst, '"')
	for len(text) > 0 {
		n := 0
		for n < len(text) && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\' {
			n++
		}
		dst, text = append(dst, text[:n]...), text[n:]
		if len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

func trimComma(dst []byte) []byte {
	if len(dst) > 0 && dst[len(dst)-1] == ',' {
		return dst[:len(dst)-1]
	}
	return dst
}
