// Package sheet takes tables in and gives them out: CSV and XLSX as people send them, and CSV, XLSX and JSON for people and
// programs.
//
// What it promises of reading (Open):
//
//   - Every row comes with its line, in order, as texts; memory does not grow with the rows, but for the shared texts of an XLSX.
//   - Nothing is guessed in silence. What cannot be read is a fault that says sheet, line and column.
//   - A file is bounded before it is believed: its size, unpacked too, rows, columns, cells (Limits). No link, macro or formula is
//     followed; a formula is the value that was calculated last.
//   - CSV is UTF-8, UTF-16 with its mark, or Shift_JIS as Excel in Japan writes it, with comma, semicolon or tab.
//   - A date of XLSX reads 2026-11-25, with time 2026-11-25 09:30:00, whatever it looks like there; a number as it is, without what its
//     format adds; each cell of a merged range as the range.
//
// What it promises of writing (Write):
//
//   - Rows are written as they come, in constant memory, however many.
//   - No text becomes a formula in the spreadsheet that opens it. In CSV an apostrophe stands before what could (OWASP, "CSV
//     Injection"), and Open takes it off again: what was exported reads back as it was.
//   - Nothing is cut, but for a text that is longer than a cell of Excel (32,767 characters); there a mark says so.
package sheet

import (
	"io"
	"iter"
	"time"

	"yagura/internal/platform/fault"
)

// Format is one of CSV, XLSX and JSON. Its text is the ending of the files.
type Format string

// The formats. JSON is only written.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
	JSON Format = "json"
)

// ContentType is the format's media type.
func (f Format) ContentType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8"
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	default:
		return "application/json"
	}
}

// Column is a column of a table that is written.
type Column struct {
	Name  string  // its key in JSON
	Title string  // its heading in CSV and XLSX
	Width float64 // in characters of XLSX; 0 is a width that suits the title
}

// Table is what is written, but for its rows.
type Table struct {
	Name    string // of the sheet
	Columns []Column
	Zone    *time.Location // of the times in CSV and XLSX; nil is UTC
	Class   string         // how far it may go, such as 社外秘: at the head of every printed page of XLSX; "" is none
	Base    string         // address of our own pages, such as https://yagura.example.co.jp, that a Link is added to; without it there are none
}

// A cell that is written is a string, bool, int, int64, float64, time.Time (a moment), Day, Link, or nil.
type (
	// Day is a date without a time; its zone does not matter.
	Day time.Time
	// Link is a text that leads to one of our own pages: "/alerts/…".
	Link struct{ Text, Path string }
)

// Write writes a table. Rows are asked for one by one, and must have a cell for each column; an error among them ends it, and what was
// written by then is of no use.
func Write(w io.Writer, f Format, t Table, rows iter.Seq2[[]any, error]) error {
	if t.Zone == nil {
		t.Zone = time.UTC
	}
	switch f {
	case CSV:
		return writeCSV(w, t, rows)
	case XLSX:
		return writeXLSX(w, t, rows)
	case JSON:
		return writeJSON(w, t, rows)
	default:
		return fault.New(fault.Invalid, "fault.sheet.unknown", "there is no export in the format %q", f)
	}
}

// each calls take for every row that is as wide as the table.
func (t Table) each(rows iter.Seq2[[]any, error], take func(cells []any) error) error {
	for cells, err := range rows {
		if err != nil {
			return err
		}
		if len(cells) != len(t.Columns) {
			return fault.New(fault.Internal, "", "a row of %d cells in a table of %d columns", len(cells), len(t.Columns))
		}
		if err := take(cells); err != nil {
			return err
		}
	}
	return nil
}

func unknownCell(cell any) error {
	return fault.New(fault.Internal, "", "a cell cannot be a %T", cell)
}
