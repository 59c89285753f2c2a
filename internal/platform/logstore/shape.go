package logstore

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
)

// shapes remembers the lists of names that events have. A source sends events of few shapes, and what a shape
// asks for (whether names repeat, their order in the engine, the stream's number) is found once for each.
type shapes struct {
	streams *streams
	known   map[uint64]*shape
	size    int   // names in known
	rare    shape // serves an event whose shape is not worth remembering
}

// maxShapeNames bounds the memory of the names that a batch remembers.
const maxShapeNames = 100_000

// shape is what events with the same names, in the same order, have in common.
type shape struct {
	streams *streams
	names   []string // as the events have them
	plain   bool     // each name is there once: its value goes into the engine as it is

	// The fields in the order in which the engine sorts them, and where the event has each; event.id is at place -1.
	sorted []logstorage.Field
	places []int

	numbers map[uint64]int // of streams that had rows of this shape
}

func newShapes(s *streams) shapes {
	return shapes{streams: s, known: make(map[uint64]*shape), rare: shape{streams: s}}
}

// of returns the event's shape.
func (s *shapes) of(ev *event.Event) *shape {
	fields := ev.Fields()
	if len(fields) > maxFields {
		return &s.rare
	}
	var h maphash.Hash
	h.SetSeed(s.streams.seed)
	for i := range fields {
		_, _ = h.WriteString(fields[i].Name)
		_ = h.WriteByte(0)
	}
	key := h.Sum64()
	if known, ok := s.known[key]; ok {
		if known.is(fields) {
			return known
		}
		return &s.rare
	}
	if s.size += len(fields) + 1; s.size > maxShapeNames {
		clear(s.known)
		s.size = len(fields) + 1
	}
	made := newShape(s.streams, fields)
	s.known[key] = made
	return made
}

func newShape(streams *streams, fields []event.Field) *shape {
	s := &shape{streams: streams, numbers: make(map[uint64]int)}
	s.sorted, s.places = append(s.sorted, logstorage.Field{Name: "event.id"}), append(s.places, -1)
	for i := range fields {
		s.names = append(s.names, strings.Clone(fields[i].Name))
		s.sorted = append(s.sorted, logstorage.Field{Name: stored(s.names[i])})
		s.places = append(s.places, i)
	}
	slices.SortFunc(s.places, func(a, b int) int {
		return cmp.Or(strings.Compare(sortName(s.sorted[a+1].Name), sortName(s.sorted[b+1].Name)), cmp.Compare(a, b))
	})
	sorted := make([]logstorage.Field, len(s.sorted))
	s.plain = true
	for i, place := range s.places {
		sorted[i] = s.sorted[place+1]
		s.plain = s.plain && (i == 0 || sorted[i].Name != sorted[i-1].Name)
	}
	s.sorted = sorted
	return s
}

// sortName is the name that the engine sorts by.
func sortName(name string) string {
	if name == "_msg" {
		return ""
	}
	return name
}

// is reports whether these fields have the shape: two lists of names might have one hash.
func (s *shape) is(fields []event.Field) bool {
	if len(fields) != len(s.names) {
		return false
	}
	for i := range fields {
		if fields[i].Name != s.names[i] {
			return false
		}
	}
	return true
}

// fill appends a plain event's fields to dst, sorted, which spares the engine most of the work of sorting them.
func (s *shape) fill(dst []logstorage.Field, ev *event.Event) []logstorage.Field {
	fields := ev.Fields()
	dst = append(dst, s.sorted...)
	for i, place := range s.places {
		if place < 0 {
			dst[i].Value = ev.ID
		} else {
			dst[i].Value = fields[place].Value
		}
	}
	return dst
}

// maxNumbers bounds the streams that a shape remembers the numbers of.
const maxNumbers = 10_000

// generation is the number that the row with these fields has in its stream; see streams.
func (s *shape) generation(stream, fields []logstorage.Field) int {
	var h maphash.Hash
	h.SetSeed(s.streams.seed)
	for i := range stream {
		_, _ = h.WriteString(stream[i].Value)
		_ = h.WriteByte(0)
	}
	key := h.Sum64()
	if n, ok := s.numbers[key]; ok {
		return n
	}
	n := s.streams.generation(key, fields)
	if !s.plain {
		return n // the names of its rows depend on more than the shape
	}
	if len(s.numbers) >= maxNumbers {
		clear(s.numbers)
	}
	s.numbers[key] = n
	return n
}
