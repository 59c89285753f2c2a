package web_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yagura/internal/platform/web/webtest"
)

// openSpecimen serves the specimen and opens a browser.
func openSpecimen(t *testing.T) (ctx context.Context, address string) {
	t.Helper()
	ctx = webtest.Browser(t)
	server := httptest.NewServer(newSite(t).Handler())
	t.Cleanup(server.Close)
	return ctx, server.URL
}

// watch collects what the content policy blocks and what scripts throw.
const watch = `window.troubles = [];
addEventListener("securitypolicyviolation", e => troubles.push(e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile));
addEventListener("error", e => troubles.push(e.message)); true`

func TestWorkingByKeyboard(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	press := func(keys string) { t.Helper(); webtest.Do(t, ctx, chromedp.KeyEvent(keys)) }
	see := func(expression string) { t.Helper(); webtest.Until(t, ctx, expression) }

	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(address+"/public"), webtest.SetCookie("visitor", "admin"), chromedp.Navigate(address+"/specimen?a=b"))
	see(`document.readyState === "complete" && location.pathname + location.search === "/specimen?a=b" && !!document.querySelector("#rail")`)

	// The language changes in place and stays.
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS(".languages summary")), chromedp.Click(chromedp.CSS(".languages button[lang=ja]")))
	see(`document.readyState === "complete" && document.documentElement.lang === "ja" && location.search === "?a=b"`)
	webtest.Ask[bool](t, ctx, watch)

	// The search box by both its keys; in it, letters are letters.
	webtest.Do(t, ctx, chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	see(`document.activeElement.id === "q"`)
	press("jx")
	see(`document.activeElement.value === "jx" && !document.querySelector(".cursor")`)
	webtest.Ask[bool](t, ctx, `document.activeElement.blur(), true`)
	press("/")
	see(`document.activeElement.id === "q"`)
	webtest.Ask[bool](t, ctx, `document.activeElement.blur(), true`)

	// The list: down, down, up; the focus goes along.
	press("jjjk")
	see(`document.querySelector(".cursor").id === "r-1" && document.activeElement.closest("tr").id === "r-1"`)
	press("x")
	see(`document.querySelector("#r-1 input").checked && document.querySelector("[data-bulk]").matches(".shown")`)
	press("x")
	see(`!document.querySelector("#r-1 input").checked && !document.querySelector("[data-bulk]").matches(".shown")`)

	// Enter opens the row beside the list, and the address says so; j opens the next; Esc closes and gives the focus back.
	press("\r")
	see(`location.hash === "#r-1" && document.querySelector("#panel h1")?.textContent.includes("Mass download") && !document.querySelector("#panel .columns")`)
	press("j")
	see(`location.hash === "#r-2" && document.querySelector("#panel h1")?.textContent.includes("監査ログの消去")`)
	webtest.Do(t, ctx, chromedp.Reload())
	see(`document.readyState === "complete" && document.querySelector("#panel h1")?.textContent.includes("監査ログの消去")`)
	webtest.Ask[bool](t, ctx, watch)
	press(kb.Escape)
	see(`location.hash === "" && document.querySelector("#side").hidden && document.activeElement.closest("tr").id === "r-2"`)

	// A value's menu: arrows move in it, Esc closes it.
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("#r-3 button.value")))
	see(`document.activeElement.getAttribute("role") === "menuitem" && document.activeElement.getAttribute("href") === "/search?q=host.name%3A%3D%22pc-0415%22"`)
	press(kb.ArrowDown)
	see(`document.activeElement === document.querySelectorAll(".value-menu [role=menuitem]")[1]`)
	press(kb.Escape)
	see(`!document.querySelector(".value-menu") && document.activeElement.matches("#r-3 button.value")`)

	// A dangerous form asks first, and for a word; saying no does nothing.
	webtest.Ask[bool](t, ctx, `document.querySelector("#r-3 input").click(), true`)
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("[data-bulk] .danger")))
	see(`document.querySelector("dialog[open] .danger").disabled && document.activeElement.matches("dialog input")`)
	press(kb.Escape)
	see(`!document.querySelector("dialog")`)
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("[data-bulk] .danger")))
	see(`document.activeElement.matches("dialog input")`)
	press("close")
	see(`!document.querySelector("dialog[open] .danger").disabled`)
	if troubles := webtest.Ask[[]string](t, ctx, `troubles`); len(troubles) > 0 {
		t.Errorf("the page had troubles: %q", troubles)
	}
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("dialog .danger")))
	see(`document.readyState === "complete" && document.querySelector(".flash")?.textContent.includes("変更しました。")`)
}

// TestTheSearchBoxByKeyboard goes everywhere without a pointer.
func TestTheSearchBoxByKeyboard(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	press := func(keys string) { t.Helper(); webtest.Do(t, ctx, chromedp.KeyEvent(keys)) }
	see := func(expression string) { t.Helper(); webtest.Until(t, ctx, expression) }
	start := func() {
		t.Helper()
		webtest.Do(t, ctx, chromedp.Navigate(address+"/specimen"))
		see(`document.readyState === "complete" && document.querySelector("#q").getAttribute("role") === "combobox"`)
		webtest.Ask[bool](t, ctx, watch)
		webtest.Do(t, ctx, chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
		see(`document.activeElement.id === "q" && document.activeElement.getAttribute("aria-expanded") === "true"`)
	}
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(address+"/public"), webtest.SetCookie("visitor", "admin"), webtest.SetCookie("yagura_lang", "ja"))
	const chosen = `document.getElementById(document.querySelector("#q").getAttribute("aria-activedescendant"))`

	// Empty, it offers the pages, and none of them is chosen yet; arrows go round.
	start()
	see(`document.querySelectorAll("#found [role=option]").length === 4 && !document.querySelector("#found [aria-selected=true]")`)
	press(kb.ArrowUp)
	see(chosen + `?.getAttribute("href") === "/specimen/settings"`)
	press(kb.ArrowDown)
	see(chosen + `?.getAttribute("href") === "/home"`)

	// Words choose the best at once; Enter opens what is chosen.
	press("監査ログ")
	see(chosen + `?.textContent.includes("監査ログの消去") && document.querySelectorAll("#found [aria-selected=true]").length === 1`)
	see(`document.querySelector("#say").textContent.startsWith(document.querySelectorAll("#found [role=option]").length)`)
	press(kb.ArrowDown)
	press(kb.ArrowUp)
	if troubles := webtest.Ask[[]string](t, ctx, `troubles`); len(troubles) > 0 {
		t.Errorf("the page had troubles: %q", troubles)
	}
	press("\r")
	see(`document.readyState === "complete" && location.pathname === "/specimen/2"`)

	// Who is faster than the list comes to the same place.
	start()
	webtest.Do(t, ctx, chromedp.KeyEvent("overv\r"))
	see(`document.readyState === "complete" && location.pathname === "/home"`)

	// The last entry searches the events; Esc closes the list, then empties the box, then leaves it.
	start()
	press("監査")
	see(chosen + `?.textContent.includes("監査ログの消去")`)
	press(kb.ArrowUp)
	see(chosen + `?.getAttribute("href") === "/search?q=%E7%9B%A3%E6%9F%BB"`)
	press(kb.Escape)
	see(`document.querySelector("#found").hidden && document.querySelector("#q").value === "監査" && document.querySelector("#q").getAttribute("aria-expanded") === "false"`)
	press(kb.Escape)
	see(`document.querySelector("#q").value === "" && document.activeElement.id === "q"`)
	press(kb.Escape)
	see(`document.activeElement === document.body`)

	// Help, by its key: what the keys do, and the documents; Esc closes it.
	press("?")
	see(`document.querySelector("dialog[open] a[href='/help/search']") && document.querySelector("dialog[open] kbd")`)
	press(kb.Escape)
	see(`!document.querySelector("dialog")`)
}

func TestFiltersJoinTheSearch(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(address+"/public"), webtest.SetCookie("visitor", "admin"))
	for query, want := range map[string]string{
		"":                             `host.name:="pc-0412"`,
		" * ":                          `host.name:="pc-0412"`,
		"powershell":                   `powershell host.name:="pc-0412"`,
		"a or b":                       `(a or b) host.name:="pc-0412"`,
		"a | stats count() by (x)":     `a host.name:="pc-0412" | stats count() by (x)`,
		`"a | b" | limit 3`:            `"a | b" host.name:="pc-0412" | limit 3`,
		"`a | b\\` | limit 3":          "`a | b\\` host.name:=\"pc-0412\" | limit 3",
		`"a \" | b" | limit 3`:         `"a \" | b" host.name:="pc-0412" | limit 3`,
		"x:in(y | fields x) | limit 3": `x:in(y | fields x) host.name:="pc-0412" | limit 3`,
		"* | limit 3":                  `host.name:="pc-0412" | limit 3`,
		`"open | a`:                    `"open | a host.name:="pc-0412"`,
		"a # b | c":                    "a # b | c\n" + `host.name:="pc-0412"`,
		"a or b # c\n| limit 3":        "(a or b # c\n)\n" + `host.name:="pc-0412" | limit 3`,
	} {
		webtest.Do(t, ctx, chromedp.Navigate(address+"/search?since=7d&q="+url.QueryEscape(query)), chromedp.Click(chromedp.CSS("#r-0 button.value")))
		webtest.Until(t, ctx, `!!document.querySelector(".value-menu")`)
		links := webtest.Ask[[]string](t, ctx, `[...document.querySelectorAll(".value-menu a")].map(a => new URL(a.href).searchParams.get("q"))`)
		if len(links) != 4 || links[1] != want || links[2] != strings.Replace(want, "host.name", "!host.name", 1) {
			t.Errorf("%q: %q, want %q", query, links, want)
		}
		if since := webtest.Ask[string](t, ctx, `new URL(document.querySelectorAll(".value-menu a")[1].href).searchParams.get("since")`); since != "7d" {
			t.Errorf("%q: the range became %q", query, since)
		}
	}
	// What is of another time is searched for in that time.
	webtest.Do(t, ctx, chromedp.Navigate(address+"/specimen/0?since=7d"), chromedp.Click(chromedp.CSS("[data-start] button.value")))
	webtest.Until(t, ctx, `document.querySelector(".value-menu a")?.search === "?q=user.name%3A%3D%22tanaka.h%22&start=2026-11-22T09%3A00%3A00Z&end=2026-11-22T11%3A00%3A00Z"`)
}

func TestBrushingAHistogramNarrowsTheTime(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(address+"/public"), webtest.SetCookie("visitor", "admin"), chromedp.Navigate(address+"/specimen"))
	webtest.Until(t, ctx, `document.querySelector(".u-over")?.getBoundingClientRect().width > 800`)
	box := webtest.Ask[map[string]float64](t, ctx, `document.querySelector(".u-over").getBoundingClientRect().toJSON()`)
	x, y := box["left"]+box["width"]/4, box["top"]+20
	webtest.Do(t, ctx,
		chromedp.MouseEvent(chromedp.MouseMoved, x, y),
		chromedp.MouseEvent(chromedp.MousePressed, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(chromedp.MouseMoved, x+50, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseMoved, x+100, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, x+100, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	webtest.Until(t, ctx, `new URLSearchParams(location.search).has("start") && !new URLSearchParams(location.search).has("since")`)
	// 100 of about 985 points are a tenth of the day, rounded out to steps of a quarter of an hour.
	hours := webtest.Ask[float64](t, ctx, `(q => (Date.parse(q.get("end")) - Date.parse(q.get("start"))) / 3600000)(new URLSearchParams(location.search))`)
	if hours < 2 || hours > 3 {
		t.Errorf("the brushed range is %v hours long", hours)
	}
}

// TestPagesCanBeRead looks at contrast in both themes, and for a page that is wider than a small screen.
func TestPagesCanBeRead(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	webtest.Do(t, ctx, chromedp.Navigate(address+"/public"))
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			for _, path := range []string{"/public", "/home", "/design?lang=ja", "/design?lang=en", "/find?q=o", "/specimen", "/specimen/0", "/specimen/2", "/nothing"} {
				visitor := map[bool]string{true: "", false: "admin"}[path == "/public"]
				webtest.Do(t, ctx, chromedp.EmulateViewport(width, 844), webtest.SetCookie("visitor", visitor), webtest.SetCookie("yagura_theme", theme), chromedp.Navigate(address+path))
				for _, text := range webtest.Faint(t, ctx) {
					t.Errorf("%s, %s: contrast %s", path, theme, text)
				}
				if wide := webtest.Ask[int64](t, ctx, `document.documentElement.scrollWidth`); wide > width {
					t.Errorf("%s is %d wide on a screen of %d", path, wide, width)
				}
			}
		}
	}
}

// TestOnPaperStandsWhatIsRead leaves out what only a screen needs.
func TestOnPaperStandsWhatIsRead(t *testing.T) {
	t.Parallel()
	ctx, address := openSpecimen(t)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(address+"/public"), webtest.SetCookie("visitor", "admin"), webtest.SetCookie("yagura_theme", "dark"), chromedp.Navigate(address+"/specimen"))
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}
	webtest.Until(t, ctx, `matchMedia("print").matches`)
	for _, gone := range []string{".rail", ".top", ".filters", ".page-head .actions", ".pager", "td.check"} {
		if webtest.Ask[bool](t, ctx, `document.querySelector("`+gone+`").offsetParent !== null`) {
			t.Errorf("%s is printed", gone)
		}
	}
	webtest.Until(t, ctx, `getComputedStyle(document.querySelector(".list thead")).display === "table-header-group" && getComputedStyle(document.body).color === "rgb(0, 0, 0)"`)
	webtest.Until(t, ctx, `getComputedStyle(document.querySelector("td time.ago"), "::after").content.includes("20")`) // the exact time
}

// TestPictures keeps pictures of the specimen for people to look at; it does nothing without YAGURA_SCREENSHOTS.
func TestPictures(t *testing.T) {
	t.Parallel()
	webtest.NeedPictures(t)
	site := newSite(t)
	ctx := webtest.Browser(t)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	for _, look := range []struct {
		name    string
		visitor webtest.Visitor
		path    string
		more    []webtest.Step
	}{
		{"bare", webtest.Guest, "/public", nil},
		{"list", webtest.Admin, "/specimen", nil},
		{"detail", webtest.Admin, "/specimen/0", nil},
		{"error", webtest.Admin, "/nothing", nil},
		{"home", webtest.Admin, "/home", nil},
		{"home-employee", webtest.Nobody, "/home", nil},
		{"find", webtest.Admin, "/find?q=ログ", nil},
		{"palette", webtest.Admin, "/specimen", []webtest.Step{chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent("ログ"), chromedp.Sleep(600 * time.Millisecond)}},
		{"design", webtest.Admin, "/design", nil},
		{"help", webtest.Admin, "/specimen", []webtest.Step{chromedp.KeyEvent("?")}},
		{"panel", webtest.Admin, "/specimen#r-3", nil},
		{"menu", webtest.Admin, "/specimen", []webtest.Step{chromedp.Click(chromedp.CSS("#r-2 button.value"))}},
		{"range", webtest.Admin, "/specimen", []webtest.Step{chromedp.Click(chromedp.CSS(".range summary"))}},
		{"chosen", webtest.Admin, "/specimen", []webtest.Step{chromedp.KeyEvent("jxjjx")}},
	} {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 390} {
				for _, theme := range []string{"light", "dark"} {
					if lang == "en" && theme == "dark" || width == 390 && (look.name == "panel" || look.name == "chosen" || lang == "en") {
						continue
					}
					name := fmt.Sprintf("%s-%s-%d-%s", look.name, lang, width, theme)
					height := map[int64]int64{1280: 800, 390: 844}[width]
					steps := []webtest.Step{
						chromedp.Navigate(server.URL + "/static/none"),
						webtest.SetCookie("visitor", string(look.visitor)), webtest.SetCookie("yagura_lang", lang),
						webtest.SetCookie("yagura_theme", theme), webtest.SetCookie("yagura_zone", "Asia%2FTokyo"),
						chromedp.Navigate(server.URL + look.path),
					}
					webtest.Shoot(t, ctx, name, width, height, append(steps, look.more...)...)
				}
			}
		}
	}
}
