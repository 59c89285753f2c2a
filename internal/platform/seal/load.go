package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

const (
	// maxKeys and maxText bound what is read as keys.
	maxKeys = 64
	maxText = 64 << 10
	// lookAgain is how long a key that was not found is not looked for in the file again.
	lookAgain = 5 * time.Second
)

// Options say where the keys come from. Where neither Env nor Command is given, File is it, and is made with one new key
// when it is not there. With Env or Command, a File that is there only opens: that is how an installation moves from a
// file to a KMS (rotate, then remove the file).
type Options struct {
	// File holds keys, one a line, the newest last, readable by its owner only.
	File string
	// Env is the keys themselves in the same form, taken from the environment; commas and spaces separate them, too.
	Env string
	// Command prints the keys in the same form; see command.go for its contract.
	Command []string
	// Wrapped is a file that is given to the command on its standard input, "" for none.
	Wrapped string
}

// source is where keys are read from.
type source struct {
	opt  Options
	last time.Time // when the file was last read; guarded by ring.mu
}

// Load reads the keys. Errors are fault.Invalid or fault.Unavailable and say what to do.
func Load(ctx context.Context, opt Options) (*Keys, error) {
	if opt.Env != "" && len(opt.Command) > 0 {
		return nil, fault.New(fault.Invalid, "fault.seal.both", "keys are configured twice, in the environment and by a command: choose one")
	}
	external := opt.Env != "" || len(opt.Command) > 0
	if opt.File == "" && !external {
		return nil, fault.New(fault.Invalid, "fault.seal.none", "no key is configured: a file, the environment or a command")
	}
	var keys []key
	if opt.File != "" {
		var err error
		if keys, err = readFile(opt.File, !external); err != nil {
			return nil, err
		}
	}
	newer, err := configured(ctx, opt)
	if err != nil {
		return nil, err
	}
	keys = merge(keys, newer)
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "fault.seal.none", "the configured source has no key")
	}
	return &Keys{&ring{source: source{opt: opt, last: time.Now()}, keys: keys}}, nil
}

// configured reads the keys of the environment or the command.
func configured(ctx context.Context, opt Options) ([]key, error) {
	switch {
	case opt.Env != "":
		keys, err := parseKeys(strings.NewReplacer(",", "\n", " ", "\n").Replace(opt.Env), "environment")
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.seal.form", "keys of the environment: %w", err)
		}
		return keys, nil
	case len(opt.Command) > 0:
		return runCommand(ctx, opt.Command, opt.Wrapped)
	}
	return nil, nil
}

// merge returns older and newer, each key once, at its newest place.
func merge(older, newer []key) []key {
	var all []key
	for i, one := range append(append([]key(nil), older...), newer...) {
		if i < len(older) && contains(newer, one.id) {
			continue
		}
		all = append(all, one)
	}
	return all
}

func contains(keys []key, id string) bool {
	for _, one := range keys {
		if one.id == id {
			return true
		}
	}
	return false
}

// again reads the file again for keys that another process added, and reports whether it did. A key that another node
// already seals with is taken as the newest here, too.
func (r *ring) again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.source.opt.File == "" || time.Since(r.source.last) < lookAgain {
		return false
	}
	r.source.last = time.Now()
	keys, err := readFile(r.source.opt.File, false)
	if err != nil || len(keys) == 0 {
		return false
	}
	var external []key
	for _, one := range r.keys {
		if one.origin != "file" {
			external = append(external, one)
		}
	}
	r.keys = merge(keys, external)
	return true
}

// parseKeys reads keys: base64 of 32 bytes each, one a line, the newest last. Empty lines and what follows # are nothing.
// Its errors name the line and hold nothing of it.
func parseKeys(text, origin string) ([]key, error) {
	var keys []key
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is not base64", i+1)
		}
		one, err := newKey(secret, origin)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if contains(keys, one.id) {
			return nil, fmt.Errorf("line %d: key %s is there twice", i+1, one.id)
		}
		if keys = append(keys, one); len(keys) > maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
	}
	return keys, nil
}

// readFile reads a key file, and makes it where it is not there and mayMake says so.
func readFile(path string, mayMake bool) ([]key, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !mayMake {
			return nil, nil
		}
		if err := makeFile(path); err != nil {
			return nil, err
		}
		text, err = readPrivate(path)
	}
	if err != nil {
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return nil, err
		}
		return nil, fault.New(fault.Unavailable, "fault.seal.file", "the key file: %w", err)
	}
	keys, err := parseKeys(text, "file")
	if err == nil && len(keys) == 0 {
		err = errors.New("it has no key")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "fault.seal.form", "the key file %s: %w", path, err)
	}
	return keys, nil
}

// readPrivate reads a file that only its owner may read. It asks the open file and not its name, so that nobody swaps it
// in between.
func readPrivate(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return "", fault.New(fault.Invalid, "fault.seal.readable",
			"the key file %s has mode %04o: others can read it; consider the keys known, and make it readable by its owner only (chmod 600)", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxText {
		return "", fault.New(fault.Invalid, "fault.seal.form", "the key file %s is larger than %d bytes", path, maxText)
	}
	return string(text), nil
}

// makeFile makes a key file with one new key, unless another process made one meanwhile.
func makeFile(path string) error {
	err := writeNew(path, []byte(newLine()))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Unavailable, "fault.seal.file", "making the key file: %w", err)
	}
	return nil
}

// newLine is a line of a key file with a new key.
func newLine() string {
	return fmt.Sprintf("%s # made %s\n", base64.StdEncoding.EncodeToString(randomBytes(KeySize)), time.Now().UTC().Format(time.DateOnly))
}

// writeNew writes a file that is not there yet: whole or not at all, on disk when it returns. fs.ErrExist says that
// somebody else was faster.
func writeNew(path string, content []byte) error {
	temporary, err := writeBeside(path, content)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, path); err != nil { // a link, other than a rename, never replaces
		return err
	}
	return syncFolder(path)
}

// replace writes a file anew: readers see the old one or the new one.
func replace(path string, content []byte) error {
	temporary, err := writeBeside(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncFolder(path)
}

// writeBeside writes content to a new file in path's folder, readable by its owner only, and returns its name.
func writeBeside(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // made with mode 0600
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncFolder makes a new name in a folder durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // where folders cannot be synced, and need not be
		return nil
	}
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
