package sigma_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yagura/sigma"
)

// drawn makes rules and events of few names and letters, so that they often meet.
type drawn struct{ *rapid.T }

func (d drawn) pick(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.T, label)
}

func (d drawn) field() string { return d.pick("field", "A", "B", "C", "Image") }

// text is a few pieces that share beginnings and ends, with letters whose folding is special: K has three
// forms, ſ folds to s, Σ has two lower forms, İ none, ẞ folds to ß and neither to ss.
func (d drawn) text() string {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"a", "b", "ab", "abc", "ABCD", "cmd.exe", `\`, " -enc ", "-", "/", "–", "k", "K", "\u212a", "s", "ſ", "Σ", "ς", "σ", "İ", "ı", "ß", "ẞ", "Ａ", "ａ", "Ω", "\u2126", "田中", "1", "10",
		"sekurlsa::logonpasswords", "Invoke-Mimikatz",
	}), 0, 4).Draw(d.T, "text")
	return strings.Join(pieces, "")
}

// pattern is a text with wildcards.
func (d drawn) pattern() string {
	return strings.ReplaceAll(d.text(), `\`, `\\`) + d.pick("wildcard", "", "", "*", "?", "*a", "?b*") +
		strings.ReplaceAll(d.text(), `\`, `\\`)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// value is the YAML of a value that fits the modifiers.
func (d drawn) value(mods string) string {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(mods+"|", "|"+name+"|") })
	}
	switch {
	case has("fieldref"):
		return d.field()
	case has("exists"):
		return d.pick("exists", "true", "false")
	case has("minute", "hour", "day", "month"):
		return d.pick("part", "1", "10", "5", "12")
	case has("week"):
		return d.pick("week", "1", "43", "53")
	case has("year"):
		return d.pick("year", "2025", "2023", "1970")
	case has("lt", "lte", "gt", "gte"):
		return d.pick("number", "1", "10", "5", "-1", "1.5", "0x10", "1e1")
	case has("cidr"):
		return d.pick("network", "10.0.0.0/8", "'fe80::/10'", "10.1.2.3", "'::ffff:0:0/96'")
	case has("re"):
		return quote(d.pick("expression", "abc", "(?i)abc", "ab+c|cmd", "^a", "d$", "(abc|k)d", ".", "cmd.exe", "[ab]bcd", "(?i)invoke-[a-z]+|sekurlsa", "a\\nb", "\\d{2}"))
	case has("expand"):
		return quote(d.pick("placeholder", "%servers%", "a%servers%b", "%Administrators%*"))
	case has("base64", "base64offset"):
		return quote("ab" + strings.NewReplacer(`\`, "", "*", "", "?", "").Replace(d.text()))
	case mods == "" || mods == "|neq" || mods == "|all" || mods == "|cased":
		return d.pick("special", "null", "''", "1", "10", "true", "'*'", "'?'", "'*?*'", quote(d.pattern()), quote(d.pattern()), quote(d.pattern()))
	}
	return quote(d.pattern())
}

// modifiers are chains that mean something.
var modifiers = []string{
	"", "", "|contains", "|contains", "|contains", "|startswith", "|endswith", "|endswith", "|cased", "|contains|cased", "|startswith|cased", "|endswith|cased",
	"|neq", "|contains|neq", "|endswith|neq", "|re", "|re|i", "|re|m", "|re|s", "|re|i|m|s", "|re|neq", "|re|all", "|windash", "|windash|contains", "|windash|startswith",
	"|exists", "|gt", "|gte", "|lt", "|lte", "|cidr", "|cidr|neq", "|cidr|all",
	"|minute", "|hour", "|day", "|week", "|month", "|year", "|hour|gte", "|year|lt", "|month|neq",
	"|fieldref", "|fieldref|contains", "|fieldref|startswith", "|endswith|fieldref", "|fieldref|cased|neq", "|fieldref|all",
	"|base64", "|base64|contains", "|base64offset|contains", "|wide|contains", "|utf16le", "|utf16be|contains", "|utf16|base64", "|utf16be|base64offset|contains", "|windash|base64offset|contains",
	"|contains|all", "|all", "|endswith|all", "|contains|all|neq", "|expand", "|expand|contains", "|expand|neq",
}

// item is a line of a selection.
func (d drawn) item() string {
	mods := rapid.SampledFrom(modifiers).Draw(d.T, "modifiers")
	n := rapid.SampledFrom([]int{1, 1, 2, 3, 7}).Draw(d.T, "values")
	if strings.Contains(mods, "exists") {
		n = 1
	}
	values := make([]string, n)
	for i := range values {
		values[i] = d.value(mods)
	}
	return d.field() + mods + ": [" + strings.Join(values, ", ") + "]"
}

// search is what stands behind a search identifier.
func (d drawn) search() string {
	items := func() string {
		lines := map[string]string{} // a field and its modifiers may stand only once
		for range rapid.IntRange(1, 2).Draw(d.T, "items") {
			item := d.item()
			key, _, _ := strings.Cut(item, ":")
			lines[key] = item
		}
		out := make([]string, 0, len(lines))
		for _, l := range lines {
			out = append(out, strings.Replace(l, "exists: [true]", "exists: true", 1))
		}
		slices.Sort(out)
		return strings.ReplaceAll("{"+strings.Join(out, ", ")+"}", "exists: [false]", "exists: false")
	}
	switch d.pick("shape", "map", "map", "list", "keyword", "keywords", "modified keywords", "mixed list") {
	case "list":
		return "[" + items() + ", " + items() + "]"
	case "keyword":
		return quote("b" + d.pattern())
	case "keywords":
		return "[" + quote("a"+d.pattern()) + ", " + quote("1"+d.pattern()) + "]"
	case "modified keywords":
		mods := d.pick("keyword modifiers", "|all", "|cased", "|contains|all", "|neq", "|windash", "|re", "|wide", "|base64offset", "|expand")
		if strings.Contains("|re|base64offset|expand", mods) {
			return "{" + quote(mods) + ": [" + d.value(mods) + ", " + d.value(mods) + "]}"
		}
		return "{" + quote(mods) + ": [" + quote("a"+d.pattern()) + ", " + quote("b"+d.pattern()) + "]}"
	case "mixed list":
		return "[" + items() + ", " + quote("k"+d.pattern()) + "]"
	}
	return items()
}

func (d drawn) rule(i int) string {
	ls := d.pick("logsource", "{product: test}", "{product: test}", "{product: windows}", "{product: windows, category: process_creation}", "{product: windows, service: sysmon}")
	condition := d.pick("condition", "s_a", "s_a and not s_b", "s_a or s_b", "1 of s_*", "all of s_*", "2 of s_*",
		"not s_a", "not (s_a or s_b) and s_c", "not (s_a and not (s_b or not s_c))", "all of them", "any of s_*", "not all of s_*", "s_a and (s_b or not s_c)", "not 1 of s_*", "[s_a, s_b and s_c]")
	return fmt.Sprintf("title: r%d\nid: id%d\nlogsource: %s\ndetection:\n  s_a: %s\n  s_b: %s\n  s_c: %s\n  condition: %s\n",
		i, i, ls, d.search(), d.search(), d.search(), condition)
}

func (d drawn) event() sigma.Fields {
	var ev sigma.Fields
	for range rapid.IntRange(0, 6).Draw(d.T, "fields") {
		name := d.pick("name", "A", "B", "C", "Image", "process.executable", "Message", "Unknown")
		if d.pick("null", "no", "no", "no", "yes") == "yes" {
			ev = append(ev, sigma.Field{Name: name, Null: true})
			continue
		}
		value := d.pick("value", d.text(), d.text(), d.text(), d.text()+"\xc3"+d.text(), "10.1.2.3", "::ffff:10.9.9.9", "FE80::1", "5", "0x10", "1.5", "true", "srv1", "asrv2b", "root", "a\nb",
			"YWJjZA==", "YQBiAA==", "a\x00b\x00", "\x00a\x00b", "2025-10-25T10:05:00Z", "2023-01-01", "1700000000", "")
		ev = append(ev, sigma.Field{Name: name, Value: value})
	}
	switch d.pick("channel", "none", "sysmon", "security", "null") {
	case "sysmon":
		ev = append(ev, sigma.Field{Name: "Channel", Value: "microsoft-windows-SYSMON/Operational"}, sigma.Field{Name: "EventID", Value: "1"})
	case "security":
		ev = append(ev, sigma.Field{Name: "Channel", Value: "Security"}, sigma.Field{Name: "EventID", Value: "4688"})
	case "null":
		ev = append(ev, sigma.Field{Name: "Channel", Null: true})
	}
	return ev
}

// The Matcher says what the oracle says, of any rules and events.
func TestMatcherAgreesWithOracle(t *testing.T) {
	t.Parallel()
	var s sigma.Scratch // shared by all matchers on purpose
	rapid.Check(t, func(rt *rapid.T) {
		d := drawn{rt}
		var text strings.Builder
		for i := range rapid.IntRange(1, 8).Draw(rt, "rules") {
			text.WriteString("---\n" + d.rule(i))
		}
		fmt.Fprintf(&text, "---\ntitle: f\nlogsource: {product: windows}\nfilter:\n  rules: [id1, id3]\n  s: %s\n  condition: not s\n", d.search())
		file, err := sigma.Parse("r.yml", []byte(text.String()))
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range file.Problems() {
			if !p.Loaded() {
				rt.Fatalf("%v\n%s", p, text.String())
			}
		}
		m, _ := sigma.Compile(file.Rules(), file.Filters(), testOptions())
		oracle := sigma.NewOracle(file.Rules(), file.Filters(), testOptions())
		oracle.Regexps = !strings.Contains(text.String(), "wide") && !strings.Contains(text.String(), "utf16") // bytes that are no UTF-8 fit no expression
		for range 30 {
			ev := d.event()
			got, want := titles(m.Match(ev, &s)), titles(oracle.Match(ev))
			if got != want {
				rt.Fatalf("event %v: Matcher says %s, oracle %s\n%s", ev, got, want, text.String())
			}
			if got := titles(explained(rt, file, ev)); got != want {
				rt.Fatalf("event %v: Explain says %s, oracle %s\n%s", ev, got, want, text.String())
			}
		}
	})
}

// explained returns the rules that Explain says match, and checks that it says what is missing of the others.
func explained(tb rapid.TB, file *sigma.File, ev sigma.Event) []*sigma.Rule {
	var matched []*sigma.Rule
	for _, r := range file.Rules() {
		why, err := sigma.Explain(r, ev, testOptions(), file.Filters()...)
		switch {
		case err != nil:
			tb.Fatal(err)
		case why.Matched:
			matched = append(matched, r)
		}
		if why.Matched != (len(why.Missing()) == 0) {
			tb.Fatalf("matched is %v, and missing are %d reasons:\n%s", why.Matched, len(why.Missing()), why)
		}
	}
	return matched
}

func titles(rules []*sigma.Rule) string {
	var list []string
	for _, r := range rules {
		list = append(list, r.Title)
	}
	return "[" + strings.Join(list, " ") + "]"
}
