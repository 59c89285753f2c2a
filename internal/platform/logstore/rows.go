package logstore

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
)

// The engine's limits, with room to spare. It counts a row's size as names and values in JSON.
const (
	maxRowBytes   = 1_900_000
	maxFields     = 900
	maxNameBytes  = 120
	maxStreamName = 1000 // distinct names in a stream before a new stream is begun
)

// Fields that say how an event was bent to fit. Their meaning is in docs/operations.md.
const (
	fieldOverflow  = "yagura.overflow"   // fields that were too many or had too long a name, as a JSON object
	fieldGivenTime = "yagura.time.given" // the time an event claimed, where that was outside the retention
	fieldPartOf    = "yagura.part.of"    // id of the event that this row continues
	fieldPartField = "yagura.part.field" // which field's value it continues
	fieldCut       = "yagura.cut"        // names of the fields that go on in other rows
	fieldStream    = "yagura.stream"     // number that tells streams with too many names apart
)

// Rows is a batch of events for Append.
type Rows struct {
	store  *Store
	engine *logstorage.LogRows
	fields []logstorage.Field
	stream []logstorage.Field
	list   []byte
}

// NewRows returns an empty batch.
func (s *Store) NewRows() *Rows {
	return &Rows{store: s, engine: logstorage.GetLogRows(nil, nil, nil, nil, "")}
}

// Reset empties the batch for reuse.
func (r *Rows) Reset() { r.engine.ResetKeepSettings() }

// Len is how many rows the batch has: one an event, more for what did not fit one.
func (r *Rows) Len() int { return r.engine.RowsCount() }

// Add copies the event into the batch. An event without a time gets the current one.
func (r *Rows) Add(ev *event.Event) {
	r.fields, r.list = r.fields[:0], r.list[:0]
	at := r.time(ev)
	r.put("event.id", ev.ID)
	r.collect(ev)
	size := 0
	for i := range r.fields {
		size += len(r.fields[i].Name) + 2*len(r.fields[i].Value) + 6 // a quoted value may take more room
	}
	if len(r.fields) > maxFields || size > maxRowBytes || r.longName() {
		r.store.bent.Add(1)
		r.fold()
		r.split(ev, at)
	}
	r.add(ev, at)
}

func (r *Rows) put(name, value string) {
	if value != "" {
		r.fields = append(r.fields, logstorage.Field{Name: name, Value: value})
	}
}

func (r *Rows) add(ev *event.Event, at int64) {
	r.stream = r.stream[:0]
	for _, name := range [...]string{event.SourceID, event.EventModule, event.EventDataset, event.HostName} {
		if v := ev.Get(name); v != "" {
			r.stream = append(r.stream, logstorage.Field{Name: name, Value: v[:min(len(v), 256)]})
		}
	}
	if n := r.store.streams.generation(r.stream, r.fields); n > 0 {
		r.stream = append(r.stream, logstorage.Field{Name: fieldStream, Value: fmt.Sprint(n)})
	}
	r.engine.MustAdd(logstorage.TenantID{}, at, r.fields, r.stream)
}

// time is the event's time in nanoseconds, or now where the event has none that the store can keep.
func (r *Rows) time(ev *event.Event) int64 {
	now := r.store.opt.Now()
	if ev.Time.IsZero() {
		return now.UnixNano()
	}
	// The engine deletes by whole days.
	if ev.Time.Before(now.Add(-r.store.opt.Retention).Add(24*time.Hour)) || ev.Time.After(now.Add(futureLimit)) {
		r.store.bent.Add(1)
		r.put(fieldGivenTime, ev.Time.UTC().Format(time.RFC3339Nano))
		return now.UnixNano()
	}
	return ev.Time.UnixNano()
}

// collect takes the event's fields; a repeated name becomes one JSON list.
func (r *Rows) collect(ev *event.Event) {
	fields := ev.Fields()
	for i := range fields {
		f := &fields[i]
		switch first, more := repeats(fields, i); {
		case !first:
			continue
		case more:
			r.put(stored(f.Name), r.joined(fields, i))
		default:
			r.put(stored(f.Name), f.Value)
		}
	}
}

// stored is the name under which a field lies in the engine.
func stored(name string) string {
	switch name {
	case event.Message:
		return "_msg"
	case "", "_msg", "_time", "_stream", "_stream_id", "event.id", "@timestamp":
		return "original." + strings.TrimPrefix(name, "_") // names that mean something to the engine
	default:
		return name
	}
}

// repeats reports whether the i-th field is the first of its name, and whether there are more.
func repeats(fields []event.Field, i int) (first, more bool) {
	name := fields[i].Name
	for j := range i {
		if fields[j].Name == name {
			return false, false
		}
	}
	for j := i + 1; j < len(fields); j++ {
		if fields[j].Name == name {
			return true, true
		}
	}
	return true, false
}

// joined is the JSON list of all values of the i-th field's name. It lives until the next Add.
func (r *Rows) joined(fields []event.Field, i int) string {
	start := len(r.list)
	r.list = append(r.list, '[')
	for j := i; j < len(fields); j++ {
		if fields[j].Name == fields[i].Name {
			if len(r.list) > start+1 {
				r.list = append(r.list, ',')
			}
			r.list = event.AppendQuoted(r.list, fields[j].Value)
		}
	}
	r.list = append(r.list, ']')
	return string(r.list[start:])
}

func (r *Rows) longName() bool {
	for i := range r.fields {
		if len(r.fields[i].Name) > maxNameBytes {
			return true
		}
	}
	return false
}

// fold moves fields that are too many, or whose names are too long, into one JSON object.
func (r *Rows) fold() {
	var rest event.Event
	kept := r.fields[:0]
	for _, f := range r.fields {
		if len(f.Name) > maxNameBytes || len(kept) >= maxFields-10 {
			rest.Add(f.Name, f.Value)
		} else {
			kept = append(kept, f)
		}
	}
	r.fields = kept
	if rest.NumFields() > 0 {
		r.put(fieldOverflow, string(rest.AppendJSON(nil)))
	}
}

// split cuts values that make the row too large and adds the rest as rows of their own, which name the event and the field.
func (r *Rows) split(ev *event.Event, at int64) {
	room := maxRowBytes/2 - 200*len(r.fields)
	limit := max(room/max(len(r.fields), 1), 200) // what every field may have, whatever the others take
	var cut []string
	for i := range r.fields {
		f := &r.fields[i]
		allowed := max(limit, room)
		if len(f.Value) <= allowed {
			room -= len(f.Value)
			continue
		}
		cut = append(cut, f.Name)
		rest := f.Value[allowed:]
		f.Value, room = f.Value[:allowed], room-allowed
		for len(rest) > 0 {
			n := min(len(rest), maxRowBytes/2)
			part := []logstorage.Field{
				{Name: "_msg", Value: rest[:n]}, {Name: fieldPartOf, Value: ev.ID}, {Name: fieldPartField, Value: f.Name},
				{Name: event.EventKind, Value: "continuation"},
			}
			r.engine.MustAdd(logstorage.TenantID{}, at, part, []logstorage.Field{{Name: event.EventKind, Value: "continuation"}})
			rest = rest[n:]
		}
	}
	if len(cut) > 0 {
		r.put(fieldCut, strings.Join(cut, " "))
	}
}

// streams counts the distinct field names of each stream: rows of one stream share blocks, and the engine drops the
// rows of a block with more than 2,000 names. A stream that nears the limit is followed by one with a new number.
type streams struct {
	mu   sync.Mutex
	seed maphash.Seed
	seen map[uint64]*names
}

type names struct {
	known      map[uint64]struct{}
	generation int
}

// maxStreams bounds the memory; past it the counting begins anew, which at worst begins some streams too late.
const maxStreams = 20_000

func (s *streams) generation(stream, fields []logstorage.Field) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) > maxStreams {
		s.seed, s.seen = maphash.MakeSeed(), make(map[uint64]*names)
	}
	var key uint64
	for _, f := range stream {
		key = key*31 + maphash.String(s.seed, f.Value)
	}
	n, ok := s.seen[key]
	if !ok {
		n = &names{known: make(map[uint64]struct{}, len(fields))}
		s.seen[key] = n
	}
	for i := range fields {
		n.known[maphash.String(s.seed, fields[i].Name)] = struct{}{}
	}
	if len(n.known) > maxStreamName {
		n.generation++
		n.known = make(map[uint64]struct{}, len(fields))
		for i := range fields {
			n.known[maphash.String(s.seed, fields[i].Name)] = struct{}{}
		}
	}
	return n.generation
}
