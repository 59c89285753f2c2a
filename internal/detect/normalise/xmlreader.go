package normalise

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// xmlReader reads the plain XML that events are made of (XML 1.0 without a document type): elements, attributes, text,
// CDATA, character references and the five named entities. It is not a validator: what it does not understand it
// leaves as text, and it never fails; broken says that something was not as it should be. After next, kind and path say where it is: at
// xmlStart and xmlEnd the element is the last of path.
type xmlReader struct {
	rest   string
	kind   xmlKind
	path   []string
	name   string // of the element at xmlStart and xmlEnd
	attrs  []xmlAttr
	text   string
	broken bool

	closed bool // the last token was an end: path still has the element
	empty  bool // the last token was the start of an element without content

	dataName string // for the caller: the field that is being read
	hasText  bool
}

type xmlKind uint8

const (
	xmlStart xmlKind = iota
	xmlText
	xmlEnd
)

type xmlAttr struct{ name, value string }

// Bounds of an event's XML: how deep it may nest, how long the names of the elements around may be together, and how many
// attributes an element may have.
const (
	maxXMLDepth = 64
	maxXMLPath  = 1 << 10
	maxXMLAttrs = 32
)

func (x *xmlReader) is(path ...string) bool {
	if len(path) != len(x.path) {
		return false
	}
	for i := range path {
		if path[i] != x.path[i] {
			return false
		}
	}
	return true
}

func (x *xmlReader) attribute(name string) string {
	for _, a := range x.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// next moves to the next token; false at the end.
func (x *xmlReader) next() bool {
	if x.closed {
		x.path, x.closed = x.path[:len(x.path)-1], false
	}
	if x.empty {
		x.kind, x.empty, x.closed = xmlEnd, false, true
		return true
	}
	for x.rest != "" {
		if x.rest[0] != '<' {
			x.readText()
			return true
		}
		switch {
		case strings.HasPrefix(x.rest, "<!--"):
			x.skip("-->")
		case strings.HasPrefix(x.rest, "<?"):
			x.skip("?>")
		case strings.HasPrefix(x.rest, "<![CDATA["):
			x.readText()
			return true
		case strings.HasPrefix(x.rest, "<!"):
			x.skip(">")
		case strings.HasPrefix(x.rest, "</"):
			if x.end() {
				return true
			}
		default:
			return x.start()
		}
	}
	return false
}

func (x *xmlReader) skip(end string) {
	_, rest, found := strings.Cut(x.rest, end)
	if !found {
		x.broken = true
	}
	x.rest = rest
}

// readText takes text and CDATA up to the next element, as one.
func (x *xmlReader) readText() {
	x.kind, x.text = xmlText, ""
	var more strings.Builder // of a text in several parts
	for x.rest != "" {
		part := ""
		if inner, ok := strings.CutPrefix(x.rest, "<![CDATA["); ok {
			end := strings.Index(inner, "]]>")
			if end < 0 {
				x.broken, end = true, len(inner)
			}
			part, x.rest = inner[:end], strings.TrimPrefix(inner[end:], "]]>")
		} else {
			end := strings.IndexByte(x.rest, '<')
			if end == 0 {
				break
			}
			if end < 0 {
				end = len(x.rest)
			}
			part, x.rest = unescapeXML(x.rest[:end]), x.rest[end:]
		}
		if x.text == "" {
			x.text = part
			continue
		}
		if more.Len() == 0 {
			more.WriteString(x.text)
		}
		more.WriteString(part)
	}
	if more.Len() > 0 {
		x.text = more.String()
	}
}

// end reads an end tag. One that closes nothing is skipped; one that closes an outer element closes the inner ones.
func (x *xmlReader) end() bool {
	name, rest, found := strings.Cut(x.rest[2:], ">")
	x.rest = rest
	if !found {
		x.broken = true
		return false
	}
	name = strings.TrimSpace(name)
	for i := len(x.path) - 1; i >= 0; i-- {
		if x.path[i] == name {
			if i < len(x.path)-1 {
				x.broken = true
			}
			x.path = x.path[:i+1]
			x.kind, x.name, x.closed, x.attrs = xmlEnd, name, true, x.attrs[:0]
			return true
		}
	}
	x.broken = true
	return false
}

func (x *xmlReader) start() bool {
	s := x.rest[1:]
	n := strings.IndexAny(s, " \t\r\n/>")
	around := 0
	for _, name := range x.path {
		around += len(name)
	}
	if n <= 0 || len(x.path) >= maxXMLDepth || around+n > maxXMLPath {
		x.broken, x.rest = true, ""
		return false
	}
	x.name, s = s[:n], s[n:]
	x.path = append(x.path, x.name)
	x.attrs = x.attrs[:0]
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		switch {
		case s == "":
			x.broken, x.rest = true, ""
			return false
		case s[0] == '>':
			x.rest, x.kind = s[1:], xmlStart
			return true
		case strings.HasPrefix(s, "/>"):
			x.rest, x.kind, x.empty = s[2:], xmlStart, true
			return true
		}
		var ok bool
		if s, ok = x.attr(s); !ok {
			x.broken, x.rest = true, ""
			return false
		}
	}
}

// attr reads one name="value".
func (x *xmlReader) attr(s string) (rest string, ok bool) {
	name, rest, found := strings.Cut(s, "=")
	name, rest = strings.TrimSpace(name), strings.TrimLeft(rest, " \t\r\n")
	if !found || name == "" || strings.ContainsAny(name, "<>\"'") || rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return s, false
	}
	end := strings.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return s, false
	}
	if len(x.attrs) < maxXMLAttrs {
		x.attrs = append(x.attrs, xmlAttr{name, unescapeXML(rest[1 : 1+end])})
	} else {
		x.broken = true
	}
	return rest[end+2:], true
}

// unescapeXML replaces character references and the five entities; others stay as they are.
func unescapeXML(s string) string {
	amp := strings.IndexByte(s, '&')
	if amp < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for amp >= 0 {
		b.WriteString(s[:amp])
		s = s[amp:]
		semi := strings.IndexByte(s[:min(len(s), 12)], ';')
		r := rune(-1)
		if semi > 1 {
			r = entity(s[1:semi])
		}
		if r < 0 {
			b.WriteByte('&')
			s = s[1:]
		} else {
			b.WriteRune(r)
			s = s[semi+1:]
		}
		amp = strings.IndexByte(s, '&')
	}
	b.WriteString(s)
	return b.String()
}

// entity returns the character of a reference, -1 for none.
func entity(name string) rune {
	switch name {
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "amp":
		return '&'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	digits, base := strings.TrimPrefix(name, "#"), 10
	if digits == name || digits == "" {
		return -1
	}
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return -1
	}
	return rune(code)
}
