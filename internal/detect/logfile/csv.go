package logfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of one row: a quote that is never closed must not swallow the file.
const (
	maxRow      = 1 << 20
	maxRowLines = 2000
	maxColumns  = 2000
)

// surplus is the name under which a row keeps the cells that the header has no name for.
const surplus = "csv.surplus"

// csvReader reads a table with a header (RFC 4180, and what spreadsheets make of it: semicolons or tabs, "sep=;"). A
// row becomes a flat object of its cells that are not empty.
type csvReader struct {
	lines  *lineReader
	file   *File
	comma  rune
	header []string
	buf    []byte
	ahead  [][]byte // lines read beyond a quote that was never closed
	number uint64   // of the line the row began at
}

func newCSV(lines *lineReader, f *File) *csvReader { return &csvReader{lines: lines, file: f} }

func (c *csvReader) next(b *batch) error {
	if c.header == nil {
		if err := c.readHeader(); err != nil {
			return err
		}
	}
	for {
		record, err := c.readRow()
		switch {
		case errors.Is(err, io.EOF):
			return err
		case err != nil:
			b.add(c.buf, c.number, err.Error())
			return nil
		case len(record) == 0 || len(record) == 1 && strings.TrimSpace(record[0]) == "":
			continue
		}
		c.add(record, b)
		return nil
	}
}

func (c *csvReader) add(record []string, b *batch) {
	r := newRow(b)
	for i, cell := range record[:min(len(record), len(c.header))] {
		if cell != "" {
			r.text(c.header[i], cell)
		}
	}
	if n := len(record) - len(c.header); n > 0 {
		r.texts(surplus, record[len(c.header):])
		c.file.damaged(atLine(c.number), fmt.Sprintf("%d more cells than the header has names; they are in %s", n, surplus))
	}
	r.end(c.number)
}

// readHeader reads the names and finds what separates them.
func (c *csvReader) readHeader() error {
	for {
		line, _, err := c.line()
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(line))
		if sep, ok := strings.CutPrefix(text, "sep="); ok && len(sep) == 1 {
			c.comma = rune(sep[0])
			continue
		}
		if text == "" || strings.HasPrefix(text, "#TYPE ") { // PowerShell's Export-Csv
			continue
		}
		if c.comma == 0 {
			c.comma = separator(text)
		}
		c.ahead = append([][]byte{bytes.Clone(line)}, c.ahead...)
		c.lines.number-- // it is read again
		header, err := c.readRow()
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		if len(header) > maxColumns {
			return fmt.Errorf("header: %d columns, more than %d", len(header), maxColumns)
		}
		c.header = columns(header)
		return nil
	}
}

// separator is the likeliest one: what the header has most of outside quotes.
func separator(header string) rune {
	best, most := ',', 0
	for _, candidate := range []rune{',', ';', '\t', '|'} {
		n, quoted := 0, false
		for _, c := range header {
			if c == '"' {
				quoted = !quoted
			}
			if c == candidate && !quoted {
				n++
			}
		}
		if n > most {
			best, most = candidate, n
		}
	}
	return best
}

func (c *csvReader) line() (line []byte, tooLong bool, err error) {
	if len(c.ahead) > 0 {
		line, c.ahead = c.ahead[0], c.ahead[1:]
		c.lines.number++
		return line, false, nil
	}
	return c.lines.read()
}

// readRow reads one row, which quotes may stretch over lines. After an error other than io.EOF, buf holds the line
// that is no row, and the next call goes on behind it.
func (c *csvReader) readRow() ([]string, error) {
	line, tooLong, err := c.line()
	if err != nil {
		return nil, err
	}
	c.number = c.lines.number
	c.buf = append(c.buf[:0], line...)
	first := len(c.buf)
	if tooLong {
		c.buf = c.buf[:cutItem]
		return nil, fmt.Errorf("longer than %d bytes: only its first %d are kept", MaxItem, cutItem)
	}
	var gathered [][]byte
	for open := oddQuotes(line); open; {
		line, _, err := c.line()
		if err != nil || len(c.buf)+len(line) > maxRow || len(gathered) >= maxRowLines {
			if err == nil {
				gathered = append(gathered, bytes.Clone(line))
			}
			c.lines.number -= uint64(len(gathered))
			c.ahead = append(gathered, c.ahead...)
			c.buf = c.buf[:first]
			return nil, errors.New("a quote is opened and never closed")
		}
		gathered = append(gathered, bytes.Clone(line))
		c.buf = append(append(c.buf, '\n'), line...)
		open = !oddQuotes(line)
	}
	r := csv.NewReader(bytes.NewReader(c.buf))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = c.comma, -1, true
	record, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil // an empty line
	}
	return record, err
}

func oddQuotes(line []byte) bool { return bytes.Count(line, []byte{'"'})%2 == 1 }
