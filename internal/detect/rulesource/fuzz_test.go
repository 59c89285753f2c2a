package rulesource

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// FuzzArchive reads archives as they come from outside: whatever they are, the names are plain paths, the bounds hold, and what was taken comes
// back the same from the archive that is kept.
func FuzzArchive(f *testing.F) {
	for _, files := range []map[string]string{{"a/b.yml": "title: a"}, {"../x.yml": "a", "c/d.yaml": ""}, {"top/a.yml": "1", "top/b/c.yml": "2"}} {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for name, text := range files {
			entry, err := w.Create(name)
			if err == nil {
				_, err = entry.Write([]byte(text))
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes(), "")
	}
	f.Fuzz(func(t *testing.T, data []byte, folders string) {
		g, err := readZip(data, folders)
		if err != nil {
			return
		}
		p := g.pack(nil, time.Unix(1_700_000_000, 0))
		for _, file := range p {
			if !fs.ValidPath(file.Name) || strings.Contains(file.Name, "..") && !fs.ValidPath(file.Name) || len(file.Data) > maxFile {
				t.Fatalf("took %q of %d bytes", file.Name, len(file.Data))
			}
		}
		kept, err := p.archive()
		if err != nil {
			t.Fatal(err)
		}
		again, err := unarchive(kept)
		if err != nil || !again.same(p) {
			t.Fatalf("what was kept is not what was taken: %v", err)
		}
	})
}

// FuzzDifference compares any two texts: what is shown is of the texts, and bounded.
func FuzzDifference(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Add("", "new")
	f.Fuzz(func(t *testing.T, before, after string) {
		list, _ := lines(before, after)
		if len(list) > maxLines {
			t.Fatalf("%d lines", len(list))
		}
		if before == after && len(list) > 0 {
			t.Fatalf("the same text differs: %q", list)
		}
		for _, l := range list {
			if l.Sign == "-" && !strings.Contains(before, l.Text) || l.Sign == "+" && !strings.Contains(after, l.Text) {
				t.Fatalf("%q stands in neither", l)
			}
		}
	})
}
