package account_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/oidc/oidctest"
	"yagura/internal/platform/web/webtest"
)

// tab is a browser that a person works in: what it does is what they see and press.
type tab struct {
	h   *house
	t   *testing.T
	ctx context.Context
}

func (h *house) tab(t *testing.T) *tab {
	t.Helper()
	b := &tab{h: h, t: t, ctx: webtest.Browser(t)}
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(h.address+"/static/none"), webtest.SetCookie("yagura_lang", "en"))
	return b
}

func (b *tab) do(steps ...webtest.Step) { b.t.Helper(); webtest.Do(b.t, b.ctx, steps...) }

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.h.address + path)) }

func (b *tab) see(expression string) { b.t.Helper(); webtest.Until(b.t, b.ctx, expression) }

// at waits for a page to have come, by its path.
func (b *tab) at(path string) {
	b.t.Helper()
	b.see(`document.readyState === "complete" && location.pathname + location.search === "` + path + `"`)
}

// fill types into fields of the page's form, by name, and sends it with Enter.
func (b *tab) fill(fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		field := "main [name=" + fields[i] + "]"
		b.see(`document.readyState === "complete" && document.querySelector("` + field + `")`)
		webtest.Ask[bool](b.t, b.ctx, `document.querySelector("`+field+`").value = "", true`)
		b.do(chromedp.SendKeys(chromedp.CSS(field), fields[i+1]))
	}
	b.do(chromedp.KeyEvent("\r"))
}

func (b *tab) press(selector string) { b.t.Helper(); b.do(chromedp.Click(chromedp.CSS(selector))) }

func (b *tab) text(selector string) string {
	b.t.Helper()
	return webtest.Ask[string](b.t, b.ctx, `document.querySelector("`+selector+`").textContent`)
}

// authenticator gives the tab a device that holds passkeys and knows its owner.
func (b *tab) authenticator() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}); err != nil {
		b.t.Fatal(err)
	}
}

func TestBrowserFromTheSetupLinkToTheFirstPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	token, err := h.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := h.tab(t)
	b.open("/setup?ticket=" + token)
	b.at("/setup")
	if strings.Contains(webtest.Ask[string](t, b.ctx, `document.documentElement.outerHTML + document.referrer + JSON.stringify(history.state)`), token) {
		t.Error("the ticket can be read in the page")
	}
	b.fill("name", "田中 花子", "email", "hanako@example.com", "new", good, "again", good)
	b.at("/account/second-factor")
	b.press(`main a[href^="/account/second-factor/app"]`)
	b.at("/account/second-factor/app")
	b.see(`document.querySelector("svg.qr").getBoundingClientRect().width > 150`)
	b.press("main details summary")
	secret := b.text("code.secret")
	b.fill("code", h.code(secret))
	b.see(`document.querySelectorAll(".code-list li").length === 10`)
	recovery := b.text(".code-list li:nth-child(2)")
	b.press("main > .actions a.primary")
	b.at("/account/second-factor")
	b.open("/alerts")
	b.see(`document.querySelector("h1").textContent === "alerts of hanako@example.com"`)

	// Out by the menu, and in again with the app; once more with a recovery code. The language of the gate is the browser's; behind it, it is the person's.
	h.advance(30 * time.Second)
	b.open("/account")
	b.press(`.top details.menu:last-of-type summary`)
	b.press(`form[action="/signout"] button`)
	b.at("/signin")
	b.open("/alerts")
	b.at("/signin?next=%2Falerts")
	b.press(`.gate-languages button[lang=ja]`)
	b.see(`document.readyState === "complete" && document.documentElement.lang === "ja" && location.search === "?next=%2Falerts"`)
	b.fill("name", "hanako@example.com", "password", good)
	b.at("/signin/factor?next=%2Falerts")
	b.fill("code", "000000")
	b.see(`document.readyState === "complete" && document.querySelector(".error")?.textContent.includes("正しくない")`)
	b.fill("code", h.code(secret))
	b.at("/alerts")

	b.open("/account")
	b.see(`document.documentElement.lang === "en"`)
	b.press(`.languages summary`)
	b.press(`.languages button[lang=ja]`)
	b.see(`document.readyState === "complete" && document.documentElement.lang === "ja"`)
	b.press(`.top details.menu:last-of-type summary`)
	b.press(`form[action="/signout"] button`)
	b.at("/signin")
	b.fill("name", "hanako@example.com", "password", good)
	b.at("/signin/factor")
	b.fill("code", recovery)
	b.see(`document.readyState === "complete" && location.pathname === "/home"`)
}

func TestBrowserWithAPasskey(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "admin")
	b := h.tab(t)
	b.authenticator()
	b.open("/alerts")
	b.fill("name", "tanaka@example.com", "password", good)
	b.at("/account/second-factor?next=%2Falerts") // an administrator without a second factor
	b.press(`main a[href^="/account/second-factor/passkey"]`)
	b.see(`document.readyState === "complete" && document.querySelector("[name=name]")?.value.startsWith("Chrome")`)
	b.press("[data-passkey-do]")
	b.see(`document.querySelectorAll(".code-list li").length === 10`)
	b.open("/account/second-factor")
	b.see(`document.querySelector("td.main a")`)

	// A second one for the same account on the same device is refused there, in words.
	b.open("/account/second-factor/passkey")
	b.press("[data-passkey-do]")
	b.see(`document.querySelector("[data-passkey-error]").textContent.includes("holds a passkey for this account already")`)

	// In again without a name: the name field offers the passkey by itself, and this device's owner always agrees.
	b.open("/account")
	b.press(`.top details.menu:last-of-type summary`)
	b.press(`form[action="/signout"] button`)
	b.at("/home")
	b.open("/account/sessions")
	b.see(`document.querySelector("tr[id^=s-]:has(.pill-new)")?.textContent.includes("passkey")`)

	// And as the fresh proof that dangerous things ask for.
	h.advance(11 * time.Minute)
	b.open("/account/tokens/new")
	b.see(`location.pathname === "/signin/confirm" && document.querySelector("[data-passkey-do]")?.hidden === false`)
	b.press("[data-passkey-do]")
	b.at("/account/tokens/new")
}

func TestBrowserWithTheCompanysSignOn(t *testing.T) {
	t.Parallel()
	h, _ := signOn(t, []string{"CSIRT=analyst"}, nil, auth.ExternalPolicy{Create: true})
	b := h.tab(t)
	b.open("/alerts")
	b.see(`document.querySelector('a[href^="/signin/oidc/start"]')?.textContent.includes("Sign in with Example ID")`)
	b.press(`a[href^="/signin/oidc/start"]`)
	b.see(`document.readyState === "complete" && location.origin !== "` + h.address + `" && document.querySelector("[name=username]")`)
	b.do(chromedp.SendKeys(chromedp.CSS("[name=username]"), "tanaka"), chromedp.SendKeys(chromedp.CSS("[name=password]"), oidctest.Password), chromedp.KeyEvent("\r"))
	b.see(`document.readyState === "complete" && location.pathname === "/alerts" && document.querySelector("h1")?.textContent.startsWith("alerts of tanaka")`)
	b.open("/account")
	b.see(`document.querySelector("main").textContent.includes("by single sign-on")`)
}

func TestBrowserIsRefusedAPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("sato@example.com", "employee")
	b := h.tab(t)
	b.open("/alerts")
	b.fill("name", "sato@example.com", "password", good)
	b.see(`document.readyState === "complete" && document.querySelector(".failure")?.textContent.includes("403")`)
	if b.text("title") == "" || webtest.Ask[int](t, b.ctx, `document.querySelectorAll('.rail a[href="/alerts"]').length`) != 0 {
		t.Error("the rail shows what does not open")
	}
}

func TestBrowserWhoseSessionIsEndedElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	here := h.tab(t)
	other, leave := chromedp.NewContext(here.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	there := &tab{h: h, t: t, ctx: other} // cookies of its own, as another computer has
	there.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(h.address+"/static/none"), webtest.SetCookie("yagura_lang", "en"))
	for _, b := range []*tab{here, there} {
		b.open("/alerts")
		b.fill("name", "tanaka@example.com", "password", good)
		b.at("/alerts")
	}
	here.open("/account/sessions")
	here.see(`document.querySelectorAll("tr[id^=s-]").length === 3`)
	here.press(`form[action="/account/sessions/end"] button`)
	here.see(`document.querySelector("dialog[open] .danger")`)
	here.press("dialog .danger")
	here.see(`document.readyState === "complete" && document.querySelectorAll("tr[id^=s-]").length === 1`)
	there.open("/alerts")
	there.at("/signin?next=%2Falerts")
	here.open("/alerts")
	here.at("/alerts")
}

// watch collects what the content policy blocks and what scripts throw.
const watch = `window.troubles = [];
addEventListener("securitypolicyviolation", e => troubles.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile));
addEventListener("error", e => troubles.push(e.message)); true`

func TestBrowserByKeyboardOnASmallScreen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	b := h.tab(t)
	b.do(chromedp.EmulateViewport(390, 844))
	b.open("/signin")
	webtest.Ask[bool](t, b.ctx, watch)
	b.see(`document.activeElement.name === "name"`)
	b.do(chromedp.KeyEvent("tanaka@example.com\t" + good + "\r"))
	b.at("/home")
	for _, path := range []string{"/home", "/reset", "/account", "/preferences", "/account/password", "/account/second-factor", "/account/second-factor/app", "/account/second-factor/passkey", "/account/sessions", "/account/tokens", "/account/tokens/new", "/signin/confirm"} {
		b.open(path)
		b.see(`document.readyState === "complete" && document.querySelector("main h1")`)
		for _, text := range webtest.Faint(t, b.ctx) {
			t.Errorf("%s: contrast %s", path, text)
		}
		if wide := webtest.Ask[int64](t, b.ctx, `document.documentElement.scrollWidth`); wide > 390 {
			t.Errorf("%s is %d wide on a screen of 390", path, wide)
		}
	}
	if troubles := webtest.Ask[[]string](t, b.ctx, `window.troubles || []`); len(troubles) > 0 {
		t.Errorf("the page had troubles: %q", troubles)
	}
}

// TestBrowserPreferencesFollowAPerson chooses in one browser and looks in another.
func TestBrowserPreferencesFollowAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "analyst")
	here, there := h.tab(t), h.tab(t)
	for _, b := range []*tab{here, there} {
		b.open("/signin?next=%2Fpreferences")
		b.fill("name", "tanaka@example.com", "password", good)
		b.at("/preferences")
		b.see(`document.documentElement.lang === "en" && !document.documentElement.dataset.theme`)
	}
	here.see(`document.querySelectorAll("#zones option").length > 100`) // the zones to search in
	for field, value := range map[string]string{"lang": "ja", "zone": "Asia/Tokyo", "theme": "dark", "density": "compact", "start": "/alerts", "dates": "era"} {
		webtest.Ask[bool](t, here.ctx, `document.querySelector("#f-`+field+`").value = "`+value+`", true`)
	}
	here.press("main form .primary")
	here.see(`document.readyState === "complete" && document.querySelector(".flash")?.textContent.includes("保存しました")`)

	there.open("/account")
	there.see(`document.documentElement.lang === "ja" && document.documentElement.dataset.theme === "dark" && document.documentElement.dataset.density === "compact"`)
	there.see(`document.querySelector("main time").textContent.startsWith("令和") && document.querySelector("main time").title.includes("JST")`)
	there.open("/")
	there.at("/alerts")

	// What is no zone is refused with a word why.
	there.open("/preferences")
	there.fill("zone", "Asia/Edo")
	there.see(`document.readyState === "complete" && document.querySelector(".failure")`)

	// The rail folds at once, and stays folded elsewhere.
	here.press(".rail-fold button")
	here.see(`document.documentElement.dataset.rail === "narrow" && document.querySelector("#rail").offsetWidth < 60`)
	for range 100 {
		there.open("/home")
		if webtest.Ask[bool](t, there.ctx, `document.documentElement.dataset.rail === "narrow"`) {
			break
		}
	}
	there.see(`document.documentElement.dataset.rail === "narrow"`)
	there.do(chromedp.Focus(chromedp.CSS(`.rail a[href="/alerts"]`)))
	there.see(`getComputedStyle(document.activeElement.closest("ul")).opacity === "1"`)
}
