package web

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"
	_ "time/tzdata" // readers choose their zone on servers that have no list of zones

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/i18n"
	"yagura/locale"
)

// The cookies that keep a reader's choices in their browser: before somebody signs in, and where nobody keeps them elsewhere. They
// decide nothing but looks.
const (
	langCookie    = "yagura_lang"
	themeCookie   = "yagura_theme"
	zoneCookie    = "yagura_zone"
	clockCookie   = "yagura_clock" // the zone that the browser says it is in
	densityCookie = "yagura_density"
	startCookie   = "yagura_start"
	datesCookie   = "yagura_dates"
	railCookie    = "yagura_rail"
)

// What may be chosen besides "", which is the program's own choice.
const (
	Light   = "light"
	Dark    = "dark"
	Compact = "compact" // rows of 28 px
	Era     = "era"     // dates by Japanese eras, in Japanese
	Narrow  = "narrow"  // the rail shows its houses' signs only
)

// Choices are how somebody wants their pages, as they are kept; "" is the program's own choice.
type Choices struct {
	Lang    string // ja or en; "" follows the browser
	Zone    string // IANA name; "" follows the browser
	Theme   string // Light, Dark; "" follows the system
	Density string // Compact
	Start   string // path of the page that "/" leads to; "" is the overview
	Dates   string // Era
	Rail    string // Narrow
}

// Keeper keeps the choices of people who are signed in, so that they follow them to another browser. What it does not know of
// somebody, their browser's cookies say.
type Keeper interface {
	// Choices returns what a person chose, false where they never chose anything. Lang and Zone may be left empty: those come
	// with the auth.User.
	Choices(ctx context.Context, person string) (Choices, bool, error)
	// Keep replaces what a person chose, Lang and Zone included.
	Keep(ctx context.Context, person string, c Choices) error
}

// Preferences are a reader's choices, with what stands in for those that were not made.
type Preferences struct {
	Chosen Choices
	Lang   i18n.Lang
	Zone   *time.Location
	// ZoneChosen is false while the zone is the server's, for want of the browser's.
	ZoneChosen bool
}

func loadBundle() (*i18n.Bundle, error) { return i18n.Load(locale.Files) }

// preferences reads the reader's choices; what makes no sense counts as not chosen.
func (s *Site) preferences(r *http.Request, user *auth.User) Preferences {
	c := s.choices(r, user)
	p := Preferences{Chosen: c, Zone: time.Local, Lang: s.opt.Bundle.Match(c.Lang, r.Header.Get("Accept-Language"))}
	for _, name := range []string{c.Zone, cookieValue(r, clockCookie)} {
		if location, ok := s.zone(name); ok {
			p.Zone, p.ZoneChosen = location, true
			break
		}
	}
	return p
}

// printer speaks as somebody prefers.
func (s *Site) printer(p Preferences) *i18n.Printer {
	printer := s.opt.Bundle.Printer(p.Lang, p.Zone)
	if p.Chosen.Dates == Era {
		return printer.WithEras()
	}
	return printer
}

// choices are what is kept for the reader, else what their browser's cookies say.
func (s *Site) choices(r *http.Request, user *auth.User) Choices {
	c := cookieChoices(r)
	if user == nil {
		return c
	}
	if s.opt.Keeper != nil && (WantsPage(r) || fromHTMX(r)) {
		kept, ok, err := s.opt.Keeper.Choices(r.Context(), user.ID)
		if err != nil {
			s.opt.Log.Warn("a person's preferences cannot be read", "person", user.ID, "error", err)
		}
		if ok {
			kept.Lang, kept.Zone = c.Lang, c.Zone
			c = kept.valid()
		}
	}
	if user.Lang != "" {
		c.Lang = user.Lang
	}
	if user.Zone != "" {
		c.Zone = user.Zone
	}
	return c
}

func cookieChoices(r *http.Request) Choices {
	return Choices{
		Lang: cookieValue(r, langCookie), Zone: cookieValue(r, zoneCookie), Theme: cookieValue(r, themeCookie), Density: cookieValue(r, densityCookie),
		Start: cookieValue(r, startCookie), Dates: cookieValue(r, datesCookie), Rail: cookieValue(r, railCookie),
	}.valid()
}

// valid leaves out what nobody can have chosen here.
func (c Choices) valid() Choices {
	for _, one := range []struct {
		value   *string
		allowed []string
	}{
		{&c.Theme, []string{Light, Dark}}, {&c.Density, []string{Compact}}, {&c.Dates, []string{Era}}, {&c.Rail, []string{Narrow}},
	} {
		if !slices.Contains(one.allowed, *one.value) {
			*one.value = ""
		}
	}
	if !local(c.Start) {
		c.Start = ""
	}
	return c
}

// choose keeps what a form says of a reader's choices, and goes back to where it was made. What the form does not name stays.
func (s *Site) choose(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "", "reading the form: %w", err)
	}
	user := User(r)
	c := about(r).prefs.Chosen
	for name, to := range map[string]*string{
		"lang": &c.Lang, "zone": &c.Zone, "theme": &c.Theme, "density": &c.Density, "start": &c.Start, "dates": &c.Dates, "rail": &c.Rail,
	} {
		if r.PostForm.Has(name) {
			*to = r.PostForm.Get(name)
		}
	}
	if err := s.checkChoices(c); err != nil {
		return err
	}
	if user != nil && user.Session && s.opt.Keeper != nil {
		if err := s.opt.Keeper.Keep(r.Context(), user.ID, c.valid()); err != nil {
			return err
		}
	}
	for name, cookie := range map[string]string{
		"lang": langCookie, "theme": themeCookie, "zone": zoneCookie, "density": densityCookie, "start": startCookie, "dates": datesCookie, "rail": railCookie,
	} {
		if r.PostForm.Has(name) {
			setPreference(w, r, cookie, r.PostForm.Get(name))
		}
	}
	next := r.PostForm.Get("next")
	if !local(next) {
		next = "/"
	}
	if r.PostForm.Has("said") { // a form that shows no change by itself
		text := s.opt.Bundle.Printer(s.opt.Bundle.Match(c.Lang, r.Header.Get("Accept-Language")), nil).T("preferences.done")
		return s.Done(w, r, next, Flash{Kind: Good, Text: text})
	}
	return s.Redirect(w, r, next)
}

// checkChoices refuses what a person would wonder about later; the rest is left out in silence.
func (s *Site) checkChoices(c Choices) error {
	if _, ok := s.zone(c.Zone); c.Zone != "" && !ok {
		return fault.New(fault.Invalid, "fault.zone", "%q is no time zone", c.Zone)
	}
	if c.Lang != "" && !slices.ContainsFunc(i18n.Languages(), func(l struct {
		Lang i18n.Lang
		Name string
	}) bool {
		return string(l.Lang) == c.Lang
	}) {
		return fault.New(fault.Invalid, "fault.language", "%.20q is no language of ours", c.Lang)
	}
	return nil
}

// zone is loadZone with a memory: every request asks, and the file of a zone never changes while we run. A zone that exists
// has one name here, so visitors cannot fill it.
func (s *Site) zone(name string) (*time.Location, bool) {
	if known, ok := s.zones.Load(name); ok {
		return known.(*time.Location), true
	}
	zone, ok := loadZone(name)
	if ok {
		s.zones.Store(name, zone)
	}
	return zone, ok
}

// loadZone reads an IANA zone name; "" and "Local" are none, and so is "Asia//Tokyo", which the file system would find.
func loadZone(name string) (*time.Location, bool) {
	if name == "" || name == "Local" || name != path.Clean(name) {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// cookieValue returns a cookie's value, "" where there is none. Browsers' scripts escape the slash in a zone's name.
func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	value, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return value
}

// setPreference keeps a choice in the reader's browser for a year; an empty value forgets it.
func setPreference(w http.ResponseWriter, r *http.Request, name, value string) {
	c := &http.Cookie{
		Name: name, Value: url.QueryEscape(value), Path: "/", MaxAge: 365 * 24 * 3600,
		SameSite: http.SameSiteLaxMode, Secure: httpd.Secure(r),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// PreferencesOf returns the choices of who sent r.
func PreferencesOf(r *http.Request) Preferences { return about(r).prefs }
