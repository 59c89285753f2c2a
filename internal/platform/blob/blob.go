// Package blob keeps files: what people attach, and what the program makes for them. A file is named by the SHA-256 of its
// content, and stands in a folder or in an S3 bucket.
//
// What it promises:
//
//   - When Put returns, the file is on disk (synced, with its name) or in the bucket, whole. Before, nobody sees it.
//   - A file that is refused, too large or cut off, leaves nothing behind; a process that dies while it takes one leaves a part
//     that the next Sweep takes away.
//   - Memory does not grow with the file, whichever way it goes.
//   - The same content is stored once. Put again, it mends a stored copy that was damaged.
//   - Open does not check what it reads; Verify does, and names the file whose bytes have changed.
//   - A folder's files are for its owner only. No name from outside becomes a path.
//   - Nothing is ever unpacked, drawn or otherwise understood: a zip bomb is a small file. What a browser may show of it by itself is
//     decided by the file's first bytes (Serve).
//   - A Store is safe for concurrent use, and several processes may share a folder or a bucket.
//
// The sad path that remains: a bucket knows no locks. Where content that nobody has used for the grace time is put again within the
// milliseconds in which another node's Sweep, having looked at its age, deletes it, it is lost. In a folder a lock prevents that.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"yagura/internal/platform/fault"
)

// Blob names stored content.
type Blob struct {
	SHA256 string // 64 hexadecimal digits, lower case
	Size   int64  // bytes
}

// Stored is a blob as Walk finds it.
type Stored struct {
	Blob
	Put time.Time // when it was put last
}

// Options say where files are kept.
type Options struct {
	Dir string // folder of the files; with S3, of those on their way to the bucket
	S3  S3     // a bucket in the folder's place; none without an endpoint
}

// Store is the files.
type Store struct {
	incoming string // folder of files that are still being taken
	keeper   keeper
	through  func(*os.File) io.Writer // what a file on its way is written through
}

// keeper is a place where whole files stay. Names have been checked.
type keeper interface {
	// keep takes over a staged file, synced and closed. It may move it.
	keep(ctx context.Context, staged string, b Blob) error
	open(ctx context.Context, sha string) (io.ReadSeekCloser, error)
	remove(ctx context.Context, sha string) error
	// removeOld removes a file unless it was put after before, and reports whether it did.
	removeOld(ctx context.Context, sha string, before time.Time) (bool, error)
	walk(ctx context.Context, each func(Stored) error) error
}

// Open makes the folder and checks the settings; a bucket is not asked yet.
func Open(opt Options) (*Store, error) {
	s := &Store{incoming: filepath.Join(opt.Dir, "incoming"), through: func(f *os.File) io.Writer { return f }}
	if err := os.MkdirAll(s.incoming, 0o700); err != nil {
		return nil, refusal(fmt.Errorf("the folder of files: %w", err))
	}
	if opt.S3.Endpoint == "" {
		s.keeper = folder{opt.Dir}
		return s, nil
	}
	var err error
	s.keeper, err = opt.S3.open()
	return s, err
}

// Open opens a file for reading, from any place in it. A fault.NotFound where there is none. The context must last as long as the
// file is read.
func (s *Store) Open(ctx context.Context, sha string) (io.ReadSeekCloser, error) {
	if err := check(sha); err != nil {
		return nil, err
	}
	return s.keeper.open(ctx, sha)
}

// ChangedError says that a stored file is no longer what was put.
type ChangedError struct {
	SHA256 string // what it was, and is named
	Now    string // what it is
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the file %s was changed: its SHA-256 is now %s", e.SHA256, e.Now)
}

// Verify reads a file through and compares it with its name. It returns a fault that wraps a *ChangedError where they differ.
func (s *Store) Verify(ctx context.Context, sha string) error {
	f, err := s.Open(ctx, sha)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, reader{ctx, f}); err != nil {
		return fmt.Errorf("verifying the file %s: %w", sha, err)
	}
	if now := hex.EncodeToString(hash.Sum(nil)); now != sha {
		return fault.New(fault.Internal, "fault.blob.changed", "%w", &ChangedError{SHA256: sha, Now: now})
	}
	return nil
}

// Delete removes a file at once, for everybody who has put it. A fault.NotFound where there is none. Where others may have put the
// same content, leave it to Sweep.
func (s *Store) Delete(ctx context.Context, sha string) error {
	if err := check(sha); err != nil {
		return err
	}
	return s.keeper.remove(ctx, sha)
}

// Walk calls each for every stored file, in no order, until it returns an error.
func (s *Store) Walk(ctx context.Context, each func(Stored) error) error {
	return s.keeper.walk(ctx, each)
}

// check refuses what is no SHA-256 in lower case: names become paths.
func check(sha string) error {
	if !named(sha) {
		return fault.New(fault.Invalid, "fault.blob.name", "%q is no SHA-256 in hexadecimal digits", sha)
	}
	return nil
}

func named(sha string) bool {
	for _, c := range []byte(sha) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(sha) == 2*sha256.Size
}

func notFound(sha string) error {
	return fault.New(fault.NotFound, "fault.blob.not_found", "there is no file %s", sha)
}

// refusal makes a fault of what the disk said.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case isDiskFull(err):
		return fault.New(fault.Unavailable, "fault.blob.disk_full", "no room for the file: %w", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fault.New(fault.Unavailable, "fault.blob.failed", "the store of files: %w", err)
	}
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
