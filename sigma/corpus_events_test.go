package sigma_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"yagura/sigma"
)

// eachCorpusLine reads the recorded Windows events: at most perFile of each file, 0 for all. A line is valid until the
// next one.
func eachCorpusLine(tb testing.TB, perFile int, do func(line []byte)) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(os.Getenv("YAGURA_CORPUS"), "otrf", "*.gz"))
	if err != nil || len(paths) == 0 {
		tb.Skip("YAGURA_CORPUS is not set, or has no otrf/*.gz")
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		unzipped, err := gzip.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		lines := bufio.NewScanner(unzipped)
		lines.Buffer(nil, 16<<20)
		for n := 0; lines.Scan() && (perFile == 0 || n < perFile); n++ {
			if json.Valid(lines.Bytes()) {
				do(lines.Bytes())
			}
		}
		_ = f.Close() // it was only read
	}
}

// corpusLines are copies of those lines.
func corpusLines(tb testing.TB, perFile int) (lines [][]byte) {
	tb.Helper()
	eachCorpusLine(tb, perFile, func(line []byte) { lines = append(lines, bytes.Clone(line)) })
	return lines
}

// corpusEvents are the events on those lines, read by the standard library.
func corpusEvents(tb testing.TB, perFile int) (events []sigma.Event) {
	tb.Helper()
	eachCorpusLine(tb, perFile, func(line []byte) {
		var object map[string]any
		if json.Unmarshal(line, &object) == nil {
			events = append(events, flatten(nil, "", object))
		}
	})
	return events
}

// flatten makes an object's leaves fields with dotted names.
func flatten(ev sigma.Fields, name string, v any) sigma.Fields {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			ev = flatten(ev, strings.TrimPrefix(name+"."+k, "."), v[k])
		}
	case []any:
		for _, x := range v {
			ev = flatten(ev, name, x)
		}
	case nil:
		ev = append(ev, sigma.Field{Name: name, Null: true})
	case string:
		ev = append(ev, sigma.Field{Name: name, Value: v})
	default:
		text, _ := json.Marshal(v)
		ev = append(ev, sigma.Field{Name: name, Value: string(text)})
	}
	return ev
}

// windowsTaxonomy routes as a real one does, for the events of the corpus, which carry Sigma's own names.
type windowsTaxonomy struct{}

func (windowsTaxonomy) Events(ls sigma.Logsource) ([]sigma.Conjunction, bool) {
	sysmon := map[string]string{
		"process_creation": "1", "file_change": "2", "network_connection": "3", "driver_load": "6", "image_load": "7",
		"create_remote_thread": "8", "raw_access_thread": "9", "process_access": "10", "file_event": "11", "registry_add": "12",
		"registry_delete": "12", "registry_set": "13", "registry_rename": "14", "registry_event": "12 13 14",
		"create_stream_hash": "15", "pipe_created": "17 18", "wmi_event": "19 20 21", "dns_query": "22", "file_delete": "23 26",
		"process_tampering": "25", "sysmon_status": "4 16", "sysmon_error": "255",
	}
	channels := map[string]string{
		"ps_script": "Microsoft-Windows-PowerShell/Operational", "ps_module": "Microsoft-Windows-PowerShell/Operational",
		"ps_classic_start": "Windows PowerShell", "ps_classic_provider_start": "Windows PowerShell",
		"ps_classic_script": "Windows PowerShell", "powershell": "Microsoft-Windows-PowerShell/Operational",
		"powershell-classic": "Windows PowerShell", "taskscheduler": "Microsoft-Windows-TaskScheduler/Operational",
		"windefend": "Microsoft-Windows-Windows Defender/Operational", "wmi": "Microsoft-Windows-WMI-Activity/Operational",
		"sysmon": "Microsoft-Windows-Sysmon/Operational",
	}
	channel := sigma.Condition{Field: "Channel", Values: []string{"*"}}
	switch ids, isSysmon := sysmon[ls.Category]; {
	case ls.Product != "windows":
		return []sigma.Conjunction{{{Field: "product", Values: []string{ls.Product}}}}, true
	case isSysmon:
		channel.Values = []string{"Microsoft-Windows-Sysmon*"}
		return []sigma.Conjunction{{channel, {Field: "EventID", Values: strings.Fields(ids)}}}, true
	case channels[ls.Category+ls.Service] != "":
		channel.Values = []string{channels[ls.Category+ls.Service]}
	case ls.Service != "":
		channel.Values = []string{ls.Service, "Microsoft-Windows-" + ls.Service + "*"}
	}
	return []sigma.Conjunction{{channel}}, true
}

func (windowsTaxonomy) Fields(_ sigma.Logsource, field string) ([]string, bool) {
	return []string{field, "winlog." + field}, true
}

func (windowsTaxonomy) Keywords(sigma.Logsource) []string { return nil }

func TestCorpusMatcherAgreesWithOracle(t *testing.T) {
	t.Parallel()
	rules, filters, _ := corpusRules(t, ruleFolders...)
	perFile := 20
	if testing.Short() {
		perFile = 5
	}
	events := corpusEvents(t, perFile)
	matches := 0
	for _, opts := range []sigma.Options{{Taxonomy: windowsTaxonomy{}}, {NoRouting: true}} {
		m, _ := sigma.Compile(rules, filters, opts)
		oracle, s := sigma.NewOracle(rules, filters, opts), m.NewScratch()
		if opts.NoRouting { // slow for the oracle
			events = events[:min(len(events), 5*perFile)]
		}
		for i, ev := range events {
			got, want := titles(m.Match(ev, s)), titles(oracle.Match(ev))
			if got != want {
				t.Fatalf("event %d: %v\nMatcher: %s\noracle:  %s", i, ev, got, want)
			}
			if got != "[]" {
				matches++
			}
		}
	}
	t.Logf("%d events, %d of them matched", len(events), matches)
	if matches == 0 {
		t.Error("nothing matched: the test says nothing")
	}
}

// TestWholeCorpusAgrees: of every event of the corpus, read from its JSON, Matcher and oracle say the same of every rule. It takes
// minutes, and runs where YAGURA_LONG is set.
func TestWholeCorpusAgrees(t *testing.T) {
	if os.Getenv("YAGURA_LONG") == "" {
		t.Skip("YAGURA_LONG is not set")
	}
	rules, filters, _ := corpusRules(t, ruleFolders...)
	opts := sigma.Options{Taxonomy: windowsTaxonomy{}}
	m, _ := sigma.Compile(rules, filters, opts)
	oracle := sigma.NewOracle(rules, filters, opts)
	lines := make(chan []byte, 64)
	var workers sync.WaitGroup
	var events, matches atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			s, ev := m.NewScratch(), new(sigma.JSON)
			for line := range lines {
				if err := ev.Parse(line); err != nil {
					t.Errorf("%.200s: %v", line, err)
					continue
				}
				got, want := m.Match(ev, s), oracle.Match(ev)
				if !slices.Equal(got, want) {
					t.Errorf("%.2000s\nMatcher: %s\noracle:  %s", line, titles(got), titles(want))
				}
				events.Add(1)
				matches.Add(int64(len(got)))
			}
		})
	}
	eachCorpusLine(t, 0, func(line []byte) { lines <- bytes.Clone(line) })
	close(lines)
	workers.Wait()
	t.Logf("%d events, %d rules, %d matches", events.Load(), len(m.Rules()), matches.Load())
	if matches.Load() == 0 {
		t.Error("nothing matched: the test says nothing")
	}
}

// Each regression case of SigmaHQ is found by its own rule, log sources aside.
func TestCorpusRegression(t *testing.T) {
	t.Parallel()
	rules, filters, _ := corpusRules(t, ruleFolders...)
	m, _ := sigma.Compile(rules, filters, sigma.Options{NoRouting: true})
	s := m.NewScratch()
	paths, err := filepath.Glob(filepath.Join(os.Getenv("YAGURA_CORPUS"), "sigma-regression", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no regression cases: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		found := false
		for !found && decoder.More() {
			var record map[string]map[string]any
			if err := decoder.Decode(&record); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for _, r := range m.Match(windowsEvent(record["Event"]), s) {
				found = found || r.ID == strings.TrimSuffix(filepath.Base(path), ".json")
			}
		}
		if !found {
			t.Errorf("%s is not found by its rule", filepath.Base(path))
		}
	}
	t.Logf("%d cases", len(paths))
}

// windowsEvent gives a record of the Windows event log Sigma's names.
func windowsEvent(record map[string]any) sigma.Fields {
	system, _ := record["System"].(map[string]any)
	var ev sigma.Fields
	for name, v := range system {
		if provider, ok := v.(map[string]any); ok && name == "Provider" {
			ev = flatten(ev, "Provider", provider["#attributes"])
		} else {
			ev = flatten(ev, name, v)
		}
	}
	for i := range ev {
		ev[i].Name = strings.ReplaceAll(ev[i].Name, "Provider.", "Provider_")
	}
	if data, ok := record["EventData"].(map[string]any); ok {
		ev = flatten(ev, "", data)
	}
	if data, ok := record["UserData"].(map[string]any); ok {
		for _, element := range data { // one, named after the kind of data
			ev = flatten(ev, "", element)
		}
	}
	return ev
}
