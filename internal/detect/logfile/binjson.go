package logfile

import (
	"strings"

	"yagura/internal/event"
)

// jsonWriter writes a record's tree as {"Event": {"System": …, "EventData": …}}: an element is its text, or an object
// of its children; attributes stand under "#attributes" and then the text under "#text". Elements of one name
// make a list. The Data elements of EventData stand under their Name, without one under "Data".
type jsonWriter struct {
	x   *binXML
	dst []byte
}

// root writes the first element.
func (w *jsonWriter) root() bool {
	for i := w.x.nodes[0].first; i != 0; i = w.x.nodes[i].next {
		if n := &w.x.nodes[i]; n.kind == elementNode {
			w.dst = append(event.AppendQuoted(append(w.dst, '{'), n.name), ':')
			w.element(i)
			w.dst = append(w.dst, '}')
			return true
		}
	}
	return false
}

// has counts what an element has.
func (w *jsonWriter) has(i int) (attributes, elements, values int) {
	for c := w.x.nodes[i].first; c != 0; c = w.x.nodes[c].next {
		switch n := &w.x.nodes[c]; {
		case n.kind == elementNode:
			elements++
		case n.kind == valueNode:
			values++
		case n.first != 0:
			attributes++
		}
	}
	return attributes, elements, values
}

func (w *jsonWriter) element(i int) {
	attributes, elements, values := w.has(i)
	if attributes == 0 && elements == 0 {
		w.values(i, values)
		return
	}
	w.dst = append(w.dst, '{')
	open := len(w.dst)
	if attributes > 0 {
		w.attributes(i)
	}
	if values > 0 && (elements == 0 || !w.blank(i)) {
		w.comma(open)
		w.dst = append(w.dst, `"#text":`...)
		w.values(i, values)
	}
	w.children(i, open)
	w.dst = append(w.dst, '}')
}

// comma separates members after the first.
func (w *jsonWriter) comma(open int) {
	if len(w.dst) > open {
		w.dst = append(w.dst, ',')
	}
}

func (w *jsonWriter) attributes(i int) {
	w.dst = append(w.dst, `"#attributes":{`...)
	open := len(w.dst)
	for c := w.x.nodes[i].first; c != 0; c = w.x.nodes[c].next {
		if n := &w.x.nodes[c]; n.kind == attributeNode && n.first != 0 {
			w.comma(open)
			w.dst = append(event.AppendQuoted(w.dst, n.name), ':')
			_, _, values := w.has(c)
			w.values(c, values)
		}
	}
	w.dst = append(w.dst, '}')
}

// child is an element with what it stands under and the next one under the same.
type child struct {
	node int
	key  string
	next int // in the list of children; 0 for none: the first is nobody's next
	late bool
}

// children writes the elements within an element, those of one name as one list in the place of the first.
func (w *jsonWriter) children(i, open int) {
	data := w.x.nodes[i].name == "EventData"
	list := w.listChildren(i, data)
	for at, c := range list {
		if c.late {
			continue // written with the first of its name
		}
		w.comma(open)
		w.dst = append(event.AppendQuoted(w.dst, c.key), ':')
		if c.next == 0 {
			w.datum(c.node, data)
			continue
		}
		w.dst = append(w.dst, '[')
		for o := at; ; o = list[o].next {
			w.datum(list[o].node, data)
			if list[o].next == 0 {
				break
			}
			w.dst = append(w.dst, ',')
		}
		w.dst = append(w.dst, ']')
	}
}

func (w *jsonWriter) listChildren(i int, data bool) []child {
	var list []child
	last := map[string]int{}
	for c := w.x.nodes[i].first; c != 0; c = w.x.nodes[c].next {
		if w.x.nodes[c].kind != elementNode {
			continue
		}
		key := w.key(c, data)
		before, late := last[key]
		if late {
			list[before].next = len(list)
		}
		last[key] = len(list)
		list = append(list, child{node: c, key: key, late: late})
	}
	return list
}

// key is what an element stands under.
func (w *jsonWriter) key(c int, data bool) string {
	n := &w.x.nodes[c]
	if !data || n.name != "Data" {
		return n.name
	}
	for a := n.first; a != 0; a = w.x.nodes[a].next {
		if attr := &w.x.nodes[a]; attr.kind == attributeNode && attr.name == "Name" && attr.first != 0 {
			if name := w.textOf(a); name != "" {
				return name
			}
		}
	}
	return n.name
}

// textOf is the text of an attribute.
func (w *jsonWriter) textOf(i int) string {
	text := ""
	for c := w.x.nodes[i].first; c != 0; c = w.x.nodes[c].next {
		switch v := w.x.nodes[c].value; v.kind {
		case textValue:
			text += v.text
		case stringValue:
			text += string(appendUTF16(nil, w.x.chunk[v.from:v.to]))
		}
	}
	return strings.TrimRight(text, "\x00")
}

// datum writes an element; of a Data element only the text, where it has nothing else.
func (w *jsonWriter) datum(i int, data bool) {
	if data && w.x.nodes[i].name == "Data" {
		if _, elements, values := w.has(i); elements == 0 {
			w.values(i, values)
			return
		}
	}
	w.element(i)
}

// values writes the values of a node: none is null, one keeps its type, several are one text.
func (w *jsonWriter) values(i, count int) {
	first := w.x.nodes[i].first
	switch count {
	case 0:
		w.dst = append(w.dst, "null"...)
		return
	case 1:
		for c := first; c != 0; c = w.x.nodes[c].next {
			if n := &w.x.nodes[c]; n.kind == valueNode {
				w.appendValue(n.value)
				return
			}
		}
		w.dst = append(w.dst, "null"...) // an attribute that holds no value
		return
	}
	w.dst = append(w.dst, '"')
	for c := first; c != 0; c = w.x.nodes[c].next {
		if n := &w.x.nodes[c]; n.kind == valueNode {
			if n.value.kind == textValue {
				w.appendText(append(w.x.text[:0], n.value.text...))
			} else {
				w.appendPlain(n.value.kind, w.x.chunk[n.value.from:n.value.to])
			}
		}
	}
	w.dst = append(w.dst, '"')
}

// blank reports whether an element's own text is only the white space between its children.
func (w *jsonWriter) blank(i int) bool {
	for c := w.x.nodes[i].first; c != 0; c = w.x.nodes[c].next {
		if n := &w.x.nodes[c]; n.kind == valueNode && (n.value.kind != textValue || strings.TrimSpace(n.value.text) != "") {
			return false
		}
	}
	return true
}
