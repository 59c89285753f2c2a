package logfile

import (
	"fmt"
	"strconv"
	"strings"
)

// zeekReader reads Zeek's tab-separated logs by their header (https://docs.zeek.org/en/master/log-formats.html). A line
// becomes an object with the header's names, "_path" from #path, numbers and booleans by #types; unset fields are left
// out. Several files in one are fine: each header counts until the next.
type zeekReader struct {
	lines *lineReader
	file  *File

	separator, set, empty, unset string
	path                         string
	fields, types                []string
}

func (z *zeekReader) next(b *batch) error {
	for {
		line, tooLong, err := z.lines.read()
		if err != nil {
			return err
		}
		text := string(line)
		switch {
		case tooLong:
			b.tooLong(line, z.lines.number)
			return nil
		case strings.HasPrefix(text, "#"):
			z.header(text)
			continue
		case strings.TrimSpace(text) == "":
			continue
		case z.fields == nil:
			b.add(line, z.lines.number, "a line before the header that names its fields")
			return nil
		}
		z.add(text, b)
		return nil
	}
}

func (z *zeekReader) header(line string) {
	if value, ok := strings.CutPrefix(line, "#separator "); ok {
		z.separator, z.set, z.empty, z.unset = unescapeZeek(value), ",", "(empty)", "-"
		return
	}
	name, value, _ := strings.Cut(line, z.separator)
	switch name {
	case "#set_separator":
		z.set = unescapeZeek(value)
	case "#empty_field":
		z.empty = value
	case "#unset_field":
		z.unset = value
	case "#path":
		z.path = value
		if z.file.dataset == "" {
			z.file.dataset = value
		}
	case "#fields":
		z.fields = columns(strings.Split(value, z.separator))
	case "#types":
		z.types = strings.Split(value, z.separator)
	}
}

func (z *zeekReader) add(line string, b *batch) {
	cells := strings.Split(line, z.separator)
	r := newRow(b)
	if z.path != "" {
		r.text("_path", z.path)
	}
	for i, cell := range cells[:min(len(cells), len(z.fields))] {
		if cell == z.unset {
			continue
		}
		kind := ""
		if i < len(z.types) {
			kind = z.types[i]
		}
		z.cell(&r, z.fields[i], kind, cell)
	}
	if n := len(cells) - len(z.fields); n > 0 {
		r.texts("zeek.surplus", cells[len(z.fields):])
		z.file.damaged(atLine(z.lines.number), fmt.Sprintf("%d more cells than the header has names; they are in zeek.surplus", n))
	}
	r.end(z.lines.number)
}

func (z *zeekReader) cell(r *row, name, kind, cell string) {
	if strings.HasPrefix(kind, "set[") || strings.HasPrefix(kind, "vector[") {
		var list []string
		if cell != z.empty {
			for _, item := range strings.Split(cell, z.set) {
				list = append(list, unescapeZeek(item))
			}
		}
		r.texts(name, list)
		return
	}
	if cell == z.empty {
		cell = ""
	}
	switch kind {
	case "bool":
		if cell == "T" || cell == "F" {
			r.raw(name, strconv.FormatBool(cell == "T"))
			return
		}
	case "count", "int", "port", "double", "time", "interval":
		if isNumber(cell) {
			r.raw(name, cell)
			return
		}
	}
	r.text(name, unescapeZeek(cell))
}

// isNumber: what Zeek writes as a number and JSON reads as one.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return false
	}
	dot := strings.IndexByte(digits, '.')
	if dot == 0 || dot == len(digits)-1 {
		return false
	}
	for i := range len(digits) {
		if i != dot && (digits[i] < '0' || digits[i] > '9') {
			return false
		}
	}
	return true
}

// unescapeZeek replaces \x09 and the like.
func unescapeZeek(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if v, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
