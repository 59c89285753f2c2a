package api

import (
	"bytes"
	"encoding/json"
	"fmt"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

// splitter makes the items of a batch of a body.
type splitter struct {
	body    *gate.Body
	batch   *intake.Batch
	first   uint64 // record number of the first line, 0 for none
	maxItem int
	answer  Answer
	err     error // of the whole request
}

// add takes an item; made is what its data takes besides the body.
func (s *splitter) add(data []byte, number, made int) {
	if s.err != nil {
		return
	}
	if s.err = s.body.Charge(gate.ItemBytes + made); s.err != nil {
		return
	}
	item := intake.Item{Data: data}
	if s.first > 0 {
		item.Record = s.first + uint64(number) - 1
	}
	s.batch.Items = append(s.batch.Items, item)
}

// lines takes each line of text as an event.
func (s *splitter) lines() {
	gate.Lines(s.body.Data, func(number int, line []byte) {
		if len(line) > s.maxItem {
			s.answer.refuse(number, fmt.Sprintf("longer than %d bytes", s.maxItem))
			return
		}
		s.add(line, number, 0)
	})
}

// objects takes JSON objects: one a line as long as that is what the body looks like, otherwise (an array, objects
// written over several lines or side by side) one after the other.
func (s *splitter) objects() {
	if spread(s.body.Data) {
		s.values()
		return
	}
	gate.Lines(s.body.Data, func(number int, line []byte) { s.object(line, number, 0) })
}

// object takes an object, or those in the list that it wraps.
func (s *splitter) object(data []byte, number, made int) {
	if list := s.wrapped(data); list != nil {
		for _, one := range list {
			s.single(one, number, len(one))
		}
		return
	}
	s.single(data, number, made)
}

func (s *splitter) single(data []byte, number, made int) {
	if len(data) > s.maxItem {
		s.answer.refuse(number, fmt.Sprintf("larger than %d bytes", s.maxItem))
		return
	}
	if err := gate.ValidObject(data); err != nil {
		s.answer.refuse(number, err.Error())
		return
	}
	s.add(data, number, made)
}

// wrapped returns the list in an object that has nothing else, as cloud services store their logs: {"Records":[…]}. It
// is nil for any other.
func (s *splitter) wrapped(object []byte) []json.RawMessage {
	rest := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimLeft(object, " \t\r\n"), []byte{'{'}), " \t\r\n")
	if !bytes.HasPrefix(rest, []byte(`"Records"`)) && !bytes.HasPrefix(rest, []byte(`"records"`)) {
		return nil
	}
	// It is taken apart as a whole: that is paid for first.
	if s.err == nil {
		s.err = s.body.Charge(bytes.Count(object, []byte{'{'}) * gate.ItemBytes)
	}
	var lists map[string][]json.RawMessage
	if s.err != nil || gate.Valid(object) != nil || json.Unmarshal(object, &lists) != nil || len(lists) != 1 {
		return nil
	}
	list := lists["Records"]
	if list == nil {
		list = lists["records"]
	}
	if len(list) == 0 || list[0][0] != '{' {
		return nil
	}
	return list
}

// spread reports whether the body is an array, or an object whose first line is none of its own.
func spread(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 || body[0] == '[' {
		return len(body) > 0
	}
	line, rest, more := bytes.Cut(body, []byte{'\n'})
	if body[0] != '{' || gate.ValidObject(line) == nil {
		return false
	}
	if !more || len(bytes.TrimSpace(rest)) == 0 {
		return true // whatever is wrong with a single line
	}
	// A broken first line among good ones is a broken line; a first line without an end is the beginning of one.
	trimmed := bytes.TrimRight(line, " \t\r")
	return trimmed[len(trimmed)-1] == '{' || trimmed[len(trimmed)-1] == ','
}

// values takes the elements of arrays, and values one after the other. It counts values, not lines. What is no
// JSON ends it: there is no telling where the next value begins.
func (s *splitter) values() {
	dec := json.NewDecoder(bytes.NewReader(s.body.Data))
	array := false
	for number := 1; s.err == nil; {
		rest := bytes.TrimLeft(s.body.Data[dec.InputOffset():], " \t\r\n")
		switch {
		case len(rest) == 0 && array:
			s.answer.refuse(number, "the array does not end")
			return
		case len(rest) == 0:
			return
		case !array && rest[0] == '[', array && rest[0] == ']':
			array = !array
			if _, err := dec.Token(); err == nil {
				continue
			}
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			s.answer.refuse(number, err.Error()+"; nothing behind it was read")
			return
		}
		s.object(value, number, cap(value))
		number++
	}
}
