// Package help shows the program's documents (docs/*.md) in the program, so that who has only a browser can read them.
//
// What it promises: every document is there for everybody who is signed in, in the reader's language where it is written in it
// and otherwise in English, marked as such; links between documents lead to their pages here. Pictures are left to the files.
package help

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"yagura/internal/platform/document"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

//go:embed templates
var templates embed.FS

// anchor stands before the ids of a document's headings, as package document makes them.
const anchor = "s-"

// order is how the list has the documents: what everybody needs, what analysts need, what administrators need. A document that is
// not named here comes last.
func order() []string {
	return []string{"using", "alerts", "records", "notifications", "search", "rules", "correlations", "coverage", "sources", "api", "glossary", "people", "single-sign-on", "ledger", "install", "operations", "keys", "security", "architecture"}
}

// Help is the pages.
type Help struct {
	site *web.Site
	docs fs.FS
	made map[string]text // by file; documents do not change while we run
}

// text is a document as its page shows it.
type text struct {
	Name, Title string
	Lang        i18n.Lang
	HTML        template.HTML
}

// New reads the documents: English ones at the top of docs, Japanese ones in ja. Errors: a document without
// a title.
func New(site *web.Site, docs fs.FS) (*Help, error) {
	x := &Help{site: site, docs: docs, made: make(map[string]text)}
	for _, pattern := range []string{"*.md", "ja/*.md"} {
		files, err := fs.Glob(docs, pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if x.made[file], err = x.read(file); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}

// Module is what the app mounts.
func (x *Help) Module() web.Module {
	return web.Module{
		Name:      "help",
		Templates: templates,
		Finders:   []web.Finder{web.FinderFunc(x.find)},
		Commands:  []web.Command{{Key: "help.title", Path: "/help"}},
		Routes: []web.Route{
			{Pattern: "GET /help", Permission: web.SignedIn, Handle: x.list},
			{Pattern: "GET /help/{page}", Permission: web.SignedIn, Handle: x.page},
		},
	}
}

// Has reports whether there is a document of that name.
func (x *Help) Has(name string) bool { _, ok := x.made[name+".md"]; return ok }

var (
	heading = regexp.MustCompile(`(?m)^# (.+)$`)
	// links are to other documents, to places in this one, and to files of the repository, which are not here.
	toDocument = regexp.MustCompile(`\]\((?:\.\./)?(?:docs/)?(?:ja/)?([a-z-]+)\.md(?:#([^)]*))?\)`)
	toPlace    = regexp.MustCompile(`\]\(#([^)]*)\)`)
)

func (x *Help) read(file string) (text, error) {
	source, err := fs.ReadFile(x.docs, file)
	if err != nil {
		return text{}, err
	}
	name, lang := strings.TrimSuffix(path.Base(file), ".md"), i18n.English
	if strings.HasPrefix(file, "ja/") {
		lang = i18n.Japanese
	}
	title := heading.FindSubmatchIndex(source)
	if title == nil {
		return text{}, fmt.Errorf("the document %s has no title", file)
	}
	body := string(source[:title[0]]) + string(source[title[1]:]) // the page has it in its head
	body = unwrap(body)
	body = toDocument.ReplaceAllStringFunc(body, x.link)
	body = toPlace.ReplaceAllString(body, "](#"+anchor+"$1)")
	return text{Name: name, Title: string(source[title[2]:title[3]]), Lang: lang, HTML: document.HTML(body, document.Hooks{})}, nil
}

// link leads to another document's page; where there is none of that name, it is left as it is.
func (x *Help) link(markdown string) string {
	m := toDocument.FindStringSubmatch(markdown)
	if _, err := fs.Stat(x.docs, m[1]+".md"); err != nil {
		return markdown
	}
	if m[2] != "" {
		return "](/help/" + m[1] + "#" + anchor + m[2] + ")"
	}
	return "](/help/" + m[1] + ")"
}

// in returns a document in a language, in English where it is not written in it; false where there is none.
func (x *Help) in(name string, lang i18n.Lang) (text, bool) {
	if lang == i18n.Japanese {
		if one, ok := x.made["ja/"+name+".md"]; ok {
			return one, true
		}
	}
	one, ok := x.made[name+".md"]
	return one, ok
}

// all lists the documents in a language.
func (x *Help) all(lang i18n.Lang) []text {
	var list []text
	for _, one := range x.made {
		if one.Lang == i18n.English {
			one, _ = x.in(one.Name, lang)
			list = append(list, one)
		}
	}
	rank := func(t text) int {
		if at := slices.Index(order(), t.Name); at >= 0 {
			return at
		}
		return len(order())
	}
	slices.SortFunc(list, func(a, b text) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

func (x *Help) list(w http.ResponseWriter, r *http.Request) error {
	return x.site.Render(w, r, http.StatusOK, "help/list", struct{ Documents []text }{x.all(web.T(r).Lang())})
}

func (x *Help) page(w http.ResponseWriter, r *http.Request) error {
	one, ok := x.in(r.PathValue("page"), web.T(r).Lang())
	if !ok {
		return fault.New(fault.NotFound, "fault.help", "no document %.40q", r.PathValue("page"))
	}
	return x.site.Render(w, r, http.StatusOK, "help/page", struct {
		text
		Foreign   bool // not in the reader's language
		Documents []text
	}{one, one.Lang != web.T(r).Lang(), x.all(web.T(r).Lang())})
}
