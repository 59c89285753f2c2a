package web

import (
	"encoding/base64"
	"net/http"
	"strings"

	"yagura/internal/platform/httpd"
)

const flashCookie = "yagura_flash"

// The kinds of a flash.
const (
	Good = "good"
	Warn = "warn"
	Bad  = "bad"
)

// Flash is a line that the next page shows once: what was just done.
type Flash struct {
	Kind string // Good, Warn or Bad
	Text string // in the reader's language
}

// Done redirects after a form and lets the next page say what was done.
func (s *Site) Done(w http.ResponseWriter, r *http.Request, path string, f Flash) error {
	http.SetCookie(w, &http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(f.Kind + "\n" + f.Text)), Path: "/",
		MaxAge: 60, HttpOnly: true, Secure: httpd.Secure(r), SameSite: http.SameSiteStrictMode,
	})
	return s.Redirect(w, r, path)
}

// takeFlash returns the line and forgets it.
func takeFlash(w http.ResponseWriter, r *http.Request) *Flash {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1})
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	kind, line, ok := strings.Cut(string(text), "\n")
	if !ok || line == "" || kind != Good && kind != Warn && kind != Bad {
		return nil
	}
	return &Flash{Kind: kind, Text: line}
}
