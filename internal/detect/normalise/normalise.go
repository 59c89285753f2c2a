// Package normalise makes an event.Event of a raw item: it recognises what the item is, gives its fields
// their ECS names and keeps everything else under its native name.
//
// It promises that nothing of the original is lost: every value stands in the event under some name, as it came;
// what is derived from it stands beside it. An item that cannot be read is an error, and Failed makes an
// event of that which holds the item as it came. Nothing that a log may contain makes it panic.
//
// Events alias the Normaliser's buffers: they are valid until its next use. A Normaliser is not safe for
// concurrent use; make one for each goroutine.
package normalise

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"yagura/internal/detect/charset"
	"yagura/internal/detect/intake"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

// Normaliser reads items of every format. Make one with New.
type Normaliser struct {
	state // what the formats other than Windows' need

	parser fastjson.Parser
	win    windows
}

// errNotObject: an event is an object; a list or a number is something else gone wrong.
var errNotObject = errors.New("a JSON object is wanted")

// New makes a Normaliser that names fields as tax does. It panics if the data built into this package is
// wrong, which the tests rule out.
func New(tax *taxonomy.Taxonomy) *Normaliser {
	s, err := newState()
	if err != nil {
		panic("normalise: " + err.Error())
	}
	return &Normaliser{state: s, win: windows{tax: tax}}
}

// Normalise fills ev, which the caller has reset, from the batch's item: everything but the event's id. On
// an error ev is of no use; make a pipeline error of the item with Failed.
func (n *Normaliser) Normalise(b *intake.Batch, it *intake.Item, ev *event.Event) error {
	if it.Error != "" {
		return errors.New(it.Error)
	}
	if len(bytes.Trim(it.Data, " \t\r\n\x00")) == 0 { // zeros: the hole that a power cut or copytruncate leaves in a log
		return errors.New("the item is empty")
	}
	n.begin(b.Received, b.Dataset)
	data, plain := it.Data, utf8.Valid(it.Data)
	if !plain {
		if text, ok := charset.ShiftJIS(data); ok {
			data = text
		}
	}
	if err := n.read(b.Format, data, ev); err != nil {
		return err
	}
	if ev.Time.IsZero() {
		ev.Time = b.Received
	}
	if !ev.Has(event.Message) {
		ev.Add(event.Message, n.summary(ev))
	}
	disown(ev)
	if !plain { // what is no UTF-8 comes out of JSON as it did not go in
		addOriginal(it.Data, ev)
	}
	addOrigin(b, it, ev)
	return nil
}

func (n *Normaliser) read(format intake.Format, data []byte, ev *event.Event) error {
	switch format {
	case intake.JSON, "":
		return n.jsonText(data, ev, n.object)
	case intake.HEC:
		return n.jsonText(data, ev, n.hec)
	case intake.OTLP:
		return n.jsonText(data, ev, n.otlp)
	case intake.Zeek:
		return n.jsonText(data, ev, n.zeek)
	case intake.Syslog:
		return n.syslog(data, ev)
	case intake.Line:
		return n.text(data, ev)
	default:
		return fmt.Errorf("unknown format %q", format)
	}
}

// jsonText parses data and hands the object to read.
func (n *Normaliser) jsonText(data []byte, ev *event.Event, read func(*fastjson.Value, *event.Event) error) error {
	v, err := n.parser.ParseBytes(data)
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if v.Type() != fastjson.TypeObject {
		return errNotObject
	}
	return read(v, ev)
}

// object recognises a JSON object by its fields: a Windows event in one of the shapes it travels in, or
// anything else. Formats that wrap another event call it for what they wrap.
func (n *Normaliser) object(v *fastjson.Value, ev *event.Event) error {
	if n.windowsEvent(v, ev) {
		return nil
	}
	return n.json(v, ev)
}

// text recognises one line of text: a JSON object, a Windows event's XML, or a line known by its looks. Formats
// that wrap text call it for what they wrap.
func (n *Normaliser) text(line []byte, ev *event.Event) error {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) > 1 && trimmed[0] == '{' && trimmed[len(trimmed)-1] == '}' {
		if v, err := n.parser.ParseBytes(trimmed); err == nil && v.Type() == fastjson.TypeObject {
			return n.object(v, ev)
		}
	}
	if n.eventXML(alias(trimmed), ev) {
		return nil
	}
	return n.line(line, ev)
}

// disown renames what the original calls by one of our own names, so that no sender says in our place where an event came
// from, nor hides what it speaks of from those who leave our names out.
func disown(ev *event.Event) {
	ev.Rename("event.id", "event.native_id")
	for i := range ev.NumFields() {
		if name, _, _ := ev.Field(i); strings.HasPrefix(name, ownPrefix) && name != event.Overflow {
			ev.Rename(name, "native."+name)
		}
	}
}

// addOrigin adds how the event came.
func addOrigin(b *intake.Batch, it *intake.Item, ev *event.Event) {
	ev.AddNonEmpty(event.SourceID, b.Source)
	ev.AddNonEmpty(event.SourceInput, b.Input)
	ev.AddNonEmpty(event.SourceHost, b.Remote)
	ev.AddNonEmpty(event.SourceFile, b.File)
	if it.Record > 0 {
		ev.AddKind(event.SourceLine, keepUint(ev, it.Record), event.Number)
	}
}

func keepUint(ev *event.Event, v uint64) string {
	var buf [20]byte
	return ev.Keep(strconv.AppendUint(buf[:0], v, 10))
}

// summary is the message of an event whose original has none: its action, or else its first fields of text.
func (n *Normaliser) summary(ev *event.Event) string {
	const limit = 200
	n.buf = n.buf[:0]
	for _, f := range ev.Fields() {
		if f.Value == "" || len(f.Value) > limit || f.Kind == event.Null || f.Name == event.EventModule || f.Name == event.EventDataset {
			continue
		}
		if len(n.buf) > 0 {
			n.buf = append(n.buf, ' ')
		}
		if len(n.buf)+len(f.Name)+len(f.Value) > limit {
			break
		}
		n.buf = append(append(append(n.buf, f.Name...), '='), f.Value...)
	}
	return ev.Keep(n.buf)
}

// ownPrefix begins the names of what we know of an event ourselves.
const ownPrefix = "yagura."

// originalEncoding says that event.original is not the text itself.
const originalEncoding = "yagura.error.original_encoding"

// Failed makes ev the record of an item that could not be normalised: event.kind pipeline_error, the reason,
// and the item as it came in event.original (in base64, with yagura.error.original_encoding saying so, where it is no UTF-8).
// ev's memory does not depend on it afterwards.
func Failed(b *intake.Batch, it *intake.Item, err error, ev *event.Event) {
	ev.Reset()
	ev.Time = b.Received
	ev.Add(event.EventKind, event.KindPipelineError)
	step := "normalise"
	if it.Error != "" {
		step = "read"
	}
	ev.Add(event.ErrorReason, step)
	reason := "unknown"
	if err != nil {
		reason = err.Error()
	} else if it.Error != "" {
		reason = it.Error
	}
	ev.Add(event.ErrorMessage, reason)
	ev.Add(event.Message, "Could not be read: "+reason)
	addOriginal(it.Data, ev)
	addOrigin(b, it, ev)
	ev.AddNonEmpty(event.EventDataset, b.Dataset)
}

// addOriginal keeps the item as it came.
func addOriginal(data []byte, ev *event.Event) {
	if utf8.Valid(data) {
		ev.Add(event.Original, string(data))
		return
	}
	ev.Delete(event.Original) // a sender's own
	ev.Add(event.Original, base64.StdEncoding.EncodeToString(data))
	ev.Add(originalEncoding, "base64")
}
