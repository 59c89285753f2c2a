package web

import (
	"io/fs"
	"net/url"
	"strings"
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
		Commands:  []Command{{Key: "design.title", Path: "/design"}},
		Routes: []Route{
			{Pattern: "GET /{$}", Permission: SignedIn, Handle: s.start},
			{Pattern: "GET /home", Permission: SignedIn, Handle: s.home},
			{Pattern: "GET /design", Permission: SignedIn, Handle: s.designPage},
			{Pattern: "GET /find", Permission: SignedIn, Handle: s.findPage},
			{Pattern: "POST /preferences", Permission: Public, Handle: s.choose},
		},
	}
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
