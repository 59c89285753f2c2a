package blob_test

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"yagura/internal/platform/blob"
)

// BenchmarkPut takes a file of 64 MiB, beside the same bytes hashed and written by hand.
func BenchmarkPut(b *testing.B) {
	const size = 64 << 20
	b.Run("store", func(b *testing.B) {
		s, err := blob.Open(blob.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Put(b.Context(), io.LimitReader(&zeros{}, size), size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "file")
		b.SetBytes(size)
		for b.Loop() {
			f, err := os.Create(path)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.MultiWriter(f, sha256.New()), io.LimitReader(&zeros{}, size)); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}
