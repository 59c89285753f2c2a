package alert

import (
	"unicode/utf8"

	"yagura/internal/event"
)

// maxSample is the largest sample event, in bytes of JSON.
const maxSample = 64 << 10

// sampleJSON writes an event as a sample. Where it is too large its values are cut, the longest most, and end in "…"; what
// has more fields than fit loses the last. The whole event is in the log store.
func sampleJSON(ev *event.Event) []byte {
	size := 0
	for _, f := range ev.Fields() {
		size += len(f.Name) + len(f.Value)
	}
	if size <= maxSample {
		if whole := ev.AppendJSON(nil); len(whole) <= maxSample {
			return whole
		}
	}
	for room := maxSample; ; room /= 2 { // escaping may make six bytes of one
		if short := shorten(ev, room, room/4).AppendJSON(nil); len(short) <= maxSample {
			return short
		}
	}
}

// shorten copies an event with values of at most longest bytes, and no more fields than room holds.
func shorten(ev *event.Event, room, longest int) *event.Event {
	const perField = 8 // quotes, colon, comma and the mark of a cut
	short := &event.Event{ID: ev.ID, Time: ev.Time}
	for _, f := range ev.Fields() {
		name, value := cutText(f.Name, 256), cutText(f.Value, longest)
		if room -= len(name) + len(value) + perField; room < 0 {
			break
		}
		short.AddKind(name, value, f.Kind)
	}
	return short
}

// cutText shortens s to about n bytes, at a character's edge, and marks that it did.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
