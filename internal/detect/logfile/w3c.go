package logfile

import (
	"fmt"
	"strings"
)

// w3cReader reads W3C extended logs (https://www.w3.org/TR/WD-logfile), as IIS, Exchange and proxies write them: values
// separated by spaces, or commas, under names that #Fields gives. A line becomes an object with those names; "-" is left out.
type w3cReader struct {
	lines  *lineReader
	file   *File
	fields []string
	commas bool
}

func (w *w3cReader) next(b *batch) error {
	for {
		line, tooLong, err := w.lines.read()
		if err != nil {
			return err
		}
		text := string(line)
		switch {
		case tooLong:
			b.tooLong(line, w.lines.number)
			return nil
		case strings.HasPrefix(text, "#"):
			if list, ok := strings.CutPrefix(text, "#Fields:"); ok {
				w.commas = strings.Contains(list, ",")
				w.fields = columns(strings.FieldsFunc(list, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }))
			}
			continue
		case strings.TrimSpace(text) == "":
			continue
		case w.fields == nil:
			b.add(line, w.lines.number, "a line before the header that names its fields")
			return nil
		}
		w.add(text, b)
		return nil
	}
}

func (w *w3cReader) add(line string, b *batch) {
	r := newRow(b)
	n := 0
	var rest []string
	for line != "" {
		var value string
		value, line = w.value(line)
		switch {
		case n >= len(w.fields):
			rest = append(rest, value)
		case value != "-" && value != "":
			r.text(w.fields[n], value)
		}
		n++
	}
	if rest != nil {
		r.texts("w3c.surplus", rest)
		w.file.damaged(atLine(w.lines.number), fmt.Sprintf("%d more values than #Fields has names; they are in w3c.surplus", len(rest)))
	}
	r.end(w.lines.number)
}

// value cuts the first value off, which may be in quotes.
func (w *w3cReader) value(line string) (value, rest string) {
	separator := byte(' ')
	if w.commas {
		separator = ','
	}
	if line[0] == '"' {
		if end := strings.IndexByte(line[1:], '"'); end >= 0 {
			value, rest = line[1:1+end], line[end+2:]
			if rest == "" || rest[0] == separator || rest[0] == '\t' {
				return value, strings.TrimPrefix(rest, rest[:min(1, len(rest))])
			}
		}
	}
	for i := range len(line) {
		if line[i] == separator || line[i] == '\t' {
			return line[:i], line[i+1:]
		}
	}
	return line, ""
}
