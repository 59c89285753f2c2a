package sigma

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// witnesses returns texts of which at least one, folded, stands in every folded value that passes the
// test, and whether finding one in that place is all there is to the test. ok is false where there are no
// such texts, or none worth looking for.
func (t *test) witnesses() (texts []string, where place, exact, ok bool) {
	switch t.kind {
	case testGlob:
		return t.glob.witnesses()
	case testRegexp:
		texts, ok = requiredTexts(t.regexp)
		return texts, placeAnywhere, false, ok
	}
	return nil, 0, false, false
}

func (g *glob) witnesses() (texts []string, where place, exact, ok bool) {
	text := g.text
	switch g.kind {
	case globExact:
		where = placeWhole
	case globPrefix:
		where = placeStart
	case globSuffix:
		where = placeEnd
	case globGeneral:
		for _, seg := range g.segments {
			for _, x := range seg {
				if len(x.text) > len(text) {
					text = x.text
				}
			}
		}
	}
	if g.cased {
		// Folding goes by characters: a text that is no UTF-8 might fold otherwise within a value.
		if !utf8.ValidString(text) {
			return nil, 0, false, false
		}
		text = fold(text)
	}
	return []string{text}, where, !g.cased && g.kind != globGeneral, indexable(text, where)
}

// Bounds of what is looked for in place of a regular expression.
const (
	minRequired  = 3
	maxRequired  = 64
	maxTreeDepth = 100
)

// requiredTexts returns folded texts of which every match of a regular expression contains at least one.
func requiredTexts(re *regexp.Regexp) ([]string, bool) {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, false
	}
	texts := required(tree.Simplify(), 0)
	return texts, len(texts) > 0
}

// required walks an expression's tree; nil means that nothing is required.
func required(re *syntax.Regexp, depth int) []string {
	if depth > maxTreeDepth {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		// U+FFFD in an expression matches bytes that are no UTF-8 as well.
		if len(text) < minRequired || strings.ContainsRune(text, utf8.RuneError) {
			return nil
		}
		return []string{fold(text)}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := required(sub, depth+1); better(texts, best) {
				best = texts
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := required(sub, depth+1)
			if texts == nil || len(all)+len(texts) > maxRequired {
				return nil
			}
			all = append(all, texts...)
		}
		return all
	}
	return nil
}

// better reports whether looking for a says more than looking for b: its shortest text is longer.
func better(a, b []string) bool {
	if a == nil || b == nil {
		return a != nil
	}
	return shortest(a) > shortest(b)
}

func shortest(texts []string) int {
	n := len(texts[0])
	for _, t := range texts[1:] {
		n = min(n, len(t))
	}
	return n
}
