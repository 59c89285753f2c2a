package room_test

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"yagura/internal/platform/notify"
	"yagura/internal/platform/web/webtest"
)

// TestTheBellCountsWithoutAReload, and the pages can be read by everybody. With YAGURA_SCREENSHOTS it keeps pictures of them.
func TestTheBellCountsWithoutAReload(t *testing.T) {
	t.Parallel()
	ctx := webtest.Browser(t)
	p := open(t)
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	p.post(200, "/notifications/targets", "name", "#csirt", "kind", "webhook", "lang", "ja", "zone", "Asia/Tokyo", "address", "https://hooks.example.com/x")
	target := idIn(t, p.get(webtest.Admin, "/notifications/targets"), "t")
	p.post(303, "/notifications/rules", "name", "高以上のアラート", "enabled", "1", "severity", "high", "topic", "alert.opened",
		"field", "title", "op", "contains", "phrase", "PowerShell", "role", "admin", "target", target, "do", "save")
	rule := idIn(t, p.get(webtest.Admin, "/notifications/rules"), "r")
	p.post(303, "/notifications/escalation/alert.opened", "version", "0", "after", "15", "s0-role", "admin")
	p.send(opened("1", "PowerShellによる暗号化コマンドの実行", notify.Critical), opened("2", "Suspicious sign-in from a new country", notify.High))

	webtest.Do(t, ctx, chromedp.Navigate(server.URL+"/"), webtest.SetCookie("visitor", string(webtest.Admin)), chromedp.Navigate(server.URL+"/notifications"))
	webtest.Until(t, ctx, `document.querySelector(".bell-badge [aria-hidden]")?.textContent === "2"`)
	p.send(opened("3", "Mimikatz", notify.Medium))
	webtest.Ask[bool](t, ctx, `(htmx.ajax("GET", "/notifications/count", {source: document.getElementById("bell-count"), target: "#bell-count", swap: "innerHTML"}), true)`)
	webtest.Until(t, ctx, `document.querySelector(".bell-badge [aria-hidden]")?.textContent === "3"`)
	if got := webtest.Ask[string](t, ctx, `document.getElementById("bell-count").getAttribute("hx-trigger")`); got != "every 30s" {
		t.Errorf("the bell asks %q", got)
	}
	for _, page := range []struct{ name, path string }{
		{"list", "/notifications"}, {"preferences", "/notifications/preferences"}, {"rules", "/notifications/rules"}, {"rule", "/notifications/rules/" + rule},
		{"targets", "/notifications/targets"}, {"target", "/notifications/targets/" + target}, {"chain", "/notifications/escalation/alert.opened"}, {"deliveries", "/notifications/deliveries?state=waiting"},
	} {
		for _, look := range []struct {
			lang, theme   string
			width, height int64
		}{{"ja", "light", 1280, 800}, {"en", "dark", 1280, 800}, {"ja", "dark", 390, 844}, {"en", "light", 390, 844}} {
			webtest.Do(t, ctx, webtest.SetCookie("yagura_lang", look.lang), webtest.SetCookie("yagura_theme", look.theme), chromedp.Navigate(server.URL+page.path))
			if look.width > 1000 {
				for _, faint := range webtest.Faint(t, ctx) {
					t.Errorf("%s %s: too faint: %s", page.name, look.theme, faint)
				}
			}
			webtest.Shoot(t, ctx, page.name+"-"+look.lang+"-"+look.theme, look.width, look.height, chromedp.Navigate(server.URL+page.path))
		}
	}
}
