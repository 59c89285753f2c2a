package alert

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
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
	// Title is the title that a rule has in the language, "" for one that is no longer loaded.
	Title(key string, lang i18n.Lang) string
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

// Room is what only alerts have of their pages and their API.
type Room struct {
	site  *web.Site
	desk  *desk.Desk
	store *Store
	rules Rules
	// Story is what the page of an alert that tells of others shows of them.
	Story func(r *http.Request, a *record.Record) (template.HTML, error)
	// Beside is what other rooms show on an alert's page: what keeps its rule from alerting.
	Beside func(r *http.Request, a *record.Record) (template.HTML, error)
	// Why says what in the latest event the rule with that key was after: each question with its answer. "" where that cannot be said.
	Why func(r *http.Request, rule string, event []byte) (template.HTML, error)
}

// NewRoom makes the pages, which Module hands to the site. The kind is registered with the store of records.
func NewRoom(site *web.Site, d *desk.Desk, store *Store, rules Rules) *Room {
	return &Room{site: site, desk: d, store: store, rules: rules}
}

// Module is what the site mounts.
func (x *Room) Module(kind *record.Kind) web.Module {
	return x.desk.Module(desk.Room{
		Kind: kind, Title: x.title, Overview: x.overview, Actions: x.actions,
		Apart:     []string{"severity", "entity", "entity_kind", "host", "user", "source_ip", "rule", "tactic", "technique", "first_seen", "last_seen", "count"},
		Templates: templateFiles, Help: "alerts", Cards: []web.Card{web.CardFunc(x.waiting)},
		Routes: []web.Route{{Pattern: "GET /api/v1/alerts/{id}/events", Permission: MayRead, Handle: x.apiEvents, Doc: &openapi.Operation{
			Summary: "Read sample events of an alert: its first and its latest", Tag: Name, Answer: openapi.Page(openapi.Schema{"type": "object"}),
		}}},
	})
}

// may reports whether the reader may decide.
func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }

// title is the rule's in the reader's language, where it has one.
func (x *Room) title(p *i18n.Printer, a *record.Record) string {
	if a.Str("rule") == StoryRule {
		return p.T("alert.story.title", a.Str("entity"))
	}
	if x.rules != nil {
		if title := x.rules.Title(a.Str("rule"), p.Lang()); title != "" {
			return title
		}
	}
	return a.Title
}

// apiEvents answers {"items": […]}: each event as it is searched for.
func (x *Room) apiEvents(w http.ResponseWriter, r *http.Request) error {
	a, err := x.desk.Store().Get(r.Context(), web.User(r), Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	seen, err := x.store.Seen(r.Context(), a.ID)
	if err != nil {
		return err
	}
	items := []json.RawMessage{}
	for _, s := range seen.Samples {
		items = append(items, s.Event)
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": items})
}

// waiting says on the overview how many alerts are new, and which of them are the gravest.
func (x *Room) waiting(ctx context.Context, user *auth.User) (*web.Waiting, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	store := x.desk.Store()
	env, fresh := store.Env(ctx, user, nil), record.Query{Sort: "-severity"}.With("state", string(New))
	n, _, err := store.Count(ctx, Name, fresh, env)
	if err != nil {
		return nil, err
	}
	page, err := store.List(ctx, Name, fresh, env, "", 5)
	if err != nil {
		return nil, err
	}
	card := &web.Waiting{
		Key: "alert.waiting", Order: 10, Path: "/alerts?state=new&sort=-severity", Empty: "alert.waiting.none", Count: n, Items: x.desk.Found(ctx, page.Items),
	}
	for i := range card.Items {
		card.Items[i].State = "" // that it is new goes without saying here
	}
	return card, nil
}
