// Package settings is the Settings page: what each reader chooses for themselves, and what
// this server is and how it is configured. Its configuration is shown, never changed here: it comes from the
// file, the environment and the flags, so that a server can be rebuilt from them.
package settings

import (
	"embed"
	"net/http"
	"time"

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

// Fact is a number that the server tells of itself.
type Fact struct {
	Key   string // message key of what it is: "settings.correlation.groups"
	Value int64
	Bytes bool // Value is bytes
}

// Options is what the page shows of the server. The functions are called for each view and may be nil.
type Options struct {
	Config func() []ConfigRow
	Sizes  func() []Size
	// Correlations is what the correlations keep, and what they could not.
	Correlations func() []Fact
	Data         string // the data folder
	Version      string
	Started      time.Time
}

// Settings is the page.
type Settings struct {
	site *web.Site
	opt  Options
}

// New makes the page.
func New(site *web.Site, opt Options) *Settings {
	return &Settings{site: site, opt: opt}
}

// Module is what the app mounts.
func (s *Settings) Module() web.Module {
	return web.Module{
		Name:        "settings",
		Templates:   templates,
		Permissions: []web.Permission{Read},
		Help:        "operations",
		Nav:         []web.NavItem{{House: "settings", Key: "settings.title", Path: "/settings", Permission: web.SignedIn}},
		Routes: []web.Route{
			{Pattern: "GET /settings", Permission: web.SignedIn, Handle: s.page},
		},
	}
}

// view is what the template shows.
type view struct {
	Server        bool // the reader may see what follows
	Config        []ConfigRow
	Sizes         []Size
	Total         int64
	Correlations  []Fact
	Data, Version string
	Started       time.Time
}

func (s *Settings) page(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	v := view{Server: user.May(string(Read))}
	if v.Server {
		v.Data, v.Version, v.Started = s.opt.Data, s.opt.Version, s.opt.Started
		if s.opt.Config != nil {
			v.Config = s.opt.Config()
		}
		if s.opt.Sizes != nil {
			v.Sizes = s.opt.Sizes()
		}
		if s.opt.Correlations != nil {
			v.Correlations = s.opt.Correlations()
		}
		for _, size := range v.Sizes {
			v.Total += size.Bytes
		}
	}
	return s.site.Render(w, r, http.StatusOK, "settings/settings", v)
}
