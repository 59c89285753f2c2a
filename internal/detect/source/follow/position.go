package follow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// sampleBytes is how much of a file's beginning, and of what stands before its offset, tells it from others.
const sampleBytes = 1024

// position is what is known of a file across restarts.
type position struct {
	Path   string   `json:"path"`
	ID     identity `json:"id"`
	Offset int64    `json:"offset"` // everything before it is in the sink
	Line   uint64   `json:"line"`   // how many lines that is
	Head   sample   `json:"head"`   // its beginning
	Tail   sample   `json:"tail"`   // what stands before Offset
	// Skip: the line at Offset is the rest of one that was cut.
	Skip bool `json:"skip,omitempty"`
	// Binary: it is left alone.
	Binary bool `json:"binary,omitempty"`
	// Before is what the file was when it was last truncated: its copy is known by that.
	Before *position `json:"before,omitempty"`
}

// identity is a file's device and inode; zero where there are none.
type identity struct {
	Device uint64 `json:"dev,omitempty"`
	Inode  uint64 `json:"ino,omitempty"`
}

func (id identity) known() bool { return id != identity{} }

// sample is a piece of a file, up to sampleBytes of it, as a hash.
type sample struct {
	Length int    `json:"len,omitempty"`
	Hash   string `json:"sha256,omitempty"`
}

func (s sample) whole() bool { return s.Length == sampleBytes }

type state struct {
	Version int        `json:"version"`
	Files   []position `json:"files"`
}

const stateVersion = 1

func readState(path string, log *slog.Logger) ([]position, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil || s.Version != stateVersion {
		aside := path + ".damaged"
		log.Error("the positions of followed files cannot be read: they are read from their beginning", "file", path, "set aside as", aside, "error", err)
		return nil, os.Rename(path, aside)
	}
	return s.Files, nil
}

// writeState replaces the file at path so that, whatever happens, it is the old or the new one.
func writeState(path string, positions []position) error {
	data, err := json.Marshal(state{stateVersion, positions})
	if err != nil {
		return err
	}
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// save writes the positions. Where that fails the files are read on: a restart would then read a piece twice.
func (f *Follower) save() {
	positions := make([]position, 0, len(f.files))
	for _, file := range f.files {
		positions = append(positions, file.position)
	}
	err := writeState(f.opt.StateFile, positions)
	if err != nil {
		err = fmt.Errorf("the positions of followed files cannot be written: %w", err)
	}
	f.problem(f.opt.StateFile, err)
}
