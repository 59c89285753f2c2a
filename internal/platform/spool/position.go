package spool

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the spool: a segment's number and a byte offset in its file. The zero Position lies
// before everything.
type Position struct {
	Segment uint64
	Offset  int64
}

// Before reports whether p lies before q.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// String writes both numbers as at least eight hexadecimal digits, "0000002a-00001f40", so that text sorts as
// positions do.
func (p Position) String() string { return fmt.Sprintf("%08x-%08x", p.Segment, p.Offset) }

// ParsePosition reads what String wrote.
func ParsePosition(text string) (Position, error) {
	segment, offset, ok := strings.Cut(text, "-")
	if !ok {
		return Position{}, fmt.Errorf("spool position %q: no hyphen", text)
	}
	number, err := strconv.ParseUint(segment, 16, 64)
	if err != nil {
		return Position{}, fmt.Errorf("spool position %q: %w", text, err)
	}
	at, err := strconv.ParseUint(offset, 16, 63)
	if err != nil {
		return Position{}, fmt.Errorf("spool position %q: %w", text, err)
	}
	return Position{Segment: number, Offset: int64(at)}, nil
}
