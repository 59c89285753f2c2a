package people

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/web"
)

// detailView is the page of one person.
type detailView struct {
	Person   shown
	UnitName string
	Factors  auth.Factors
	Needs    bool // a role takes a second factor
	Sessions []auth.Session
	Tokens   []tokenRow
	Events   string // the search for what happened to the account; "" for who may not search
	Ledger   string // the ledger's page of the record
	MayWrite bool
	Self     bool
	Erased   bool
	// What is shown once, after an action.
	Link    string
	Waiting string // the request for the roles of somebody new
	Secret  string
	Error   string
	// FourFactors says that a second person decides about a reset of factors.
	FourFactors bool
}

type tokenRow struct {
	auth.Token
	Live bool
}

func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	return x.show1(w, r, http.StatusOK, r.PathValue("id"), detailView{})
}

// show1 renders the page of a person, with what an action left to show.
func (x *Room) show1(w http.ResponseWriter, r *http.Request, status int, id string, v detailView) error {
	ctx := r.Context()
	p, err := x.opt.Accounts.Person(ctx, id)
	if err != nil {
		return err
	}
	rows, err := x.show(r, []auth.Person{p})
	if err != nil {
		return err
	}
	v.Person, v.MayWrite, v.Self, v.Erased = rows[0], may(r), web.User(r).ID == id, p.Email == ""
	v.FourFactors = x.opt.Approvals.Needed(actionFactors)
	v.Needs = x.opt.Roles.NeedsMFA(p.RoleNames())
	if v.Factors, err = x.opt.Accounts.Factors(ctx, id); err != nil {
		return err
	}
	if v.Sessions, err = x.opt.Accounts.Sessions(ctx, id); err != nil {
		return err
	}
	tokens, err := x.opt.Accounts.Tokens(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		v.Tokens = append(v.Tokens, tokenRow{Token: t, Live: t.Revoked.IsZero() && t.Expiry.After(time.Now())})
	}
	if web.User(r).May("event.read") {
		v.Events = "/search?" + url.Values{"q": {`event.dataset:="yagura.audit" user.id:="` + id + `"`}, "since": {"30d"}}.Encode()
	}
	if web.User(r).May("ledger.read") {
		v.Ledger = "/ledger?" + url.Values{"table": {"auth_person"}, "key": {id}}.Encode()
	}
	return x.site.Render(w, r, status, "people/detail", v)
}

// editView is the form of a person.
type editView struct {
	Person  auth.Person
	New     bool
	Service bool
	Units   []web.Option
	Langs   []web.Option
	Roles   []named
	Other   []named // of other origins: not to be changed here
	Four    bool    // a second person will decide about roles
	Own     bool
	Reason  string
	Error   string
}

func (x *Room) edit(w http.ResponseWriter, r *http.Request) error {
	p, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return x.renderEdit(w, r, http.StatusOK, editView{Person: p}, byHand(p))
}

func (x *Room) newForm(w http.ResponseWriter, r *http.Request) error {
	v := editView{New: true, Service: r.URL.Query().Get("kind") == string(auth.Service)}
	chosen := []string{"employee"}
	if v.Service {
		v.Person.Kind, chosen = auth.Service, nil
	}
	return x.renderEdit(w, r, http.StatusOK, v, chosen)
}

func (x *Room) renderEdit(w http.ResponseWriter, r *http.Request, status int, v editView, chosen []string) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	p := web.T(r)
	v.Units = unitOptions(units, string(p.Lang()), p.T("people.unit.none"))
	v.Langs = []web.Option{{Value: "", Label: p.T("people.lang.browser")}, {Value: "ja", Label: "日本語"}, {Value: "en", Label: "English"}}
	v.Roles = x.choices(r, chosen)
	for _, role := range v.Person.Roles {
		if role.Origin != auth.ByHand {
			v.Other = append(v.Other, named{Name: role.Name, Title: x.title(r, role.Name), Origin: role.Origin})
		}
	}
	v.Service = v.Service || v.Person.Kind == auth.Service
	v.Four, v.Own = x.opt.Approvals.Needed(actionRoles), web.User(r).ID == v.Person.ID
	return x.site.Render(w, r, status, "people/edit", v)
}

// typed is a person as a form has them.
func typed(r *http.Request) auth.Person {
	f := r.PostForm
	return auth.Person{ID: r.PathValue("id"), Email: f.Get("email"), Name: f.Get("name"), Unit: f.Get("unit"), Lang: f.Get("lang"), Kind: auth.Kind(f.Get("kind"))}
}

// answer shows a form again that was wrong; other errors are the site's.
func (x *Room) answer(w http.ResponseWriter, r *http.Request, v editView, chosen []string, err error) error {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.Conflict, fault.Forbidden:
		v.Error = web.Message(r, err)
		return x.renderEdit(w, r, http.StatusUnprocessableEntity, v, chosen)
	}
	return err
}

// create makes a person or a service account, and invites the person.
func (x *Room) create(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r, maxForm); err != nil {
		return err
	}
	n, roles := typed(r), r.PostForm["role"]
	p, waiting, err := x.enter(r, auth.NewPerson{Kind: n.Kind, Email: n.Email, Name: n.Name, Unit: n.Unit, Lang: n.Lang, Roles: roles}, r.PostForm.Get("reason"))
	if err != nil {
		return x.answer(w, r, editView{Person: n, New: true, Reason: r.PostForm.Get("reason")}, roles, err)
	}
	if p.Kind == auth.Service {
		return x.asked(w, r, waiting, "/people/"+p.ID, "people.made", p.Name)
	}
	token, err := x.opt.Accounts.Invite(r.Context(), p.ID)
	if err != nil {
		return err
	}
	if token == "" {
		return x.asked(w, r, waiting, "/people/"+p.ID, "people.invited", p.Email)
	}
	v := detailView{Link: x.link(r, auth.Invited, token)}
	if waiting != nil {
		v.Waiting = waiting.ID
	}
	return x.show1(w, r, http.StatusOK, p.ID, v)
}

// link is the address of a one-time link.
func (x *Room) link(r *http.Request, state auth.State, token string) string {
	base := x.opt.PublicURL
	if base == "" {
		base = "http://" + r.Host
		if httpd.Secure(r) {
			base = "https://" + r.Host
		}
	}
	page := map[bool]string{true: "/invitation", false: "/reset"}[state == auth.Invited]
	return base + page + "?ticket=" + url.QueryEscape(token)
}

func (x *Room) update(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r, maxForm); err != nil {
		return err
	}
	v, err := version(r)
	if err != nil {
		return err
	}
	now, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := typed(r)
	if err = x.mayMove(r, now, p.Email); err == nil {
		_, err = x.opt.Accounts.Update(r.Context(), p.ID, v, auth.Change{Email: &p.Email, Name: &p.Name, Unit: &p.Unit, Lang: &p.Lang})
	}
	if err != nil {
		p.Kind, p.Version, p.Roles = now.Kind, v, now.Roles
		return x.answer(w, r, editView{Person: p}, byHand(now), err)
	}
	return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("people.saved", p.Name)})
}

func (x *Room) setRoles(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r, maxForm); err != nil {
		return err
	}
	v, err := version(r)
	if err != nil {
		return err
	}
	p, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	roles := r.PostForm["role"]
	if sameRoles(roles, byHand(p)) {
		return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("people.unchanged")})
	}
	if err := x.mayGive(r, p.ID, byHand(p), roles); err != nil {
		return x.answer(w, r, editView{Person: p}, roles, err)
	}
	waiting, err := x.wishRoles(r, p, v, roles, r.PostForm.Get("reason"))
	if err != nil {
		return x.answer(w, r, editView{Person: p}, roles, err)
	}
	return x.asked(w, r, waiting, "/people/"+p.ID, "people.roles.saved", p.Name)
}

func sameRoles(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func (x *Room) setState(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	v, err := version(r)
	if err != nil {
		return err
	}
	to := auth.State(r.PostForm.Get("state"))
	done := "people.enabled"
	switch to {
	case auth.Disabled:
		done = "people.disabled"
		p, err = x.opt.Accounts.Disable(r.Context(), p.ID, v)
	case auth.Active:
		p, err = x.opt.Accounts.Enable(r.Context(), p.ID, v)
	default:
		err = fault.New(fault.Invalid, "fault.people.form", "nobody can be made %q", to)
	}
	if err != nil {
		return err
	}
	return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T(done, p.Name)})
}

// target reads the form and the person of an action that not everybody may do to everybody (mayTouch).
func (x *Room) target(w http.ResponseWriter, r *http.Request) (auth.Person, error) {
	if err := form(w, r, maxForm); err != nil {
		return auth.Person{}, err
	}
	p, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return p, err
	}
	return p, x.mayTouch(r, p)
}

// sendLink sends an invitation or a link to another password, or shows it once where no mail goes out.
func (x *Room) sendLink(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	send := x.opt.Accounts.SendReset
	if p.State == auth.Invited {
		send = x.opt.Accounts.Invite
	}
	token, err := send(r.Context(), p.ID)
	if err != nil {
		return err
	}
	if token == "" {
		return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("people.mailed", p.Email)})
	}
	return x.show1(w, r, http.StatusOK, p.ID, detailView{Link: x.link(r, p.State, token)})
}

// everySession shows how many are signed in, and ends their sessions.
func (x *Room) everySession(w http.ResponseWriter, r *http.Request) error {
	sessions, people, err := x.opt.Accounts.SignedIn(r.Context())
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "people/sessions", struct {
		Sessions, People int
		May              bool
	}{sessions, people, x.mayEndEvery(r) == nil})
}

// mayEndEvery refuses who lacks what administrators may do: theirs end, too.
func (x *Room) mayEndEvery(r *http.Request) error {
	if x.mayGive(r, "", []string{auth.AdminRole}, nil) != nil {
		return fault.New(fault.Forbidden, "fault.people.beyond", "%s lacks what administrators may do", web.User(r).ID)
	}
	return nil
}

// endEvery ends everybody's sessions but the one that asks.
func (x *Room) endEvery(w http.ResponseWriter, r *http.Request) error {
	if err := x.mayEndEvery(r); err != nil {
		return err
	}
	ended, err := x.opt.Accounts.EndEverySession(r.Context(), web.User(r).SessionID)
	if err != nil {
		return err
	}
	return x.site.Done(w, r, "/people/-/sessions", web.Flash{Kind: web.Good, Text: web.T(r).T("people.sessions.every.done", ended)})
}

func (x *Room) endSessions(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	if err := x.opt.Accounts.EndSessions(r.Context(), p.ID, ""); err != nil {
		return err
	}
	return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("people.sessions.ended", p.Name)})
}

// createToken makes a token of a service account, with all that its roles may do, for a year at most.
func (x *Room) createToken(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	if p.Kind != auth.Service {
		return fault.New(fault.Forbidden, "fault.people.token", "people make their tokens themselves")
	}
	var scopes []string
	for _, permission := range x.opt.Permissions() {
		if x.opt.Roles.Allows(p.RoleNames(), string(permission)) {
			scopes = append(scopes, string(permission))
		}
	}
	_, secret, err := x.opt.Accounts.CreateToken(r.Context(), web.User(r), auth.Token{
		Person: p.ID, Name: r.PostForm.Get("name"), Permissions: scopes, Expiry: time.Now().AddDate(1, 0, -1),
	})
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Forbidden) {
		return x.show1(w, r, http.StatusUnprocessableEntity, p.ID, detailView{Error: web.Message(r, err)})
	}
	if err != nil {
		return err
	}
	return x.show1(w, r, http.StatusOK, p.ID, detailView{Secret: secret})
}

func (x *Room) revokeToken(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	if err := x.opt.Accounts.RevokeToken(r.Context(), p.ID, r.PathValue("token")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/people/"+p.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("people.token.revoked")})
}
