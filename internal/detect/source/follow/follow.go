// Package follow reads log files as they grow: files, folders and patterns.
//
// What it promises:
//
//   - Every whole line is handed to the sink once, in order, with its number. A line without its line break waits for
//     it. While the sink is full nothing is read; the files are the buffer.
//   - After a restart reading goes on at the right byte: a file's position is written, atomically, after the sink took
//     what is before it. Only a crash between the two reads a piece twice.
//   - A file that is renamed and made anew is read to its end first; one that is copied and truncated is begun again, and
//     its copy, if that is followed too, goes on where the original was. A file is known by device and inode; a copy, and
//     on Windows every file, by its first kilobyte and the one before the position.
//   - Compressed files are left alone, and so are binary ones, which is counted as a refusal.
//
// What it cannot do: lines that were written between the last look and a truncation, when the copy is not followed, are
// gone; so are those of a file that was rotated and removed while the program did not run.
package follow

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

const (
	// Input is the name of this input, Source that of its source.
	Input  = "file"
	Source = "files"
)

// Options say what is followed; a zero duration or limit means its default.
type Options struct {
	Patterns  []string // files, folders (with all below them) and patterns as filepath.Match has them
	StateFile string   // where the positions are kept
	Sink      intake.Sink
	Observer  gate.Observer
	Log       *slog.Logger

	Poll    time.Duration // how often files are looked at, besides when the system tells; default 1 s
	Linger  time.Duration // how long a file that was renamed or removed may still grow; default 10 s
	MaxLine int           // bytes; longer lines are cut and marked; default 1 MiB
}

// Progress is how far a file has been read.
type Progress struct {
	Path         string
	Offset, Size int64
	Problem      string // why it is not read, "" if it is
}

// Follower follows files. Run does the work, in one goroutine.
type Follower struct {
	opt   Options
	files []*file
	buf   []byte
	// problems are the errors of paths that were told already, so that each is told once.
	problems map[string]string

	mu       sync.Mutex
	progress []Progress // for Files
}

// New reads the positions of an earlier run. The error is that the state file cannot be read; one that is damaged is set
// aside, and everything is read from its beginning.
func New(opt Options) (*Follower, error) {
	if opt.Poll <= 0 {
		opt.Poll = time.Second
	}
	if opt.Linger <= 0 {
		opt.Linger = 10 * time.Second
	}
	if opt.MaxLine <= 0 {
		opt.MaxLine = 1 << 20
	}
	opt.MaxLine = min(opt.MaxLine, gate.LargestItem/2)
	for _, pattern := range opt.Patterns {
		if _, err := filepath.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("following %s: %w", pattern, err)
		}
	}
	f := &Follower{opt: opt, buf: make([]byte, max(1<<20, opt.MaxLine+2)), problems: make(map[string]string)}
	positions, err := readState(opt.StateFile, opt.Log)
	if err != nil {
		return nil, fmt.Errorf("following files: %w", err)
	}
	for _, p := range positions {
		f.files = append(f.files, &file{position: p})
	}
	return f, nil
}

// Files returns how far each file has been read, by path.
func (f *Follower) Files() []Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.progress)
}

// Run follows until ctx ends. What was read by then is handed over.
func (f *Follower) Run(ctx context.Context) error {
	late, cancel := gate.Grace(ctx, 5*time.Second)
	defer cancel()
	defer f.closeAll()
	watch := newWatch(f.opt.Log)
	defer watch.close()
	f.findRotated()
	tick := time.NewTicker(f.opt.Poll)
	defer tick.Stop()
	for {
		dirs := f.scan()
		watch.add(dirs)
		f.readAll(ctx, late)
		f.publish()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-watch.changed:
		}
	}
}

// readAll reads every file to its end, a piece of each in turn so that none waits for a giant.
func (f *Follower) readAll(ctx, late context.Context) {
	for more := true; more && ctx.Err() == nil; {
		more = false
		for _, file := range f.files {
			if ctx.Err() != nil {
				return
			}
			again, err := f.turn(late, file)
			f.problem(file.Path, err)
			more = more || again
		}
	}
	kept := f.files[:0]
	changed := false
	for _, file := range f.files {
		if file.finished(time.Now(), f.opt.Linger) && f.finish(late, file) == nil {
			file.close()
			changed = true
			continue
		}
		kept = append(kept, file)
	}
	clear(f.files[len(kept):])
	f.files = kept
	if changed {
		f.save()
	}
}

// problem tells an error of a path once, until it is another one or none.
func (f *Follower) problem(path string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if f.problems[path] == text {
		return
	}
	if text == "" {
		delete(f.problems, path)
		return
	}
	f.problems[path] = text
	f.opt.Observer.Refused(Source, Input, "", 0, text)
}

func (f *Follower) publish() {
	list := make([]Progress, 0, len(f.files))
	for _, file := range f.files {
		p := Progress{file.Path, file.Offset, file.size, f.problems[file.Path]}
		if file.Binary {
			p.Problem = "binary"
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Progress) int { return strings.Compare(a.Path, b.Path) })
	f.mu.Lock()
	f.progress = list
	f.mu.Unlock()
}

func (f *Follower) closeAll() {
	for _, file := range f.files {
		file.close()
	}
}

// watch wakes the follower when a folder changes; where the system cannot tell, polling is all there is.
type watch struct {
	watcher *fsnotify.Watcher
	known   map[string]bool
	changed chan struct{}
	done    chan struct{}
}

// settle is how long changes are gathered before the files are looked at.
const settle = 50 * time.Millisecond

func newWatch(log *slog.Logger) *watch {
	w := &watch{known: make(map[string]bool), changed: make(chan struct{}, 1), done: make(chan struct{})}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Info("followed files are polled: the system cannot tell of changes", "error", err)
		close(w.done)
		return w
	}
	w.watcher = watcher
	go w.run()
	return w
}

func (w *watch) run() {
	defer close(w.done)
	for {
		select {
		case _, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			time.Sleep(settle)
			select {
			case w.changed <- struct{}{}:
			default:
			}
		case _, ok := <-w.watcher.Errors: // too many at once: polling finds them
			if !ok {
				return
			}
		}
	}
}

func (w *watch) add(dirs map[string]bool) {
	if w.watcher == nil {
		return
	}
	for dir := range dirs {
		if !w.known[dir] && w.watcher.Add(dir) == nil {
			w.known[dir] = true
		}
	}
	for dir := range w.known {
		if !dirs[dir] {
			_ = w.watcher.Remove(dir) // it may be gone
			delete(w.known, dir)
		}
	}
}

func (w *watch) close() {
	if w.watcher != nil {
		_ = w.watcher.Close()
	}
	<-w.done
}
