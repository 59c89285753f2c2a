package spool

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// disk is a file system in memory that fails on demand and can lose power: what was written and not synced is
// then there in part, as zeros, or not at all.
type disk struct {
	mu    sync.Mutex
	files map[string]*diskFile
	names map[string]*diskFile // as the last SyncDir left them

	// fail is asked before each "create", "read", "write", "sync", "syncdir", "truncate" and "remove". It returns how many bytes
	// of a write still arrive, and the error.
	fail func(op, name string) (int, error)
}

type diskFile struct {
	disk   *disk
	name   string
	data   []byte
	synced []byte
}

func newDisk() *disk { return &disk{files: map[string]*diskFile{}, names: map[string]*diskFile{}} }

func (d *disk) ask(op, name string) (int, error) {
	if d.fail == nil {
		return 0, nil
	}
	return d.fail(op, name)
}

// failing makes the disk answer err to that operation, until it is called again with nil.
func (d *disk) failing(op string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = func(got, _ string) (int, error) {
		if got == op {
			return 7, err
		}
		return 0, nil
	}
	if err == nil {
		d.fail = nil
	}
}

// cutPower returns the disk as the next start finds it.
func (d *disk) cutPower(rng *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDisk()
	for name, f := range d.files {
		if d.names[name] != f && rng.IntN(2) == 0 {
			continue // the name was never synced
		}
		data := slices.Clone(f.synced)
		if extra := len(f.data) - len(f.synced); extra > 0 {
			kept := slices.Clone(f.data[len(f.synced):][:rng.IntN(extra+1)])
			if len(kept) > 0 && rng.IntN(2) == 0 {
				clear(kept[rng.IntN(len(kept)):])
			}
			data = append(data, kept...)
		}
		after.files[name] = &diskFile{disk: after, name: name, data: data, synced: slices.Clone(data)}
	}
	after.names = mapClone(after.files)
	return after
}

func mapClone(m map[string]*diskFile) map[string]*diskFile {
	c := make(map[string]*diskFile, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func (d *disk) Create(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := filepath.Base(path)
	if _, err := d.ask("create", name); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, os.ErrExist
	}
	d.files[name] = &diskFile{disk: d, name: name}
	return d.files[name], nil
}

func (d *disk) Open(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[filepath.Base(path)]; f != nil {
		return f, nil
	}
	return nil, os.ErrNotExist
}

func (d *disk) OpenWrite(path string) (file, error) { return d.Open(path) }

func (d *disk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := filepath.Base(path)
	if _, err := d.ask("remove", name); err != nil {
		return err
	}
	delete(d.files, name)
	delete(d.names, name)
	return nil
}

func (d *disk) ReadDir(string) ([]os.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var entries []os.DirEntry
	for _, f := range d.files {
		entries = append(entries, fs.FileInfoToDirEntry(diskInfo{f.name, int64(len(f.data))}))
	}
	return entries, nil
}

func (d *disk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("syncdir", ""); err != nil {
		return err
	}
	d.names = mapClone(d.files)
	return nil
}

func (f *diskFile) WriteAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.disk.ask("write", f.name)
	if err == nil {
		n = len(b)
	}
	n = min(n, len(b))
	if grow := int(at) + n - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[at:], b[:n])
	return n, err
}

func (f *diskFile) ReadAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.ask("read", f.name); err != nil {
		return 0, err
	}
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.ask("sync", f.name); err != nil {
		return err
	}
	f.synced = slices.Clone(f.data)
	return nil
}

func (f *diskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if _, err := f.disk.ask("truncate", f.name); err != nil {
		return err
	}
	f.data = f.data[:min(int(size), len(f.data))]
	f.synced = f.synced[:min(int(size), len(f.synced))]
	return nil
}

func (f *diskFile) Close() error { return nil }

type diskInfo struct {
	name string
	size int64
}

func (i diskInfo) Name() string       { return i.name }
func (i diskInfo) Size() int64        { return i.size }
func (i diskInfo) Mode() os.FileMode  { return 0o600 }
func (i diskInfo) ModTime() time.Time { return time.Time{} }
func (i diskInfo) IsDir() bool        { return false }
func (i diskInfo) Sys() any           { return nil }
