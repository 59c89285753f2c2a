package logstore

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
)

// The engine drops a row of more than 2 MiB, 2,000 fields, or with a name of more than 128 bytes. These limits leave room.
const (
	maxRowBytes   = 1_900_000
	maxFields     = 900
	maxNameBytes  = 120
	maxPartBytes  = maxRowBytes / 2 // of a value that goes on in rows of its own
	minValueBytes = 200             // that a field keeps, whatever the others need
)

// Fields that say how an event was bent to fit.
const (
	fieldOverflow   = "yagura.overflow"    // fields that were too many or had too long a name, as one JSON object
	fieldGivenTime  = "yagura.time.given"  // the time an event claimed, where that was outside the retention
	fieldCut        = "yagura.cut"         // names of the fields that go on in other rows
	fieldPartOf     = "yagura.part.of"     // id of the event that this row continues
	fieldPartField  = "yagura.part.field"  // which field's value it continues
	fieldPartNumber = "yagura.part.number" // in which order, from 1
	fieldStream     = "yagura.stream"      // number that tells streams with too many names apart
)

// fits reports whether the engine would take the fields as they are. It counts bytes as the engine does.
func (r *Rows) fits() bool {
	if len(r.fields) > maxFields {
		return false
	}
	size := 0
	for i := range r.fields {
		f := &r.fields[i]
		if len(f.Name) > maxNameBytes {
			return false
		}
		size += len(f.Name) + len(f.Value) + 2
	}
	return size <= maxRowBytes
}

// fold moves fields that are too many, or whose names are too long, into one JSON object.
func (r *Rows) fold() {
	start := len(r.text)
	kept := r.fields[:0]
	for _, f := range r.fields {
		if len(f.Name) <= maxNameBytes && len(kept) < maxFields-2 { // the two fields that bending may add
			kept = append(kept, f)
			continue
		}
		if f.Value == "" {
			continue
		}
		r.text = append(r.text, ',')
		r.text = append(event.AppendQuoted(r.text, f.Name), ':')
		r.text = event.AppendQuoted(r.text, f.Value)
	}
	r.fields = kept
	if len(r.text) > start {
		r.text[start] = '{'
		r.text = append(r.text, '}')
		r.put(fieldOverflow, r.since(start))
	}
}

// split cuts values that make the row too large and adds the rest as rows of their own, which name the event and the field.
func (r *Rows) split(ev *event.Event, at int64) {
	if r.fits() {
		return
	}
	room := maxPartBytes
	var cut []string
	for i := range r.fields {
		f := &r.fields[i]
		keep := max(room, minValueBytes)
		if len(f.Value) <= keep {
			room -= len(f.Value)
			continue
		}
		head := whole(f.Value, keep)
		cut = append(cut, f.Name)
		r.parts(ev, at, f.Name, f.Value[len(head):])
		f.Value, room = head, 0
	}
	r.put(fieldCut, strings.Join(cut, " "))
}

// parts adds the rest of a value.
func (r *Rows) parts(ev *event.Event, at int64, name, rest string) {
	stream := []logstorage.Field{{Name: event.EventKind, Value: "continuation"}}
	for number := 1; rest != ""; number++ {
		part := whole(rest, maxPartBytes)
		rest = rest[len(part):]
		r.engine.MustAdd(logstorage.TenantID{}, at, []logstorage.Field{
			{Name: "_msg", Value: part},
			{Name: fieldPartOf, Value: ev.ID},
			{Name: fieldPartField, Value: name},
			{Name: fieldPartNumber, Value: strconv.Itoa(number)},
			{Name: event.EventKind, Value: "continuation"},
			{Name: event.SourceID, Value: ev.Get(event.SourceID)},
		}, stream)
	}
}

// whole is the first so many bytes of text, or a few fewer where that would cut a character.
func whole(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for n := most; n > most-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return text[:n]
		}
	}
	return text[:most] // no UTF-8 at all
}
