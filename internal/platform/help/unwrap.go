package help

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// opens is how a line begins that does not go on with the one before: a heading, a list's entry, a table's row, a quote, a rule,
// a fence.
var opens = regexp.MustCompile("^\\s*(#|[-*+] |\\d+[.)] |\\||>|---|```|$)")

// unwrap joins the lines of each paragraph: the files are wrapped for who reads them as files, and a page breaks lines where it is
// written to. Between Japanese characters no space comes in.
func unwrap(markdown string) string {
	var out strings.Builder
	fenced, joins := false, false // within code; the next line may go on with what was written
	for line := range strings.SplitSeq(markdown, "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ")
		switch text := strings.TrimLeft(line, " "); {
		case joins && !fenced && !opens.MatchString(line):
			written := out.String()
			last, _ := utf8.DecodeLastRuneInString(written)
			if first, _ := utf8.DecodeRuneInString(text); !wide(last) || !wide(first) {
				out.WriteByte(' ')
			}
			out.WriteString(text)
		default:
			if out.Len() > 0 {
				out.WriteByte('\n')
			}
			out.WriteString(line)
			indented = indented && !joins
		}
		if fence {
			fenced = !fenced
		}
		// Nothing goes on with a heading, a table's row, a rule, a fence or an empty line.
		joins = !fenced && !fence && !indented && line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(strings.TrimSpace(line), "|") && !strings.HasPrefix(line, "---")
	}
	return out.String()
}

// wide reports a character that stands without spaces beside others of its kind.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) || strings.ContainsRune("、。「」（）：・ー", r)
}
