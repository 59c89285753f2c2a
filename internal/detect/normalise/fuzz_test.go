package normalise_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// fuzz reads whatever comes as one format, beginning with that format's cases. It must not panic, must bound what one
// event holds, must give each event a message and a time, and must not keep anything of one item in the next.
func fuzz(f *testing.F, format intake.Format) {
	names, err := filepath.Glob("testdata/text/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if !strings.Contains(string(data), "\nformat: "+string(format)+"\n") {
			continue
		}
		for _, text := range strings.Split(string(data), "\n=== ")[1:] {
			_, rest, _ := strings.Cut(text, "\n")
			raw, _, _ := strings.Cut(rest, "\n---")
			f.Add(raw)
		}
	}
	n := newNormaliser(f)
	plain := intake.Item{Data: []byte("plain")}
	batch := &intake.Batch{Format: format, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, raw string) {
		var ev event.Event
		item := intake.Item{Data: []byte(raw)}
		if err := n.Normalise(batch, &item, &ev); err != nil {
			return
		}
		if ev.Time.IsZero() || !ev.Has(event.Message) {
			t.Errorf("no time or message: %s", ev.AppendJSON(nil))
		}
		if ev.NumFields() > 2000 {
			t.Errorf("%d fields", ev.NumFields())
		}
		if string(item.Data) != raw {
			t.Errorf("the item was changed to %q", item.Data)
		}
		if !json.Valid(ev.AppendJSON(nil)) {
			t.Errorf("no JSON: %q", ev.AppendJSON(nil))
		}
		if format == intake.Line || format == intake.Syslog {
			var next event.Event
			if err := n.Normalise(batch, &plain, &next); err != nil || next.NumFields() > 3 {
				t.Errorf("after it: %v, %s", err, next.AppendJSON(nil))
			}
		}
	})
}

func FuzzLine(f *testing.F)   { fuzz(f, intake.Line) }
func FuzzSyslog(f *testing.F) { fuzz(f, intake.Syslog) }
func FuzzJSON(f *testing.F)   { fuzz(f, intake.JSON) }
func FuzzHEC(f *testing.F)    { fuzz(f, intake.HEC) }
func FuzzOTLP(f *testing.F)   { fuzz(f, intake.OTLP) }
func FuzzZeek(f *testing.F)   { fuzz(f, intake.Zeek) }
