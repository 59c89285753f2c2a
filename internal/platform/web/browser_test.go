package web_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"yagura/internal/platform/web/webtest"
)

// TestPictures keeps pictures of the specimen for people to look at; it does nothing without YAGURA_SCREENSHOTS.
func TestPictures(t *testing.T) {
	t.Parallel()
	webtest.NeedPictures(t)
	site := newSite(t)
	ctx := webtest.Browser(t)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	type step = chromedp.Action[chromedp.Void]
	for _, look := range []struct {
		name    string
		visitor webtest.Visitor
		path    string
		more    []step
	}{
		{"signin", webtest.Guest, "/signin", nil},
		{"list", webtest.Admin, "/specimen", nil},
		{"detail", webtest.Admin, "/specimen/0", nil},
		{"error", webtest.Admin, "/nothing", nil},
		{"panel", webtest.Admin, "/specimen#r-3", nil},
		{"menu", webtest.Admin, "/specimen", []step{chromedp.Click(chromedp.CSS("#r-2 button.value"))}},
		{"range", webtest.Admin, "/specimen", []step{chromedp.Click(chromedp.CSS(".range summary"))}},
		{"chosen", webtest.Admin, "/specimen", []step{chromedp.KeyEvent("jxjjx")}},
	} {
		for _, lang := range []string{"ja", "en"} {
			for _, width := range []int64{1280, 390} {
				for _, theme := range []string{"light", "dark"} {
					if lang == "en" && theme == "dark" || width == 390 && (look.name == "panel" || look.name == "chosen" || lang == "en") {
						continue
					}
					name := fmt.Sprintf("%s-%s-%d-%s", look.name, lang, width, theme)
					height := map[int64]int64{1280: 800, 390: 844}[width]
					steps := []step{
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
