package sheet

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// dateKind is what a number format makes of a number.
type dateKind byte

const (
	noDate dateKind = iota
	isDate
	isSpan // [h]:mm:ss: a time that goes past a day
)

// readStyles finds the cell styles that show dates.
func (b *workbook) readStyles(name string) error {
	var styles struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Cells []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := b.decode(name, &styles); err != nil {
		return err
	}
	codes := make(map[int]string, len(styles.Formats))
	for _, f := range styles.Formats {
		codes[f.ID] = f.Code
	}
	b.dates = make([]dateKind, len(styles.Cells))
	for i, cell := range styles.Cells {
		if code, own := codes[cell.Format]; own {
			b.dates[i] = kindOfCode(code)
		} else {
			b.dates[i] = kindOfID(cell.Format)
		}
	}
	return nil
}

// kindOfID knows the formats without a code (ECMA-376 part 1, 18.8.30), the Japanese ones with eras among them.
func kindOfID(id int) dateKind {
	switch {
	case id == 46:
		return isSpan
	case id >= 14 && id <= 22, id >= 27 && id <= 36, id == 45, id == 47, id >= 50 && id <= 58:
		return isDate
	}
	return noDate
}

// kindOfCode looks for the letters of dates outside quotes, brackets and escapes; only the part for positive numbers counts.
func kindOfCode(code string) dateKind {
	code = strings.ToLower(code)
	if code == "general" {
		return noDate
	}
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '"':
			end := strings.IndexByte(code[i+1:], '"')
			if end < 0 {
				return noDate
			}
			i += end + 1
		case '\\', '_', '*':
			i++
		case '[':
			end := strings.IndexByte(code[i:], ']')
			if end < 0 {
				return noDate
			}
			if inside := code[i+1 : i+end]; inside != "" && strings.Trim(inside, inside[:1]) == "" && strings.Contains("hms", inside[:1]) {
				return isSpan
			}
			i += end
		case ';':
			return noDate
		case 'y', 'm', 'd', 'h', 's', 'g':
			return isDate
		}
	}
	return noDate
}

// epoch is true for workbooks that count from 1904, as old Macs did.
type epoch bool

// date writes a serial number as a date, a time or both, by the clock on the wall.
func (from epoch) date(kind dateKind, serial float64) string {
	if math.IsNaN(serial) || serial < 0 || serial > 2_958_466 { // 9999-12-31
		return fmt.Sprint(serial)
	}
	seconds := int64(math.Round(serial * 86400))
	if kind == isSpan {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	days := seconds / 86400
	start := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case bool(from):
		start = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case days > 0 && days < 61:
		start = start.AddDate(0, 0, 1) // Excel believes in 1900-02-29
	}
	t := start.AddDate(0, 0, int(days)).Add(time.Duration(seconds%86400) * time.Second)
	switch {
	case days == 0 && seconds > 0:
		return t.Format("15:04:05")
	case seconds%86400 == 0:
		return t.Format(dayForm)
	default:
		return t.Format(timeForm)
	}
}
