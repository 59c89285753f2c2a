package sigma

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON is an Event that is read from a JSON object (RFC 8259), in one pass and without an allocation once it is warm.
// The members of an object within an object have dotted names, "a.b"; the elements of a list are several values of
// one name. Numbers and booleans are text as the object writes them. An empty list or object has no value.
//
// Names and values point into the data given to Parse where they stand there as they are, so that the data must not
// change while the event is in use; all are void after the next Parse. The zero JSON is ready to use, by one goroutine.
type JSON struct {
	fields []Field
	data   []byte
	at     int
	path   []byte // the name of the object at hand, with a dot at its end
	texts  []byte // of strings that had to be put together; never moved, since none is longer than it is written
	names  []byte // dotted names
	spent  int    // bytes of names
}

// The bounds of an object: depth of objects and lists within each other, and length of a dotted name. Names may take in all as
// many bytes as the object and maxJSONNames more.
const (
	maxJSONDepth = 128
	maxJSONName  = 4 << 10
	maxJSONNames = 1 << 20
)

var errJSONNames = errors.New("sigma: the JSON object's names within names are too long")

// Parse reads a JSON object. After an error the event has no fields.
func (j *JSON) Parse(data []byte) error {
	clear(j.fields)
	j.fields, j.data, j.at, j.path, j.spent = j.fields[:0], data, 0, j.path[:0], 0
	if cap(j.texts) > maxKeptBuffer {
		j.texts = nil
	}
	if cap(j.fields) > maxKeptValues {
		j.fields = nil
	}
	j.texts, j.names = slices.Grow(j.texts[:0], len(data)), j.names[:0]
	err := j.document()
	if err != nil {
		j.fields = j.fields[:0]
	}
	return err
}

// NumFields implements Event.
func (j *JSON) NumFields() int { return len(j.fields) }

// Field implements Event.
func (j *JSON) Field(i int) (name, value string, null bool) {
	f := &j.fields[i]
	return f.Name, f.Value, f.Null
}

func (j *JSON) document() error {
	if j.space() != '{' {
		return j.wrong("an object is wanted")
	}
	if err := j.object(1); err != nil {
		return err
	}
	if j.space(); j.at < len(j.data) {
		return j.wrong("there is more behind the object")
	}
	return nil
}

func (j *JSON) wrong(reason string) error {
	return fmt.Errorf("sigma: JSON, byte %d: %s", j.at, reason)
}

// space goes to the next byte that is no white space and returns it, 0 at the end.
func (j *JSON) space() byte {
	for ; j.at < len(j.data); j.at++ {
		if c := j.data[j.at]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// object reads from an opening brace to its closing one.
func (j *JSON) object(depth int) error {
	if depth > maxJSONDepth {
		return j.wrong("nested too deep")
	}
	j.at++
	if j.space() == '}' {
		j.at++
		return nil
	}
	for {
		if j.space() != '"' {
			return j.wrong("a member's name is wanted")
		}
		key, err := j.text()
		if err != nil {
			return err
		}
		if j.space() != ':' {
			return j.wrong("a colon is wanted")
		}
		j.at++
		if err := j.member(key, depth); err != nil {
			return err
		}
		switch j.space() {
		case ',':
			j.at++
		case '}':
			j.at++
			return nil
		default:
			return j.wrong("a comma or a closing brace is wanted")
		}
	}
}

// member reads a member's value.
func (j *JSON) member(key string, depth int) error {
	c := j.space()
	if c == '{' {
		before := len(j.path)
		if before+len(key) >= maxJSONName {
			return errJSONNames
		}
		j.path = append(append(j.path, key...), '.')
		err := j.object(depth + 1)
		j.path = j.path[:before]
		return err
	}
	name, err := j.nameOf(key)
	if err != nil {
		return err
	}
	if c == '[' {
		return j.list(name, depth+1)
	}
	return j.scalar(name, c)
}

// nameOf returns the dotted name of a member of the object at hand.
func (j *JSON) nameOf(key string) (string, error) {
	if len(j.path) == 0 {
		return key, nil
	}
	n := len(j.path) + len(key)
	if j.spent += n; n > maxJSONName || j.spent > len(j.data)+maxJSONNames {
		return "", errJSONNames
	}
	if cap(j.names)-len(j.names) < n {
		j.names = make([]byte, 0, max(n, 2*cap(j.names), 512)) // names given out keep the old block
	}
	start := len(j.names)
	j.names = append(append(j.names, j.path...), key...)
	return viewString(j.names[start:]), nil
}

// list reads from an opening bracket to its closing one. Objects in it have the members of which the list is one.
func (j *JSON) list(name string, depth int) error {
	if depth > maxJSONDepth {
		return j.wrong("nested too deep")
	}
	j.at++
	if j.space() == ']' {
		j.at++
		return nil
	}
	for {
		var err error
		switch c := j.space(); c {
		case '[':
			err = j.list(name, depth+1)
		case '{':
			err = j.element(name, depth+1)
		default:
			err = j.scalar(name, c)
		}
		if err != nil {
			return err
		}
		switch j.space() {
		case ',':
			j.at++
		case ']':
			j.at++
			return nil
		default:
			return j.wrong("a comma or a closing bracket is wanted")
		}
	}
}

// element reads an object in a list of that name.
func (j *JSON) element(name string, depth int) error {
	if len(name) >= maxJSONName {
		return errJSONNames
	}
	before := len(j.path)
	j.path = append(append(j.path[:0], name...), '.')
	err := j.object(depth)
	j.path = j.path[:before] // name begins as the path did
	return err
}

// scalar reads a value that is no object and no list.
func (j *JSON) scalar(name string, c byte) error {
	f := Field{Name: name}
	switch {
	case c == '"':
		var err error
		if f.Value, err = j.text(); err != nil {
			return err
		}
	case c == '-' || c >= '0' && c <= '9':
		start := j.at
		if !j.number() {
			return j.wrong("no number")
		}
		f.Value = viewString(j.data[start:j.at])
	case c == 't' && j.word("true"), c == 'f' && j.word("false"):
		f.Value = "true"
		if c == 'f' {
			f.Value = "false"
		}
	case c == 'n' && j.word("null"):
		f.Null = true
	default:
		return j.wrong("a value is wanted")
	}
	j.fields = append(j.fields, f)
	return nil
}

func (j *JSON) word(w string) bool {
	if len(j.data)-j.at < len(w) || viewString(j.data[j.at:j.at+len(w)]) != w {
		return false
	}
	j.at += len(w)
	return true
}

// number goes behind a number.
func (j *JSON) number() bool {
	digits := func() bool {
		start := j.at
		for j.at < len(j.data) && j.data[j.at]-'0' < 10 {
			j.at++
		}
		return j.at > start
	}
	next := func() byte {
		if j.at < len(j.data) {
			return j.data[j.at]
		}
		return 0
	}
	if next() == '-' {
		j.at++
	}
	if next() == '0' {
		j.at++
	} else if !digits() {
		return false
	}
	if next() == '.' {
		if j.at++; !digits() {
			return false
		}
	}
	if c := next(); c == 'e' || c == 'E' {
		j.at++
		if c := next(); c == '+' || c == '-' {
			j.at++
		}
		return digits()
	}
	return true
}

// text reads a string from its opening quote to behind its closing one.
func (j *JSON) text() (string, error) {
	start := j.at + 1
	end, err := j.plain(start)
	if err != nil {
		return "", err
	}
	if j.data[end] == '"' {
		j.at = end + 1
		return viewString(j.data[start:end]), nil
	}
	from := len(j.texts)
	for {
		j.texts = append(j.texts, j.data[start:end]...)
		if j.at = end; j.data[end] == '"' {
			j.at++
			return viewString(j.texts[from:]), nil
		}
		if err := j.escape(); err != nil {
			return "", err
		}
		start = j.at
		if end, err = j.plain(start); err != nil {
			return "", err
		}
	}
}

// plain returns where the text that begins at i has its next quote or backslash.
func (j *JSON) plain(i int) (int, error) {
	for ; i+8 <= len(j.data); i += 8 {
		w := load64(viewString(j.data[i : i+8]))
		quote, slash := w^'"'*eachByte, w^'\\'*eachByte
		// The lowest byte marked is one that is a quote, a backslash or below a blank; above it, carries may mark others.
		if found := ((quote-eachByte) & ^quote | (slash-eachByte) & ^slash | (w-' '*eachByte) & ^w) & highBits; found != 0 {
			i += bits.TrailingZeros64(found) / 8
			break
		}
	}
	for ; i < len(j.data); i++ {
		switch c := j.data[i]; {
		case c == '"' || c == '\\':
			return i, nil
		case c < ' ':
			j.at = i
			return 0, j.wrong("a control character in a string")
		}
	}
	j.at = len(j.data)
	return 0, j.wrong("a string does not end")
}

// escape reads an escape sequence.
func (j *JSON) escape() error {
	if j.at+1 >= len(j.data) {
		return j.wrong("a string does not end")
	}
	c := j.data[j.at+1]
	j.at += 2
	switch c {
	case '"', '\\', '/':
		j.texts = append(j.texts, c)
	case 'b':
		j.texts = append(j.texts, '\b')
	case 'f':
		j.texts = append(j.texts, '\f')
	case 'n':
		j.texts = append(j.texts, '\n')
	case 'r':
		j.texts = append(j.texts, '\r')
	case 't':
		j.texts = append(j.texts, '\t')
	case 'u':
		r, ok := j.unit(j.at)
		if !ok {
			return j.wrong("no escape sequence")
		}
		j.at += 4
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), false
			if j.at+6 <= len(j.data) && j.data[j.at] == '\\' && j.data[j.at+1] == 'u' {
				low, ok = j.unit(j.at + 2)
			}
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				j.at += 6
			}
		}
		j.texts = utf8.AppendRune(j.texts, r)
	default:
		return j.wrong("no escape sequence")
	}
	return nil
}

// unit reads four hexadecimal digits.
func (j *JSON) unit(at int) (r rune, ok bool) {
	if at+4 > len(j.data) {
		return 0, false
	}
	for _, c := range j.data[at : at+4] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20-'a' < 6:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
