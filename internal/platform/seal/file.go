package seal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
)

// Info is what may be shown of a key.
type Info struct {
	ID     string
	Origin string // "file", "environment", "command" or "generated"
	Newest bool   // it seals
}

// Info describes the keys, the newest last.
func (k *Keys) Info() []Info {
	keys := k.ring.list()
	list := make([]Info, len(keys))
	for i, one := range keys {
		list[i] = Info{ID: one.id, Origin: one.origin, Newest: i == len(keys)-1}
	}
	return list
}

// Reload reads the keys again from where they came: after Add, or when the KMS has a new one. Generated keys stay. When
// it fails, the keys stay as they are.
func (k *Keys) Reload(ctx context.Context) error {
	r := k.ring
	if r.source.opt.File == "" && r.source.opt.Env == "" && len(r.source.opt.Command) == 0 {
		return nil
	}
	fresh, err := Load(ctx, r.source.opt)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = fresh.ring.keys
	return nil
}

// Add puts a new key into a key file as the newest and returns its id. Keys that are there already keep opening. Running
// programs that share the file take it up when they meet a value sealed under it, at the latest when they start again.
func Add(path string) (id string, err error) {
	text, keys, err := edit(path)
	if err != nil {
		return "", err
	}
	line := newLine()
	added, err := parseKeys(line, "file")
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	if len(keys) == maxKeys {
		return "", fault.New(fault.Invalid, "fault.seal.form", "the key file %s has %d keys already: remove those that nothing is sealed under", path, maxKeys)
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if err := replace(path, []byte(text+line)); err != nil {
		return "", fault.New(fault.Unavailable, "fault.seal.file", "writing the key file: %w", err)
	}
	return added[0].id, nil
}

// Remove takes a key out of a key file. What is sealed under it is lost: ask Survey first. The newest key stays.
func Remove(path, id string) error {
	text, keys, err := edit(path)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k key) bool { return k.id == id })
	switch {
	case i < 0:
		return fault.New(fault.NotFound, "fault.seal.no_key", "the key file has no key %s", id)
	case i == len(keys)-1:
		return fault.New(fault.Conflict, "fault.seal.newest", "key %s is the newest, which seals: add another first", id)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool {
		one, err := parseKeys(strings.TrimSuffix(line, "\n"), "file")
		return err == nil && len(one) == 1 && one[0].id == id
	})
	if err := replace(path, []byte(strings.Join(lines, ""))); err != nil {
		return fault.New(fault.Unavailable, "fault.seal.file", "writing the key file: %w", err)
	}
	return nil
}

// edit reads a key file that is to be written anew.
func edit(path string) (text string, keys []key, err error) {
	if keys, err = readFile(path, false); err != nil {
		return "", nil, err
	}
	if len(keys) == 0 {
		return "", nil, fault.New(fault.NotFound, "fault.seal.file", "there is no key file %s", path)
	}
	text, err = readPrivate(path)
	return text, keys, err
}
