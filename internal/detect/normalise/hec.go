package normalise

import (
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// hec reads one Splunk HTTP Event Collector envelope: {"time", "host", "source", "sourcetype", "index", "event",
// "fields"}. What is in "event" is read as if it had come without the envelope, with the sourcetype as a hint.
func (n *Normaliser) hec(v *fastjson.Value, ev *event.Event) error {
	for _, name := range [...]string{"source", "sourcetype", "index"} {
		n.envelope("splunk."+name, v.Get(name), ev)
	}
	n.envelope(event.HostName, v.Get("host"), ev)
	if source := ev.Get("splunk.source"); strings.HasPrefix(source, "/") || len(source) > 3 && source[1] == ':' {
		ev.Add(event.LogFilePath, source)
	}
	if kind := ev.Get("splunk.sourcetype"); kind != "" {
		n.dataset = kind
	}
	if stamp := v.Get("time"); stamp != nil {
		n.buf = stamp.MarshalTo(n.buf[:0])
		if t, ok := parseTime(strings.Trim(alias(n.buf), `"`)); ok {
			n.sentAt(t, ev)
		} else {
			n.addText("splunk.time", stamp, ev)
		}
	}
	if fields := v.Get("fields"); fields != nil && fields.Type() == fastjson.TypeObject {
		n.flatten("", fields, ev)
	}
	n.envelopeRest(v, ev)
	outer := ev.Time
	if err := n.payload(v.Get("event"), ev); err != nil {
		return err
	}
	n.whenShipped(outer, ev)
	return nil
}

// sentAt takes a wrapper's time as the event's until what it wraps names one, and resolves times without a year
// against it.
func (n *Normaliser) sentAt(t time.Time, ev *event.Event) { ev.Time, n.received = t, t }

// envelope adds one of the envelope's own fields.
func (n *Normaliser) envelope(name string, v *fastjson.Value, ev *event.Event) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return
	}
	if v.Type() == fastjson.TypeString {
		b, _ := v.StringBytes()
		ev.AddNonEmpty(name, alias(b))
		return
	}
	n.addText(name, v, ev)
}

// envelopeRest keeps what an envelope should not have.
func (n *Normaliser) envelopeRest(v *fastjson.Value, ev *event.Event) {
	o, err := v.Object()
	if err != nil {
		return
	}
	o.Visit(func(key []byte, child *fastjson.Value) {
		switch string(key) {
		case "time", "host", "source", "sourcetype", "index", "event":
		case "fields":
			if child.Type() != fastjson.TypeObject {
				n.flatten("splunk.fields", child, ev)
			}
		default:
			n.flatten(n.join("splunk", key, ev), child, ev)
		}
	})
}

// payload reads what a wrapper carries: an object, a text, or anything else as text.
func (n *Normaliser) payload(v *fastjson.Value, ev *event.Event) error {
	if v == nil {
		n.labelByHint(ev)
		return nil
	}
	switch v.Type() {
	case fastjson.TypeObject:
		return n.object(v, ev)
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return n.nestedText(alias(b), ev)
	case fastjson.TypeNull:
		n.labelByHint(ev)
		return nil
	default:
		n.addText(event.Message, v, ev)
		n.labelByHint(ev)
		return nil
	}
}
