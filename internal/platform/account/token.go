package account

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

const tokensPath = "/account/tokens"

// tokenShown is a token as the list shows it.
type tokenShown struct {
	auth.Token
	State string // "good", "expired" or "revoked"
	May   []string
}

type tokensView struct {
	Tabs   []web.Tab
	Tokens []tokenShown
}

func (x *Account) tokens(w http.ResponseWriter, r *http.Request) error {
	list, err := x.accounts.Tokens(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	v := tokensView{Tabs: tabs(r, tokensPath)}
	now := x.opt.Now()
	for _, t := range list {
		one := tokenShown{Token: t, State: "good"}
		switch {
		case !t.Revoked.IsZero():
			one.State = "revoked"
		case !t.Expiry.After(now):
			one.State = "expired"
		}
		for _, p := range t.Permissions {
			one.May = append(one.May, permissionTitle(r, p))
		}
		v.Tokens = append(v.Tokens, one)
	}
	return x.site.Render(w, r, http.StatusOK, "account/tokens", v)
}

// permissionTitle says a permission; one that no room declares any more is its name.
func permissionTitle(r *http.Request, permission string) string {
	if key := "permission." + permission; web.T(r).Has(key) {
		return web.T(r).T(key)
	}
	return permission
}

// lives are the days that a token may be good for.
func lives() []int { return []int{7, 30, 90, 180, 365} }

// scope is a permission to choose.
type scope struct {
	Name, Title string
	Chosen      bool
}

// scopeRoom is the permissions of a room to choose from.
type scopeRoom struct {
	Title  string
	Scopes []scope
}

type newTokenView struct {
	Name  string
	Days  string
	Lives []web.Option
	Rooms []scopeRoom
	Wrong map[string]string
}

func (x *Account) newTokenPage(w http.ResponseWriter, r *http.Request) error {
	return x.renderNewToken(w, r, http.StatusOK, newTokenView{Days: "90"}, nil)
}

func (x *Account) renderNewToken(w http.ResponseWriter, r *http.Request, status int, v newTokenView, chosen []string) error {
	for _, days := range lives() {
		v.Lives = append(v.Lives, web.Option{Value: strconv.Itoa(days), Label: web.T(r).T("span.days", days)})
	}
	at := make(map[string]int)
	for _, p := range x.mine(web.User(r)) {
		room, _, _ := strings.Cut(p, ".")
		if _, ok := at[room]; !ok {
			at[room] = len(v.Rooms)
			v.Rooms = append(v.Rooms, scopeRoom{Title: web.T(r).T("permission." + room)})
		}
		v.Rooms[at[room]].Scopes = append(v.Rooms[at[room]].Scopes, scope{Name: p, Title: permissionTitle(r, p), Chosen: slices.Contains(chosen, p)})
	}
	return x.site.Render(w, r, status, "account/new_token", v)
}

// madeTokenView shows a token's secret, this once.
type madeTokenView struct {
	Token  auth.Token
	Secret string
}

func (x *Account) createToken(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := newTokenView{Name: r.PostForm.Get("name"), Days: r.PostForm.Get("days")}
	chosen := r.PostForm["scope"]
	days, _ := strconv.Atoi(v.Days)
	if !slices.Contains(lives(), days) {
		v.Wrong = map[string]string{"days": web.T(r).T("fault.token.expiry")}
		return x.renderNewToken(w, r, http.StatusUnprocessableEntity, v, chosen)
	}
	user := web.User(r)
	token, secret, err := x.accounts.CreateToken(as(r), user, auth.Token{
		Person: user.ID, Name: v.Name, Permissions: chosen, Expiry: x.opt.Now().Add(time.Duration(days) * 24 * time.Hour),
	})
	if err == nil {
		return x.site.Render(w, r, http.StatusOK, "account/made_token", madeTokenView{Token: token, Secret: secret})
	}
	status, ok := refused(err)
	if !ok || !web.WantsPage(r) {
		return err
	}
	field := "scope"
	switch keyOf(err) {
	case "fault.person.name":
		field = "name"
	case "fault.token.expiry":
		field = "days"
	}
	v.Wrong = map[string]string{field: say(r, err)}
	if fault.Is(err, fault.Forbidden) {
		chosen = nil // what was asked for is not on offer
	}
	return x.renderNewToken(w, r, status, v, chosen)
}

func (x *Account) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := x.accounts.RevokeToken(as(r), web.User(r).ID, r.PathValue("id")); err != nil {
		return err
	}
	return x.site.Done(w, r, tokensPath, web.Flash{Kind: web.Good, Text: web.T(r).T("account.token.revoked")})
}
