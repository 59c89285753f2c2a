package desk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
)

// person is somebody at a browser.
type person struct {
	*company
	ctx     context.Context
	address string
}

func sitDown(t *testing.T) *person {
	t.Helper()
	p := &person{ctx: webtest.Browser(t), company: open(t)}
	server := httptest.NewServer(p.Handler())
	t.Cleanup(server.Close)
	p.address = server.URL
	webtest.Do(t, p.ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("yagura_lang", "ja"))
	p.is("admin")
	return p
}

// is has somebody else sit down.
func (p *person) is(visitor string) {
	p.t.Helper()
	webtest.Do(p.t, p.ctx, webtest.SetCookie("visitor", visitor))
}

// sees goes to a page and waits for an expression.
func (p *person) sees(path, expression string) {
	p.t.Helper()
	webtest.Do(p.t, p.ctx, chromedp.Navigate(p.address+path))
	webtest.Until(p.t, p.ctx, ready+" && ("+expression+")")
}

// fills types a text into a field.
func (p *person) fills(selector, text string) {
	p.t.Helper()
	webtest.Do(p.t, p.ctx, chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(text))
}

// presses presses a button by the keyboard and waits for an expression.
func (p *person) presses(selector, expression string) {
	p.t.Helper()
	webtest.Do(p.t, p.ctx, chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(kb.Enter))
	webtest.Until(p.t, p.ctx, ready+" && ("+expression+")")
}

// reads tells whether the page has a text.
func reads(text string) string {
	return fmt.Sprintf(`document.querySelector("main").textContent.includes(%q)`, text)
}

func TestEvidenceInTheBrowser(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	self := p.post("/loans", http.StatusSeeOther, url.Values{"title": {"押収したPC"}, "number": {"L-1"}})
	file := filepath.Join(t.TempDir(), "メモリ.dmp")
	if err := os.WriteFile(file, []byte("memory"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.sees(self+"?tab=evidence", `document.querySelector("input[type=file]")`)
	p.fills(`form.thing-form input[name=place]`, "金庫 A-3")
	webtest.Do(t, p.ctx, chromedp.SetUploadFiles(chromedp.CSS(`input[type=file]`), []string{file}))
	p.presses(`form.thing-form button.primary`, reads("メモリ.dmp"))
	page := webtest.Ask[string](t, p.ctx, `document.querySelector("td.main a").pathname`)
	p.sees(page, reads("受領"))
	p.presses(`form[action$="/verify"] button`, `document.querySelector(".flash-good") && `+reads("検証(一致)"))
	p.fills(`form[action$="/offer"] input[name=to]`, "reader")
	p.presses(`form[action$="/offer"] button`, reads("引渡しの申出: admin → reader"))
	p.is("reader")
	p.sees(page, `document.querySelector(".take a")`)
	p.presses(`.take a`, `document.querySelector("button[value=taken]")`)
	p.presses(`button[value=taken]`, reads("受取り: admin → reader"))
	// The reader's own look at the page was no reading of the file; a download is.
	p.Do(webtest.Request{As: webtest.Reader, Path: page + "/file"})
	p.sees(page, reads("閲覧・取得"))
	if got := webtest.Ask[string](t, p.ctx, `[...document.querySelectorAll(".custody li b")].map(b => b.textContent).join(" ")`); got != "reader reader admin admin admin" {
		t.Errorf("the chain of custody names %s", got)
	}
}

func TestLinksAndTheirGraphInTheBrowser(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	one := p.post("/loans", http.StatusSeeOther, url.Values{"title": {"ランサムウェア感染"}, "number": {"L-1"}})
	other := p.post("/loans", http.StatusSeeOther, url.Values{"title": {"VPN装置の脆弱性"}, "number": {"L-2"}})
	p.sees(one+"?tab=links", `document.querySelector("#f-other")`)
	p.fills("#f-other", "VPN")
	webtest.Until(t, p.ctx, `document.querySelector("#records-other option")`)
	webtest.Ask[string](t, p.ctx, `document.querySelector("#f-type").value = "<causes"`)
	webtest.Ask[string](t, p.ctx, `document.querySelector("#f-other").value = document.querySelector("#records-other option").value`)
	p.presses(`form[action$="/links"] button`, `document.querySelectorAll("svg.graph a").length === 2 && `+reads("VPN装置の脆弱性"))
	if got := webtest.Ask[string](t, p.ctx, `document.querySelector("dl.links dt").textContent`); got != "原因" {
		t.Errorf("the link reads %q", got)
	}
	webtest.Do(t, p.ctx, chromedp.Navigate(p.address+webtest.Ask[string](t, p.ctx, `[...document.querySelectorAll("svg.graph a")].at(-1).getAttribute("href")`)+"?tab=links"))
	webtest.Until(t, p.ctx, ready+` && location.pathname === "`+other+`" && document.querySelector("dl.links dt").textContent === "原因となった先"`)
	if got := webtest.Ask[string](t, p.ctx, `document.querySelector("details.chart-table tbody").textContent`); !strings.Contains(got, "ランサムウェア感染") {
		t.Errorf("the table behind the graph says %q", got)
	}
}

func TestTasksInTheBrowser(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	self := p.post("/loans", http.StatusSeeOther, url.Values{"title": {"年次点検"}, "number": {"L-1"}})
	p.sees(self+"?tab=tasks", `document.querySelector("#f-title")`)
	p.fills("#f-title", "棚卸し")
	p.fills("#f-owner", "admin")
	p.presses(`form.thing-form button.primary`, reads("棚卸し"))
	p.fills("#f-title", "報告書の作成")
	webtest.Ask[bool](t, p.ctx, `document.querySelector("form.thing-form details").open = true`)
	webtest.Do(t, p.ctx, chromedp.Focus(chromedp.CSS(`input[name=after]`)), chromedp.KeyEvent(" "))
	p.presses(`form.thing-form button.primary`, `document.querySelectorAll("li.task").length === 2 && document.querySelectorAll("button.tick").length === 1`)
	if got := webtest.Ask[string](t, p.ctx, `document.querySelectorAll("li.task")[1].textContent`); !strings.Contains(got, "先に終えるタスク:棚卸し") {
		t.Errorf("the second reads %q", got)
	}
	p.sees("/tasks", `document.querySelectorAll("li.task").length === 1`)
	p.presses(`button.tick`, `document.querySelector(".empty")`)
	p.sees(self+"?tab=tasks", `document.querySelectorAll("section.card button.tick").length === 1 && document.querySelectorAll("li.task-ended").length === 1`)
}

func TestTwoPeopleApproveInTheBrowser(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	aoki := admin()
	aoki.ID = "aoki"
	ctx := recordtest.As(t.Context(), aoki)
	r, err := p.store.Create(ctx, aoki, "loan", record.Values{"title": "持出しの申請", "number": "L-1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.store.Ask(ctx, aoki, "loan", r.ID, record.Asking{InOrder: true, Note: "金額をご確認ください", People: []record.Asked{{Person: "admin"}, {Person: "reader"}}})
	if err != nil {
		t.Fatal(err)
	}
	p.is("reader")
	p.sees("/tasks?view=approvals", `document.querySelector(".empty")`)
	p.is("admin")
	p.sees("/tasks?view=approvals", `document.querySelector("a.task-title")`)
	p.presses("a.task-title", `document.querySelector("button[value=approved]") && `+reads("金額をご確認ください"))
	p.presses("button[value=approved]", `document.querySelectorAll(".steps .pill-good").length === 1`)
	p.is("reader")
	p.sees("/tasks?view=approvals", `document.querySelector("a.task-title")`)
	p.presses("a.task-title", `document.querySelector("button[value=refused]")`)
	p.presses("button[value=refused]", `document.querySelector(".flash-bad") && `+reads("理由"))
	p.presses("button[value=approved]", `document.querySelectorAll(".steps .pill-good").length === 2 && `+reads("承認済み"))
	list, err := p.store.Approvals(t.Context(), aoki, "loan", r.ID)
	if err != nil || list[0].State != record.Approved {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestThingPictures takes pictures of what hangs on a record for people to look at.
func TestThingPictures(t *testing.T) {
	webtest.NeedPictures(t)
	t.Parallel()
	p := sitDown(t)
	self := p.scene()
	evidence := p.find(self+"?tab=evidence", `href="(`+self+`/attachments/[^"]+)"`)
	task := p.find(self+"?tab=tasks", `href="(/tasks/[^"]+)"`)
	pages := map[string]string{
		"timeline": self + "?tab=timeline", "evidence": self + "?tab=evidence", "attachment": evidence, "links": self + "?tab=links", "tasks": self + "?tab=tasks",
		"approvals": self + "?tab=approvals", "task": task, "mine": "/tasks", "given": "/tasks?view=given", "history": self + "?tab=history",
	}
	for _, lang := range []string{"ja", "en"} {
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 390} {
				for name, path := range pages {
					webtest.Shoot(t, p.ctx, fmt.Sprintf("thing-%s-%s-%s-%d", name, lang, theme, width), width, 1100,
						webtest.SetCookie("yagura_lang", lang), webtest.SetCookie("yagura_theme", theme), chromedp.Navigate(p.address+path))
					if faint := webtest.Faint(t, p.ctx); len(faint) > 0 {
						t.Errorf("%s %s: %q", name, theme, faint)
					}
					if wide := webtest.Ask[bool](t, p.ctx, `document.documentElement.scrollWidth > innerWidth`); wide {
						t.Errorf("%s at %d is wider than the window", name, width)
					}
				}
			}
		}
	}
}

// scene is a record as it looks after some days of work.
func (p *person) scene() (self string) {
	p.t.Helper()
	made := func(title string) string {
		return p.post("/loans", http.StatusSeeOther, url.Values{"title": {title}, "number": {title}, "owner": {"aoki@example.jp"}})
	}
	ref := func(self string) string { return strings.TrimPrefix(strings.Replace(self, "/loans/", "loan/", 1), "/") }
	self = made("経理部ファイルサーバーのランサムウェア感染")
	for _, text := range []string{"@reader さん、隔離を確認してください。\n\n- 該当サーバーのネットワーク遮断\n- バックアップの保全\n\n| 時刻 | 事象 |\n|---|---|\n| 02:13 | 暗号化の開始 |\n| 02:40 | 検知 |", "封じ込め完了。`svchost.exe`の親プロセスを調査中です。"} {
		p.post(self+"/comments", http.StatusSeeOther, url.Values{"text": {text}})
	}
	for _, name := range []string{"memory-fs01.dmp", "イベントログ_FS01_2026-11-25.evtx", "screenshot.png"} {
		p.upload(webtest.Admin, self+"/attachments", name, strings.Repeat(name, 3000), url.Values{"note": {"FS01から採取"}, "place": {"証拠保管庫 棚2"}})
	}
	evidence := p.find(self+"?tab=evidence", `href="(`+self+`/attachments/[^"]+)"`)
	p.post(evidence+"/verify", http.StatusSeeOther, url.Values{})
	p.post(evidence+"/place", http.StatusSeeOther, url.Values{"place": {"フォレンジック室"}, "note": {"封印番号 A-0192"}})
	p.post(evidence+"/offer", http.StatusSeeOther, url.Values{"to": {"reader"}, "note": {"鑑定のため"}})
	p.Do(webtest.Request{As: webtest.Reader, Path: evidence + "/file"})
	vpn, mail, asset := made("VPN装置の脆弱性(未適用のパッチ)"), made("フィッシングメール「請求書の確認」"), made("ファイルサーバー FS01")
	backup, report := made("バックアップ復旧手順の見直し"), made("個人情報保護委員会への速報")
	for _, l := range [][3]string{{self, "<causes", vpn}, {self, "<causes", mail}, {self, "relates", asset}, {self, "blocks", backup}, {self, "parent", report}, {vpn, "relates", asset}, {backup, "relates", report}} {
		p.post(l[0]+"/links", http.StatusSeeOther, url.Values{"type": {l[1]}, "other": {ref(l[2])}})
	}
	p.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"影響範囲の特定"}, "owner": {"admin"}, "due": {"2026-11-20"}})
	first := strings.TrimPrefix(p.find(self+"?tab=tasks", `href="(/tasks/[^"]+)"`), "/tasks/")
	p.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"速報の提出"}, "text": {"発覚から**3〜5日以内**に提出する。"}, "owner": {"admin"}, "due": {"2027-11-28"}, "after": {first}, "remind": {"1d"}})
	p.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"バックアップの復元試験"}, "owner": {"reader"}, "due": {"2027-12-31"}, "unit": {"month"}, "every": {"3"}, "shift": {"following"}})
	p.post("/tasks", http.StatusSeeOther, url.Values{"title": {"週次報告の下書き"}})
	p.post(self+"/approvals", http.StatusSeeOther, url.Values{"version": {"1"}, "note": {"復旧計画をご確認ください。"}, "person0": {"reader"}, "due0": {"2027-12-01"}, "note0": {"技術面"}, "person1": {"aoki"}, "order": {"1"}})
	return self
}
