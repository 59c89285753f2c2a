package logfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Velocidex/ordereddict"
	"www.velocidex.com/golang/evtx"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/logfile"
)

// corpus returns a folder of the corpus of real logs, or skips the test.
func corpus(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("YAGURA_CORPUS")
	if root == "" {
		t.Skip("YAGURA_CORPUS is not set: no real logs to test with")
	}
	return filepath.Join(root, folder)
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	return files
}

// readAll returns every item of a file.
func readAll(t testing.TB, f *logfile.File) []intake.Item {
	t.Helper()
	var all []intake.Item
	for {
		items, err := f.Next(context.Background(), 100)
		all = append(all, items...)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestEVTXAgreesWithAPeer reads the corpus' files beside another reader: the same records with the same fields. Values
// are compared where the peer keeps their type.
func TestEVTXAgreesWithAPeer(t *testing.T) {
	t.Parallel()
	records, fields := 0, 0
	for _, path := range append(glob(t, filepath.Join(corpus(t, "evtx"), "*.evtx")), glob(t, filepath.Join(corpus(t, "sigma-regression"), "*.evtx"))...) {
		f, err := logfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		ours := map[uint64]map[string]any{}
		for _, item := range readAll(t, f) {
			if item.Error != "" {
				t.Errorf("%s: %s", filepath.Base(path), item.Error)
				continue
			}
			var event struct{ Event map[string]any }
			if err := json.Unmarshal(item.Data, &event); err != nil {
				t.Fatalf("%s: record %d: %v in %s", path, item.Record, err, item.Data)
			}
			ours[item.Record] = event.Event
		}
		for id, theirs := range peer(t, path) {
			records++
			mine := ours[id]
			if mine == nil {
				t.Errorf("%s: record %d is missing", filepath.Base(path), id)
				continue
			}
			fields += compare(t, fmt.Sprintf("%s: record %d", filepath.Base(path), id), mine, theirs)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if records < 2800 || fields < 38000 {
		t.Errorf("only %d records and %d fields were compared", records, fields)
	}
	t.Logf("%d records, %d fields", records, fields)
}

// peer reads the same file with the library.
func peer(t *testing.T, path string) map[uint64]*ordereddict.Dict {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunks, err := evtx.GetChunks(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]*ordereddict.Dict{}
	for _, c := range chunks {
		records, err := c.Parse(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if root, ok := r.Event.(*ordereddict.Dict); ok {
				if e, ok := root.Get("Event"); ok {
					all[r.Header.RecordID] = e.(*ordereddict.Dict)
				}
			}
		}
	}
	return all
}

func compare(t *testing.T, where string, mine map[string]any, theirs *ordereddict.Dict) (compared int) {
	t.Helper()
	data, ok := theirs.Get("EventData")
	if !ok {
		return 0
	}
	dict, ok := data.(*ordereddict.Dict)
	if !ok {
		return 0
	}
	ourData, ok := mine["EventData"].(map[string]any)
	if !ok {
		if len(dict.Keys()) > 0 {
			t.Errorf("%s: event data is %v, want %v", where, mine["EventData"], dict)
		}
		return 0
	}
	for _, name := range dict.Keys() {
		theirValue, _ := dict.Get(name)
		ourValue, has := ourData[name]
		if one, ok := theirValue.(*ordereddict.Dict); ok && name == "Data" && !has {
			name, _ := one.GetString("Name") // the peer does not name a single field
			if _, has = ourData[name]; has {
				continue
			}
		}
		if !has {
			t.Errorf("%s: no %s, want %v; have %v", where, name, theirValue, ourData)
			continue
		}
		compared++
		if s, ok := theirValue.(string); ok && ourValue != nil && !strings.EqualFold(strings.Trim(fmt.Sprint(ourValue), "{}"), strings.Trim(s, "{}\x00")) {
			t.Errorf("%s: %s is %v, want %q", where, name, ourValue, s)
		}
	}
	return compared
}

// BenchmarkEVTX reads a file of attacks to JSON; BenchmarkEVTXPeer does the same with the library.
func BenchmarkEVTX(b *testing.B) {
	path, size := biggest(b)
	b.SetBytes(size)
	records := 0
	for b.Loop() {
		f, err := logfile.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		records += len(readAll(b, f))
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkEVTXPeer(b *testing.B) {
	path, size := biggest(b)
	b.SetBytes(size)
	records := 0
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		chunks, err := evtx.GetChunks(f)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range chunks {
			list, err := c.Parse(0)
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range list {
				if _, err := json.Marshal(r.Event); err != nil {
					b.Fatal(err)
				}
				records++
			}
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

func biggest(b *testing.B) (path string, size int64) {
	b.Helper()
	for _, candidate := range glob(b, filepath.Join(corpus(b, "evtx"), "*.evtx")) {
		info, err := os.Stat(candidate)
		if err != nil {
			b.Fatal(err)
		}
		if info.Size() > size {
			path, size = candidate, info.Size()
		}
	}
	return path, size
}
