package normalise

import (
	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// Limits of one event. What goes beyond is not dropped: it stays as JSON text under its own name.
const (
	maxFields = 1000
	maxDepth  = 24
	// maxName is how long a name may be under which members are unfolded: each of them repeats it.
	maxName = 512
	// repeatedText is how many bytes of JSON text arrays within arrays may repeat of the array around them.
	repeatedText = 256 << 10
)

func (s *state) tooMany(ev *event.Event) bool { return ev.NumFields() >= maxFields }

// flatten adds v's leaves under dotted names that begin with name ("" for none). A list of plain values
// becomes repeated fields; a list with objects in it keeps its JSON text under its own name and repeats the
// objects' leaves. An empty list or object is the text "[]" or "{}". Strings alias the parser's buffer.
func (n *Normaliser) flatten(name string, v *fastjson.Value, ev *event.Event) {
	n.textLeft = repeatedText
	n.flattenAt(name, v, ev, 0, false)
}

func (n *Normaliser) flattenAt(name string, v *fastjson.Value, ev *event.Event, depth int, repeated bool) {
	switch v.Type() {
	case fastjson.TypeObject:
		n.flattenObject(name, v, ev, depth, repeated)
	case fastjson.TypeArray:
		n.flattenArray(name, v, ev, depth, repeated)
	default:
		n.scalar(name, v, ev)
	}
}

func (n *Normaliser) scalar(name string, v *fastjson.Value, ev *event.Event) {
	if name == "" {
		name = "_"
	}
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		ev.Add(name, alias(b))
	case fastjson.TypeNumber:
		n.buf = v.MarshalTo(n.buf[:0])
		ev.AddKind(name, ev.Keep(n.buf), event.Number)
	case fastjson.TypeTrue:
		ev.AddKind(name, "true", event.Bool)
	case fastjson.TypeFalse:
		ev.AddKind(name, "false", event.Bool)
	case fastjson.TypeNull:
		ev.AddKind(name, "", event.Null)
	default:
		n.addText(name, v, ev)
	}
}

// addText adds v as JSON text.
func (n *Normaliser) addText(name string, v *fastjson.Value, ev *event.Event) {
	n.buf = v.MarshalTo(n.buf[:0])
	ev.Add(name, ev.Keep(n.buf))
}

func (n *Normaliser) flattenObject(name string, v *fastjson.Value, ev *event.Event, depth int, repeated bool) {
	o, err := v.Object()
	if err != nil {
		return
	}
	if o.Len() == 0 || depth >= maxDepth || len(name) > maxName || n.tooMany(ev) {
		if name == "" {
			if name = event.Overflow; o.Len() == 0 {
				return
			}
		}
		n.addText(name, v, ev)
		return
	}
	var rest []byte
	o.Visit(func(key []byte, child *fastjson.Value) {
		if n.tooMany(ev) {
			rest = append(event.AppendQuoted(append(rest, ','), alias(key)), ':')
			rest = child.MarshalTo(rest)
			return
		}
		n.flattenAt(n.join(name, key, ev), child, ev, depth+1, repeated)
	})
	if rest == nil {
		return
	}
	rest[0] = '{'
	if name == "" {
		name = event.Overflow
	}
	ev.Add(name, alias(append(rest, '}')))
}

// join makes a member's dotted name.
func (n *Normaliser) join(name string, key []byte, ev *event.Event) string {
	if name == "" {
		return alias(key)
	}
	n.path = append(append(append(n.path[:0], name...), '.'), key...)
	return ev.Keep(n.path)
}

func (n *Normaliser) flattenArray(name string, v *fastjson.Value, ev *event.Event, depth int, repeated bool) {
	items, err := v.Array()
	if err != nil {
		return
	}
	if name == "" {
		name = event.Overflow
	}
	plain := true
	for _, item := range items {
		if t := item.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
			plain = false
			break
		}
	}
	if len(items) == 0 || depth >= maxDepth || ev.NumFields()+len(items) > maxFields {
		n.addText(name, v, ev)
		return
	}
	if !plain && (!repeated || n.textLeft > 0) {
		n.addText(name, v, ev)
		if repeated {
			n.textLeft -= len(n.buf)
		}
	}
	for _, item := range items {
		switch {
		case item.Type() == fastjson.TypeObject && item.GetObject().Len() == 0: // it is in the text
		case n.tooMany(ev) && !plain:
			return
		default:
			n.flattenAt(name, item, ev, depth+1, !plain)
		}
	}
}
