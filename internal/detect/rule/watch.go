package rule

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a folder must be quiet before it is read: an editor writes a file in several steps, git
	// thousands of files.
	settle = 500 * time.Millisecond
	// patience bounds settle where something is written all the time.
	patience = 10 * time.Second
	// look is how often files are looked at anyway: network folders report no changes.
	look = time.Minute
)

// Watch reloads the rules when their files change, until ctx ends. It returns nil then.
func (l *Library) Watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		l.log.Warn("rule folders are not watched, only looked at every minute", "error", err)
	} else {
		defer watcher.Close()
	}
	w := &watch{library: l, poked: l.poked, watcher: watcher, settle: settle, patience: patience, look: look}
	w.run(ctx)
	return nil
}

type watch struct {
	library                *Library
	watcher                *fsnotify.Watcher // nil: only looks
	settle, patience, look time.Duration
	poked                  <-chan struct{}
}

// Poke has the rules looked at now; it does not wait for that.
func (l *Library) Poke() {
	select {
	case l.poked <- struct{}{}:
	default: // somebody was before
	}
}

func (w *watch) run(ctx context.Context) {
	w.register()
	var events chan fsnotify.Event
	var errs chan error
	if w.watcher != nil {
		events, errs = w.watcher.Events, w.watcher.Errors
	}
	tick := time.NewTicker(w.look)
	defer tick.Stop()
	var due <-chan time.Time
	var since time.Time // the first change that is not read yet
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if !w.matters(event) {
				continue
			}
			if due == nil {
				since = time.Now()
			}
			if due == nil || time.Since(since) < w.patience {
				due = time.After(w.settle)
			}
		case err := <-errs:
			w.library.log.Warn("watching rule folders", "error", err) // an overflow, say: the next look finds the rest
		case <-due:
			due = nil
			w.reload(ctx)
		case <-w.poked:
			w.reload(ctx)
		case <-tick.C:
			if w.library.changed() {
				w.reload(ctx)
			}
		}
	}
}

// matters reports whether a change may concern a rule: a rule file, or a folder that came, went or was renamed.
func (w *watch) matters(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod || strings.HasPrefix(filepath.Base(event.Name), ".") {
		return false
	}
	if isRuleFile(event.Name) {
		return true
	}
	if event.Has(fsnotify.Create) {
		info, err := os.Stat(event.Name)
		return err == nil && info.IsDir()
	}
	return event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)
}

func (w *watch) reload(ctx context.Context) {
	w.register() // first: what is written while the files are read is seen afterwards
	if err := w.library.Reload(ctx); err != nil && ctx.Err() == nil {
		w.library.log.Error("rules could not be reloaded; the old ones stay in use", "error", err)
	}
}

// register watches every folder of rules, and the folder of a rule file that was named by itself.
func (w *watch) register() {
	if w.watcher == nil {
		return
	}
	roots := append([]string(nil), w.library.opt.Paths...)
	if w.library.opt.Added != "" {
		roots = append(roots, w.library.opt.Added)
	}
	for _, root := range roots {
		info, err := os.Stat(root)
		if err != nil || !info.IsDir() {
			_ = w.watcher.Add(filepath.Dir(root)) // it may appear there
			continue
		}
		_ = fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			if p != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			if err := w.watcher.Add(filepath.Join(root, filepath.FromSlash(p))); err != nil {
				w.library.log.Warn("a rule folder is not watched, only looked at every minute", "folder", filepath.Join(root, p), "error", err)
				return fs.SkipAll // the system's limit of watches: the rest would fail as well
			}
			return nil
		})
	}
}

// changed reports whether the files are others than those of the current set.
func (l *Library) changed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	files, _ := l.opt.find()
	if len(files) != len(l.files) {
		return true
	}
	for _, f := range files {
		if old := l.files[f.name]; old == nil || !f.same(old.file) {
			return true
		}
	}
	return false
}
