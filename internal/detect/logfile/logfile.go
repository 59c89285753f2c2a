// Package logfile opens log files and hands out what is in them as intake items: Windows event logs (.evtx),
// JSON in every way people store it, tables (CSV), Zeek and W3C logs, exported event XML and plain lines, each also
// compressed with gzip or zstd, in UTF-8, UTF-16 or Shift_JIS.
//
// What a file is, its content says; the name decides only where the content could be either. Everything is
// streamed: memory is bounded by the largest item, so a compressed bomb costs time and no memory. A damaged part is
// skipped and reported with its place, a part that is no event of the file's format becomes an item with Error
// set: nothing is left out in silence, and no content makes it panic. A file that breaks off is reported as a whole, and
// so is one of which the name says that it is packed or an event log and the content is neither that nor text.
package logfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
)

// MaxItem is how long one item may be. A longer one is cut to its first bytes and marked with Error.
const MaxItem = 8 << 20

// cutItem is how much of an item that is too long is kept.
const cutItem = 64 << 10

// maxBatch is how many bytes one Next gathers before it returns with fewer items than asked for.
const maxBatch = 1 << 20

// maxDamage is how many damaged places are named one by one.
const maxDamage = 100

// Damage is a part of the file that could not be read.
type Damage struct {
	Place  string // "chunk 3", "line 7", "record 12"; "" for the file as a whole, which was not read to its end
	Reason string
}

// File reads one file. It is not safe for concurrent use, but for Progress.
type File struct {
	name    string
	format  intake.Format
	dataset string
	reader  reader
	counted *counter
	total   int64
	closers []func() error
	damage  []Damage
	more    int    // damaged places beyond maxDamage
	whole   string // what is wrong with the file as a whole
	done    error
}

// reader reads one file format. next adds at least one item to the batch, or reports why not: io.EOF at the end.
type reader interface {
	next(b *batch) error
}

// Known reports whether a file of that name is one that this package is made for, for walking folders.
func Known(path string) bool {
	name := strings.ToLower(filepath.Base(path))
	if strings.HasPrefix(name, ".") {
		return false
	}
	for _, ext := range [...]string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, ext)
	}
	switch filepath.Ext(name) {
	case ".evtx", ".json", ".ndjson", ".jsonl", ".csv", ".tsv", ".log", ".txt", ".xml":
		return true
	}
	return false
}

// Open opens the file of that name. The caller closes it. Errors say what is wrong and leave the path to the caller.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		code := fault.Internal
		if errors.Is(err, os.ErrNotExist) {
			code = fault.NotFound
		}
		if pe, ok := errors.AsType[*os.PathError](err); ok {
			err = pe.Err
		}
		return nil, fault.New(code, "", "cannot be opened: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fault.New(fault.Invalid, "", "it is a folder, not a log file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	lf, err := NewReader(path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	lf.total = info.Size()
	lf.closers = append(lf.closers, f.Close)
	return lf, nil
}

// NewReader reads a stream as if it were the file of that name. Close leaves r open. Errors are like Open's.
func NewReader(name string, r io.Reader) (*File, error) {
	f := &File{name: name, counted: &counter{r: r}}
	content, closers, err := decompress(f.counted)
	f.closers = closers
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.recognise(content, len(closers) > 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// plainName is the name without folder and compression, in lower case.
func plainName(name string) string {
	name = strings.ToLower(filepath.Base(name))
	return strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
}

// recognise chooses the reader by the content's beginning, then by the name. packed says that the content was
// compressed.
func (f *File) recognise(content *bufio.Reader, packed bool) error {
	ext := filepath.Ext(plainName(f.name))
	compression := map[string]string{".gz": "gzip", ".zst": "zstd"}[strings.ToLower(filepath.Ext(f.name))]
	head, err := content.Peek(4096)
	if err != nil && len(head) == 0 {
		f.format = intake.Line
		if errors.Is(err, io.EOF) {
			err = nil
			if compression != "" && !packed || ext == ".evtx" {
				f.damaged("", "it is empty")
			}
		}
		f.done = io.EOF
		return err
	}
	isEVTX := strings.HasPrefix(string(head), evtxMagic)
	text := content
	if !isEVTX {
		text = decodeText(content)
		head, _ = text.Peek(4096)
	}
	switch {
	case isEVTX, ext == ".evtx" && (!isText(head) || strings.HasPrefix(evtxMagic, string(head))):
		if !isEVTX {
			f.damaged("", "it does not begin like the Windows event log that its name says it is")
		}
		f.format = intake.JSON
		f.reader = &evtxReader{r: text, damage: f.damaged}
		return nil
	case compression != "" && !packed && !isText(head):
		return fault.New(fault.Invalid, "", "it is no %s file, as its name says, and no text", compression)
	}
	start := strings.TrimLeft(string(head), " \t\r\n")
	f.format = intake.JSON
	lines := &lineReader{r: text}
	switch {
	case strings.HasPrefix(start, "#separator"):
		f.format = intake.Zeek
		f.reader = &zeekReader{lines: lines, file: f}
	case strings.HasPrefix(start, "#Software:"), strings.HasPrefix(start, "#Version:"), strings.HasPrefix(start, "#Fields:"):
		f.reader = &w3cReader{lines: lines, file: f}
	case isEventsXML(start):
		f.format = intake.Line
		f.reader = &xmlReader{r: text}
	case ext == ".csv" || ext == ".tsv":
		f.reader = newCSV(lines, f)
	case isJSON(start) || ext == ".json" || ext == ".ndjson" || ext == ".jsonl":
		f.reader = newJSON(text, ext, f)
	default:
		f.format = intake.Line
		f.reader = &plainReader{lines: lines}
	}
	return nil
}

// Next returns up to max items, which are the caller's to keep, or fewer where they are large; io.EOF at the end.
// A read error ends the file; the items before it are returned with it. Parts that cannot be decoded are in Damage.
func (f *File) Next(ctx context.Context, max int) ([]intake.Item, error) {
	return f.NextIn(ctx, new(Memory), max)
}

// NextIn is Next with memory that is used again: the items are valid until the next call with the same.
func (f *File) NextIn(ctx context.Context, m *Memory, max int) ([]intake.Item, error) {
	if f.done != nil {
		return nil, f.done
	}
	b := &m.batch
	b.reset()
	for len(b.spans) < max && len(b.block) < maxBatch && f.done == nil {
		if f.done = ctx.Err(); f.done != nil {
			err := f.done
			f.done = nil // another call may go on
			return b.items(), err
		}
		f.done = f.reader.next(b)
	}
	if f.done != nil && !errors.Is(f.done, io.EOF) {
		f.damaged("", "it cannot be read to its end: "+f.done.Error())
		f.done = io.EOF
	}
	items := b.items()
	if len(items) > 0 {
		return items, nil
	}
	return nil, f.done
}

// Format says how the items are to be read.
func (f *File) Format() intake.Format { return f.format }

// Dataset is what the file says it holds, such as Zeek's path; "" where it does not say.
func (f *File) Dataset() string { return f.dataset }

// Progress returns how many of the file's bytes have been read, as they lie on disk, and how many there are; total is 0
// for a stream. Safe to call while Next runs.
func (f *File) Progress() (read, total int64) { return f.counted.n.Load(), f.total }

// Damage returns what has been skipped so far; what is wrong with the file as a whole comes first, and once.
func (f *File) Damage() []Damage {
	var list []Damage
	if f.whole != "" {
		list = append(list, Damage{"", f.whole})
	}
	list = append(list, f.damage...)
	if f.more > 0 {
		list = append(list, Damage{"elsewhere", fmt.Sprintf("%d more damaged places", f.more)})
	}
	return list
}

func (f *File) damaged(place, reason string) {
	switch {
	case place == "" && f.whole != "":
		f.whole += "; " + reason
	case place == "":
		f.whole = reason
	case len(f.damage) >= maxDamage:
		f.more++
	default:
		f.damage = append(f.damage, Damage{place, reason})
	}
}

// Close closes what Open opened.
func (f *File) Close() error {
	var err error
	for i := len(f.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, f.closers[i]())
	}
	f.closers = nil
	if f.done == nil {
		f.done = io.EOF
	}
	return err
}

// counter counts what passes.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Memory holds the items of one NextIn. The zero Memory is ready to use.
type Memory struct{ batch batch }

// batch gathers the items of one Next in one block of memory.
type batch struct {
	block []byte
	spans []span
	list  []intake.Item
}

// reset forgets the items. What a few large ones have made of the memory is not kept.
func (b *batch) reset() {
	if cap(b.block) > 2*maxBatch {
		b.block = nil
	}
	clear(b.list)
	b.block, b.spans, b.list = b.block[:0], b.spans[:0], b.list[:0]
}

type span struct {
	start, end int
	record     uint64
	err        string
}

// add copies data; what is too long is cut and marked.
func (b *batch) add(data []byte, record uint64, err string) {
	start := len(b.block)
	b.block = append(b.block, data...)
	b.spans = append(b.spans, span{start, len(b.block), record, err})
}

// tooLong adds the beginning of an item that is longer than MaxItem.
func (b *batch) tooLong(data []byte, record uint64) {
	b.add(data[:min(len(data), cutItem)], record, fmt.Sprintf("longer than %d bytes: only its first %d are kept", MaxItem, min(len(data), cutItem)))
}

// commit makes an item of what has been appended to the block since start.
func (b *batch) commit(start int, record uint64) {
	b.spans = append(b.spans, span{start, len(b.block), record, ""})
}

func (b *batch) items() []intake.Item {
	if len(b.spans) == 0 {
		return nil
	}
	b.list = slices.Grow(b.list, len(b.spans))
	for _, s := range b.spans {
		b.list = append(b.list, intake.Item{Data: b.block[s.start:s.end:s.end], Record: s.record, Error: s.err})
	}
	return b.list
}
