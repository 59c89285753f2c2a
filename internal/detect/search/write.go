package search

import (
	"bufio"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"yagura/internal/event"
)

// JSONWriter writes one flat JSON object a row.
type JSONWriter struct {
	w   *bufio.Writer
	buf []byte
}

// NewJSONWriter makes a writer to w; call Close in the end.
func NewJSONWriter(w io.Writer) *JSONWriter { return &JSONWriter{w: bufio.NewWriterSize(w, 1<<16)} }

// Write writes a row.
func (j *JSONWriter) Write(ev *event.Event) error {
	j.buf = append(ev.AppendJSON(j.buf[:0]), '\n')
	_, err := j.w.Write(j.buf)
	return err
}

// Close writes what is left.
func (j *JSONWriter) Close() error { return j.w.Flush() }

// CSVWriter writes rows for Excel: UTF-8 with a byte order mark, a header, and no cell that Excel would take for a formula.
type CSVWriter struct {
	w       *csv.Writer
	columns []string
	record  []string
}

// NewCSVWriter makes a writer to w with a column for each field; call Close in the end.
func NewCSVWriter(w io.Writer, columns []string) (*CSVWriter, error) {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return nil, err
	}
	c := &CSVWriter{w: csv.NewWriter(w), columns: columns, record: make([]string, len(columns))}
	c.w.UseCRLF = true
	return c, c.w.Write(columns)
}

// Write writes a row.
func (c *CSVWriter) Write(ev *event.Event) error {
	for i, name := range c.columns {
		c.record[i] = harmless(Value(ev, name))
	}
	return c.w.Write(c.record)
}

// Close writes what is left.
func (c *CSVWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// harmless keeps a spreadsheet from running a cell as a formula, in full-width characters too (OWASP, CSV injection). Numbers stay numbers.
func harmless(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	if cell == "" || !strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}

// Value is a field of a row as one text; lists are joined.
func Value(ev *event.Event, name string) string {
	switch name {
	case "@timestamp", "_time":
		if ev.Time.IsZero() {
			return ""
		}
		return ev.Time.UTC().Format(time.RFC3339Nano)
	case "event.id":
		return ev.ID
	}
	if values := ev.Values(name); len(values) > 1 {
		return strings.Join(values, ", ")
	}
	return ev.Get(name)
}

// maxColumns is how many columns a table of a query's own rows has at the most.
const maxColumns = 20

// Columns are what a table shows of rows: time, where, what, for events; every field for the rows of a query that makes its own.
func Columns(rows []*event.Event) []string {
	var own []string
	for _, row := range rows {
		if row.ID != "" {
			return []string{"@timestamp", event.HostName, event.EventDataset, event.Message}
		}
		if !row.Time.IsZero() && !slices.Contains(own, "@timestamp") {
			own = slices.Insert(own, 0, "@timestamp")
		}
		for _, f := range row.Fields() {
			if len(own) < maxColumns && !slices.Contains(own, f.Name) {
				own = append(own, f.Name)
			}
		}
	}
	return own
}

// WriteTable writes rows for people: columns as wide as they need, East Asian characters counted as two, the last column cut to
// the terminal's width (0: not cut). Control characters are shown as spaces, so that a log cannot draw on the terminal.
func WriteTable(w io.Writer, rows []*event.Event, terminal int) error {
	if len(rows) == 0 {
		return nil
	}
	columns := Columns(rows)
	cells := make([][]string, 0, len(rows)+1)
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = strings.ToUpper(strings.TrimPrefix(c, "@"))
	}
	cells = append(cells, head)
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			if line[i] = visible(Value(row, c)); c == "@timestamp" && !row.Time.IsZero() {
				line[i] = row.Time.Local().Format("2006-01-02 15:04:05.000 -07:00")
			}
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(columns))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], min(Width(cell), 40))
		}
	}
	out := bufio.NewWriter(w)
	for _, line := range cells {
		writeLine(out, line, widths, terminal)
	}
	return out.Flush()
}

func writeLine(out *bufio.Writer, line []string, widths []int, terminal int) {
	used := 0
	for i, cell := range line {
		last := i == len(line)-1
		room := widths[i]
		if last {
			room = max(terminal-used, 20)
			if terminal <= 0 {
				room = 1 << 20
			}
		}
		text, n := cut(cell, room)
		out.WriteString(text)
		if !last {
			out.WriteString(strings.Repeat(" ", widths[i]-n+2))
		}
		used += widths[i] + 2
	}
	out.WriteByte('\n')
}

// cut shortens text to so many columns and says how many it takes.
func cut(text string, room int) (string, int) {
	if n := Width(text); n <= room {
		return text, n
	}
	used := 0
	for i, r := range text {
		if used+runeWidth(r) > room-1 {
			return text[:i] + "…", used + 1
		}
		used += runeWidth(r)
	}
	return text, used
}

// Width is how many terminal columns text takes.
func Width(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// visible folds white space and control characters; what turns the direction of writing is shown as �.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return utf8.RuneError
		}
		return r
	}, text)
}
