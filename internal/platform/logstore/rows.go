package logstore

import (
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
)

// Rows is a batch of events for Append.
type Rows struct {
	store  *Store
	engine *logstorage.LogRows
	shapes shapes

	// What follows serves one Add and is reused by the next.
	fields []logstorage.Field
	stream []logstorage.Field
	lists  lists
	text   []byte // of values that are put together
}

// NewRows returns an empty batch.
func (s *Store) NewRows() *Rows {
	return &Rows{store: s, engine: logstorage.GetLogRows(nil, nil, nil, nil, ""), shapes: newShapes(&s.streams)}
}

// Reset empties the batch for reuse.
func (r *Rows) Reset() { r.engine.ResetKeepSettings() }

// Len is how many rows the batch has: one an event, more for what did not fit one.
func (r *Rows) Len() int { return r.engine.RowsCount() }

// Add copies the event into the batch. An event without a time gets the current one.
func (r *Rows) Add(ev *event.Event) {
	r.fields, r.text = r.fields[:0], r.text[:0]
	at := r.time(ev)
	shape := r.shapes.of(ev)
	if shape.plain && len(r.fields) == 0 {
		r.fields = shape.fill(r.fields, ev)
	} else {
		r.put("event.id", ev.ID)
		r.collect(ev)
	}
	r.bend(ev, at)
	r.stream = r.stream[:0]
	for _, name := range [...]string{event.SourceID, event.EventModule, event.EventDataset, event.HostName} {
		if v := ev.Get(name); v != "" {
			r.stream = append(r.stream, logstorage.Field{Name: name, Value: v[:min(len(v), 256)]})
		}
	}
	if n := shape.generation(r.stream, r.fields); n > 0 {
		r.stream = append(r.stream, logstorage.Field{Name: fieldStream, Value: strconv.Itoa(n)})
	}
	r.engine.MustAdd(logstorage.TenantID{}, at, r.fields, r.stream)
}

func (r *Rows) put(name, value string) {
	if value != "" {
		r.fields = append(r.fields, logstorage.Field{Name: name, Value: value})
	}
}

// time is the event's time in nanoseconds, or now where the event has none that the store can keep.
func (r *Rows) time(ev *event.Event) int64 {
	now := r.store.opt.Now()
	if ev.Time.IsZero() {
		return now.UnixNano()
	}
	if ev.Time.Before(r.store.oldestTaken(now)) || ev.Time.After(now.Add(futureLimit)) {
		r.store.bent.Add(1)
		r.put(fieldGivenTime, ev.Time.UTC().Format(time.RFC3339Nano))
		return now.UnixNano()
	}
	return ev.Time.UnixNano()
}

// oldestTaken is how old an event may be. The engine deletes by whole days, and its days begin in 1970.
func (s *Store) oldestTaken(now time.Time) time.Time {
	oldest := now.Add(24*time.Hour - s.opt.Retention)
	if first := time.Unix(0, 0).Add(24 * time.Hour); oldest.Before(first) {
		return first
	}
	return oldest
}

// stored is the name under which a field lies in the engine.
func stored(name string) string {
	switch name {
	case event.Message:
		return "_msg"
	case "", "_msg", "_time", "_stream", "_stream_id", "event.id", "@timestamp",
		fieldGivenTime, fieldCut, fieldPartOf, fieldPartField, fieldPartNumber, fieldStream:
		return "original." + strings.TrimPrefix(name, "_") // names that mean something to the engine, or to this package
	default:
		return name
	}
}

// lists finds the fields that have one name.
type lists struct {
	first []int32 // of each distinct field: its first value
	last  []int32
	next  []int32 // of each value: the next one of the same field, or 0
	index map[string]int32
}

// indexed is from how many distinct names on a map finds one faster than a look through all.
const indexed = 64

// collect takes the event's fields; those that have one name become one JSON list. It takes time in proportion to their number:
// how many there are, and of how many names, is the sender's choice.
func (r *Rows) collect(ev *event.Event) {
	l, all, base := &r.lists, ev.Fields(), len(r.fields)
	l.first, l.last, l.next = l.first[:0], l.last[:0], l.next[:0]
	clear(l.index)
	for i := range all {
		l.next = append(l.next, 0)
		name := stored(all[i].Name)
		at := l.find(r.fields[base:], name)
		if at < 0 {
			l.first, l.last = append(l.first, int32(i)), append(l.last, int32(i))
			r.fields = append(r.fields, logstorage.Field{Name: name, Value: all[i].Value})
			l.add(r.fields[base:])
			continue
		}
		l.next[l.last[at]] = int32(i)
		l.last[at] = int32(i)
	}
	for at := range l.first {
		if l.first[at] != l.last[at] {
			r.fields[base+at].Value = r.joined(all, l.first[at])
		}
	}
}

// find is the place of a name among the distinct fields, or -1.
func (l *lists) find(fields []logstorage.Field, name string) int {
	if len(fields) >= indexed {
		if at, ok := l.index[name]; ok {
			return int(at)
		}
		return -1
	}
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// add notes the last of the distinct fields.
func (l *lists) add(fields []logstorage.Field) {
	switch n := len(fields); {
	case n < indexed:
		return
	case n == indexed:
		if l.index == nil {
			l.index = make(map[string]int32, 2*indexed)
		}
		for i := range fields {
			l.index[fields[i].Name] = int32(i)
		}
	default:
		l.index[fields[n-1].Name] = int32(n - 1)
	}
}

// joined is the JSON list of the values that begin with the i-th. It lives until the next Add.
func (r *Rows) joined(all []event.Field, i int32) string {
	start := len(r.text)
	r.text = append(r.text, '[')
	for {
		r.text = event.AppendQuoted(r.text, all[i].Value)
		if i = r.lists.next[i]; i == 0 {
			break
		}
		r.text = append(r.text, ',')
	}
	r.text = append(r.text, ']')
	return r.since(start)
}

// since is r.text from there on, as a string that lives until the next Add: text that has to move when it grows leaves
// the old one to those who have it.
func (r *Rows) since(start int) string {
	return unsafe.String(unsafe.SliceData(r.text[start:]), len(r.text)-start)
}
