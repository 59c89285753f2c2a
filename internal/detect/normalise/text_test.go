package normalise_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

var update = flag.Bool("update", false, "write what comes out into testdata/text, to be read before it is committed")

// TestTextCases runs testdata/text/*.txt. A file begins with settings ("format: syslog", "dataset: …",
// "received: …"), then come cases:
//
//	=== what it shows
//	the item as it comes (<0x1d> stands for that byte)
//	---
//	field  value        every field of the event in order, @timestamp first; "field #value" for a number, "field !value" for
//	                    true, false and null
func TestTextCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/text/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			runTextFile(t, name)
		})
	}
}

func runTextFile(t *testing.T, name string) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, cases, ok := strings.Cut(string(data), "\n=== ")
	if !ok {
		t.Fatalf("%s has no case", name)
	}
	batch := settings(t, head)
	n := newNormaliser(t)
	out := bytes.NewBufferString(head)
	for text := range strings.SplitSeq(cases, "\n=== ") {
		title, rest, _ := strings.Cut(text, "\n")
		raw, want, _ := strings.Cut(rest, "\n---")
		var ev event.Event
		item := intake.Item{Data: []byte(strings.ReplaceAll(raw, "<0x1d>", "\x1d"))}
		got := ""
		if err := n.Normalise(&batch, &item, &ev); err != nil {
			got = "error: " + err.Error() + "\n"
		} else {
			got = describe(&ev)
		}
		fmt.Fprintf(out, "\n=== %s\n%s\n---\n%s", title, raw, got)
		if got, want := strings.TrimSpace(got), strings.TrimSpace(want); got != want && !*update {
			t.Errorf("%s\n%s\n--- got\n%s\n--- want\n%s", title, raw, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// settings reads the lines above the first case; what begins with # is a comment.
func settings(t *testing.T, head string) intake.Batch {
	t.Helper()
	b := intake.Batch{Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case name == "format":
			b.Format = intake.Format(value)
		case name == "dataset":
			b.Dataset = value
		case name == "received":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				t.Fatal(err)
			}
			b.Received = at
		default:
			t.Fatalf("unknown setting %q", line)
		}
	}
	return b
}

// describe writes an event the way the cases do.
func describe(ev *event.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "@timestamp  %s\n", ev.Time.Format(time.RFC3339Nano))
	for _, f := range ev.Fields() {
		value := strings.NewReplacer("\n", `\n`, "\x1d", "<0x1d>", "\x00", `\0`).Replace(f.Value)
		switch f.Kind {
		case event.Number:
			value = "#" + value
		case event.Bool:
			value = "!" + value
		case event.Null:
			value = "!null"
		}
		fmt.Fprintf(&b, "%s  %s\n", f.Name, value)
	}
	return b.String()
}

func newNormaliser(t testing.TB) *normalise.Normaliser {
	t.Helper()
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return normalise.New(tax)
}
