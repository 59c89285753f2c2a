package normalise_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// corpus returns the folder of real logs, or skips.
func corpus(t *testing.T, folder string) string {
	t.Helper()
	dir := os.Getenv("YAGURA_CORPUS")
	if dir == "" {
		t.Skip("YAGURA_CORPUS is not set: it names a folder of real logs")
	}
	return filepath.Join(dir, folder)
}

// TestEverySaaSEventIsRecognised: each audit event of a service is read without an error, has a time and a
// message, is named, and loses none of its values.
func TestEverySaaSEventIsRecognised(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(corpus(t, "saas"), "*.ndjson"))
	if len(files) == 0 {
		t.Fatal("no files")
	}
	n := newNormaliser(t)
	received := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	batch := &intake.Batch{Format: intake.JSON, Received: received}
	total, unnamed := 0, map[string]int{}
	for _, name := range files {
		eachLine(t, name, func(line []byte) {
			var row struct{ Log json.RawMessage }
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			total++
			var ev event.Event
			if err := n.Normalise(batch, &intake.Item{Data: row.Log}, &ev); err != nil {
				t.Errorf("%s: %v", filepath.Base(name), err)
				return
			}
			if ev.Time.IsZero() || ev.Get(event.Message) == "" {
				t.Errorf("%s: no time or no message: %s", filepath.Base(name), row.Log)
			}
			if !ev.Has(event.EventDataset) && !ev.Has("winlog.channel") {
				unnamed[filepath.Base(name)]++
			}
			if lost := lostValues(row.Log, &ev); lost != "" {
				t.Errorf("%s: %q is lost of %s", filepath.Base(name), lost, row.Log)
			}
		})
	}
	t.Logf("%d events; without a dataset: %v", total, unnamed)
	count := 0
	for _, k := range unnamed {
		count += k
	}
	if count*50 > total {
		t.Errorf("%d of %d events are not recognised", count, total)
	}
}

// lostValues returns a text or number of the document that no field of the event holds.
func lostValues(doc []byte, ev *event.Event) string {
	have := map[string]bool{}
	var all strings.Builder
	for _, f := range ev.Fields() {
		have[f.Value] = true
		all.WriteString(f.Value)
		all.WriteByte(0)
	}
	text := all.String()
	dec := json.NewDecoder(strings.NewReader(string(doc)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err.Error()
	}
	var walk func(v any) string
	walk = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			for name, child := range v {
				if name == "@timestamp" || name == "TimeCreated" {
					continue // the event's time
				}
				if lost := walk(child); lost != "" {
					return lost
				}
			}
		case []any:
			for _, child := range v {
				if lost := walk(child); lost != "" {
					return lost
				}
			}
		case string:
			if have[v] || strings.Contains(text, strings.TrimSpace(v)) {
				break
			}
			var inner map[string]any // an object in a text is read on
			if json.Unmarshal([]byte(v), &inner) != nil {
				return v
			}
			return walk(inner)
		case json.Number:
			if !have[v.String()] {
				return v.String()
			}
		case float64:
			if !have[event.FormatFloat(v)] {
				return event.FormatFloat(v)
			}
		}
		return ""
	}
	return walk(v)
}

// TestLoghub: in lines of Linux, OpenSSH, Apache, macOS, Proxifier and Windows, host, program and source address are found
// wherever the line has them.
func TestLoghub(t *testing.T) {
	t.Parallel()
	dir := corpus(t, "loghub")
	header := regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d (\S+) +([^:\[(]+?)(?:\([^)]*\))?(?:\[\d+\])?(?: \([^)]*\))?:`)
	source := regexp.MustCompile(`(?:rhost=|(?i:from) |\[client |getaddrinfo for \S+ \[|closed by )(\d+\.\d+\.\d+\.\d+)(?:[^\w.-]|$)`)
	target := regexp.MustCompile(`^\[[\d. :]+\] (\S+\.exe|\S+)(?: \*64)? - (\S+):(\d+) `)
	n := newNormaliser(t)
	batch := &intake.Batch{Format: intake.Line, Received: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range files {
		lines, timed, sources := 0, 0, 0
		eachLine(t, name, func(line []byte) {
			lines++
			var ev event.Event
			if err := n.Normalise(batch, &intake.Item{Data: line}, &ev); err != nil {
				t.Errorf("%v: %s", err, line)
				return
			}
			if !ev.Time.Equal(batch.Received) {
				timed++
			}
			s := string(line)
			if m := header.FindStringSubmatch(s); m != nil && !strings.HasPrefix(m[2], "--") {
				program := strings.Fields(m[2])[0]
				if ev.Get(event.HostName) != m[1] || !strings.HasPrefix(ev.Get(event.ProcessName), program) {
					t.Errorf("host %q and program %q in %s", ev.Get(event.HostName), ev.Get(event.ProcessName), s)
				}
			}
			if m := source.FindStringSubmatch(s); m != nil {
				if sources++; ev.Get(event.SourceIP) != m[1] {
					t.Errorf("source %q in %s", ev.Get(event.SourceIP), s)
				}
			}
			if m := target.FindStringSubmatch(s); m != nil && firstText(&ev, "destination.domain", "destination.ip") != m[2] {
				t.Errorf("destination %q in %s", ev.Get("destination.domain"), s)
			}
		})
		t.Logf("%s: %d lines, %d with a time, %d with a source", filepath.Base(name), lines, timed, sources)
		if timed != lines {
			t.Errorf("%s: the time of %d lines was not read", filepath.Base(name), lines-timed)
		}
	}
}

func firstText(ev *event.Event, names ...string) string {
	for _, name := range names {
		if v := ev.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// TestAuditdAndSysmonForLinux reads the recorded Log4Shell attacks: a command line wherever the record has one.
func TestAuditdAndSysmonForLinux(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(corpus(t, "otrf"), "compound__Log4Shell__syslog_*.ndjson.gz"))
	if len(files) == 0 {
		t.Fatal("no files")
	}
	n := newNormaliser(t)
	batch := &intake.Batch{Format: intake.JSON, Received: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	for _, name := range files {
		commands := 0
		eachLine(t, name, func(line []byte) {
			var ev event.Event
			if err := n.Normalise(batch, &intake.Item{Data: line}, &ev); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if ev.Time.Year() != 2022 || ev.Get(event.HostName) != "UBUNTU5" {
				t.Errorf("time %v, host %q: %s", ev.Time, ev.Get(event.HostName), line)
			}
			if ev.Has(event.ProcessCommand) {
				commands++
			} else if strings.Contains(string(line), "proctitle=") || strings.Contains(string(line), `\"CommandLine\"`) {
				t.Errorf("no command line: %s", line)
			}
		})
		t.Logf("%s: %d command lines", filepath.Base(name), commands)
		if commands == 0 {
			t.Errorf("%s: no command lines", name)
		}
	}
}

func eachLine(t *testing.T, name string, do func(line []byte)) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		do(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
}
