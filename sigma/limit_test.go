package sigma_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"yagura/sigma"
)

// TestWhatIsTooMuchIsRefused: small files that would become very large, each refused for what it is, with little memory.
func TestWhatIsTooMuchIsRefused(t *testing.T) {
	lines := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i) + "\n")
		}
		return b.String()
	}
	repeat := func(n int, line string) string { return lines(n, func(int) string { return line }) }
	const head = "title: a\nlogsource: {product: test}\ndetection:\n"
	global := "action: global\nlogsource: {product: test}\ndetection: {s: {a: 1}, condition: s}\n" + lines(40_000, func(i int) string { return fmt.Sprintf("k%d: 1", i) })
	for _, row := range []struct{ name, text, reason string }{
		{"a global document under many", global + repeat(100, "---\ntitle: a"), "documents have more than"},
		{"conditions over many searches", head + lines(900, func(i int) string { return fmt.Sprintf("  s%d: {a: %d}", i, i) }) + "  condition:\n" + repeat(900, "    - 1 of them"), "it names more than"},
		{"a large search many times", head + "  s:\n" + lines(5000, func(i int) string { return fmt.Sprintf("  - {a: %d, b: %d}", i, i) }) + "  condition: s" + strings.Repeat(" or s", 2000), "it names more than"},
		{"many conditions", head + "  s: {a: 1}\n  condition:\n" + repeat(1001, "    - s"), "more than 1000 conditions"},
		{"dashes of a long text", head + "  s: {'a|windash|base64offset|contains': '-----" + strings.Repeat("x", 30_000) + "'}\n  condition: s", "too many variants"},
		{"dashes of many texts", head + "  s:\n    a|windash|base64|contains:\n" + repeat(100, "      - '-----"+strings.Repeat("x", 900)+"'") + "  condition: s", "expand to more than"},
		{"a long repetition", head + "  s: {'a|re': '" + strings.Repeat(".{1000}", 500) + "'}\n  condition: s", "its repetitions make"},
		{"an expression of six megabytes", head + "  s: {'a|re': '" + strings.Repeat("(a|b)*", 1<<20) + "'}\n  condition: s", "at most 32768 are allowed"},
		{"a long expression", head + "  s: {'a|re': '" + strings.Repeat("(a|b)*", 2000) + "'}\n  condition: s", "regular expression of 12000 bytes"},
		{"a file of many megabytes", head + "  s: {'a|re': '" + strings.Repeat("x", 10<<20) + "'}\n  condition: s", "longer than 8 MiB"},
		{"more values than are read", head + "  s: {a: [" + strings.Repeat("x,", 100_000) + "x]}\n  condition: s", "more than 100000 values"},
		{"10,000 selections", head + lines(10_000, func(i int) string { return fmt.Sprintf("  s%d: {a: %d}", i, i) }) + "  condition: 1 of s*", "more than 1000 search identifiers"},
		{"deep parentheses", head + "  s: {a: 1}\n  condition: " + strings.Repeat("(", 1000) + "s" + strings.Repeat(")", 1000), "nested more than"},
		{"many repetitions", head + "  s:\n    a|re:\n" + lines(2000, func(i int) string { return fmt.Sprintf("      - '.{1000}%d'", i) }) + "  condition: s", "expand to more than"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		reason := ""
		file, err := sigma.Parse("r.yml", []byte(row.text))
		if err != nil {
			reason = err.Error()
		} else {
			_, problems := sigma.Compile(file.Rules(), file.Filters(), testOptions())
			for _, p := range append(file.Problems(), problems...) {
				reason += p.Reason
			}
		}
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; !strings.Contains(reason, row.reason) || took > 600 {
			t.Errorf("%s: %d KiB took %d MiB, and the reason is %.200q", row.name, len(row.text)>>10, took, reason)
		}
	}
}
