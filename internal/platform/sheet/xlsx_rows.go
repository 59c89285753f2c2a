package sheet

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"yagura/internal/platform/fault"
)

// read gives the rows of the sheet.
func (b *workbook) read(yield func(Row, error) bool) {
	r, err := b.open(b.content)
	if err != nil {
		yield(Row{}, err)
		return
	}
	defer r.Close()
	x := &sheetRows{book: b, d: xml.NewDecoder(r), limits: collector{sheet: b.sheet, lim: b.lim}, merged: b.merged}
	for {
		row, err := x.next()
		if err == io.EOF {
			return
		}
		if err != nil {
			yield(Row{}, damaged(b.content, err))
			return
		}
		keep, err := x.limits.fits(&row)
		if err != nil {
			yield(Row{}, err)
			return
		}
		if keep && !yield(row, nil) {
			return
		}
	}
}

// sheetRows is a sheet part on its way through the decoder.
type sheetRows struct {
	book   *workbook
	d      *xml.Decoder
	limits collector
	merged []mergedRange // not begun yet, by their first row
	active []mergedRange // that the current row goes through
	line   int
}

// next reads a row, which may be empty; io.EOF behind the last.
func (x *sheetRows) next() (Row, error) {
	for {
		token, err := x.d.RawToken()
		if err != nil {
			return Row{}, unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "row" {
				return x.row(t)
			}
		case xml.EndElement:
			if t.Name.Local == "sheetData" {
				return Row{}, io.EOF
			}
		}
	}
}

func (x *sheetRows) row(start xml.StartElement) (Row, error) {
	line := x.line + 1
	if r := attribute(start, "r"); r != "" {
		n, err := strconv.Atoi(r)
		if err != nil || n < line || n > maxRow {
			return Row{}, fmt.Errorf("row %q behind row %d", r, x.line)
		}
		line = n
	}
	x.line = line
	row := Row{Line: line}
	for {
		token, err := x.d.RawToken()
		if err != nil {
			return row, unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local != "c" {
				continue
			}
			column, text, err := x.cell(t, len(row.Cells)+1)
			if err != nil {
				return row, err
			}
			if text == "" {
				continue
			}
			for len(row.Cells) < column {
				row.Cells = append(row.Cells, "")
			}
			row.Cells[column-1] = text
		case xml.EndElement:
			if t.Name.Local == "row" {
				return x.spread(row)
			}
		}
	}
}

// spread gives each cell of a merged range the text of its first. Ranges do not overlap, so that a row goes through few.
func (x *sheetRows) spread(row Row) (Row, error) {
	x.active = slices.DeleteFunc(x.active, func(m mergedRange) bool { return m.bottom < row.Line })
	for len(x.merged) > 0 && x.merged[0].top <= row.Line {
		if m := x.merged[0]; m.bottom >= row.Line && m.left <= x.book.lim.Columns {
			x.active = append(x.active, m)
		}
		x.merged = x.merged[1:]
	}
	if len(x.active) > x.book.lim.Columns {
		return row, fmt.Errorf("merged ranges overlap in row %d", row.Line)
	}
	for i := range x.active {
		m := &x.active[i]
		if row.Line == m.top && m.left <= len(row.Cells) {
			m.text = row.Cells[m.left-1]
		}
		if m.text == "" {
			continue
		}
		right := min(m.right, x.book.lim.Columns)
		for len(row.Cells) < right {
			row.Cells = append(row.Cells, "")
		}
		for column := m.left; column <= right; column++ {
			row.Cells[column-1] = m.text
		}
	}
	return row, nil
}

// cell reads one, to its end. A column that is not given is the next.
func (x *sheetRows) cell(start xml.StartElement, next int) (column int, text string, err error) {
	column = next
	if ref := attribute(start, "r"); ref != "" {
		var line int
		var ok bool
		if column, line, ok = cellAt(ref); !ok || line != x.line {
			return 0, "", fmt.Errorf("cell %q in row %d", ref, x.line)
		}
	}
	at := place{x.book.sheet, x.line, column}
	value, calculated, err := x.value()
	switch {
	case err != nil:
		return 0, "", err
	case !calculated:
		return 0, "", at.wrong(fault.Invalid, "fault.sheet.formula", "a formula without a calculated value")
	case value == "":
		return column, "", nil
	}
	if column > x.book.lim.Columns {
		return 0, "", at.wrong(fault.TooLarge, "fault.sheet.columns", fmt.Sprintf("more than %d columns", x.book.lim.Columns), x.book.lim.Columns)
	}
	text, err = x.book.text(attribute(start, "t"), attribute(start, "s"), value)
	if err != nil {
		return 0, "", at.wrong(fault.Invalid, "fault.sheet.value", err.Error())
	}
	return column, text, nil
}

// value is what stands in a cell. calculated is false for a formula whose value nobody has calculated.
func (x *sheetRows) value() (value string, calculated bool, err error) {
	var text strings.Builder
	var inValue, sawValue, formula bool
	for {
		token, err := x.d.RawToken()
		if err != nil {
			return "", false, unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "v":
				inValue, sawValue = true, true
			case "f":
				formula = true
			case "is":
				inline, err := richText(x.d, "is")
				if err != nil {
					return "", false, err
				}
				text.WriteString(inline)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "v":
				inValue = false
			case "c":
				return text.String(), sawValue || !formula, nil
			}
		case xml.CharData:
			if inValue {
				text.Write(t)
			}
		}
	}
}

// text is a cell's value for people and programs: shared and inline texts as they are, booleans, dates, numbers.
func (b *workbook) text(kind, style, value string) (string, error) {
	switch kind {
	case "s":
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 0 || n >= len(b.shared) {
			return "", fmt.Errorf("there is no shared text %q", value)
		}
		return b.shared[n], nil
	case "inlineStr", "d":
		return value, nil
	case "str":
		return unescapeText(value), nil
	case "e":
		return "", fmt.Errorf("the formula's value is the error %s", value)
	case "b":
		return strconv.FormatBool(strings.TrimSpace(value) == "1"), nil
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return "", fmt.Errorf("%q is no number", value)
	}
	if s, err := strconv.Atoi(style); err == nil && s >= 0 && s < len(b.dates) && b.dates[s] != noDate {
		return b.from.date(b.dates[s], number), nil
	}
	return strconv.FormatFloat(number, 'f', -1, 64), nil
}

// unescapeText turns _x000D_, as ECMA-376 writes what XML cannot hold, into its character.
func unescapeText(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if i+7 <= len(text) && text[i] == '_' && text[i+1] == 'x' && text[i+6] == '_' {
			if n, err := strconv.ParseUint(text[i+2:i+6], 16, 16); err == nil {
				out.WriteRune(rune(n)) // half a surrogate pair becomes U+FFFD
				i += 6
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
