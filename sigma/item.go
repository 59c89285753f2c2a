package sigma

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
)

// scalar is a value as the rule's YAML has it.
type scalar struct {
	kind scalarKind
	text string
	line int
}

type scalarKind uint8

const (
	scalarString scalarKind = iota
	scalarNumber
	scalarBool
	scalarNull
)

func (k scalarKind) String() string {
	return [...]string{"a string", "a number", "a boolean", "null"}[k]
}

// item is one entry of a selection: a field, its modifiers and its values. An item without a field is a
// keyword search.
type item struct {
	field  string
	chain  []modifier
	mods   modifierSet
	values []scalar
	ready  [][]test // nil where they depend on placeholders
	line   int
}

// isKeyword reports whether the item searches the whole event.
func (it *item) isKeyword() bool { return it.field == "" }

// test is what one value of an item asks of a field, in the form both evaluators work from.
type test struct {
	kind   testKind
	glob   *glob          // testGlob
	regexp *regexp.Regexp // testRegexp
	needs  []need         // testRegexp: texts without which it cannot match
	steps  int            // testRegexp: its length
	cidr   netip.Prefix   // testCIDR
	op     modifierSet    // testNumber, testTime: the compare modifier, or none for equality
	part   modifierSet    // testTime
	number number         // testNumber, testTime
	exists bool           // testExists
	// Of testFieldref: the other field, and how the field relates to it.
	other    string
	position modifierSet
	cased    bool
}

type testKind uint8

const (
	testGlob     testKind = iota
	testNull              // the field is missing or null
	testRegexp            //
	testCIDR              //
	testNumber            // numeric comparison
	testTime              // comparison of a part of a time
	testFieldref          // comparison with another field
	testExists            // presence
)

// tests returns what the item's values ask, one list a value; a value is met if any test of its list is.
// Without placeholders (nil) a value that needs them yields an empty list.
func (it *item) tests(placeholders map[string][]string) ([][]test, error) {
	tests := make([][]test, 0, len(it.values))
	total, size := 0, 0
	for _, v := range it.values {
		ts, err := it.valueTests(v, placeholders)
		if missing := (*missingPlaceholder)(nil); errors.As(err, &missing) {
			missing.line = v.line
			if placeholders != nil {
				return nil, missing
			}
			ts, err = nil, nil
		}
		if err != nil {
			return nil, errAt(v.line, "%s: %s", it.name(), err)
		}
		if total += len(ts); total > maxValues {
			return nil, errAt(it.line, "%s: more than %d values", it.name(), maxValues)
		}
		if size += sizeOf(ts); size > maxExpanded {
			return nil, errAt(v.line, "%s: its values expand to more than %d MiB", it.name(), maxExpanded>>20)
		}
		tests = append(tests, ts)
	}
	return tests, nil
}

// sizeOf is about how many bytes the tests take.
func sizeOf(lists ...[]test) (size int) {
	for _, tests := range lists {
		for i := range tests {
			size += 64 + 64*tests[i].steps
			if g := tests[i].glob; g != nil {
				size += len(g.text)
				for _, seg := range g.segments {
					for _, x := range seg {
						size += 24 + len(x.text)
					}
				}
			}
		}
	}
	return size
}

// name returns how to speak of the item in a message.
func (it *item) name() string {
	if it.isKeyword() {
		return it.text()
	}
	return "field " + it.text()
}

// text returns the field with its modifiers, as the rule writes it.
func (it *item) text() string {
	text := it.field
	if it.isKeyword() {
		if text = "keywords"; len(it.chain) > 0 {
			text += " "
		}
	}
	for _, m := range it.chain {
		text += "|" + m.String()
	}
	return text
}

// valueTests applies the item's modifiers to one value.
func (it *item) valueTests(v scalar, placeholders map[string][]string) ([]test, error) {
	switch m := it.mods; {
	case m.has(modExists):
		if v.kind != scalarBool {
			return nil, fmt.Errorf("modifier exists takes true or false, not %s", v.kind)
		}
		return []test{{kind: testExists, exists: v.text == "true"}}, nil
	case m.any(timeParts | compares):
		return it.numberTests(v)
	case v.kind == scalarNull:
		if it.isKeyword() {
			return nil, errors.New("null is no keyword")
		}
		if !m.only(linking | 1<<modCased) {
			return nil, fmt.Errorf("null cannot be modified by %s", (m &^ (linking | 1<<modCased)).list())
		}
		return []test{{kind: testNull}}, nil
	case m.has(modFieldref):
		if v.kind != scalarString || v.text == "" {
			return nil, errors.New("modifier fieldref takes the name of a field")
		}
		if parsePattern(v.text).hasWildcard() {
			return nil, fmt.Errorf("modifier fieldref: %q has wildcards; a field's name has none", v.text)
		}
		return []test{{kind: testFieldref, other: v.text, position: m & positions, cased: m.has(modCased)}}, nil
	case v.kind == scalarBool && m.any(encodings|1<<modWindash|1<<modRe|1<<modCIDR|1<<modExpand):
		return nil, fmt.Errorf("modifier %s takes a string, not a boolean", (m &^ (linking | positions | 1<<modCased)).list())
	}
	return it.textTests(v, placeholders)
}

// numberTests are those of the numeric and time modifiers.
func (it *item) numberTests(v scalar) ([]test, error) {
	op, part := it.mods&compares, it.mods&timeParts
	if v.kind != scalarNumber {
		return nil, fmt.Errorf("modifier %s takes a number, not %s", (op | part).list(), v.kind)
	}
	n, ok := parseNumber(v.text)
	if !ok {
		return nil, fmt.Errorf("%s is no number that can be compared", v.text)
	}
	if part == 0 {
		return []test{{kind: testNumber, op: op, number: n}}, nil
	}
	if !n.exact {
		return nil, fmt.Errorf("modifier %s takes an integer, not %s", part.list(), v.text)
	}
	if op == 0 {
		if err := checkTimePart(part, n.integer); err != nil {
			return nil, err
		}
	}
	return []test{{kind: testTime, op: op, part: part, number: n}}, nil
}

// textTests are those of values that are compared as text.
func (it *item) textTests(v scalar, placeholders map[string][]string) ([]test, error) {
	texts := []string{v.text}
	if it.mods.has(modExpand) {
		var err error
		if texts, err = expandPlaceholders(v.text, placeholders); err != nil {
			return nil, err
		}
	}
	var tests []test
	for _, text := range texts {
		if len(text) > maxValue {
			return nil, fmt.Errorf("value of %d bytes; at most %d are allowed", len(text), maxValue)
		}
		switch {
		case it.mods.has(modRe):
			t, err := compileRegexp(text, it.mods&reFlags)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		case it.mods.has(modCIDR):
			network, err := parseNetwork(text)
			if err != nil {
				return nil, err
			}
			tests = append(tests, test{kind: testCIDR, cidr: network})
		default:
			patterns, err := it.patterns(text)
			if err != nil {
				return nil, err
			}
			for _, p := range patterns {
				tests = append(tests, test{kind: testGlob, glob: newGlob(p, it.mods.has(modCased))})
			}
		}
	}
	return tests, nil
}

// patterns applies the modifiers that transform strings, in their order.
func (it *item) patterns(text string) ([]pattern, error) {
	first := parsePattern(text)
	if it.isKeyword() && first.plain() == "" {
		return nil, errors.New("a keyword without text would match every event")
	}
	patterns := []pattern{first}
	for _, m := range it.chain {
		switch {
		case m == modWindash:
			for i := range patterns {
				patterns[i] = patterns[i].windash()
			}
		case (setOf(m)).any(encodings):
			var err error
			if patterns, err = encodeAll(patterns, m); err != nil {
				return nil, err
			}
		}
	}
	var out []pattern
	for _, p := range patterns {
		if it.isKeyword() || it.mods.any(1<<modEndswith|1<<modContains) {
			p = p.openStart()
		}
		if it.isKeyword() || it.mods.any(1<<modStartswith|1<<modContains) {
			p = p.openEnd()
		}
		if p.dashCount() == 1 { // plain texts are found faster than sets of characters
			variants, err := expandDashes(p)
			if err != nil {
				return nil, err
			}
			out = append(out, variants...)
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// encodeAll encodes each pattern, each combination of dashes for itself.
func encodeAll(patterns []pattern, m modifier) ([]pattern, error) {
	var out []pattern
	for _, p := range patterns {
		variants := []pattern{p}
		if p.hasDash() {
			var err error
			if variants, err = expandDashes(p); err != nil {
				return nil, err
			}
		}
		for _, v := range variants {
			encoded, err := v.encode(m)
			if err != nil {
				return nil, err
			}
			out = append(out, encoded...)
		}
	}
	return out, nil
}
