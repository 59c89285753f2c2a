package sheet

import (
	"bufio"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	timeForm = "2006-01-02 15:04:05"
	dayForm  = "2006-01-02"
	bom      = "\ufeff"
)

// writeCSV writes RFC 4180 with the mark by which Excel knows UTF-8.
func writeCSV(w io.Writer, t Table, rows iter.Seq2[[]any, error]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	line := []byte(bom)
	for i, c := range t.Columns {
		line = appendField(line, i, disarm(c.Title))
	}
	write := func() error {
		_, err := out.Write(append(line, "\r\n"...))
		line = line[:0]
		return err
	}
	if err := write(); err != nil {
		return err
	}
	err := t.each(rows, func(cells []any) error {
		for i, cell := range cells {
			text, err := csvText(cell, t.Zone)
			if err != nil {
				return err
			}
			line = appendField(line, i, text)
		}
		return write()
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// appendField adds a field, quoted where it must be.
func appendField(line []byte, column int, text string) []byte {
	if column > 0 {
		line = append(line, ',')
	}
	if text != "" && utf8.ValidString(text) && !strings.ContainsAny(text, ",;\t\"\r\n\x00") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(line, text...)
	}
	if text == "" && column > 0 { // an empty line would be no row at all
		return line
	}
	// What no text can hold would make readers take the file for another encoding, or for no text.
	text = strings.ReplaceAll(string([]rune(text)), "\x00", "\ufffd")
	line = append(line, '"')
	for i := range len(text) {
		if text[i] == '"' {
			line = append(line, '"')
		}
		line = append(line, text[i])
	}
	return append(line, '"')
}

func csvText(cell any, zone *time.Location) (string, error) {
	switch v := cell.(type) {
	case nil:
		return "", nil
	case string:
		return disarm(v), nil
	case Link:
		return disarm(v.Text), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", nil
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case time.Time:
		if v.IsZero() {
			return "", nil
		}
		return v.In(zone).Format(timeForm), nil
	case Day:
		if time.Time(v).IsZero() {
			return "", nil
		}
		return time.Time(v).Format(dayForm), nil
	}
	return "", unknownCell(cell)
}

// disarm puts an apostrophe before a text that a spreadsheet would take for a formula, and before one that arm would change. Full-width
// signs count: Excel in Japan takes them, too.
func disarm(text string) string {
	if armed(strings.TrimLeft(text, "'")) {
		return "'" + text
	}
	return text
}

// arm undoes disarm.
func arm(text string) string {
	if rest, ok := strings.CutPrefix(text, "'"); ok && armed(strings.TrimLeft(rest, "'")) {
		return rest
	}
	return text
}

func armed(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return text != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}
