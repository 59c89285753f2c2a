package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// folder keeps a file under the first two digits of its name. Putting takes its lock shared, sweeping alone: so a file that is put
// again cannot be swept away between the look at its age and its removal.
type folder struct{ dir string }

func (f folder) path(sha string) string { return filepath.Join(f.dir, sha[:2], sha) }

func (f folder) lock(alone bool) (io.Closer, error) {
	return lockFile(filepath.Join(f.dir, "lock"), alone)
}

func (f folder) keep(_ context.Context, staged string, b Blob) error {
	lock, err := f.lock(false)
	if err != nil {
		return refusal(err)
	}
	defer lock.Close()
	path := f.path(b.SHA256)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return refusal(err)
	}
	// Over an older copy, too: its age begins anew, and damage ends. Those who read the old one go on reading it.
	if err := os.Rename(staged, path); err != nil {
		return refusal(err)
	}
	return refusal(errors.Join(syncDir(filepath.Dir(path)), syncDir(f.dir)))
}

func (f folder) open(_ context.Context, sha string) (io.ReadSeekCloser, error) {
	file, err := os.Open(f.path(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(sha)
	}
	if err != nil {
		return nil, refusal(err)
	}
	return file, nil
}

func (f folder) remove(_ context.Context, sha string) error {
	err := os.Remove(f.path(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(sha)
	}
	if err != nil {
		return refusal(err)
	}
	return refusal(syncDir(filepath.Dir(f.path(sha))))
}

func (f folder) removeOld(ctx context.Context, sha string, before time.Time) (bool, error) {
	lock, err := f.lock(true)
	if err != nil {
		return false, refusal(err)
	}
	defer lock.Close()
	switch info, err := os.Stat(f.path(sha)); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // another process was first
	case err != nil:
		return false, refusal(err)
	case info.ModTime().After(before):
		return false, nil
	}
	return true, f.remove(ctx, sha)
}

func (f folder) walk(ctx context.Context, each func(Stored) error) error {
	shelves, err := os.ReadDir(f.dir)
	if err != nil {
		return refusal(err)
	}
	for _, shelf := range shelves {
		if len(shelf.Name()) != 2 || !shelf.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(f.dir, shelf.Name()))
		if err != nil {
			return refusal(err)
		}
		for _, file := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			info, err := file.Info()
			if err != nil || !named(file.Name()) {
				continue // removed meanwhile, or none of ours
			}
			if err := each(Stored{Blob{file.Name(), info.Size()}, info.ModTime()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncDir makes the names in a folder durable. Windows has no such call and writes them with the file.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
