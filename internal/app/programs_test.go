package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yagura/internal/platform/web"
)

// instead is a line of testdata/programs.txt: what programs send instead of a page's form, or why they send nothing.
type instead struct {
	page   string
	routes []string
	reason string
	used   bool
}

func readInstead(t *testing.T) (list []*instead) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "programs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		one := new(instead)
		var routes string
		if page, reason, ok := strings.Cut(line, " - "); ok {
			one.page, one.reason = page, reason
		} else if one.page, routes, ok = strings.Cut(line, " = "); ok {
			one.routes = strings.Split(routes, ", ")
		}
		if one.reason == "" && one.routes == nil {
			t.Fatalf("testdata/programs.txt: %q says nothing", line)
		}
		list = append(list, one)
	}
	return list
}

// TestWhatAPageCanDoTheAPICan finds a form of a page without its counterpart for programs, or the reason why there is none. A counterpart takes
// the permission that the page takes, and a fresh proof only where the page takes one.
func TestWhatAPageCanDoTheAPICan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	routes, kinds := make(map[string]web.Route), make(map[string]string)
	for _, k := range h.Record.Kinds() {
		kinds[strings.TrimPrefix(k.Path, "/")] = "{kind}"
	}
	for _, m := range h.site.Modules() {
		for _, route := range m.Routes {
			routes[route.Pattern] = route
		}
	}
	list := readInstead(t)
	for pattern, page := range routes {
		path, isPost := strings.CutPrefix(pattern, "POST /")
		if !isPost || strings.HasPrefix(path, "api/") || strings.HasPrefix(path, "scim/") {
			continue
		}
		first, rest, more := strings.Cut(path, "/")
		kind, general := first, ""
		if kinds[first] != "" {
			if general = "POST /{kind}"; more {
				general += "/" + rest
			}
		}
		found := false
		for _, one := range list {
			prefix, open := strings.CutSuffix(one.page, "*")
			if one.page != pattern && one.page != general && !(open && strings.HasPrefix(pattern, prefix)) {
				continue
			}
			found, one.used = true, true
			for _, counterpart := range one.routes {
				api, there := routes[strings.ReplaceAll(counterpart, "{kind}", kind)]
				switch {
				case !there:
					t.Errorf("%s: there is no %s", pattern, counterpart)
				case api.Permission != page.Permission:
					t.Errorf("%s takes %s, and %s takes %s", pattern, page.Permission, counterpart, api.Permission)
				case api.Fresh && !page.Fresh:
					t.Errorf("%s takes no fresh proof, and %s does", pattern, counterpart)
				}
			}
			break
		}
		if !found {
			t.Errorf("%s has no counterpart for programs: give it one, or the reason why not, in testdata/programs.txt", pattern)
		}
	}
	for _, one := range list {
		if !one.used {
			t.Errorf("testdata/programs.txt: no page has %s", one.page)
		}
	}
}
