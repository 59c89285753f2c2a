package sigma

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Bounds of a regular expression: its length in bytes, and its steps with all repetitions written out.
const (
	maxRegexp = 8 << 10
	maxSteps  = 20_000
)

// compileRegexp prepares the value of a re modifier. Sigma means PCRE with a small set of metacharacters;
// the engine is Go's RE2, which takes time linear in the text whatever the expression. What RE2 writes
// differently is rewritten where the meaning stays the same; what it cannot do is refused.
func compileRegexp(expr string, flags modifierSet) (test, error) {
	if len(expr) > maxRegexp {
		return test{}, fmt.Errorf("regular expression of %d bytes; at most %d are allowed", len(expr), maxRegexp)
	}
	translated, err := translatePCRE(expr, flags.has(modM) || inlineMultiline(expr))
	if err != nil {
		return test{}, fmt.Errorf("regular expression %q: %w", shorten(expr), err)
	}
	prefix := ""
	for _, f := range []modifier{modI, modM, modS} {
		if flags.has(f) {
			prefix += f.String()
		}
	}
	if prefix != "" {
		translated = "(?" + prefix + ")" + translated
	}
	tree, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		reason := err.Error()
		if e := (*syntax.Error)(nil); errors.As(err, &e) {
			reason = e.Code.String() + ": " + e.Expr
		}
		return test{}, fmt.Errorf("regular expression %q: %s", shorten(expr), reason)
	}
	steps := stepsOf(tree)
	if steps > maxSteps {
		return test{}, fmt.Errorf("regular expression %q: its repetitions make %d steps of it; at most %d are allowed", shorten(expr), steps, maxSteps)
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return test{}, fmt.Errorf("regular expression %q: %w", shorten(expr), err)
	}
	return test{kind: testRegexp, regexp: re, needs: needsOf(tree.Simplify()), steps: steps}, nil
}

// stepsOf is about how many instructions an expression becomes. The parser has seen to it that the number fits.
func stepsOf(re *syntax.Regexp) int {
	steps := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		steps = 1
	}
	for _, sub := range re.Sub {
		steps += stepsOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		steps *= max(1, re.Min, re.Max)
	}
	return steps
}

// shorten cuts a text for a message.
func shorten(s string) string {
	if len(s) <= 80 {
		return s
	}
	cut := 77
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// inlineMultiline reports whether the expression itself switches on that ^ and $ match at line ends.
func inlineMultiline(expr string) bool {
	for rest := expr; ; {
		_, after, found := strings.Cut(rest, "(?")
		if !found {
			return false
		}
		flags, _, _ := strings.Cut(after, ")")
		flags, _, _ = strings.Cut(flags, ":")
		if strings.Trim(flags, "imsU-") == "" && strings.Contains(flags, "m") {
			return true
		}
		rest = after
	}
}

// translatePCRE rewrites what PCRE and RE2 write differently.
func translatePCRE(expr string, multiline bool) (string, error) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(expr); {
		rest := expr[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			n, out, err := translateEscape(rest, inClass)
			if err != nil {
				return "", err
			}
			b.WriteString(out)
			i += n
			continue
		case inClass:
			if rest[0] == '[' && len(rest) > 1 && rest[1] == ':' {
				if end := strings.Index(rest, ":]"); end > 0 {
					b.WriteString(rest[:end+2])
					i += end + 2
					continue
				}
			}
			if rest[0] == '[' { // a plain bracket in PCRE, an error in RE2 in some places
				b.WriteString(`\[`)
				i++
				continue
			}
			inClass = rest[0] != ']'
		case rest[0] == '[':
			inClass = true
			// A ] directly behind the opening is a member of the class.
			for _, open := range []string{"[^]", "[]"} {
				if strings.HasPrefix(rest, open) {
					b.WriteString(open[:len(open)-1] + `\]`)
					i += len(open)
					rest = ""
					break
				}
			}
			if rest == "" {
				continue
			}
		case strings.HasPrefix(rest, "(?"):
			n, out, err := translateGroup(rest)
			if err != nil {
				return "", err
			}
			b.WriteString(out)
			i += n
			continue
		case rest[0] == '$' && !multiline: // in PCRE also before a newline that ends the text
			b.WriteString(`(?:\n?\z)`)
			i++
			continue
		case isPossessive(rest):
			return "", fmt.Errorf("possessive quantifier %q: RE2 has none", rest[:2])
		}
		b.WriteByte(rest[0])
		i++
	}
	return b.String(), nil
}

// isPossessive reports whether s begins with a quantifier made possessive. (A { that is no quantifier is
// followed by a plain + rarely enough that refusing it costs nothing.)
func isPossessive(s string) bool {
	return len(s) > 1 && s[1] == '+' && strings.IndexByte("*+?}", s[0]) >= 0
}

// translateEscape rewrites one escape sequence and returns how many bytes of s it took.
func translateEscape(s string, inClass bool) (n int, out string, err error) {
	switch c := s[1]; c {
	case 'Q': // a quotation goes on to \E, whatever it holds
		end := strings.Index(s, `\E`)
		if end < 0 {
			end = len(s) - 2
			return len(s), regexp.QuoteMeta(s[2 : 2+end]), nil
		}
		return end + 2, regexp.QuoteMeta(s[2:end]), nil
	case 'E': // an \E without \Q means nothing
		return 2, "", nil
	case 'e':
		return 2, `\x1b`, nil
	case 'h', 's', 'v':
		class := map[byte]string{'h': `\t\x20\x{a0}`, 's': `\t-\r\x20`, 'v': `\n-\r\x{85}\x{2028}\x{2029}`}[c]
		if inClass {
			return 2, class, nil
		}
		return 2, "[" + class + "]", nil
	case 'H', 'S', 'V', 'N', 'R', 'Z':
		if inClass {
			if c == 'S' {
				return 2, s[:2], nil
			}
			return 0, "", fmt.Errorf(`\%c cannot stand in a character class in RE2`, c)
		}
		return 2, map[byte]string{
			'H': `[^\t\x20\x{a0}]`, 'S': `[^\t-\r\x20]`, 'V': `[^\n-\r\x{85}\x{2028}\x{2029}]`, 'N': `[^\n]`,
			'R': `(?:\r\n|[\n-\r\x{85}\x{2028}\x{2029}])`, 'Z': `(?:\n?\z)`,
		}[c], nil
	case 'K', 'G':
		return 0, "", fmt.Errorf(`\%c is not supported: RE2 has no match positions`, c)
	case '1', '2', '3', '4', '5', '6', '7', '8', '9', 'k', 'g':
		if !inClass {
			return 0, "", fmt.Errorf(`back-reference \%c is not supported: RE2 has none`, c)
		}
	}
	if s[1] >= utf8.RuneSelf { // an escaped character that needs none
		size := runeLen(s, 1)
		return 1 + size, s[1 : 1+size], nil
	}
	return 2, s[:2], nil
}

// translateGroup rewrites the beginning of a group with a question mark.
func translateGroup(s string) (n int, out string, err error) {
	switch {
	case strings.HasPrefix(s, "(?#"):
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return 0, "", fmt.Errorf("comment without end")
		}
		return end + 1, "", nil
	case strings.HasPrefix(s, "(?'"):
		end := strings.IndexByte(s[3:], '\'')
		if end < 0 {
			return 0, "", fmt.Errorf("group name without end")
		}
		return end + 4, "(?P<" + s[3:3+end] + ">", nil
	case strings.HasPrefix(s, "(?="), strings.HasPrefix(s, "(?!"):
		return 0, "", fmt.Errorf("look-ahead is not supported: RE2 has none; say it with a second selection")
	case strings.HasPrefix(s, "(?<="), strings.HasPrefix(s, "(?<!"):
		return 0, "", fmt.Errorf("look-behind is not supported: RE2 has none; say it with a second selection")
	case strings.HasPrefix(s, "(?>"), strings.HasPrefix(s, "(?|"), strings.HasPrefix(s, "(?("), strings.HasPrefix(s, "(?R"):
		return 0, "", fmt.Errorf("group %q is not supported: RE2 has none", s[:3])
	}
	return 2, "(?", nil
}
