package logstore

import (
	"hash/maphash"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"
)

// streams counts the distinct field names of each stream: rows of one stream share blocks, and the engine drops the
// rows of a block with more than 2,000 names. A stream that nears the limit is followed by one with a new number.
type streams struct {
	seed maphash.Seed

	mu    sync.Mutex
	seen  map[uint64]*names
	epoch int // how often the counting began anew: numbers are never given twice
}

type names struct {
	known      map[uint64]struct{}
	generation int
}

const (
	maxStreamNames = 1000   // and as many of the next row, which the engine counts on top of them, reach its limit
	maxStreams     = 20_000 // bounds the memory; past it the counting begins anew
	epochShift     = 20
)

func newStreams() streams { return streams{seed: maphash.MakeSeed(), seen: make(map[uint64]*names)} }

// generation is the number that a row with these fields has in the stream.
func (s *streams) generation(stream uint64, fields []logstorage.Field) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) > maxStreams {
		s.epoch++
		clear(s.seen)
	}
	n, ok := s.seen[stream]
	if !ok {
		n = &names{known: make(map[uint64]struct{}, len(fields)), generation: s.epoch << epochShift}
		s.seen[stream] = n
	}
	n.add(s.seed, fields)
	if len(n.known) > maxStreamNames {
		n.generation++
		clear(n.known)
		n.add(s.seed, fields)
	}
	return n.generation
}

func (n *names) add(seed maphash.Seed, fields []logstorage.Field) {
	for i := range fields {
		n.known[maphash.String(seed, fields[i].Name)] = struct{}{}
	}
}
