package sigma

import (
	"strings"
	"unicode/utf8"
)

// pattern is a Sigma string (Sigma rules specification, "String Wildcard" and "Escaping"): text with the
// wildcards * (any number of characters) and ? (exactly one).
type pattern struct {
	parts []part
}

type partKind uint8

const (
	partText partKind = iota
	partMany          // *
	partOne           // ?
	partDash          // any one of dashes, put there by the windash modifier
)

type part struct {
	kind partKind
	text string // of partText, never empty
}

// dashes are the characters that windash takes for each other: hyphen, slash, en dash, em dash, horizontal bar.
const dashes = "-/\u2013\u2014\u2015"

// parsePattern reads a value as rules write it. A backslash escapes *, ? and itself; before anything else it
// is a plain backslash.
func parsePattern(s string) pattern {
	var p pattern
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			i++
			text.WriteByte(s[i])
		case c == '*' || c == '?':
			p.addText(text.String())
			text.Reset()
			if c == '*' {
				p.addMany()
			} else {
				p.parts = append(p.parts, part{kind: partOne})
			}
		default:
			text.WriteByte(c)
		}
	}
	p.addText(text.String())
	return p
}

// literal is a pattern without wildcards, whatever s contains.
func literal(s string) pattern {
	var p pattern
	p.addText(s)
	return p
}

func (p *pattern) addText(s string) {
	if s != "" {
		p.parts = append(p.parts, part{kind: partText, text: s})
	}
}

// addMany appends a *; two in a row mean no more than one.
func (p *pattern) addMany() {
	if n := len(p.parts); n == 0 || p.parts[n-1].kind != partMany {
		p.parts = append(p.parts, part{kind: partMany})
	}
}

// openStart and openEnd let anything stand before or behind.
func (p pattern) openStart() pattern {
	if len(p.parts) > 0 && p.parts[0].kind == partMany {
		return p
	}
	return pattern{append([]part{{kind: partMany}}, p.parts...)}
}

func (p pattern) openEnd() pattern {
	q := pattern{append([]part(nil), p.parts...)}
	q.addMany()
	return q
}

// hasWildcard reports whether there is a * or ?.
func (p pattern) hasWildcard() bool {
	for _, x := range p.parts {
		if x.kind == partMany || x.kind == partOne {
			return true
		}
	}
	return false
}

// plain returns the text of a pattern that has neither wildcards nor dashes.
func (p pattern) plain() string {
	var b strings.Builder
	for _, x := range p.parts {
		b.WriteString(x.text)
	}
	return b.String()
}

// mapText returns the pattern with each text replaced.
func (p pattern) mapText(f func(string) string) pattern {
	q := pattern{make([]part, len(p.parts))}
	copy(q.parts, p.parts)
	for i := range q.parts {
		if q.parts[i].kind == partText {
			q.parts[i].text = f(q.parts[i].text)
		}
	}
	return q
}

// globKind tells the simple shapes of pattern, which nearly all are, from the general one.
type globKind uint8

const (
	globExact globKind = iota
	globPrefix
	globSuffix
	globContains
	globGeneral
)

// glob is a pattern made ready for matching. Its text is folded unless cased.
type glob struct {
	kind  globKind
	cased bool
	text  string // of all kinds but globGeneral
	// Of globGeneral: the runs of parts between the stars, and whether a star stands before the first and
	// behind the last.
	segments           []segment
	openStart, openEnd bool
}

// segment is a run of parts without a *.
type segment []part

// newGlob prepares a pattern.
func newGlob(p pattern, cased bool) *glob {
	if !cased {
		p = p.mapText(fold)
	}
	g := &glob{cased: cased}
	var run segment
	simple := true
	for i, x := range p.parts {
		if x.kind != partMany {
			run = append(run, x)
			simple = simple && x.kind == partText
			continue
		}
		if i == 0 {
			g.openStart = true
		}
		if i == len(p.parts)-1 {
			g.openEnd = true
		}
		if len(run) > 0 {
			g.segments = append(g.segments, run)
			run = nil
		}
	}
	if len(run) > 0 {
		g.segments = append(g.segments, run)
	}
	if simple && len(g.segments) <= 1 {
		g.text = p.plain()
		g.kind = [2][2]globKind{{globExact, globPrefix}, {globSuffix, globContains}}[btoi(g.openStart)][btoi(g.openEnd)]
		g.segments = nil
		return g
	}
	g.kind = globGeneral
	return g
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// match reports whether the whole of s matches; s is folded unless the glob is cased. It takes time
// proportional to len(s) times the longest segment at worst: there is no backtracking over a *.
func (g *glob) match(s string) bool {
	switch g.kind {
	case globExact:
		return s == g.text
	case globPrefix:
		return strings.HasPrefix(s, g.text)
	case globSuffix:
		return strings.HasSuffix(s, g.text)
	case globContains:
		return strings.Contains(s, g.text)
	}
	segments, at := g.segments, 0
	if !g.openStart {
		end, ok := segments[0].matchAt(s, 0)
		if !ok {
			return false
		}
		if len(segments) == 1 && !g.openEnd {
			return end == len(s)
		}
		at, segments = end, segments[1:]
	}
	var last segment
	if !g.openEnd && len(segments) > 0 {
		last, segments = segments[len(segments)-1], segments[:len(segments)-1]
	}
	for _, seg := range segments {
		// The leftmost place leaves the most room for what follows.
		end, ok := seg.find(s, at)
		if !ok {
			return false
		}
		at = end
	}
	return last == nil || last.endsAt(s, at)
}

// matchAt matches the segment at s[i:] and returns where it ends.
func (seg segment) matchAt(s string, i int) (end int, ok bool) {
	for _, x := range seg {
		switch x.kind {
		case partText:
			if !strings.HasPrefix(s[i:], x.text) {
				return 0, false
			}
			i += len(x.text)
		case partOne:
			if i == len(s) {
				return 0, false
			}
			i += runeLen(s, i)
		case partDash:
			n := dashLen(s[i:])
			if n == 0 {
				return 0, false
			}
			i += n
		}
	}
	return i, true
}

// find returns the end of the leftmost match that starts at from or later.
func (seg segment) find(s string, from int) (end int, ok bool) {
	for i := from; i <= len(s); {
		if seg[0].kind == partText {
			n := strings.Index(s[i:], seg[0].text)
			if n < 0 {
				return 0, false
			}
			i += n
		}
		if end, ok := seg.matchAt(s, i); ok {
			return end, true
		}
		if i == len(s) {
			break
		}
		i += runeLen(s, i)
	}
	return 0, false
}

// endsAt reports whether a match that starts at from or later ends where s ends.
func (seg segment) endsAt(s string, from int) bool {
	if x := seg[len(seg)-1]; x.kind == partText && !strings.HasSuffix(s, x.text) {
		return false
	}
	longest := 0
	for _, x := range seg {
		longest += max(len(x.text), utf8.UTFMax)
	}
	for i := from; i <= len(s); {
		if len(s)-i <= longest {
			if end, ok := seg.matchAt(s, i); ok && end == len(s) {
				return true
			}
		}
		if i == len(s) {
			break
		}
		i += runeLen(s, i)
	}
	return false
}

// runeLen returns how many bytes the character at s[i] takes; a byte that is no UTF-8 counts as one.
func runeLen(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	return size
}

// dashLen returns the length of the dash that s begins with, 0 where it begins with none.
func dashLen(s string) int {
	r, size := utf8.DecodeRuneInString(s)
	if size > 0 && strings.ContainsRune(dashes, r) {
		return size
	}
	return 0
}
