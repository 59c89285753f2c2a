package risk

import (
	"cmp"
	"embed"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

// MayRead is what the pages take.
const MayRead web.Permission = "risk.read"

// Room is the pages of risk and their API.
type Room struct {
	site  *web.Site
	store *Store
	rules alert.Rules // what rules are called
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, store *Store, rules alert.Rules) *Room { return &Room{site, store, rules} }

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name: "risk", Templates: templateFiles, Help: "alerts", Permissions: []web.Permission{MayRead},
		Nav: []web.NavItem{{House: "detect", Key: "risk.title", Path: "/risk", Permission: MayRead, Order: 22}},
		Routes: []web.Route{
			{Pattern: "GET /risk", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /risk/{kind}/{entity}", Permission: MayRead, Handle: x.detail},
			{Pattern: "GET /api/v1/risk", Permission: MayRead, Handle: x.apiList, Doc: docList()},
			{Pattern: "GET /api/v1/risk/{kind}/{entity}", Permission: MayRead, Handle: x.apiGet, Doc: &openapi.Operation{
				Summary: "Read a user's or a host's risk with the alerts that add to it", Tag: "risk", Answer: detailJSON{}}},
		},
	}
}

// The course that pages show.
const (
	courseStep  = 6 * time.Hour
	courseSteps = 56 // two weeks
	pageSize    = 50
	mostListed  = 200
)

// entityView is an entity as pages show it.
type entityView struct {
	Standing
	Points  int64
	Limit   int64
	Field   string // its ECS field
	Path    string
	Tactics []named
	Course  []int64
	Above   bool
}

type named struct{ Name, Label string }

func (x *Room) entity(r *http.Request, e Standing, course bool) (v entityView, err error) {
	v = entityView{
		Standing: e, Points: int64(math.Round(e.Score)), Limit: int64(x.store.limit()), Field: alert.Entity{Kind: e.Kind}.Field(), Path: path(e.Entity), Above: e.Score >= x.store.limit(),
	}
	for _, tactic := range e.Tactics {
		v.Tactics = append(v.Tactics, named{tactic, tacticLabel(web.T(r), tactic)})
	}
	if course {
		v.Course, err = x.store.Course(r.Context(), e.Entity, time.Now(), courseStep, courseSteps)
	}
	return v, err
}

func path(e Entity) string { return "/risk/" + string(e.Kind) + "/" + url.PathEscape(e.Key) }

// tacticLabel is a tactic in the reader's language, or its short name.
func tacticLabel(p *i18n.Printer, tactic string) string {
	if key := "attack.tactic." + tactic; p.Has(key) {
		return p.T(key)
	}
	return tactic
}

type listView struct {
	Tabs  []web.Tab
	Query string
	Keep  []web.Option
	Items []entityView
	Pager web.Pager
	Limit int64
	Half  time.Duration
}

// filterOf reads which entities an address asks for.
func filterOf(r *http.Request) (Filter, error) {
	q := r.URL.Query()
	f := Filter{Kind: alert.EntityKind(q.Get("kind")), Text: strings.TrimSpace(q.Get("q"))}
	if f.Kind != "" && f.Kind != alert.User && f.Kind != alert.Host {
		return f, fault.New(fault.Invalid, "risk.fault.kind", "%q is neither user nor host", f.Kind)
	}
	return f, nil
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	p, cursor := web.T(r), r.URL.Query().Get("cursor")
	page, err := x.store.List(r.Context(), f, cursor, pageSize)
	if err != nil {
		return err
	}
	view := listView{Query: f.Text, Limit: int64(x.store.limit()), Half: x.store.opt.HalfLife}
	address := func(kind, next string) string {
		q := url.Values{}
		for name, value := range map[string]string{"kind": kind, "q": f.Text, "cursor": next} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if len(q) == 0 {
			return "/risk"
		}
		return "/risk?" + q.Encode()
	}
	for _, kind := range []alert.EntityKind{"", alert.User, alert.Host} {
		view.Tabs = append(view.Tabs, web.Tab{Label: p.T("risk.kind." + cmp.Or(string(kind), "all")), Path: address(string(kind), ""), Current: kind == f.Kind})
	}
	if f.Kind != "" {
		view.Keep = []web.Option{{Value: string(f.Kind), Label: "kind"}}
	}
	if cursor != "" {
		view.Pager.First = address(string(f.Kind), "")
	}
	if page.Next != "" {
		view.Pager.Next = address(string(f.Kind), page.Next)
	}
	for _, e := range page.Items {
		one, err := x.entity(r, e, true)
		if err != nil {
			return err
		}
		view.Items = append(view.Items, one)
	}
	return x.site.Render(w, r, http.StatusOK, "risk/list", view)
}

// partView is an alert that adds to a score, as pages show it.
type partView struct {
	Part
	Title string
	Add   int64
	Now   int64
	Names []string // of its tactics
	State string
	Share int64
}

func (x *Room) parts(r *http.Request, e Entity, since, before time.Time) (list []partView, err error) {
	parts, err := x.store.Parts(r.Context(), e, since, before, mostListed)
	p := web.T(r)
	for _, part := range parts {
		v := partView{Part: part, Title: part.Title, Add: int64(math.Round(part.Points)), Now: int64(math.Round(part.Left)), State: p.T("kind.alert.state." + part.State)}
		if title := x.rules.Title(part.Rule, p.Lang()); title != "" {
			v.Title = title
		}
		for _, tactic := range part.Tactics {
			v.Names = append(v.Names, tacticLabel(p, tactic))
		}
		list = append(list, v)
	}
	return list, err
}

type detailView struct {
	entityView
	Parts  []partView
	Hits   web.Histogram
	Search string
}

func (x *Room) get(r *http.Request) (Standing, error) {
	kind := alert.EntityKind(r.PathValue("kind"))
	if kind != alert.User && kind != alert.Host {
		return Standing{}, fault.New(fault.NotFound, "risk.fault.not_found", "there is no risk of a %q", kind)
	}
	return x.store.Get(r.Context(), kind, r.PathValue("entity"))
}

func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	e, err := x.get(r)
	if err != nil {
		return err
	}
	view := &detailView{}
	if view.entityView, err = x.entity(r, e, true); err != nil {
		return err
	}
	if view.Parts, err = x.parts(r, e.Entity, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	view.Hits = web.Histogram{Start: time.Now().Add(-courseSteps * courseStep), Step: courseStep, Series: []web.Series{{Label: web.T(r).T("risk.score"), Counts: view.Course}}}
	return x.site.Render(w, r, http.StatusOK, "risk/detail", view)
}

// Story is what the page of an alert that tells a story shows of it, in the order of time.
func (x *Room) Story(r *http.Request, a *record.Record) (template.HTML, error) {
	e := entityOf(a)
	view := &detailView{}
	var err error
	if view.Parts, err = x.parts(r, e, a.At("first_seen"), a.At("last_seen")); err != nil {
		return "", err
	}
	seen := make(map[string]bool)
	for i, j := 0, len(view.Parts)-1; i < j; i, j = i+1, j-1 {
		view.Parts[i], view.Parts[j] = view.Parts[j], view.Parts[i]
	}
	for _, part := range view.Parts {
		for i, tactic := range part.Tactics {
			if !seen[tactic] {
				seen[tactic] = true
				view.entityView.Tactics = append(view.entityView.Tactics, named{tactic, part.Names[i]})
			}
		}
	}
	if web.User(r).May(string(MayRead)) {
		view.Path = path(e)
	}
	view.Entity, view.Field = e, alert.Entity{Kind: e.Kind}.Field()
	return x.site.Part(r, "risk/detail", "story", view)
}

// Beside is what other alerts' pages show: how those stand whom the alert is about.
func (x *Room) Beside(r *http.Request, a *record.Record) (template.HTML, error) {
	var list []entityView
	if !web.User(r).May(string(MayRead)) {
		return "", nil
	}
	for _, e := range []Entity{
		{alert.User, userKey(a.Str("user")), a.Str("user")},
		{alert.Host, strings.ToLower(a.Str("host")), a.Str("host")},
	} {
		if e.Key == "" {
			continue
		}
		known, err := x.store.Get(r.Context(), e.Kind, e.Key)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		one, err := x.entity(r, known, false)
		if err != nil {
			return "", err
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return "", nil
	}
	return x.site.Part(r, "risk/detail", "beside", list)
}

// entityOf is whom a story is about.
func entityOf(a *record.Record) Entity {
	name := a.Str("entity")
	if a.Str("entity_kind") == string(alert.User) {
		return Entity{alert.User, userKey(name), name}
	}
	return Entity{alert.Host, strings.ToLower(name), name}
}

// Around is the LogsQL that finds what happened to the entity.
func (v entityView) Around() string {
	name := event.HostName
	if v.Kind == alert.User {
		name = event.UserName
	}
	return name + ":=" + quote(v.Name)
}
