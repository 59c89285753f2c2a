package sigma

import (
	"fmt"
	"strings"
)

// missingPlaceholder is the error for a placeholder without a value.
type missingPlaceholder struct {
	name string
	line int
}

func (e *missingPlaceholder) Error() string {
	return fmt.Sprintf("placeholder %%%s%% has no value", e.name)
}

// piece is a stretch of a value: plain text as the rule writes it, or a placeholder's name.
type piece struct {
	text        string
	placeholder bool
}

// splitPlaceholders takes a value of the expand modifier apart (Sigma rules specification, "Placeholders").
// \% is a plain percent sign.
func splitPlaceholders(s string) []piece {
	var pieces []piece
	var text strings.Builder
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], `\%`) {
			text.WriteByte('%')
			i += 2
			continue
		}
		if s[i] == '%' {
			if n := placeholderLen(s[i+1:]); n > 0 {
				pieces = append(pieces, piece{text: text.String()}, piece{text: s[i+1 : i+1+n], placeholder: true})
				text.Reset()
				i += n + 2
				continue
			}
		}
		text.WriteByte(s[i])
		i++
	}
	return append(pieces, piece{text: text.String()})
}

// placeholderLen returns the length of the name that s begins with if a % follows it.
func placeholderLen(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			return i
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_', c == '-', c == '.':
		default:
			return 0
		}
	}
	return 0
}

// expandPlaceholders returns the value with each combination of the placeholders' values.
func expandPlaceholders(s string, values map[string][]string) ([]string, error) {
	texts := []string{""}
	for _, p := range splitPlaceholders(s) {
		if !p.placeholder {
			for i := range texts {
				texts[i] += p.text
			}
			continue
		}
		given := values[p.text]
		if len(given) == 0 {
			return nil, &missingPlaceholder{name: p.text}
		}
		if len(texts)*len(given) > maxVariants {
			return nil, fmt.Errorf("placeholders make more than %d values of %q", maxVariants, s)
		}
		next := make([]string, 0, len(texts)*len(given))
		for _, t := range texts {
			for _, v := range given {
				next = append(next, t+v)
			}
		}
		texts = next
	}
	return texts, nil
}
