package normalise_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/logfile"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/sigma"
)

// realLogs returns a folder of real logs, or skips.
func realLogs(tb testing.TB, folder string) string {
	tb.Helper()
	root := os.Getenv("YAGURA_CORPUS")
	if root == "" {
		tb.Skip("YAGURA_CORPUS is not set: it names a folder of real logs")
	}
	return filepath.Join(root, folder)
}

func loadTaxonomy(tb testing.TB) *taxonomy.Taxonomy {
	tb.Helper()
	tax, err := taxonomy.Load()
	if err != nil {
		tb.Fatal(err)
	}
	return tax
}

// parseRules reads all rules in a folder of the corpus; what does not load is the business of sigma's own tests.
func parseRules(tb testing.TB, folder string) []*sigma.Rule {
	tb.Helper()
	var rules []*sigma.Rule
	err := filepath.WalkDir(realLogs(tb, folder), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yml") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if file, err := sigma.Parse(path, data); err == nil {
			rules = append(rules, file.Rules()...)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return rules
}

// eachItem hands out every item of a file with its batch.
func eachItem(tb testing.TB, path string, take func(*intake.Batch, *intake.Item)) *logfile.File {
	tb.Helper()
	f, err := logfile.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close() // it was only read
	batch := &intake.Batch{Format: f.Format(), Input: "import", File: filepath.Base(path), Received: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	for {
		items, err := f.Next(context.Background(), 500)
		for i := range items {
			take(batch, &items[i])
		}
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// TestEveryRegressionCaseIsFoundByItsRule: SigmaHQ publishes events with its rules, named by the rule's id, as Windows'
// own files and as JSON. Each must be found by its rule through the real reader and normaliser, with routing by log source.
func TestEveryRegressionCaseIsFoundByItsRule(t *testing.T) {
	t.Parallel()
	dir := realLogs(t, "sigma-regression")
	m, _ := sigma.Compile(parseRules(t, "sigma"), nil, sigma.Options{Taxonomy: loadTaxonomy(t)})
	for _, kind := range []string{".json", ".evtx"} {
		t.Run(kind[1:], func(t *testing.T) {
			t.Parallel()
			files, err := filepath.Glob(filepath.Join(dir, "*"+kind))
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			scratch, n := m.NewScratch(), newNormaliser(t)
			for _, path := range files {
				id := strings.TrimSuffix(filepath.Base(path), kind)
				found := false
				var last event.Event
				f := eachItem(t, path, func(b *intake.Batch, it *intake.Item) {
					var ev event.Event
					if err := n.Normalise(b, it, &ev); err != nil {
						t.Errorf("%s: %v", path, err)
					}
					if lost := lostOfWindows(it.Data, &ev); lost != "" {
						t.Errorf("%s: %q is lost", path, lost)
					}
					found = found || slices.ContainsFunc(m.Match(&ev, scratch), func(r *sigma.Rule) bool { return r.ID == id })
					last = *ev.Clone()
				})
				if !found {
					t.Errorf("%s: its rule finds nothing in it; the last event is\n%s", filepath.Base(path), last.AppendJSON(nil))
				}
				if damage := f.Damage(); len(damage) > 0 {
					t.Logf("%s: %v", filepath.Base(path), damage)
				}
			}
			t.Logf("%d cases", len(files))
		})
	}
}

// TestEveryLineOfTheRecordedAttacksBecomesAnEvent: hundreds of thousands of events as collectors sent them. Nothing fails
// but what is no JSON, nothing of what was sent is lost, and the rules find attacks in each kind of log source.
func TestEveryLineOfTheRecordedAttacksBecomesAnEvent(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(realLogs(t, "otrf"), "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	n := newNormaliser(t)
	events, junk := 0, 0
	var ev event.Event
	for _, path := range files {
		i := 0
		eachItem(t, path, func(b *intake.Batch, it *intake.Item) {
			ev.Reset()
			i++
			if err := n.Normalise(b, it, &ev); err != nil {
				if junk++; len(it.Data) > 1 && it.Data[0] == '{' && it.Error == "" {
					t.Errorf("%s: line %d: %v", filepath.Base(path), it.Record, err)
				}
				normalise.Failed(b, it, err, &ev)
				return
			}
			events++
			if ev.Time.Equal(b.Received) || ev.Get(event.Message) == "" {
				t.Errorf("%s: line %d: no time or message", filepath.Base(path), it.Record)
			}
			if i%50 == 0 {
				if lost := lostOfWindows(it.Data, &ev); lost != "" {
					t.Errorf("%s: line %d: %q is lost", filepath.Base(path), it.Record, lost)
				}
			}
		})
	}
	t.Logf("%d files, %d events, %d lines of junk", len(files), events, junk)
	if events < 400_000 {
		t.Errorf("only %d events", events)
	}
}

// lostOfWindows returns a value that the event does not have. The namespace of the XML is no value, XML in a text is read
// on, and the time is the event's.
func lostOfWindows(item []byte, ev *event.Event) string {
	lost := lostValues(item, ev)
	if strings.HasPrefix(lost, "http://") || strings.HasPrefix(lost, "<Event>") || lost == "Event_NS" {
		return ""
	}
	if at, err := time.Parse(time.RFC3339, lost); err == nil && at.Equal(ev.Time) {
		return ""
	}
	return lost
}

// TestEveryRecordOfTheAttackSamplesBecomesAnEvent: Windows' own files of many channels.
func TestEveryRecordOfTheAttackSamplesBecomesAnEvent(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(realLogs(t, "evtx"), "*.evtx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	n := newNormaliser(t)
	events := 0
	for _, path := range files {
		f := eachItem(t, path, func(b *intake.Batch, it *intake.Item) {
			var ev event.Event
			if err := n.Normalise(b, it, &ev); err != nil {
				t.Errorf("%s: record %d: %v", filepath.Base(path), it.Record, err)
				return
			}
			events++
			if ev.Time.Equal(b.Received) || ev.Get(event.Message) == "" || ev.Get(event.EventCode) == "" || ev.Get(event.HostName) == "" {
				t.Errorf("%s: record %d: %s", filepath.Base(path), it.Record, ev.AppendJSON(nil))
			}
			if lost := lostOfWindows(it.Data, &ev); lost != "" {
				t.Errorf("%s: record %d: %q is lost", filepath.Base(path), it.Record, lost)
			}
		})
		for _, d := range f.Damage() {
			t.Logf("%s: %s: %s", filepath.Base(path), d.Place, d.Reason)
		}
	}
	t.Logf("%d files, %d events", len(files), events)
}

// TestAnEventAsWideAsALogIsBounded: a Windows event with more values than any has.
func TestAnEventAsWideAsALogIsBounded(t *testing.T) {
	t.Parallel()
	const head = `"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1`
	many := strings.Repeat(`,"Image":"C:\\a\\b.exe","Hashes":"MD5=1,SHA1=2"`, 50_000)
	lines := strings.Repeat("Aa=1\nBb=2\n", 50_000)
	for name, item := range map[string]string{
		"flat":           `{` + head + many + `}`,
		"evtx":           `{"System":{` + head + `},"EventData":{"a":1` + many + `}}`,
		"list":           `{"System":{` + head + `},"EventData":{"Data":[1` + strings.Repeat(",1", 100_000) + `]}}`,
		"winlog":         `{"winlog":{"channel":"x","event_id":1,"event_data":{"a":1` + many + `}}}`,
		"context":        `{"System":{"Channel":"Windows PowerShell","EventID":400},"EventData":{"Data":` + string(event.AppendQuoted(nil, lines)) + `}}`,
		"answers":        `{"System":{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":22},"EventData":{"QueryResults":"` + strings.Repeat("192.0.2.1;", 50_000) + `"}}`,
		"xml":            `<Event><System><Channel>x</Channel><EventID>1</EventID></System><EventData>` + strings.Repeat("<a/>", 100_000) + `</EventData></Event>`,
		"xml attributes": `<Event><System><Channel>x</Channel><EventID>1</EventID><Odd` + strings.Repeat(` a="1"`, 100_000) + `/></System></Event>`,
	} {
		n := newNormaliser(t)
		format := intake.JSON
		if strings.HasPrefix(name, "xml") {
			format = intake.Line
		}
		var ev event.Event
		began := time.Now()
		if err := n.Normalise(&intake.Batch{Format: format, Received: began}, &intake.Item{Data: []byte(item)}, &ev); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ev.NumFields() > 2000 || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d fields in %v", name, ev.NumFields(), time.Since(began))
		}
	}
}

// TestInsertsStandInTheOrderOfTheRealEvents: the order that the taxonomy gives for values without names is that of Windows' own
// files, where the names are.
func TestInsertsStandInTheOrderOfTheRealEvents(t *testing.T) {
	t.Parallel()
	tax := loadTaxonomy(t)
	files, err := filepath.Glob(filepath.Join(realLogs(t, "evtx"), "*.evtx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var p fastjson.Parser
	checked := map[string]int{}
	for _, path := range files {
		eachItem(t, path, func(_ *intake.Batch, it *intake.Item) {
			v, err := p.ParseBytes(it.Data)
			if err != nil {
				t.Fatal(err)
			}
			channel := tax.Channel(string(v.GetStringBytes("Event", "System", "Channel")))
			data := v.GetObject("Event", "EventData")
			if channel == nil || data == nil {
				return
			}
			id := v.Get("Event", "System", "EventID").String()
			inserts := channel.Record(id, string(v.GetStringBytes("Event", "System", "Provider", "#attributes", "Name"))).Inserts
			if len(inserts) == 0 {
				return
			}
			checked[id]++
			i := 0
			data.Visit(func(key []byte, _ *fastjson.Value) {
				if i < len(inserts) && string(key) != inserts[i] && checked[id] < 3 {
					t.Errorf("%s: event %s: field %d is %s, not %s", filepath.Base(path), id, i, key, inserts[i])
				}
				i++
			})
		})
	}
	t.Logf("events that were checked: %v", checked)
}
