package leaktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"yagura/internal/platform/db"
)

// tables returns the names of all tables, asking as SQLite and as PostgreSQL understand it.
func tables(d *db.DB) ([]string, error) {
	name := func(s db.Scanner) (name string, err error) { return name, s.Scan(&name) }
	var problems []error
	for _, ask := range []string{
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`,
		`SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name`,
	} {
		var names []string
		err := d.Read(context.Background(), func(tx *db.Tx) (err error) {
			names, err = db.List(tx, name, ask)
			return err
		})
		if err == nil && len(names) > 0 {
			return names, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("no tables found: %w", errors.Join(problems...))
}

// Watch returns a writer that keeps what is written to it, for a log, and looks through it when the test ends.
func (p *Plants) Watch(t TB, where string) io.Writer {
	w := new(watch)
	t.Cleanup(func() {
		t.Helper()
		p.Check(t, where, w.all())
	})
	return w
}

type watch struct {
	mu   sync.Mutex
	data []byte
}

func (w *watch) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data = append(w.data, b...)
	return len(b), nil
}

func (w *watch) all() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.data)
}
