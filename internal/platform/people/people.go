// Package people is the administration of people: who they are, where they belong, what their roles are, and what becomes of their
// account; service accounts; and the organisation's units.
//
// What it promises: who may only read sees everything and no button; nobody gives by a role what they do not have themselves, nor
// changes their own roles; what policy wants two people for waits for the second (package approval),
// whichever way it is asked for; a form that was made from
// an old state changes nothing and says so; a list of people is imported only after its dry run was seen.
package people

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"strconv"

	"yagura/internal/platform/access"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

// Permissions of these pages.
const (
	MayRead  web.Permission = "people.read"
	MayWrite web.Permission = "people.write"
)

// Options are what the pages need.
type Options struct {
	Accounts  *auth.Accounts
	Roles     *access.Roles
	Approvals *approval.Approvals
	// Permissions is every permission there is, for who may give which role.
	Permissions func() []web.Permission
	// PublicURL is where links lead that are shown where no mail goes out; "" is the address that the administrator uses.
	PublicURL string
}

// Room is the pages.
type Room struct {
	site *web.Site
	opt  Options
}

// NewRoom makes the pages and registers their actions with the approvals.
func NewRoom(site *web.Site, opt Options) *Room {
	x := &Room{site: site, opt: opt}
	x.register()
	return x
}

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	change := func(pattern string, handle web.Handle) web.Route {
		return web.Route{Pattern: pattern, Permission: MayWrite, Fresh: true, Handle: handle}
	}
	return web.Module{
		Name:        "people",
		Templates:   templates,
		Permissions: []web.Permission{MayRead, MayWrite},
		Finders:     []web.Finder{web.FinderFunc(x.findPeople), web.FinderFunc(x.findUnits)},
		Commands: []web.Command{
			{Key: "people.invite", Path: "/people/-/new"}, {Key: "people.import", Path: "/people/-/import"}, {Key: "unit.new", Path: "/units/-/new"},
		},
		Help: "people",
		Nav: []web.NavItem{
			{House: "settings", Key: "people.title", Path: "/people", Permission: MayRead, Order: 10},
			{House: "settings", Key: "unit.title", Path: "/units", Permission: MayRead, Order: 15},
		},
		Routes: []web.Route{
			{Pattern: "GET /people", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /people/-/export", Permission: MayRead, Handle: x.export},
			{Pattern: "GET /people/{id}", Permission: MayRead, Handle: x.detail},
			change("GET /people/-/sessions", x.everySession),
			change("POST /people/-/sessions/end", x.endEvery),
			change("GET /people/-/new", x.newForm),
			change("POST /people", x.create),
			change("GET /people/-/import", x.importForm),
			change("POST /people/-/import", x.importList),
			change("GET /people/{id}/edit", x.edit),
			change("POST /people/{id}", x.update),
			change("POST /people/{id}/roles", x.setRoles),
			change("POST /people/{id}/state", x.setState),
			change("POST /people/{id}/link", x.sendLink),
			change("POST /people/{id}/factors", x.resetFactors),
			change("POST /people/{id}/erase", x.erase),
			change("POST /people/{id}/sessions/end", x.endSessions),
			change("POST /people/{id}/tokens", x.createToken),
			change("POST /people/{id}/tokens/{token}/revoke", x.revokeToken),
			{Pattern: "GET /units", Permission: MayRead, Handle: x.units},
			change("GET /units/-/new", x.unitForm),
			change("GET /units/{id}", x.unitForm),
			change("POST /units", x.saveUnit),
			change("POST /units/{id}/delete", x.deleteUnit),
			{Pattern: "GET /api/v1/people", Permission: MayRead, Handle: x.apiList, Doc: docList()},
			{Pattern: "GET /api/v1/people/{id}", Permission: MayRead, Handle: x.apiGet, Doc: doc("Read one", nil, apiPerson{})},
			{Pattern: "POST /api/v1/people", Permission: MayWrite, Handle: x.apiCreate, Doc: docCreate()},
			{Pattern: "PATCH /api/v1/people/{id}", Permission: MayWrite, Handle: x.apiChange, Doc: docChange()},
			{Pattern: "GET /api/v1/units", Permission: MayRead, Handle: x.apiUnits, Doc: docUnits()},
		},
	}
}

// may reports whether the reader may change people.
func may(r *http.Request) bool { return web.User(r).May(string(MayWrite)) }

// maxForm bounds a form; a list of people has its own bound.
const maxForm = 64 << 10

// form reads a form of ours.
func form(w http.ResponseWriter, r *http.Request, most int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "fault.people.form", "reading the form: %w", err)
	}
	return nil
}

// version reads the version that a form was made from: without one nothing is changed.
func version(r *http.Request) (int64, error) {
	v, err := strconv.ParseInt(r.PostForm.Get("version"), 10, 64)
	if err != nil || v < 1 {
		return 0, fault.New(fault.Invalid, "fault.people.form", "the form has no version")
	}
	return v, nil
}

func ownRoles() error {
	return fault.New(fault.Forbidden, "fault.people.own", "nobody changes their own roles")
}

// mayGive refuses roles that have more than the one who gives or takes them, whichever of the two sets has them, and any change of
// one's own.
func (x *Room) mayGive(r *http.Request, person string, before, after []string) error {
	if web.User(r).ID == person {
		return ownRoles()
	}
	return x.covers(web.User(r), before, after)
}

// covers refuses a change of roles to somebody who has less than the roles that are given or taken.
func (x *Room) covers(who access.Holder, before, after []string) error {
	var all []string
	for _, p := range x.opt.Permissions() {
		all = append(all, string(p))
	}
	changed := slices.DeleteFunc(slices.Concat(before, after), func(role string) bool {
		return slices.Contains(before, role) && slices.Contains(after, role)
	})
	if !x.opt.Roles.Covers(who, changed, all) {
		return fault.New(fault.Forbidden, "fault.role.beyond", "who gives or takes these roles lacks what they may do")
	}
	return nil
}

// mayTouch refuses to do to one's own account, or to one that may do more than the one who asks, what could let them in its place:
// whoever resets an administrator's password could become one.
func (x *Room) mayTouch(r *http.Request, p auth.Person) error {
	if p.ID == web.User(r).ID {
		return fault.New(fault.Forbidden, "fault.people.self", "one's own account is looked after on its own page")
	}
	if x.mayGive(r, p.ID, p.RoleNames(), nil) != nil {
		return fault.New(fault.Forbidden, "fault.people.beyond", "%s lacks what the roles of %s may do", web.User(r).ID, p.ID)
	}
	return nil
}

// mayMove refuses another address for somebody who may do more than the one who asks: links to a new password go there, and single
// sign-on finds people by it. One's own may change.
func (x *Room) mayMove(r *http.Request, p auth.Person, email string) error {
	if same, err := auth.NormalEmail(email); err != nil || same == p.Email || p.ID == web.User(r).ID {
		return nil // what is no address is refused with words of its own
	}
	return x.mayTouch(r, p)
}

// byHand are the roles that an administrator gave.
func byHand(p auth.Person) []string {
	var names []string
	for _, role := range p.Roles {
		if role.Origin == auth.ByHand {
			names = append(names, role.Name)
		}
	}
	return names
}

// named is a role with what people call it.
type named struct {
	Name, Title string
	Origin      auth.Origin
	Chosen      bool
}

// title is what a role is called in the reader's language.
func (x *Room) title(r *http.Request, role string) string {
	if known, err := x.opt.Roles.Get(role); err == nil && known.Title != "" {
		return known.Title
	} else if err != nil {
		return role // it was deleted meanwhile
	}
	return web.T(r).T("role." + role)
}

// choices are all roles, with those chosen marked.
func (x *Room) choices(r *http.Request, chosen []string) []named {
	var list []named
	for _, role := range x.opt.Roles.List() {
		list = append(list, named{Name: role.Name, Title: x.title(r, role.Name), Chosen: slices.Contains(chosen, role.Name)})
	}
	return list
}

// unitNames tells what units are called in the reader's language, by id.
func (x *Room) unitNames(ctx context.Context, lang string) (map[string]string, []auth.Unit, error) {
	units, err := x.opt.Accounts.Units(ctx)
	names := make(map[string]string, len(units))
	for _, u := range units {
		names[u.ID] = u.NameIn(lang)
	}
	return names, units, err
}

// unitOptions are the units for a select, in the order of the tree.
func unitOptions(units []auth.Unit, lang, none string) []web.Option {
	options := []web.Option{{Value: "", Label: none}}
	for _, n := range auth.UnitTree(units) {
		options = append(options, web.Option{Value: n.ID, Label: n.LabelIn(lang)})
	}
	return options
}
