package rulesource

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

// The bounds of a source. SigmaHQ's whole repository has 4,000 files of 10 MiB together.
const (
	maxFiles   = 20_000
	maxFile    = 1 << 20   // bytes of a file
	maxTotal   = 128 << 20 // bytes of all files
	maxEntries = 200_000   // names in a folder or an archive, files of other sorts among them
)

// File is a rule file of a source.
type File struct {
	Name string // its path within the source, with slashes
	Data []byte
	Seen time.Time // when the file was first seen as it is
}

// Pack is the rule files of a source at one moment, by name.
type Pack []File

// gatherer takes files for a pack and holds them to the bounds.
type gatherer struct {
	folders []string // only files below one of them; none: all
	entries int
	total   int64
	files   map[string][]byte
}

func gather(folders string) *gatherer {
	g := &gatherer{files: make(map[string][]byte)}
	for _, folder := range strings.Fields(strings.ReplaceAll(folders, ",", " ")) {
		g.folders = append(g.folders, strings.Trim(path.Clean("/"+folder), "/"))
	}
	return g
}

// wants reports whether a file is one of the source's. Names come from outside: what is no plain path below the source is left out, as is
// everything hidden.
func (g *gatherer) wants(name string) bool {
	if ext := strings.ToLower(path.Ext(name)); ext != ".yml" && ext != ".yaml" {
		return false
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00:") || len(name) > 500 {
		return false
	}
	if slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return false
	}
	return len(g.folders) == 0 || slices.ContainsFunc(g.folders, func(folder string) bool {
		return folder == "" || name == folder || strings.HasPrefix(name, folder+"/")
	})
}

// count is told of every entry that is looked at.
func (g *gatherer) count() error {
	if g.entries++; g.entries > maxEntries {
		return tooMuch("it has more than %d entries", maxEntries)
	}
	return nil
}

// take reads one file to its end.
func (g *gatherer) take(name string, from io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxFile {
		return tooMuch("%s is larger than %d bytes", name, maxFile)
	}
	if g.total += int64(len(data)); g.total > maxTotal {
		return tooMuch("its files are larger than %d bytes together", maxTotal)
	}
	if g.files[name] = data; len(g.files) > maxFiles {
		return tooMuch("it has more than %d rule files", maxFiles)
	}
	return nil
}

func tooMuch(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	return &fault.Error{Code: fault.TooLarge, Key: "rulesource.fault.large", Args: []any{what}, Detail: "the source is too large: " + what}
}

// pack ends the gathering. Files that are as they were in before keep the time at which they were first seen.
func (g *gatherer) pack(before Pack, now time.Time) Pack {
	p := make(Pack, 0, len(g.files))
	for name, data := range g.files {
		f := File{Name: name, Data: data, Seen: now}
		if old := before.find(name); old != nil && bytes.Equal(old.Data, data) {
			f.Seen = old.Seen
		}
		p = append(p, f)
	}
	slices.SortFunc(p, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// find returns a file by name, nil where there is none.
func (p Pack) find(name string) *File {
	i, ok := slices.BinarySearchFunc(p, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return &p[i]
}

// same reports whether two packs hold the same files.
func (p Pack) same(other Pack) bool {
	return slices.EqualFunc(p, other, func(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) })
}

// archive writes the pack as a zip, in which each file has the time when it was first seen: what reads it knows by size and time which files
// are others than before.
func (p Pack) archive() ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range p {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: f.Seen.UTC().Truncate(time.Second)})
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(f.Data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// unarchive reads what archive wrote.
func unarchive(data []byte) (Pack, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	g := gather("")
	seen := make(map[string]time.Time, len(r.File))
	for _, f := range r.File {
		if err := g.entry(f, f.Name); err != nil {
			return nil, err
		}
		seen[f.Name] = f.Modified.UTC()
	}
	p := g.pack(nil, time.Time{})
	for i := range p {
		p[i].Seen = seen[p[i].Name]
	}
	return p, nil
}

// entry takes a file of an archive, under a name.
func (g *gatherer) entry(f *zip.File, name string) error {
	if err := g.count(); err != nil {
		return err
	}
	if !f.Mode().IsRegular() || !g.wants(name) {
		return nil
	}
	if f.UncompressedSize64 > maxFile {
		return tooMuch("%s is larger than %d bytes", name, maxFile)
	}
	in, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer in.Close()
	return g.take(name, in)
}

// readZip takes the rule files of an archive that came from outside. Where all of it lies in one folder, as in the archives that code hosts
// make of a repository, names begin below that.
func readZip(data []byte, folders string) (*gatherer, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "rulesource.fault.zip", "it is no zip archive: %w", err)
	}
	if len(r.File) > maxEntries {
		return nil, tooMuch("it has more than %d entries", maxEntries)
	}
	g, top := gather(folders), commonTop(r.File)
	for _, f := range r.File {
		if err := g.entry(f, strings.TrimPrefix(f.Name, top)); err != nil {
			return nil, damaged(err)
		}
	}
	return g, g.clash()
}

// clash finds a file that is a folder of others as well: an archive can say so, and nothing that reads it as files and folders can bear it.
func (g *gatherer) clash() error {
	for name := range g.files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, both := g.files[dir]; both {
				return fault.New(fault.Invalid, "rulesource.fault.zip", "%q is a file and a folder", dir)
			}
		}
	}
	return nil
}

func damaged(err error) error {
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Invalid, "rulesource.fault.zip", "the zip archive is damaged: %w", err)
	}
	return err
}

// commonTop is the folder in which all files of an archive lie, with its slash; "" where there is none.
func commonTop(files []*zip.File) string {
	top := ""
	for i, f := range files {
		first, _, below := strings.Cut(f.Name, "/")
		if !below || i > 0 && first+"/" != top {
			return ""
		}
		top = first + "/"
	}
	return top
}

// digest is a short name of a pack's content.
func (p Pack) digest() string {
	sum := sha256.New()
	for _, f := range p {
		fmt.Fprintf(sum, "%s\x00%d\x00", f.Name, len(f.Data))
		_, _ = sum.Write(f.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
