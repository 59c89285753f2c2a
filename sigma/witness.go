package sigma

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// witnesses returns texts of which at least one, folded, stands in every folded value that passes the
// test, and whether finding one in that place is all there is to the test (certain). ok is false where there are no
// such texts, or none worth looking for.
func (t *test) witnesses() (texts []string, where place, certain, ok bool) {
	switch t.kind {
	case testGlob:
		return t.glob.witnesses()
	case testRegexp:
		texts = mostTelling(t.needs)
		return texts, placeAnywhere, false, texts != nil
	}
	return nil, 0, false, false
}

func (g *glob) witnesses() (texts []string, where place, certain, ok bool) {
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
	minNeeded    = 2   // bytes of a text
	minTelling   = 3   // bytes of a text worth an entry of the index
	maxNeeded    = 64  // texts of which one is needed
	maxNeeds     = 8   // sets of such texts
	maxTreeDepth = 100 // of an expression
)

// need is a set of folded texts of which at least one stands in every match.
type need []string

// needsOf returns what a simplified regular expression needs: all of the sets.
func needsOf(tree *syntax.Regexp) []need {
	needs := needsOfTree(tree, 0)
	slices.SortStableFunc(needs, func(a, b need) int { return cmp.Compare(b.shortest(), a.shortest()) })
	return needs[:min(len(needs), maxNeeds)]
}

func needsOfTree(re *syntax.Regexp, depth int) []need {
	if depth > maxTreeDepth {
		return nil
	}
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		// U+FFFD in an expression matches bytes that are no UTF-8 as well.
		if len(text) < minNeeded || strings.ContainsRune(text, utf8.RuneError) {
			return nil
		}
		return []need{{fold(text)}}
	case syntax.OpCapture, syntax.OpPlus:
		return needsOfTree(re.Sub[0], depth+1)
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needsOfTree(re.Sub[0], depth+1)
		}
	case syntax.OpConcat:
		var all []need
		for _, sub := range re.Sub {
			all = append(all, needsOfTree(sub, depth+1)...)
		}
		return all
	case syntax.OpAlternate:
		var either need
		for _, sub := range re.Sub {
			texts := longest(needsOfTree(sub, depth+1))
			if texts == nil || len(either)+len(texts) > maxNeeded {
				return nil
			}
			either = append(either, texts...)
		}
		return []need{either}
	}
	return nil
}

// shortest returns the length of the need's shortest text.
func (n need) shortest() int {
	length := len(n[0])
	for _, text := range n[1:] {
		length = min(length, len(text))
	}
	return length
}

// longest returns the need whose shortest text is longest: it says most.
func longest(needs []need) need {
	var best need
	for _, n := range needs {
		if best == nil || n.shortest() > best.shortest() {
			best = n
		}
	}
	return best
}

// mostTelling returns the need to look for in the index, nil where none is worth it.
func mostTelling(needs []need) need {
	if best := longest(needs); best != nil && best.shortest() >= minTelling {
		return best
	}
	return nil
}

// meets reports whether a folded value has all that the test's expression needs. It costs far less than
// the expression itself.
func (t *test) meets(folded string) bool {
	for _, n := range t.needs {
		found := false
		for _, text := range n {
			if strings.Contains(folded, text) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
