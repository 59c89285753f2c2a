package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"yagura/internal/platform/spool"
)

// cursor is a position in a certain spool: "4f1c09d2ab37-0000002a-00001f40".
type cursor struct {
	spool string
	at    spool.Position
}

func (c cursor) String() string { return c.spool + "-" + c.at.String() }

// in returns the position, unless it is that of another spool: then everything in this one is new.
func (c cursor) in(spoolID string) (at spool.Position, ok bool) {
	if c.spool != spoolID {
		return spool.Position{}, false
	}
	return c.at, true
}

func parseCursor(text string) (cursor, error) {
	id, rest, ok := strings.Cut(text, "-")
	if !ok {
		return cursor{}, fmt.Errorf("cursor %q: no hyphen", text)
	}
	at, err := spool.ParsePosition(rest)
	return cursor{id, at}, err
}

// readCursor returns the zero cursor where there is no file yet.
func readCursor(file string) (cursor, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return cursor{}, nil
	}
	if err != nil {
		return cursor{}, err
	}
	return parseCursor(strings.TrimSpace(string(text)))
}

func writeCursor(file string, c cursor) error { return writeFile(file, []byte(c.String()+"\n")) }

// writeFile replaces the file in one step: after a crash it holds the old content or the new one.
func writeFile(file string, content []byte) error {
	f, err := os.OpenFile(file+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(file))
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

// horizon decides which part of the spool is durable elsewhere. Only the committer uses it while the pipeline runs.
type horizon struct {
	wait  time.Duration
	file  string
	spool *spool.Spool
	// keep makes what else needs the spool durable, and returns the position up to which it does not need it any more.
	keep func() (spool.Position, error)

	marks   []mark         // in order, at most one a second
	durable spool.Position // everything before it was stored at least wait ago
	saved   spool.Position // what the file says
	savedAt time.Time
	pause   time.Duration // to the next save, at least
}

// mark says that everything before at was handed to the store by then.
type mark struct {
	at   spool.Position
	when time.Time
}

// saveEvery is how often the cursor is written at most: a later one only shortens a replay. What takes long to write is written
// less often, so that it takes a twentieth of the time.
const saveEvery = 5 * time.Second

func (h *horizon) stored(at spool.Position, now time.Time) {
	// Marks close together become one, at the later time: that delays, and never hurries, the position before.
	if n := len(h.marks); n > 1 && now.Sub(h.marks[n-2].when) < time.Second {
		h.marks[n-1] = mark{at, now}
		return
	}
	h.marks = append(h.marks, mark{at, now})
}

func (h *horizon) advance(now time.Time) error {
	for len(h.marks) > 0 && now.Sub(h.marks[0].when) >= h.wait {
		h.durable = h.marks[0].at
		h.marks = h.marks[1:]
	}
	if !h.saved.Before(h.durable) || now.Sub(h.savedAt) < max(min(saveEvery, h.wait), h.pause) {
		return nil
	}
	h.savedAt = now
	err := h.save()
	h.pause = 20 * time.Since(now)
	return err
}

// save makes durable what the spool is kept for, writes the cursor, and then frees: in this order a crash between leaves segments
// too many, not too few.
func (h *horizon) save() error {
	upTo, err := h.keep()
	if err != nil {
		return err
	}
	if h.durable.Before(upTo) {
		upTo = h.durable
	}
	if h.saved.Before(upTo) {
		if err := writeCursor(h.file, cursor{h.spool.ID(), upTo}); err != nil {
			return fmt.Errorf("writing the cursor: %w", err)
		}
		h.saved = upTo
	}
	return h.spool.Free(h.saved)
}

func (h *horizon) settle(at spool.Position) error {
	if h.durable.Before(at) {
		h.durable = at
	}
	return h.save()
}
