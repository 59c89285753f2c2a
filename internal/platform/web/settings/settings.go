// Package settings is the Settings page: what each reader chooses for themselves, the administrator's password, and what
// this server is and how it is configured. Its configuration is shown, never changed here: it comes from the
// file, the environment and the flags, so that a server can be rebuilt from them.
package settings

import (
	"embed"
	"net/http"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

//go:embed templates
var templates embed.FS

// Read is the permission to see the server's configuration and figures. What concerns the reader alone needs none.
const Read web.Permission = "settings.read"

// ConfigRow is one setting of the effective configuration.
type ConfigRow struct {
	Name  string // "http.listen"
	Value string // as the file would have it; a secret is masked by who makes the row
	Help  string // English; the page prefers the message "config.<name>"
	Kind  string // flag, environment, file or default
	From  string // the flag, the variable, or file:line; "" for a default
}

// Size is how much room a part of the data folder takes.
type Size struct {
	Key   string // message key of what it is: "settings.size.store"
	Bytes int64
}

// Options is what the page shows of the server. The functions are called for each view and may be nil.
type Options struct {
	Config  func() []ConfigRow
	Sizes   func() []Size
	Data    string // the data folder
	Version string
	Started time.Time
}

// Settings is the page.
type Settings struct {
	site *web.Site
	auth auth.Authenticator
	opt  Options
}

// New makes the page.
func New(site *web.Site, authenticator auth.Authenticator, opt Options) *Settings {
	return &Settings{site: site, auth: authenticator, opt: opt}
}

// Module is what the app mounts.
func (s *Settings) Module() web.Module {
	return web.Module{
		Name:        "settings",
		Templates:   templates,
		Permissions: []web.Permission{Read},
		Nav:         []web.NavItem{{House: "settings", Key: "settings.title", Path: "/settings", Permission: web.SignedIn}},
		Routes: []web.Route{
			{Pattern: "GET /settings", Permission: web.SignedIn, Handle: s.page},
			{Pattern: "POST /settings/password", Permission: web.SignedIn, Handle: s.changePassword},
		},
	}
}

// view is what the template shows.
type view struct {
	Prefs         web.Preferences
	Path          string
	Password      bool // the reader has one to change
	PasswordError map[string]string
	Server        bool // the reader may see what follows
	Config        []ConfigRow
	Sizes         []Size
	Total         int64
	Data, Version string
	Started       time.Time
}

func (s *Settings) page(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, nil)
}

func (s *Settings) render(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string) error {
	user := web.User(r)
	v := view{Prefs: web.PreferencesOf(r), Path: "/settings", Password: user.Session, PasswordError: wrong, Server: user.May(string(Read))}
	if v.Server {
		v.Data, v.Version, v.Started = s.opt.Data, s.opt.Version, s.opt.Started
		if s.opt.Config != nil {
			v.Config = s.opt.Config()
		}
		if s.opt.Sizes != nil {
			v.Sizes = s.opt.Sizes()
		}
		for _, size := range v.Sizes {
			v.Total += size.Bytes
		}
	}
	return s.site.Render(w, r, status, "settings/settings", v)
}

// changePassword answers a wrong form with the form, its errors beside the fields.
func (s *Settings) changePassword(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if !web.User(r).Session {
		return fault.New(fault.Forbidden, "", "only who signed in with a password can change it")
	}
	old, fresh, again := r.PostFormValue("old"), r.PostFormValue("new"), r.PostFormValue("again")
	if fresh != again {
		return s.render(w, r, http.StatusUnprocessableEntity, map[string]string{"again": web.T(r).T("settings.password.differ")})
	}
	err := s.auth.ChangePassword(r.Context(), r, web.User(r), old, fresh)
	switch fault.CodeOf(err) {
	case "":
		return s.site.Done(w, r, "/settings", web.Flash{Kind: web.Good, Text: web.T(r).T("settings.password.done")})
	case fault.Forbidden, fault.Busy:
		return s.render(w, r, http.StatusUnprocessableEntity, map[string]string{"old": web.Message(r, err)})
	case fault.Invalid:
		return s.render(w, r, http.StatusUnprocessableEntity, map[string]string{"new": web.Message(r, err)})
	default:
		return err
	}
}
