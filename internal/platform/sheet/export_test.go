package sheet

import (
	"io"
	"iter"
)

// WriteSheets writes an XLSX whose sheets have no more than that many rows.
func WriteSheets(w io.Writer, t Table, sheetRows int, rows iter.Seq2[[]any, error]) error {
	return writeBook(w, t, sheetRows, rows)
}
