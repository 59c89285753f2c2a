package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A segment file is named by its number in 16 hexadecimal digits and ".seg", and begins with
//
//	magic   8 bytes "ygspool1"
//	number  uint64, the same as in the name
//	id      6 bytes, the spool's
//	sum     uint32  CRC-32C of all that
//
// so that a file that was renamed or copied from another spool is not taken for a part of this one.
const (
	magic       = "ygspool1"
	idBytes     = 6
	headerBytes = int64(len(magic) + 8 + idBytes + 4)
	suffix      = ".seg"
)

type segment struct {
	number uint64
	end    int64 // behind the last record that may be read
}

type activeSegment struct {
	*segment
	file file
}

func (g *segment) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", g.number, suffix))
}

func listSegments(fs fileSystem, dir string) ([]*segment, error) {
	entries, err := fs.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var segments []*segment
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), suffix)
		number, err := strconv.ParseUint(digits, 16, 64)
		if !ok || err != nil || len(digits) != 16 {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		segments = append(segments, &segment{number: number, end: info.Size()})
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return segments, nil
}

func appendHeader(dst []byte, number uint64, id [idBytes]byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, number)
	dst = append(dst, id[:]...)
	return binary.LittleEndian.AppendUint32(dst, castagnoli(dst[start:]))
}

func parseHeader(header []byte, number uint64) (id [idBytes]byte, err error) {
	body := header[:headerBytes-4]
	if string(header[:len(magic)]) != magic || castagnoli(body) != binary.LittleEndian.Uint32(header[len(body):]) {
		return id, errors.New("the segment's header is damaged")
	}
	if got := binary.LittleEndian.Uint64(header[len(magic):]); got != number {
		return id, fmt.Errorf("the segment's header says number %d", got)
	}
	copy(id[:], header[len(magic)+8:])
	return id, nil
}

// errUnread says that a segment's header may be good: the disk did not give it.
var errUnread = errors.New("a segment cannot be read")

// readHeader reads the spool's ID from a segment.
func (s *Spool) readHeader(seg *segment) (id [idBytes]byte, err error) {
	f, err := s.fs.Open(seg.path(s.dir))
	if err != nil {
		return id, fmt.Errorf("%w: %w", errUnread, err)
	}
	defer f.Close()
	var header [headerBytes]byte
	if _, err := f.ReadAt(header[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return id, fmt.Errorf("%w: %w", errUnread, err)
	}
	return parseHeader(header[:], seg.number)
}

// mendLast removes what a crash left at the end of the last segment: a write that was never acknowledged. A damaged
// record that good ones follow stays for the reader to report.
func (s *Spool) mendLast(segments []*segment) ([]*segment, error) {
	last := segments[len(segments)-1]
	_, err := s.readHeader(last)
	switch {
	case err == nil:
		return segments, s.mend(last)
	case last.end > headerBytes:
		return segments, nil // a header is synced before the first record: this is no torn write
	}
	s.recovery = Recovery{At: Position{last.number, 0}, Bytes: last.end}
	if err := s.fs.Remove(last.path(s.dir)); err != nil {
		return nil, fmt.Errorf("spool: removing a segment that was never begun: %w", err)
	}
	return segments[:len(segments)-1], nil
}

func (s *Spool) mend(seg *segment) error {
	f, err := s.fs.OpenWrite(seg.path(s.dir))
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer f.Close()
	scan := scanner{file: f, offset: headerBytes, limit: seg.end}
	good := scan.offset
	for scan.offset < scan.limit {
		switch _, err := scan.next(nil); {
		case err == nil:
			good = scan.offset
		case !errors.Is(err, errHeader) && !errors.Is(err, errPayload) && !errors.Is(err, errCut):
			return nil // the disk does not give it, now at least: what cannot be seen is not cut off
		}
	}
	if good == seg.end {
		return nil
	}
	s.recovery = Recovery{At: Position{seg.number, good}, Bytes: seg.end - good}
	if err := f.Truncate(good); err != nil {
		return fmt.Errorf("spool: cutting off a torn write in segment %d: %w", seg.number, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("spool: cutting off a torn write in segment %d: %w", seg.number, err)
	}
	seg.end = good
	return nil
}

// begin creates the next segment and makes it the active one. On failure it leaves no file.
func (s *Spool) begin() error {
	s.mu.Lock()
	seg := &segment{number: s.next, end: headerBytes}
	s.next++
	s.mu.Unlock()

	f, err := s.fs.Create(seg.path(s.dir))
	if err != nil {
		return err
	}
	if err := s.writeHeader(f, seg.number); err != nil {
		return errors.Join(err, f.Close(), s.fs.Remove(seg.path(s.dir)))
	}
	s.active = &activeSegment{segment: seg, file: f}
	s.mu.Lock()
	s.segments = append(s.segments, seg)
	s.bytes += seg.end
	s.mu.Unlock()
	return nil
}

func (s *Spool) writeHeader(f file, number uint64) error {
	if err := writeAll(f, appendHeader(nil, number, s.id), 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	// The file's name must be on disk too, or a power cut takes the file with all that was synced to it.
	return s.fs.SyncDir(s.dir)
}

// abandon ends the active segment at its last synced record after something about it went wrong. The tail is
// cut off as well as can be: it was never acknowledged, so what stays of it costs nothing but a report.
func (s *Spool) abandon() {
	seg, f := s.active.segment, s.active.file
	s.active = nil
	_ = f.Truncate(seg.end)
	_ = f.Close()
	if seg.end > headerBytes {
		return
	}
	// It holds no record: don't let a failing disk pile up empty files.
	if err := s.fs.Remove(seg.path(s.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(s.segments, func(other *segment) bool { return other == seg })
	s.bytes -= seg.end
}
