package access

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"yagura/internal/platform/approval"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

//go:embed templates
var templates embed.FS

//go:embed static
var static embed.FS

// Permissions of the page of roles.
const (
	MayRead  web.Permission = "role.read"
	MayWrite web.Permission = "role.write" // make, change and delete roles of the organisation's own
)

// RoomOptions are what the page needs besides the roles.
type RoomOptions struct {
	Roles *Roles
	// Permissions is every permission that a room of the program asks for.
	Permissions func() []web.Permission
	// Holders counts the people who have each role; Used counts those who have one, within the transaction that
	// deletes it.
	Holders func(ctx context.Context) (map[string]int, error)
	// Approvals wait for a second person where policy wants two to change what a role may do.
	Approvals *approval.Approvals
	Used      func(tx *db.Tx, role string) (int, error)
}

// Room is the matrix of roles and permissions, and the forms of the roles that can be changed.
type Room struct {
	site *web.Site
	opt  RoomOptions
}

// NewRoom makes the page and registers its action with the approvals.
func NewRoom(site *web.Site, opt RoomOptions) *Room {
	x := &Room{site: site, opt: opt}
	approval.Register(opt.Approvals, actionChange, approval.Action[Role]{
		Permission: string(MayWrite), Show: x.show,
		May: func(_ context.Context, who approval.Who, asked Role) error { return x.covers(who, asked) },
		Run: func(tx *db.Tx, asked Role) error { return opt.Roles.SaveIn(tx, asked, x.permissions()) },
	})
	return x
}

// actionChange is a change of what those who have a role may do. A new role is nobody's yet, and one that nobody has can go.
const actionChange = "role.change"

// show says what a role may do now and is to do.
func (x *Room) show(r *http.Request, asked Role) ([]approval.Fact, error) {
	p := web.T(r)
	before, err := x.opt.Roles.Get(asked.Name)
	if err != nil {
		return nil, err
	}
	titles := func(list, without []string) string {
		var words []string
		for _, name := range list {
			if !slices.Contains(without, name) {
				words = append(words, p.T("permission."+name)+" ("+name+")")
			}
		}
		return cmp.Or(strings.Join(words, ", "), "–")
	}
	factor := map[bool]string{true: p.T("role.mfa.on"), false: p.T("role.mfa.off")}[asked.MFA]
	return []approval.Fact{
		{Label: p.T("role.gains"), Text: titles(asked.Allow, before.Allow)}, {Label: p.T("role.loses"), Text: titles(before.Allow, asked.Allow)},
		{Label: p.T("role.mfa"), Text: factor},
	}, nil
}

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "access",
		Templates:   templates,
		Static:      static,
		Permissions: []web.Permission{MayRead, MayWrite},
		Commands:    []web.Command{{Key: "role.new", Path: "/roles/-/new"}},
		Help:        "people",
		Nav:         []web.NavItem{{House: "settings", Key: "role.title", Path: "/roles", Permission: MayRead, Order: 20}},
		Routes: []web.Route{
			{Pattern: "GET /roles", Permission: MayRead, Handle: x.matrix},
			{Pattern: "GET /roles/-/new", Permission: MayWrite, Fresh: true, Handle: x.form},
			{Pattern: "GET /roles/{name}", Permission: MayWrite, Fresh: true, Handle: x.form},
			{Pattern: "POST /roles", Permission: MayWrite, Fresh: true, Handle: x.save},
			{Pattern: "POST /roles/{name}/delete", Permission: MayWrite, Fresh: true, Handle: x.remove},
			{Pattern: "GET /api/v1/roles", Permission: MayRead, Handle: x.api, Doc: docRoles()},
		},
	}
}

// permissions is every permission there is, sorted, so that those of one room stand together.
func (x *Room) permissions() []string {
	var names []string
	for _, p := range x.opt.Permissions() {
		names = append(names, string(p))
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// group is the permissions of one room.
type group struct {
	Room string
	Span int // columns of the matrix, the one of the names among them
	Rows []row
}

type row struct {
	Permission string
	Held       []bool // by role, in the order of the columns
	Chosen     bool   // in the form: the role has it
	Out        bool   // in the form: the reader does not have it and so cannot give it
}

func grouped(permissions []string, make func(string) row) []group {
	var groups []group
	for _, p := range permissions {
		room, _, _ := strings.Cut(p, ".")
		if len(groups) == 0 || groups[len(groups)-1].Room != room {
			groups = append(groups, group{Room: room})
		}
		last := &groups[len(groups)-1]
		last.Rows = append(last.Rows, make(p))
	}
	return groups
}

// column is a role at the head of the matrix.
type column struct {
	Role
	People int
}

func (x *Room) matrix(w http.ResponseWriter, r *http.Request) error {
	holders, err := x.opt.Holders(r.Context())
	if err != nil {
		return err
	}
	var columns []column
	for _, role := range x.opt.Roles.List() {
		columns = append(columns, column{Role: role, People: holders[role.Name]})
	}
	groups := grouped(x.permissions(), func(p string) row {
		held := make([]bool, len(columns))
		for i, c := range columns {
			held[i] = c.Allows(p)
		}
		return row{Permission: p, Held: held}
	})
	for i := range groups {
		groups[i].Span = 1 + len(columns)
	}
	return x.site.Render(w, r, http.StatusOK, "access/matrix", struct {
		Columns  []column
		Groups   []group
		MayWrite bool
	}{columns, groups, web.User(r).May(string(MayWrite))})
}

// roleForm is what the form shows; Role is as it was typed.
type roleForm struct {
	Role   Role
	New    bool
	Groups []group
	Four   bool // a second person will decide
	Reason string
	Error  string
}

func (x *Room) form(w http.ResponseWriter, r *http.Request) error {
	form := roleForm{New: true, Role: Role{MFA: true}}
	if name := r.PathValue("name"); name != "" {
		role, err := x.opt.Roles.Get(name)
		if err != nil {
			return err
		}
		if role.BuiltIn {
			return fault.New(fault.Conflict, "fault.role.built_in", "%s is a role of the program", name)
		}
		form = roleForm{Role: role}
	}
	return x.render(w, r, http.StatusOK, form)
}

func (x *Room) render(w http.ResponseWriter, r *http.Request, status int, form roleForm) error {
	user := web.User(r)
	form.Four = !form.New && x.opt.Approvals.Needed(actionChange)
	form.Groups = grouped(x.permissions(), func(p string) row {
		return row{Permission: p, Chosen: slices.Contains(form.Role.Allow, p), Out: !user.May(p)}
	})
	return x.site.Render(w, r, status, "access/form", form)
}

func (x *Room) save(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "", "reading the form: %w", err)
	}
	version, _ := strconv.ParseInt(r.PostForm.Get("version"), 10, 64) // none is a new role's
	role := Role{
		Name: strings.TrimSpace(r.PostForm.Get("name")), Title: r.PostForm.Get("title"),
		Allow: r.PostForm["permission"], MFA: r.PostForm.Get("mfa") != "", Version: version,
	}
	waiting, err := x.change(r, role, r.PostForm.Get("reason"))
	switch fault.CodeOf(err) {
	case "":
		if waiting != nil {
			return x.site.Done(w, r, "/approvals/"+waiting.ID, web.Flash{Kind: web.Warn, Text: web.T(r).T("approval.asked.flash")})
		}
		return x.site.Done(w, r, "/roles", web.Flash{Kind: web.Good, Text: web.T(r).T("role.saved", role.Title)})
	case fault.Invalid, fault.Conflict, fault.Forbidden:
		form := roleForm{Role: role, New: version == 0, Reason: r.PostForm.Get("reason"), Error: web.Message(r, err)}
		return x.render(w, r, http.StatusUnprocessableEntity, form)
	default:
		return err
	}
}

// change saves a role, or asks for a second person's approval and returns the request.
func (x *Room) change(r *http.Request, role Role, reason string) (*approval.Request, error) {
	if err := x.mayGive(r, role); err != nil {
		return nil, err
	}
	if role.Version == 0 {
		return nil, x.opt.Roles.Save(r.Context(), role, x.permissions())
	}
	if err := x.opt.Roles.Check(role, x.permissions()); err != nil {
		return nil, err
	}
	return x.opt.Approvals.Do(r.Context(), web.User(r), approval.Wish{Action: actionChange, Subject: role.Title, Link: "/roles", Reason: reason, Payload: role})
}

// mayGive refuses a role that has, or had, more than the one who changes it: they could give it to themselves, or take from
// others what they may not decide about.
func (x *Room) mayGive(r *http.Request, role Role) error { return x.covers(web.User(r), role) }

func (x *Room) covers(who Holder, role Role) error {
	touched := role.Allow
	if before, err := x.opt.Roles.Get(role.Name); err == nil {
		touched = slices.Concat(touched, before.Allow)
	}
	for _, p := range touched {
		if !who.May(p) {
			return fault.New(fault.Forbidden, "fault.role.beyond", "who changes the role lacks %s and cannot give it", p)
		}
	}
	return nil
}

func (x *Room) remove(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	name := r.PathValue("name")
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return fault.New(fault.Invalid, "", "the version of the role: %w", err)
	}
	if err := x.mayGive(r, Role{Name: name}); err != nil {
		return err
	}
	if err := x.opt.Roles.Delete(r.Context(), name, version, x.opt.Used); err != nil {
		return err
	}
	return x.site.Done(w, r, "/roles", web.Flash{Kind: web.Good, Text: web.T(r).T("role.deleted", name)})
}

// roleJSON is a role as programs see it.
type roleJSON struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	BuiltIn     bool     `json:"built_in"`
	MFA         bool     `json:"mfa"`
	Permissions []string `json:"permissions"`
}

func docRoles() *openapi.Operation {
	return &openapi.Operation{Summary: "List the roles with all that each may do", Tag: "roles", Answer: openapi.Page(openapi.Of(roleJSON{}))}
}

// api answers with every role and what it may do, patterns resolved.
func (x *Room) api(w http.ResponseWriter, r *http.Request) error {
	list := []roleJSON{}
	for _, role := range x.opt.Roles.List() {
		one := roleJSON{Name: role.Name, Title: cmp.Or(role.Title, web.T(r).T("role."+role.Name)), BuiltIn: role.BuiltIn, MFA: role.MFA, Permissions: []string{}}
		for _, p := range x.permissions() {
			if role.Allows(p) {
				one.Permissions = append(one.Permissions, p)
			}
		}
		list = append(list, one)
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": list})
}
