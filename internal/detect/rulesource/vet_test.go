package rulesource

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"testing"

	"yagura/internal/platform/fault"
)

// packOf is a pack of one blob of zeros that says it has size bytes and has real ones.
func packOf(t *testing.T, size, real int) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x01")
	first := byte(3<<4 | size&15)
	for size >>= 4; size > 0; size >>= 7 {
		out.WriteByte(first | 0x80)
		first = byte(size & 0x7f)
	}
	out.WriteByte(first)
	z := zlib.NewWriter(&out)
	if _, err := z.Write(make([]byte, real)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(out.Bytes())
	_ = binary.Write(&out, binary.BigEndian, sum[:])
	return out.Bytes()
}

func TestAPackThatSwellsIsRefused(t *testing.T) {
	t.Parallel()
	if err := vet(bytes.NewReader(packOf(t, 1000, 1000))); err != nil {
		t.Errorf("a small pack: %v", err)
	}
	if err := vet(bytes.NewReader(packOf(t, 64<<20, 64<<20))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a pack that says how it swells: %v", err)
	}
	if err := vet(bytes.NewReader(packOf(t, 10, 64<<20))); err == nil {
		t.Error("a pack that hides how it swells was let through")
	}
}
