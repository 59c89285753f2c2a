package approval

import (
	"context"
	"embed"
	"net/http"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

// MayRead is the permission to see everybody's requests. One's own, and those one could decide, need none.
const MayRead web.Permission = "approval.read"

const pageSize = 50

// Room is the page of requests for approval.
type Room struct {
	site      *web.Site
	approvals *Approvals
	names     func(ctx context.Context, ids []string) (map[string]string, error)
}

// NewRoom makes the page. names tells what people are called.
func NewRoom(site *web.Site, approvals *Approvals, names func(ctx context.Context, ids []string) (map[string]string, error)) *Room {
	return &Room{site: site, approvals: approvals, names: names}
}

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "approval",
		Templates:   templates,
		Permissions: []web.Permission{MayRead},
		Cards:       []web.Card{web.CardFunc(x.waiting)},
		Help:        "people",
		Nav:         []web.NavItem{{House: "settings", Key: "approval.title", Path: "/approvals", Permission: web.SignedIn, Order: 30}},
		Routes: append([]web.Route{
			{Pattern: "GET /approvals", Permission: web.SignedIn, Handle: x.list},
			{Pattern: "GET /approvals/{id}", Permission: web.SignedIn, Handle: x.detail},
			{Pattern: "GET /approvals/{id}/decide", Permission: web.SignedIn, Fresh: true, Handle: x.detail},
			{Pattern: "POST /approvals/{id}", Permission: web.SignedIn, Fresh: true, Handle: x.decide},
		}, x.apiRoutes()...),
	}
}

// shown is a request with the names of its people.
type shown struct {
	Request
	Asker, Decider string
	Mine           bool // the reader asked for it
	MayDecide      bool
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	user, all := web.User(r), r.URL.Query().Get("all") != ""
	page, err := x.approvals.List(r.Context(), user, Filter{Waiting: !all, Cursor: r.URL.Query().Get("after"), Limit: pageSize})
	if err != nil {
		return err
	}
	rows, err := x.show(r, page.Items...)
	if err != nil {
		return err
	}
	view := struct {
		Tabs  []web.Tab
		Rows  []shown
		Pager web.Pager
		All   bool
	}{All: all, Rows: rows}
	view.Tabs = []web.Tab{
		{Label: web.T(r).T("approval.waiting"), Path: "/approvals", Current: !all},
		{Label: web.T(r).T("approval.all"), Path: "/approvals?all=1", Current: all},
	}
	if page.Next != "" {
		query := r.URL.Query()
		query.Set("after", page.Next)
		view.Pager.Next = "/approvals?" + query.Encode()
	}
	return x.site.Render(w, r, http.StatusOK, "approval/list", view)
}

func (x *Room) show(r *http.Request, requests ...Request) ([]shown, error) {
	var ids []string
	for _, q := range requests {
		ids = append(ids, q.AskedBy)
		if q.DecidedBy != "" {
			ids = append(ids, q.DecidedBy)
		}
	}
	names, err := x.names(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	user := web.User(r)
	list := make([]shown, len(requests))
	for i, q := range requests {
		list[i] = shown{Request: q, Asker: names[q.AskedBy], Decider: names[q.DecidedBy], Mine: q.AskedBy == user.ID}
		list[i].MayDecide = q.State == Waiting && !list[i].Mine && x.approvals.mayDecide(r.Context(), user, q, Refused) == nil
	}
	return list, nil
}

func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	request, err := x.approvals.Get(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	rows, err := x.show(r, request)
	if err != nil {
		return err
	}
	facts, err := x.approvals.Facts(r, request)
	if err != nil && !fault.Is(err, fault.NotFound) { // whom it concerns may be gone
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "approval/detail", struct {
		shown
		Facts    []Fact
		Deciding bool
	}{rows[0], facts, r.Pattern == "GET /approvals/{id}/decide"})
}

func (x *Room) decide(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	to := State(r.PostFormValue("to"))
	if to != Approved && to != Refused && to != Withdrawn {
		return fault.New(fault.Invalid, "", "a request cannot become %q", to)
	}
	if err := x.approvals.Decide(r.Context(), web.User(r), r.PathValue("id"), to, r.PostFormValue("note")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/approvals", web.Flash{Kind: web.Good, Text: web.T(r).T("approval.done." + string(to))})
}
