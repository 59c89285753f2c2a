package alert

import (
	"embed"
	"net/http"

	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Permissions of this room.
const (
	MayRead  web.Permission = "alert.read"
	MayWrite web.Permission = "alert.write" // decide what becomes of alerts
)

// Rules tells what a rule is about; rule.Library does.
type Rules interface {
	// About returns what is known of the rule with that key, in the language as far as its author wrote it in that; false where
	// it is no longer loaded.
	About(key string, lang i18n.Lang) (RuleInfo, bool)
	// Titles returns, by key, the titles that rules have in the language besides their own.
	Titles(lang i18n.Lang) map[string]string
}

// RuleInfo is what an alert's page shows of its rule.
type RuleInfo struct {
	Description    string
	FalsePositives []string
	Author         string
	License        string
	// Fields are the event fields that the rule looks at, by the rule's own name for each, in its order.
	Fields []RuleField
}

// RuleField is a field a rule looks at.
type RuleField struct {
	Name  string   // as the rule says
	Names []string // ours, in order of preference
}

// Room is the Alerts pages and their API.
type Room struct {
	site  *web.Site
	store *Store
	rules Rules
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, store *Store, rules Rules) *Room {
	return &Room{site: site, store: store, rules: rules}
}

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "alert",
		Templates:   templateFiles,
		Permissions: []web.Permission{MayRead, MayWrite},
		Finders:     []web.Finder{web.FinderFunc(x.find)},
		Cards:       []web.Card{web.CardFunc(x.waiting)},
		Help:        "alerts",
		Nav:         []web.NavItem{{House: "detect", Key: "alert.title", Path: "/alerts", Permission: MayRead, Order: 20}},
		Routes: []web.Route{
			{Pattern: "GET /alerts", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /alerts/{id}", Permission: MayRead, Handle: x.detail},
			{Pattern: "POST /alerts/{id}", Permission: MayWrite, Handle: x.decide},
			{Pattern: "POST /alerts/-/decide", Permission: MayWrite, Handle: x.decideMany},
			{Pattern: "GET /api/v1/alerts", Permission: MayRead, Handle: x.apiList},
			{Pattern: "GET /api/v1/alerts/{id}", Permission: MayRead, Handle: x.apiGet},
			{Pattern: "PATCH /api/v1/alerts/{id}", Permission: MayWrite, Handle: x.apiPatch},
		},
	}
}

// may reports whether the reader may decide.
func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }
