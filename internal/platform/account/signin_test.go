package account_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"yagura/internal/platform/web/webtest"
)

func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	token, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	first := b.get("/setup?ticket=" + token)
	if first.to != "/setup" || first.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("the ticket stays in the address: %d to %q, %q", first.status, first.to, first.header.Get("Referrer-Policy"))
	}
	if form := b.follow(first); form.status != 200 || strings.Contains(form.text, token) {
		t.Fatalf("the form: %d\n%s", form.status, main(form.text))
	}
	for _, one := range []struct {
		name   string
		fields []string
		says   string
	}{
		{"no address", []string{"name", "A", "email", "nobody", "new", good, "again", good}, "no mail address"},
		{"no name", []string{"name", " ", "email", "a@example.com", "new", good, "again", good}, "The name is empty"},
		{"two passwords", []string{"name", "A", "email", "a@example.com", "new", good, "again", good + "!"}, "The two passwords differ."},
		{"short", []string{"name", "A", "email", "a@example.com", "new", "short", "again", "short"}, "at least 15 characters"},
	} {
		p := b.post("/setup", one.fields...)
		if p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, one.says) || strings.Contains(p.text, good) {
			t.Errorf("%s: %d\n%s", one.name, p.status, main(p.text))
		}
	}
	done := b.post("/setup", "name", "田中 花子", "email", "Hanako@example.com", "new", good, "again", good)
	if done.to != "/account/second-factor" {
		t.Fatalf("%d to %q\n%s", done.status, done.to, main(done.text))
	}
	if p := b.get("/alerts"); p.to != "/account/second-factor?next=%2Falerts" {
		t.Errorf("without a second factor the administrator comes to %d %q", p.status, p.to)
	}
	secret, codes := b.registerApp()
	if p := b.get("/alerts"); p.status != 200 {
		t.Errorf("with it: %d %q", p.status, p.to)
	}
	if p := b.get("/setup?ticket=" + token); b.follow(p).status != http.StatusNotFound {
		t.Error("the setup's link opens twice")
	}

	// Signing out, and in again, with the app, and with a recovery code once.
	if p := b.post("/signout"); p.to != "/signin" {
		t.Errorf("signing out leads to %q", p.to)
	}
	other := h.browser()
	p := other.post("/signin", "name", "hanako@EXAMPLE.com", "password", good, "next", "/alerts")
	if p.to != "/signin/factor?next=%2Falerts" {
		t.Fatalf("%d to %q", p.status, p.to)
	}
	if p := other.post("/signin/factor", "code", "000000", "next", "/alerts"); p.status != http.StatusUnprocessableEntity || value(p.text, "next") != "/alerts" {
		t.Errorf("a wrong code: %d\n%s", p.status, main(p.text))
	}
	code := h.code(secret)
	if p := other.post("/signin/factor", "code", code, "next", "/alerts"); p.to != "/alerts" {
		t.Errorf("a right code: %d to %q\n%s", p.status, p.to, main(p.text))
	}
	third := h.browser()
	third.post("/signin", "name", "hanako@example.com", "password", good)
	if p := third.post("/signin/factor", "code", code); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a replayed code: %d", p.status)
	}
	if p := third.post("/signin/factor", "code", codes[0]); p.to != "/" {
		t.Errorf("a recovery code: %d\n%s", p.status, main(p.text))
	}
	fourth := h.browser()
	fourth.post("/signin", "name", "hanako@example.com", "password", good)
	if p := fourth.post("/signin/factor", "code", codes[0]); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a recovery code twice: %d", p.status)
	}
}

func TestSignInSaysTheSameWhoeverExists(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	var said []string
	for _, name := range []string{"tanaka@example.com", "nobody@example.com"} {
		p := h.browser().post("/signin", "name", name, "password", "a wrong password", "next", "/alerts")
		if p.status != http.StatusUnprocessableEntity || value(p.text, "next") != "/alerts" || strings.Contains(p.text, "a wrong password") {
			t.Errorf("%s: %d\n%s", name, p.status, main(p.text))
		}
		said = append(said, strings.ReplaceAll(p.text, name, "X"))
	}
	if said[0] != said[1] {
		t.Errorf("the pages differ:\n%s\n%s", main(said[0]), main(said[1]))
	}
	said = nil
	for _, email := range []string{"tanaka@example.com", "nobody@example.com"} {
		p := h.browser().post("/reset", "email", email)
		if p.status != http.StatusOK {
			t.Errorf("%s: %d", email, p.status)
		}
		said = append(said, strings.ReplaceAll(p.text, email, "X"))
	}
	if said[0] != said[1] {
		t.Errorf("the answers to a reset differ:\n%s\n%s", main(said[0]), main(said[1]))
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	mine := h.browser()
	mine.signIn("tanaka@example.com", "")
	secret, codes := mine.registerApp()
	h.mu.Lock()
	h.letters = nil
	h.mu.Unlock()

	b := h.browser()
	b.post("/reset", "email", "tanaka@example.com")
	opened := b.get("/reset?ticket=" + h.letter().Token)
	if opened.to != "/reset/password" {
		t.Fatalf("%d to %q", opened.status, opened.to)
	}
	if form := b.follow(opened); form.status != 200 || !strings.Contains(form.text, `name="code"`) {
		t.Fatalf("the form asks for no second factor: %d\n%s", form.status, main(form.text))
	}
	const another = "another battery horse"
	if p := b.post("/reset/password", "new", another, "again", another, "code", "123456"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "The code or the passkey is wrong") {
		t.Errorf("a wrong code: %d\n%s", p.status, main(p.text))
	}
	if p := b.post("/reset/password", "new", another, "again", another, "code", codes[3]); p.to != "/signin" {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
	if p := b.get("/signin"); !strings.Contains(p.text, "The password is set.") {
		t.Error("the sign-in page does not say that the password is set")
	}
	if p := b.get("/reset/password"); p.status != http.StatusNotFound {
		t.Errorf("the link opens twice: %d", p.status)
	}
	if p := mine.get("/account"); p.to != "/signin?next=%2Faccount" {
		t.Errorf("the session outlives the reset: %d %q", p.status, p.to)
	}
	b.post("/signin", "name", "tanaka@example.com", "password", another)
	if p := b.post("/signin/factor", "code", h.code(secret)); p.to != "/" {
		t.Errorf("signing in with the new password: %d", p.status)
	}
}

func TestLinksThatOpenNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	setup, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct{ open, page string }{
		{"/setup?ticket=guess", "/setup"}, {"/invitation?ticket=guess", "/invitation"}, {"/reset?ticket=guess", "/reset/password"},
		{"/invitation?ticket=" + setup, "/invitation"}, {"/reset?ticket=" + setup, "/reset/password"}, // links for something else
		{"/", "/setup"}, {"/", "/invitation"}, {"/", "/reset/password"},
	} {
		b := h.browser()
		b.get(one.open)
		if p := b.get(one.page); p.status != http.StatusNotFound || !strings.Contains(p.text, "The link was used already") {
			t.Errorf("%s: %d\n%s", one.open, p.status, main(p.text))
		}
		if p := b.post(one.page, "new", good, "again", good, "name", "A", "email", "a@example.com"); p.status != http.StatusNotFound {
			t.Errorf("%s, posted: %d", one.open, p.status)
		}
	}
	if p := h.browser().get("/setup?ticket=" + strings.Repeat("A", 5000)); p.status != http.StatusNotFound {
		t.Errorf("a long ticket: %d", p.status)
	}
}

func TestNextLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/signin/confirm", "javascript:alert(1)", webtest.Probe} {
		b := h.browser()
		form := b.get("/signin?next=" + strings.NewReplacer("\\", "%5C", " ", "%20", `"`, "%22", "&", "%26", "<", "%3C", ">", "%3E").Replace(next))
		if value(form.text, "next") != "/" {
			t.Errorf("%s stands in the form", next)
		}
		if p := b.post("/signin", "name", "tanaka@example.com", "password", good, "next", next); p.to != "/" {
			t.Errorf("%s leads to %q", next, p.to)
		}
		if p := b.post("/signin/confirm", "password", good, "next", next); p.to != "/" {
			t.Errorf("%s leads from the confirmation to %q", next, p.to)
		}
	}
	b := h.browser()
	b.post("/signin", "name", "tanaka@example.com", "password", good)
	if p := b.get("/signin?next=/alerts"); p.to != "/alerts" {
		t.Errorf("who is signed in is asked again: %d", p.status)
	}
}

func TestHostileForms(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	for _, one := range []struct {
		path   string
		fields []string
		status int
	}{
		{"/signin", []string{"name", webtest.Probe, "password", webtest.Probe, "next", webtest.Probe}, 422},
		{"/signin", []string{"name", "a\x00b", "password", "\xff\xfe"}, 422},
		{"/signin/passkey", []string{"challenge", "x", "answer", webtest.Probe}, 422},
		{"/signin/passkey", []string{"challenge", "", "answer", "{}"}, 422},
		{"/signin/factor", []string{"code", webtest.Probe}, 422},
		{"/reset", []string{"email", webtest.Probe}, 422},
		{"/signin", []string{"name", strings.Repeat("x", 200<<10)}, 413},
		{"/signin/oidc", nil, 405},
	} {
		p := h.browser().post(one.path, one.fields...)
		if p.status != one.status {
			t.Errorf("%s %.60q: %d, want %d\n%s", one.path, one.fields, p.status, one.status, main(p.text))
		}
		for _, problem := range webtest.Problems(p.text) {
			t.Errorf("%s %.60q: %s", one.path, one.fields, problem)
		}
	}
	b := h.browser()
	for _, header := range []string{"cross-site", "same-site"} {
		r, _ := http.NewRequest(http.MethodPost, h.address+"/signin", strings.NewReader("name=tanaka%40example.com&password="+strings.ReplaceAll(good, " ", "+")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", header)
		if p := b.send(r); p.status != http.StatusForbidden {
			t.Errorf("a %s form signs in: %d", header, p.status)
		}
	}
}

func TestTooManyGuesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	b := h.browser()
	for range 100 {
		p := b.post("/signin", "name", "tanaka@example.com", "password", "a wrong password", "next", "/alerts")
		if p.status == http.StatusUnprocessableEntity {
			continue
		}
		if p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" || !strings.Contains(p.text, "Too many wrong passwords.") || value(p.text, "next") != "/alerts" {
			t.Errorf("%d %v\n%s", p.status, p.header, main(p.text))
		}
		return
	}
	t.Error("a hundred guesses, and nobody slows them down")
}

// TestFieldsOfSecretsSuitPasswordManagers looks at the fields that take secrets: masked, named for managers, nothing kept from being pasted.
func TestFieldsOfSecretsSuitPasswordManagers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	b := h.browser()
	field := regexp.MustCompile(`<input[^>]*\sname="(password|old|new|again)"[^>]*>`)
	seen := 0
	look := func(page string, want map[string]string) {
		for _, m := range field.FindAllStringSubmatch(page, -1) {
			seen++
			if !strings.Contains(m[0], `type="password"`) || !strings.Contains(m[0], `autocomplete="`+want[m[1]]+`"`) || strings.Contains(m[0], "maxlength") || strings.Contains(m[0], "onpaste") || strings.Contains(m[0], "value=") {
				t.Errorf("%s", m[0])
			}
		}
	}
	look(b.get("/signin").text, map[string]string{"password": "current-password"})
	b.signIn("tanaka@example.com", "")
	look(b.get("/account/password").text, map[string]string{"old": "current-password", "new": "new-password", "again": "new-password"})
	if seen != 4 {
		t.Errorf("%d fields of passwords", seen)
	}
}

// TestFieldsInTheAddressAreNone sends a sign-in's name or password in the address, where it would be logged, beside or instead of the form.
func TestFieldsInTheAddressAreNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	address := "/signin?name=tanaka%40example.com&password=" + strings.ReplaceAll(good, " ", "+")
	if p := h.browser().post(address); p.status != http.StatusUnprocessableEntity {
		t.Errorf("what stands in the address signs in: %d", p.status)
	}
	if p := h.browser().post(address, "name", "tanaka@example.com", "name", "other@example.com", "password", "a wrong password", "password", good); p.status != http.StatusUnprocessableEntity {
		t.Errorf("the second of two passwords signs in: %d", p.status)
	}
}

func TestSignOutTakesNobodyElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	one, two := h.browser(), h.browser()
	one.signIn("tanaka@example.com", "")
	two.signIn("tanaka@example.com", "")
	stolen := one.cookies()["yagura_session"]
	if p := one.post("/signout"); !strings.Contains(p.header.Get("Clear-Site-Data"), `"cache"`) {
		t.Errorf("signing out leaves what the browser keeps: %v", p.header)
	}
	if p := one.get("/account"); p.to != "/signin?next=%2Faccount" {
		t.Errorf("signed out, and still in: %d", p.status)
	}
	r, _ := http.NewRequest(http.MethodGet, h.address+"/account", nil)
	r.AddCookie(&http.Cookie{Name: "yagura_session", Value: stolen})
	if p := h.browser().send(r); p.to != "/signin?next=%2Faccount" {
		t.Errorf("the cookie of the session that ended opens: %d", p.status)
	}
	if p := two.get("/account"); p.status != 200 {
		t.Errorf("the other browser: %d", p.status)
	}
}
