package syslogd

import (
	"bytes"
	"io"
	"strconv"
)

const (
	readSize = 64 << 10
	// maxDigits is the longest octet count: nobody sends 10 GB in one message.
	maxDigits = 9
)

// framer cuts a stream into syslog messages, framed in either way of RFC 6587, told apart message by message: by
// octet counting ("43 <34>1 …", also RFC 5425) where a number and a PRI stand at the beginning, otherwise by line
// breaks. Messages longer than max are cut and marked; the rest of them is passed over.
type framer struct {
	max  int
	base []byte // the memory that buf lies in
	buf  []byte // what was read and not taken
	skip int    // octets of a message that was cut that are still to be passed over
	line bool   // likewise, up to the next line break
}

// fill reads more; the messages of earlier calls of next are gone after it.
func (f *framer) fill(r io.Reader) error {
	if cap(f.buf)-len(f.buf) < readSize/2 {
		if len(f.base) < len(f.buf)+readSize {
			f.base = make([]byte, len(f.buf)+2*readSize)
		}
		f.buf = f.base[:copy(f.base, f.buf)]
	}
	n, err := r.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

// next returns the next message, with a mark to append to it if it was cut; ok is false where more has to be read.
func (f *framer) next() (message []byte, mark string, ok bool) {
	for {
		if !f.passOver() {
			return nil, "", false
		}
		if f.buf[0] >= '1' && f.buf[0] <= '9' {
			head, count, more := octetCount(f.buf)
			if more {
				return nil, "", false
			}
			if head > 0 {
				if message, mark, ok = f.counted(head, count); !ok || len(message) > 0 {
					return message, mark, ok
				}
				continue
			}
		}
		if message, mark, ok = f.untilBreak(); !ok || len(message) > 0 {
			return message, mark, ok
		}
	}
}

// passOver drops what is left of a cut message, and what stands between messages. It reports whether anything is left.
func (f *framer) passOver() bool {
	if f.skip > 0 {
		n := min(f.skip, len(f.buf))
		f.buf, f.skip = f.buf[n:], f.skip-n
	}
	if f.line {
		end := bytes.IndexByte(f.buf, '\n')
		if end < 0 {
			f.buf = f.buf[:0]
			return false
		}
		f.buf, f.line = f.buf[end+1:], false
	}
	for len(f.buf) > 0 && (f.buf[0] == '\n' || f.buf[0] == '\r' || f.buf[0] == 0) {
		f.buf = f.buf[1:]
	}
	return len(f.buf) > 0
}

// octetCount reads "43 <" and returns the length of "43 " and the count; head is 0 where b does not begin so, more is
// true where that cannot be told yet.
func octetCount(b []byte) (head, count int, more bool) {
	digits := 0
	for digits < len(b) && digits <= maxDigits && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	switch {
	case digits > maxDigits:
		return 0, 0, false
	case digits == len(b) || digits+1 == len(b) && b[digits] == ' ':
		return 0, 0, true
	case b[digits] != ' ' || b[digits+1] != '<':
		return 0, 0, false
	}
	count, err := strconv.Atoi(string(b[:digits]))
	if err != nil {
		return 0, 0, false
	}
	return digits + 1, count, false
}

func (f *framer) counted(head, count int) (message []byte, mark string, ok bool) {
	take := min(count, f.max)
	if len(f.buf) < head+take {
		return nil, "", false
	}
	message = f.buf[head : head+take]
	f.buf = f.buf[head+take:]
	if count > take {
		f.skip = count - take
		return message, truncated(count), true
	}
	return trim(message), "", true
}

func (f *framer) untilBreak() (message []byte, mark string, ok bool) {
	end := bytes.IndexByte(f.buf, '\n')
	switch {
	case end < 0 && len(f.buf) <= f.max:
		return nil, "", false
	case end < 0 || end > f.max:
		message = f.buf[:f.max]
		f.buf, f.line = f.buf[f.max:], true
		return message, truncated(0), true
	}
	message = f.buf[:end]
	f.buf = f.buf[end+1:]
	return trim(message), "", true
}

// rest returns what is left when the stream has ended: a message without its line break, or the beginning of one.
func (f *framer) rest() (message []byte, mark string) {
	if !f.passOver() {
		return nil, ""
	}
	message = f.buf
	f.buf = nil
	if head, count, _ := octetCount(message); head > 0 && len(message) < head+count {
		return message[head:], " [cut short: the connection ended]"
	}
	return trim(message), ""
}

func trim(message []byte) []byte { return bytes.TrimRight(message, "\r\n\x00") }

// truncated is appended to a message that was cut; length is what it had, 0 where that is not known.
func truncated(length int) string {
	if length == 0 {
		return " [truncated]"
	}
	return " [truncated from " + strconv.Itoa(length) + " bytes]"
}
