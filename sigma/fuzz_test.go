package sigma

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// fuzzEvent has what the rules of testdata ask for.
func fuzzEvent(value string) Fields {
	return Fields{
		{Name: "F", Value: value}, {Name: "F", Null: true}, {Name: "Image", Value: `C:\Windows\cmd.exe`}, {Name: "EventID", Value: "1"},
		{Name: "T", Value: "2025-10-25T13:21:33Z"}, {Name: "IP", Value: "10.0.0.1"}, {Name: value, Value: "x"},
	}
}

// Whatever a file holds, it parses or is reported, and Matcher and oracle agree on what it means.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/match/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	correlations, err := filepath.Glob("testdata/correlation/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "abc")
		for _, document := range strings.Split(string(data), "\n---\n") {
			f.Add(document, `C:\WINDOWS\cmd.exe -enc foo`)
		}
	}
	for _, path := range correlations {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "abc")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		file, err := Parse("fuzz.yml", []byte(text))
		if err != nil {
			return
		}
		for _, d := range file.Documents {
			if d.Rule == nil && d.Filter == nil && len(d.Problems) == 0 {
				t.Errorf("the document at line %d vanished", d.Line)
			}
		}
		opts := Options{Placeholders: map[string][]string{"servers": {"srv1", "srv*"}}}
		m, _ := Compile(file.Rules(), file.Filters(), opts)
		CompileCorrelations(file.Rules(), opts)
		oracle, s := NewOracle(file.Rules(), file.Filters(), opts), m.NewScratch()
		for _, ev := range []Fields{fuzzEvent(value), {}} {
			got, want := m.Match(ev, s), oracle.Match(ev)
			if len(got) != len(want) {
				t.Errorf("Matcher finds %d rules, oracle %d", len(got), len(want))
			}
		}
	})
}

// Texts are found in a value wherever they stand, and nowhere else, whatever is looked for beside them.
func FuzzMatcher(f *testing.F) {
	f.Add("mimikatz", "sekurlsa::logonpasswords", `C:\Temp\MIMIKATZ.exe sekurlsa::LogonPasswords`, true)
	f.Add("abc", "bcdefgh", "abcdefgh", false)
	f.Add("\u212aelvin", "k", "kelvin ſ", true)
	f.Add("ß", "ss", "STRASSE \xc3\x9f\xff", false)
	f.Fuzz(func(t *testing.T, a, b, value string, many bool) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) || len(a)+len(b) > 1000 || len(value) > 10_000 {
			return
		}
		escape := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)
		var rules []*Rule
		for _, m := range []modifier{modContains, modStartswith, modEndswith, modCased} {
			it := &item{field: "F", chain: []modifier{m}, mods: 1 << m, values: []scalar{{text: escape.Replace(a)}, {text: escape.Replace(b)}}}
			if many { // more than are tried one by one
				for i := range 6 {
					it.values = append(it.values, scalar{text: "\x00" + strings.Repeat("x", 2*i)})
				}
			}
			// The second part has the item looked for only once the first has selected the rule.
			field := &expr{op: exprItem, item: it}
			there := &item{field: "G", values: []scalar{{text: "selected"}}}
			rules = append(rules, &Rule{Title: m.String(), detection: &detection{expr: field, items: []*item{it}}},
				&Rule{Title: m.String(), detection: &detection{expr: combine(exprAnd, []*expr{{op: exprItem, item: there}, field}), items: []*item{there, it}}})
		}
		m, problems := Compile(rules, nil, Options{})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		ev := Fields{{Name: "F", Value: value}, {Name: "G", Value: "selected"}}
		got, want := m.Match(ev, m.NewScratch()), NewOracle(rules, nil, Options{}).Match(ev)
		if !slices.Equal(got, want) {
			t.Errorf("%q and %q in %q: Matcher finds %d, oracle %d", a, b, value, len(got), len(want))
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, c := range []string{"a", "a and not b", "1 of a*", "all of them", "(a or b) and not (a)", "2 of *", "not not a", "((((", "1 of of of", "a | count()"} {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, text string) {
		searches := []*search{{name: "a", expr: &expr{}}, {name: "ab", expr: &expr{}}, {name: "b", expr: &expr{}}, {name: "_c", expr: &expr{}}}
		e, err := parseCondition(text, searches, new(int))
		if (e == nil) == (err == nil) {
			t.Errorf("%q: neither a condition nor an error, or both", text)
		}
	})
}

// A pattern matches what the regular expression made of it matches.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "aXXbYc", false, false)
	f.Add(`*\\temp\\*.e?e`, `C:\Temp\x.exe`, false, false)
	f.Add("??*?", "田中太", true, false)
	f.Add("-a /b", "–A ―b", false, true)
	f.Add("ΣΑΣ*K", "σας\u212a", false, false)
	f.Fuzz(func(t *testing.T, text, value string, cased, windash bool) {
		if !utf8.ValidString(text) || len(text) > 1000 || len(value) > 10_000 {
			return
		}
		p := parsePattern(text)
		if windash {
			p = p.windash()
		}
		g := newGlob(p, cased)
		folded := value
		if !cased {
			folded = fold(value)
		}
		if got, want := g.match(folded), globRegexp(g).MatchString(value); got != want && !strings.ContainsRune(text, utf8.RuneError) {
			t.Errorf("pattern %q, value %q: %v, as a regular expression %v", text, value, got, want)
		}
		if variants, err := expandDashes(p); err == nil && p.hasDash() {
			any := false
			for _, v := range variants {
				any = any || newGlob(v, cased).match(folded)
			}
			if any != g.match(folded) {
				t.Errorf("pattern %q, value %q: written out, the dashes match otherwise", text, value)
			}
		}
	})
}

// What an expression needs stands in everything that it matches.
func FuzzRegexp(f *testing.F) {
	for _, expr := range []string{`(?i)set.*&&\s?set`, `a(b|cd)+e{2,}`, `[]a[]\h\R\Z$`, `\Qa.b\E`, `(?#x)(?<n>y)`, `\bfoo\b|bar(?:baz)?`, `a$|^b`} {
		f.Add(expr, "set && SET foo bar acde e abee y")
	}
	f.Fuzz(func(t *testing.T, expr, value string) {
		test, err := compileRegexp(expr, 0)
		if err != nil || len(value) > 10_000 {
			return
		}
		if test.regexp.MatchString(value) && !test.meets(fold(value)) {
			t.Errorf("%q matches %q, which lacks one of %q", expr, value, test.needs)
		}
	})
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "ABCdefGHI", "Straße ẞ", "ΑΣς", "\u212a\u2126ſ", "İı", "田中\xff\xfe", "ＡＢＣ"} {
		f.Add(s, strings.ToUpper(s))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if fold(fold(a)) != fold(a) {
			t.Errorf("fold(%q) can be folded further", a)
		}
		if len(fold(a)) > len(a) {
			t.Errorf("fold(%q) is longer", a)
		}
		if utf8.ValidString(a) && utf8.ValidString(b) && (fold(a) == fold(b)) != strings.EqualFold(a, b) {
			t.Errorf("%q and %q: folded %q and %q, strings.EqualFold says %v", a, b, fold(a), fold(b), strings.EqualFold(a, b))
		}
	})
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"1", "-1.5e3", "0x1F", "1e999", "2025-10-25T13:21:33Z", "1700000000", "::1%eth0", "10.0.0.1", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseNumber(s); ok && n.compare(n) != 0 {
			t.Errorf("number %q differs from itself", s)
		}
		if at, _, ok := parseTime(s); ok && (at.Location() != time.UTC || at.Year() < 0) {
			t.Errorf("time %q is %v", s, at)
		}
		if addr, ok := parseAddress(s); ok && (addr.Is4In6() || addr.Zone() != "") {
			t.Errorf("address %q is %v", s, addr)
		}
		splitPlaceholders(s)
	})
}

// A snapshot is input: whatever it holds, it is refused or leaves a state that works and can be written again.
func FuzzRestore(f *testing.F) {
	text := "title: a\nname: a\nlogsource: {product: x}\ndetection: {s: {F: x}, condition: s}\n"
	for i, k := range []string{
		"type: event_count, condition: {gte: 3}", "type: value_count, condition: {field: F, gte: 3}", "type: value_avg, condition: {field: N, gt: 5}",
		"type: temporal_ordered, condition: {gte: 1}", "type: value_sum, condition: {field: N, gt: 50}",
	} {
		text += fmt.Sprintf("---\ntitle: k%d\nname: k%[1]d\ncorrelation: {rules: [a], group-by: [U], timespan: 1h, %s}\n", i, k)
	}
	text += "---\ntitle: outer\ncorrelation: {type: temporal, rules: [k0, k1], group-by: [F], timespan: 1h}\n"
	file, err := Parse("k.yml", []byte(text))
	if err != nil {
		f.Fatal(err)
	}
	set, problems := CompileCorrelations(file.Rules(), Options{})
	if len(set.list) != 6 {
		f.Fatal(problems)
	}
	opts := CorrelatorOptions{MaxGroups: 100, MaxBytes: 1 << 20}
	feed := func(c *Correlator, n int) {
		for i := range n {
			value := strconv.Itoa(i)
			c.Add(file.Rules()[0], Fields{{Name: "F", Value: value}, {Name: "U", Value: value[:1]}, {Name: "N", Value: value}}, time.Unix(int64(i), 0), value)
		}
	}
	for _, n := range []int{0, 1, 5, 40} {
		c := NewCorrelator(set, opts)
		feed(c, n)
		snapshot := c.Snapshot(nil)
		f.Add(snapshot[len(snapshotMagic) : len(snapshot)-snapshotSum])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := NewCorrelator(set, opts)
		if c.Restore(body) == nil {
			t.Fatal("a snapshot without its sum was read")
		}
		if c.restore(body) != nil {
			return
		}
		if s := c.Stats(); s.Groups > int64(opts.MaxGroups) || s.Bytes > opts.MaxBytes {
			t.Fatalf("it keeps too much: %+v", s)
		}
		if err := NewCorrelator(set, opts).Restore(c.Snapshot(nil)); err != nil {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
		feed(c, 10)
		c.Close()
		if s := c.Stats(); s.Groups < 0 || s.Bytes < 0 || s.Matches < 0 {
			t.Fatalf("it keeps %+v", s)
		}
	})
}
