package blob_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"golang.org/x/sync/errgroup"

	"yagura/internal/platform/blob"
	"yagura/internal/platform/fault"
)

const hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"

// shelf is a store with what a test needs to tamper with it.
type shelf struct {
	*blob.Store
	dir string
	// damage changes stored content behind the store's back.
	damage func(t *testing.T, sha string)
	// age makes a stored file old.
	age func(t *testing.T, sha string, by time.Duration)
}

// each runs a test on a folder and on an S3 server.
func each(t *testing.T, test func(t *testing.T, s shelf)) {
	t.Helper()
	t.Parallel()
	t.Run("folder", func(t *testing.T) { t.Parallel(); test(t, inFolder(t)) })
	t.Run("s3", func(t *testing.T) { t.Parallel(); test(t, inBucket(t)) })
}

func inFolder(t *testing.T) shelf {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	s, err := blob.Open(blob.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	path := func(sha string) string { return filepath.Join(dir, sha[:2], sha) }
	return shelf{s, dir,
		func(t *testing.T, sha string) {
			t.Helper()
			f, err := os.OpenFile(path(sha), os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt([]byte{'J'}, 0)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		func(t *testing.T, sha string, by time.Duration) {
			t.Helper()
			when := time.Now().Add(-by)
			if err := os.Chtimes(path(sha), when, when); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// clock is the S3 server's, so that objects can be old.
type clock struct{ back time.Duration }

func (c *clock) Now() time.Time                  { return time.Now().Add(-c.back) }
func (c *clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// inBucket has an S3 server in this process: gofakes3, which is held to the AWS SDK's behaviour by its own tests.
func inBucket(t *testing.T) shelf {
	t.Helper()
	now := &clock{}
	memory := s3mem.New(s3mem.WithTimeSource(now))
	if err := memory.CreateBucket("yagura"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(memory, gofakes3.WithTimeSource(now), gofakes3.WithTimeSkewLimit(0)).Server())
	t.Cleanup(server.Close)
	dir := filepath.Join(t.TempDir(), "blobs")
	s, err := blob.Open(blob.Options{Dir: dir, S3: blob.S3{
		Endpoint: server.URL, Bucket: "yagura", Region: "us-east-1", Prefix: "files/", AccessKey: "key", SecretKey: "secret",
	}})
	if err != nil {
		t.Fatal(err)
	}
	key := func(sha string) string { return "files/" + sha[:2] + "/" + sha }
	return shelf{s, dir,
		func(t *testing.T, sha string) {
			t.Helper()
			if _, err := memory.PutObject("yagura", key(sha), map[string]string{}, strings.NewReader("Jello"), 5, nil); err != nil {
				t.Fatal(err)
			}
		},
		func(t *testing.T, sha string, by time.Duration) {
			t.Helper()
			content := read(t, s, sha)
			now.back = by
			defer func() { now.back = 0 }()
			meta := map[string]string{"Last-Modified": now.Now().UTC().Format(http.TimeFormat)}
			if _, err := memory.PutObject("yagura", key(sha), meta, strings.NewReader(content), int64(len(content)), nil); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func put(t *testing.T, s *blob.Store, content string) blob.Blob {
	t.Helper()
	b, err := s.Put(t.Context(), strings.NewReader(content), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, s *blob.Store, sha string) string {
	t.Helper()
	f, err := s.Open(t.Context(), sha)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func stored(t *testing.T, s *blob.Store) []blob.Blob {
	t.Helper()
	var list []blob.Blob
	if err := s.Walk(t.Context(), func(f blob.Stored) error { list = append(list, f.Blob); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// nothingIncoming fails where a part of a file was left.
func nothingIncoming(t *testing.T, s shelf) {
	t.Helper()
	if parts, err := os.ReadDir(filepath.Join(s.dir, "incoming")); err != nil || len(parts) > 0 {
		t.Errorf("left in incoming: %v, %v", parts, err)
	}
}

func TestAFileComesBackUnderItsHash(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		b := put(t, s.Store, "hello")
		if b != (blob.Blob{SHA256: hello, Size: 5}) {
			t.Errorf("it was put as %+v", b)
		}
		f, err := s.Open(t.Context(), hello)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Seek(1, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(f); err != nil || string(rest) != "ello" {
			t.Errorf("from its second byte it reads %q, %v", rest, err)
		}
		if err := s.Verify(t.Context(), hello); err != nil {
			t.Errorf("verifying: %v", err)
		}
		if empty := put(t, s.Store, ""); read(t, s.Store, empty.SHA256) != "" {
			t.Error("an empty file is not empty")
		}
		nothingIncoming(t, s)
	})
}

func TestTheSameContentIsStoredOnce(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		var all errgroup.Group
		for range 8 {
			all.Go(func() error {
				for range 5 {
					if _, err := s.Put(t.Context(), strings.NewReader("hello"), 5); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		if list := stored(t, s.Store); len(list) != 1 || list[0].SHA256 != hello || list[0].Size != 5 {
			t.Errorf("stored: %+v", list)
		}
		nothingIncoming(t, s)
	})
}

func TestAChangedByteIsFound(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		put(t, s.Store, "hello")
		s.damage(t, hello)
		err := s.Verify(t.Context(), hello)
		if changed, ok := errors.AsType[*blob.ChangedError](err); !ok || changed.SHA256 != hello || changed.Now == hello || len(changed.Now) != 64 {
			t.Errorf("verifying says %v", err)
		}
		if !strings.Contains(err.Error(), hello) {
			t.Errorf("%q does not name the file", err)
		}
		put(t, s.Store, "hello")
		if err := s.Verify(t.Context(), hello); err != nil {
			t.Errorf("after the content was put again: %v", err)
		}
	})
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		if _, err := s.Open(t.Context(), hello); !fault.Is(err, fault.NotFound) {
			t.Errorf("opening: %v", err)
		}
		if err := s.Verify(t.Context(), hello); !fault.Is(err, fault.NotFound) {
			t.Errorf("verifying: %v", err)
		}
		if err := s.Delete(t.Context(), hello); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleting: %v", err)
		}
		put(t, s.Store, "hello")
		if err := s.Delete(t.Context(), hello); err != nil {
			t.Errorf("deleting: %v", err)
		}
		if list := stored(t, s.Store); len(list) != 0 {
			t.Errorf("after deleting there is %v", list)
		}
	})
}

func TestNoNameFromOutsideBecomesAPath(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		put(t, s.Store, "hello")
		outside := filepath.Join(s.dir, "..", "secret")
		if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, sha := range []string{
			"", "../secret", "..", "/etc/passwd", strings.ToUpper(hello), hello + "0", hello[:63], hello[:2] + "/" + hello,
			strings.Repeat("../", 20) + "root", strings.Repeat(".", 64), hello[:63] + "\x00", hello[:62] + "／", "incoming",
		} {
			if _, err := s.Open(t.Context(), sha); !fault.Is(err, fault.Invalid) {
				t.Errorf("opening %q: %v", sha, err)
			}
			if err := s.Verify(t.Context(), sha); !fault.Is(err, fault.Invalid) {
				t.Errorf("verifying %q: %v", sha, err)
			}
			if err := s.Delete(t.Context(), sha); !fault.Is(err, fault.Invalid) {
				t.Errorf("deleting %q: %v", sha, err)
			}
		}
		if _, err := os.Stat(outside); err != nil {
			t.Error(err)
		}
	})
}

// zeros is an upload without an end.
type zeros struct{ given int64 }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.given += int64(len(p))
	return len(p), nil
}

func TestTwoGigabytesAreRefusedAtTheLimitAndLeaveNothing(t *testing.T) {
	t.Parallel()
	s := inFolder(t)
	written := &counted{}
	s.Through(func(f *os.File) io.Writer { return io.MultiWriter(f, written) })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	upload := &zeros{}
	const limit = 8 << 20
	_, err := s.Put(t.Context(), io.LimitReader(upload, 2<<30), limit)
	runtime.ReadMemStats(&after)
	if !fault.Is(err, fault.TooLarge) {
		t.Fatalf("it was answered with %v", err)
	}
	if upload.given > limit+1<<20 || written.bytes > limit {
		t.Errorf("%d bytes were read and %d written of a limit of %d", upload.given, written.bytes, limit)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 { // others run beside it
		t.Errorf("it took %d bytes of memory", used)
	}
	nothingIncoming(t, s)
	if list := stored(t, s.Store); len(list) != 0 {
		t.Errorf("stored: %v", list)
	}
}

type counted struct{ bytes int64 }

func (c *counted) Write(p []byte) (int, error) { c.bytes += int64(len(p)); return len(p), nil }

func TestTheLimitIsExact(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		if _, err := s.Put(t.Context(), strings.NewReader("hello"), 5); err != nil {
			t.Errorf("five bytes of five: %v", err)
		}
		if _, err := s.Put(t.Context(), strings.NewReader("hello!"), 5); !fault.Is(err, fault.TooLarge) {
			t.Errorf("six bytes of five: %v", err)
		}
		body := http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader("hello!")), 3)
		if _, err := s.Put(t.Context(), body, 100); !fault.Is(err, fault.TooLarge) {
			t.Errorf("a body that the server cuts off: %v", err)
		}
	})
}

func TestAnUploadThatIsCutOffLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		gone := errors.New("the visitor has left")
		if _, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(gone)), 100); !errors.Is(err, gone) {
			t.Errorf("it was answered with %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Put(ctx, strings.NewReader("hello"), 100); !errors.Is(err, context.Canceled) {
			t.Errorf("a request that has ended: %v", err)
		}
		nothingIncoming(t, s)
		if list := stored(t, s.Store); len(list) != 0 {
			t.Errorf("stored: %v", list)
		}
	})
}

func TestAFullDiskIsSaid(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	t.Cleanup(func() { full.Close() })
	s := inFolder(t)
	s.Through(func(*os.File) io.Writer { return full })
	_, err = s.Put(t.Context(), strings.NewReader("hello"), 100)
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Unavailable || f.Key != "fault.blob.disk_full" {
		t.Errorf("it was answered with %v", err)
	}
	nothingIncoming(t, s)
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s := inFolder(t)
	put(t, s.Store, "hello")
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSweepTakesWhatNobodyUses(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		old, fresh, again := put(t, s.Store, "old"), put(t, s.Store, "fresh"), put(t, s.Store, "again")
		inUse, another := put(t, s.Store, "in use"), put(t, s.Store, "in another's use")
		for _, b := range []blob.Blob{old, inUse, another, again} {
			s.age(t, b.SHA256, 48*time.Hour)
		}
		put(t, s.Store, "again") // an upload in flight of content that an orphan has
		uses := func(b blob.Blob) blob.User {
			return func(_ context.Context, sha string) (bool, error) { return sha == b.SHA256, nil }
		}
		swept, err := s.Sweep(t.Context(), blob.Grace, uses(inUse), uses(another))
		if err != nil || swept != (blob.Swept{Files: 1, Bytes: 3}) {
			t.Errorf("swept %+v, %v", swept, err)
		}
		if _, err := s.Open(t.Context(), old.SHA256); !fault.Is(err, fault.NotFound) {
			t.Errorf("the orphan: %v", err)
		}
		for _, b := range []blob.Blob{fresh, inUse, another, again} {
			if err := s.Verify(t.Context(), b.SHA256); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSweepStopsWhereItCannotAsk(t *testing.T) {
	each(t, func(t *testing.T, s shelf) {
		b := put(t, s.Store, "old")
		s.age(t, b.SHA256, 48*time.Hour)
		broken := errors.New("the database is gone")
		if _, err := s.Sweep(t.Context(), blob.Grace, func(context.Context, string) (bool, error) { return false, broken }); !errors.Is(err, broken) {
			t.Errorf("it was answered with %v", err)
		}
		if _, err := s.Sweep(t.Context(), 0, func(context.Context, string) (bool, error) { return false, nil }); !fault.Is(err, fault.Invalid) {
			t.Errorf("without a grace time: %v", err)
		}
		if _, err := s.Sweep(t.Context(), blob.Grace); !fault.Is(err, fault.Invalid) {
			t.Errorf("with nobody to ask: %v", err)
		}
		if err := s.Verify(t.Context(), b.SHA256); err != nil {
			t.Error(err)
		}
	})
}

func TestSweepTakesPartsOfUploadsThatDied(t *testing.T) {
	t.Parallel()
	s := inFolder(t)
	dead, alive := filepath.Join(s.dir, "incoming", "put-1"), filepath.Join(s.dir, "incoming", "put-2")
	for _, path := range []string{dead, alive} {
		if err := os.WriteFile(path, []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(dead, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), blob.Grace, func(context.Context, string) (bool, error) { return true, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the part of a dead upload: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("the part of one in flight: %v", err)
	}
}

// TestWhatIsBeingPutIsNotSweptAway stops an upload, as another process has it, at the moment when its file has its name, and lets
// a sweep come by that knows the content as an old orphan.
func TestWhatIsBeingPutIsNotSweptAway(t *testing.T) {
	t.Parallel()
	s := inFolder(t)
	put(t, s.Store, "hello")
	s.age(t, hello, 48*time.Hour)
	upload, err := blob.Lock(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	swept, looked := make(chan error, 1), make(chan struct{})
	go func() {
		_, err := s.Sweep(t.Context(), blob.Grace, func(context.Context, string) (bool, error) { close(looked); return false, nil })
		swept <- err
	}()
	<-looked
	time.Sleep(50 * time.Millisecond) // time enough to remove the file, for a sweep that does not wait
	if _, err := os.Stat(filepath.Join(s.dir, hello[:2], hello)); err != nil {
		t.Fatalf("it is gone: %v", err)
	}
	s.age(t, hello, 0)
	if err := upload.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), hello); err != nil {
		t.Error(err)
	}
}

func TestAZipBombIsASmallFile(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("zeros")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.LimitReader(&zeros{}, 256<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := inFolder(t)
	b, err := s.Put(t.Context(), bytes.NewReader(bomb.Bytes()), 1<<20)
	if err != nil || b.Size != int64(bomb.Len()) {
		t.Fatalf("%d bytes were put as %+v, %v", bomb.Len(), b, err)
	}
	sum := sha256.Sum256(bomb.Bytes())
	if b.SHA256 != hex.EncodeToString(sum[:]) || read(t, s.Store, b.SHA256) != bomb.String() {
		t.Error("it is not what was put")
	}
	if list := stored(t, s.Store); len(list) != 1 {
		t.Errorf("stored: %v", list)
	}
}

func TestWrongS3SettingsAreRefused(t *testing.T) {
	t.Parallel()
	good := blob.S3{Endpoint: "https://s3.example.com", Bucket: "b", AccessKey: "a", SecretKey: "s"}
	for name, change := range map[string]func(*blob.S3){
		"no address":         func(s *blob.S3) { s.Endpoint = "s3.example.com" },
		"not HTTP":           func(s *blob.S3) { s.Endpoint = "ftp://s3.example.com" },
		"bucket in the path": func(s *blob.S3) { s.Endpoint = "https://s3.example.com/b" },
		"key in the address": func(s *blob.S3) { s.Endpoint = "https://a:s@s3.example.com" },
		"no bucket":          func(s *blob.S3) { s.Bucket = "" },
		"no secret":          func(s *blob.S3) { s.SecretKey = "" },
	} {
		opt := good
		change(&opt)
		if _, err := blob.Open(blob.Options{Dir: t.TempDir(), S3: opt}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := blob.Open(blob.Options{Dir: t.TempDir(), S3: good}); err != nil {
		t.Errorf("right settings: %v", err)
	}
}

func TestABucketThatCannotBeReachedIsSaid(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s, err := blob.Open(blob.Options{Dir: t.TempDir(), S3: blob.S3{Endpoint: gone.URL, Bucket: "b", Region: "us-east-1", AccessKey: "a", SecretKey: "s"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), strings.NewReader("hello"), 5); !fault.Is(err, fault.Unavailable) {
		t.Errorf("putting: %v", err)
	}
	if _, err := s.Open(t.Context(), hello); !fault.Is(err, fault.Unavailable) {
		t.Errorf("opening: %v", err)
	}
}
