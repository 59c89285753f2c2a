package sigma

import (
	"math"
	"strconv"
)

// number is a number from a rule or an event: exact where it is an integer that fits.
type number struct {
	integer int64
	real    float64
	exact   bool // integer holds it
}

// parseNumber reads a decimal number or a hexadecimal integer with 0x in front. It refuses without an
// allocation what cannot be one, because most field values are not.
func parseNumber(s string) (number, bool) {
	digits := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	if digits == "" || len(digits) > 64 || (digits[0] < '0' || digits[0] > '9') && digits[0] != '.' {
		return number{}, false
	}
	if len(digits) > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') {
		return parseHex(digits[2:], s[0] == '-')
	}
	if !isDecimal(digits) {
		return number{}, false
	}
	if v, ok := parseInteger(digits, s[0] == '-'); ok {
		return number{integer: v, real: float64(v), exact: true}, true
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return number{}, false
	}
	return number{real: v}, true
}

// isDecimal checks digits [. digits] [e [sign] digits], with at least one digit on either side of the point.
func isDecimal(s string) bool {
	i := 0
	run := func() int {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i - start
	}
	n := run()
	if i < len(s) && s[i] == '.' {
		i++
		n += run()
	}
	if n == 0 {
		return false
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if run() == 0 {
			return false
		}
	}
	return i == len(s)
}

// parseInteger reads plain digits that fit into 63 bits.
func parseInteger(digits string, negative bool) (int64, bool) {
	if len(digits) > 18 {
		return 0, false
	}
	var v int64
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}

func parseHex(digits string, negative bool) (number, bool) {
	var v uint64
	if len(digits) > 16 {
		return number{}, false
	}
	for i := 0; i < len(digits); i++ {
		c := digits[i] | 0x20
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return number{}, false
		}
	}
	n := number{real: float64(v)}
	if v <= math.MaxInt64 {
		n.integer, n.exact = int64(v), true
	}
	if negative {
		n.integer, n.real = -n.integer, -n.real
	}
	return n, true
}

// compare returns -1, 0 or 1.
func (a number) compare(b number) int {
	if a.exact && b.exact {
		switch {
		case a.integer < b.integer:
			return -1
		case a.integer > b.integer:
			return 1
		}
		return 0
	}
	switch {
	case a.real < b.real:
		return -1
	case a.real > b.real:
		return 1
	}
	return 0
}

// holds reports whether a stands to b as the compare modifier says; no modifier means equal.
func (a number) holds(op modifierSet, b number) bool {
	c := a.compare(b)
	switch {
	case op.has(modLt):
		return c < 0
	case op.has(modLte):
		return c <= 0
	case op.has(modGt):
		return c > 0
	case op.has(modGte):
		return c >= 0
	}
	return c == 0
}

// String writes the number so that different numbers differ.
func (a number) String() string {
	if a.exact {
		return strconv.FormatInt(a.integer, 10)
	}
	return strconv.FormatFloat(a.real, 'g', -1, 64) + "f"
}
