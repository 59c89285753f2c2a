package gate

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/valyala/fastjson"
)

// maxDepth is how deep JSON may be nested: as deep as the parser that reads it later goes (fastjson.MaxDepth).
const maxDepth = fastjson.MaxDepth

// ValidObject says why data is no JSON object; nil if it is one.
func ValidObject(data []byte) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 {
		return errors.New("empty where a JSON object should be")
	}
	if trimmed[0] != '{' {
		return fmt.Errorf("no JSON object: it begins with %q", excerpt(trimmed))
	}
	return Valid(data)
}

// Valid says why data is no JSON; nil if it is.
func Valid(data []byte) error {
	if tooDeep(data) { // first: the validator recurses without a limit
		return fmt.Errorf("JSON nested deeper than %d", maxDepth)
	}
	return fastjson.ValidateBytes(data)
}

func excerpt(data []byte) []byte { return data[:min(len(data), 20)] }

// tooDeep counts brackets outside strings, but only where there are enough of them anywhere to matter.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= maxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Lines calls line for each line of data with its number from 1, without its line break ("\n" or "\r\n"). The last
// one needs no line break; a line of white space is counted and left out.
func Lines(data []byte, line func(number int, text []byte)) {
	for number := 1; len(data) > 0; number++ {
		text := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			text, data = data[:end], data[end+1:]
		} else {
			data = nil
		}
		text = bytes.TrimSuffix(text, []byte{'\r'})
		if len(bytes.TrimSpace(text)) > 0 {
			line(number, text)
		}
	}
}
