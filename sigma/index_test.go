package sigma_test

import (
	"fmt"
	"strings"
	"testing"

	"yagura/sigma"
)

// TestTextsOfEveryLength: a text is found wherever it may stand, however long it is: the index looks at not every place.
func TestTextsOfEveryLength(t *testing.T) {
	t.Parallel()
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	for _, others := range []string{"", ", zzzzz", ", zzzz, zz", ", zzzzzzzz"} { // texts that change how the others are looked for
		for n := 1; n <= 20; n++ {
			text := letters[:n]
			m := compileText(t, fmt.Sprintf(`
title: anywhere
logsource: {product: test}
detection: {s: {F|contains: [%[1]s%[2]s]}, condition: s}
---
title: start
logsource: {product: test}
detection: {s: {F|startswith: [%[1]s%[2]s]}, condition: s}
---
title: end
logsource: {product: test}
detection: {s: {F|endswith: [%[1]s%[2]s]}, condition: s}
---
title: whole
logsource: {product: test}
detection: {s: {F: [%[1]s%[2]s]}, condition: s}
`, text, others))
			s := m.NewScratch()
			for before := range 9 {
				for after := range 9 {
					value := strings.Repeat("-", before) + strings.ToUpper(text) + strings.Repeat("-", after)
					want := "[anywhere"
					if before == 0 {
						want += " start"
					}
					if after == 0 {
						want += " end"
					}
					if before+after == 0 {
						want += " whole"
					}
					if got := titles(m.Match(sigma.Fields{{Name: "F", Value: value}}, s)); got != want+"]" {
						t.Errorf("%q beside %q in %q: %s, want %s]", text, others, value, got, want)
					}
					if got := titles(m.Match(sigma.Fields{{Name: "F", Value: value[1:]}}, s)); before == 0 && strings.Contains(got, "anywhere") {
						t.Errorf("%q is found in %q", text, value[1:])
					}
				}
			}
		}
	}
}

// TestHostileRuleSets: rules that load and were written to make matching slow leave it in proportion to the event, which
// would take hours otherwise.
func TestHostileRuleSets(t *testing.T) {
	t.Parallel()
	head := "title: t\nlogsource: {product: test}\ndetection:\n"
	list := func(n int, value func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("      - '" + value(i) + "'\n")
		}
		return b.String()
	}
	var conditions strings.Builder
	for i := range 900 {
		fmt.Fprintf(&conditions, "  s%d: {F|contains: v%d, G: null}\n", i, i)
	}
	for name, text := range map[string]string{
		"nested wildcards":       head + "  s: {F: '" + strings.Repeat("*a", 1000) + "*b'}\n  condition: s",
		"single wildcards":       head + "  s: {F: '*" + strings.Repeat("?a", 1000) + "b*'}\n  condition: s",
		"repetitions":            head + "  s: {'F|re': '(a+)+(a|b|ab)*(a{1,50}){1,20}c'}\n  condition: s",
		"expressions":            head + "  s:\n    F|re:\n" + list(200, func(i int) string { return fmt.Sprintf(".*a.*b.*%d", i) }) + "  condition: s",
		"texts of one beginning": head + "  s:\n    F|contains:\n" + list(10_000, func(i int) string { return fmt.Sprintf("aaaaaaaaaaaaaaaaaaaaaaaa%d", i) }) + "  condition: s",
		"texts of two letters":   head + "  s:\n    F|contains:\n" + list(4096, func(i int) string { return strings.NewReplacer("0", "a", "1", "b").Replace(fmt.Sprintf("%012bc", i)) }) + "  condition: s",
		"values":                 head + "  s:\n    F:\n" + list(90_000, func(i int) string { return fmt.Sprint(i) }) + "  condition: s",
		"endings":                head + "  s:\n    F|endswith:\n" + list(20_000, func(i int) string { return fmt.Sprintf("%dbaaaaaaaaaaaaaaaaaaaaa", i) }) + "  condition: s",
		"selections":             head + conditions.String() + "  condition: 1 of s* and all of s1*",
		"deep conditions":        head + "  s: {F: x}\n  condition: " + strings.Repeat("not (s or ", 30) + "s" + strings.Repeat(")", 30),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := compileText(t, text)
			s := m.NewScratch()
			for _, value := range []string{strings.Repeat("a", 16<<10), strings.Repeat("ab", 8<<10), strings.Repeat("\u212aa", 4<<10)} {
				ev := sigma.Fields{{Name: "F", Value: value}}
				got := len(m.Match(ev, s)) > 0
				if why, err := sigma.Explain(m.Rules()[0], ev, testOptions()); err != nil || why.Matched != got {
					t.Errorf("%.10q…: Matcher says %v, Explain %v, %v", value, got, !got, err)
				}
			}
		})
	}
}
