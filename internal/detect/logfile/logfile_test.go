package logfile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/logfile"
	"yagura/internal/platform/fault"
)

var update = flag.Bool("update", false, "write what comes out into testdata/cases.txt, to be read before it is committed")

var (
	byteMark = regexp.MustCompile(`<[0-9a-f]{2}>`)
	unseen   = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f]`)
)

func fromMarks(s string) []byte {
	return []byte(byteMark.ReplaceAllStringFunc(s, func(m string) string {
		b, _ := strconv.ParseUint(m[1:3], 16, 8)
		return string([]byte{byte(b)})
	}))
}

func describe(t *testing.T, f *logfile.File) string {
	t.Helper()
	var b strings.Builder
	items := readAll(t, f)
	fmt.Fprintf(&b, "format %s", f.Format())
	if d := f.Dataset(); d != "" {
		fmt.Fprintf(&b, ", dataset %s", d)
	}
	b.WriteByte('\n')
	for _, it := range items {
		fmt.Fprintf(&b, "%d", it.Record)
		if it.Error != "" {
			fmt.Fprintf(&b, " !%s:", it.Error)
		}
		text := strings.ReplaceAll(string(it.Data), "\n", `\n`)
		fmt.Fprintf(&b, " %s\n", unseen.ReplaceAllStringFunc(text, func(s string) string { return fmt.Sprintf("<%02x>", s[0]) }))
	}
	for _, d := range f.Damage() {
		fmt.Fprintf(&b, "damage %s: %s\n", d.Place, d.Reason)
	}
	return b.String()
}

func TestCases(t *testing.T) {
	t.Parallel()
	const file = "testdata/cases.txt"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, cases, _ := strings.Cut(string(data), "\n=== ")
	out := bytes.NewBufferString(head)
	for text := range strings.SplitSeq(cases, "\n=== ") {
		title, rest, _ := strings.Cut(text, "\n")
		content, want, ok := strings.Cut("\n"+rest, "\n---")
		if !ok {
			t.Fatalf("%s: no ---", title)
		}
		content = strings.TrimPrefix(content, "\n")
		name, _, _ := strings.Cut(title, ":")
		got := ""
		if f, err := logfile.NewReader(name, bytes.NewReader(fromMarks(content))); err != nil {
			got = "error: " + err.Error() + "\n"
		} else {
			got = describe(t, f)
		}
		fmt.Fprintf(out, "\n=== %s\n%s\n---\n%s", title, content, got)
		if strings.TrimSpace(got) != strings.TrimSpace(want) && !*update {
			t.Errorf("%s\n--- got\n%s--- want%s", title, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompressedFilesAreReadByTheirContent(t *testing.T) {
	t.Parallel()
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	fmt.Fprintln(g, `{"a":1}`)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(z, `{"a":1}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	twoMembers := append(bytes.Clone(gz.Bytes()), gz.Bytes()...)
	for _, c := range []struct {
		name    string
		content []byte
		items   int
		damage  int
	}{
		{"a.json.gz", gz.Bytes(), 1, 0},
		{"no-such-ending", zst.Bytes(), 1, 0},
		{"rotated.json.gz", twoMembers, 2, 0},
		{"cut.json.gz", twoMembers[:len(twoMembers)-6], 2, 1},
	} {
		f, err := logfile.NewReader(c.name, bytes.NewReader(c.content))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if items := readAll(t, f); len(items) != c.items || string(items[0].Data) != `{"a":1}` || len(f.Damage()) != c.damage {
			t.Errorf("%s: %d items, damage %v", c.name, len(items), f.Damage())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestABombCostsNoMemory reads a line of a gigabyte out of a megabyte.
func TestABombCostsNoMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("unpacks a gigabyte")
	}
	r, w := io.Pipe()
	go func() {
		g, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		_, err := io.CopyN(g, letters{}, 256<<20)
		w.CloseWithError(errors.Join(err, g.Close()))
	}()
	f, err := logfile.NewReader("bomb.log.gz", r)
	if err != nil {
		t.Fatal(err)
	}
	items := readAll(t, f)
	if len(items) != 1 || len(items[0].Data) > 1<<20 || !strings.Contains(items[0].Error, "longer than") {
		t.Errorf("%d items, the first of %d bytes: %s", len(items), len(items[0].Data), items[0].Error)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestItemsBelongToTheCaller(t *testing.T) {
	t.Parallel()
	f, err := logfile.NewReader("a.log", strings.NewReader(strings.Repeat("first\n", 10)+strings.Repeat("other\n", 10)))
	if err != nil {
		t.Fatal(err)
	}
	first, err := f.Next(context.Background(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Next(context.Background(), 10); err != nil {
		t.Fatal(err)
	}
	for _, it := range first {
		if string(it.Data) != "first" {
			t.Errorf("an item became %q", it.Data)
		}
		if _ = append(it.Data, '!'); string(first[9].Data) != "first" {
			t.Error("to append to one item writes into the next")
		}
	}
}

func TestAnEndedContextStopsTheReading(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	f, err := logfile.NewReader("a.log", strings.NewReader("one\ntwo\n"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := f.Next(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if items := readAll(t, f); len(items) != 2 {
		t.Errorf("another call reads on: %d items", len(items))
	}
}

func TestWhatCannotBeOpenedSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := logfile.Open(filepath.Join(dir, "none.log")); !fault.Is(err, fault.NotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := logfile.Open(dir); !fault.Is(err, fault.Invalid) {
		t.Errorf("a folder: %v", err)
	}
}

// TestANameThatPromisesMore: a file that is not what its name says is told of, unless it is a text that can be read as one.
func TestANameThatPromisesMore(t *testing.T) {
	t.Parallel()
	random := make([]byte, 70_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("a line of a log\n"), 1000))
	_ = z.Close()
	cut := packed.Bytes()[:packed.Len()-9]
	for _, row := range []struct {
		name    string
		content []byte
		refused string
		items   int
		damage  string // of the file as a whole
	}{
		{"a.evtx", random, "", 0, "it does not begin like the Windows event log"},
		{"a.evtx", random[:9], "", 0, "it does not begin like the Windows event log"},
		{"a.evtx", []byte("Elf"), "", 0, "cannot be read to its end"},
		{"a.evtx", []byte("a text\nin two lines\n"), "", 2, ""},
		{"a.evtx", []byte("\xff\xfea\x00b\x00"), "", 1, ""},
		{"a.evtx", nil, "", 0, "it is empty"},
		{"a.log.gz", random, "it is no gzip file", 0, ""},
		{"A.LOG.ZST", random, "it is no zstd file", 0, ""},
		{"a.log.gz", []byte("unpacked on its way\n"), "", 1, ""},
		{"a.log.gz", []byte("途中で展開された\n"), "", 1, ""},
		{"a.log.gz", nil, "", 0, "it is empty"},
		{"a.log.gz", cut, "", 1000, "it cannot be read to its end: unexpected EOF"},
		{"a.log.zst", packed.Bytes(), "", 1000, ""},
		{"a.log", nil, "", 0, ""},
	} {
		f, err := logfile.NewReader(row.name, bytes.NewReader(row.content))
		if row.refused != "" {
			if err == nil || !strings.Contains(err.Error(), row.refused) || strings.Contains(err.Error(), row.name) {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		items, damage := readAll(t, f), f.Damage()
		if row.damage == "" && len(damage) > 0 || row.damage != "" && (len(damage) == 0 || damage[0].Place != "" || !strings.Contains(damage[0].Reason, row.damage)) {
			t.Errorf("%s, %d bytes: damage %q, want %q", row.name, len(row.content), damage, row.damage)
		}
		if len(items) != row.items {
			t.Errorf("%s, %d bytes: %d items, want %d", row.name, len(row.content), len(items), row.items)
		}
	}
}

func TestProgressCountsTheFileOnDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := logfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, f)
	if read, total := f.Progress(); read != 8 || total != 8 {
		t.Errorf("read %d of %d", read, total)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Next(context.Background(), 1); !errors.Is(err, io.EOF) {
		t.Errorf("after Close: %v", err)
	}
}

func TestKnownNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.evtx": true, "A.EVTX": true, "x/b.json.gz": true, "b.ndjson.zst": true, "c.csv": true, "d.log": true,
		"photo.png": false, ".hidden.log": false, "noending": false, "a.gz": false, "rule.yml": false,
	} {
		if logfile.Known(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// FuzzReader: whatever a file holds and is called, reading it ends, and every item is bounded.
func FuzzReader(f *testing.F) {
	data, err := os.ReadFile("testdata/cases.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range strings.Split(string(data), "\n=== ")[1:] {
		title, rest, _ := strings.Cut(text, "\n")
		content, _, _ := strings.Cut(rest, "\n---")
		name, _, _ := strings.Cut(title, ":")
		f.Add(name, fromMarks(content))
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		file, err := logfile.NewReader(name, bytes.NewReader(content))
		if err != nil {
			return
		}
		var last []intake.Item
		for total := 0; ; total += len(last) {
			last, err = file.Next(context.Background(), 7)
			if err != nil {
				break
			}
			if len(last) == 0 || total > 2*len(content)+10 {
				t.Fatalf("%d items of %d bytes, then %d", total, len(content), len(last))
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}
