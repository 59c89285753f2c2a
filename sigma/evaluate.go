package sigma

import "strings"

// passesRaw decides the tests that look at a value as it is.
func (t *test) passesRaw(raw string) bool {
	switch t.kind {
	case testRegexp:
		return t.regexp.MatchString(raw)
	case testCIDR:
		addr, ok := parseAddress(raw)
		return ok && t.cidr.Contains(addr)
	case testNumber:
		n, ok := parseNumber(raw)
		return ok && n.holds(t.op, t.number)
	case testTime:
		n, ok := timePart(t.part, raw)
		return ok && number{integer: n, real: float64(n), exact: true}.holds(t.op, t.number)
	}
	return false
}

// relates compares the values of two fields.
func (t *test) relates(value, other string) bool {
	switch {
	case t.position.has(modStartswith):
		return strings.HasPrefix(value, other)
	case t.position.has(modEndswith):
		return strings.HasSuffix(value, other)
	case t.position.has(modContains):
		return strings.Contains(value, other)
	}
	return value == other
}
