// Package webtest lets a room test its pages: a site with a make-believe sign-in, requests as a guest or as the
// administrator, and a walk through every page in every language.
package webtest

import (
	"encoding/json"
	"html"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
	"yagura/locale"
)

// Visitor is who sends a request.
type Visitor string

// The visitors.
const (
	Guest  Visitor = ""       // nobody is signed in
	Nobody Visitor = "nobody" // signed in, with no permission at all
	Reader Visitor = "reader" // has every permission that ends in ".read"
	Admin  Visitor = "admin"  // has every permission
	Stale  Visitor = "stale"  // has every permission, and proved who they are too long ago for dangerous things
	Bare   Visitor = "bare"   // has every permission, and must register a second factor first
	Robot  Visitor = "robot"  // has every permission, and is a program with a token
	Chief  Visitor = "chief"  // has every permission about people, and no other
)

// Probe is hostile text. Put it wherever a page shows what came from outside; Pages fails where it comes out as markup.
const Probe = `<yagura-probe onload="x">'"&javascript:alert(1)`

// rawProbe is what must never be seen in a page's source.
const rawProbe = "<yagura-probe"

// header names the visitor to the make-believe authenticator.
const header = "X-Test-Visitor"

type fakeAuth struct{}

func everything(string) bool { return true }

func (fakeAuth) User(r *http.Request) (*auth.User, error) {
	name := r.Header.Get(header)
	if c, err := r.Cookie("visitor"); err == nil {
		name = c.Value
	}
	allowed := map[Visitor]func(string) bool{
		Nobody: func(string) bool { return false },
		Reader: func(p string) bool { return strings.HasSuffix(p, ".read") },
		Chief:  func(p string) bool { return strings.HasPrefix(p, "people.") },
		Admin:  everything, Stale: everything, Bare: everything, Robot: everything,
	}[Visitor(name)]
	if allowed == nil {
		return nil, fault.New(fault.Unauthentic, "", "nobody is signed in")
	}
	user := &auth.User{ID: name, Name: name, Session: name != string(Robot), Enrol: name == string(Bare), Allowed: allowed}
	if name != string(Stale) && user.Session {
		user.StepUp = time.Now()
	}
	return user, nil
}

// Site is a site with the tests' sign-in, for a room to be made with and mounted on.
type Site struct {
	*web.Site
	t testing.TB

	mu    sync.Mutex
	shown map[string]bool
	log   strings.Builder
}

// Write takes lines of the site's log.
func (s *Site) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

// Logged returns what the site has written into its log.
func (s *Site) Logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// New makes a site.
func New(t testing.TB) *Site {
	t.Helper()
	return NewSaying(t, nil)
}

// NewSaying makes a site with messages besides those of the catalogues, the same in every language: for what only a test has.
func NewSaying(t testing.TB, messages map[string]string) *Site {
	t.Helper()
	s := &Site{t: t, shown: make(map[string]bool)}
	site, err := web.New(web.Options{
		Bundle: bundle(t, messages),
		Auth:   fakeAuth{}, Log: slog.New(slog.NewTextHandler(s, nil)), Version: "test",
		Rendered: func(page string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.shown[page] = true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Site = site
	return s
}

// bundle is the catalogues with more messages.
func bundle(t testing.TB, messages map[string]string) *i18n.Bundle {
	t.Helper()
	files := fstest.MapFS{}
	for _, l := range i18n.Languages() {
		name := string(l.Lang) + ".json"
		all := make(map[string]string)
		data, err := fs.ReadFile(locale.Files, name)
		if err == nil {
			err = json.Unmarshal(data, &all)
		}
		maps.Copy(all, messages)
		if err == nil {
			data, err = json.Marshal(all)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	b, err := i18n.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Mount adds a module or ends the test.
func (s *Site) Mount(m web.Module) {
	s.t.Helper()
	if err := s.Site.Mount(m); err != nil {
		s.t.Fatal(err)
	}
}

// Request is one request of a visitor's browser.
type Request struct {
	As     Visitor
	Method string // GET where empty, POST where there is a form
	Path   string
	Form   url.Values
	Lang   i18n.Lang
	HTMX   string // id of the target, when htmx asks for a part
	Header map[string]string
}

// Do sends the request and returns the answer.
func (s *Site) Do(q Request) *httptest.ResponseRecorder {
	s.t.Helper()
	if q.Method == "" {
		q.Method = map[bool]string{true: http.MethodGet, false: http.MethodPost}[q.Form == nil]
	}
	r := httptest.NewRequest(q.Method, q.Path, strings.NewReader(q.Form.Encode()))
	if q.Form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set(header, string(q.As))
	if q.Lang != "" {
		r.AddCookie(&http.Cookie{Name: "yagura_lang", Value: string(q.Lang)})
	}
	if q.HTMX != "" {
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-Request-Type", "partial")
		r.Header.Set("HX-Target", "div#"+q.HTMX)
	}
	for name, value := range q.Header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// Call sends a program's request with a JSON body, fails unless it is answered with the status, and reads the answer into a value, nil for none.
func (s *Site) Call(as Visitor, method, path, body string, status int, into any) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	r.Header.Set(header, string(as))
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != status {
		s.t.Fatalf("%s %s as %q: status %d, want %d\n%s", method, path, as, w.Code, status, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			s.t.Fatalf("%s %s: %v\n%s", method, path, err, w.Body)
		}
	}
}

// Pages shows every page to the administrator in every language: each GET route without a wildcard, and paths besides
// (for the routes that have one, and for states of a page). It fails on an answer that is no success or redirect, a
// message that a catalogue lacks, a value that is not there, a probe that is not escaped; and on a template of the
// mounted modules that no page showed.
func (s *Site) Pages(paths ...string) {
	s.t.Helper()
	for _, module := range s.Modules() {
		for _, route := range module.Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			path = strings.TrimSuffix(path, "{$}")
			if method == http.MethodGet && !strings.Contains(path, "{") && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	for _, language := range i18n.Languages() {
		for _, path := range paths {
			answer := s.Do(Request{As: Admin, Path: path, Lang: language.Lang})
			if answer.Code >= 400 {
				s.t.Errorf("GET %s in %s: status %d\n%s", path, language.Lang, answer.Code, excerpt(answer.Body.String(), "<main"))
				continue
			}
			if strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
				for _, problem := range Problems(answer.Body.String()) {
					s.t.Errorf("GET %s in %s: %s", path, language.Lang, problem)
				}
			}
		}
		s.Do(Request{As: Admin, Path: "/a/page/that/is/not/there", Lang: language.Lang})
	}
	for _, page := range s.Site.Pages() {
		s.mu.Lock()
		if !s.shown[page] {
			s.t.Errorf("no path of this test shows the template %s", page)
		}
		s.mu.Unlock()
	}
}

// Guarded sends each route of the mounted modules as a guest, as somebody without permissions, as somebody who must register
// a second factor first, and, where it is dangerous, as somebody whose last proof of identity is old; it fails when one is let in.
func (s *Site) Guarded() {
	s.t.Helper()
	for _, module := range s.Modules() {
		for _, route := range module.Routes {
			if route.Permission == web.Public {
				continue
			}
			method, pattern, _ := strings.Cut(route.Pattern, " ")
			path := fillPattern(pattern)
			signedIn := route.Permission == web.SignedIn || route.Permission == web.Enrolling
			for visitor, want := range map[Visitor]int{Guest: http.StatusUnauthorized, Nobody: http.StatusForbidden, Bare: http.StatusForbidden, Stale: http.StatusForbidden} {
				if visitor == Nobody && signedIn || visitor == Bare && route.Permission == web.Enrolling || visitor == Stale && !route.Fresh {
					continue
				}
				answer := s.Do(Request{As: visitor, Method: method, Path: path, Header: map[string]string{"Accept": "application/json"}})
				if answer.Code != want {
					s.t.Errorf("%s as %q: status %d, want %d", route.Pattern, visitor, answer.Code, want)
				}
			}
		}
	}
}

// fillPattern puts something in a pattern's wildcards.
func fillPattern(pattern string) string {
	var path strings.Builder
	for rest := pattern; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		path.WriteString(before)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		if name != "$" {
			path.WriteString("x")
		}
		rest = tail
	}
	return path.String()
}

// Problems lists what is wrong with a page's source.
func Problems(page string) []string {
	var found []string
	// The words that scripts fill in hold "{0}" on purpose.
	if before, rest, ok := strings.Cut(page, `<template id="words"`); ok {
		_, after, _ := strings.Cut(rest, "</template>")
		page = before + after
	}
	for _, one := range []struct{ sign, meaning string }{
		{"⟦", "a message is missing"},
		{"&lt;no value&gt;", "a value is missing"},
		{"<no value>", "a value is missing"},
		{"{0}", "a message lacks an argument"},
		{"{1}", "a message lacks an argument"},
		{"ZgotmplZ", "html/template refused a value in this place"},
		{"%!", "a format lacks its argument"},
		{rawProbe, "text from outside is not escaped"},
		{" style=", "inline style, which the content policy blocks"},
		{" onclick=", "inline script, which the content policy blocks"},
		{"<script>", "inline script, which the content policy blocks"},
	} {
		if strings.Contains(page, one.sign) {
			found = append(found, one.meaning+": "+excerpt(page, one.sign))
		}
	}
	return found
}

// excerpt shows a sign in its surroundings.
func excerpt(text, sign string) string {
	at := strings.Index(text, sign)
	if at < 0 {
		at = 0
	}
	return "…" + html.UnescapeString(strings.ToValidUTF8(text[max(0, at-120):min(len(text), at+200)], "")) + "…"
}
