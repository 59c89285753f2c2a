// Package desk shows records of every kind on pages and over the API, the same for each: lists, forms, a page for each record with its
// history and all that hangs on it. A room hands over its Kind, and what only it can show of a record.
//
// Files: list*.go the list, its views and bulk actions; export.go, importing.go; detail*.go the record's page; form*.go, merge.go, move*.go its
// changes; thing_*.go comments, attachments, links, tasks and approvals; api*.go the API.
package desk

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// People are those whom records name; auth.Accounts knows them.
type People interface {
	Person(ctx context.Context, id string) (auth.Person, error)
	People(ctx context.Context, f auth.PeopleFilter, cursor string, limit int) (db.Page[auth.Person], error)
	Units(ctx context.Context) ([]auth.Unit, error)
}

// Options are what a Desk needs.
type Options struct {
	Site   *web.Site
	Store  *record.Store
	People People
	Press  Press // nil: records are not made into papers
}

// Desk is the pages of all kinds.
type Desk struct {
	opt   Options
	rooms map[string]*Room
}

// New makes a desk. Mount its own Module, then one for each kind.
func New(opt Options) *Desk { return &Desk{opt: opt, rooms: make(map[string]*Room)} }

// Store is where the records are.
func (d *Desk) Store() *record.Store { return d.opt.Store }

// Room is a kind with what only its own room can show.
type Room struct {
	Kind *record.Kind
	// Title is what a record is called in a reader's language, where that is not its title.
	Title func(p *i18n.Printer, r *record.Record) string
	// Overview is what the record's page shows above its fields: markup of the room's own, made with web.Site.Part.
	Overview func(r *http.Request, rec *record.Record) (template.HTML, error)
	// Actions are links in the head of the record's page.
	Actions func(r *http.Request, rec *record.Record) ([]web.Option, error)
	// Head are the links in the head of the list, besides what all lists have there.
	Head func(r *http.Request) ([]Link, error)
	// Apart are fields that the Overview shows, so that the page does not show them twice.
	Apart []string

	Routes      []web.Route   // of the room's own
	Commands    []web.Command // pages of the room's own that the search box offers
	Cards       []web.Card
	Help        string           // the document that says more, as web.Module has it
	Permissions []web.Permission // besides those of the kind
	Templates   fs.FS            // of pages and parts of the room's own
	Static      fs.FS
	Styles      []string // files of Static that the page of a record takes: "rule/rule.css"
}

// Link leads from the head of a list to a page of the room's own.
type Link struct {
	Label, Path string
	Count       int  // of what waits there; 0 is not shown
	Main        bool // adds something
}

// Own is the desk's own module: the pages that all kinds share.
func (d *Desk) Own() web.Module {
	return web.Module{
		Name:      "desk",
		Templates: templateFiles,
		Static:    staticFiles,
		Nav:       []web.NavItem{{House: "home", Key: "record.tasks", Path: "/tasks", Permission: web.SignedIn, Icon: "check"}},
		Cards:     []web.Card{web.CardFunc(d.tasksCard)},
		Routes: append([]web.Route{
			{Pattern: "GET /records/-/people", Permission: web.SignedIn, Handle: d.choosePeople},
			{Pattern: "GET /records/-/records", Permission: web.SignedIn, Handle: d.chooseRecord},
			{Pattern: "GET /tasks", Permission: web.SignedIn, Handle: d.myTasks},
			{Pattern: "POST /tasks", Permission: web.SignedIn, Handle: d.quickTask},
			{Pattern: "GET /tasks/{id}", Permission: web.SignedIn, Handle: d.taskPage},
			{Pattern: "POST /tasks/{id}", Permission: web.SignedIn, Handle: d.editTask},
			{Pattern: "POST /tasks/{id}/{do}", Permission: web.SignedIn, Handle: d.doTask},
		}, d.apiMine()...),
	}
}

// Module is what the site mounts for a kind, which is registered with the store.
func (d *Desk) Module(room Room) web.Module {
	k := room.Kind
	d.rooms[k.Name] = &room
	x := &desk{Desk: d, Room: &room, kind: k}
	m := web.Module{
		Name: k.Name, Templates: room.Templates, Static: room.Static,
		Permissions: append([]web.Permission{x.mayRead(), x.mayWrite()}, room.Permissions...),
		Nav:         []web.NavItem{{House: k.House, Key: "kind." + k.Name, Path: k.Path, Permission: x.mayRead(), Order: k.Order}},
		Routes:      room.Routes, Cards: room.Cards, Help: room.Help, Commands: room.Commands,
		Finders: []web.Finder{web.FinderFunc(x.find)},
	}
	if !k.Without.Delete {
		m.Permissions = append(m.Permissions, web.Permission(k.MayDelete()))
	}
	m.Routes = append(m.Routes, x.listRoutes()...)
	m.Routes = append(m.Routes, x.detailRoutes()...)
	m.Routes = append(m.Routes, x.thingRoutes()...)
	m.Routes = append(m.Routes, x.apiRoutes()...)
	m.Routes = append(m.Routes, x.apiThings()...)
	m.Routes = append(m.Routes, x.apiAttachments()...)
	m.Routes = append(m.Routes, x.apiTasks()...)
	m.Routes = append(m.Routes, x.apiApprovals()...)
	m.Routes = append(m.Routes, x.apiViews()...)
	m.Routes = append(m.Routes, x.apiBulk()...)
	m.Routes = append(m.Routes, x.apiClass()...)
	if !k.Without.Import {
		m.Routes = append(m.Routes, x.apiImports()...)
	}
	if !k.Without.Delete {
		m.Routes = append(m.Routes, x.apiExports())
	}
	return m
}

// desk is the pages of one kind.
type desk struct {
	*Desk
	*Room
	kind *record.Kind
}

func (x *desk) mayRead() web.Permission  { return web.Permission(x.kind.MayRead()) }
func (x *desk) mayWrite() web.Permission { return web.Permission(x.kind.MayWrite()) }

// env is who reads, for texts that depend on it.
func (d *Desk) env(r *http.Request) *record.Env {
	return d.opt.Store.Env(r.Context(), web.User(r), web.T(r).Zone())
}

// titleOf is what a record is called in the reader's language.
func (d *Desk) titleOf(p *i18n.Printer, r *record.Record) string {
	if room := d.rooms[r.Kind.Name]; room != nil && room.Title != nil {
		return room.Title(p, r)
	}
	return r.Title
}
