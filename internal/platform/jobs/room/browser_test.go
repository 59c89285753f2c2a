package room_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yagura/internal/platform/jobs"
	"yagura/internal/platform/web/webtest"
)

func openBrowser(t *testing.T) (ctx context.Context, h *house, address string) {
	t.Helper()
	ctx, h = webtest.Browser(t), newHouse(t)
	server := httptest.NewServer(h.Handler())
	t.Cleanup(server.Close)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"))
	return ctx, h, server.URL
}

// TestBrowserCancelling opens a job beside the list by keyboard, and cancels it once the page has said what that means.
func TestBrowserCancelling(t *testing.T) {
	t.Parallel()
	ctx, h, address := openBrowser(t)
	webtest.Do(t, ctx, chromedp.Navigate(address+"/jobs?name=letter.send"))
	webtest.Until(t, ctx, `document.readyState === "complete" && document.querySelectorAll("tr[data-href]").length === 50`)
	if faint := webtest.Faint(t, ctx); len(faint) > 0 {
		t.Errorf("too faint: %q", faint)
	}
	webtest.Do(t, ctx, chromedp.KeyEvent("j\r"))
	webtest.Until(t, ctx, `location.hash && document.querySelector("#panel form[data-confirm] button")`)
	id := webtest.Ask[string](t, ctx, `location.hash.slice(3)`)
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("#panel form[data-confirm] button")))
	webtest.Until(t, ctx, `document.querySelector("dialog[open]")?.textContent.includes("letter.send")`)
	webtest.Do(t, ctx, chromedp.Click(chromedp.CSS("dialog[open] button.danger")))
	for limit := 0; ; limit++ {
		if job, err := h.queue.Get(t.Context(), id); err == nil && job.State == jobs.Cancelled {
			return
		} else if limit > 500 {
			t.Fatalf("%+v, %v", job, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestPictures takes pictures of the pages for people to look at.
func TestPictures(t *testing.T) {
	webtest.NeedPictures(t)
	t.Parallel()
	ctx, h, address := openBrowser(t)
	for _, lang := range []string{"ja", "en"} {
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 390} {
				for name, path := range map[string]string{"waiting": "/jobs", "failed": "/jobs?state=failed", "empty": "/jobs?name=jobs.sweep", "schedules": "/jobs/schedules", "detail": "/jobs/" + h.ids[jobs.Failed]} {
					webtest.Shoot(t, ctx, fmt.Sprintf("job-%s-%s-%s-%d", name, lang, theme, width), width, 800,
						webtest.SetCookie("yagura_lang", lang), webtest.SetCookie("yagura_theme", theme), chromedp.Navigate(address+path))
				}
			}
		}
	}
}
