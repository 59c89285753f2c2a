package alert

import (
	"encoding/json"
	"strings"
	"testing"

	"yagura/internal/event"
)

// FuzzSample: whatever an event holds, its sample is a bounded JSON object, and a small event is kept whole.
func FuzzSample(f *testing.F) {
	f.Add("payload", "\x01\"", 100_000, 3)
	f.Add("名前", "値\xff", 3, 1)
	f.Add(strings.Repeat("\x00", 300), "x", 1, 1000)
	f.Fuzz(func(t *testing.T, name, value string, times, fields int) {
		if times < 0 || fields < 0 || times > 1<<20 || fields > 1<<10 || times*len(value) > 1<<20 || fields*(len(name)+times*len(value)) > 1<<22 {
			t.Skip() // enough to go far over every bound, and little enough to try many
		}
		ev := &event.Event{ID: "e"}
		long := strings.Repeat(value, times)
		for range fields {
			ev.Add(name, long)
		}
		got := sampleJSON(ev)
		if !json.Valid(got) || len(got) > maxSample {
			t.Fatalf("%d bytes, JSON: %v", len(got), json.Valid(got))
		}
		raw := fields * (len(name) + len(long))
		if whole := string(ev.AppendJSON(nil)); raw <= maxSample && len(whole) <= maxSample && string(got) != whole {
			t.Errorf("a small event was changed")
		}
	})
}
