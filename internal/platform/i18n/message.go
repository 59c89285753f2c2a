package i18n

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A message is compiled once: runs of text, places to fill, and places where the number decides the words.
type message []part

type part struct {
	text   string // literal, where arg is -1
	arg    int
	plural map[string]message // category to words, for {0, plural, …}
}

// number stands inside a plural for the number itself, written "#".
const number = "#"

// parse compiles a message. The form is a small part of ICU MessageFormat:
//
//	{0}                                         the first argument
//	{0, plural, one {# alert} other {# alerts}} words chosen by a number; # is the number
//
// A brace that is meant as a brace stands in single quotes: '{'.
func parse(text string) (message, error) {
	p := parser{rest: text}
	m, err := p.message(false, -1)
	if err != nil {
		return nil, fmt.Errorf("message %q: %w", text, err)
	}
	return m, nil
}

type parser struct{ rest string }

// message reads up to the end, or to the brace that closes it. arg is the argument that # stands for, -1 for none.
func (p *parser) message(nested bool, arg int) (message, error) {
	var m message
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			m = append(m, part{text: text.String(), arg: -1})
			text.Reset()
		}
	}
	for p.rest != "" {
		switch c := p.rest[0]; {
		case strings.HasPrefix(p.rest, "'{'"), strings.HasPrefix(p.rest, "'}'"):
			text.WriteByte(p.rest[1])
			p.rest = p.rest[3:]
		case c == '{':
			flush()
			part, err := p.place()
			if err != nil {
				return nil, err
			}
			m = append(m, part)
		case c == '}':
			if !nested {
				return nil, errors.New("a closing brace without an opening one")
			}
			flush()
			return m, nil
		case c == '#' && arg >= 0:
			flush()
			m = append(m, part{text: number, arg: arg})
			p.rest = p.rest[1:]
		default:
			text.WriteByte(c)
			p.rest = p.rest[1:]
		}
	}
	if nested {
		return nil, errors.New("an opening brace that is never closed")
	}
	flush()
	return m, nil
}

// place reads {0} or {0, plural, …}.
func (p *parser) place() (part, error) {
	p.rest = p.rest[1:]
	end := strings.IndexAny(p.rest, ",}")
	if end < 0 {
		return part{}, errors.New("an opening brace that is never closed")
	}
	arg, err := strconv.Atoi(strings.TrimSpace(p.rest[:end]))
	if err != nil || arg < 0 || arg > 9 {
		return part{}, fmt.Errorf("{%s is no place such as {0}", p.rest[:end])
	}
	closed := p.rest[end] == '}'
	p.rest = p.rest[end+1:]
	if closed {
		return part{arg: arg}, nil
	}
	kind, rest, _ := strings.Cut(p.rest, ",")
	if strings.TrimSpace(kind) != "plural" {
		return part{}, fmt.Errorf("%q is no kind of place; plural is", strings.TrimSpace(kind))
	}
	p.rest = rest
	return p.choices(arg)
}

// choices reads "one {…} other {…}}".
func (p *parser) choices(arg int) (part, error) {
	plural := make(map[string]message)
	for {
		p.rest = strings.TrimLeft(p.rest, " \n\t")
		if strings.HasPrefix(p.rest, "}") {
			p.rest = p.rest[1:]
			break
		}
		open := strings.IndexByte(p.rest, '{')
		if open < 0 {
			return part{}, errors.New("a plural without words in braces")
		}
		category := strings.TrimSpace(p.rest[:open])
		p.rest = p.rest[open+1:]
		words, err := p.message(true, arg)
		if err != nil {
			return part{}, err
		}
		p.rest = p.rest[1:]
		plural[category] = words
	}
	if _, ok := plural["other"]; !ok {
		return part{}, errors.New(`a plural needs "other"`)
	}
	return part{arg: arg, plural: plural}, nil
}

// places returns which arguments the message uses.
func (m message) places() map[int]bool {
	used := make(map[int]bool)
	for _, part := range m {
		if part.arg < 0 {
			continue
		}
		used[part.arg] = true
		for _, words := range part.plural {
			for arg := range words.places() {
				used[arg] = true
			}
		}
	}
	return used
}
