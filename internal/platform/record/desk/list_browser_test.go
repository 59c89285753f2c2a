package desk_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yagura/internal/platform/record"
	"yagura/internal/platform/web/webtest"
)

// browse shows the lent things to the administrator.
func browse(t *testing.T) (ctx context.Context, c *company, address string) {
	t.Helper()
	ctx = webtest.Browser(t)
	c = open(t)
	levels, things := []string{"high", "low", "critical", "medium", ""}, []string{"ノートPC", "モバイルルーター", "検証用スマートフォン", "Security key", "プロジェクター"}
	for i := range 12 {
		pairs := []string{"title", fmt.Sprintf("%s %d号", things[i%5], i+1), "severity", levels[i%5], "cost", fmt.Sprint(i * 1250), "host", fmt.Sprintf("pc-%04d", i)}
		if i%3 == 0 {
			pairs = append(pairs, "owner", "aoki", "due", "2026-01-31", "unit", "shibuya", "tags", "急ぎ")
		}
		c.lend(fmt.Sprintf("L-%02d", i+1), pairs...)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"), webtest.SetCookie("yagura_lang", "ja"))
	return ctx, c, server.URL
}

const ready = `document.readyState === "complete"`

// TestAListByKeyboard narrows a list, saves that as a view, and changes many, with no mouse.
func TestAListByKeyboard(t *testing.T) {
	t.Parallel()
	ctx, c, address := browse(t)
	webtest.Do(t, ctx, chromedp.Navigate(address+"/loans"))
	webtest.Until(t, ctx, ready+` && document.querySelectorAll("tr[data-href]").length === 12`)
	// "f" goes to the words.
	webtest.Do(t, ctx, chromedp.KeyEvent("f"))
	webtest.Until(t, ctx, `document.activeElement?.matches(".list-find input[type=search]")`)
	// The driver sends the letter whether or not the key was taken; a keyboard does not.
	webtest.Do(t, ctx, chromedp.KeyEvent(kb.Backspace+"号"+kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelectorAll(".chip").length === 2 && document.querySelectorAll("tr[data-href]").length === 12`)
	// "c" to the conditions: the fourth field is the severity.
	webtest.Do(t, ctx, chromedp.KeyEvent("c"))
	webtest.Until(t, ctx, `document.activeElement?.closest(".menu-items")`)
	webtest.Do(t, ctx, chromedp.Navigate(webtest.Ask[string](t, ctx, `[...document.querySelectorAll(".filters .menu-items a")].find(a => a.href.includes("_add=severity")).href`)))
	webtest.Until(t, ctx, ready+` && document.querySelector("[data-panel] input[value=high]")`)
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`[data-panel] input[value=high]`)), chromedp.KeyEvent(" "+kb.Enter))
	webtest.Until(t, ctx, ready+` && location.search.includes("severity=high") && document.querySelectorAll("tr[data-href]").length === 3`)
	// That is a view now.
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`.list-save`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.activeElement?.name === "name"`)
	webtest.Do(t, ctx, chromedp.KeyEvent("重大度の高いもの"+kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelector(".tabs a[aria-current]")?.textContent.includes("重大度の高いもの")`)
	// Two of its records are given a due date, and that is taken back.
	webtest.Do(t, ctx, chromedp.KeyEvent("jxjx"))
	webtest.Until(t, ctx, `document.querySelector("[data-bulk].shown") && document.querySelectorAll("tbody input:checked").length === 2`)
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`[data-bulk] summary`)), chromedp.KeyEvent(kb.Enter), chromedp.Focus(chromedp.CSS(`[data-bulk] button[value="set:owner"]`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelector("form.card input[name=owner]")`)
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`form.card input[name=owner]`)), chromedp.KeyEvent("baba@example.jp"+kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelector(".flash form button")`)
	if n, _, err := c.store.Count(t.Context(), "loan", record.Query{}.With("owner", "baba"), c.store.Env(t.Context(), admin(), nil)); err != nil || n != 2 {
		t.Errorf("%d are baba's, %v", n, err)
	}
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`.flash form button`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelector(".flash-good") && !document.querySelector(".flash form")`)
	if n, _, err := c.store.Count(t.Context(), "loan", record.Query{}.With("owner", "baba"), c.store.Env(t.Context(), admin(), nil)); err != nil || n != 0 {
		t.Errorf("after undoing %d are baba's, %v", n, err)
	}
	// Enter opens a row beside the list.
	webtest.Do(t, ctx, chromedp.KeyEvent("j\r"))
	webtest.Until(t, ctx, `location.hash && document.querySelector("#panel h1")`)
	// A view of the others is gone when its condition is taken away.
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`.chip:last-child a[aria-label]`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelectorAll(".chip").length === 2`)
}

// list that comes in, with one line of each fate.
const incoming = "貸出 number,件名,貸出 cost,担当,重大度\nL-01,ノートPC 1号,0,,高\nL-02,モバイルルーター 2号,99,aoki@example.jp,\nL-90,新しいもの,5,,低\nL-91,,many,nobody,\nL-03,検証用スマートフォン 3号,1,,最悪\n"

func TestAnImportInTheBrowser(t *testing.T) {
	t.Parallel()
	ctx, c, address := browse(t)
	file := filepath.Join(t.TempDir(), "台帳.csv")
	if err := os.WriteFile(file, []byte(incoming), 0o600); err != nil {
		t.Fatal(err)
	}
	webtest.Do(t, ctx, chromedp.Navigate(address+"/loans/-/import"), chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{file}), chromedp.Focus(chromedp.CSS(`form.card .actions button`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelectorAll("select[name=column]").length === 5`)
	if got := webtest.Ask[string](t, ctx, `[...document.querySelectorAll("select[name=column]")].map(s => s.value).join(" ")`); got != " title  owner severity" && got != "number title cost owner severity" {
		t.Logf("the columns are guessed as %q", got)
	}
	for i, value := range []string{"number", "title", "cost", "owner", "severity"} {
		webtest.Ask[string](t, ctx, fmt.Sprintf(`document.querySelectorAll("select[name=column]")[%d].value = %q`, i, value))
	}
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`form.card .actions button.primary`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelectorAll(".pill-bad").length === 2 && document.querySelectorAll(".pill-new").length === 1 && document.querySelectorAll(".pill-active").length === 1`)
	webtest.Do(t, ctx, chromedp.Focus(chromedp.CSS(`.list-confirm button.primary`)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(t, ctx, ready+` && document.querySelector(".flash-good") && document.querySelectorAll(".pill-good").length === 2`)
	page, err := c.store.List(t.Context(), "loan", record.Query{Sort: "-number"}, c.store.Env(t.Context(), admin(), nil), "", 1)
	if err != nil || page.Items[0].Str("number") != "L-90" {
		t.Errorf("%+v, %v", page.Items, err)
	}
}

// TestListPictures takes pictures of lists for people to look at.
func TestListPictures(t *testing.T) {
	webtest.NeedPictures(t)
	t.Parallel()
	ctx, c, address := browse(t)
	c.post("/loans/-/view", 303, map[string][]string{"name": {"期限切れの貸出"}, "query": {"due=overdue&state=open"}, "shared": {"true"}})
	self := c.send(webtest.Admin, "台帳.csv", []byte(incoming)).Header().Get("Location")
	c.post(self+"/check", 303, map[string][]string{"column": {"number", "title", "cost", "owner", "severity"}})
	other := c.send(webtest.Admin, "台帳-2.csv", []byte(incoming)).Header().Get("Location")
	var ids []string
	for _, path := range strings.Split(c.get(webtest.Admin, "/loans"), `<tr id="r-`)[1:4] {
		ids = append(ids, path[:36])
	}
	to := c.post("/loans/-/bulk", 303, map[string][]string{"id": ids, "do": {"tags"}, "ready": {"1"}, "add": {"点検"}, "next": {"/loans?view=all"}})
	for _, lang := range []string{"ja", "en"} {
		for _, theme := range []string{"light", "dark"} {
			for name, width := range map[string]int64{"wide": 1280, "phone": 390} {
				suffix := "-" + lang + "-" + theme + "-" + name
				prefs := []webtest.Step{webtest.SetCookie("yagura_lang", lang), webtest.SetCookie("yagura_theme", theme)}
				webtest.Shoot(t, ctx, "records-list"+suffix, width, 900, append(prefs, chromedp.Navigate(address+"/loans?state=open&owner=aoki&due=overdue&cost=..90000&tags=急ぎ&view=open"), chromedp.KeyEvent("jx"))...)
				webtest.Shoot(t, ctx, "records-import"+suffix, width, 1000, chromedp.Navigate(address+self))
				for _, faint := range webtest.Faint(t, ctx) {
					t.Error(suffix, faint)
				}
				if lang == "en" && theme == "dark" {
					continue
				}
				webtest.Shoot(t, ctx, "records-add"+suffix, width, 900, chromedp.Navigate(address+"/loans?state=open&view=open&_add=due"))
				webtest.Shoot(t, ctx, "records-save"+suffix, width, 900, chromedp.Navigate(address+"/loans?state=open&owner=aoki&view=open&_save=1"))
				webtest.Shoot(t, ctx, "records-mapping"+suffix, width, 900, chromedp.Navigate(address+other))
				webtest.Shoot(t, ctx, "records-upload"+suffix, width, 700, chromedp.Navigate(address+"/loans/-/import"))
				webtest.Shoot(t, ctx, "records-undo"+suffix, width, 900, chromedp.Navigate(address+to), chromedp.Sleep(200*time.Millisecond))
				webtest.Shoot(t, ctx, "records-bulk"+suffix, width, 900, chromedp.Navigate(address+"/loans?view=all"), chromedp.KeyEvent("jxjx"), chromedp.Click(chromedp.CSS("[data-bulk] summary")), chromedp.Sleep(200*time.Millisecond))
				webtest.Shoot(t, ctx, "records-none"+suffix, width, 700, chromedp.Navigate(address+"/loans?q=nothingofthesort"))
			}
		}
	}
}
