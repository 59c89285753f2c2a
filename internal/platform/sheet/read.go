package sheet

import (
	"bytes"
	"fmt"
	"io"
	"iter"

	"yagura/internal/platform/fault"
)

// Limits bound what is read; a zero field is its default.
type Limits struct {
	Bytes    int64 // of the file: 32 MiB
	Unpacked int64 // of all that is read of an XLSX: 256 MiB
	Rows     int   // 100,000
	Columns  int   // 256
	Cell     int   // bytes of a text: 64 KiB
}

func (l Limits) orDefault() Limits {
	or := func(n *int, standard int) {
		if *n == 0 {
			*n = standard
		}
	}
	or(&l.Rows, 100_000)
	or(&l.Columns, 256)
	or(&l.Cell, 64<<10)
	if l.Bytes == 0 {
		l.Bytes = 32 << 20
	}
	if l.Unpacked == 0 {
		l.Unpacked = 256 << 20
	}
	return l
}

// Row is a row with something in it.
type Row struct {
	Line  int      // in a text editor for CSV, in the spreadsheet for XLSX; from 1
	Cells []string // without empty ones at the end
}

// Reader is a table that is read.
type Reader struct {
	Format Format
	Name   string // of the sheet, "CSV" of a CSV
	rows   func(yield func(Row, error) bool)
}

// Open looks what a file is, by its content, and prepares for reading: of an XLSX the first sheet that is not hidden. The file must
// stay open while rows are read. Errors are faults: Invalid or TooLarge.
func Open(r io.ReadSeeker, lim Limits) (*Reader, error) {
	lim = lim.orDefault()
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	if size > lim.Bytes {
		return nil, fault.New(fault.TooLarge, "fault.sheet.bytes", "a file of %d bytes; %d are read", size, lim.Bytes)
	}
	head := make([]byte, 4096)
	n, err := readAt(r, head)
	if err != nil {
		return nil, fmt.Errorf("reading the table: %w", err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return openXLSX(seekerAt{r}, size, lim)
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")):
		return nil, fault.New(fault.Invalid, "fault.sheet.old", "an Excel file of before 2007, or with a password")
	default:
		return openCSV(r, head, lim)
	}
}

// Rows gives row after row, without empty ones. It ends after an error. It can be called again.
func (r *Reader) Rows() iter.Seq2[Row, error] { return r.rows }

// readAt fills head from the beginning and goes back there.
func readAt(r io.ReadSeeker, head []byte) (int, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	if _, failed := r.Seek(0, io.SeekStart); err == nil {
		err = failed
	}
	return n, err
}

// seekerAt reads anywhere in what can only be read from a place on. Not for concurrent use.
type seekerAt struct{ r io.ReadSeeker }

func (s seekerAt) ReadAt(p []byte, at int64) (int, error) {
	if _, err := s.r.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.r, p)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// place is where something is wrong.
type place struct {
	sheet        string
	line, column int
}

// wrong is a fault with its place: sheet, line, column and what else its message has.
func (p place) wrong(code fault.Code, key, detail string, more ...any) error {
	err := fault.New(code, key, "%s, line %d, column %d: %s", p.sheet, p.line, p.column, detail)
	err.Args = append([]any{p.sheet, p.line, p.column}, more...)
	return err
}

// collector holds rows to the limits.
type collector struct {
	sheet string
	lim   Limits
	rows  int
}

// fits looks at a row. keep is false for one without a text.
func (c *collector) fits(row *Row) (keep bool, err error) {
	for len(row.Cells) > 0 && row.Cells[len(row.Cells)-1] == "" {
		row.Cells = row.Cells[:len(row.Cells)-1]
	}
	if len(row.Cells) == 0 {
		return false, nil
	}
	if c.rows++; c.rows > c.lim.Rows {
		return false, place{c.sheet, row.Line, 1}.wrong(fault.TooLarge, "fault.sheet.rows", fmt.Sprintf("more than %d rows", c.lim.Rows), c.lim.Rows)
	}
	if len(row.Cells) > c.lim.Columns {
		return false, place{c.sheet, row.Line, c.lim.Columns + 1}.wrong(fault.TooLarge, "fault.sheet.columns",
			fmt.Sprintf("more than %d columns", c.lim.Columns), c.lim.Columns)
	}
	for i, cell := range row.Cells {
		if len(cell) > c.lim.Cell {
			return false, place{c.sheet, row.Line, i + 1}.wrong(fault.TooLarge, "fault.sheet.cell",
				fmt.Sprintf("a text of %d bytes; a cell has %d", len(cell), c.lim.Cell), c.lim.Cell)
		}
	}
	return true, nil
}
