package hec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/valyala/fastjson"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

// parts is what a body was split into.
type parts struct {
	format  intake.Format
	items   []intake.Item
	refused int    // how many could not be read
	bad     answer // of the first of them
	reason  string
	err     error // of the whole request
}

func (p *parts) refuse(number int, a answer, why string) {
	if p.refused++; p.refused > 1 {
		return
	}
	if a.status == 0 {
		a.status = http.StatusBadRequest
	}
	a.InvalidNumber = &number
	p.bad, p.reason = a, fmt.Sprintf("event %d: %s", number, why)
}

// add takes an item that takes so much memory besides the body's.
func (p *parts) add(body *gate.Body, data []byte, made int) {
	if p.err = body.Charge(gate.ItemBytes + made); p.err == nil {
		p.items = append(p.items, intake.Item{Data: data})
	}
}

// maxResumes is how often a body is searched for where to go on: each search may read it to its end.
const maxResumes = 16

// events splits a body of envelopes: JSON objects one after the other, with or without anything between them, or an
// array of them.
func (h *Handler) events(_ *http.Request, body *gate.Body) parts {
	p := parts{format: intake.HEC}
	var parser fastjson.Parser
	resumes := 0
	rest := bytes.TrimLeft(body.Data, separators)
	for number := 0; len(rest) > 0 && p.err == nil; number++ {
		if end := objectEnd(rest); end > 0 {
			envelope := rest[:end]
			if a, why := check(&parser, envelope, h.gate.MaxItem()); why != "" {
				p.refuse(number, a, why)
			} else {
				p.add(body, envelope, 0)
			}
			rest = rest[end:]
		} else {
			p.refuse(number, answer{Text: "Invalid data format", Code: 6}, "no whole JSON object")
			if resumes++; resumes > maxResumes {
				break
			}
			rest = resume(rest)
		}
		rest = bytes.TrimLeft(rest, separators)
	}
	return p
}

// separators stand between envelopes; brackets and commas where a client sends an array.
const separators = " \t\r\n[],\x00"

// objectEnd returns the length of the JSON object that b begins with, by its brackets; 0 where b begins with none or
// it does not end.
func objectEnd(b []byte) int {
	if b[0] != '{' {
		return 0
	}
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// resume finds where to go on behind an envelope that cannot be read: the next line that begins with a bracket.
func resume(b []byte) []byte {
	if at := bytes.Index(b, []byte("\n{")); at >= 0 {
		return b[at+1:]
	}
	return nil
}

// check says what is wrong with an envelope; why is empty where nothing is.
func check(parser *fastjson.Parser, envelope []byte, maxItem int) (a answer, why string) {
	if len(envelope) > maxItem {
		return answer{Text: "Request entity too large", Code: 27}, fmt.Sprintf("larger than %d bytes", maxItem)
	}
	if err := gate.ValidObject(envelope); err != nil {
		return answer{Text: "Invalid data format", Code: 6}, err.Error()
	}
	v, err := parser.ParseBytes(envelope)
	if err != nil {
		return answer{Text: "Invalid data format", Code: 6}, err.Error()
	}
	event := v.Get("event")
	switch {
	case event == nil && v.Exists("fields"): // a metric: its values are in fields
		return answer{}, ""
	case event == nil || event.Type() == fastjson.TypeNull:
		return answer{Text: "Event field is required", Code: 12}, "no event field"
	case event.Type() == fastjson.TypeString && len(event.GetStringBytes()) == 0:
		return answer{Text: "Event field cannot be blank", Code: 13}, "the event field is blank"
	}
	return answer{}, ""
}

// raw takes each line as an event. With metadata in the query each becomes an envelope; without any it stays as it
// is, whatever its encoding.
func (h *Handler) raw(r *http.Request, body *gate.Body) parts {
	p := parts{format: intake.HEC}
	meta := metadata(r.URL.Query())
	if meta == nil {
		p.format = intake.Line
	}
	number := 0
	gate.Lines(body.Data, func(_ int, line []byte) {
		switch {
		case p.err != nil:
		case len(line) > h.gate.MaxItem():
			a := answer{Text: "Request entity too large", Code: 27, status: http.StatusRequestEntityTooLarge}
			p.refuse(number, a, fmt.Sprintf("longer than %d bytes", h.gate.MaxItem()))
		case meta == nil:
			p.add(body, line, 0)
		default:
			wrapped := wrap(meta, line)
			p.add(body, wrapped, cap(wrapped))
		}
		number++
	})
	return p
}

// metadata is the query's part of an envelope, `{"host":"a","sourcetype":"b",`; nil where it has none.
func metadata(query url.Values) []byte {
	var dst []byte
	for _, name := range []string{"time", "host", "source", "sourcetype", "index"} {
		value := query.Get(name)
		if value == "" {
			continue
		}
		if dst == nil {
			dst = []byte{'{'}
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(appendJSON(dst, value), ',')
	}
	return dst
}

func wrap(meta, line []byte) []byte {
	dst := make([]byte, 0, len(meta)+len(line)+len(line)/8+16)
	dst = append(append(dst, meta...), `"event":`...)
	return append(appendJSON(dst, string(line)), '}')
}

func appendJSON(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // never, for a string
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}
