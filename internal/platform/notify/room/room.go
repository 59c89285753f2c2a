// Package room is the pages of notices: each person's list and what they want to be told of, and for administrators the rules, the
// targets, whom to tell when nobody reads, and what became of what went out. It stands beside notify and not in it because pages
// know notices only through what a reader may see.
//
// What it promises: a person sees their own notices and nobody else's, and only those that they may know of at that moment; an
// address of a target is never shown again, and a secret once; who looks at deliveries sees topics and not texts.
package room

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"net/url"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

//go:embed static
var static embed.FS

// The permissions of the administrators' pages. A person's own notices take none.
const (
	MayRead  web.Permission = "notify.read"
	MayWrite web.Permission = "notify.write"
)

const (
	pageSize = 50
	maxForm  = 256 << 10
	// CountPath is what every open page asks for again and again.
	CountPath = "/notifications/count"
)

// Role is a role that can be told.
type Role struct{ Name, Title string }

// Options are what the pages need besides the notices.
type Options struct {
	Notifier *notify.Notifier
	Roles    func() []Role
	Units    func(ctx context.Context) ([]auth.Unit, error)
	ByEmail  func(ctx context.Context, email string) (auth.Person, error)
	Person   func(ctx context.Context, id string) (auth.Person, error)
}

// Room is the pages.
type Room struct {
	site *web.Site
	opt  Options
	n    *notify.Notifier
}

// New makes the pages.
func New(site *web.Site, opt Options) *Room { return &Room{site, opt, opt.Notifier} }

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name: "notify", Templates: templates, Static: static, Help: "notifications", Unread: x.Unread,
		Permissions: []web.Permission{MayRead, MayWrite},
		Nav:         []web.NavItem{{House: "settings", Key: "notify.admin", Path: "/notifications/rules", Permission: MayRead, Order: 45}},
		Commands:    []web.Command{{Key: "notify.title", Path: "/notifications"}, {Key: "notify.preferences", Path: "/notifications/preferences"}},
		Routes: append(x.apiRoutes(), []web.Route{
			{Pattern: "GET /notifications", Permission: web.SignedIn, Handle: x.list},
			{Pattern: "GET " + CountPath, Permission: web.SignedIn, Handle: x.count},
			{Pattern: "GET /notifications/{id}", Permission: web.SignedIn, Handle: x.open},
			{Pattern: "POST /notifications", Permission: web.SignedIn, Handle: x.read},
			{Pattern: "GET /notifications/preferences", Permission: web.SignedIn, Handle: x.preferences},
			{Pattern: "POST /notifications/preferences", Permission: web.SignedIn, Handle: x.choose},

			{Pattern: "GET /notifications/rules", Permission: MayRead, Handle: x.rules},
			{Pattern: "GET /notifications/rules/-/new", Permission: MayWrite, Handle: x.ruleForm},
			{Pattern: "GET /notifications/rules/{id}", Permission: MayRead, Handle: x.ruleForm},
			{Pattern: "POST /notifications/rules", Permission: MayWrite, Handle: x.saveRule},
			{Pattern: "POST /notifications/rules/{id}/delete", Permission: MayWrite, Handle: x.deleteRule},

			{Pattern: "GET /notifications/targets", Permission: MayRead, Handle: x.targets},
			{Pattern: "GET /notifications/targets/-/new", Permission: MayWrite, Fresh: true, Handle: x.targetForm},
			{Pattern: "GET /notifications/targets/{id}", Permission: MayRead, Handle: x.target},
			{Pattern: "GET /notifications/targets/{id}/edit", Permission: MayWrite, Fresh: true, Handle: x.targetForm},
			{Pattern: "POST /notifications/targets", Permission: MayWrite, Fresh: true, Handle: x.saveTarget},
			{Pattern: "POST /notifications/targets/{id}/test", Permission: MayWrite, Handle: x.testTarget},
			{Pattern: "POST /notifications/targets/{id}/secret", Permission: MayWrite, Fresh: true, Handle: x.newSecret},
			{Pattern: "POST /notifications/targets/{id}/delete", Permission: MayWrite, Fresh: true, Handle: x.deleteTarget},

			{Pattern: "GET /notifications/escalation", Permission: MayRead, Handle: x.chains},
			{Pattern: "GET /notifications/escalation/{topic}", Permission: MayRead, Handle: x.chain},
			{Pattern: "POST /notifications/escalation/{topic}", Permission: MayWrite, Handle: x.saveChain},

			{Pattern: "GET /notifications/deliveries", Permission: MayRead, Handle: x.deliveries},
			{Pattern: "POST /notifications/deliveries/{id}/retry", Permission: MayWrite, Handle: x.retry},
		}...),
	}
}

// Unread counts what the reader of a page has not read, for the bell in the frame.
func (x *Room) Unread(r *http.Request) (int, error) {
	return x.n.Unread(r.Context(), web.User(r).ID)
}

// tabs are the administrators' pages.
func (x *Room) tabs(r *http.Request, current string) []web.Tab {
	var tabs []web.Tab
	for _, name := range []string{"rules", "targets", "escalation", "deliveries"} {
		tabs = append(tabs, web.Tab{Label: web.T(r).T("notify.tab." + name), Path: "/notifications/" + name, Current: name == current})
	}
	return tabs
}

// next is the pager of a list that goes on behind a cursor.
func next(r *http.Request, cursor string) (p web.Pager) {
	if cursor != "" {
		query := r.URL.Query()
		query.Set("after", cursor)
		p.Next = r.URL.Path + "?" + query.Encode()
	}
	return p
}

// form reads a form of bounded size.
func form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("reading the form: %w", err)
	}
	return r.PostForm, nil
}

func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }
