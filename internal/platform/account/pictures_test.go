package account_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yagura/internal/platform/account"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/web/webtest"
)

// TestPictures keeps pictures of the pages for people to look at; it does nothing without YAGURA_SCREENSHOTS.
func TestPictures(t *testing.T) {
	t.Parallel()
	webtest.NeedPictures(t)
	h := newHouse(t, func(h *house, opt *account.Options) {
		p, err := oidc.New(oidc.Options{Issuer: "http://127.0.0.1:1/", ClientID: "yagura"})
		if err != nil {
			t.Fatal(err)
		}
		opt.OIDC = &account.OIDC{Provider: p, Issuer: "http://127.0.0.1:1/"}
	})
	setup, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := h.browser()
	first.get("/setup?ticket=" + setup)
	b := h.tab(t)
	shoot := func(name string, cookies map[string]string, path string, more ...webtest.Step) {
		for _, one := range []struct {
			lang, theme string
			width       int64
		}{{"ja", "light", 1280}, {"en", "light", 1280}, {"ja", "dark", 1280}, {"ja", "light", 390}} {
			steps := []webtest.Step{chromedp.Navigate(h.address + "/static/none")}
			for _, name := range []string{"yagura_session", "yagura_signin", "yagura_ticket"} {
				steps = append(steps, webtest.SetCookie(name, cookies[name]))
			}
			steps = append(steps, webtest.SetCookie("yagura_lang", one.lang), webtest.SetCookie("yagura_theme", one.theme),
				webtest.SetCookie("yagura_zone", url.QueryEscape("Asia/Tokyo")), chromedp.Navigate(h.address+path))
			webtest.Shoot(t, b.ctx, fmt.Sprintf("account-%s-%s-%d-%s", name, one.lang, one.width, one.theme), one.width, map[int64]int64{1280: 800, 390: 844}[one.width], append(steps, more...)...)
		}
	}
	shoot("setup", first.cookies(), "/setup")
	admin := h.person("tanaka.hanako@example.co.jp", "admin")
	enrolling := h.browser()
	enrolling.post("/signin", "name", admin.Email, "password", good)
	toEnrol := enrolling.cookies()
	p, err := h.Create(t.Context(), auth.NewPerson{Email: "sato@example.co.jp", Name: "佐藤 健", Roles: []string{"employee"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Invite(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	guest := h.browser()
	guest.get("/invitation?ticket=" + h.letter().Token)
	invited := guest.cookies()

	h.person("suzuki@example.co.jp", "admin")
	mine := h.browser()
	mine.post("/signin", "name", "suzuki@example.co.jp", "password", good)
	mine.registerApp()
	h.registerPasskey(mine, "Chrome · Windows")
	h.registerPasskey(mine, "YubiKey 予備")
	for _, name := range []string{"週次レポート", "SIEM連携"} {
		mine.post("/account/tokens", "name", name, "days", "90", "scope", "alert.read", "scope", "alert.write")
	}
	factor := h.browser()
	factor.post("/signin", "name", "suzuki@example.co.jp", "password", good)
	suzuki, err := h.PersonByEmail(t.Context(), "suzuki@example.co.jp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SendReset(t.Context(), suzuki.ID); err != nil {
		t.Fatal(err)
	}
	reset := h.browser()
	reset.get("/reset?ticket=" + h.letter().Token)

	for _, look := range []struct {
		name    string
		cookies map[string]string
		path    string
		more    []webtest.Step
	}{
		{"signin", nil, "/signin?next=/alerts", nil},
		{"signin-wrong", nil, "/signin", []webtest.Step{chromedp.SendKeys(chromedp.CSS("[name=name]"), "tanaka@example.co.jp\tguess\r"), chromedp.Sleep(700 * time.Millisecond)}},
		{"enrol", toEnrol, "/account/second-factor", nil},
		{"app", toEnrol, "/account/second-factor/app", nil},
		{"passkey", toEnrol, "/account/second-factor/passkey", nil},
		{"invitation", invited, "/invitation", nil},
		{"reset", nil, "/reset", nil},
		{"reset-sent", nil, "/reset", []webtest.Step{chromedp.SendKeys(chromedp.CSS("[name=email]"), "tanaka@example.co.jp\r"), chromedp.Sleep(700 * time.Millisecond)}},
		{"reset-password", reset.cookies(), "/reset/password", nil},
		{"factor", factor.cookies(), "/signin/factor", nil},
		{"confirm", mine.cookies(), "/signin/confirm?next=/account", nil},
		{"account", mine.cookies(), "/account", nil},
		{"password", mine.cookies(), "/account/password", nil},
		{"factors", mine.cookies(), "/account/second-factor", nil},
		{"sessions", mine.cookies(), "/account/sessions", nil},
		{"tokens", mine.cookies(), "/account/tokens", nil},
		{"new-token", mine.cookies(), "/account/tokens/new", nil},
		{"made-token", mine.cookies(), "/account/tokens/new", []webtest.Step{chromedp.SendKeys(chromedp.CSS("main [name=name]"), "x"), chromedp.Click(chromedp.CSS("[name=scope]")), chromedp.Click(chromedp.CSS("main form .primary")), chromedp.Sleep(700 * time.Millisecond)}},
		{"codes", mine.cookies(), "/account/second-factor", []webtest.Step{chromedp.Click(chromedp.CSS(`form[action="/account/second-factor/recovery"] button`)), chromedp.Sleep(300 * time.Millisecond), chromedp.Click(chromedp.CSS("dialog .danger")), chromedp.Sleep(700 * time.Millisecond)}},
	} {
		shoot(look.name, look.cookies, look.path, look.more...)
	}
}
