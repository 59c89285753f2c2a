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
			{Pattern: "GET /signin", Permission: Public, Handle: s.signInPage},
			{Pattern: "POST /signin", Permission: Public, Handle: s.signIn},
			{Pattern: "POST /signout", Permission: SignedIn, Handle: s.signOut},
			{Pattern: "POST /preferences", Permission: Public, Handle: s.choose},
		},
	}
}

// signInForm is what the sign-in page shows.
type signInForm struct {
	Name, Next, Error string
}

func (s *Site) signInPage(w http.ResponseWriter, r *http.Request) error {
	next := SafeNext(r.URL.Query().Get("next"))
	if User(r) != nil {
		return s.Redirect(w, r, next)
	}
	return s.Render(w, r, http.StatusOK, "frame/signin", signInForm{Next: next})
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	form := signInForm{Name: r.PostFormValue("name"), Next: SafeNext(r.PostFormValue("next"))}
	_, err := s.opt.Auth.SignIn(w, r, form.Name, r.PostFormValue("password"))
	switch code := fault.CodeOf(err); code {
	case "":
		return s.Redirect(w, r, form.Next)
	case fault.Unauthentic, fault.Busy, fault.Invalid:
		if !wantsPage(r) {
			return err
		}
		form.Error = Message(r, err)
		return s.Render(w, r, code.HTTPStatus(), "frame/signin", form)
	default:
		return err
	}
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.opt.Auth.SignOut(w, r); err != nil {
		return err
	}
	return s.Redirect(w, r, "/signin")
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
	return s.Redirect(w, r, SafeNext(r.PostForm.Get("next")))
}

// SafeNext returns an address of ours to go to, "/" where next is anything else: another host in any of the ways
// browsers read one, a script, a line break.
func SafeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t\x00") || u.Path == "/signin" {
		return "/"
	}
	return next
}
