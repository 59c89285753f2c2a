package document_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"yagura/internal/platform/document"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
)

// besieging are texts that are meant to take time, memory or paper, by what they try. None is longer than most.
func besieging(most int) map[string]string {
	cut := func(text string) string { return text[:min(len(text), most)] }
	wide := min(10_000, most/8)
	columns := strings.Repeat("|a", wide) + "|\n" + strings.Repeat("|-", wide) + "|\n"
	nested := ""
	for depth := range 500 {
		nested += strings.Repeat("  ", depth) + "- a\n"
	}
	return map[string]string{
		"columns":         columns + strings.Repeat("|b", wide) + "|\n",
		"tall columns":    cut(columns + "|" + strings.Repeat("長", 25_000) + "|\n"),
		"many rows":       cut("|a|b|\n|-|-|\n" + strings.Repeat("|x\n", 15_000)),
		"many tables":     cut(strings.Repeat("|a|b|c|d|\n|-|-|-|-|\n\n", 3000)),
		"headings":        cut(strings.Repeat("# a\n", 15_000)),
		"empty lines":     cut(strings.Repeat("a\n\n", 15_000)),
		"rules":           cut(strings.Repeat("---\n\n", 10_000)),
		"lists":           cut(nested),
		"quotes":          strings.Repeat(">", 5000) + " a\n",
		"emphasis":        cut(strings.Repeat("*a **b ", 20_000)),
		"links":           cut(strings.Repeat("[a](b ", 30_000)),
		"footnotes":       cut(strings.Repeat("[^1]", 20_000) + "\n\n[^1]: x\n"),
		"everything open": "**a *b ~~c [d](e `f <g \"h ![i](j |k\n|-\n> - 1. # ```l\n" + "&#x; &amp",
		"one word":        strings.Repeat("x", most),
		"controls":        "a\x00b\x01c\x07d\x08e\x0bf\x0cg\x1b[31mh\x7fi\u0085j\u2028k\u2029l\ufeffm\ufffen",
		"bidi":            "\u202eabc\u202c \u2066אבג 123 abc\u2069 \u200fעברית العربية 日本語 \u200e" + strings.Repeat("\u202a", 200) + "x",
		"combining":       strings.Repeat("e"+strings.Repeat("\u0301", 50)+" ", 500),
		"not UTF-8":       "\xff\xfe\xc0\x80\xed\xa0\x80 a",
		"pictures":        cut(strings.Repeat("![a](chart.png)", 500)),
	}
}

// TestAPaperOfAHostileTextEnds prints each: every paper is one that others can read, or a fault says what is too large, in the time that a paper
// may take.
func TestAPaperOfAHostileTextEnds(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		most := document.MaxMarkdown
		if strings.HasSuffix(t.Name(), "/chromium") {
			most = 8 << 10 // it is slower, and has the minute that Press gives it
		}
		for name, text := range besieging(most) {
			if quick := []string{"columns", "many rows", "everything open", "controls", "bidi", "not UTF-8", "lists"}; most < document.MaxMarkdown && !slices.Contains(quick, name) {
				continue
			}
			pdf, err := p.PDF(t.Context(), document.Paper{
				Title: name, Classification: "極秘", Markdown: text, Words: words(t, i18n.Japanese), Hooks: hooks(),
				Image: func(context.Context, string) (io.ReadCloser, error) {
					return io.NopCloser(bytes.NewReader(chart(t))), nil
				},
			})
			switch {
			case fault.Is(err, fault.TooLarge):
			case err != nil:
				t.Errorf("%s: %v", name, err)
			default:
				opens(t, name, pdf)
			}
		}
	})
}

// opens has poppler read a paper, and draw its first page.
func opens(t *testing.T, name string, pdf []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "paper.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"pdftotext", "-l", "3", file, "-"}, {"pdftoppm", "-l", "1", "-r", "20", "-png", file, filepath.Join(filepath.Dir(file), "page")}} {
		program, err := exec.LookPath(command[0])
		if err != nil {
			t.Skip("no poppler: install Debian's package poppler-utils")
		}
		out, err := exec.CommandContext(t.Context(), program, command[1:]...).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("Error")) {
			t.Errorf("%s: %s: %v: %.300s", name, command[0], err, out)
		}
	}
}

// TestAPaperFetchesNothing prints pictures and links that lead into the network and to files, however they are written: the caller is asked for
// each by its reference, and nobody else.
func TestAPaperFetchesNothing(t *testing.T) {
	presses(t, func(t *testing.T, p *document.Press) {
		var fetched atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
		defer server.Close()
		secret := filepath.Join(t.TempDir(), "secret.png")
		if err := os.WriteFile(secret, chart(t), 0o600); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, address := range []string{server.URL + "/x.png", "//" + strings.TrimPrefix(server.URL, "http://") + "/x.png", "file://" + secret, secret, "../../../../etc/passwd", "data:image/png;base64,AAAA", "\\\\server\\x"} {
			fmt.Fprintf(&text, "![a](<%s>) ![a][r] <img src=\"%s\"> [a](<%s>)\n\n<style>@import url(%s)</style>\n\n[r]: <%s>\n\n", address, address, address, address, address)
		}
		pdf, err := p.PDF(t.Context(), document.Paper{Title: "x", Markdown: text.String(), Words: words(t, i18n.English),
			Image: func(_ context.Context, reference string) (io.ReadCloser, error) {
				return nil, fault.New(fault.NotFound, "", "there is no attachment %q", reference)
			}})
		if err != nil {
			t.Fatal(err)
		}
		if fetched.Load() > 0 || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Errorf("%d pictures were fetched", fetched.Load())
		}
	})
}

func FuzzPaper(f *testing.F) {
	for _, text := range besieging(4096) {
		f.Add(text)
	}
	for _, text := range hostile() {
		f.Add(text)
	}
	p := document.NewPress(document.Options{Chromium: "none"})
	printer := words(f, i18n.Japanese)
	f.Fuzz(func(t *testing.T, markdown string) {
		if len(markdown) > 4096 {
			return
		}
		pdf, err := p.PDF(t.Context(), document.Paper{Title: markdown, Classification: markdown, Markdown: markdown, Words: printer, Hooks: hooks()})
		if fault.Is(err, fault.Unavailable) {
			t.Skip(err)
		}
		if err != nil && !fault.Is(err, fault.TooLarge) {
			t.Fatal(err)
		}
		if err == nil && (!bytes.HasPrefix(pdf, []byte("%PDF-")) || !bytes.Contains(pdf[max(0, len(pdf)-64):], []byte("%%EOF"))) {
			t.Fatalf("%q became no paper", markdown)
		}
	})
}
