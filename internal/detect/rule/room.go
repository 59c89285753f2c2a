package rule

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Permissions of this room.
const (
	MayRead  web.Permission = "rule.read"
	MayWrite web.Permission = "rule.write" // decide where rules stand, add and remove them
)

// RoomOptions are what the pages show.
type RoomOptions struct {
	Library *Library
	States  *States
	Alerts  *alert.Store // how often rules matched; nil shows no figures
	// Beside is what other rooms show on a rule's page: what keeps it from alerting.
	Beside func(r *http.Request, key string) (template.HTML, error)
}

// Room is what only rules have of their pages and their API.
type Room struct {
	site    *web.Site
	desk    *desk.Desk
	library *Library
	states  *States
	alerts  *alert.Store
	beside  func(r *http.Request, key string) (template.HTML, error)
}

// NewRoom makes the pages, which Module hands to the site. The kind is registered with the store of records.
func NewRoom(site *web.Site, d *desk.Desk, opt RoomOptions) *Room {
	return &Room{site: site, desk: d, library: opt.Library, states: opt.States, alerts: opt.Alerts, beside: opt.Beside}
}

// Module is what the site mounts.
func (x *Room) Module(kind *record.Kind) web.Module {
	// A rule's key is a UUID or begins with "x-", so "-" is free for what is no rule.
	return x.desk.Module(desk.Room{
		Kind: kind, Title: x.title, Overview: x.overview, Head: x.head,
		Apart: []string{"severity", "title_ja", "product", "category", "service", "tactic", "technique", "health", "maturity", "origin", "author", "license",
			"path", "digest", "matches", "open_alerts", "last_match", "shadow_matches"},
		Templates: templateFiles, Static: staticFiles, Styles: []string{"rule/rule.css"}, Help: "rules",
		Commands: []web.Command{{Key: "rule.add", Path: "/rules/-/add"}},
		Routes: append(x.addRoutes(), []web.Route{
			{Pattern: "GET /rules/{id}/bench", Permission: MayRead, Handle: x.bench},
			{Pattern: "POST /rules/{id}/try", Permission: MayRead, Handle: x.try},
			{Pattern: "POST /rules/{id}/remove", Permission: MayWrite, Handle: x.remove},
			{Pattern: "GET /rules/-/lint", Permission: MayRead, Handle: x.lint},
			{Pattern: "GET /rules/-/add", Permission: MayWrite, Handle: x.showAdd},
			{Pattern: "POST /rules/-/add", Permission: MayWrite, Handle: x.add},
			{Pattern: "GET /api/v1/rules/{id}/source", Permission: MayRead, Handle: x.apiSource, Doc: &openapi.Operation{
				Summary: "Read the text of one, with what is wrong with it", Tag: Name, Answer: sourceJSON{}}},
		}...),
	})
}

// may reports whether the reader may change the library.
func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }

// title is the rule's in the reader's language, where it has one.
func (x *Room) title(p *i18n.Printer, r *record.Record) string {
	if title := x.library.Title(r.ID, p.Lang()); title != "" {
		return title
	}
	if title := r.Str("title_ja"); title != "" && p.Lang() == i18n.Japanese { // its file has gone
		return title
	}
	return r.Title
}

// head leads from the list to what is wrong with rules, and to adding one.
func (x *Room) head(r *http.Request) ([]desk.Link, error) {
	p := web.T(r)
	links := []desk.Link{{Label: p.T("rule.lint"), Path: "/rules/-/lint", Count: len(x.library.Set().Problems)}}
	if may(r) {
		links = append(links, desk.Link{Label: p.T("rule.add"), Path: "/rules/-/add", Main: true})
	}
	return links, nil
}

// Path is the address of the rule's page.
func (r *Rule) Path() string { return "/rules/" + r.Key }

// LogsourceLabel writes a log source for people: what it says, from the widest to the narrowest.
func LogsourceLabel(ls sigma.Logsource) string {
	var said []string
	for _, part := range [...]string{ls.Product, ls.Category, ls.Service} {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, " / ")
}

// LogsourceLabel is the rule's log source for people.
func (r *Rule) LogsourceLabel() string { return LogsourceLabel(r.Logsource) }

// tacticLabel is an ATT&CK tactic in the reader's language, or its short name where we have no word for it.
func tacticLabel(p *i18n.Printer, tactic string) string {
	if key := "attack.tactic." + tactic; p.Has(key) {
		return p.T(key)
	}
	return tactic
}

// LogsourceList is the address of the list of all rules about a log source.
func LogsourceList(ls sigma.Logsource) string {
	q := url.Values{"view": {"all"}}
	for name, part := range map[string]string{"product": ls.Product, "category": ls.Category, "service": ls.Service} {
		if part != "" {
			q.Set(name, "="+part)
		}
	}
	return withQuery("/rules", q)
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// LogsourceList is the address of the list of all rules about the rule's log source.
func (r *Rule) LogsourceList() string { return LogsourceList(r.Logsource) }
