package normalise

import (
	"strings"

	"yagura/internal/event"
)

// pairs reads a line of key=value pairs, as FortiGate, Sophos, SonicWall and programs with logfmt write it:
// `date=2026-01-02 time=03:04:05 devname="fw" action="deny" srcip=192.0.2.1`. Most of the line must be pairs.
func (n *Normaliser) pairs(s string, ev *event.Event) bool {
	name, _, ok := strings.Cut(s, "=")
	if !ok || !isKey(name) || !mostlyPairs(s) {
		return false
	}
	rest := s
	for rest != "" && !n.tooMany(ev) {
		rest = strings.TrimLeft(rest, " ,\t")
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		if i := strings.LastIndexAny(name, " \t"); i >= 0 {
			name = name[i+1:]
		}
		var value string
		if strings.HasPrefix(after, `"`) {
			var closed bool
			if value, rest, closed = n.quoted(after[1:], ev); !closed {
				value, rest = after[1:], ""
			}
		} else {
			value, rest = cutSpace(after)
		}
		if isKey(name) {
			ev.Add(name, value)
		}
	}
	message, hasMessage := ev.Lookup(event.Message)
	ev.Delete(event.Message)
	outer := ev.Time
	n.documentTime(nil, ev)
	if found := n.shapes.byPairs(ev); found != nil {
		found.apply(ev)
		n.label(ev, moduleOf(found.Dataset), found.Dataset)
	} else {
		n.shapes.fallback.apply(ev)
	}
	n.labelByHint(ev)
	n.whenShipped(outer, ev)
	if hasMessage {
		ev.Add("log.message", message)
	}
	ev.Add(event.Message, s)
	return true
}

// byPairs finds the shape of a line of pairs: only shapes with a When line of plain top-level keys can be one.
func (a *shapes) byPairs(ev *event.Event) *shape {
	var best *shape
	for _, f := range ev.Fields() {
		for _, c := range a.byKey[f.Name] {
			if (best == nil || c.shape.rank < best.rank) && c.fits(ev) {
				best = c.shape
			}
		}
	}
	return best
}

func (c *candidate) fits(ev *event.Event) bool {
	for i := range c.terms {
		t := &c.terms[i]
		value, ok := ev.Lookup(t.path)
		switch {
		case t.op == 0 || t.op == '!':
			if ok != (t.op == 0) {
				return false
			}
		case !ok || !t.matches(value):
			return false
		}
	}
	return true
}

func isKey(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9', c == '.', c == '-', c == '@':
			if i == 0 && c != '@' {
				return false
			}
		default:
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// mostlyPairs: at least three pairs, and as many as words outside quotes.
func mostlyPairs(s string) bool {
	const look = 2048
	pairs, words, quoted, inWord := 0, 0, false, false
	for i := range min(len(s), look) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ' ':
			inWord = false
		default:
			if !inWord {
				words++
			}
			inWord = true
			if c == '=' {
				pairs++
			}
		}
	}
	return pairs >= 3 && pairs*5 >= words*4
}
