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
	maxFields     = 990
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

// bend makes the engine take the fields.
func (r *Rows) bend(ev *event.Event, at int64) {
	wide := r.wide()
	if wide {
		r.fold()
	}
	large := r.large() // quoted, the folded fields take more room
	if large {
		r.split(ev, at)
	}
	if wide || large {
		r.store.bent.Add(1)
	}
}

// wide reports whether there are too many fields, or one has too long a name.
func (r *Rows) wide() bool {
	for i := range r.fields {
		if len(r.fields[i].Name) > maxNameBytes {
			return true
		}
	}
	return len(r.fields) > maxFields
}

// large reports whether the row has too many bytes, which the engine counts like this.
func (r *Rows) large() bool {
	size := 0
	for i := range r.fields {
		size += len(r.fields[i].Name) + len(r.fields[i].Value) + 2
	}
	return size > maxRowBytes
}

// fold moves fields that are too many, or whose names are too long, into one JSON object; what the sender's event was too deep or
// too wide for already lies under the same name and goes along.
func (r *Rows) fold() {
	start := len(r.text)
	kept := r.fields[:0]
	for _, f := range r.fields {
		if len(f.Name) <= maxNameBytes && len(kept) < maxFields-2 && f.Name != fieldOverflow { // the two fields that bending may add
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
