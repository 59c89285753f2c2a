package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

func TestRoutesAsGuestAndAdministrator(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	page, machine := map[string]string(nil), map[string]string{"Accept": "application/json"}
	form := url.Values{"x": {"1"}}
	for _, one := range []struct {
		name   string
		ask    webtest.Request
		status int
		to     string // Location
	}{
		{"guest sees public pages", webtest.Request{Path: "/public"}, 200, ""},
		{"guest is sent to sign in, and back", webtest.Request{Path: "/specimen?a=b&c=d"}, 303, "/signin?next=%2Fspecimen%3Fa%3Db%26c%3Dd"},
		{"guest at the start", webtest.Request{Path: "/"}, 303, "/signin"},
		{"guest's form is not repeated", webtest.Request{Path: "/specimen", Form: form}, 303, "/signin"},
		{"a machine is told", webtest.Request{Path: "/specimen", Header: machine}, 401, ""},
		{"nobody's permission is missing", webtest.Request{As: webtest.Nobody, Path: "/specimen"}, 403, ""},
		{"reader reads", webtest.Request{As: webtest.Reader, Path: "/specimen"}, 200, ""},
		{"reader does not write", webtest.Request{As: webtest.Reader, Path: "/specimen", Form: form}, 403, ""},
		{"admin writes", webtest.Request{As: webtest.Admin, Path: "/specimen", Form: form}, 303, "/specimen"},
		{"the start is the overview", webtest.Request{As: webtest.Admin, Path: "/"}, 303, "/home"},
		{"or the page that the reader chose", webtest.Request{As: webtest.Admin, Path: "/", Header: map[string]string{"Cookie": "yagura_start=/specimen%3Fstate%3Dnew"}}, 303, "/specimen?state=new"},
		{"unless they may not open it", webtest.Request{As: webtest.Nobody, Path: "/", Header: map[string]string{"Cookie": "yagura_start=/specimen"}}, 303, "/home"},
		{"or it is not ours", webtest.Request{As: webtest.Admin, Path: "/", Header: map[string]string{"Cookie": "yagura_start=//evil.example"}}, 303, "/home"},
		{"who may nothing has an overview, too", webtest.Request{As: webtest.Nobody, Path: "/home", Header: page}, 200, ""},
		{"who must register a second factor goes there first", webtest.Request{As: webtest.Bare, Path: "/specimen?a=b"}, 303, "/account/second-factor?next=%2Fspecimen%3Fa%3Db"},
		{"and may open the pages where one does", webtest.Request{As: webtest.Bare, Path: "/enrolling"}, 200, ""},
		{"a dangerous page asks who it is", webtest.Request{As: webtest.Stale, Path: "/dangerous"}, 303, "/signin/confirm?next=%2Fdangerous"},
		{"a dangerous form goes back to its page", webtest.Request{As: webtest.Stale, Path: "/dangerous", Form: form, Header: map[string]string{"Referer": "http://example.com/specimen/3"}}, 303, "/signin/confirm?next=%2Fspecimen%2F3"},
		{"but not to another site's", webtest.Request{As: webtest.Stale, Path: "/dangerous", Form: form, Header: map[string]string{"Referer": "http://evil.example/specimen/3"}}, 303, "/signin/confirm"},
		{"a dangerous page after a proof", webtest.Request{As: webtest.Admin, Path: "/dangerous"}, 200, ""},
		{"a dangerous page and a token", webtest.Request{As: webtest.Robot, Path: "/dangerous"}, 403, ""},
		{"a machine is told what misses", webtest.Request{As: webtest.Stale, Path: "/dangerous", Header: machine}, 403, ""},
		{"no page there", webtest.Request{As: webtest.Admin, Path: "/nothing"}, 404, ""},
		{"no page there, said to a guest", webtest.Request{Path: "/nothing"}, 404, ""},
		{"wrong method", webtest.Request{As: webtest.Admin, Method: "DELETE", Path: "/specimen"}, 405, ""},
		{"a handler that panics", webtest.Request{Path: "/panics/here"}, 500, ""},
		{"a fault", webtest.Request{Path: "/fails/conflict"}, 409, ""},
		{"a fault with a time to wait", webtest.Request{Path: "/fails/busy"}, 429, ""},
		{"a range that makes no sense", webtest.Request{As: webtest.Admin, Path: "/specimen?since=soon"}, 400, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			answer := site.Do(one.ask)
			if answer.Code != one.status || answer.Header().Get("Location") != one.to {
				t.Errorf("status %d to %q, want %d to %q\n%s", answer.Code, answer.Header().Get("Location"), one.status, one.to, answer.Body)
			}
			if answer.Code == 429 && answer.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
				for _, problem := range webtest.Problems(answer.Body.String()) {
					t.Error(problem)
				}
			}
		})
	}
}

func TestErrorsAreSaidToWhoAsks(t *testing.T) {
	t.Parallel()
	site := newSite(t)

	t.Run("machine", func(t *testing.T) {
		t.Parallel()
		answer := site.Do(webtest.Request{Path: "/fails/conflict", Header: map[string]string{"Accept": "*/*"}})
		var problem map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil {
			t.Fatal(err)
		}
		if answer.Header().Get("Content-Type") != "application/problem+json" || problem["code"] != "conflict" || problem["status"] != 409.0 ||
			problem["request"] != answer.Header().Get("X-Request-Id") || !strings.Contains(problem["detail"].(string), "it failed") {
			t.Errorf("%v", problem)
		}
	})
	t.Run("what broke inside stays inside", func(t *testing.T) {
		t.Parallel()
		for _, accept := range []string{"*/*", "text/html"} {
			answer := site.Do(webtest.Request{Path: "/panics/x", Header: map[string]string{"Accept": accept}})
			if strings.Contains(answer.Body.String(), "on purpose") {
				t.Errorf("%s: %s", accept, answer.Body)
			}
		}
	})
	t.Run("what is not there is said to who is signed in", func(t *testing.T) {
		t.Parallel()
		for visitor, told := range map[webtest.Visitor]bool{"": false, webtest.Reader: true} {
			answer := site.Do(webtest.Request{As: visitor, Path: "/fails/unavailable", Header: map[string]string{"Accept": "*/*"}})
			if answer.Code != http.StatusServiceUnavailable || strings.Contains(answer.Body.String(), "it failed") != told {
				t.Errorf("%q: %d %s", visitor, answer.Code, answer.Body)
			}
		}
	})
	t.Run("where exactly the input is wrong", func(t *testing.T) {
		t.Parallel()
		answer := site.Do(webtest.Request{Path: "/fails/wrapped", Lang: "en"})
		if !strings.Contains(answer.Body.String(), "There is no such time zone. line 3: unexpected token") {
			t.Errorf("%s", answer.Body)
		}
	})
	t.Run("htmx, in the reader's language", func(t *testing.T) {
		t.Parallel()
		answer := site.Do(webtest.Request{Path: "/fails/conflict", HTMX: "panel", Lang: "ja"})
		if !strings.Contains(answer.Body.String(), "競合") {
			t.Errorf("%s", answer.Body)
		}
	})
	t.Run("htmx without a session loads the sign-in page whole", func(t *testing.T) {
		t.Parallel()
		answer := site.Do(webtest.Request{Path: "/specimen/1", HTMX: "panel"})
		if answer.Header().Get("HX-Redirect") != "/signin" {
			t.Errorf("%d %v", answer.Code, answer.Header())
		}
	})
}

func TestHTMXGetsTheBlockItAsksFor(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for target, want := range map[string]struct{ has, lacks string }{
		"panel":   {"page-head", "columns"},
		"another": {"columns", "<!doctype"},
		"layout":  {"columns", "<!doctype"}, // the frame's own blocks are nobody's to ask for
		"":        {"<!doctype", "⟦"},
	} {
		body := site.Do(webtest.Request{As: webtest.Admin, Path: "/specimen/1", HTMX: target}).Body.String()
		if !strings.Contains(body, want.has) || strings.Contains(body, want.lacks) {
			t.Errorf("target %q: want %q and not %q in\n%s", target, want.has, want.lacks, body)
		}
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, path := range []string{"/public", "/specimen", "/nothing", "/panics/x", "/static/nothing"} {
		h := site.Do(webtest.Request{Path: path, Header: map[string]string{"Origin": "https://evil.example"}}).Header()
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self';"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: no %s in %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" ||
			h.Get("X-Request-Id") == "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, h)
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: lets other sites read: %s", path, name)
			}
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, one := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"our own page", map[string]string{"Sec-Fetch-Site": "same-origin"}, 303},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a neighbouring host", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another site, in an old browser", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, 403},
	} {
		for _, path := range []string{"/specimen", "/preferences"} {
			answer := site.Do(webtest.Request{As: webtest.Admin, Path: path, Form: url.Values{"x": {"1"}}, Header: one.header})
			if answer.Code != one.status {
				t.Errorf("%s to %s: status %d, want %d", one.name, path, answer.Code, one.status)
			}
		}
	}
}

func TestNextStaysOnThisSite(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/alerts?x=1#r-3":            "/alerts?x=1#r-3",
		"":                           "/",
		"alerts":                     "/",
		"https://evil.example/":      "/",
		"//evil.example/":            "/",
		"///evil.example/":           "/",
		`/\evil.example/`:            "/",
		`/\/evil.example/`:           "/",
		"javascript:alert(1)":        "/",
		"/\t/evil.example":           "/",
		"/a\r\nSet-Cookie: x=y":      "/",
		"http:/evil.example":         "/",
		"/%zz":                       "/",
		"/signin?next=/signin":       "/",
		"/signin/confirm?next=/a":    "/",
		"/signout":                   "/",
		"/signings":                  "/signings",
		"/%2f%2fevil.example":        "/%2f%2fevil.example", // a path of ours, and no page
		"/search?q=//evil.example/x": "/search?q=//evil.example/x",
	} {
		if got := web.SafeNext(next); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	answer := site.Do(webtest.Request{Path: "/preferences", Form: url.Values{"lang": {"ja"}, "theme": {"dark"}, "zone": {"Asia/Tokyo"}, "next": {"/public"}}})
	if answer.Code != 303 || answer.Header().Get("Location") != "/public" {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	r := httptest.NewRequest("GET", "/public", nil)
	r.Header.Set("Accept", "text/html")
	for _, c := range answer.Result().Cookies() {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	site.Handler().ServeHTTP(w, r)
	if page := w.Body.String(); !strings.Contains(page, `<html lang="ja" data-theme="dark"`) || !strings.Contains(page, "UTC+09:00") {
		t.Errorf("%s", page[:300])
	}
	if answer := site.Do(webtest.Request{Path: "/preferences", Form: url.Values{"lang": {"ja"}, "next": {"/signin?next=%2Fspecimen"}}}); answer.Header().Get("Location") != "/signin?next=%2Fspecimen" {
		t.Errorf("who chooses a language before signing in is led to %q", answer.Header().Get("Location"))
	}
	if answer := site.Do(webtest.Request{Path: "/preferences", Form: url.Values{"lang": {"ja"}, "next": {"//evil.example"}}}); answer.Header().Get("Location") != "/" {
		t.Errorf("another site: %q", answer.Header().Get("Location"))
	}
	for _, zone := range []string{"../../etc/passwd", "Asia//Tokyo", "./Asia/Tokyo", "Asia/Tokyo/"} {
		if bad := site.Do(webtest.Request{Path: "/preferences", Form: url.Values{"zone": {zone}}}); bad.Code != 400 {
			t.Errorf("%s is no zone: %d", zone, bad.Code)
		}
	}
}

func TestFlashIsShownOnce(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	done := site.Do(webtest.Request{As: webtest.Admin, Path: "/specimen", Form: url.Values{"x": {"1"}}})
	r := httptest.NewRequest("GET", "/public", nil)
	r.Header.Set("Accept", "text/html")
	r.AddCookie(done.Result().Cookies()[0])
	w := httptest.NewRecorder()
	site.Handler().ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "変更しました。") || len(w.Result().Cookies()) != 1 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("cookies %v in\n%s", w.Result().Cookies(), w.Body)
	}
}

func TestStaticFilesAreKeptForEverUnderTheirHash(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	page := site.Do(webtest.Request{Path: "/public"}).Body.String()
	_, rest, _ := strings.Cut(page, `rel="stylesheet" href="`)
	address, _, _ := strings.Cut(rest, `"`)
	answer := site.Do(webtest.Request{Path: address})
	if answer.Code != 200 || answer.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(answer.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", address, answer.Code, answer.Header())
	}
	list := site.Do(webtest.Request{As: webtest.Admin, Path: "/specimen"}).Body.String()
	_, rest, _ = strings.Cut(list, `href="/static/specimen/specimen.`)
	own, _, found := strings.Cut(rest, `"`)
	if answer := site.Do(webtest.Request{Path: "/static/specimen/specimen." + own}); !found || answer.Code != 200 {
		t.Errorf("the module's own style: %q, status %d", own, answer.Code)
	}
	for _, path := range []string{"/static/app.css", "/static/", "/static/specimen/", "/static/app.go", "/.git/config"} { // no hash, no list, no source
		if answer := site.Do(webtest.Request{As: webtest.Admin, Path: path}); answer.Code != 404 {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

func TestRailShowsOnlyWhatOpens(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	admin := site.Do(webtest.Request{As: webtest.Admin, Path: "/specimen/3"}).Body.String()
	reader := site.Do(webtest.Request{As: webtest.Reader, Path: "/specimen/3"}).Body.String()
	if !strings.Contains(admin, `href="/specimen/settings"`) || strings.Contains(reader, `href="/specimen/settings"`) {
		t.Error("the rail does not follow permissions")
	}
	if !strings.Contains(admin, `<a href="/specimen" aria-current="page">`) {
		t.Error("the rail does not say where we are")
	}
	if strings.Contains(admin, "Govern") {
		t.Error("a house without pages is shown")
	}
}

func TestCheckFindsWhatNobodyLookedAt(t *testing.T) {
	t.Parallel()
	nothing := func(http.ResponseWriter, *http.Request) error { return nil }
	site := webtest.New(t)
	site.Mount(web.Module{
		Name:        "careless",
		Permissions: []web.Permission{"wordless.read", "a.room.too.many words"},
		Routes:      []web.Route{{Pattern: "GET /open", Handle: nothing}, {Pattern: "/any", Permission: "x.read", Handle: nothing}, {Pattern: "GET /list", Permission: "x.read", Handle: nothing}},
		Nav:         []web.NavItem{{House: "detect", Key: "x", Path: "/gone", Permission: "x.read"}, {House: "attic", Key: "x", Path: "/list", Permission: "y.read"}},
		Templates:   fstest.MapFS{"templates/a.html": {Data: []byte(`{{define "title"}}{{end}}{{define "content"}}{{if .}}{{template "misspelt"}}{{end}}{{end}}`)}},
	})
	err := site.Check()
	if err == nil {
		t.Fatal("nothing found")
	}
	for _, want := range []string{`"GET /open" has no permission`, `"/any" is not "METHOD /path"`, "points to /gone", `shows /list to "y.read", its route asks for "x.read"`, "in no house",
		`permission "wordless.read" has no message`, `"a.room.too.many words" is not <room>.<verb>`, `asks for "x.read", which the module does not declare`, `calls the template "misspelt"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	if err := site.Site.Mount(web.Module{Name: "again", Routes: []web.Route{{Pattern: "GET /list", Permission: "x.read", Handle: nothing}}}); err == nil {
		t.Error("a route was mounted twice")
	}
	if err := site.Site.Mount(web.Module{Name: "untitled", Templates: fstest.MapFS{"templates/a.html": {Data: []byte(`{{define "content"}}{{end}}`)}}}); err == nil {
		t.Error("a page without a title was mounted")
	}
}

func TestDefanging(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://login.example.net/a.html?b=c.d": "hxxps://login[.]example[.]net/a.html?b=c.d",
		"HTTP://EXAMPLE.NET":                     "hxxp://EXAMPLE[.]NET",
		"example.net":                            "example[.]net",
		"user@example.net":                       "user[@]example[.]net",
		"ftp://example.net/x":                    "ftp://example[.]net/x",
		"203.0.113.7":                            "203[.]0[.]113[.]7",
		"10.0.0.1":                               "10.0.0.1",
		"localhost":                              "localhost",
		"":                                       "",
	} {
		if got := web.Defang(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for field, want := range map[string]bool{"destination.domain": true, "url.full": true, "user.domain": false, "dns.question.name": true, "host.name": false, "user.email": true} {
		if web.Fangs(field) != want {
			t.Errorf("%s: want %t", field, want)
		}
	}
}

func TestWhatIsRefusedIsInTheLog(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	site.Do(webtest.Request{As: webtest.Nobody, Path: "/specimen?q=personal"})
	site.Do(webtest.Request{As: webtest.Admin, Path: "/preferences", Form: url.Values{}, Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	log := site.Logged()
	for _, want := range []string{"a request was refused", "path=/specimen", "person=" + string(webtest.Nobody), "path=/preferences", "cross-origin"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "personal") {
		t.Errorf("the query is in the log:\n%s", log)
	}
}
