package web

import (
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"yagura/internal/platform/fault"
)

// frame is the module of the pages that belong to no room.
func (s *Site) frame() Module {
	files, err := fs.Sub(frameTemplates, "templates/pages")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return Module{
		Name:      "frame",
		Templates: files,
		Routes: []Route{
			{Pattern: "GET /{$}", Permission: SignedIn, Handle: s.home},
			{Pattern: "POST /preferences", Permission: Public, Handle: s.choose},
		},
	}
}

// choose keeps a reader's choice of language, theme or time zone, and goes back to where it was made.
func (s *Site) choose(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "", "reading the form: %w", err)
	}
	for name, cookie := range map[string]string{"lang": langCookie, "theme": themeCookie, "zone": zoneCookie} {
		if !r.PostForm.Has(name) {
			continue
		}
		value := r.PostForm.Get(name)
		if name == "zone" && value != "" {
			if _, ok := loadZone(value); !ok {
				return fault.New(fault.Invalid, "fault.zone", "%q is no time zone", value)
			}
		}
		setPreference(w, r, cookie, value)
	}
	next := r.PostForm.Get("next")
	if !local(next) {
		next = "/"
	}
	return s.Redirect(w, r, next)
}

// SafeNext returns an address of ours to go to after signing in, "/" where next is anything else: another host in any of the
// ways browsers read one, a script, a line break, or a page of the sign-in itself.
func SafeNext(next string) string {
	if !local(next) {
		return "/"
	}
	if u, _ := url.Parse(next); within(u.Path, signInPath) || u.Path == "/signout" {
		return "/"
	}
	return next
}

// local reports whether an address is one of this site's pages.
func local(next string) bool {
	u, err := url.Parse(next)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && strings.HasPrefix(next, "/") &&
		!strings.HasPrefix(next, "//") && !strings.ContainsAny(next, "\\\r\n\t\x00")
}
