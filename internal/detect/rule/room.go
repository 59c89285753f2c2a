package rule

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
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
	MayWrite web.Permission = "rule.write" // enable, disable, add and remove rules
)

// RoomOptions are what the pages show.
type RoomOptions struct {
	Library *Library
	Alerts  *alert.Store // how often rules matched; nil shows no figures
	// Beside is what other rooms show on a rule's page: what keeps it from alerting.
	Beside func(r *http.Request, key string) (template.HTML, error)
}

// Room is the Rules pages and their API.
type Room struct {
	site    *web.Site
	library *Library
	alerts  *alert.Store
	beside  func(r *http.Request, key string) (template.HTML, error)
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, opt RoomOptions) *Room {
	return &Room{site: site, library: opt.Library, alerts: opt.Alerts, beside: opt.Beside}
}

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	// A rule's key is a UUID or begins with "x-", so "-" is free for what is no rule.
	return web.Module{
		Name:        "rule",
		Templates:   templateFiles,
		Static:      staticFiles,
		Permissions: []web.Permission{MayRead, MayWrite},
		Finders:     []web.Finder{web.FinderFunc(x.find)},
		Commands:    []web.Command{{Key: "rule.add", Path: "/rules/-/add"}},
		Help:        "rules",
		Nav:         []web.NavItem{{House: "detect", Key: "rule.title", Path: "/rules", Permission: MayRead, Order: 30}},
		Routes: []web.Route{
			{Pattern: "GET /rules", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /rules/{key}", Permission: MayRead, Handle: x.detail},
			{Pattern: "POST /rules/{key}/try", Permission: MayRead, Handle: x.try},
			{Pattern: "POST /rules/{key}/remove", Permission: MayWrite, Handle: x.remove},
			{Pattern: "POST /rules/{key}/state", Permission: MayWrite, Handle: x.setState},
			{Pattern: "POST /rules/-/state", Permission: MayWrite, Handle: x.setStates},
			{Pattern: "GET /rules/-/lint", Permission: MayRead, Handle: x.lint},
			{Pattern: "GET /rules/-/add", Permission: MayWrite, Handle: x.showAdd},
			{Pattern: "POST /rules/-/add", Permission: MayWrite, Handle: x.add},
			{Pattern: "GET /api/v1/rules", Permission: MayRead, Handle: x.apiList, Doc: docList()},
			{Pattern: "GET /api/v1/rules/{key}", Permission: MayRead, Handle: x.apiGet, Doc: &openapi.Operation{Summary: "Read one with its text and what is wrong with it", Tag: "rules", Answer: detailJSON{}}},
		},
	}
}

// may reports whether the reader may change the library.
func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }

// statsSpan is how far back the pages count matches.
const statsSpan = 7 * 24 * time.Hour

// stats are the figures of every rule that fired.
func (x *Room) stats(ctx context.Context) (map[string]alert.RuleStats, error) {
	if x.alerts == nil {
		return nil, nil
	}
	return x.alerts.RuleStats(ctx, time.Now().Add(-statsSpan))
}

// State is what a list says of a rule in one word.
type State string

// The states.
const (
	StateActive   State = "active"
	StateReported State = "reported" // it runs, and part of it may never match here
	StateIdle     State = "idle"     // it does not run, though nobody disabled it
	StateDisabled State = "disabled"
)

// State sums up whether a rule runs.
func (r *Rule) State() State {
	switch {
	case !r.Enabled:
		return StateDisabled
	case !r.Active:
		return StateIdle
	case r.Health() == Reported:
		return StateReported
	}
	return StateActive
}

// Pill is the kind of pill that shows the rule's state.
func (r *Rule) Pill() string {
	return map[State]string{StateActive: "good", StateReported: "warn", StateIdle: "bad"}[r.State()]
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

func tacticLabels(p *i18n.Printer, r *Rule) []string {
	var labels []string
	for _, tactic := range r.Tactics() {
		labels = append(labels, tacticLabel(p, tactic))
	}
	return labels
}

// back is where a form came from: a page of rules and nowhere else.
func back(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != "/rules" && !strings.HasPrefix(u.Path, "/rules/") {
		return "/rules"
	}
	return withQuery(u.Path, u.Query())
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
