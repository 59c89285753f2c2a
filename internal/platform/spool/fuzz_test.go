package spool

import (
	"bytes"
	"testing"
)

// FuzzSegment opens a spool whose only segment is whatever the fuzzer likes behind a good header. Reading must end,
// must cover every byte as a record or as damage, and must not be confused about what follows.
func FuzzSegment(f *testing.F) {
	frame := func(p string) []byte { return appendFrame(nil, []byte(p), castagnoli([]byte(p))) }
	f.Add([]byte{})
	f.Add(frame("one"))
	f.Add(append(frame("one"), frame("")...))
	f.Add(append(frame("one"), frame("two")[:14]...))
	f.Add(append(make([]byte, 50), frame("two")...))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDisk()
		name := "0000000000000001.seg"
		id := [idBytes]byte{1}
		d.files[name] = &diskFile{disk: d, name: name, data: append(appendHeader(nil, 1, id), body...)}
		s := openOn(t, d, Options{})
		end := headerBytes + int64(len(body)) - s.Recovered().Bytes
		add(t, s, "behind")

		r := s.Reader(Position{})
		defer r.Close()
		covered := headerBytes
		var last []byte
		for r.Ready() {
			payload, at, err := r.Next(t.Context(), nil)
			if at.Segment == 1 {
				if at.Offset != covered {
					t.Fatalf("a record at %d, %d bytes are covered", at.Offset, covered)
				}
				covered = r.Position().Offset
				if err == nil && !bytes.Contains(body, payload) {
					t.Fatalf("read %q, which is not there", payload)
				}
			}
			last = payload
		}
		if covered != end || string(last) != "behind" {
			t.Fatalf("%d of %d bytes covered, last record %q", covered, end, last)
		}
	})
}
