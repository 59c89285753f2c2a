package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"text/template/parse"

	"yagura/internal/platform/i18n"
)

//go:embed all:templates
var frameTemplates embed.FS

// maxViews bounds the templates that are kept bound to a language and a zone; a visitor chooses the zone.
const maxViews = 1024

// pages holds every page's template. A page is bound to a language and a zone when it is first shown in them, so that
// {{t}} and {{ago}} need no help from the page's data.
type pages struct {
	site *Site
	base *template.Template            // layout and components, never executed
	set  map[string]*template.Template // by page name, never executed

	mu    sync.Mutex
	views map[view]*template.Template
}

type view struct {
	page, zone string
	lang       i18n.Lang
	eras       bool
}

func loadPages(s *Site) (*pages, error) {
	p := &pages{site: s, set: make(map[string]*template.Template), views: make(map[view]*template.Template)}
	unbound := p.funcs(s.opt.Bundle.Printer(i18n.English, nil))
	base, err := template.New("").Funcs(unbound).ParseFS(frameTemplates, "templates/frame/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the frame: %w", err)
	}
	p.base = base
	return p, nil
}

// add parses a module's pages.
func (p *pages) add(module string, files fs.FS) error {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	var shared, own []string
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "_") {
			shared = append(shared, name)
		} else {
			own = append(own, name)
		}
	}
	for _, name := range own {
		set, err := p.base.Clone()
		if err != nil {
			return err
		}
		if set, err = set.ParseFS(files, append(shared, name)...); err != nil {
			return err
		}
		page := module + "/" + strings.TrimSuffix(path.Base(name), ".html")
		for _, block := range []string{"title", "content"} {
			if set.Lookup(block) == nil {
				return fmt.Errorf("template %s defines no %q", page, block)
			}
		}
		p.set[page] = set
	}
	return nil
}

// check finds calls of templates that are not there; Go would only notice when it gets to them.
func (p *pages) check() error {
	var problems []error
	for page, set := range p.set {
		for _, t := range set.Templates() {
			if t.Tree == nil {
				continue
			}
			for _, name := range calls(t.Tree.Root) {
				if set.Lookup(name) == nil {
					problems = append(problems, fmt.Errorf("page %s: %q calls the template %q, which is not there", page, t.Name(), name))
				}
			}
		}
	}
	return errors.Join(problems...)
}

// calls lists the templates that a piece of template calls.
func calls(node parse.Node) []string {
	var names []string
	branch := func(b *parse.BranchNode) {
		names = append(names, calls(b.List)...)
		names = append(names, calls(b.ElseList)...)
	}
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			names = append(names, calls(child)...)
		}
	case *parse.TemplateNode:
		names = append(names, n.Name)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	}
	return names
}

// bound returns the page's template for a language and a zone.
func (p *pages) bound(page string, printer *i18n.Printer) (*template.Template, error) {
	key := view{page, printer.Zone().String(), printer.Lang(), printer.Eras()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.views[key]; ok {
		return t, nil
	}
	set, ok := p.set[page]
	if !ok {
		return nil, fmt.Errorf("no page %q", page)
	}
	t, err := set.Clone()
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", page, err)
	}
	if len(p.views) >= maxViews {
		clear(p.views)
	}
	p.views[key] = t.Funcs(p.funcs(printer))
	return p.views[key], nil
}

// Render answers with a page: the whole of it, or, when htmx asks for a part, the block that is named like the target's
// id (the page's {{define "results"}} for hx-target="#results"), else its "content". data is what the page's
// blocks get as their dot. Nothing is sent when it fails.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, status int, page string, data any) error {
	req := about(r)
	t, err := s.pages.bound(page, req.printer)
	if err != nil {
		return err
	}
	block, dot := "layout", any(nil)
	if part := wantedBlock(r); part != "" {
		block, dot = "content", data
		if s.pages.own(t, part) {
			block = part
		}
	} else {
		dot = s.frameData(w, r, data)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, block, dot); err != nil {
		return fmt.Errorf("rendering %s: %w", page, err)
	}
	if s.opt.Rendered != nil {
		s.opt.Rendered(page)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "HX-Request, HX-Target, Cookie, Accept-Language")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // fails only when the visitor has left, and then there is nobody to tell
	return nil
}

// Part renders a block of a page as markup, for another page to show within.
func (s *Site) Part(r *http.Request, page, block string, data any) (template.HTML, error) {
	t, err := s.pages.bound(page, about(r).printer)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.ExecuteTemplate(&out, block, data); err != nil {
		return "", fmt.Errorf("rendering %s of %s: %w", block, page, err)
	}
	if s.opt.Rendered != nil {
		s.opt.Rendered(page)
	}
	return template.HTML(out.String()), nil // what a template wrote is escaped
}

// own reports whether the page itself defines the block. A visitor names it, and the frame's blocks are not theirs to ask for.
func (p *pages) own(page *template.Template, block string) bool {
	return page.Lookup(block) != nil && p.base.Lookup(block) == nil
}

// wantedBlock returns the block htmx asks for, "content" for a part without a name, "" for a whole page. HX-Target is
// "div#results" (htmx 4).
func wantedBlock(r *http.Request) string {
	if !fromHTMX(r) || r.Header.Get("HX-Request-Type") == "full" {
		return ""
	}
	_, id, ok := strings.Cut(r.Header.Get("HX-Target"), "#")
	if !ok || id == "" {
		return "content"
	}
	return id
}

func (s *Site) renderFailure(w http.ResponseWriter, r *http.Request, f failure) error {
	return s.Render(w, r, f.Status, "frame/error", f)
}

// Printers are what speaks each of the languages, for what people write in any of them: the headings of a list.
func (s *Site) Printers() (list []*i18n.Printer) {
	for _, language := range i18n.Languages() {
		list = append(list, s.opt.Bundle.Printer(language.Lang, nil))
	}
	return list
}
