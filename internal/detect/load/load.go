// Package load reads log files one after another and hands out what is in them as batches: for a scan, or for an
// import into the store.
//
// A file that cannot be opened and a damaged chunk are named in the Result, and the reading goes on: one bad file
// among a thousand costs nothing but itself. Memory is bounded by the batch, not by the file.
package load

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/logfile"
	"yagura/internal/platform/fault"
)

// Options says how to read.
type Options struct {
	Input    string         // intake.Batch.Input of every batch
	Source   string         // intake.Batch.Source of every batch
	MaxItems int            // events in a batch; 0 is 512
	Progress func(Progress) // told after each batch, from the caller's goroutine; may be nil
}

// Progress is how far the reading has come.
type Progress struct {
	File        string
	Read, Total int64 // bytes of this file as they lie on disk; Total is 0 where it is unknown
	Events      int64 // of all files so far
}

// Result is what there was.
type Result struct {
	Files    int
	Events   int64
	Problems []Problem // the first MaxProblems, as Cut leaves them
}

// MaxProblems is how many problems a Result names.
const MaxProblems = 100

// Problem is something that could not be read.
type Problem struct {
	File   string
	Place  string // "line 7", "chunk 3"; "" for the file as a whole: it was not read, or not to its end
	Reason string
}

// Cut keeps the first MaxProblems. Those of whole files go before all others: that a file was not read is not to be lost
// among a thousand lines of another.
func Cut(problems []Problem) []Problem {
	if len(problems) > MaxProblems {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(min(len(a.Place), 1), min(len(b.Place), 1)) })
		problems = problems[:MaxProblems]
	}
	return problems
}

func (p Problem) String() string {
	if p.Place == "" {
		return p.File + ": " + p.Reason
	}
	return p.File + ": " + p.Place + ": " + p.Reason
}

// Files reads the files, and the log files in the folders, among paths, in order. It gives take a batch at a
// time; the batch and its items are take's to keep. An error of take, or the end of ctx, ends the reading.
func Files(ctx context.Context, paths []string, opt Options, take func(context.Context, *intake.Batch) error) (*Result, error) {
	return Lend(ctx, paths, opt, func(ctx context.Context, l *Lent) error { return take(ctx, &l.Batch) })
}

// Lend is Files for those who give the memory of each batch back, so that it is used again: Lent.Release.
func Lend(ctx context.Context, paths []string, opt Options, take func(context.Context, *Lent) error) (*Result, error) {
	if opt.MaxItems <= 0 {
		opt.MaxItems = 512
	}
	r := reader{opt: opt, take: take, free: &sync.Pool{New: func() any { return new(Lent) }}}
	files, err := r.list(paths)
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := r.file(ctx, path); err != nil {
			return &r.result, err
		}
	}
	return &r.result, nil
}

// Lent is a batch whose memory may be given back.
type Lent struct {
	Batch  intake.Batch
	memory logfile.Memory
	free   *sync.Pool
}

// Release gives the batch back: neither it nor its items may be used any more.
func (l *Lent) Release() { l.free.Put(l) }

type reader struct {
	opt    Options
	take   func(context.Context, *Lent) error
	free   *sync.Pool
	result Result
}

func (r *reader) problem(p Problem) { r.result.Problems = Cut(append(r.result.Problems, p)) }

func (r *reader) file(ctx context.Context, path string) error {
	r.result.Files++
	f, err := logfile.Open(path)
	if err != nil {
		r.problem(Problem{File: path, Reason: err.Error()})
		return nil
	}
	defer f.Close() // it was only read
	defer func() {
		for _, d := range f.Damage() {
			r.problem(Problem{File: path, Place: d.Place, Reason: d.Reason})
		}
	}()
	for {
		l := r.free.Get().(*Lent)
		l.free = r.free
		items, err := f.NextIn(ctx, &l.memory, r.opt.MaxItems)
		if len(items) > 0 {
			if err := r.batch(ctx, path, f, l, items); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.problem(Problem{File: path, Reason: err.Error()})
			return nil
		}
	}
}

func (r *reader) batch(ctx context.Context, path string, f *logfile.File, l *Lent, items []intake.Item) error {
	l.Batch = intake.Batch{
		Input: r.opt.Input, Source: r.opt.Source, Format: f.Format(), Dataset: f.Dataset(), File: path,
		Received: time.Now().UTC(), Items: items,
	}
	events := int64(len(items))
	if err := r.take(ctx, l); err != nil {
		return err
	}
	r.result.Events += events
	if r.opt.Progress != nil {
		read, total := f.Progress()
		r.opt.Progress(Progress{File: path, Read: read, Total: total, Events: r.result.Events})
	}
	return nil
}

// list names the files of paths: folders with all log files below them, in order, each once. What cannot be looked at below
// a folder is a problem.
func (r *reader) list(paths []string) ([]string, error) {
	var files []string
	seen := make(map[string]bool)
	for _, path := range paths {
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && p == path:
				return err
			case err != nil:
				if pe, ok := errors.AsType[*fs.PathError](err); ok {
					err = pe.Err
				}
				r.problem(Problem{File: p, Reason: err.Error()})
			case !d.IsDir() && (p == path || logfile.Known(p)) && !seen[filepath.Clean(p)]:
				seen[filepath.Clean(p)] = true
				files = append(files, p)
			}
			return nil
		})
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.file.open", "%w", err)
		}
	}
	if len(files) == 0 {
		return nil, fault.New(fault.Invalid, "fault.file.none", "no log file in %s", strings.Join(paths, ", "))
	}
	return files, nil
}
