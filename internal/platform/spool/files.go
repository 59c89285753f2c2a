package spool

import (
	"io"
	"os"
	"runtime"
)

// fileSystem is what the spool asks of the operating system: a seam at which tests make disks fail.
type fileSystem interface {
	Create(path string) (file, error)    // for writing; fails where it exists
	OpenWrite(path string) (file, error) // an existing file, to read and write
	Open(path string) (file, error)      // an existing file, to read
	Remove(path string) error
	ReadDir(dir string) ([]os.DirEntry, error)
	SyncDir(dir string) error
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

type osFiles struct{}

func (osFiles) Create(path string) (file, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}
func (osFiles) OpenWrite(path string) (file, error)       { return os.OpenFile(path, os.O_RDWR, 0) }
func (osFiles) Open(path string) (file, error)            { return os.Open(path) }
func (osFiles) Remove(path string) error                  { return os.Remove(path) }
func (osFiles) ReadDir(dir string) ([]os.DirEntry, error) { return os.ReadDir(dir) }

// SyncDir makes the names in a folder durable. Windows has no such call and writes them with the file.
func (osFiles) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func writeAll(f file, b []byte, at int64) error {
	n, err := f.WriteAt(b, at)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}
