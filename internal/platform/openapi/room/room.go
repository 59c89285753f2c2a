// Package room shows the program's API to people and hands its document to programs. It stands beside openapi and not in it because pages
// know people, and web describes its routes with openapi.
//
// What it promises: the document and the page have every route of the API that is mounted, described by what the route itself says, whatever
// the reader may do; who may call an operation stands beside it.
package room

import (
	"cmp"
	"embed"
	"maps"
	"net/http"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

// Root is where the API is.
const Root = "/api/v1/"

// DocumentPath is where programs find the document.
const DocumentPath = Root + "openapi.json"

// Options are what the pages need besides the site.
type Options struct {
	Version   string
	PublicURL string // where programs find the server; "" is the address that is asked
}

// Room is the pages.
type Room struct {
	site *web.Site
	opt  Options
}

// New makes the pages.
func New(site *web.Site, opt Options) *Room { return &Room{site, opt} }

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name: "api", Templates: templates, Help: "api",
		Commands: []web.Command{{Key: "api.title", Path: "/api"}},
		Routes: []web.Route{
			{Pattern: "GET /api", Permission: web.SignedIn, Handle: x.page},
			{Pattern: "GET " + DocumentPath, Permission: web.SignedIn, Handle: x.document, Doc: &openapi.Operation{
				Summary: "Read this document: OpenAPI 3.1", Tag: "api", Answer: openapi.Schema{"type": "object"},
			}},
		},
	}
}

// Entries are the API's routes of a site, sorted by tag and path.
func Entries(site *web.Site) (list []openapi.Entry) {
	for _, m := range site.Modules() {
		for _, route := range m.Routes {
			if _, path, _ := strings.Cut(route.Pattern, " "); strings.HasPrefix(path, Root) {
				list = append(list, openapi.Entry{Pattern: route.Pattern, Permission: string(route.Permission), Fresh: route.Fresh, Operation: route.Doc})
			}
		}
	}
	slices.SortFunc(list, func(a, b openapi.Entry) int {
		methodA, pathA, _ := strings.Cut(a.Pattern, " ")
		methodB, pathB, _ := strings.Cut(b.Pattern, " ")
		return cmp.Or(cmp.Compare(tag(a), tag(b)), cmp.Compare(pathA, pathB), cmp.Compare(methodA, methodB))
	})
	return list
}

func tag(e openapi.Entry) string {
	if e.Operation == nil {
		return ""
	}
	return e.Operation.Tag
}

func (x *Room) document(w http.ResponseWriter, _ *http.Request) error {
	text, err := openapi.Document(openapi.Info{Title: "Yagura", Version: cmp.Or(x.opt.Version, "0"),
		Description: "The API of an organisation's information-security system. Errors are problems as RFC 9457 has them."}, Entries(x.site))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // a client that has gone
	return nil
}

// operation is an operation as the page shows it.
type operation struct {
	Anchor, Method, Path, Permission string
	Fresh                            bool
	Doc                              *openapi.Operation
	Parameters                       []parameter
	Text                             []piece
	Body, Answer                     []openapi.Row
	Status                           int
	AnswerTypes                      []string
	Curl                             string
}

type parameter struct {
	openapi.Parameter
	In, Type string
	Text     []piece
}

func parameterOf(p openapi.Parameter, in, typeName string) parameter {
	return parameter{p, in, typeName, pieces(p.Description)}
}

// piece is a part of a description; what stands between backticks is code, as the document's readers show it (CommonMark).
type piece struct {
	Text string
	Code bool
}

func pieces(description string) (list []piece) {
	code := false
	for text := range strings.SplitSeq(description, "`") {
		if text != "" {
			list = append(list, piece{text, code})
		}
		code = !code
	}
	return list
}

// group is what the API can do with one thing.
type group struct {
	Tag     string
	Count   int
	Current bool
}

// page shows the operations of one group: every kind of record has dozens.
func (x *Room) page(w http.ResponseWriter, r *http.Request) error {
	view := struct {
		Groups     []group
		Tag        string // that is shown
		Operations []operation
	}{Tag: r.URL.Query().Get("of")}
	entries := Entries(x.site)
	if view.Tag == "" {
		view.Tag = tag(entries[0]) // the document itself is one
	}
	for _, e := range entries {
		if n := len(view.Groups); n == 0 || view.Groups[n-1].Tag != tag(e) {
			view.Groups = append(view.Groups, group{Tag: tag(e), Current: tag(e) == view.Tag})
		}
		view.Groups[len(view.Groups)-1].Count++
		if tag(e) == view.Tag {
			view.Operations = append(view.Operations, x.show(r, e))
		}
	}
	if view.Operations == nil {
		return fault.New(fault.NotFound, "fault.not_found", "the API has nothing called %q", view.Tag)
	}
	return x.site.Render(w, r, http.StatusOK, "api/page", view)
}

func (x *Room) show(r *http.Request, e openapi.Entry) operation {
	method, path, _ := strings.Cut(e.Pattern, " ")
	doc := e.Operation
	o := operation{Anchor: openapi.ID(method, path), Method: method, Path: path, Permission: e.Permission, Fresh: e.Fresh, Doc: doc,
		Text: pieces(doc.Description), Status: doc.Success(), AnswerTypes: append([]string{cmp.Or(doc.AnswerType, "application/json")}, slices.Sorted(maps.Keys(doc.Answers))...)}
	for _, name := range openapi.Wildcards(path) {
		o.Parameters = append(o.Parameters, parameterOf(openapi.Parameter{Name: name, Required: true}, "path", "string"))
	}
	for _, p := range doc.Query {
		o.Parameters = append(o.Parameters, parameterOf(p, "query", typeOf(p)))
	}
	for _, p := range doc.Headers {
		o.Parameters = append(o.Parameters, parameterOf(p, "header", typeOf(p)))
	}
	if doc.Body != nil {
		o.Body = openapi.Rows(openapi.Of(doc.Body))
	}
	if doc.Answer != nil {
		o.Answer = openapi.Rows(openapi.Of(doc.Answer))
	}
	o.Curl = x.curl(r, method, path, doc)
	return o
}

func typeOf(p openapi.Parameter) string {
	if p.Schema == nil {
		return "string"
	}
	return openapi.TypeName(p.Schema)
}

// curl is a command to try the operation with.
func (x *Room) curl(r *http.Request, method, path string, doc *openapi.Operation) string {
	base := strings.TrimSuffix(x.opt.PublicURL, "/")
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	command := "curl -H 'Authorization: Bearer …'"
	if method != http.MethodGet {
		command += " -X " + method
	}
	switch {
	case doc.Body == nil:
	case doc.BodyType == "" || doc.BodyType == "application/json":
		command += " -H 'Content-Type: application/json' -d @body"
	default: // a file, whose line ends are its own
		command += " -H 'Content-Type: " + doc.BodyType + "' --data-binary @file"
	}
	if doc.AnswerType == "application/octet-stream" {
		command += " -OJ"
	}
	return command + " '" + base + path + "'"
}
