package alert_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/web/webtest"
)

// openBrowser shows the alerts to the administrator.
func openBrowser(t *testing.T) (ctx context.Context, r *room, address string) {
	t.Helper()
	ctx = webtest.Browser(t)
	r = newRoom(t)
	r.fill(t)
	server := httptest.NewServer(r.Handler())
	t.Cleanup(server.Close)
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"))
	return ctx, r, server.URL
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// until waits for an expression to become true.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for range 400 {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if done {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", expression)
}

// TestTriageByKeyboard works through alerts without a mouse: look, select two, close them, and see the list go on.
func TestTriageByKeyboard(t *testing.T) {
	t.Parallel()
	ctx, r, address := openBrowser(t)
	before := len(list(t, t.Context(), r.store, "state=new"))
	do(t, ctx, chromedp.Navigate(address+"/alerts"))
	until(t, ctx, `document.readyState === "complete" && document.querySelectorAll("tr[data-href]").length > 5`)
	do(t, ctx, chromedp.KeyEvent("jj\r"))
	until(t, ctx, `location.hash && document.querySelector("#panel h1") && document.querySelectorAll("#panel .value").length > 5`)
	do(t, ctx, chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("xjx"))
	until(t, ctx, `document.querySelector("[data-bulk]").matches(".shown") && document.querySelectorAll("tbody input:checked").length === 2`)
	do(t, ctx, chromedp.Click(chromedp.CSS(`[data-bulk] button[value="move:close"]`)))
	until(t, ctx, `document.readyState === "complete" && document.querySelector("#f-verdict")`)
	// Closing without a verdict is held back by the browser.
	do(t, ctx, chromedp.Click(chromedp.CSS(`form.card button.primary`)))
	until(t, ctx, `document.querySelector("#f-verdict:invalid")`)
	do(t, ctx, chromedp.Focus(chromedp.CSS(`#f-verdict`)), chromedp.KeyEvent(kb.ArrowDown+kb.ArrowDown), chromedp.Click(chromedp.CSS(`form.card button.primary`)))
	until(t, ctx, `document.readyState === "complete" && document.querySelector(".flash")?.textContent.includes("2")`)
	closed := list(t, t.Context(), r.store, "state=closed")
	if len(closed) != 2 || closed[0].Verdict != alert.BenignTruePositive {
		t.Errorf("%d were closed: %+v", len(closed), closed)
	}
	if after := len(list(t, t.Context(), r.store, "state=new")); after != before-2 {
		t.Errorf("%d are new, want %d", after, before-2)
	}
}

// TestPictures takes pictures of the pages for people to look at.
func TestPictures(t *testing.T) {
	webtest.NeedPictures(t)
	t.Parallel()
	ctx, r, address := openBrowser(t)
	detail := "/alerts/" + r.id(t, "rule="+encodedID)
	for _, lang := range []string{"ja", "en"} {
		for _, theme := range []string{"light", "dark"} {
			for name, width := range map[string]int64{"wide": 1280, "phone": 390} {
				if lang == "en" && theme == "dark" && width < 600 {
					continue
				}
				suffix := "-" + lang + "-" + theme + "-" + name
				prefs := []chromedp.Action[chromedp.Void]{webtest.SetCookie("yagura_lang", lang), webtest.SetCookie("yagura_theme", theme)}
				webtest.Shoot(t, ctx, "alert-list"+suffix, width, 900, append(prefs, chromedp.Navigate(address+"/alerts"))...)
				webtest.Shoot(t, ctx, "alert-detail"+suffix, width, 1600, chromedp.Navigate(address+detail))
			}
			webtest.Shoot(t, ctx, "alert-all-"+lang+"-"+theme, 1280, 900, chromedp.Navigate(address+"/alerts?view=all&entity=tanaka.h&sort=-severity"))
			webtest.Shoot(t, ctx, "alert-panel-"+lang+"-"+theme, 1440, 900, chromedp.Navigate(address+"/alerts"), chromedp.KeyEvent("jx"), chromedp.KeyEvent("\r"), chromedp.Sleep(800*time.Millisecond))
		}
	}
}
