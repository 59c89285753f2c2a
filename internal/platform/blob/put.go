package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"yagura/internal/platform/fault"
)

// Put stores what r gives, up to limit bytes, and returns its name and size. Errors: fault.TooLarge for more than limit,
// fault.Unavailable where disk or bucket fail or are full, and r's own.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (Blob, error) {
	staged, err := os.CreateTemp(s.incoming, "put-*") // for its owner only
	if err != nil {
		return Blob{}, refusal(err)
	}
	defer os.Remove(staged.Name()) // it is elsewhere by then, unless something failed
	b, err := s.take(reader{ctx, r}, staged, limit)
	if err == nil {
		err = refusal(staged.Sync())
	}
	if closed := staged.Close(); err == nil {
		err = refusal(closed)
	}
	if err != nil {
		return Blob{}, err
	}
	return b, s.keeper.keep(ctx, staged.Name(), b)
}

// take copies r into the staged file and hashes it on the way.
func (s *Store) take(r io.Reader, staged *os.File, limit int64) (Blob, error) {
	hash, to := sha256.New(), s.through(staged)
	buf := make([]byte, 128<<10)
	var size int64
	for {
		n, err := r.Read(buf)
		if size += int64(n); size > limit {
			return Blob{}, tooLarge(limit)
		}
		hash.Write(buf[:n])
		if _, failed := to.Write(buf[:n]); failed != nil {
			return Blob{}, refusal(failed)
		}
		if err == io.EOF {
			return Blob{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: size}, nil
		}
		if body, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return Blob{}, tooLarge(body.Limit)
		}
		if err != nil {
			return Blob{}, fmt.Errorf("reading the file that is put: %w", err)
		}
	}
}

func tooLarge(limit int64) error {
	err := fault.New(fault.TooLarge, "fault.blob.too_large", "the file has more than %d bytes", limit)
	err.Args = []any{fmt.Sprintf("%.4g", float64(limit)/(1<<20))}
	return err
}
