package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/demo"
	"yagura/internal/detect/rulesource"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

// visit is how a browser's cookie says who looks: the id of a real person, who has just proved who they are.
const visit = "visitor"

type visiting struct{ accounts *auth.Accounts }

func (v visiting) User(r *http.Request) (*auth.User, error) {
	cookie, err := r.Cookie(visit)
	if err != nil || cookie.Value == "" {
		return v.accounts.User(r)
	}
	p, err := v.accounts.Person(r.Context(), cookie.Value)
	if err != nil {
		return nil, err
	}
	roles := p.RoleNames()
	return &auth.User{
		ID: p.ID, Name: p.Name, Email: p.Email, Unit: p.Unit, Roles: roles, Session: true, SessionID: "s", StepUp: time.Now(),
		Allowed: func(permission string) bool { return v.accounts.Roles.Allows(roles, permission) },
	}, nil
}

// furnished is a house with a day of a made-up company's life in it, and something in every room.
type furnished struct {
	*house
	admin, employee auth.Person
	excepted        string // the rule that an exception is of
}

func furnish(t *testing.T) *furnished {
	t.Helper()
	rules := t.TempDir()
	f := &furnished{house: newHouseFor(t, io.Discard, map[string]string{"approvals.required": "people.roles", "rules.source_folders": rules}, func(e *Engine) auth.Authenticator { return visiting{e.Accounts} })}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(demo.Staff(ctx, f.Accounts))
	var err error
	f.admin, err = f.Accounts.Create(ctx, auth.NewPerson{Email: "yamada@marumado.example", Name: "山田 葵", Roles: []string{"admin"}, State: auth.Active})
	must(err)
	f.employee, err = f.Accounts.Create(ctx, auth.NewPerson{Email: "kato@marumado.example", Name: "加藤 樹", Roles: []string{"employee"}, State: auth.Active})
	must(err)
	must(f.Rules.Mirror(ctx))
	f.Start()
	for _, batch := range demo.New(20261123).Backlog(time.Now().Add(-time.Second), 24*time.Hour) {
		must(f.Pipeline.Accept(ctx, batch))
		f.Stats.Accepted(batch.Source, batch.Input, batch.Remote, len(batch.Items), 1)
	}
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		n, err := f.Alerts.Count(ctx)
		must(err)
		if n >= 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the demo made %d alerts", n)
		}
	}
	for _, do := range []struct {
		path string
		form url.Values
	}{
		{"/search/saved", url.Values{"name": {"夜間の失敗"}, "q": {"event.code:=4625"}, "since": {"24h"}}},
		{"/sources/-/tokens", url.Values{"name": {"pc-winlogbeat"}, "kind": {"winlogbeat"}}},
		{"/rules/" + f.Rules.Set().Rules[0].Key + "/move/shadow", url.Values{"version": {"1"}, "why": {"まず件数を見る"}}},
		{"/roles", url.Values{"name": {"store-desk"}, "title": {"店舗窓口"}, "permission": {"alert.read"}, "version": {"0"}}},
		{"/notifications/targets", url.Values{"name": {"SOAR"}, "kind": {"webhook"}, "lang": {"ja"}, "address": {"https://soar.marumado.example/hook"}, "enabled": {"1"}}},
		{"/notifications/rules", url.Values{"name": {"重大度が高いアラート"}, "enabled": {"1"}, "severity": {"high"}, "topic": {"alert.opened"}, "kind": {"alert"}, "role": {"analyst"}, "do": {"save"}}},
		{"/tasks", url.Values{"title": {"VPN機器の更新計画を確認"}, "due": {"2026-12-01"}}},
		{"/people/" + f.employee.ID + "/roles", url.Values{"role": {"analyst"}, "version": {"1"}, "reason": {"異動のため"}}},
		{"/notifications/targets", url.Values{"name": {"#csirt"}, "kind": {"slack"}, "lang": {"ja"}, "address": {"https://hooks.slack.example/x"}}},
		{"/notifications/rules", url.Values{"name": {"高以上"}, "severity": {"high"}, "role": {"analyst"}, "do": {"save"}}},
	} {
		if got := f.get(f.admin.ID, do.path, do.form); got.Code >= 400 {
			t.Fatalf("POST %s: status %d: %s", do.path, got.Code, got.Body)
		}
	}
	// A source of rules with an update in force and one that waits.
	source, err := f.Record.Create(ctx, record.System(), rulesource.Name, record.Values{
		"title": "自社のルール", "method": "folder", "address": rules, "trust": rulesource.Trusted, "starts": "shadow", "every": "day"})
	must(err)
	for name, level := range map[string]string{"a": "high", "b": "low", "c": "low"} {
		rule := fmt.Sprintf("title: Rule %[1]s\nlogsource: {product: windows}\ndetection: {s: {EventID: 1, Image|endswith: '\\%[1]s.exe'}, condition: s}\nlevel: %[2]s\n", name, level)
		must(os.WriteFile(filepath.Join(rules, name+".yml"), []byte(rule), 0o600))
	}
	_, err = f.Sources.Check(ctx, source.ID)
	must(err)
	must(os.Remove(filepath.Join(rules, "b.yml")))
	must(os.Remove(filepath.Join(rules, "c.yml")))
	_, err = f.Sources.Check(ctx, source.ID)
	must(err)
	_, err = f.Record.Create(ctx, record.System(), backtest.Name, record.Values{
		"title": "運用開始前の確認", "scope": backtest.ScopeLive, "since": time.Now().AddDate(0, 0, -30), "until": time.Now()})
	must(err)
	f.silence()
	f.notified(ctx)
	must(f.Jobs.RunNow(ctx, "auth.sweep")) // nobody works it off: it waits, and its page can be looked at
	return f
}

// silence makes an exception of an alert, and a suppression.
func (f *furnished) silence() {
	f.t.Helper()
	err := f.Alerts.Past(f.t.Context(), nil, 100, func(a *alert.Alert, _ []alert.Sample) bool {
		if f.get(f.admin.ID, "/exceptions/-/from/"+a.ID, nil).Code != http.StatusOK {
			return true
		}
		f.excepted = a.RuleID
		made := f.get(f.admin.ID, "/exceptions/-/from/"+a.ID, url.Values{
			"title": {"配布ツールの定期実行"}, "reason": {"情報システム部の配布ツール。毎週月曜に実行"}, "due": {time.Now().AddDate(0, 0, 60).Format(time.DateOnly)}, "do": {"activate"},
			"filter": {"title: x\nlogsource: {product: windows}\nfilter:\n  rules: [" + a.RuleID + "]\n  selection: {User: svc-deploy}\n  condition: not selection\n"},
		})
		if made.Code >= 400 {
			f.t.Fatalf("an exception is answered %d: %s", made.Code, made.Body)
		}
		return false
	})
	if err != nil || f.excepted == "" {
		f.t.Fatalf("no exception was made: %v", err)
	}
	made := f.get(f.admin.ID, "/suppressions", url.Values{
		"title": {"基幹サーバーの定期保守"}, "way": {"maintenance"}, "hosts": {"srv-*"}, "rules": {f.excepted}, "starts": {"2026-12-01T22:00"}, "ends": {"2026-12-02T05:00"}, "reason": {"OS更新"}})
	if made.Code >= 400 {
		f.t.Fatalf("a suppression is answered %d: %s", made.Code, made.Body)
	}
}

// notified works off jobs until the administrator has been told of an alert.
func (f *furnished) notified(ctx context.Context) {
	f.t.Helper()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- f.Jobs.Run(ctx) }()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		n, err := f.Notify.Unread(ctx, f.admin.ID)
		if err != nil || time.Now().After(deadline) {
			f.t.Errorf("the administrator was told of nothing: %v", err)
		}
		if n > 0 || f.t.Failed() {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		f.t.Error(err)
	}
}

// get asks for a page as a person, "" for a guest, or sends a form.
func (f *furnished) get(person, path string, form url.Values) *httptest.ResponseRecorder {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: visit, Value: person})
	w := httptest.NewRecorder()
	f.site.Handler().ServeHTTP(w, r)
	return w
}

// shown is a page to look at.
type shown struct {
	Pattern, Path, Person string
}

// Name is the page's in file names.
func (p shown) Name() string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(strings.TrimPrefix(p.Pattern, "GET /")), "-")
	return strings.Trim(name, "-")
}

// unvisited are pages that nobody comes to by links here, and why.
func unvisited() map[string]string {
	return map[string]string{
		"GET /search/histogram":                   "a part of the search's page",
		"GET /search/fields":                      "a part of the search's page",
		"GET /search/values":                      "a part of the search's page",
		"GET /sources/-/certificate":              "a file, where syslog takes TLS",
		"GET /account/second-factor/app":          "takes a session of its own; the account's own tests look at it",
		"GET /rulesources/{id}/pdf":               "a file, which takes a press; the tests of package desk make one",
		"GET /exceptions/{id}/pdf":                "a file, which takes a press; the tests of package desk make one",
		"GET /suppressions/{id}/pdf":              "a file, which takes a press; the tests of package desk make one",
		"GET /backtests/{id}/pdf":                 "a file, which takes a press; the tests of package desk make one",
		"GET /backtests/{id}/move/{move}":         "its moves ask nothing, and are made from the backtest's page",
		"GET /backtests/{id}/result":              "a part of the backtest's page",
		"GET /alerts/{id}/pdf":                    "a file, which takes a press; the tests of package desk make one",
		"GET /rules/{id}/pdf":                     "a file, which takes a press; the tests of package desk make one",
		"GET /notifications/{id}":                 "leads on to what a notice is about",
		"GET /search/tail":                        "goes on for ever",
		"GET /account/second-factor/passkey/{id}": "takes an authenticator; the account's own tests look at it",
		"GET /signin/confirm/oidc":                "leads to a provider",
		"GET /signin/oidc":                        "leads to a provider",
		"GET /signin/oidc/start":                  "leads to a provider",
		"GET /reset/password":                     "takes a link's ticket; the account's own tests look at it",
		"GET /setup":                              "takes a link's ticket; the account's own tests look at it",
		"GET /signin/factor":                      "takes a sign-in under way; the account's own tests look at it",
		"GET /invitation":                         "takes a link's ticket; the account's own tests look at it",
	}
}

var (
	address = regexp.MustCompile(`(?:href|data-href)="(/[^"]*)"`)
	entity  = strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&#39;", "'")
)

// pages walks through the house from the addresses that need no id, and returns one page of every route that shows one.
func (f *furnished) pages() []shown {
	f.t.Helper()
	mux := http.NewServeMux()
	waiting := []string{"/home"}
	html := make(map[string]bool) // routes that show pages, or may
	for _, m := range f.site.Modules() {
		for _, route := range m.Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			// What hangs on a record ({thing}) and lists that are imported are looked at in the tests of package desk.
			if method != http.MethodGet || strings.Contains(path, "{thing}") || strings.Contains(path, "{upload}") || strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/scim/") || unvisited()[route.Pattern] != "" {
				continue
			}
			mux.Handle(route.Pattern, http.NotFoundHandler())
			html[route.Pattern] = true
			if !strings.Contains(path, "{") {
				waiting = append(waiting, path)
			}
		}
	}
	var found []shown
	seen, tried := make(map[string]bool), make(map[string]int)
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		r := httptest.NewRequest(http.MethodGet, path, nil)
		_, pattern := mux.Handler(r)
		if !html[pattern] || seen[pattern] || tried[pattern] > 5 {
			continue
		}
		tried[pattern]++
		answer := f.get(f.admin.ID, path, nil)
		if answer.Code != http.StatusOK || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
			if answer.Code < 400 {
				seen[pattern] = true // a file, or the way to another page
			}
			continue
		}
		seen[pattern] = true
		if strings.Contains(answer.Body.String(), "<html") {
			found = append(found, shown{pattern, path, f.admin.ID})
		}
		for _, link := range address.FindAllStringSubmatch(answer.Body.String(), -1) {
			waiting = append(waiting, entity.Replace(link[1]))
		}
	}
	for pattern := range html {
		if !seen[pattern] {
			f.t.Errorf("no link of any page leads to %s", pattern)
		}
	}
	found = append(found, shown{"GET /home as employee", "/home", f.employee.ID}, shown{"GET /approvals as employee", "/approvals", f.employee.ID},
		shown{"GET /signin as guest", "/signin", ""}, shown{"GET /reset as guest", "/reset", ""}, shown{"GET /not found", "/a/page/that/is/not/there", f.admin.ID},
		shown{"GET /alerts none", "/alerts?q=nothing-has-this-name", f.admin.ID}, shown{"GET /search none", "/search?q=nothing-has-this-name", f.admin.ID},
		shown{"GET /find some", "/find?q=powershell", f.admin.ID})
	return found
}

// tab is a browser in the house.
type tab struct {
	house   *furnished
	ctx     context.Context
	address string
}

func (f *furnished) open() *tab {
	f.t.Helper()
	ctx := webtest.BrowserFor(f.t, 15*time.Minute)
	server := httptest.NewServer(f.site.Handler())
	f.t.Cleanup(server.Close)
	return &tab{f, ctx, server.URL}
}

// look opens a page as its person, and waits until everything on it has come.
func (x *tab) look(page shown, lang, theme string, width int64) {
	t := x.house.t
	t.Helper()
	webtest.Do(t, x.ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(x.address+"/health-of-nothing"),
		webtest.SetCookie(visit, page.Person), webtest.SetCookie("yagura_lang", lang), webtest.SetCookie("yagura_theme", theme),
		webtest.SetCookie("yagura_zone", "Asia%2FTokyo"), chromedp.Navigate(x.address+page.Path))
	webtest.Until(t, x.ctx, `document.readyState === "complete" && !document.querySelector("[aria-busy=true]")`)
}

// axe is the source of axe-core, as tools/axe pins it. Without npm the test is skipped, but not in CI.
func axe(t *testing.T) string {
	t.Helper()
	folder := filepath.Join("..", "..", "tools", "axe")
	file := filepath.Join(folder, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(file); err != nil {
		npm, err := exec.LookPath("npm")
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("no npm to fetch axe-core with: install Debian's package npm")
			}
			t.Skip("no npm to fetch axe-core with: install Debian's package npm to test pages for accessibility")
		}
		fetch := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		fetch.Dir = folder
		if out, err := fetch.CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("fetching axe-core: %v\n%s", err, out)
			}
			t.Skipf("axe-core could not be fetched: %v\n%s", err, out)
		}
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// finding is what axe-core says of a page.
type finding struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Where  []string `json:"where"`
}

// findings runs axe-core in the page and returns what is serious or critical. Options are axe.run's.
func findings(t *testing.T, tab *tab, options string) []finding {
	t.Helper()
	webtest.Ask[bool](t, tab.ctx, `window.found = "", axe.run(document, `+options+`).then(
		r => { found = JSON.stringify(r.violations.filter(v => ["serious", "critical"].includes(v.impact)).map(v => ({ id: v.id, impact: v.impact, help: v.help, where: v.nodes.slice(0, 4).map(n => n.html.slice(0, 160)) }))); },
		problem => { found = JSON.stringify([{ id: "axe", impact: "critical", help: String(problem) }]); }), true`)
	webtest.Until(t, tab.ctx, `window.found`)
	var list []finding
	if err := json.Unmarshal([]byte(webtest.Ask[string](t, tab.ctx, `window.found`)), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// width is how wide the page is once it fits, or after two seconds: charts draw themselves anew a moment after the window has become
// narrower.
func (tab *tab) width(fits int64) (wide int64) {
	for range 40 {
		if wide = webtest.Ask[int64](tab.house.t, tab.ctx, `document.documentElement.scrollWidth`); wide <= fits {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return wide
}

// TestEveryPageIsForEverybody opens every page of the program, with data, in both languages, and finds with axe-core nothing
// serious or critical in either theme, and no page that is wider than a telephone.
func TestEveryPageIsForEverybody(t *testing.T) {
	t.Parallel()
	source := axe(t)
	f := furnish(t)
	pages, tab := f.pages(), f.open()
	for _, lang := range []string{"ja", "en"} {
		for _, page := range pages {
			tab.look(page, lang, "light", 1280)
			webtest.Ask[bool](t, tab.ctx, source+`; true`)
			for _, f := range findings(t, tab, `{}`) {
				t.Errorf("%s in %s: %s, %s: %s\n\t%s", page.Path, lang, f.Impact, f.ID, f.Help, strings.Join(f.Where, "\n\t"))
			}
			webtest.Ask[bool](t, tab.ctx, `document.documentElement.dataset.theme = "dark", true`)
			for _, f := range findings(t, tab, `{ runOnly: ["color-contrast"] }`) {
				t.Errorf("%s in %s, dark: %s: %s\n\t%s", page.Path, lang, f.ID, f.Help, strings.Join(f.Where, "\n\t"))
			}
			webtest.Do(t, tab.ctx, chromedp.EmulateViewport(390, 844))
			if wide := tab.width(390); wide > 390 {
				t.Errorf("%s in %s is %d wide on a screen of 390", page.Path, lang, wide)
			}
		}
	}
}

// TestPicturesOfEveryPage keeps pictures of every page for people to look at, or of those with YAGURA_PICTURES_OF in their names; it does nothing
// without YAGURA_SCREENSHOTS.
func TestPicturesOfEveryPage(t *testing.T) {
	webtest.NeedPictures(t)
	tab := furnish(t).open()
	for _, page := range tab.house.pages() {
		if !strings.Contains(page.Name(), os.Getenv("YAGURA_PICTURES_OF")) {
			continue
		}
		for _, lang := range []string{"ja", "en"} {
			for _, theme := range []string{web.Light, web.Dark} {
				for width, height := range map[int64]int64{1280: 900, 390: 844} {
					tab.look(page, lang, theme, width)
					webtest.Shoot(t, tab.ctx, fmt.Sprintf("%s-%s-%d-%s", page.Name(), lang, width, theme), width, height)
				}
			}
		}
	}
}
