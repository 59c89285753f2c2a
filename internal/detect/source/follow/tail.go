package follow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

// idleOpen is how long a file that does not grow stays open.
const idleOpen = 10 * time.Minute

// file is a file that is being followed.
type file struct {
	position
	handle  *os.File
	size    int64     // at the last look
	time    time.Time // of its last change, then
	checked time.Time // the time of change at which it was last found to be the same file
	read    time.Time // when it last had something
	gone    time.Time // since when no pattern names it; zero while one does
}

func (file *file) close() {
	if file.handle != nil {
		_ = file.handle.Close()
		file.handle = nil
	}
}

// open opens the file at its path, unless it is another one by now.
func (file *file) open() error {
	if file.handle != nil {
		return nil
	}
	handle, err := os.Open(file.Path)
	if err != nil {
		return err
	}
	info, err := handle.Stat()
	if err != nil || file.ID.known() && identityOf(info) != file.ID {
		_ = handle.Close()
		return errors.Join(err, os.ErrNotExist)
	}
	file.handle = handle
	return nil
}

// finished reports whether a file that nobody names any more will not grow again.
func (file *file) finished(now time.Time, linger time.Duration) bool {
	return !file.gone.IsZero() && now.Sub(file.gone) > linger && now.Sub(file.read) > linger
}

// finish hands over a last line without a line break, so that the file can be forgotten.
func (f *Follower) finish(late context.Context, file *file) error {
	if file.Binary || file.Skip || file.open() != nil {
		return nil
	}
	n, err := file.handle.ReadAt(f.buf, file.Offset)
	if n == 0 || err != nil && !errors.Is(err, io.EOF) {
		return nil // nothing is left, or nothing can be had
	}
	g := gathering{file: file}
	g.line(f.buf[:n])
	return g.deliver(late, f)
}

// turn reads a piece of the file and hands it over; more is true where another piece may be there.
func (f *Follower) turn(late context.Context, file *file) (more bool, err error) {
	if file.Binary {
		return false, nil
	}
	if file.gone.IsZero() && file.size <= file.Offset {
		if keepOpen && time.Since(file.read) > idleOpen {
			file.close()
		}
		return false, nil
	}
	if err := file.open(); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil // the next look tells
		}
		return false, err
	}
	if !keepOpen {
		defer file.close()
	}
	n, err := file.handle.ReadAt(f.buf, file.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading %s: %w", file.Path, err)
	}
	data := f.buf[:n]
	if file.Offset == 0 && bytes.IndexByte(data[:min(n, sampleBytes)], 0) >= 0 {
		file.Binary = true
		f.save()
		return false, fmt.Errorf("%s looks binary and is left alone", file.Path)
	}
	before := file.Offset
	err = f.take(late, file, data)
	if file.Offset == before {
		return false, err
	}
	file.read = time.Now()
	file.Tail = tailOf(file.handle, file.Offset)
	f.save()
	return err == nil && n == len(f.buf), err
}

// take hands over the whole lines of data, which begins at the file's offset, and moves the offset behind them.
func (f *Follower) take(late context.Context, file *file, data []byte) error {
	g := gathering{file: file, skip: file.Skip}
	for len(data) > 0 {
		taken := bytes.IndexByte(data, '\n') + 1 // 0: the end of the line is not there yet
		switch {
		case g.skip && taken > 0:
			g.pass(taken, false)
		case g.skip:
			taken = len(data)
			g.pass(taken, true)
		case taken > 0 && taken <= f.opt.MaxLine:
			g.line(data[:taken])
		case len(data) > f.opt.MaxLine:
			taken = f.opt.MaxLine
			g.cut(data[:taken])
		default: // a line that waits for its end
			return g.deliver(late, f)
		}
		data = data[taken:]
	}
	return g.deliver(late, f)
}

// gathering is the lines of a piece of a file on their way to the sink.
type gathering struct {
	file  *file
	items []intake.Item
	marks []mark // of each item

	bytes int64 // what was passed so far,
	lines uint64
	skip  bool // and whether the line there is the rest of one that was cut
}

// mark is where the file stands behind an item.
type mark struct {
	format intake.Format
	bytes  int64
	skip   bool
}

func (g *gathering) pass(n int, skip bool) {
	g.bytes += int64(n)
	g.skip = skip
}

// cut takes the beginning of a line that is too long.
func (g *gathering) cut(text []byte) {
	g.pass(len(text), true)
	g.add(append(bytes.Clone(text), " [truncated]"...))
}

// line takes a line with its line break, or the last one without.
func (g *gathering) line(text []byte) {
	content := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\r'})
	if g.file.Offset+g.bytes == 0 {
		content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	}
	g.pass(len(text), false)
	g.add(content)
}

func (g *gathering) add(content []byte) {
	g.lines++
	if len(bytes.TrimSpace(content)) == 0 {
		return
	}
	format := intake.Line
	if content[0] == '{' && gate.ValidObject(content) == nil {
		format = intake.JSON
	}
	g.items = append(g.items, intake.Item{Data: content, Record: g.file.Line + g.lines})
	g.marks = append(g.marks, mark{format, g.bytes, g.skip})
}

// deliver hands over what was gathered, one batch for each run of lines of one format, and moves the file's position
// behind what the sink took.
func (g *gathering) deliver(late context.Context, f *Follower) error {
	offset, line := g.file.Offset, g.file.Line
	for from := 0; from < len(g.items); {
		to := from + 1
		for to < len(g.items) && g.marks[to].format == g.marks[from].format {
			to++
		}
		err := gate.Insist(late, f.opt.Sink, f.opt.Observer, &intake.Batch{
			Input: Input, Source: Source, Format: g.marks[from].format, File: g.file.Path, Received: time.Now().UTC(), Items: g.items[from:to],
		})
		if err != nil {
			return err
		}
		last := g.marks[to-1]
		g.file.Offset, g.file.Line, g.file.Skip = offset+last.bytes, g.items[to-1].Record, last.skip
		from = to
	}
	g.file.Offset, g.file.Line, g.file.Skip = offset+g.bytes, line+g.lines, g.skip
	return nil
}

// tailOf reads what tells a file by its last bytes before offset.
func tailOf(f io.ReaderAt, offset int64) sample {
	n := min(offset, sampleBytes)
	buf := make([]byte, n)
	if _, err := f.ReadAt(buf, offset-n); err != nil && !errors.Is(err, io.EOF) {
		return sample{}
	}
	return sampleOf(buf)
}

// headOf reads what tells a file by its first n bytes, or as many as it has.
func headOf(path string, n int) (sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return sample{}, err
	}
	defer f.Close()
	buf := make([]byte, n)
	got, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return sample{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return sampleOf(buf[:got]), nil
}

func sampleOf(data []byte) sample {
	if len(data) == 0 {
		return sample{}
	}
	sum := sha256.Sum256(data)
	return sample{len(data), hex.EncodeToString(sum[:])}
}
