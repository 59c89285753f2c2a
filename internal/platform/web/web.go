// Package web is the frame that every page stands in: routing with permissions, rendering, errors, languages,
// security headers, and the components pages are built of. README.md beside this file shows how to write a page.
//
// What it guarantees:
//   - No route is reachable without a permission, and Check finds a route that declares none.
//   - A handler's error becomes a page or a problem+json (RFC 9457), by what the client accepts, in one place (fail.go).
//   - A page is rendered to the end before its first byte is sent: nobody gets half a page.
//   - Every answer carries the security headers; no page needs inline script or style.
//   - A request that changes something and was sent by another site's page is refused (http.CrossOriginProtection).
//   - A panic costs its own request only.
//   - Whatever a request changes, its person is the actor (db.WithActor).
package web

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
)

// Permission is what a route asks of the visitor: "alert.read", "rule.write". Names are "<room>.<verb>".
type Permission string

const (
	// Public routes answer anyone, signed in or not.
	Public Permission = "public"
	// SignedIn routes answer everyone who is signed in, whatever their permissions.
	SignedIn Permission = "signed_in"
	// Enrolling routes answer everyone who is signed in, even those who must register a second factor before they may do
	// anything else: the pages where they do so, and the way out.
	Enrolling Permission = "enrolling"
)

// Handle answers a request. Its error becomes the answer, unless an answer was begun already.
type Handle func(w http.ResponseWriter, r *http.Request) error

// Route is one method and path of a module.
type Route struct {
	Pattern    string // as http.ServeMux reads it, with the method: "GET /alerts/{id}"
	Permission Permission
	// Fresh routes are dangerous: who asks must have proved lately who they are, and is asked to otherwise. A form that does
	// something dangerous stands on a page that is Fresh, too, so that nobody loses what they typed.
	Fresh  bool
	Handle Handle
	// Doc says what a route of the API takes and answers; a page has none.
	Doc *openapi.Operation
}

// NavItem is an entry of the left rail.
type NavItem struct {
	House      string // detect, respond, brand, protect, govern, settings, or home: beside the overview, for what everybody has
	Key        string // message key of its label
	Path       string
	Permission Permission
	Order      int    // within the house
	Icon       string // of an entry beside the overview
}

// Module is what a room gives the site.
type Module struct {
	Name   string
	Routes []Route
	Nav    []NavItem
	// Permissions are all that the module's routes and records ask for; roles are made of them. Each has a message
	// "permission.<permission>", and its room "permission.<room>".
	Permissions []Permission
	// Templates has templates/*.html: each file is a page "<module>/<file without .html>" that defines "title" and
	// "content" and any blocks of its own; files that begin with "_" are shared by the module's pages.
	Templates fs.FS
	// Finders find the module's records for the search box, Commands are pages of its own that the box offers, and Cards say on
	// the overview what waits for somebody.
	Finders  []Finder
	Commands []Command
	Cards    []Card
	// Unread counts what the reader of a page has not read of the module's notices, for the bell in the top bar, which leads to
	// /notifications. One module has it, or none.
	Unread func(r *http.Request) (int, error)
	// Help is the document that is about the module's pages: "search" for docs/search.md. "" is the list of documents.
	Help string
	// Static has static/*: styles and scripts of the module's own pages, for {{asset "<module>/<file>"}} in their block "assets".
	Static fs.FS
}

// Options is what a site needs.
type Options struct {
	Auth    auth.Authenticator
	Log     *slog.Logger  // nil is slog.Default()
	Bundle  *i18n.Bundle  // nil is the catalogues in locale/
	Version string        // shown in the rail's foot
	Notice  func() string // message key of a line above every page ("demo.notice"); nil or "" for none
	Now     func() time.Time
	// Keeper keeps people's preferences; nil leaves them to each browser's cookies.
	Keeper Keeper
	// StepUp is how long after a proof of who they are somebody may use Fresh routes; 0 is ten minutes.
	StepUp time.Duration
	// Limit refuses a person who asks too often (fault.Busy, with Retry-After set); nil never does.
	Limit func(w http.ResponseWriter, r *http.Request, id string) error
	// Name tells what the person of an id is called, "" for nobody it knows, for {{person}}; nil shows the id.
	Name func(id string) string
	// Once carries a request of the API out that its sender may repeat (once.Keeper); nil carries out each.
	Once func(w http.ResponseWriter, r *http.Request, person string, handle func(http.ResponseWriter, *http.Request) error) error
	// Rendered is told of each page that was shown, for tests that ask whether all were.
	Rendered func(page string)
}

// Site is the modules under one roof. Mount everything first, then serve; after that it is safe for any number of
// goroutines.
type Site struct {
	opt     Options
	modules []Module
	pages   *pages
	assets  *assets
	mux     *http.ServeMux
	zones   sync.Map              // of *time.Location by name
	permits map[string]Permission // by pattern
	helps   map[string]string     // a module's document, by pattern
	unread  func(r *http.Request) (int, error)
}

// New makes a site with the pages that belong to no room: the start, the preferences of the reader, static files. Signing in is
// package account's.
func New(opt Options) (*Site, error) {
	if opt.Auth == nil {
		return nil, errors.New("a site needs an authenticator")
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.StepUp == 0 {
		opt.StepUp = 10 * time.Minute
	}
	if opt.Bundle == nil {
		bundle, err := loadBundle()
		if err != nil {
			return nil, err
		}
		opt.Bundle = bundle
	}
	files, err := loadAssets()
	if err != nil {
		return nil, err
	}
	s := &Site{opt: opt, assets: files, mux: http.NewServeMux(), permits: make(map[string]Permission), helps: make(map[string]string)}
	if s.pages, err = loadPages(s); err != nil {
		return nil, err
	}
	s.mux.Handle("GET /static/", s.assets)
	return s, s.Mount(s.frame())
}

// Mount adds a module. Errors: a name or a pattern that is there already, a template that does not parse.
func (s *Site) Mount(m Module) error {
	if m.Name == "" || slices.ContainsFunc(s.modules, func(other Module) bool { return other.Name == m.Name }) {
		return fmt.Errorf("mounting module %q: the name is empty or taken", m.Name)
	}
	if m.Static != nil {
		if err := s.assets.add(m.Name, m.Static); err != nil {
			return fmt.Errorf("mounting module %s: %w", m.Name, err)
		}
	}
	if m.Templates != nil {
		if err := s.pages.add(m.Name, m.Templates); err != nil {
			return fmt.Errorf("mounting module %s: %w", m.Name, err)
		}
	}
	for _, route := range m.Routes {
		if err := s.route(route); err != nil {
			return fmt.Errorf("mounting module %s: %w", m.Name, err)
		}
		s.permits[route.Pattern], s.helps[route.Pattern] = route.Permission, m.Help
	}
	if m.Unread != nil {
		s.unread = m.Unread
	}
	s.modules = append(s.modules, m)
	return nil
}

// route adds one route; ServeMux panics on a pattern that is wrong or taken, which is an error of the program here.
func (s *Site) route(route Route) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("route %q: %v", route.Pattern, problem)
		}
	}()
	s.mux.Handle(route.Pattern, s.guard(route))
	return nil
}

// Pages returns the names of all templates, sorted.
func (s *Site) Pages() []string { return slices.Sorted(maps.Keys(s.pages.set)) }

// Modules returns what is mounted, in order.
func (s *Site) Modules() []Module { return slices.Clone(s.modules) }

// Check reports, all at once, what would only fail when somebody looks: a route without method or permission, an
// entry of the rail whose page is not there or asks for another permission, a template that names one that is missing.
func (s *Site) Check() error {
	var problems []error
	routes := make(map[string]Route)
	for _, m := range s.modules {
		for _, p := range m.Permissions {
			problems = append(problems, s.checkPermission(m, p))
		}
		for _, route := range m.Routes {
			routes[route.Pattern] = route
			switch {
			case route.Permission == "":
				problems = append(problems, fmt.Errorf("module %s: route %q has no permission", m.Name, route.Pattern))
			case !slices.Contains([]Permission{Public, SignedIn, Enrolling}, route.Permission) && !slices.Contains(m.Permissions, route.Permission):
				problems = append(problems, fmt.Errorf("module %s: route %q asks for %q, which the module does not declare", m.Name, route.Pattern, route.Permission))
			}
			if method, path, ok := strings.Cut(route.Pattern, " "); !ok || method == "" || !strings.HasPrefix(path, "/") {
				problems = append(problems, fmt.Errorf("module %s: route %q is not \"METHOD /path\"", m.Name, route.Pattern))
			}
		}
	}
	for _, m := range s.modules {
		for _, item := range m.Nav {
			route, ok := routes["GET "+item.Path]
			switch {
			case !ok:
				problems = append(problems, fmt.Errorf("module %s: the rail points to %s, which no route answers", m.Name, item.Path))
			case route.Permission != item.Permission:
				problems = append(problems, fmt.Errorf("module %s: the rail shows %s to %q, its route asks for %q", m.Name, item.Path, item.Permission, route.Permission))
			}
			if !slices.Contains(houses, item.House) && item.House != settingsHouse && item.House != homeHouse {
				problems = append(problems, fmt.Errorf("module %s: %s stands in no house (%q)", m.Name, item.Path, item.House))
			}
		}
		for _, c := range m.Commands {
			if _, ok := routes["GET "+c.Path]; !ok {
				problems = append(problems, fmt.Errorf("module %s: the command %s leads to %s, which no route answers", m.Name, c.Key, c.Path))
			}
		}
	}
	return errors.Join(append(problems, s.pages.check())...)
}

// checkPermission finds a permission that no role could be given with open eyes: misnamed, or without words for the people
// who decide about roles.
func (s *Site) checkPermission(m Module, p Permission) error {
	room, verb, ok := strings.Cut(string(p), ".")
	if !ok || room == "" || verb == "" || strings.ContainsAny(string(p), " *") {
		return fmt.Errorf("module %s: permission %q is not <room>.<verb>", m.Name, p)
	}
	for _, lang := range i18n.Languages() {
		printer := s.opt.Bundle.Printer(lang.Lang, nil)
		for _, key := range []string{"permission." + room, "permission." + string(p)} {
			if !printer.Has(key) {
				return fmt.Errorf("module %s: permission %q has no message %q", m.Name, p, key)
			}
		}
	}
	return nil
}

// Permissions returns every permission that a module declares, in the order of the modules.
func (s *Site) Permissions() []Permission {
	var all []Permission
	for _, m := range s.modules {
		all = append(all, m.Permissions...)
	}
	return all
}
