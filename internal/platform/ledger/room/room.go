// Package room is the auditors' page of the ledger: its size, its newest checkpoint, who changed what, and whether it verifies.
// It stands beside the ledger and not in it because pages know people, and the ledger keeps the changes of people.
package room

import (
	"context"
	"embed"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"yagura/internal/platform/ledger"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

// The permissions of the page.
const (
	MayRead   web.Permission = "ledger.read"
	MayVerify web.Permission = "ledger.verify"
)

const pageSize = 50

// Room is the auditors' page.
type Room struct {
	site   *web.Site
	ledger *ledger.Log
	names  func(ctx context.Context, ids []string) (map[string]string, error)
	log    *slog.Logger
}

// New makes the page. names tells what people are called.
func New(site *web.Site, of *ledger.Log, names func(ctx context.Context, ids []string) (map[string]string, error), log *slog.Logger) *Room {
	return &Room{site: site, ledger: of, names: names, log: log}
}

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "ledger",
		Templates:   templates,
		Permissions: []web.Permission{MayRead, MayVerify},
		Help:        "ledger",
		Nav:         []web.NavItem{{House: "settings", Key: "ledger.title", Path: "/ledger", Permission: MayRead, Order: 40}},
		Routes: append([]web.Route{
			{Pattern: "GET /ledger", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /ledger/checkpoint", Permission: MayRead, Handle: x.checkpoint},
			{Pattern: "GET /ledger/proof/{table}/{key}", Permission: MayRead, Handle: x.proof},
			{Pattern: "POST /ledger/verify", Permission: MayVerify, Handle: x.verify},
		}, x.apiRoutes()...),
	}
}

// shown is a leaf with what people call its actor.
type shown struct {
	ledger.Leaf
	Who   string
	Proof string // where it is downloaded
	Page  string // where people see the record; "" where no page shows it
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	span, err := web.ReadTimeRange(r, "90d")
	if err != nil {
		return err
	}
	filter := ledger.Filter{Table: query.Get("table"), Key: query.Get("key"), Actor: query.Get("actor"), From: span.Start, To: span.End, Cursor: query.Get("after"), Limit: pageSize}
	page, err := x.ledger.Recent(r.Context(), filter)
	if err != nil {
		return err
	}
	view := struct {
		web.TimeRange
		Filter    ledger.Filter
		Tables    []web.Option
		Rows      []shown
		Pager     web.Pager
		Size      int64
		Newest    ledger.Checkpoint
		PublicKey string
		State     ledger.Status
	}{TimeRange: span, Filter: filter, PublicKey: x.ledger.PublicKey()}
	if view.State, err = x.ledger.Status(r.Context()); err != nil {
		return err
	}
	if view.Size, view.Newest, err = x.ledger.State(r.Context()); err != nil {
		return err
	}
	if view.Rows, err = x.show(r.Context(), page.Items); err != nil {
		return err
	}
	for _, table := range x.ledger.Tables() {
		view.Tables = append(view.Tables, web.Option{Value: table, Label: table})
	}
	if page.Next != "" {
		query.Set("after", page.Next)
		view.Pager.Next = "/ledger?" + query.Encode()
	}
	return x.site.Render(w, r, http.StatusOK, "ledger/list", view)
}

func (x *Room) show(ctx context.Context, leaves []ledger.Leaf) ([]shown, error) {
	ids := make([]string, len(leaves))
	for i, leaf := range leaves {
		ids[i] = leaf.Actor
	}
	names, err := x.names(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]shown, len(leaves))
	for i, leaf := range leaves {
		list[i] = shown{leaf, leaf.Actor, "/ledger/proof/" + url.PathEscape(leaf.Table) + "/" + url.PathEscape(leaf.Key), x.ledger.Link(leaf.Table, leaf.Key)}
		if name := names[leaf.Actor]; name != "" {
			list[i].Who = name
		}
	}
	return list, nil
}

// verify asks for a verification, unless one runs. The ledger's own Run does it: it outlives the request, and ends with the server.
func (x *Room) verify(w http.ResponseWriter, r *http.Request) error {
	x.ledger.RequestVerification()
	return x.site.Done(w, r, "/ledger", web.Flash{Kind: web.Good, Text: web.T(r).T("ledger.verify.started")})
}

// checkpoint downloads the newest signed state.
func (x *Room) checkpoint(w http.ResponseWriter, r *http.Request) error {
	c, err := x.ledger.Checkpoint(r.Context())
	if err != nil {
		return err
	}
	return download(w, "yagura-checkpoint-"+strconv.FormatInt(c.Size, 10)+".txt", "text/plain; charset=utf-8", []byte(c.Note))
}

// proof downloads a record's history. It leaves out the row: who may read the ledger need not see what a record holds.
func (x *Room) proof(w http.ResponseWriter, r *http.Request) error {
	p, err := x.ledger.Prove(r.Context(), r.PathValue("table"), r.PathValue("key"), false)
	if err != nil {
		return err
	}
	data, err := p.Encode()
	if err != nil {
		return err
	}
	return download(w, "yagura-proof.json", "application/json", data)
}

func download(w http.ResponseWriter, name, kind string, data []byte) error {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err := w.Write(data)
	return err
}
