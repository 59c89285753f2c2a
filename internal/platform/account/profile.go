package account

import (
	"net/http"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

// tabs are the parts of one's account.
func tabs(r *http.Request, current string) []web.Tab {
	var list []web.Tab
	for _, one := range []struct{ key, path string }{
		{"account.title", "/account"}, {"preferences.title", "/preferences"}, {"account.factors", "/account/second-factor"}, {"account.password", "/account/password"},
		{"account.sessions", "/account/sessions"}, {"account.tokens", "/account/tokens"},
	} {
		list = append(list, web.Tab{Label: web.T(r).T(one.key), Path: one.path, Current: one.path == current})
	}
	return list
}

// roleShown is a role of the reader's and where it comes from.
type roleShown struct {
	Title  string
	Origin auth.Origin // "" where nobody keeps it
}

// room is the permissions in one room that the reader has.
type room struct {
	Title string
	May   []string
}

type profileView struct {
	Tabs   []web.Tab
	User   *auth.User
	Person *auth.Person // nil for a visitor without an account: the demo's, a token's
	Unit   string
	Roles  []roleShown
	Rooms  []room
}

func (x *Account) profile(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	v := profileView{User: user, Rooms: x.roomsOf(r, user)}
	if !user.Session {
		for _, role := range user.Roles {
			v.Roles = append(v.Roles, roleShown{Title: x.roleTitle(web.T(r), role)})
		}
		return x.site.Render(w, r, http.StatusOK, "account/profile", v)
	}
	p, err := x.accounts.Person(r.Context(), user.ID)
	if err != nil {
		return err
	}
	v.Tabs, v.Person = tabs(r, "/account"), &p
	for _, role := range p.Roles {
		v.Roles = append(v.Roles, roleShown{Title: x.roleTitle(web.T(r), role.Name), Origin: role.Origin})
	}
	if v.Unit, err = x.unitName(r, p.Unit); err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/profile", v)
}

// unitName says where somebody belongs.
func (x *Account) unitName(r *http.Request, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	units, err := x.accounts.Units(r.Context())
	for _, u := range units {
		if u.ID == id && u.NameEn != "" && web.T(r).Lang() == "en" {
			return u.NameEn, err
		}
		if u.ID == id {
			return u.Name, err
		}
	}
	return "", err
}

// roomsOf lists what the user may do, room by room.
func (x *Account) roomsOf(r *http.Request, user *auth.User) []room {
	var list []room
	at := make(map[string]int)
	for _, p := range x.mine(user) {
		name, _, _ := strings.Cut(p, ".")
		if _, ok := at[name]; !ok {
			at[name] = len(list)
			list = append(list, room{Title: web.T(r).T("permission." + name)})
		}
		list[at[name]].May = append(list[at[name]].May, web.T(r).T("permission."+p))
	}
	return list
}

// mine lists the permissions that the user has.
func (x *Account) mine(user *auth.User) []string {
	var list []string
	for _, p := range x.site.Permissions() {
		if user.May(string(p)) {
			list = append(list, string(p))
		}
	}
	return list
}

type preferencesView struct {
	Tabs           []web.Tab
	Kept           bool // with the person, and not in this browser alone
	Chosen         web.Choices
	Zone           string // in force
	Starts         []web.Option
	Langs, Themes  []web.Option
	Density, Dates []web.Option
}

// preferences shows how the reader wants their pages; the site keeps what they choose.
func (x *Account) preferences(w http.ResponseWriter, r *http.Request) error {
	p, say := web.PreferencesOf(r), web.T(r).T
	v := preferencesView{
		Kept: web.User(r).Session, Chosen: p.Chosen, Zone: p.Zone.String(), Starts: x.site.StartPages(r),
		Langs:   []web.Option{{Value: "", Label: say("preferences.browser")}},
		Themes:  []web.Option{{Value: "", Label: say("frame.theme.system")}, {Value: web.Light, Label: say("frame.theme.light")}, {Value: web.Dark, Label: say("frame.theme.dark")}},
		Density: []web.Option{{Value: "", Label: say("preferences.density.normal")}, {Value: web.Compact, Label: say("preferences.density.compact")}},
		Dates:   []web.Option{{Value: "", Label: say("preferences.dates.western")}, {Value: web.Era, Label: say("preferences.dates.era")}},
	}
	for _, language := range i18n.Languages() {
		v.Langs = append(v.Langs, web.Option{Value: language.Lang, Label: language.Name})
	}
	if v.Kept {
		v.Tabs = tabs(r, "/preferences")
	}
	return x.site.Render(w, r, http.StatusOK, "account/preferences", v)
}

type passwordView struct {
	Tabs  []web.Tab
	Email string
	Has   bool // there is one to change
	Wrong map[string]string
}

func (x *Account) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return x.renderPassword(w, r, http.StatusOK, nil)
}

func (x *Account) renderPassword(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string) error {
	factors, err := x.accounts.Factors(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, status, "account/password", passwordView{Tabs: tabs(r, "/account/password"), Email: web.User(r).Email, Has: factors.Password, Wrong: wrong})
}

func (x *Account) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	fresh, wrong := readPassword(r)
	if wrong != nil {
		return x.renderPassword(w, r, http.StatusUnprocessableEntity, wrong)
	}
	err := x.accounts.ChangePassword(w, r, r.PostForm.Get("old"), fresh)
	if err == nil {
		return x.site.Done(w, r, "/account/password", web.Flash{Kind: web.Good, Text: web.T(r).T("account.password.done")})
	}
	status, ok := refused(err)
	if !ok || fault.Is(err, fault.Unauthentic) || keyOf(err) == "fault.not_fresh" {
		return err
	}
	field := "old"
	if fault.Is(err, fault.Invalid) {
		field = "new"
	}
	return x.renderPassword(w, r, status, map[string]string{field: say(r, err)})
}
