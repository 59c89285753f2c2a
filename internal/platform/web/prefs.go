package web

import (
	"net/http"
	"net/url"
	"path"
	"time"
	_ "time/tzdata" // readers choose their zone on servers that have no list of zones

	"yagura/internal/platform/httpd"
	"yagura/internal/platform/i18n"
	"yagura/locale"
)

// The cookies that keep a reader's choices in their browser. They decide nothing but looks.
const (
	langCookie  = "yagura_lang"
	themeCookie = "yagura_theme"
	zoneCookie  = "yagura_zone"
)

// Preferences are a reader's choices.
type Preferences struct {
	Lang  i18n.Lang
	Theme string // light, dark, or "" to follow the system
	Zone  *time.Location
	// ZoneChosen is false while the zone is the server's, for want of the browser's.
	ZoneChosen bool
}

func loadBundle() (*i18n.Bundle, error) { return i18n.Load(locale.Files) }

// preferences reads the reader's choices; what makes no sense counts as not chosen.
func (s *Site) preferences(r *http.Request) Preferences {
	p := Preferences{Zone: time.Local}
	p.Lang = s.opt.Bundle.Match(cookieValue(r, langCookie), r.Header.Get("Accept-Language"))
	if theme := cookieValue(r, themeCookie); theme == "light" || theme == "dark" {
		p.Theme = theme
	}
	if zone, ok := s.zone(cookieValue(r, zoneCookie)); ok {
		p.Zone, p.ZoneChosen = zone, true
	}
	return p
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
