package rule

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yagura/rules"
	"yagura/sigma"
)

// maxFile is the largest rule file that is read; sigma.Parse has the same limit.
const maxFile = 8 << 20

// file is a rule file as it was found.
type file struct {
	name   string // for people: the path; for those in the program "builtin:" and the path below rules/
	origin Origin
	starts string // the state that its new rules begin in; "" for the usual one
	size   int64
	time   time.Time
	fsys   fs.FS
	path   string // in fsys
	digest [sha256.Size]byte
}

func (f *file) same(other *file) bool {
	return other != nil && f.size == other.size && f.time.Equal(other.time) && f.origin == other.origin && f.starts == other.starts
}

// read returns the file's bytes.
func (f *file) read() ([]byte, error) {
	in, err := f.fsys.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("the file is longer than 8 MiB")
	}
	return data, err
}

// find lists the rule files of every origin, the weakest origin first, and what could not be looked at.
func (o *LoadOptions) find() (files []*file, problems []sigma.Problem) {
	unreadable := func(name string, err error) {
		problems = append(problems, sigma.Problem{File: name, Kind: sigma.ProblemRefused, Reason: "cannot be read: " + reason(err)})
	}
	if o.Builtin {
		files = append(files, walk(rules.Files, ".", Builtin, func(p string) string { return "builtin:" + p }, unreadable)...)
	}
	if o.Trees != nil {
		trees, err := o.Trees()
		if err != nil {
			unreadable("", err) // of whichever source
		}
		for _, tree := range trees {
			from := walk(tree.FS, ".", Sourced, func(p string) string { return tree.Name + ":" + p }, unreadable)
			for _, f := range from {
				f.starts = tree.Starts
			}
			files = append(files, from...)
		}
	}
	for _, root := range o.Paths {
		files = append(files, walkPath(root, Folder, unreadable)...)
	}
	if o.Added != "" {
		if _, err := os.Stat(o.Added); !errors.Is(err, fs.ErrNotExist) {
			files = append(files, walkPath(o.Added, Added, unreadable)...)
		}
	}
	seen := make(map[string]bool, len(files))
	files = slices.DeleteFunc(files, func(f *file) bool { // folders may be named twice, or lie in each other
		again := seen[f.name]
		seen[f.name] = true
		return again
	})
	return files, problems
}

// reason is an error without the path, which is named beside it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// walkPath lists the rule files of a folder, or the one file.
func walkPath(root string, origin Origin, unreadable func(string, error)) []*file {
	info, err := os.Stat(root)
	if err != nil {
		unreadable(root, err)
		return nil
	}
	if !info.IsDir() {
		dir, base := filepath.Split(root)
		if dir == "" {
			dir = "."
		}
		return []*file{{name: root, origin: origin, size: info.Size(), time: info.ModTime(), fsys: os.DirFS(dir), path: base}}
	}
	return walk(os.DirFS(root), ".", origin, func(p string) string { return filepath.Join(root, filepath.FromSlash(p)) }, unreadable)
}

// walk lists the .yml and .yaml files below dir. What begins with a dot (.git, .github) is left out.
func walk(fsys fs.FS, dir string, origin Origin, name func(string) string, unreadable func(string, error)) []*file {
	var files []*file
	// The function never returns an error: what cannot be read is reported, and the walk goes on.
	_ = fs.WalkDir(fsys, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			unreadable(name(p), err)
			return nil
		}
		hidden := p != "." && strings.HasPrefix(d.Name(), ".")
		if d.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !isRuleFile(p) {
			return nil
		}
		info, err := fs.Stat(fsys, p) // follows a symbolic link to a file
		if err != nil {
			unreadable(name(p), err)
			return nil
		}
		if info.Mode().IsRegular() {
			files = append(files, &file{name: name(p), origin: origin, size: info.Size(), time: info.ModTime(), fsys: fsys, path: p})
		}
		return nil
	})
	return files
}

func isRuleFile(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yml" || ext == ".yaml"
}

// text returns the text of the rule's document.
func (r *Rule) text() (string, error) {
	data, err := r.file.read()
	if err != nil {
		return "", fmt.Errorf("reading rule file %s: %w", r.file.name, err)
	}
	parsed, err := sigma.Parse(r.file.name, data)
	if err != nil {
		return "", fmt.Errorf("reading rule file %s: %w", r.file.name, err)
	}
	for _, other := range parsed.Rules() {
		if other.Line == r.Line {
			return other.Source, nil
		}
	}
	return string(data), nil // it was edited since: show what is there
}

// maxShown is the largest file that is shown whole.
const maxShown = 256 << 10

// source returns what to show of the rule's file: all of it, so that lines have their numbers, or only the rule's
// document where the file is very large. whole tells which.
func (r *Rule) source() (text string, whole bool, err error) {
	if r.file.size > maxShown {
		text, err = r.text()
		return text, false, err
	}
	data, err := r.file.read()
	if err != nil {
		return "", false, fmt.Errorf("reading rule file %s: %w", r.file.name, err)
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), true, nil
}
