package help_test

import (
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/docs"
	"yagura/internal/platform/help"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web/webtest"
)

func open(t *testing.T, files fs.FS) *webtest.Site {
	t.Helper()
	site := webtest.New(t)
	x, err := help.New(site.Site, files)
	if err != nil {
		t.Fatal(err)
	}
	site.Mount(x.Module())
	return site
}

func names(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := fs.Glob(docs.Files(), pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".md")
	}
	return files
}

func TestEveryDocumentIsAPage(t *testing.T) {
	t.Parallel()
	site := open(t, docs.Files())
	paths := []string{"/find?q=search"}
	for _, name := range names(t, "*.md") {
		paths = append(paths, "/help/"+name)
	}
	site.Pages(append(paths, "/home")...)
	site.Guarded()
	if err := site.Check(); err != nil {
		t.Error(err)
	}
}

// TestNoLinkOfADocumentLeadsNowhere follows the links between documents, to their very headings.
func TestNoLinkOfADocumentLeadsNowhere(t *testing.T) {
	t.Parallel()
	site := open(t, docs.Files())
	links := regexp.MustCompile(`href="(/help/[a-z-]+)?(?:#([^"]+))?"`)
	for _, lang := range []i18n.Lang{i18n.English, i18n.Japanese} {
		for _, name := range names(t, "*.md") {
			page := site.Do(webtest.Request{As: webtest.Nobody, Path: "/help/" + name, Lang: lang})
			_, article, _ := strings.Cut(page.Body.String(), "<article")
			article, _, _ = strings.Cut(article, "</article>")
			if strings.Contains(article, `.md"`) || strings.Contains(article, ".md#") {
				t.Errorf("%s in %s has a link to a file", name, lang)
			}
			for _, link := range links.FindAllStringSubmatch(article, -1) {
				target := page
				if link[1] != "" {
					target = site.Do(webtest.Request{As: webtest.Nobody, Path: link[1], Lang: lang})
				}
				if target.Code != http.StatusOK || link[2] != "" && !strings.Contains(target.Body.String(), `id="`+link[2]+`"`) {
					t.Errorf("%s in %s: %s leads nowhere", name, lang, link[0])
				}
			}
		}
	}
}

func TestLinesOfAParagraphAreJoined(t *testing.T) {
	t.Parallel()
	wrapped := "# T\n\none\ntwo\n\n- a\n  b\n- c\n\n日本\n語 and\n英語\n\n```\nx\ny\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## H\ntext\n"
	page := open(t, fstest.MapFS{"t.md": {Data: []byte(wrapped)}}).Do(webtest.Request{As: webtest.Nobody, Path: "/help/t"}).Body.String()
	for _, want := range []string{"<p>one two</p>", "<li>a b</li>", "<li>c</li>", "<p>日本語 and 英語</p>", "x\ny\n", "<td>1</td>", "<p>text</p>"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in\n%s", want, page)
		}
	}
}

func TestADocumentIsReadInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	site := open(t, fstest.MapFS{
		"using.md":    {Data: []byte("# Using\n\nSee [this](search.md#how) and <b>that</b>.\n\n![b](https://evil.example/b.png)\n")},
		"search.md":   {Data: []byte("# Search\n\n## How\n")},
		"ja/using.md": {Data: []byte("# 使い方\n\n本文")},
	})
	for _, one := range []struct {
		path      string
		lang      i18n.Lang
		has, lack string
	}{
		{"/help/using", i18n.Japanese, `<h1 lang="ja">使い方</h1>`, "英語版のみ"},
		{"/help/search", i18n.Japanese, "英語版のみ", ""},
		{"/help/using", i18n.English, `<a href="/help/search#s-how">this</a> and &lt;b&gt;that&lt;/b&gt;`, "使い方"},
		{"/help/using", i18n.English, "and", "evil.example"},
		{"/find?q=search", i18n.Japanese, `href="/help/search"`, ""},
	} {
		page := site.Do(webtest.Request{As: webtest.Nobody, Path: one.path, Lang: one.lang}).Body.String()
		if !strings.Contains(page, one.has) || one.lack != "" && strings.Contains(page, one.lack) {
			t.Errorf("%s in %s: want %s, and not %s\n%s", one.path, one.lang, one.has, one.lack, page)
		}
	}
	for path, want := range map[string]int{"/help/nothing": 404, "/help/..%2fusing": 404, "/help/using": 200} {
		if got := site.Do(webtest.Request{As: webtest.Nobody, Path: path}); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}
