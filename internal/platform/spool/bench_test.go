package spool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"yagura/internal/platform/spool"
)

// BenchmarkAppend compares Append, called from several goroutines, with a plain file that every goroutine writes and
// syncs under a lock: what a log without group commit does. 1 KiB a record.
func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 1024)
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("spool/%d", goroutines), func(b *testing.B) {
			s := openDir(b, b.TempDir(), spool.Options{})
			b.SetBytes(int64(len(payload)))
			spread(b, goroutines, func() error {
				_, err := s.Append(b.Context(), payload)
				return err
			})
		})
		b.Run(fmt.Sprintf("write+fsync/%d", goroutines), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "log"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var mu sync.Mutex
			b.SetBytes(int64(len(payload)))
			spread(b, goroutines, func() error {
				mu.Lock()
				defer mu.Unlock()
				if _, err := f.Write(payload); err != nil {
					return err
				}
				return f.Sync()
			})
		})
	}
}

// spread runs b.N calls of do on that many goroutines.
func spread(b *testing.B, goroutines int, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRead(b *testing.B) {
	s := openDir(b, b.TempDir(), spool.Options{})
	payload := make([]byte, 16<<10)
	const records = 1000
	for range records {
		mustAppend(b, s, string(payload))
	}
	b.SetBytes(records * int64(len(payload)))
	for b.Loop() {
		r := s.Reader(spool.Position{})
		var buf []byte
		for r.Ready() {
			got, _, err := r.Next(b.Context(), buf)
			if err != nil {
				b.Fatal(err)
			}
			buf = got
		}
		_ = r.Close()
	}
}
