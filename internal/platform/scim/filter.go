package scim

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	maxFilter = 4096 // bytes
	maxDepth  = 30   // of parentheses, brackets and not
)

// path names an attribute (RFC 7644, 3.10): its schema, "" for the resource's own, its name, and the name of a part of it. Names
// are compared without regard to case (RFC 7643, 2.1).
type path struct{ schema, name, sub string }

func (p path) String() string {
	text := p.name
	if p.schema != "" {
		text = p.schema + ":" + text
	}
	if p.sub != "" {
		text += "." + p.sub
	}
	return text
}

// node is a part of a filter: a *logic, *compare or *valued. Its String is the filter in one form, which reads back as itself.
type node interface{ String() string }

// logic is "and", "or" (two parts) or "not" (one).
type logic struct {
	op          string
	left, right node
}

func (n *logic) String() string {
	if n.op == "not" {
		return "not (" + n.left.String() + ")"
	}
	return "(" + n.left.String() + " " + n.op + " " + n.right.String() + ")"
}

// compare is "userName eq "rin"", or "title pr", which has no value. value is a string, json.Number, bool or nil.
type compare struct {
	path  path
	op    string
	value any
}

func (n *compare) String() string {
	if n.op == "pr" {
		return n.path.String() + " pr"
	}
	value, err := json.Marshal(n.value)
	if err != nil {
		value = []byte("null") // of the four kinds a value is, none fails
	}
	return n.path.String() + " " + n.op + " " + string(value)
}

// valued is "emails[type eq "work"].value eq "x"": a condition on one value of a list, and, unless then is nil, one on a part
// of the values it holds of. In the path of a patch then is nil and sub names the part, "" for the whole value.
type valued struct {
	path  path
	where node
	then  *compare
	sub   string
}

func (n *valued) String() string {
	text := n.path.String() + "[" + n.where.String() + "]"
	switch {
	case n.then != nil:
		return text + "." + n.then.String()
	case n.sub != "":
		return text + "." + n.sub
	}
	return text
}

// parseFilter reads a filter (RFC 7644, 3.4.2.2). Its error is 400 invalidFilter and says at which byte it went wrong.
func parseFilter(text string) (node, error) {
	p := &parser{text: text}
	if len(text) > maxFilter || !utf8.ValidString(text) {
		return nil, badFilter("the filter is longer than %d bytes, or not UTF-8", maxFilter)
	}
	n, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(text) {
		return nil, p.wrong("the end")
	}
	return n, nil
}

// parsePath reads the path of a patch (RFC 7644, 3.5.2): an attribute, or a value path. where is nil for an attribute alone.
func parsePath(text string) (at path, where node, err error) {
	p := &parser{text: text}
	if len(text) > maxFilter || !utf8.ValidString(text) {
		return at, nil, badPath("the path is longer than %d bytes, or not UTF-8", maxFilter)
	}
	p.space()
	at, err = p.path()
	if err == nil && at.sub == "" && p.take("[") {
		if where, err = p.or(1); err == nil && !p.closed("]") {
			err = p.wrong("]")
		}
		if err == nil && p.take(".") {
			at.sub, err = p.name()
		}
	}
	if p.space(); err == nil && p.at < len(text) {
		err = p.wrong("the end")
	}
	if err != nil {
		return at, nil, badPath("path: %s", err.Error())
	}
	return at, where, nil
}

type parser struct {
	text string
	at   int
}

func (p *parser) wrong(wanted string) error {
	return badFilter("%s is expected at byte %d", wanted, p.at+1)
}

func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// closed takes a closing bracket and the space before it.
func (p *parser) closed(bracket string) bool {
	p.space()
	return p.take(bracket)
}

// word takes a keyword, whatever its case, that ends where it ends.
func (p *parser) word(keyword string) bool {
	p.space()
	end := p.at + len(keyword)
	if end > len(p.text) || !strings.EqualFold(p.text[p.at:end], keyword) || end < len(p.text) && isName(p.text[end]) {
		return false
	}
	p.at = end
	return true
}

func (p *parser) or(depth int) (node, error) {
	return p.chain(depth, "or", func(depth int) (node, error) { return p.chain(depth, "and", p.term) })
}

// chain reads parts that one operator joins. Each makes the tree a level deeper, so that a long chain counts as depth of its own:
// maxFilter bounds it.
func (p *parser) chain(depth int, op string, part func(int) (node, error)) (node, error) {
	left, err := part(depth)
	for err == nil && p.word(op) {
		var right node
		if right, err = part(depth); err == nil {
			left = &logic{op, left, right}
		}
	}
	return left, err
}

func (p *parser) term(depth int) (node, error) {
	if depth > maxDepth {
		return nil, badFilter("the filter is nested more than %d deep", maxDepth)
	}
	p.space()
	negated := false
	if start := p.at; p.word("not") {
		p.space()
		if negated = strings.HasPrefix(p.text[p.at:], "("); !negated {
			p.at = start // an attribute of that name
		}
	}
	if !p.take("(") {
		return p.condition(depth)
	}
	inner, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.closed(")") {
		return nil, p.wrong(")")
	}
	if negated {
		return &logic{op: "not", left: inner}, nil
	}
	return inner, nil
}

// condition reads a comparison or a value path.
func (p *parser) condition(depth int) (node, error) {
	at, err := p.path()
	if err != nil {
		return nil, err
	}
	if at.sub != "" || !p.take("[") {
		return p.compare(at)
	}
	n := &valued{path: at}
	if n.where, err = p.or(depth + 1); err != nil {
		return nil, err
	}
	if !p.closed("]") {
		return nil, p.wrong("]")
	}
	if !p.take(".") {
		return n, nil
	}
	sub, err := p.name()
	if err != nil {
		return nil, err
	}
	n.then, err = p.compare(path{name: sub})
	return n, err
}

func (p *parser) compare(at path) (*compare, error) {
	for _, op := range []string{"pr", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"} {
		if !p.word(op) {
			continue
		}
		if op == "pr" {
			return &compare{path: at, op: op}, nil
		}
		value, err := p.value()
		return &compare{path: at, op: op, value: value}, err
	}
	return nil, p.wrong("an operator")
}

// value reads a JSON text, number or word.
func (p *parser) value() (any, error) {
	p.space()
	decoder := json.NewDecoder(strings.NewReader(p.text[p.at:]))
	decoder.UseNumber()
	token, err := decoder.Token()
	if _, bracket := token.(json.Delim); err != nil || bracket {
		return nil, p.wrong("a value")
	}
	p.at += int(decoder.InputOffset())
	if p.at < len(p.text) && isName(p.text[p.at]) {
		return nil, p.wrong("a space")
	}
	return token, nil
}

// path reads [URN ":"] name ["." name]. A URN has dots of its own: it ends with the last colon.
func (p *parser) path() (at path, err error) {
	end := p.at
	for end < len(p.text) && (isName(p.text[end]) || p.text[end] == ':' || p.text[end] == '.') {
		end++
	}
	word := p.text[p.at:end]
	if colon := strings.LastIndexByte(word, ':'); colon >= 0 {
		at.schema = word[:colon]
		if len(at.schema) < 5 || !strings.EqualFold(at.schema[:4], "urn:") {
			return at, p.wrong("a schema's URN")
		}
		p.at += colon + 1
	}
	if at.name, err = p.name(); err == nil && p.take(".") {
		at.sub, err = p.name()
	}
	return at, err
}

func (p *parser) name() (string, error) {
	start := p.at
	for p.at < len(p.text) && isName(p.text[p.at]) {
		p.at++
	}
	name := p.text[start:p.at]
	if name == "" || name[0] == '-' || name[0] >= '0' && name[0] <= '9' {
		p.at = start
		return "", p.wrong("an attribute's name")
	}
	return name, nil
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '$'
}
