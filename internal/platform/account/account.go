// Package account is the pages of people's own sign-in and account: signing in (password, passkey, the company's single
// sign-on), the second factor, the fresh proof that dangerous actions ask for, the one-time links (setup, invitation,
// reset), and what somebody may see and change of their own account.
//
// What it promises: a wrong form comes back with what was typed, never with a password; where somebody goes afterwards is
// a page of ours (web.SafeNext); a link's ticket leaves the address bar before the first page is shown; what these pages
// say is the same for people who exist and who do not. Who may do what is package auth's to decide: a page that forgot to
// ask would be refused there.
package account

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
)

var (
	//go:embed all:templates
	templates embed.FS
	//go:embed static
	static embed.FS
)

// OIDC is the company's single sign-on.
type OIDC struct {
	Provider *oidc.Provider
	Issuer   string // as the provider is configured: who is linked to it can prove themselves by it
	Name     string // what people call it, for the button; "" is the message "signin.oidc.name"
	// Roles turns the identity's groups into roles, which replace those of origin oidc; nil leaves roles alone.
	Roles  func(groups []string) []string
	Policy auth.ExternalPolicy
}

// Options is what the pages need.
type Options struct {
	Accounts *auth.Accounts
	// Seal seals what a browser keeps for us while a sign-in is under way.
	Seal *seal.Keys
	OIDC *OIDC // nil for none
	// RoleTitle says what an organisation's own role is called, "" for a role of the program. nil: all are the program's.
	RoleTitle func(role string) string
	Log       *slog.Logger     // nil is slog.Default()
	Now       func() time.Time // nil is time.Now
}

// Account is the pages.
type Account struct {
	site     *web.Site
	accounts *auth.Accounts
	opt      Options
}

// New makes the pages.
func New(site *web.Site, opt Options) *Account {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Account{site: site, accounts: opt.Accounts, opt: opt}
}

// Module is what the app mounts.
func (x *Account) Module() web.Module {
	return web.Module{Name: "account", Templates: templates, Static: static, Routes: append(x.gates(), x.rooms()...), Help: "people",
		Commands: []web.Command{
			{Key: "account.title", Path: "/account"}, {Key: "preferences.title", Path: "/preferences"}, {Key: "account.factors", Path: "/account/second-factor"},
			{Key: "account.password", Path: "/account/password"}, {Key: "account.sessions", Path: "/account/sessions"}, {Key: "account.tokens", Path: "/account/tokens"},
		}}
}

// gates are the pages for people who are not, or not fully, signed in.
func (x *Account) gates() []web.Route {
	return []web.Route{
		{Pattern: "GET /signin", Permission: web.Public, Handle: x.signInPage},
		{Pattern: "POST /signin", Permission: web.Public, Handle: x.signIn},
		{Pattern: "POST /signin/passkey", Permission: web.Public, Handle: x.signInPasskey},
		{Pattern: "POST /signin/passkey/options", Permission: web.Public, Handle: x.challengeAnybody},
		{Pattern: "GET /signin/factor", Permission: web.Public, Handle: x.factorPage},
		{Pattern: "POST /signin/factor", Permission: web.Public, Handle: x.factor},
		{Pattern: "POST /signin/factor/options", Permission: web.Public, Handle: x.challengeKnown},
		{Pattern: "GET /signin/confirm", Permission: web.Enrolling, Handle: x.person(x.confirmPage)},
		{Pattern: "POST /signin/confirm", Permission: web.Enrolling, Handle: x.person(x.confirm)},
		{Pattern: "POST /signin/confirm/options", Permission: web.Enrolling, Handle: x.person(x.challengeKnown)},
		{Pattern: "GET /signin/confirm/oidc", Permission: web.Enrolling, Handle: x.person(x.confirmOIDC)},
		{Pattern: "GET /signin/oidc/start", Permission: web.Public, Handle: x.startOIDC},
		{Pattern: "GET /signin/oidc", Permission: web.Public, Handle: x.finishOIDC},
		{Pattern: "POST /signout", Permission: web.Enrolling, Handle: x.signOut},
		{Pattern: "GET /setup", Permission: web.Public, Handle: x.setupPage},
		{Pattern: "POST /setup", Permission: web.Public, Handle: x.setup},
		{Pattern: "GET /invitation", Permission: web.Public, Handle: x.invitationPage},
		{Pattern: "POST /invitation", Permission: web.Public, Handle: x.acceptInvitation},
		{Pattern: "GET /reset", Permission: web.Public, Handle: x.resetPage},
		{Pattern: "POST /reset", Permission: web.Public, Handle: x.askReset},
		{Pattern: "GET /reset/password", Permission: web.Public, Handle: x.resetPasswordPage},
		{Pattern: "POST /reset/password", Permission: web.Public, Handle: x.resetPassword},
		{Pattern: "POST /reset/options", Permission: web.Public, Handle: x.challengeTicket},
	}
}

// rooms are the pages about one's own account.
func (x *Account) rooms() []web.Route {
	return []web.Route{
		{Pattern: "GET /account", Permission: web.SignedIn, Handle: x.profile},
		{Pattern: "GET /preferences", Permission: web.SignedIn, Handle: x.preferences},
		{Pattern: "GET /account/password", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.passwordPage)},
		{Pattern: "POST /account/password", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.changePassword)},
		{Pattern: "GET /account/second-factor", Permission: web.Enrolling, Handle: x.person(x.factors)},
		{Pattern: "GET /account/second-factor/app", Permission: web.Enrolling, Fresh: true, Handle: x.person(x.appPage)},
		{Pattern: "POST /account/second-factor/app", Permission: web.Enrolling, Fresh: true, Handle: x.person(x.confirmApp)},
		{Pattern: "POST /account/second-factor/app/remove", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.removeApp)},
		{Pattern: "GET /account/second-factor/passkey", Permission: web.Enrolling, Fresh: true, Handle: x.person(x.passkeyPage)},
		{Pattern: "POST /account/second-factor/passkey", Permission: web.Enrolling, Fresh: true, Handle: x.person(x.registerPasskey)},
		{Pattern: "POST /account/second-factor/passkey/options", Permission: web.Enrolling, Fresh: true, Handle: x.person(x.challengeNew)},
		{Pattern: "GET /account/second-factor/passkey/{id}", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.onePasskey)},
		{Pattern: "POST /account/second-factor/passkey/{id}", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.renamePasskey)},
		{Pattern: "POST /account/second-factor/passkey/{id}/remove", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.removePasskey)},
		{Pattern: "POST /account/second-factor/recovery", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.newRecovery)},
		{Pattern: "GET /account/sessions", Permission: web.SignedIn, Handle: x.person(x.sessions)},
		{Pattern: "POST /account/sessions/end", Permission: web.SignedIn, Handle: x.person(x.endSessions)},
		{Pattern: "POST /account/sessions/{id}/end", Permission: web.SignedIn, Handle: x.person(x.endSession)},
		{Pattern: "GET /account/tokens", Permission: web.SignedIn, Handle: x.person(x.tokens)},
		{Pattern: "GET /account/tokens/new", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.newTokenPage)},
		{Pattern: "POST /account/tokens", Permission: web.SignedIn, Fresh: true, Handle: x.person(x.createToken)},
		{Pattern: "POST /account/tokens/{id}/revoke", Permission: web.SignedIn, Handle: x.person(x.revokeToken)},
	}
}

// person lets only people at a browser in: a program with a token has no account to look after, and a stolen token must not
// become one.
func (x *Account) person(next web.Handle) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !web.User(r).Session {
			return fault.New(fault.Forbidden, "fault.account.session", "%s has not signed in: a token has no account pages", web.User(r).ID)
		}
		return next(w, r)
	}
}

// as is the request's context with its person as the actor.
func as(r *http.Request) context.Context { return db.WithActor(r.Context(), web.User(r).ID) }

// maxForm bounds what a form of ours holds; a passkey's answer is the largest part.
const maxForm = 128 << 10

// readForm reads a form that was posted.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "", "reading the form: %w", err)
	}
	if err != nil {
		return fault.New(fault.Invalid, "fault.account.form", "reading the form: %v", err)
	}
	return nil
}

// proofOf reads a second factor from a form.
func proofOf(r *http.Request) auth.Proof {
	return auth.Proof{Code: r.PostForm.Get("code"), Challenge: r.PostForm.Get("challenge"), Passkey: []byte(r.PostForm.Get("answer"))}
}

// say says an error in the reader's language, without the English of libraries that web.Message adds for who wrote the input.
func say(r *http.Request, err error) string {
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Key != "" && web.T(r).Has(own.Key) {
		return web.T(r).T(own.Key, own.Args...)
	}
	return web.Message(r, err)
}

// refused says whether an error is for the form to show, and with which status: 422 for what was typed, 429 for too much of it.
func refused(err error) (status int, yes bool) {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.Forbidden, fault.Unauthentic, fault.Conflict:
		return http.StatusUnprocessableEntity, true
	case fault.Busy:
		return http.StatusTooManyRequests, true
	}
	return 0, false
}

// keyOf returns the message key of a fault, "" for none: it tells which field an error belongs to.
func keyOf(err error) string {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own.Key
	}
	return ""
}

// gate is what every page before the door shows.
type gate struct {
	Next  string
	Here  string // the page's own address, to come back to in another language
	Error string // above the form
	Wrong map[string]string
	// Options is where a passkey's challenge comes from, "" on pages that ask for none.
	Options string
}

func newGate(r *http.Request, next string) gate {
	g := gate{Next: web.SafeNext(next), Here: r.URL.RequestURI()}
	if r.Method != http.MethodGet {
		g.Here = withNext(r.URL.Path, g.Next)
	}
	return g
}

// Onward is Next for a link, "" where it goes without saying.
func (g gate) Onward() string { return onward(g.Next) }

// onward is a safe address of ours to go to afterwards, "" for the start, which goes without saying.
func onward(next string) string {
	if next = web.SafeNext(next); next == "/" {
		return ""
	}
	return next
}

// withNext is a page's address with where to go afterwards; "/" goes without saying.
func withNext(path, next string) string {
	if next == "" || next == "/" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
}

// passkeysOn reports whether passkeys can be used here.
func (x *Account) passkeysOn() bool { return x.accounts.PublicURL != "" }

// cookie returns a cookie of ours, "" for none.
func (x *Account) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(x.cookieName(r, name))
	if err != nil || len(c.Value) > 4<<10 {
		return ""
	}
	return c.Value
}

// cookieName is __Host- over HTTPS, which no neighbouring host can set (RFC 6265bis, 4.1.3.2).
func (x *Account) cookieName(r *http.Request, name string) string {
	if x.accounts.Secure(r) {
		return "__Host-" + name
	}
	return name
}

// setCookie sets a cookie for that long; "" takes it away. Lax, because a link in a mail and a provider's answer lead here
// from elsewhere.
func (x *Account) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: x.cookieName(r, name), Value: value, Path: "/", HttpOnly: true, Secure: x.accounts.Secure(r),
		SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// answerChallenge answers a script that asks for a passkey's challenge. Its error is said in words: the script shows them.
func answerChallenge(w http.ResponseWriter, r *http.Request, c auth.Challenge, err error) error {
	if err != nil {
		return web.JSON(w, fault.CodeOf(err).HTTPStatus(), struct {
			Message string `json:"message"`
		}{say(r, err)})
	}
	return web.JSON(w, http.StatusOK, struct {
		ID      string          `json:"id"`
		Options json.RawMessage `json:"options"`
	}{c.ID, c.Options})
}

// roleTitle says what a role is called.
func (x *Account) roleTitle(p *i18n.Printer, role string) string {
	own := ""
	if x.opt.RoleTitle != nil {
		own = x.opt.RoleTitle(role)
	}
	if own == "" && p.Has("role."+role) {
		own = p.T("role." + role)
	}
	return cmp.Or(own, role)
}
