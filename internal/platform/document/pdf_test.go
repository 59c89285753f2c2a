package document_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yagura/internal/platform/document"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/locale"
)

func words(t testing.TB, lang i18n.Lang) *i18n.Printer {
	t.Helper()
	b, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	return b.Printer(lang, time.FixedZone("JST", 9*3600))
}

// chart is a picture of stripes.
func chart(t testing.TB) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 400, 120))
	for x := range 400 {
		for y := range 120 {
			if (x/20)%2 == 0 {
				img.Set(x, y, color.NRGBA{0x1a, 0x56, 0xb0, 0xff})
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// policyPaper is a paper with everything in it, long enough for a table of contents.
func policyPaper(t testing.TB, lang i18n.Lang) document.Paper {
	t.Helper()
	name := "testdata/policy-" + string(lang) + ".md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	paper := document.Paper{
		Title: "Information security policy", Classification: "Internal use only", Number: "ISMS-P-01", Version: "3.2", Author: "ISMS Office",
		Date: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), Markdown: string(text), Words: words(t, lang), Hooks: hooks(),
		Image: func(_ context.Context, reference string) (io.ReadCloser, error) {
			if reference != "chart.png" {
				return nil, fault.New(fault.NotFound, "", "no picture %s", reference)
			}
			return io.NopCloser(bytes.NewReader(chart(t))), nil
		},
	}
	if lang == i18n.Japanese {
		paper.Title, paper.Classification, paper.Author = "情報セキュリティ基本方針", "社外秘", "ISMS事務局"
	}
	return paper
}

// presses are the two ways to PDF, those that this machine has.
func presses(t *testing.T, test func(t *testing.T, p *document.Press)) {
	t.Helper()
	t.Parallel()
	t.Run("chromium", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath("chromium"); err != nil {
			t.Skip("no Chromium: install Debian's package chromium")
		}
		test(t, document.NewPress(document.Options{}))
	})
	t.Run("typeset", func(t *testing.T) {
		t.Parallel()
		p := document.NewPress(document.Options{Chromium: "none"})
		if _, err := p.PDF(t.Context(), document.Paper{Words: words(t, i18n.English)}); fault.Is(err, fault.Unavailable) {
			t.Skip("no Japanese TrueType font: install Debian's package fonts-morisawa-bizud-gothic")
		}
		test(t, p)
	})
}

// read gives a paper's text as another program reads it, page by page.
func read(t *testing.T, pdf []byte) []string {
	t.Helper()
	program, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("no pdftotext: install Debian's package poppler-utils")
	}
	path := filepath.Join(t.TempDir(), "paper.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "-layout", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\f"), "\f")
}

// squeezed is a text without blanks, which readers of PDF put in and leave out as they like.
func squeezed(text string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '\n' || c == '\u3000' {
			return -1
		}
		return c
	}, text)
}

func TestAPaperHasItsClassOnEveryPage(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		for _, lang := range []i18n.Lang{i18n.Japanese, i18n.English} {
			paper := policyPaper(t, lang)
			pdf, err := p.PDF(t.Context(), paper)
			if err != nil {
				t.Fatal(err)
			}
			keep(t, pdf, string(lang))
			pages := read(t, pdf)
			if len(pages) < 4 {
				t.Errorf("%s: %d pages", lang, len(pages))
			}
			for i, page := range pages {
				text := squeezed(page)
				for _, want := range []string{paper.Classification, paper.Title, "ISMS-P-01", "3.2", fmt.Sprintf("%d/%d", i+1, len(pages))} {
					if !strings.Contains(text, squeezed(want)) {
						t.Errorf("%s: page %d lacks %q:\n%s", lang, i+1, want, page)
					}
				}
			}
			all := squeezed(strings.Join(pages, ""))
			for _, want := range []string{paper.Words.T("document.contents"), "AL-1<login>", "@taro", "<script>alert(1)</script>"} {
				if !strings.Contains(all, squeezed(want)) {
					t.Errorf("%s: it lacks %q", lang, want)
				}
			}
		}
	})
}

// keep puts a paper where YAGURA_SCREENSHOTS says, for people to look at.
func keep(t *testing.T, pdf []byte, name string) {
	t.Helper()
	dir := os.Getenv("YAGURA_SCREENSHOTS")
	if dir == "" {
		return
	}
	_, press, _ := strings.Cut(t.Name(), "/")
	if err := os.WriteFile(filepath.Join(dir, "paper-"+press+"-"+name+".pdf"), pdf, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNoLineBeginsWithWhatMayNotBegin(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		paper := document.Paper{Title: "禁則", Words: words(t, i18n.Japanese), Date: time.Now()}
		paper.Markdown = strings.Repeat("記録を「確認」し、（必要なら）報告する。", 60) + "\n\n" + strings.Repeat("あ、", 300) + "\n\n" + strings.Repeat("ー「っ」", 200)
		pdf, err := p.PDF(t.Context(), paper)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, page := range read(t, pdf) {
			for l := range strings.Lines(page) {
				l = strings.TrimSpace(l)
				if l == "" {
					continue
				}
				count++
				if strings.ContainsAny(l[:len("。")], "、。」）っ") || strings.HasSuffix(l, "「") || strings.HasSuffix(l, "（") {
					t.Errorf("the line %q", l)
				}
			}
		}
		if count < 20 {
			t.Errorf("only %d lines", count)
		}
	})
}

func TestTheContentsNameTheRightPages(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		var text strings.Builder
		for i := range 60 {
			fmt.Fprintf(&text, "# 第%d章 (%%&#)\n\n%s\n\n", i+1, strings.Repeat("記録を「確認」し、（必要なら）報告する。", 30))
		}
		pdf, err := p.PDF(t.Context(), document.Paper{Title: "手順書", Markdown: text.String(), Words: words(t, i18n.Japanese)})
		if err != nil {
			t.Fatal(err)
		}
		pages := read(t, pdf)
		numbers := make(map[string]string) // in the contents, which go over two pages
		for l := range strings.Lines(pages[0] + pages[1]) {
			if found := regexp.MustCompile(`^(第.*章\(%&#\))\.*(\d+)$`).FindStringSubmatch(squeezed(l)); found != nil {
				numbers[found[1]] = found[2]
			}
		}
		for i := range 60 {
			chapter := fmt.Sprintf("第%d章(%%&#)", i+1)
			n, err := strconv.Atoi(numbers[chapter])
			if err != nil || n < 3 || n > len(pages) || !strings.Contains(squeezed(pages[n-1]), chapter) {
				t.Errorf("%s should begin on page %q of %d", chapter, numbers[chapter], len(pages))
			}
		}
	})
}

func TestAShortPaperHasNoContents(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		pdf, err := p.PDF(t.Context(), document.Paper{Title: "Memo", Markdown: "# One\n\ntext\n\n# Two\n\ntext", Words: words(t, i18n.English)})
		if err != nil {
			t.Fatal(err)
		}
		if pages := read(t, pdf); len(pages) != 1 || strings.Contains(pages[0], "Contents") {
			t.Errorf("%q", pages)
		}
	})
}

func TestHostileTextsAreOnlyTexts(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		text := strings.Join(hostile(), "\n\n") + "\n\n" + strings.Repeat("> ", 300) + "deep\n\n" + strings.Repeat("長", 3000) + "\n\n" +
			strings.Repeat("x", 3000) + "\n\n|a|\n|-|\n|" + strings.Repeat("cell ", 3000) + "|\n\n😀 e\u0301 か\u3099 \u202e"
		evil := `</style><script>alert(1)</script>{{.}}`
		pdf, err := p.PDF(t.Context(), document.Paper{
			Title: evil, Classification: evil, Number: evil, Version: evil, Author: evil, Markdown: text, Words: words(t, i18n.English), Hooks: hooks(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(pdf, []byte("/JavaScript")) || bytes.Contains(pdf, []byte("javascript:")) || bytes.Contains(pdf, []byte("/Launch")) {
			t.Error("something in it can run")
		}
		if all := squeezed(strings.Join(read(t, pdf), "")); !strings.Contains(all, "<svg/onload=alert(1)>") || !strings.Contains(all, evil) {
			t.Error("what was written does not stand in it")
		}
	})
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		paper := document.Paper{Words: words(t, i18n.English), Markdown: strings.Repeat("a", document.MaxMarkdown+1)}
		if _, err := p.PDF(t.Context(), paper); !fault.Is(err, fault.TooLarge) {
			t.Errorf("a long text: %v", err)
		}
		paper.Markdown = "![a](a)"
		paper.Image = func(context.Context, string) (io.ReadCloser, error) { return io.NopCloser(endless{}), nil }
		if _, err := p.PDF(t.Context(), paper); !fault.Is(err, fault.TooLarge) {
			t.Errorf("an endless picture: %v", err)
		}
		broken := errors.New("the store is gone")
		paper.Image = func(context.Context, string) (io.ReadCloser, error) { return nil, broken }
		if _, err := p.PDF(t.Context(), paper); !errors.Is(err, broken) {
			t.Errorf("a store that is gone: %v", err)
		}
		// A picture of 30,000 by 30,000 points in a few bytes: the head of one is enough to claim it.
		bomb := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x75\x30\x00\x00\x75\x30\x08\x02\x00\x00\x00"), 0, 0, 0, 0)
		paper.Image = func(context.Context, string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(bomb)), nil }
		if _, err := p.PDF(t.Context(), paper); err != nil {
			t.Errorf("a picture that is a bomb: %v", err)
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestWithoutChromiumAndFontAFaultSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	p := document.NewPress(document.Options{Chromium: "none", Font: filepath.Join(t.TempDir(), "none.ttf")})
	_, err := p.PDF(t.Context(), document.Paper{Words: words(t, i18n.English)})
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Unavailable || f.Key != "fault.document.font" {
		t.Errorf("it was answered with %v", err)
	}
}

// TestTheBrowserReachesNothing prints a page that asks for all it can, without the locks of the text before it.
func TestTheBrowserReachesNothing(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium: install Debian's package chromium")
	}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	secret := filepath.Join(t.TempDir(), "secret.html")
	if err := os.WriteFile(secret, []byte("s3cret-words"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := `<link rel=stylesheet href="` + server.URL + `/a.css"><img src="` + server.URL + `/a.png"><iframe src="` + server.URL + `/a"></iframe>` +
		`<iframe src="file://` + secret + `"></iframe><object data="file://` + secret + `"></object><script>document.write("ran "+1);fetch("` + server.URL + `/x")</script>` +
		`<style>@import url(` + server.URL + `/b.css); body{background:url(` + server.URL + `/c.png)}</style>words`
	for name, html := range map[string]string{"bare": page, "with our policy": document.PolicyMeta() + page} {
		pdf, err := document.PrintHTML(t.Context(), program, html)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := strings.Join(read(t, pdf), "")
		if strings.Contains(text, "ran 1") || (name != "bare" && strings.Contains(text, "s3cret")) {
			t.Errorf("%s: it reads %q", name, text)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the browser asked a server %d times", n)
	}
}

func BenchmarkPDF(b *testing.B) {
	for name, opt := range map[string]document.Options{"chromium": {}, "typeset": {Chromium: "none"}} {
		b.Run(name, func(b *testing.B) {
			p, paper := document.NewPress(opt), policyPaper(b, i18n.Japanese)
			for b.Loop() {
				if _, err := p.PDF(b.Context(), paper); err != nil {
					b.Skip(err)
				}
			}
		})
	}
}
