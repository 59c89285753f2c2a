package sigma

import (
	"fmt"
	"strings"
)

// modifier is one value modifier (Sigma modifiers appendix 2.1.0).
type modifier uint8

const (
	modAll modifier = iota
	modStartswith
	modEndswith
	modContains
	modExists
	modCased
	modNeq
	modWindash
	modRe
	modI
	modM
	modS
	modBase64
	modBase64Offset
	modUTF16LE
	modUTF16BE
	modUTF16
	modWide
	modLt
	modLte
	modGt
	modGte
	modMinute
	modHour
	modDay
	modWeek
	modMonth
	modYear
	modCIDR
	modExpand
	modFieldref
	modCount
)

// modifierNames are the modifiers as rules write them, in the order of the constants.
const modifierNames = "all startswith endswith contains exists cased neq windash re i m s " +
	"base64 base64offset utf16le utf16be utf16 wide lt lte gt gte " +
	"minute hour day week month year cidr expand fieldref"

func parseModifier(name string) (modifier, bool) {
	for i, known := range strings.Fields(modifierNames) {
		if name == known {
			return modifier(i), true
		}
	}
	return 0, false
}

func (m modifier) String() string { return strings.Fields(modifierNames)[m] }

// modifierSet is a set of modifiers.
type modifierSet uint64

func setOf(mods ...modifier) modifierSet {
	var s modifierSet
	for _, m := range mods {
		s |= 1 << m
	}
	return s
}

func (s modifierSet) has(m modifier) bool           { return s&(1<<m) != 0 }
func (s modifierSet) any(t modifierSet) bool        { return s&t != 0 }
func (s modifierSet) without(t modifierSet) bool    { return s&t == 0 }
func (s modifierSet) only(allowed modifierSet) bool { return s&^allowed == 0 }
func (s modifierSet) count(t modifierSet) (count int) {
	for m := range modCount {
		if (s & t).has(m) {
			count++
		}
	}
	return count
}

// list writes the modifiers of the set for a message.
func (s modifierSet) list() string {
	var names []string
	for m := range modCount {
		if s.has(m) {
			names = append(names, m.String())
		}
	}
	return strings.Join(names, ", ")
}

const (
	positions modifierSet = 1<<modStartswith | 1<<modEndswith | 1<<modContains
	compares  modifierSet = 1<<modLt | 1<<modLte | 1<<modGt | 1<<modGte
	timeParts modifierSet = 1<<modMinute | 1<<modHour | 1<<modDay | 1<<modWeek | 1<<modMonth | 1<<modYear
	reFlags   modifierSet = 1<<modI | 1<<modM | 1<<modS
	utf16s    modifierSet = 1<<modUTF16LE | 1<<modUTF16BE | 1<<modUTF16 | 1<<modWide
	encodings modifierSet = 1<<modBase64 | 1<<modBase64Offset | utf16s
	linking   modifierSet = 1<<modAll | 1<<modNeq
)

// typeRules says for each modifier that changes what a value is which others may stand beside it.
var typeRules = [...]struct {
	mod     modifierSet
	allowed modifierSet
}{
	{1 << modExists, 0},
	{1 << modRe, reFlags | linking | 1<<modExpand},
	{1 << modCIDR, linking | 1<<modExpand},
	{1 << modFieldref, linking | positions | 1<<modCased},
	{timeParts, linking | compares},
	{compares, 1<<modAll | timeParts},
}

// parseModifiers reads a chain of modifiers and refuses what means nothing.
func parseModifiers(names []string) ([]modifier, modifierSet, error) {
	var chain []modifier
	var set modifierSet
	for _, name := range names {
		m, ok := parseModifier(name)
		if !ok {
			return nil, 0, fmt.Errorf("unknown modifier %q", name)
		}
		if set.has(m) {
			return nil, 0, fmt.Errorf("modifier %s stands twice", m)
		}
		if err := checkOrder(m, set); err != nil {
			return nil, 0, err
		}
		chain = append(chain, m)
		set |= 1 << m
	}
	for _, r := range typeRules {
		if !set.any(r.mod) {
			continue
		}
		if set.count(r.mod) > 1 {
			return nil, 0, fmt.Errorf("modifiers %s exclude each other", (set & r.mod).list())
		}
		if rest := set &^ r.mod; !rest.only(r.allowed) {
			return nil, 0, fmt.Errorf("modifier %s cannot be combined with %s", (set & r.mod).list(), (rest &^ r.allowed).list())
		}
	}
	if set.count(positions) > 1 {
		return nil, 0, fmt.Errorf("modifiers %s exclude each other", (set & positions).list())
	}
	if set.any(reFlags) && !set.has(modRe) {
		return nil, 0, fmt.Errorf("modifier %s is a flag of re, which is missing", (set & reFlags).list())
	}
	return chain, set, nil
}

// checkOrder refuses a modifier that would find its values already changed beyond it: modifiers are
// applied in the order in which they stand.
func checkOrder(m modifier, before modifierSet) error {
	switch {
	case (setOf(m)).any(encodings) && before.any(positions):
		return fmt.Errorf("modifier %s must stand before %s: modifiers apply in order", m, (before & positions).list())
	case (m == modWindash || m == modExpand) && before.any(encodings):
		return fmt.Errorf("modifier %s must stand before %s: modifiers apply in order", m, (before & encodings).list())
	case (setOf(m)).any(reFlags) && !before.has(modRe):
		return fmt.Errorf("modifier %s is a flag of re and must stand behind it", m)
	}
	return nil
}

// keywordModifiers may stand in a map key that names no field ("|all").
const keywordModifiers = linking | encodings | reFlags |
	1<<modContains | 1<<modCased | 1<<modWindash | 1<<modRe | 1<<modExpand
