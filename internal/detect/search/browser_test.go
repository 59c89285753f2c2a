package search_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/platform/spool"
	"yagura/internal/platform/web/webtest"
)

// liveRoom is a room behind a real pipeline; send puts a line of JSON into it.
func liveRoom(t *testing.T) (r *room, send func(json string)) {
	t.Helper()
	store, dir := openRealStore(t), t.TempDir()
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(t.Context(), pipeline.Options{
		Spool: s, Store: pipeline.LogStore(store), CursorFile: filepath.Join(dir, "cursor"),
		Normaliser: func() pipeline.Normaliser { return normalise.New(tax) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return newRoomOn(t, store, p.Tail()), func(json string) {
		t.Helper()
		b := &intake.Batch{Input: "api", Source: "test", Format: intake.JSON, Received: time.Now(), Items: []intake.Item{{Data: []byte(json)}}}
		if err := p.Accept(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLiveTailShowsWhatMatchesAndNothingElse(t *testing.T) {
	t.Parallel()
	r, send := liveRoom(t)
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	open := func(query string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/search/tail?q="+url.QueryEscape(query), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Test-Visitor", string(webtest.Reader))
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	wrong := open("* | stats count()")
	wrong.Body.Close()
	if wrong.StatusCode != http.StatusBadRequest {
		t.Errorf("a table is followed: %s", wrong.Status)
	}
	answer := open(`user:=root or message:"wanted"`)
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatal(answer.Status, kind)
	}
	// One that is late by a day is new all the same.
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	send(`{"message":"other"}`)
	send(`{"message":"wanted, but late","@timestamp":"` + yesterday + `"}`)
	send(`{"message":"by its user","user":"root"}`)
	var rows []string
	for text := bufio.NewScanner(answer.Body); len(rows) < 2 && text.Scan(); {
		if data, ok := strings.CutPrefix(text.Text(), "data: "); ok {
			rows = append(rows, data)
		}
	}
	if all := strings.Join(rows, "\n"); len(rows) != 2 || !strings.Contains(all, "wanted, but late") || !strings.Contains(all, "by its user") || !strings.Contains(all, `"href":"/search/events/`) {
		t.Errorf("%q", rows)
	}
}

type step = chromedp.Action[chromedp.Void]

// do runs steps, or ends the test.
func do(t *testing.T, ctx context.Context, steps ...step) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// click clicks what need not be in sight.
func click(selector string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q).click(), true", selector))(ctx, target)
		return err
	})
}

// until waits for an expression to become true.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for range 400 {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if yes {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	place, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + ' ' + document.querySelector('main')?.innerText.slice(0, 1500)"))
	t.Fatalf("waited in vain for %s at %s", expression, place)
}

// TestAnAnalystsWay goes from a page of events to the one that matters, by keyboard and mouse.
func TestAnAnalystsWay(t *testing.T) {
	t.Parallel()
	ctx := webtest.Browser(t)
	r := newRoom(t, recent(400)...)
	server := httptest.NewServer(r.Handler())
	t.Cleanup(server.Close)
	see := func(expression string) { t.Helper(); until(t, ctx, expression) }
	rows := `document.querySelectorAll("#search-rows tbody tr").length`
	do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"), chromedp.Navigate(server.URL+"/search"))
	// Rows are there with the page; bars and fields come after them.
	see(rows + ` === 100 && document.querySelector(".search-total")?.textContent.includes("400") && document.querySelectorAll(".search-fields > li").length > 8`)
	see(`document.querySelector(".u-over")`)

	// Ctrl K leads into the box for everything, a slash into that for events; Enter searches, Esc leaves it.
	do(t, ctx, chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	see(`document.activeElement.id === "q"`) // the box for everything
	webtest.Ask[bool](t, ctx, `document.activeElement.blur(), true`)
	do(t, ctx, chromedp.KeyEvent("/"))
	see(`document.activeElement.id === "search-query"`)
	webtest.Ask[bool](t, ctx, `document.activeElement.value = "", true`) // the browser of the test types what was prevented, too
	do(t, ctx, chromedp.KeyEvent("event.outcome:failure\r"))
	see(`new URLSearchParams(location.search).get("q") === "event.outcome:failure" && document.querySelector(".search-total")?.textContent.includes("133")`)

	// A field shows its values; + narrows.
	see(`document.querySelector('.search-fields li[data-name="host.name"] summary')`)
	do(t, ctx, chromedp.Click(chromedp.CSS(`.search-fields li[data-name="host.name"] summary`)))
	see(`document.querySelectorAll(".search-values li").length > 3`)
	do(t, ctx, chromedp.Click(chromedp.CSS(".search-values li .search-out")))
	see(`/^event.outcome:failure !host.name:="[^"]+"$/.test(new URLSearchParams(location.search).get("q"))`)

	// j and Enter open an event with all its fields beside the list; a value in it narrows the same search.
	see(`document.readyState === "complete" && ` + rows + ` > 20`)
	do(t, ctx, chromedp.KeyEvent("jj\r"))
	see(`document.querySelectorAll("#panel .search-event tr").length > 6 && location.hash.startsWith("#e-")`)
	do(t, ctx, chromedp.Click(chromedp.CSS(`#panel .search-event button.value[data-field="source.ip"]`)))
	see(`[...document.querySelectorAll(".value-menu a")].some(a => new URL(a.href).searchParams.get("q").includes('event.outcome:failure !host.name:="') && new URL(a.href).searchParams.get("q").includes(' source.ip:="'))`)
	do(t, ctx, chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Escape))
	see(`document.querySelector("#side").hidden`)

	// Older, and back to the newest.
	do(t, ctx, chromedp.Navigate(server.URL+"/search"))
	first := `document.querySelector("#search-rows tbody tr")?.id`
	see(first + ` === "e-r-00399" && document.querySelector(".pager a[rel=next]")`)
	do(t, ctx, chromedp.Click(chromedp.CSS(".pager a[rel=next]")))
	see(first + ` === "e-r-00299"`)

	// A search is saved, and is there.
	do(t, ctx, chromedp.Click(chromedp.CSS(".search-saved summary")), chromedp.Click(chromedp.CSS(".search-saved input[name=name]")), chromedp.KeyEvent("mine\r"))
	see(`document.querySelector(".search-saved li a")?.textContent === "mine" && !!document.querySelector(".flash")`)

	// Nothing is wider than a small screen.
	for _, path := range []string{"/search", "/search?q=" + url.QueryEscape("* | stats by (user.name, host.name, event.dataset) count() n"), at(recent(400)[7])} {
		do(t, ctx, chromedp.EmulateViewport(390, 844), chromedp.Navigate(server.URL+path))
		until(t, ctx, `document.readyState === "complete" && document.documentElement.scrollWidth <= 390`)
	}
}

func TestLiveInTheBrowser(t *testing.T) {
	t.Parallel()
	ctx := webtest.Browser(t)
	r, send := liveRoom(t)
	server := httptest.NewServer(r.Handler())
	t.Cleanup(server.CloseClientConnections)
	send(`{"message":"before"}`)
	do(t, ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"))
	do(t, ctx, chromedp.Navigate(server.URL+"/search?q=arrival"), chromedp.Click(chromedp.CSS("#search-live")))
	until(t, ctx, `document.querySelector("#search-live").ariaPressed === "true" && document.querySelector("#search-state").textContent`)
	for n := range 3 {
		send(fmt.Sprintf(`{"message":"arrival %d","host":{"name":"pc-%d"}}`, n, n))
	}
	send(`{"message":"something else"}`)
	until(t, ctx, `document.querySelectorAll("#search-rows tbody tr").length === 3 && !document.querySelector("#search-rows").hidden && !document.querySelector("#search-nothing")`)
	do(t, ctx, chromedp.KeyEvent("j\r"))
	until(t, ctx, `document.querySelector("#panel .search-message")?.textContent.startsWith("arrival")`)
	do(t, ctx, chromedp.Click(chromedp.CSS("#search-live")))
	until(t, ctx, `document.querySelector("#search-live").ariaPressed === "false"`)
}

// TestPictures keeps pictures of the pages for people to look at; it does nothing without YAGURA_SCREENSHOTS.
func TestPictures(t *testing.T) {
	t.Parallel()
	webtest.NeedPictures(t)
	ctx := webtest.Browser(t)
	events := recent(3000)
	r := newRoom(t, events...)
	server := httptest.NewServer(r.Handler())
	t.Cleanup(server.Close)
	stats := "/search?q=" + url.QueryEscape("event.outcome:failure | stats by (user.name, host.name) count() failures | sort by (failures desc)")
	for _, look := range []struct {
		name, path string
		more       []step
	}{
		{"search", "/search", nil},
		{"values", "/search?q=event.outcome:failure", []step{chromedp.Sleep(800 * time.Millisecond), click(`.search-fields li[data-name="host.name"] summary`)}},
		{"panel", "/search", []step{chromedp.Sleep(800 * time.Millisecond), chromedp.KeyEvent("jj\r"), chromedp.Sleep(800 * time.Millisecond)}},
		{"stats", stats, nil},
		{"wrong", "/search?q=a:(b", nil},
		{"nothing", "/search?q=nothing", nil},
		{"help", "/search", []step{chromedp.Click(chromedp.CSS("#search-help-open"))}},
		{"event", at(events[2998]), nil},
	} {
		for _, size := range [][2]int64{{1280, 860}, {390, 844}} {
			for _, version := range []string{"ja-light", "en-dark"} {
				lang, theme, _ := strings.Cut(version, "-")
				if size[0] == 390 && (look.name == "panel" || look.name == "wrong") {
					continue
				}
				steps := []step{
					chromedp.Navigate(server.URL + "/signin"), webtest.SetCookie("visitor", "admin"), webtest.SetCookie("yagura_lang", lang),
					webtest.SetCookie("yagura_theme", theme), webtest.SetCookie("yagura_zone", "Asia%2FTokyo"), chromedp.Navigate(server.URL + look.path), chromedp.Sleep(600 * time.Millisecond),
				}
				webtest.Shoot(t, ctx, fmt.Sprintf("%s-%s-%d", look.name, version, size[0]), size[0], size[1], append(steps, look.more...)...)
			}
		}
	}
}
