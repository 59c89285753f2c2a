package account_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/account"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/web/webtest"
)

// TestEveryPageRendersInBothLanguages walks through the pages as the people who meet them, and ends where one was not shown.
func TestEveryPageRendersInBothLanguages(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	setup, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	invited, err := h.Create(t.Context(), auth.NewPerson{Email: "invited@example.com", Name: webtest.Probe, Roles: []string{"employee"}})
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	look := func(b *browser, path string) page {
		t.Helper()
		var last page
		for _, b.lang = range []string{"ja", "en"} {
			last = b.get(path)
			if last.status != http.StatusOK && last.status != http.StatusNotFound {
				t.Errorf("GET %s in %s: %d to %q\n%s", path, b.lang, last.status, last.to, main(last.text))
			}
			for _, problem := range webtest.Problems(last.text) {
				t.Errorf("GET %s in %s: %s", path, b.lang, problem)
			}
		}
		return last
	}
	look(b, "/signin")
	look(b, "/reset")
	b.get("/setup?ticket=" + setup)
	look(b, "/setup")
	b.post("/setup", "name", "A", "email", "a@example.com", "new", good, "again", good)
	look(b, "/account/second-factor") // which says that nothing else opens
	look(b, "/account/second-factor/passkey")
	look(b, "/account/second-factor/app")
	secret, _ := b.registerApp()
	for _, path := range []string{"/home", "/find?q=%E3%82%A2", "/account", "/preferences", "/design", "/account/password", "/account/second-factor", "/account/second-factor/app", "/account/sessions", "/account/tokens", "/account/tokens/new", "/signin/confirm", "/a/page/that/is/not/there"} {
		look(b, path)
	}
	if p := b.post("/account/tokens", "name", webtest.Probe, "days", "30", "scope", "alert.read"); p.status != 200 || len(webtest.Problems(p.text)) > 0 {
		t.Errorf("the new token's page: %d %q", p.status, webtest.Problems(p.text))
	}
	look(b, "/account/tokens")
	if p := b.post("/account/second-factor/recovery"); p.status != 200 || len(webtest.Problems(p.text)) > 0 {
		t.Errorf("new recovery codes: %d %q", p.status, webtest.Problems(p.text))
	}
	h.registerPasskey(b, webtest.Probe)
	id := regexp.MustCompile(`/account/second-factor/passkey/([0-9a-f-]{36})`).FindStringSubmatch(look(b, "/account/second-factor").text)
	look(b, "/account/second-factor/passkey/"+id[1])

	guest := h.browser()
	if _, err := h.Invite(t.Context(), invited.ID); err != nil {
		t.Fatal(err)
	}
	guest.get("/invitation?ticket=" + h.letter().Token)
	look(guest, "/invitation")
	guest.post("/signin", "name", "a@example.com", "password", good)
	look(guest, "/signin/factor")
	guest.post("/signin/factor", "code", h.code(secret))
	person, err := h.PersonByEmail(t.Context(), "a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SendReset(t.Context(), person.ID); err != nil {
		t.Fatal(err)
	}
	guest.get("/reset?ticket=" + h.letter().Token)
	look(guest, "/reset/password")

	for _, name := range h.site.Pages() {
		h.mu.Lock()
		if !h.shown[name] {
			t.Errorf("no path of this test shows the template %s", name)
		}
		h.mu.Unlock()
	}
}

func TestEveryRouteIsGuarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	site := webtest.New(t)
	site.Mount(account.New(site.Site, account.Options{Accounts: h.Accounts}).Module())
	site.Guarded()
	for _, route := range site.Modules()[1].Routes {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if !strings.HasPrefix(path, "/account/") {
			continue
		}
		answer := site.Do(webtest.Request{As: webtest.Robot, Method: method, Path: strings.ReplaceAll(path, "{id}", "x")})
		if answer.Code != http.StatusForbidden {
			t.Errorf("%s with a token: %d", route.Pattern, answer.Code)
		}
	}
	for _, route := range site.Modules()[1].Routes {
		method, path, _ := strings.Cut(route.Pattern, " ")
		for _, from := range []string{"cross-site", "same-site"} {
			ask := webtest.Request{As: webtest.Admin, Method: method, Path: strings.ReplaceAll(path, "{id}", "x"), Form: url.Values{}, Header: map[string]string{"Sec-Fetch-Site": from}}
			if answer := site.Do(ask); method == http.MethodPost && answer.Code != http.StatusForbidden {
				t.Errorf("%s from a %s page: %d", route.Pattern, from, answer.Code)
			}
		}
	}
}

func TestOldProofsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	b := h.browser()
	b.signIn("tanaka@example.com", "")
	h.advance(11 * time.Minute)
	if p := b.get("/account/password"); p.to != "/signin/confirm?next=%2Faccount%2Fpassword" {
		t.Fatalf("%d to %q", p.status, p.to)
	}
	if p := b.post("/signin/confirm", "password", "a wrong password", "next", "/account/password"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "The present password is wrong.") {
		t.Errorf("a wrong password: %d\n%s", p.status, main(p.text))
	}
	before := b.cookies()["yagura_session"]
	if p := b.post("/signin/confirm", "password", good, "next", "/account/password"); p.to != "/account/password" {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	if b.cookies()["yagura_session"] == before {
		t.Error("the session's token is the same after the proof")
	}
	secret, _ := b.registerApp()
	h.advance(11 * time.Minute)
	b.get("/account/password")
	if p := b.post("/signin/confirm", "password", good, "next", "/account/password"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("who has a second factor proves themselves by the password: %d", p.status)
	}
	if p := b.post("/signin/confirm", "code", h.code(secret), "next", "/account/password"); p.to != "/account/password" {
		t.Errorf("a code: %d to %q\n%s", p.status, p.to, main(p.text))
	}
}

func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	b, other := h.browser(), h.browser()
	b.signIn("tanaka@example.com", "")
	other.signIn("tanaka@example.com", "")
	const another = "another battery horse"
	for _, one := range []struct{ name, old, fresh, again, says string }{
		{"wrong old one", "guess", another, another, "The present password is wrong."},
		{"two new ones", good, another, another + "!", "The two passwords differ."},
		{"too short", good, "short", "short", "at least 15 characters"},
		{"a repetition", good, strings.Repeat("ab", 10), strings.Repeat("ab", 10), "repeats the same characters"},
	} {
		p := b.post("/account/password", "old", one.old, "new", one.fresh, "again", one.again)
		if p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, one.says) || strings.Contains(main(p.text), another) {
			t.Errorf("%s: %d\n%s", one.name, p.status, main(p.text))
		}
	}
	if p := b.post("/account/password", "old", good, "new", another, "again", another); p.to != "/account/password" {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
	if p := b.get("/account"); p.status != 200 {
		t.Errorf("this browser: %d", p.status)
	}
	if p := other.get("/account"); p.to == "" {
		t.Errorf("the other browser is still in: %d", p.status)
	}
}

func TestSecondFactors(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("admin@example.com", "admin")
	b := h.browser()
	b.post("/signin", "name", "admin@example.com", "password", good)
	form := b.get("/account/second-factor/app?next=/alerts")
	enrolment := value(form.text, "enrolment")
	if !strings.Contains(form.text, `<svg class="qr"`) || value(form.text, "next") != "/alerts" {
		t.Errorf("%s", main(form.text))
	}
	secret := regexp.MustCompile(`class="secret">([A-Z2-7 ]+)<`).FindStringSubmatch(form.text)[1]
	again := b.post("/account/second-factor/app", "enrolment", enrolment, "code", "000000", "next", "/alerts")
	if again.status != http.StatusUnprocessableEntity || !strings.Contains(again.text, secret) || !strings.Contains(again.text, "This is not the code") {
		t.Errorf("a wrong code costs the scan: %d\n%s", again.status, main(again.text))
	}
	if p := b.post("/account/second-factor/app", "enrolment", "forged", "code", "000000"); p.status != http.StatusBadRequest {
		t.Errorf("a forged enrolment: %d", p.status)
	}
	stranger := h.browser()
	h.person("tanaka@example.com", "employee")
	stranger.signIn("tanaka@example.com", "")
	if p := stranger.post("/account/second-factor/app", "enrolment", value(again.text, "enrolment"), "code", h.code(secret)); p.status != http.StatusBadRequest {
		t.Errorf("another person's enrolment: %d", p.status)
	}
	done := b.post("/account/second-factor/app", "enrolment", value(again.text, "enrolment"), "code", h.code(secret), "next", "/alerts")
	if done.status != 200 || !strings.Contains(done.text, `href="/alerts"`) {
		t.Fatalf("%d\n%s", done.status, main(done.text))
	}
	if p := b.get("/account/second-factor"); strings.Contains(p.text, "/app/remove") || !strings.Contains(p.text, "10 left") {
		t.Errorf("the last factor of an administrator can be removed:\n%s", main(p.text))
	}
	if p := b.post("/account/second-factor/app/remove"); p.status != http.StatusConflict {
		t.Errorf("and is: %d", p.status)
	}

	h.registerPasskey(b, "鍵")
	if p := b.post("/account/second-factor/app/remove"); p.to != "/account/second-factor" {
		t.Errorf("beside a passkey it goes: %d\n%s", p.status, main(p.text))
	}
	list := b.follow(page{to: "/account/second-factor"})
	id := regexp.MustCompile(`/account/second-factor/passkey/([0-9a-f-]{36})`).FindStringSubmatch(list.text)[1]
	if p := b.post("/account/second-factor/passkey/"+id, "name", ""); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a passkey without a name: %d", p.status)
	}
	if p := b.post("/account/second-factor/passkey/"+id, "name", "新しい鍵"); p.to != "/account/second-factor" || !strings.Contains(b.follow(p).text, "新しい鍵") {
		t.Errorf("renaming: %d", p.status)
	}
	if p := b.post("/account/second-factor/passkey/" + id + "/remove"); p.status != http.StatusConflict {
		t.Errorf("the last factor goes: %d", p.status)
	}
	for _, path := range []string{"", "/remove"} {
		if p := stranger.post("/account/second-factor/passkey/"+id+path, "name", "x"); p.status != http.StatusNotFound {
			t.Errorf("another person's passkey%s: %d", path, p.status)
		}
	}
	if p := stranger.get("/account/second-factor/passkey/" + id); p.status != http.StatusNotFound {
		t.Errorf("another person's passkey: %d", p.status)
	}
	if p := stranger.post("/account/second-factor/recovery"); p.status != http.StatusConflict {
		t.Errorf("recovery codes for no second factor: %d", p.status)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	p := h.person("tanaka@example.com", "employee")
	h.person("sato@example.com", "employee")
	one, two, stranger := h.browser(), h.browser(), h.browser()
	one.signIn("tanaka@example.com", "")
	two.signIn("tanaka@example.com", "")
	stranger.signIn("sato@example.com", "")
	list, err := h.Sessions(t.Context(), p.ID)
	if err != nil || len(list) != 3 { // the invitation's, too
		t.Fatalf("%v %v", list, err)
	}
	shown := one.get("/account/sessions").text
	if strings.Count(shown, "this one") != 1 || strings.Count(shown, `<tr id="s-`) != 3 {
		t.Errorf("%s", main(shown))
	}
	for _, s := range list {
		if p := stranger.post("/account/sessions/" + s.ID + "/end"); p.status != http.StatusNotFound {
			t.Errorf("another person's session: %d", p.status)
		}
	}
	if p := one.post("/account/sessions/end"); p.to != "/account/sessions" {
		t.Errorf("%d", p.status)
	}
	if p := two.get("/account"); p.to != "/signin?next=%2Faccount" {
		t.Errorf("the other browser is still in: %d", p.status)
	}
	list, err = h.Sessions(t.Context(), p.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	if p := one.post("/account/sessions/" + list[0].ID + "/end"); p.to != "/signin" {
		t.Errorf("ending one's own leads to %q", p.to)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	h.person("sato@example.com", "analyst")
	b := h.browser()
	b.signIn("tanaka@example.com", "")
	for _, one := range []struct {
		name   string
		fields []string
		says   string
	}{
		{"no name", []string{"name", "", "days", "30", "scope", "alert.read"}, "The name is empty"},
		{"no permission", []string{"name", "report", "days", "30"}, "A token takes 1 to"},
		{"what one may not do", []string{"name", "report", "days", "30", "scope", "alert.write"}, "you or its owner lack"},
		{"what nobody declares", []string{"name", "report", "days", "30", "scope", webtest.Probe}, "you or its owner lack"},
		{"for ever", []string{"name", "report", "days", "99999", "scope", "alert.read"}, "within a year"},
	} {
		p := b.post("/account/tokens", one.fields...)
		if p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, one.says) || len(webtest.Problems(p.text)) > 0 {
			t.Errorf("%s: %d %q\n%s", one.name, p.status, webtest.Problems(p.text), main(p.text))
		}
	}
	made := b.post("/account/tokens", "name", "report", "days", "30", "scope", "alert.read")
	match := regexp.MustCompile(`ygp_[A-Z2-7]+`).FindString(made.text)
	if made.status != 200 || match == "" {
		t.Fatalf("%d\n%s", made.status, main(made.text))
	}
	list := b.get("/account/tokens").text
	if strings.Contains(list, match) || !strings.Contains(list, "report") {
		t.Error("the list shows the secret, or not the name")
	}
	use := func(path string) int {
		r, _ := http.NewRequest(http.MethodGet, h.address+path, nil)
		r.Header.Set("Authorization", "Bearer "+match)
		return h.browser().send(r).status
	}
	if got := []int{use("/alerts"), use("/account"), use("/account/tokens/new"), use("/account/sessions")}; !slices.Equal(got, []int{200, 200, 403, 403}) {
		t.Errorf("the token opens %v", got)
	}
	id := regexp.MustCompile(`<tr id="t-([0-9a-f-]{36})"`).FindStringSubmatch(list)[1]
	stranger := h.browser()
	stranger.signIn("sato@example.com", "")
	if p := stranger.post("/account/tokens/" + id + "/revoke"); p.status != http.StatusNotFound {
		t.Errorf("another person's token: %d", p.status)
	}
	if p := b.post("/account/tokens/" + id + "/revoke"); p.to != "/account/tokens" || use("/alerts") == 200 {
		t.Errorf("revoking: %d, and it opens %d", p.status, use("/alerts"))
	}
}
