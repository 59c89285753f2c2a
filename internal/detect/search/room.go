package search

import (
	"embed"
	"io/fs"

	"yagura/internal/detect/pipeline"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the room's tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// Permissions of this room.
const (
	MayRead web.Permission = "event.read"
	MaySave web.Permission = "search.write" // keep and delete saved searches
)

// Tail lets one watch events as they are stored; pipeline.Hub does.
type Tail interface{ Watch() *pipeline.Watcher }

// RoomOptions is what the pages stand on.
type RoomOptions struct {
	Service *Service
	Site    *web.Site
	DB      *db.DB
	Ledger  *ledger.Log
	Tail    Tail // nil: there is no live tail
}

// Room is the search page and the search API.
type Room struct {
	service *Service
	site    *web.Site
	saved   saved
	tail    Tail
	tails   chan struct{} // a place for each live tail
}

// maxTails is how many live tails there may be at once: each asks the store twice a second.
const maxTails = 32

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(opt RoomOptions) *Room {
	return &Room{service: opt.Service, site: opt.Site, saved: saved{opt.DB, opt.Ledger}, tail: opt.Tail, tails: make(chan struct{}, maxTails)}
}

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "search",
		Templates:   templateFiles,
		Static:      staticFiles,
		Permissions: []web.Permission{MayRead, MaySave},
		Help:        "search",
		Nav:         []web.NavItem{{House: "detect", Key: "search.title", Path: "/search", Permission: MayRead, Order: 10}},
		Routes: append([]web.Route{
			{Pattern: "GET /search", Permission: MayRead, Handle: x.page},
			{Pattern: "GET /search/histogram", Permission: MayRead, Handle: x.histogram},
			{Pattern: "GET /search/fields", Permission: MayRead, Handle: x.fields},
			{Pattern: "GET /search/values", Permission: MayRead, Handle: x.values},
			{Pattern: "GET /search/events/{id}", Permission: MayRead, Handle: x.event},
			{Pattern: "GET /search/export", Permission: MayRead, Handle: x.export},
			{Pattern: "GET /search/tail", Permission: MayRead, Handle: x.follow},
			{Pattern: "POST /search/saved", Permission: MaySave, Handle: x.save},
			{Pattern: "POST /search/saved/{id}/delete", Permission: MaySave, Handle: x.remove},
			{Pattern: "GET /api/v1/search", Permission: MayRead, Handle: x.apiSearch, Doc: docSearch()},
			{Pattern: "GET /api/v1/search/fields", Permission: MayRead, Handle: x.apiFields, Doc: docFields()},
			{Pattern: "GET /api/v1/search/values", Permission: MayRead, Handle: x.apiValues, Doc: docValues()},
			{Pattern: "GET /api/v1/search/hits", Permission: MayRead, Handle: x.apiHits, Doc: docHits()},
		}, x.savedRoutes()...),
	}
}
