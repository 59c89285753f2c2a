package document_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/net/html"

	"yagura/internal/platform/document"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hooks know one person, one record and one attachment.
func hooks() document.Hooks {
	return document.Hooks{
		Mention: func(name string) (document.Target, bool) {
			return document.Target{Text: "@" + name, Href: "/people/" + name}, name == "taro" || name == "花子"
		},
		Record: func(ref string) (document.Target, bool) {
			return document.Target{Text: "AL-1 <login>", Href: "/alerts/1"}, ref == "alert/1"
		},
		Image: func(ref string) (string, bool) { return "/attachments/" + ref, ref == "chart.png" },
	}
}

// TestMarkdown goes through testdata/markdown.txtar: each name.md becomes the name.html behind it.
func TestMarkdown(t *testing.T) {
	t.Parallel()
	const path = "testdata/markdown.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		source, want := archive.Files[i], &archive.Files[i+1]
		got := string(document.HTML(string(source.Data), hooks()))
		if *update {
			want.Data = []byte(got)
		}
		if got != string(want.Data) {
			t.Errorf("%s: %s", source.Name, cmp.Diff(string(want.Data), got))
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// hostile is what people try.
func hostile() []string {
	return []string{
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<a href=javascript:alert(1)>x</a>",
		"[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\nscript:alert(1))", "[x](java&#x09;script:alert(1))", "[x](&#106;avascript:alert(1))",
		"[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](vbscript:x)", "[x](//evil.example)", "[x](/\\evil.example)", "[x](\\\\evil.example)", "[x](\x01javascript:alert(1))",
		"[x](https:evil)", "[x](http:///x)", "[x](file:///etc/passwd)", "<javascript:alert(1)>", "<data:text/html,x>",
		"![x](https://evil.example/x.png)", "![x](//evil.example/x.png)", "![x](data:image/svg+xml,<svg/onload=alert(1)>)", "![x](javascript:alert(1))",
		"[x][y]\n\n[y]: javascript:alert(1)", "![x][y]\n\n[y]: https://evil.example/x.png", `[x](/a "onmouseover=alert(1) x=\"")`, `[x](/a" onclick="alert(1))`,
		"```\"><script>alert(1)</script>\nx\n```", "```js onload=alert(1)\nx\n```", "# x {onclick=alert(1)}", "# <b id=x>", "| <script> |\n|---|\n| <b onclick=x> |",
		"[^1]\n\n[^1]: <script>alert(1)</script> [x](javascript:x)", "@taro<script>", "[[alert/1]]<script>", "[[<script>]]", "- [x] <input onfocus=alert(1) autofocus>",
		"<!-- --><script>", "<![CDATA[<script>]]>", "<?php ?>", "<iframe src=//evil.example>", "<style>*{}</style>", "<form action=//evil.example>", "<base href=//evil.example>",
		"\x00<script>", "<scr\x00ipt>", "\u2028<script>", "a\u202ebc", "[a](<javascript:alert(1)>)", "www.evil.example", "http://evil.example/\"onclick=alert(1)",
	}
}

func TestNothingHostileComesOut(t *testing.T) {
	t.Parallel()
	for _, text := range hostile() {
		harmless(t, text)
	}
}

// harmless reads what came out as a browser does, and fails where there is something that could do anything.
func harmless(t *testing.T, markdown string) {
	t.Helper()
	out := string(document.HTML(markdown, hooks()))
	elements := []string{"p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "sup", "div", "section", "span", "a", "img", "input",
		"table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6"}
	attributes := []string{"id", "start", "align", "class", "href", "rel", "title", "src", "alt", "type", "checked", "disabled"}
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.CommentToken, html.DoctypeToken:
			t.Fatalf("%q became %q: a comment", markdown, out)
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if !slices.Contains(elements, token.Data) {
				t.Fatalf("%q became %q: the element %s", markdown, out, token.Data)
			}
			for _, a := range token.Attr {
				if !slices.Contains(attributes, a.Key) {
					t.Fatalf("%q became %q: the attribute %s", markdown, out, a.Key)
				}
				if a.Key == "href" && !harmlessHref(a.Val) || a.Key == "src" && a.Val != "/attachments/chart.png" {
					t.Fatalf("%q became %q: the address %q", markdown, out, a.Val)
				}
				if a.Key == "id" && !strings.HasPrefix(a.Val, "s-") && !strings.HasPrefix(a.Val, "fn") {
					t.Fatalf("%q became %q: the id %q", markdown, out, a.Val)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") &&
					!slices.Contains(token.Attr, html.Attribute{Key: "rel", Val: "noopener noreferrer nofollow"}) {
					t.Fatalf("%q became %q: a link that tells where it came from", markdown, out)
				}
			}
		}
	}
}

// harmlessHref reads an address as browsers do: without the white space and control characters that they leave out.
func harmlessHref(href string) bool {
	href = strings.ToLower(strings.Map(func(c rune) rune {
		if c <= ' ' {
			return -1
		}
		return c
	}, href))
	if strings.HasPrefix(href, "//") || strings.HasPrefix(href, `/\`) {
		return false
	}
	for _, good := range []string{"https://", "http://", "mailto:", "/", "#"} {
		if strings.HasPrefix(href, good) {
			return true
		}
	}
	return false
}

func TestAnchorsKeepTextsApart(t *testing.T) {
	t.Parallel()
	h := hooks()
	h.Anchor = "c1-"
	got := string(document.HTML("# a\n\nx[^1]\n\n[^1]: y", h))
	for _, want := range []string{`id="c1-s-a"`, `id="c1-fn:1"`, `href="#c1-fn:1"`, `id="c1-fnref:1"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	got := document.Mentions("@taro, see @花子. mail: a@b.example `@code` @taro\n\n    @indented\n\n(@ken-1_x) 担当は@次郎さん @ @sato@example.jp.")
	if want := []string{"taro", "花子", "ken-1_x", "次郎さん", "sato@example.jp"}; !slices.Equal(got, want) {
		t.Errorf("mentions: %q, want %q", got, want)
	}
}

// TestDeepAndLongTextsAreQuick would not end without a bound on nesting.
func TestDeepAndLongTextsAreQuick(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{">", "> ", "- ", "1. ", "* > ", "[", "![", "*", "_", "**a ", "`", "[a](", "<", "&", "|", "a|", "[^1]", "~~", "@", "[[", "\\", "# ", "# a\n", "\t", ">\n", "- a\n", "[a]: b\n", "|a\n|-\n",
		"**a** ", "[\n", "[a]\n", "[^1]\n", "[a](b \"\n", "[a](<\n", "[a][b]\n", "`\n", "<a\n", "**\n", "> a\n> \n"} {
		document.HTML(strings.Repeat(unit, 40_000/len(unit)), hooks())
	}
	long := strings.Repeat("<b>", document.MaxMarkdown)
	if got := string(document.HTML(long, hooks())); !strings.HasPrefix(got, "<pre>&lt;b&gt;") {
		t.Errorf("what is too long becomes %.40q", got)
	}
}

func FuzzHTML(f *testing.F) {
	for _, text := range hostile() {
		f.Add(text)
	}
	f.Add("# 見出し\n\n- [x] a\n\n| a | b |\n|:-|-:|\n| 1 | 2 |\n\n~~x~~ [a](https://example.com \"t\") ![b](chart.png) [^1]\n\n[^1]: note")
	f.Fuzz(func(t *testing.T, markdown string) {
		if len(markdown) < 4096 {
			harmless(t, markdown)
		}
	})
}

func BenchmarkHTML(b *testing.B) {
	text := strings.Repeat("# 見出し\n\n本文です。**強調**と[リンク](https://example.com)と@taro。\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n", 20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		document.HTML(text, hooks())
	}
}
