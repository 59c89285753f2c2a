package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

// lines takes each line of text as an event.
func (h *Handler) lines(body []byte, batch *intake.Batch, first uint64, answer *Answer) {
	if batch.Format == "" {
		batch.Format = intake.Line
	}
	gate.Lines(body, func(number int, line []byte) {
		if len(line) > h.gate.MaxItem() {
			answer.refuse(number, fmt.Sprintf("longer than %d bytes", h.gate.MaxItem()))
			return
		}
		batch.Items = append(batch.Items, intake.Item{Data: line, Record: record(first, number)})
	})
}

func record(first uint64, number int) uint64 {
	if first == 0 {
		return 0
	}
	return first + uint64(number) - 1
}

// objects takes JSON objects: one a line as long as that is what the body looks like, otherwise (an array, objects
// written over several lines) one after the other.
func (h *Handler) objects(body []byte, batch *intake.Batch, first uint64, answer *Answer) {
	if batch.Format == "" {
		batch.Format = intake.JSON
	}
	if spread(body) {
		h.spread(body, batch, first, answer)
		return
	}
	gate.Lines(body, func(number int, line []byte) { h.object(line, number, batch, first, answer) })
}

func (h *Handler) object(data []byte, number int, batch *intake.Batch, first uint64, answer *Answer) {
	if len(data) > h.gate.MaxItem() {
		answer.refuse(number, fmt.Sprintf("larger than %d bytes", h.gate.MaxItem()))
		return
	}
	if err := gate.ValidObject(data); err != nil {
		answer.refuse(number, err.Error())
		return
	}
	batch.Items = append(batch.Items, intake.Item{Data: data, Record: record(first, number)})
}

// spread reports whether the body is an array, or an object whose first line is none of its own.
func spread(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] == '[' {
		return len(body) > 0
	}
	line, rest, more := bytes.Cut(body, []byte{'\n'})
	if !more || len(bytes.TrimSpace(rest)) == 0 || body[0] != '{' || gate.ValidObject(line) == nil {
		return false
	}
	// A broken first line among good ones is a broken line; a first line without an end is the beginning of one.
	trimmed := bytes.TrimRight(line, " \t\r")
	return trimmed[len(trimmed)-1] == '{' || trimmed[len(trimmed)-1] == ','
}

// spread takes the elements of an array, or values one after the other. It counts values, not lines. What is no
// JSON ends it: there is no telling where the next value begins.
func (h *Handler) spread(body []byte, batch *intake.Batch, first uint64, answer *Answer) {
	dec := json.NewDecoder(bytes.NewReader(body))
	array := bytes.TrimLeft(body, " \t\r\n")[0] == '['
	if array {
		if _, err := dec.Token(); err != nil {
			answer.refuse(1, err.Error())
			return
		}
	}
	number := 1
	for ; dec.More(); number++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			answer.refuse(number, err.Error()+"; nothing behind it was read")
			return
		}
		h.object(raw, number, batch, first, answer)
	}
	end, err := dec.Token() // the end of the array; behind single values there is nothing
	switch {
	case array && (err != nil || end != json.Delim(']')):
		answer.refuse(number, "the array does not end")
	case !array && !errors.Is(err, io.EOF):
		answer.refuse(number, "something that is no JSON object")
	}
}
