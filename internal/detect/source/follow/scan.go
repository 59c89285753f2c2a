package follow

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// compressed are the endings of files that rotation has packed: their lines were read before.
const compressed = " .gz .zst .bz2 .xz .zip .7z .lz4 .z .tgz "

func isCompressed(path string) bool {
	ending := strings.ToLower(filepath.Ext(path))
	return ending != "" && strings.Contains(compressed, " "+ending+" ")
}

// found is a file that the patterns name now.
type found struct {
	path string
	info fs.FileInfo
}

// expand returns the files that the patterns name now, each once, and the folders in which others may appear.
func (f *Follower) expand() (files []found, dirs map[string]bool) {
	dirs = make(map[string]bool)
	seen := make(map[string]bool)
	take := func(path string) {
		if seen[path] || isCompressed(path) {
			return
		}
		seen[path] = true
		info, err := os.Stat(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				f.problem(path, err)
			}
			return
		}
		if info.Mode().IsRegular() {
			files = append(files, found{path, info})
			dirs[filepath.Dir(path)] = true
		}
	}
	for _, pattern := range f.opt.Patterns {
		if info, err := os.Stat(pattern); err == nil && info.IsDir() {
			f.walk(pattern, dirs, take)
			continue
		}
		matches, _ := filepath.Glob(pattern) // its only error is a bad pattern, see New
		for _, path := range matches {
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				f.walk(path, dirs, take)
				continue
			}
			take(path)
		}
		if dir := filepath.Dir(pattern); !strings.ContainsAny(dir, `*?[`) {
			if _, err := os.Stat(dir); err == nil {
				dirs[dir] = true
			}
		}
	}
	return files, dirs
}

func (f *Follower) walk(root string, dirs map[string]bool, take func(string)) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			f.problem(path, err)
		case d.IsDir():
			dirs[path] = true
		default:
			take(path)
		}
		return nil
	})
}

// scan brings the list of files in line with what is on disk. New files first: the copy of a file that was truncated is
// known by what the file was before.
func (f *Follower) scan() (dirs map[string]bool) {
	now, dirs := f.expand()
	present := make(map[*file]bool, len(now))
	for _, here := range now {
		known := f.known(here)
		if known == nil {
			if known = f.adopt(here); known == nil {
				continue
			}
			f.files = append(f.files, known)
		}
		known.Path, known.gone = here.path, time.Time{}
		known.size, known.time = here.info.Size(), here.info.ModTime()
		present[known] = true
	}
	for _, file := range f.files {
		switch {
		case present[file]:
			if err := f.checkSame(file); err != nil {
				f.problem(file.Path, err)
			}
		case file.gone.IsZero():
			file.gone = time.Now()
		}
	}
	return dirs
}

// known returns the file that we have under this identity, or under this path where there are no identities.
func (f *Follower) known(here found) *file {
	id := identityOf(here.info)
	for _, file := range f.files {
		if id.known() && file.ID == id || !id.known() && file.Path == here.path {
			return file
		}
	}
	return nil
}

// adopt begins a file that is new to us: where its original was read to, if it is a copy of one, otherwise at its
// beginning. It returns nil where that cannot be told yet.
func (f *Follower) adopt(here found) *file {
	h, err := headOf(here.path, sampleBytes)
	if err != nil {
		f.problem(here.path, err)
		return nil
	}
	next := &file{position: position{Path: here.path, ID: identityOf(here.info), Head: h}}
	for _, original := range f.originals(h, here.path) {
		if here.info.Size() < original.Offset {
			if time.Since(here.info.ModTime()) < f.opt.Linger {
				return nil // it is being copied
			}
			continue
		}
		if same, err := endsAs(here.path, original); err == nil && same {
			next.Offset, next.Line, next.Skip, next.Tail = original.Offset, original.Line, original.Skip, original.Tail
			return next
		}
	}
	return next
}

// originals returns what began with that head: files, and what they were before they were truncated.
func (f *Follower) originals(h sample, except string) (list []position) {
	if !h.whole() {
		return nil // too short to tell
	}
	for _, file := range f.files {
		if file.Head == h && file.Path != except {
			list = append(list, file.position)
		}
		if file.Before != nil && file.Before.Head == h {
			list = append(list, *file.Before)
		}
	}
	return list
}

// endsAs reports whether the file at path has, before the original's offset, what the original had there.
func endsAs(path string, original position) (bool, error) {
	handle, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer handle.Close()
	return tailOf(handle, original.Offset) == original.Tail, nil
}

// checkSame finds out whether a file is still what it was: it is begun again if it became shorter or begins differently.
func (f *Follower) checkSame(file *file) error {
	if file.time.Equal(file.checked) && file.size >= file.Offset {
		return nil // nothing was written since
	}
	another := file.size < file.Offset
	if !another && file.Head.Length > 0 {
		h, err := headOf(file.Path, file.Head.Length)
		if err != nil {
			return err
		}
		another = h != file.Head
	}
	if another {
		was := file.position
		was.Before = nil
		file.position = position{Path: file.Path, ID: file.ID, Before: &was}
	}
	if !file.Head.whole() && file.size > int64(file.Head.Length) {
		h, err := headOf(file.Path, sampleBytes)
		if err != nil {
			return err
		}
		file.Head = h
	}
	file.checked = file.time
	return nil
}

// findRotated looks, at the start, for files that were renamed while nobody watched: in the folder where they were, under
// the inode they had. They are read to their end though no pattern may name them any more.
func (f *Follower) findRotated() {
	for _, file := range f.files {
		info, err := os.Stat(file.Path)
		if !file.ID.known() || err == nil && identityOf(info) == file.ID {
			continue
		}
		entries, err := os.ReadDir(filepath.Dir(file.Path))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			path := filepath.Join(filepath.Dir(file.Path), entry.Name())
			info, err := os.Stat(path)
			if err != nil || identityOf(info) != file.ID || isCompressed(path) {
				continue
			}
			if h, err := headOf(path, file.Head.Length); err == nil && h == file.Head {
				file.Path, file.size = path, info.Size()
			}
			break
		}
	}
}
