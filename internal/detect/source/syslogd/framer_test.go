package syslogd

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// frames reads all messages of a stream.
func frames(t testing.TB, r io.Reader, longest int) []string {
	t.Helper()
	f := framer{max: longest}
	var got []string
	for {
		for {
			message, mark, ok := f.next()
			if !ok {
				break
			}
			got = append(got, string(message)+mark)
		}
		if err := f.fill(r); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
	}
	if message, mark := f.rest(); len(message) > 0 {
		got = append(got, string(message)+mark)
	}
	return got
}

func TestFraming(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/framing.txt")
	if err != nil {
		t.Fatal(err)
	}
	unquote := func(text string) string {
		s, err := strconv.Unquote(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return s
	}
	cases := strings.Split(strings.TrimSpace(string(data)), "\n\n")[1:]
	if len(cases) < 10 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, text := range cases {
		lines := strings.Split(text, "\n")
		t.Run(lines[0], func(t *testing.T) {
			t.Parallel()
			stream := unquote(lines[1])
			var want []string
			for _, line := range lines[2:] {
				want = append(want, unquote(line))
			}
			for name, r := range map[string]io.Reader{
				"at once": strings.NewReader(stream), "byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
			} {
				if diff := cmp.Diff(want, frames(t, r, 32)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

// However the network cuts a stream, the messages are the same.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("11 <34>1 hello<34>1 line\n40 <34>1 0123456789012345678901234567890123\n"), uint8(3))
	f.Add([]byte("<34>1 0123456789012345678901234567890123\n9999 <"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		whole := frames(t, bytes.NewReader(stream), 32)
		parts := frames(t, &pieces{bytes.NewReader(stream), int(size)%7 + 1}, 32)
		if diff := cmp.Diff(whole, parts); diff != "" {
			t.Error(diff)
		}
		for _, message := range whole {
			if len(message) > 32+len(" [cut short: the connection ended]") {
				t.Errorf("a message of %d bytes", len(message))
			}
		}
	})
}

type pieces struct {
	r    io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

// BenchmarkFraming cuts a stream of messages of 200 bytes; its baseline is bytes.Lines over the same stream.
func BenchmarkFraming(b *testing.B) {
	message := "<34>1 2026-04-01T00:00:00Z host app - - - " + strings.Repeat("x", 157) + "\n"
	stream := []byte(strings.Repeat(message, 10_000))
	b.Run("yagura", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			f, r, n := framer{max: 64 << 10}, bytes.NewReader(stream), 0
			for f.fill(r) == nil {
				for _, _, ok := f.next(); ok; _, _, ok = f.next() {
					n++
				}
			}
			if n != 10_000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("bytes-lines", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			n := 0
			for range bytes.Lines(stream) {
				n++
			}
			if n != 10_000 {
				b.Fatal(n)
			}
		}
	})
}
