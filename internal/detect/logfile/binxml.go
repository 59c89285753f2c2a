package logfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// binXML reads binary XML (MS-EVEN6, section 2.2.12) into a tree. Offsets count from the beginning of the chunk, because
// names and templates may stand anywhere in it.
type binXML struct {
	chunk []byte
	names map[uint32]string // by offset: most records use the same ones

	nodes []node // the record's tree; reused from one record to the next
	text  []byte
	spent int // what reading the record has cost so far, in tokens and bytes
	total int // what the chunk's records have cost
}

// Limits of one record. A chunk of 64 KiB can be made to say far more than it holds, by templates within templates.
const (
	maxNodes     = 20000
	maxNodeDepth = 40
	maxSpent     = 1 << 20
	maxTotal     = 16 << 20
	maxValues    = 2048
	maxName      = 1024
)

var (
	errTooMuch = errors.New("the record unfolds to more than a record can be")
	errBeyond  = errors.New("it goes on beyond its end")
)

// node is an element, an attribute or a value of the tree. Children are linked, so that the tree is one slice.
type node struct {
	kind        nodeKind
	name        string
	value       value
	first, last int // children; 0 for none: the node at 0 is the root
	next        int // sibling
}

type nodeKind uint8

const (
	elementNode nodeKind = iota
	attributeNode
	valueNode
)

// value is a typed value: where its bytes are in the chunk, or a text.
type value struct {
	kind     byte
	from, to int    // in the chunk
	text     string // of kind textValue
}

// substitution is the values that fill a template.
type substitution []value

// open prepares for a chunk.
func (x *binXML) open(chunk []byte) {
	x.chunk = chunk
	if x.names == nil {
		x.names = map[uint32]string{}
	}
	clear(x.names)
	x.total = 0
}

// spend counts what reading costs, so that little input cannot ask for much work.
func (x *binXML) spend(n int) error {
	if x.spent += n; x.spent > maxSpent || x.total+x.spent > maxTotal {
		return errTooMuch
	}
	return nil
}

// appendJSON appends the JSON of the binary XML between two offsets. dst is unchanged on an error.
func (x *binXML) appendJSON(dst []byte, from, to int) ([]byte, error) {
	x.nodes = append(x.nodes[:0], node{})
	x.spent = 0
	c := cursor{x: x, at: from, end: to}
	err := c.fragment(0)
	x.total += x.spent
	if err != nil {
		return dst, err
	}
	w := jsonWriter{x: x, dst: dst}
	if !w.root() {
		return dst, errors.New("it has no element")
	}
	return w.dst, nil
}

func (x *binXML) add(parent int, n node) (int, error) {
	if len(x.nodes) >= maxNodes {
		return 0, errTooMuch
	}
	x.nodes = append(x.nodes, n)
	i := len(x.nodes) - 1
	if p := &x.nodes[parent]; p.first == 0 {
		p.first, p.last = i, i
	} else {
		x.nodes[p.last].next = i
		p.last = i
	}
	return i, nil
}

// cursor walks over the chunk between two offsets.
type cursor struct {
	x       *binXML
	at, end int
	values  substitution
	inside  bool // within a template's definition, where elements name what they depend on
	depth   int
}

func (c *cursor) need(n int) error {
	if n < 0 || c.end-c.at < n || c.end > len(c.x.chunk) {
		return errBeyond
	}
	return nil
}

func (c *cursor) u8() (byte, error) {
	if err := c.need(1); err != nil {
		return 0, err
	}
	c.at++
	return c.x.chunk[c.at-1], nil
}

func (c *cursor) u16() (int, error) {
	if err := c.need(2); err != nil {
		return 0, err
	}
	c.at += 2
	return int(binary.LittleEndian.Uint16(c.x.chunk[c.at-2:])), nil
}

func (c *cursor) u32() (uint32, error) {
	if err := c.need(4); err != nil {
		return 0, err
	}
	c.at += 4
	return binary.LittleEndian.Uint32(c.x.chunk[c.at-4:]), nil
}

// The tokens, without the flag that says that more of the kind follow.
const (
	tokenEnd          = 0x00
	tokenOpenStart    = 0x01
	tokenCloseStart   = 0x02
	tokenCloseEmpty   = 0x03
	tokenEndElement   = 0x04
	tokenValue        = 0x05
	tokenAttribute    = 0x06
	tokenCData        = 0x07
	tokenCharRef      = 0x08
	tokenEntityRef    = 0x09
	tokenPITarget     = 0x0a
	tokenPIData       = 0x0b
	tokenTemplate     = 0x0c
	tokenSubstitution = 0x0d
	tokenOptional     = 0x0e
	tokenFragment     = 0x0f
	tokenMore         = 0x40
)

// token reads the next token.
func (c *cursor) token() (byte, error) {
	if err := c.x.spend(1); err != nil {
		return 0, err
	}
	return c.u8()
}

// fragment reads tokens up to the end and adds what they say to the parent.
func (c *cursor) fragment(parent int) error {
	if c.depth > maxNodeDepth {
		return errTooMuch
	}
	for c.at < c.end {
		token, err := c.token()
		if err != nil {
			return err
		}
		switch token &^ tokenMore {
		case tokenEnd:
			return nil
		case tokenFragment:
			if err := c.need(3); err != nil {
				return err
			}
			c.at += 3
		case tokenOpenStart:
			err = c.element(parent, token&tokenMore != 0)
		case tokenTemplate:
			err = c.template(parent)
		case tokenEndElement, tokenCloseEmpty:
			return nil // closes what the caller opened
		default:
			err = c.content(parent, token)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// element reads an element's start tag, its attributes and its content.
func (c *cursor) element(parent int, hasAttributes bool) error {
	if c.depth++; c.depth > maxNodeDepth {
		return errTooMuch
	}
	defer func() { c.depth-- }()
	skip := 4 // its size
	if c.inside {
		skip += 2 // what it depends on
	}
	if err := c.need(skip); err != nil {
		return err
	}
	c.at += skip
	name, err := c.name()
	if err != nil {
		return err
	}
	e, err := c.x.add(parent, node{kind: elementNode, name: name})
	if err != nil {
		return err
	}
	if hasAttributes {
		if err := c.need(4); err != nil {
			return err
		}
		c.at += 4 // the list's size
	}
	into := e // what values belong to: the last attribute, then the element
	for {
		token, err := c.token()
		if err != nil {
			return err
		}
		switch token &^ tokenMore {
		case tokenAttribute:
			name, err := c.name()
			if err != nil {
				return err
			}
			if into, err = c.x.add(e, node{kind: attributeNode, name: name}); err != nil {
				return err
			}
		case tokenCloseStart:
			into = e
		case tokenCloseEmpty, tokenEndElement:
			return nil
		case tokenOpenStart:
			err = c.element(e, token&tokenMore != 0)
		case tokenTemplate:
			err = c.template(into)
		case tokenEnd:
			return errBeyond
		default:
			err = c.content(into, token)
		}
		if err != nil {
			return err
		}
	}
}

// content reads a value, a substitution or something rarer.
func (c *cursor) content(parent int, token byte) error {
	switch token &^ tokenMore {
	case tokenValue:
		if kind, err := c.u8(); err != nil || kind != stringValue {
			return orError(err, "a literal of type %#x", kind)
		}
		s, err := c.counted()
		if err != nil {
			return err
		}
		return c.addText(parent, s)
	case tokenCData:
		s, err := c.counted()
		if err != nil {
			return err
		}
		return c.addText(parent, s)
	case tokenSubstitution, tokenOptional:
		return c.substitute(parent)
	case tokenCharRef:
		code, err := c.u16()
		if err != nil {
			return err
		}
		return c.addText(parent, string(rune(code)))
	case tokenEntityRef:
		name, err := c.name()
		if err != nil {
			return err
		}
		return c.addText(parent, entityText(name))
	case tokenPITarget:
		_, err := c.name()
		return err
	case tokenPIData:
		_, err := c.counted()
		return err
	}
	return fmt.Errorf("token %#x is not known", token)
}

func orError(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf(format, args...)
}

func entityText(name string) string {
	switch name {
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "amp":
		return "&"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	return "&" + name + ";"
}

func (c *cursor) addText(parent int, s string) error {
	_, err := c.x.add(parent, node{kind: valueNode, value: value{kind: textValue, text: s}})
	return err
}

// substitute puts one of the template's values here. Nothing stands where the value is null.
func (c *cursor) substitute(parent int) error {
	id, err := c.u16()
	if err != nil {
		return err
	}
	if _, err := c.u8(); err != nil {
		return err
	}
	if id >= len(c.values) {
		return nil
	}
	v := c.values[id]
	if v.kind == nullValue {
		return nil
	}
	if v.kind == xmlValue {
		inner := cursor{x: c.x, at: v.from, end: v.to, depth: c.depth + 1}
		return inner.fragment(parent)
	}
	if err := c.x.spend(v.to - v.from); err != nil {
		return err
	}
	_, err = c.x.add(parent, node{kind: valueNode, value: v})
	return err
}

// template reads an instance of a template: where its definition is, and the values that fill it.
func (c *cursor) template(parent int) error {
	if err := c.need(5); err != nil {
		return err
	}
	c.at += 5 // a version, and the first part of the template's id
	offset, err := c.u32()
	if err != nil {
		return err
	}
	from := int(offset)
	const head = 24 // the next definition's offset, the id, the size
	if from < 0 || from+head > len(c.x.chunk) {
		return fmt.Errorf("a template at %#x is outside the chunk", offset)
	}
	size := int(binary.LittleEndian.Uint32(c.x.chunk[from+20:]))
	if size < 0 || size > len(c.x.chunk)-from-head {
		return fmt.Errorf("a template at %#x is %d bytes long", offset, size)
	}
	if from == c.at { // it is defined right here
		c.at += head + size
	}
	values, err := c.readValues()
	if err != nil {
		return err
	}
	definition := cursor{x: c.x, at: from + head, end: from + head + size, inside: true, values: values, depth: c.depth + 1}
	return definition.fragment(parent)
}

// readValues reads the list of a template instance's values: sizes and types first, then the bytes.
func (c *cursor) readValues() (substitution, error) {
	count, err := c.u32()
	if err != nil {
		return nil, err
	}
	if count > maxValues {
		return nil, fmt.Errorf("%d values in one template", count)
	}
	if err := c.need(int(count) * 4); err != nil {
		return nil, err
	}
	if err := c.x.spend(int(count)); err != nil {
		return nil, err
	}
	sizes := c.at
	c.at += int(count) * 4
	values := make(substitution, count)
	for i := range values {
		descriptor := c.x.chunk[sizes+4*i:]
		size := int(binary.LittleEndian.Uint16(descriptor))
		if err := c.need(size); err != nil {
			return nil, err
		}
		values[i] = value{kind: descriptor[2], from: c.at, to: c.at + size}
		c.at += size
	}
	return values, nil
}

// name reads a name: an offset, and the name itself where it stands right here.
func (c *cursor) name() (string, error) {
	offset, err := c.u32()
	if err != nil {
		return "", err
	}
	inline := int(offset) == c.at
	at := cursor{x: c.x, at: int(offset), end: len(c.x.chunk)}
	if err := at.need(8); err != nil || at.at < 0 {
		return "", fmt.Errorf("a name at %#x is outside the chunk", offset)
	}
	at.at += 6 // the next name's offset, a hash
	name, known := c.x.names[offset]
	length := int(binary.LittleEndian.Uint16(c.x.chunk[at.at:]))
	if length > maxName {
		return "", fmt.Errorf("a name of %d characters", length)
	}
	if !known {
		if name, err = at.counted(); err != nil {
			return "", err
		}
		c.x.names[offset] = name
	}
	if err := c.x.spend(len(name)); err != nil {
		return "", err
	}
	if inline {
		if err := c.need(8 + 2*length + 2); err != nil {
			return "", err
		}
		c.at += 8 + 2*length + 2 // and a null
	}
	return name, nil
}

// counted reads a text of UTF-16 with its length in front.
func (c *cursor) counted() (string, error) {
	n, err := c.u16()
	if err != nil {
		return "", err
	}
	if err := c.need(2 * n); err != nil {
		return "", err
	}
	if err := c.x.spend(2 * n); err != nil {
		return "", err
	}
	c.at += 2 * n
	c.x.text = appendUTF16(c.x.text[:0], c.x.chunk[c.at-2*n:c.at])
	return string(c.x.text), nil
}

// appendUTF16 appends little-endian UTF-16 as UTF-8. Half a pair becomes U+FFFD.
func appendUTF16(dst, src []byte) []byte {
	for i := 0; i+1 < len(src); i += 2 {
		r := rune(binary.LittleEndian.Uint16(src[i:]))
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+3 < len(src) {
				low = rune(binary.LittleEndian.Uint16(src[i+2:]))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 2
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
