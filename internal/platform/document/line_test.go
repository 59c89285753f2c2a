package document

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
)

// monospaced measures as a terminal does: one for ASCII, two for all else.
func monospaced(text string, _ run) float64 {
	n := 0.0
	for _, c := range text {
		if n++; c >= utf8.RuneSelf {
			n++
		}
	}
	return n
}

// texts are the lines without their looks.
func texts(lines []line) []string {
	var out []string
	for _, l := range lines {
		var text strings.Builder
		for _, p := range l.pieces {
			text.WriteString(p.text)
		}
		out = append(out, text.String())
	}
	return out
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		runs  []run
		width float64
		want  []string
	}{
		{"words", []run{{text: "one two three"}}, 8, []string{"one two", "three"}},
		{"no 。 at the beginning", []run{{text: "ああああ。いい"}}, 8, []string{"あああ", "あ。いい"}},
		{"no 「 at the end", []run{{text: "あああ「いい」"}}, 8, []string{"あああ", "「いい」"}},
		{"no small letter at the beginning", []run{{text: "あああちゃん"}}, 8, []string{"あああ", "ちゃん"}},
		{"no long vowel at the beginning", []run{{text: "センターー"}}, 6, []string{"セン", "ターー"}},
		{"looks do not part what belongs together", []run{{text: "ああああ", bold: true}, {text: "。いい"}}, 8, []string{"あああ", "あ。いい"}},
		{"a word that is too long", []run{{text: "abcdefghij k"}}, 4, []string{"abcd", "efgh", "ij k"}},
		{"line ends that were typed", []run{{text: "a\nb"}}, 10, []string{"a", "b"}},
		{"nothing", nil, 10, []string{""}},
	} {
		if diff := cmp.Diff(row.want, texts(breakLines(row.runs, row.width, monospaced))); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("ああ「い」。", "one two", 8)
	f.Add("a\n\nb ", "\u3000、、、、、、", 3)
	f.Fuzz(func(t *testing.T, a, b string, width int) {
		if width < 2 || width > 200 || len(a)+len(b) > 2000 {
			return
		}
		a, b = printable(a), printable(b)
		lines := breakLines([]run{{text: a}, {text: b, bold: true}}, float64(width), monospaced)
		squeeze := func(text string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(text) }
		if got, want := squeeze(strings.Join(texts(lines), "")), squeeze(a+b); got != want {
			t.Fatalf("%q became %q", want, got)
		}
		for _, l := range lines {
			text := texts([]line{l})[0]
			if l.width > float64(width) && uniseg.GraphemeClusterCount(text) > 1 {
				t.Fatalf("the line %q has the width %v of %d", text, l.width, width)
			}
		}
	})
}
