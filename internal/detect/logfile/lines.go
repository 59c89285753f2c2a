package logfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// lineReader reads lines of any length in bounded memory. The line is valid until the next read.
type lineReader struct {
	r      *bufio.Reader
	long   []byte
	number uint64
}

// read returns the next line without its end. tooLong says that the line goes on beyond MaxItem, and that only its
// beginning is returned. A last line without an end is a line.
func (l *lineReader) read() (line []byte, tooLong bool, err error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil || len(part) > 0 && !errors.Is(err, bufio.ErrBufferFull) {
			l.number++
			if len(l.long) > 0 || tooLong {
				part = l.keep(part)
				tooLong = tooLong || len(part) > MaxItem
			}
			return bytes.TrimRight(part, "\r\n"), tooLong, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(l.long) > 0 {
				l.number++
				return l.long, tooLong, nil
			}
			return nil, false, err
		}
		l.keep(part)
		tooLong = tooLong || len(l.long) > MaxItem
	}
}

// keep gathers a line that is longer than the buffer, up to the limit.
func (l *lineReader) keep(part []byte) []byte {
	if room := MaxItem + 1 - len(l.long); len(part) > room {
		part = part[:max(0, room)]
	}
	l.long = append(l.long, part...)
	return l.long
}

// plainReader hands out lines as they are. Blank ones are no events.
type plainReader struct{ lines *lineReader }

func (p *plainReader) next(b *batch) error {
	for {
		line, tooLong, err := p.lines.read()
		switch {
		case err != nil:
			return err
		case tooLong:
			b.tooLong(line, p.lines.number)
			return nil
		case len(bytes.TrimSpace(line)) > 0:
			b.add(line, p.lines.number, "")
			return nil
		}
	}
}

func atLine(n uint64) string { return "line " + strconv.FormatUint(n, 10) }

// xmlReader cuts exported event XML ("<Events><Event …>…</Event>…") into events.
type xmlReader struct {
	r      *bufio.Reader
	buf    []byte
	number uint64
}

// isEventsXML: Windows' event viewer and wevtutil write events one after another, with or without an element around.
func isEventsXML(start string) bool {
	for _, prefix := range [...]string{"<Event>", "<Event ", "<Events>", "<Events "} {
		if len(start) >= len(prefix) && start[:len(prefix)] == prefix {
			return true
		}
	}
	return len(start) > 5 && start[:5] == "<?xml" && bytes.Contains([]byte(start[:min(len(start), 1024)]), []byte("<Event"))
}

func (x *xmlReader) next(b *batch) error {
	const end = "</Event>"
	x.buf = x.buf[:0]
	for {
		part, err := x.r.ReadSlice('>')
		x.buf = append(x.buf, part...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) || len(bytes.TrimSpace(x.buf)) == 0 || isClosing(x.buf) {
				return err
			}
			x.number++
			b.add(bytes.TrimSpace(x.buf), x.number, "the event breaks off")
			return nil
		}
		if bytes.HasSuffix(x.buf, []byte(end)) {
			x.number++
			b.add(fromEvent(x.buf), x.number, "")
			return nil
		}
		if len(x.buf) > MaxItem {
			x.number++
			b.tooLong(x.buf, x.number)
			return nil
		}
	}
}

func isClosing(rest []byte) bool { return bytes.Equal(bytes.TrimSpace(rest), []byte("</Events>")) }

// fromEvent drops what stands before the event's first tag: the declaration, the element around, white space.
func fromEvent(xml []byte) []byte {
	for _, tag := range [...]string{"<Event ", "<Event>"} {
		if i := bytes.Index(xml, []byte(tag)); i >= 0 {
			return xml[i:]
		}
	}
	return bytes.TrimSpace(xml)
}
