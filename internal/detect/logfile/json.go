package logfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// isJSON tells JSON by its beginning: an object, or a list of objects.
func isJSON(start string) bool {
	if strings.HasPrefix(start, "{") {
		return true
	}
	rest, ok := strings.CutPrefix(start, "[")
	if !ok {
		return false
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	return strings.HasPrefix(rest, "{") || rest == "]"
}

// newJSON chooses by the beginning: objects that take a line each are read by line, so that one that is damaged costs
// nothing but itself; everything else by the nesting of its braces.
func newJSON(r *bufio.Reader, ext string, f *File) reader {
	head, _ := r.Peek(bufferSize)
	head = bytes.TrimLeft(head, " \t\r\n")
	first, _, _ := bytes.Cut(head, []byte("\n"))
	first = bytes.TrimSpace(first)
	byLine := len(first) == 0 || first[0] != '{' && first[0] != '[' || // damaged from the start: line by line is safest
		first[0] == '{' && wrapped(string(head[:min(len(head), 256)])) == "" &&
			(json.Valid(first) || ext != ".json" && first[len(first)-1] == '}')
	if byLine {
		return &jsonLines{lines: &lineReader{r: r}}
	}
	return &jsonValues{r: r, file: f}
}

// wrapped returns the name of the list that an object wraps as cloud services store their logs: {"Records": [ … ]}.
func wrapped(start string) string {
	rest := strings.TrimLeft(strings.TrimPrefix(start, "{"), " \t\r\n")
	for _, name := range [...]string{"Records", "records"} {
		if after, ok := strings.CutPrefix(rest, `"`+name+`"`); ok {
			after = strings.TrimLeft(after, " \t\r\n")
			if after, ok = strings.CutPrefix(after, ":"); ok && strings.HasPrefix(strings.TrimLeft(after, " \t\r\n"), "[") {
				return name
			}
		}
	}
	return ""
}

// jsonLines reads one object a line.
type jsonLines struct{ lines *lineReader }

func (j *jsonLines) next(b *batch) error {
	for {
		line, tooLong, err := j.lines.read()
		if err != nil {
			return err
		}
		object := bytes.TrimSpace(line)
		switch {
		case tooLong:
			b.tooLong(line, j.lines.number)
		case len(object) == 0:
			continue
		case object[0] != '{' || object[len(object)-1] != '}':
			b.add(line, j.lines.number, "the line is no JSON object")
		default:
			b.add(object, j.lines.number, "")
		}
		return nil
	}
}

// jsonValues reads objects that lie one after another, or in lists, over any number of lines. It follows braces and
// quotes only; whether what is between them is JSON is for the normaliser to say.
type jsonValues struct {
	r      *bufio.Reader
	file   *File
	buf    []byte
	number uint64
	opened bool // the beginning has been read
	lists  int  // that are open
}

func (j *jsonValues) next(b *batch) error {
	if !j.opened {
		j.opened = true
		if head, _ := j.r.Peek(4096); wrapped(strings.TrimLeft(string(head), " \t\r\n")) != "" {
			if _, err := j.r.ReadSlice('['); err != nil {
				return err
			}
			j.lists++
		}
	}
	for {
		c, err := j.r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && j.lists > 0 {
				j.file.damaged("", "it breaks off: the list of objects is not closed")
			}
			return err
		}
		switch c {
		case ' ', '\t', '\r', '\n', ',', 0x1e:
			continue
		case '[':
			j.lists++
		case ']':
			j.lists--
		case '{':
			return j.object(b)
		case '}':
			continue // the end of what wrapped a list
		default:
			return j.junk(c, b)
		}
	}
}

// object reads from an opening brace to the one that closes it.
func (j *jsonValues) object(b *batch) error {
	j.buf = append(j.buf[:0], '{')
	j.number++
	depth, inString, escaped := 1, false, false
	for depth > 0 {
		c, err := j.r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) {
				b.add(bytes.TrimSpace(j.buf[:min(len(j.buf), MaxItem)]), j.number, "the JSON object breaks off")
				return nil
			}
			return err
		}
		if len(j.buf) <= MaxItem {
			j.buf = append(j.buf, c)
		}
		switch {
		case inString:
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	if len(j.buf) > MaxItem {
		b.tooLong(j.buf, j.number)
		return nil
	}
	b.add(j.buf, j.number, "")
	return nil
}

// junk hands out what stands between objects and is none, up to the next line or object, or the list's end.
func (j *jsonValues) junk(first byte, b *batch) error {
	j.buf = append(j.buf[:0], first)
	j.number++
	for len(j.buf) < MaxItem {
		c, err := j.r.ReadByte()
		if err != nil {
			break
		}
		if c == '{' || c == ']' && j.lists > 0 {
			_ = j.r.UnreadByte() // it has just been read
			break
		}
		if c == '\n' {
			break
		}
		j.buf = append(j.buf, c)
	}
	b.add(bytes.TrimSpace(j.buf), j.number, "this is no JSON object")
	return nil
}
