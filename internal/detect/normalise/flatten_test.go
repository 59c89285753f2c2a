package normalise_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// TestNothingIsLostBeyondTheLimits: however wide or deep a document is, the fields stay bounded and every value is in one.
func TestNothingIsLostBeyondTheLimits(t *testing.T) {
	t.Parallel()
	wide := func(n int, member string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(member, i, i)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	for name, doc := range map[string]string{
		"many members":         wide(5000, `"k%d":"v%d"`),
		"many members inside":  `{"a":` + wide(5000, `"k%d":"v%d"`) + `,"last":"v9999"}`,
		"many objects":         wide(5000, `"k%d":{"x":"v%d"}`),
		"a long list":          `{"a":["` + strings.Join(strings.Split(strings.Repeat("v4999 ", 5000), " "), `","`) + `"]}`,
		"deep objects":         strings.Repeat(`{"a":`, 200) + `"v4999"` + strings.Repeat("}", 200),
		"deep lists":           `{"a":` + strings.Repeat("[", 200) + `"v4999"` + strings.Repeat("]", 200) + "}",
		"lists within objects": strings.Repeat(`{"a":[`, 100) + `"v4999"` + strings.Repeat("]}", 100),
		"a huge value":         `{"a":"` + strings.Repeat("x", 4<<20) + `v4999"}`,
		"JSON within JSON":     `{"message":"{\"message\":\"{\\\"message\\\":\\\"{\\\\\\\"message\\\\\\\":\\\\\\\"v4999\\\\\\\"}\\\"}\"}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ev event.Event
			batch := &intake.Batch{Format: intake.JSON, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			if err := newNormaliser(t).Normalise(batch, &intake.Item{Data: []byte(doc)}, &ev); err != nil {
				t.Fatal(err)
			}
			if ev.NumFields() > 1200 {
				t.Errorf("%d fields", ev.NumFields())
			}
			size, found := 0, false
			for _, f := range ev.Fields() {
				size += len(f.Name) + len(f.Value)
				found = found || strings.Contains(f.Value, "v4999")
			}
			if !found {
				t.Error("the last value is lost")
			}
			if size > 8*len(doc)+(2<<20) {
				t.Errorf("%d bytes of fields from %d bytes", size, len(doc))
			}
		})
	}
}

func TestAnEventKeepsNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	n := newNormaliser(t)
	batch := &intake.Batch{Format: intake.HEC, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var ev event.Event
	first := `{"time":1000000000,"sourcetype":"opencanary","event":"Nov 14 22:13:00 web01 sshd[12]: Failed password for root from 192.0.2.5"}`
	if err := n.Normalise(batch, &intake.Item{Data: []byte(first)}, &ev); err != nil || ev.Time.Year() != 2000 {
		t.Fatalf("%v, %v", ev.Time, err)
	}
	ev.Reset()
	second := `{"event":"Nov 14 22:13:00 web01 app: x"}`
	if err := n.Normalise(batch, &intake.Item{Data: []byte(second)}, &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Time.Year() != 2025 || ev.Get(event.EventDataset) != "system.syslog" {
		t.Errorf("%v, %s", ev.Time, ev.AppendJSON(nil))
	}
}
