package logfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/logfile"
)

func openBytes(t testing.TB, content []byte) *logfile.File {
	t.Helper()
	f, err := logfile.NewReader("a.evtx", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEVTXValuesAreWhatWindowsShows(t *testing.T) {
	t.Parallel()
	const want = `{"Event":{"#attributes":{"xmlns":"urn:x"},"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":4645},"EventData":{` +
		`"Text":"日本語 \"x\"","Hex32":"0x1410","Hex64":"0x529ae3","Negative":-1,"Large":18446744073709551615,"Yes":true,` +
		`"Guid":"{5770385f-c22a-43e0-bf4c-06f5698ffbd9}","Time":"2025-10-20T16:00:14.0611968Z","Sid":"S-1-5-32-544","Bytes":"DEAD",` +
		`"List":["one","two"],"Null":null,"Numbers":[1,2],"Clock":"2026-02-03T04:05:06.007Z","Odd":"0102","Short":"01",` +
		`"Data":["unnamed","&<"]}}}`
	f := openBytes(t, sample().file())
	items := readAll(t, f)
	if len(items) != 1 || items[0].Record != 1 || items[0].Error != "" || len(f.Damage()) > 0 {
		t.Fatalf("%d items, damage %v: %+v", len(items), f.Damage(), items)
	}
	if got := string(items[0].Data); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDamagedEVTXIsReadAsFarAsItMakesSense(t *testing.T) {
	t.Parallel()
	whole := sample()
	whole.begin()
	whole.template(func() { whole.element("Event", nil, func() { whole.text("second") }) })
	whole.end()
	good := whole.file()
	second := bytes.LastIndex(good, []byte{0x2a, 0x2a, 0, 0})
	change := func(at int, b ...byte) []byte {
		damaged := bytes.Clone(good)
		copy(damaged[at:], b)
		return damaged
	}
	for _, c := range []struct {
		what   string
		file   []byte
		items  int
		errors int
		damage string
	}{
		{"nothing", good, 2, 0, ""},
		{"a byte of a text", change(second-40, 'x'), 2, 0, "chunk 1: its records' checksum is wrong"},
		{"the chunk's header", change(4096+48, 0xff, 0xff, 0xff, 0xff), 2, 0, "chunk 1: its header's checksum is wrong"},
		{"the second record's beginning", change(second, 'X'), 1, 0, "no record begins here"},
		{"the second record's size", change(second+4, 0xff, 0xff), 1, 0, "says it is"},
		{"the second record's content", change(second+28, 0x3f), 2, 1, "checksum"},
		{"the chunk's magic", change(4096, 'X'), 0, 0, "chunk 1: it does not begin like a chunk"},
		{"the file's end", good[:second+30], 2, 1, ": it breaks off in chunk 1"},
		{"everything but the header", good[:4096], 0, 0, ": it ends before chunk 1, of 1 that its header tells of"},
		{"a chunk before it", append(append(bytes.Clone(good[:4096]), bytes.Repeat([]byte{7}, 64<<10)...), good[4096:]...), 2, 0, "chunk 1: it does not begin like a chunk"},
		{"an empty chunk before it", append(append(bytes.Clone(good[:4096]), make([]byte, 64<<10)...), good[4096:]...), 2, 0, ""},
	} {
		f := openBytes(t, c.file)
		items := readAll(t, f)
		failed := 0
		for _, it := range items {
			if it.Error != "" {
				failed++
			}
		}
		damage := ""
		for _, d := range f.Damage() {
			damage += d.Place + ": " + d.Reason + "\n"
		}
		if len(items) != c.items || failed != c.errors || !strings.Contains(damage, c.damage) || c.damage == "" && damage != "" {
			t.Errorf("%s: %d items, %d of them failed, damage %q", c.what, len(items), failed, damage)
		}
	}
}

// TestATemplateThatUnfoldsWithoutEndIsStopped: a record of a few bytes that asks for unbounded work.
func TestATemplateThatUnfoldsWithoutEndIsStopped(t *testing.T) {
	t.Parallel()
	c := newChunk()
	c.begin()
	at := len(c.data)
	c.template(func() { // its definition holds itself, twice
		c.element("Event", nil, func() {
			for range 2 {
				c.u8(0x0c, 1)
				c.u32(7)
				c.u32(at + 10)
				c.u32(0)
			}
		})
	})
	c.end()
	began := time.Now()
	items := readAll(t, openBytes(t, c.file()))
	if len(items) != 1 || items[0].Error == "" {
		t.Errorf("%+v", items)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestALongNameOftenSaidIsStopped: names are said by their place, so that a small record may say a long one thousands of times.
func TestALongNameOftenSaidIsStopped(t *testing.T) {
	t.Parallel()
	c := newChunk()
	c.begin()
	c.template(func() {
		c.element("Event", func() {
			at := len(c.data) + 1
			c.attribute(strings.Repeat("n", 1000), "x")
			for range 4000 {
				c.u8(0x06)
				c.u32(at + 4)
				c.text("x")
			}
		}, nil)
	})
	c.end()
	items := readAll(t, openBytes(t, c.file()))
	if len(items) != 1 || items[0].Error == "" || len(items[0].Data) > 1<<20 {
		t.Errorf("%d items, the first of %d bytes: %s", len(items), len(items[0].Data), items[0].Error)
	}
}

// FuzzEVTX: whatever a file holds behind the magic, reading it ends, and what comes out is JSON.
func FuzzEVTX(f *testing.F) {
	f.Add(sample().file()[4096 : 4096+4096])
	f.Fuzz(func(t *testing.T, chunk []byte) {
		if len(chunk) > 64<<10 {
			return
		}
		file := append(make([]byte, 4096), chunk...)
		copy(file, "ElfFile\x00")
		file = append(file, make([]byte, 64<<10-len(chunk))...)
		r := openBytes(t, file)
		for {
			items, err := r.Next(context.Background(), 100)
			if err != nil {
				return
			}
			for _, it := range items {
				if it.Error == "" && !json.Valid(it.Data) {
					t.Fatalf("no JSON: %q", it.Data)
				}
			}
		}
	})
}
