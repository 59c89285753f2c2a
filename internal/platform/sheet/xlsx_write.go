package sheet

import (
	"archive/zip"
	"errors"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/width"
)

const (
	xlsxFont  = "游ゴシック" // what Excel in Japan begins with; elsewhere it is known as Yu Gothic, and another takes its place
	cellChars = 32_767  // UTF-16 units in a cell of Excel
	linkChars = 255     // in a text within a formula
	exactInt  = 1 << 53 // integers up to it are themselves in a float64, which is all that Excel has
)

// book is a workbook on its way out. excelize keeps its rows in a temporary file until the end.
type book struct {
	file   *excelize.File
	table  Table
	styles xlsxStyles
	rows   int // of a sheet, its heading included

	sheets int
	sheet  string
	stream *excelize.StreamWriter
	row    int // the last one written
}

type xlsxStyles struct{ head, time, day, link int }

func writeXLSX(w io.Writer, t Table, rows iter.Seq2[[]any, error]) error {
	return writeBook(w, t, excelize.TotalRows, rows)
}

func writeBook(w io.Writer, t Table, sheetRows int, rows iter.Seq2[[]any, error]) (err error) {
	b := &book{file: excelize.NewFile(), table: t, rows: sheetRows}
	defer func() { err = errors.Join(err, b.file.Close()) }()
	if err := b.makeStyles(); err != nil {
		return err
	}
	if err := b.begin(); err != nil {
		return err
	}
	values := make([]any, len(t.Columns))
	err = t.each(rows, func(cells []any) error {
		if b.row == b.rows {
			if err := errors.Join(b.end(), b.begin()); err != nil {
				return err
			}
		}
		for i, cell := range cells {
			if values[i], err = b.value(cell); err != nil {
				return err
			}
		}
		b.row++
		return b.stream.SetRow("A"+strconv.Itoa(b.row), values)
	})
	if err != nil {
		return err
	}
	if err := b.end(); err != nil {
		return err
	}
	// excelize would gather the whole file in memory first: the writer that it asks for packs straight into w instead.
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) })
	_, err = b.file.WriteToBuffer()
	return err
}

func (b *book) makeStyles() error {
	if err := b.file.SetDefaultFont(xlsxFont); err != nil {
		return err
	}
	moment, day := "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd"
	font := func(f excelize.Font) *excelize.Font { f.Family, f.Size = xlsxFont, 11; return &f }
	for _, style := range []struct {
		id    *int
		style excelize.Style
	}{
		{&b.styles.head, excelize.Style{
			Font: font(excelize.Font{Bold: true}), Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E7ECF3"}},
			Alignment: &excelize.Alignment{Vertical: "center"},
		}},
		{&b.styles.time, excelize.Style{Font: font(excelize.Font{}), CustomNumFmt: &moment}},
		{&b.styles.day, excelize.Style{Font: font(excelize.Font{}), CustomNumFmt: &day}},
		{&b.styles.link, excelize.Style{Font: font(excelize.Font{Color: "1A56B0", Underline: "single"})}},
	} {
		id, err := b.file.NewStyle(&style.style)
		if err != nil {
			return err
		}
		*style.id = id
	}
	return nil
}

// begin begins a sheet with its heading, which stays in sight.
func (b *book) begin() (err error) {
	b.sheets++
	b.sheet = sheetName(b.table.Name, b.sheets)
	if b.sheets == 1 {
		err = b.file.SetSheetName("Sheet1", b.sheet)
	} else {
		_, err = b.file.NewSheet(b.sheet)
	}
	if err != nil {
		return err
	}
	if b.stream, err = b.file.NewStreamWriter(b.sheet); err != nil {
		return err
	}
	heading := make([]any, len(b.table.Columns))
	for i, c := range b.table.Columns {
		size := c.Width
		if size == 0 {
			size = min(max(12, titleWidth(c.Title)+4), 60) // with room for the filter's button
		}
		if err := b.stream.SetColWidth(i+1, i+1, size); err != nil {
			return err
		}
		heading[i] = excelize.Cell{StyleID: b.styles.head, Value: fit(c.Title)}
	}
	if err := b.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	b.row = 1
	return b.stream.SetRow("A1", heading)
}

// end puts filters on the heading and finishes the sheet.
func (b *book) end() error {
	if len(b.table.Columns) > 0 {
		last, err := excelize.CoordinatesToCellName(len(b.table.Columns), b.row)
		if err != nil {
			return err
		}
		if err := b.file.AutoFilter(b.sheet, "A1:"+last, nil); err != nil {
			return err
		}
	}
	if err := b.head(); err != nil {
		return err
	}
	return b.stream.Flush()
}

// headChars is how long the head of a page may be; Excel refuses workbooks with longer ones.
const headChars = 255

// head puts the name and the class at the head of every page, and how far it is at its foot.
func (b *book) head() error {
	if b.table.Class == "" {
		return nil
	}
	plain := func(text string) string { return strings.ReplaceAll(text, "&", "&&") } // "&" begins an instruction
	head := "&L" + plain(b.sheet) + "&R" + plain(b.table.Class)
	if len(utf16.Encode([]rune(head))) > headChars {
		head = "&R" + plain(b.table.Class)
	}
	return b.file.SetHeaderFooter(b.sheet, &excelize.HeaderFooterOptions{OddHeader: head, OddFooter: "&C&P / &N"})
}

// value makes a cell real: dates are dates, numbers numbers. A text is written as one and is never a formula.
func (b *book) value(cell any) (any, error) {
	switch v := cell.(type) {
	case nil, bool, int:
		return v, nil
	case string:
		return fit(v), nil
	case Link:
		return b.link(v), nil
	case int64:
		if v > exactInt || v < -exactInt {
			return strconv.FormatInt(v, 10), nil
		}
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil
		}
		return v, nil
	case time.Time:
		return dated(v, v.In(b.table.Zone).Format(timeForm), serial(v.In(b.table.Zone)), b.styles.time), nil
	case Day:
		t := time.Time(v)
		return dated(t, t.Format(dayForm), math.Floor(serial(t)), b.styles.day), nil
	}
	return nil, unknownCell(cell)
}

// dated is a date as Excel has it, or its text where Excel has none so early.
func dated(t time.Time, text string, number float64, style int) any {
	switch {
	case t.IsZero():
		return nil
	case t.Year() < 1901 || t.Year() > 9999:
		return text
	}
	return excelize.Cell{StyleID: style, Value: number}
}

// link is a formula, the one way to have a link without keeping all of them in memory. Only a path of our own pages gets into it, and
// both texts are quoted.
func (b *book) link(l Link) any {
	target := b.table.Base + l.Path
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	own := b.table.Base != "" && strings.HasPrefix(l.Path, "/") && !strings.HasPrefix(l.Path, "//") && !strings.ContainsAny(l.Path, "\\\r\n\t")
	if !own || len(quote(target)) > linkChars || len(quote(l.Text)) > linkChars || l.Text == "" {
		return fit(l.Text)
	}
	return excelize.Cell{StyleID: b.styles.link, Formula: "HYPERLINK(" + quote(target) + "," + quote(l.Text) + ")", Value: l.Text}
}

// fit makes a text short enough for a cell, and says so at its end.
func fit(text string) string {
	if len(text) <= cellChars { // bytes are never fewer than UTF-16 units
		return text
	}
	const mark = " …"
	units := utf16.Encode([]rune(text))
	if len(units) <= cellChars {
		return text
	}
	return string(utf16.Decode(units[:cellChars-len(utf16.Encode([]rune(mark)))])) + mark
}

// serial is the moment as days since 1899-12-30, by the clock of its zone.
func serial(t time.Time) float64 {
	_, offset := t.Zone()
	seconds := t.Unix() + int64(offset)
	const days = 25569 // from there to 1970
	return days + float64(seconds)/86400 + float64(t.Nanosecond()/1e6)/86400e3
}

// sheetName makes a name that Excel takes: 31 characters, without some signs. From the second sheet on it has a number.
func sheetName(name string, number int) string {
	name = strings.Trim(strings.Map(func(c rune) rune {
		if strings.ContainsRune(`:\/?*[]`, c) || c < ' ' {
			return ' '
		}
		return c
	}, name), "' ")
	suffix := ""
	if number > 1 {
		suffix = " (" + strconv.Itoa(number) + ")"
	}
	units := utf16.Encode([]rune(name))
	if limit := 31 - len(suffix); len(units) > limit {
		name = strings.Trim(strings.TrimRight(string(utf16.Decode(units[:limit])), "\ufffd"), "' ")
	}
	if name == "" {
		name = "Sheet"
	}
	return name + suffix
}

// titleWidth counts a wide character as two.
func titleWidth(title string) float64 {
	n := 0.0
	for _, c := range title {
		n++
		if k := width.LookupRune(c).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}
