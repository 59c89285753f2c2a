package auth

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Breached knows passwords that everybody knows.
type Breached interface {
	Has(password string) (bool, error)
}

// Lists are files of known passwords: SHA-1 hashes as Have I Been Pwned distributes them ("HASH" or "HASH:count" a line, in
// upper case, ascending), which are searched where they lie, however large; or plain text, a password a line, which is
// kept in memory as eight bytes a password.
type Lists struct {
	files []*os.File
	sizes []int64
	plain []uint64 // beginnings of SHA-1, ascending
}

const maxPlain = 20_000_000

// OpenLists opens the files. A hash file out of order is an error: a search in it would miss.
func OpenLists(paths ...string) (_ *Lists, err error) {
	l := new(Lists)
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	for _, path := range paths {
		if err := l.open(path); err != nil {
			return nil, fmt.Errorf("password list %s: %w", path, err)
		}
	}
	slices.Sort(l.plain)
	l.plain = slices.Compact(l.plain)
	return l, nil
}

// Close closes the files.
func (l *Lists) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (l *Lists) open(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	head := make([]byte, 100)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return errors.Join(err, f.Close())
	}
	if !regexp.MustCompile(`^[0-9A-Fa-f]{40}(:[0-9]+)?\r?(\n|$)`).Match(head[:n]) {
		_, err := f.Seek(0, io.SeekStart)
		if err == nil {
			err = l.readPlain(f)
		}
		return errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.files, l.sizes = append(l.files, f), append(l.sizes, info.Size())
	return inOrder(f, info.Size())
}

// inOrder looks at lines here and there.
func inOrder(f io.ReaderAt, size int64) error {
	last := ""
	for i := range int64(64) {
		line, _, err := lineFrom(f, size/64*i, size)
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		if line < last {
			return errors.New("the hashes are not in order")
		}
		last = line
	}
	return nil
}

func (l *Lists) readPlain(f io.Reader) error {
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			continue
		}
		if len(l.plain) >= maxPlain {
			return fmt.Errorf("more than %d passwords of plain text; take a file of hashes", maxPlain)
		}
		l.plain = append(l.plain, beginning(string(line)))
	}
	return lines.Err()
}

func beginning(password string) uint64 {
	sum := sha1.Sum([]byte(strings.ToLower(string(normal(password)))))
	var n uint64
	for _, b := range sum[:8] {
		n = n<<8 | uint64(b)
	}
	return n
}

// Has reports whether a list has the password: as it is typed and, in plain lists, whatever its case.
func (l *Lists) Has(password string) (bool, error) {
	if _, ok := slices.BinarySearch(l.plain, beginning(password)); ok {
		return true, nil
	}
	for _, form := range []string{password, string(normal(password))} {
		sum := sha1.Sum([]byte(form))
		want := strings.ToUpper(hex.EncodeToString(sum[:]))
		for i, f := range l.files {
			if found, err := search(f, l.sizes[i], want); found || err != nil {
				return found, err
			}
		}
	}
	return false, nil
}

// search looks for a hash by halving the file: about thirty reads in the full list of a billion.
func search(f io.ReaderAt, size int64, want string) (bool, error) {
	low, high := int64(0), size // the line begins in [low, high)
	for low < high {
		middle := low + (high-low)/2
		line, next, err := lineFrom(f, middle, size)
		if err != nil {
			return false, err
		}
		switch {
		case line == "" || line > want:
			high = middle
		case line == want:
			return true, nil
		default:
			low = next
		}
	}
	return false, nil
}

// lineFrom returns the hash of the first line that begins at offset or after it, and where the line after that may begin; ""
// at the end.
func lineFrom(f io.ReaderAt, offset, size int64) (hash string, next int64, err error) {
	start := max(0, offset-1)
	buffer := make([]byte, 200) // a line is at most 40 + 1 + 20 bytes and its end
	n, err := f.ReadAt(buffer, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	text := buffer[:n]
	if offset > 0 {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return "", size, nil
		}
		start, text = start+int64(end)+1, text[end+1:]
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) < 40 {
		if start < size && len(bytes.TrimSpace(line)) > 0 {
			return "", 0, fmt.Errorf("a line at byte %d is no hash", start)
		}
		return "", size, nil
	}
	return strings.ToUpper(string(line[:40])), start + int64(len(line)) + 1, nil
}
