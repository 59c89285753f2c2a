package desk_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/document"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
)

// mostLines is what a new kind of record may take.
const mostLines = 120

// suppliers is a site with the new kind on it, and what the store told.
type suppliers struct {
	*company
	told  []string // action and whom it concerns
	paper document.Paper
}

// PDF keeps what is to be printed.
func (c *suppliers) PDF(_ context.Context, paper document.Paper) ([]byte, error) {
	c.paper = paper
	return []byte("%PDF-"), nil
}

func openSuppliers(t *testing.T) *suppliers {
	t.Helper()
	k := supplier()
	c := &suppliers{company: &company{t: t, Site: webtest.NewSaying(t, supplierWords()), store: recordtest.Open(t, dbtest.New(t), supplierTable, k)}}
	c.store.Listen(func(_ *db.Tx, e record.Event) error {
		c.told = append(c.told, strings.Join(append([]string{e.Action}, e.Mentions...), " "))
		return nil
	})
	d := desk.New(desk.Options{Site: c.Site.Site, Store: c.store, People: staff{}, Press: c})
	c.Mount(d.Own())
	c.Mount(supplierRoom(c.Site.Site, d, k))
	return c
}

// says fails where a page lacks one of the signs, or is not as pages have to be.
func (c *suppliers) says(path string, signs ...string) string {
	c.t.Helper()
	page := c.page(path)
	c.check(page)
	for _, sign := range signs {
		if !strings.Contains(page, sign) {
			c.t.Errorf("%s lacks %q:\n%s", path, sign, between(page, "<main", "</main>"))
		}
	}
	return page
}

// rows are the titles that a list shows.
func (c *suppliers) rows(address, want string) {
	c.t.Helper()
	var names []string
	for line := range strings.SplitSeq(c.says(address), `<td class="main"><a href="/suppliers/`) {
		if _, rest, ok := strings.Cut(line, `">`); ok && !strings.Contains(line, "<html") {
			name, _, _ := strings.Cut(rest, "</a>")
			names = append(names, name)
		}
	}
	if got := strings.Join(names, " "); got != want {
		c.t.Errorf("%s shows %q, want %q", address, got, want)
	}
}

func (c *suppliers) add(title, code string, more ...string) string {
	c.t.Helper()
	form := url.Values{"title": {title}, "code": {code}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return c.post("/suppliers", http.StatusSeeOther, form)
}

func TestANewKindOfRecordIsLittleCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("newkind_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n >= mostLines {
		t.Errorf("a kind with all that belongs to it takes %d lines, and is to take fewer than %d", n, mostLines)
	}
	for _, key := range supplier().Words() {
		if supplierWords()[key] == "" {
			t.Errorf("the kind has no words for %s", key)
		}
	}
	openSuppliers(t).Guarded()
}

// A record of a kind that nobody but newkind_test.go knows has all that records have.
func TestANewKindOfRecord(t *testing.T) {
	t.Parallel()
	c := openSuppliers(t)
	self := c.add("東京データセンター運用", "S-1", "tier", "critical", "risk", "high", "fee", "1,200,000", "ends", "2099-03-31", "contact", "a@example.jp",
		"findings", "入退室の記録なし", "unit", "shibuya", "due", "2026-04-30", "tags", "重要")
	id := strings.TrimPrefix(self, "/suppliers/")
	c.says(self, "契約終了まで", "渋谷", "入退室の記録なし", "重要", "2026")

	// States: what must be filled in first is asked for, and what nobody approved goes nowhere.
	c.post(self+"/move/assess", http.StatusUnprocessableEntity, url.Values{"version": {"1"}})
	c.call("POST", "/api/v1"+self+"/moves/accept", "{}", http.StatusConflict)
	c.post(self+"/move/assess", http.StatusSeeOther, url.Values{"version": {"1"}, "owner": {"aoki@example.jp"}, "result": {"fit"}})
	c.call("POST", "/api/v1"+self+"/moves/accept", "{}", http.StatusConflict)

	// Approvals, of exactly this version.
	c.post(self+"/approvals", http.StatusSeeOther, url.Values{"version": {"2"}, "person0": {"reader"}, "note": {"利用してよいか"}})
	approval := c.find(self+"?tab=approvals", `href="(`+self+`/approvals/[^"]+)"`)
	if answer := c.Do(webtest.Request{As: webtest.Reader, Path: approval, Form: url.Values{"answer": {"approved"}, "why": {"よい"}}}); answer.Code != http.StatusSeeOther {
		t.Fatalf("approving: %d %s", answer.Code, answer.Body)
	}
	c.post(self+"/move/accept", http.StatusSeeOther, url.Values{"version": {"2"}})

	// Two people change it: both versions are shown, and merged field by field.
	c.post(self, http.StatusSeeOther, url.Values{"version": {"3"}, "fee": {"5"}, "tier": {"usual"}, "note": {"値引き"}})
	merge := c.post(self, http.StatusUnprocessableEntity, url.Values{"version": {"3"}, "fee": {"7"}, "contact": {"b@example.jp"}})
	c.check(merge)
	for _, sign := range []string{`name="fee" value="5"`, `name="fee" value="7"`, `name="contact" value="b@example.jp"`, `name="version" value="4"`} {
		if !strings.Contains(merge, sign) {
			t.Errorf("the page of the conflict lacks %s", sign)
		}
	}
	c.post(self, http.StatusSeeOther, url.Values{"version": {"4"}, "fee": {"7"}, "contact": {"b@example.jp"}})
	c.says(self+"?tab=history", "1200000</del>", "5</ins>", "7</ins>", "値引き", "評価する")

	// Comments, attachments with custody, links with a graph, tasks.
	c.post(self+"/comments", http.StatusSeeOther, url.Values{"text": {"**要確認** @reader"}})
	c.says(self+"?tab=timeline", "<strong>要確認</strong>")
	if answer := c.upload(webtest.Admin, self+"/attachments", "契約書.txt", "甲は乙に", nil); answer.Code != http.StatusSeeOther {
		t.Fatalf("attaching: %d", answer.Code)
	}
	file := c.find(self+"?tab=evidence", `href="(`+self+`/attachments/[^"]+)"`)
	if body := c.get(webtest.Reader, file+"/file"); body != "甲は乙に" {
		t.Errorf("the file is %q", body)
	}
	c.post(file+"/place", http.StatusSeeOther, url.Values{"place": {"金庫"}})
	c.says(file, "契約書.txt", "金庫", ">reader<", "73cb8f510bc94ce0cc29deaeef54c3a7019906951e4415c165a4b3e3df277d2e")
	other := c.add("大阪委託先", "S-2", "owner", "baba@example.jp", "fee", "9")
	c.post(self+"/links", http.StatusSeeOther, url.Values{"type": {"relates"}, "other": {"supplier/" + strings.TrimPrefix(other, "/suppliers/")}})
	c.says(other+"?tab=links", "東京データセンター運用", "<svg")
	c.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"現地を確認する"}, "owner": {"reader"}, "due": {"2026-05-29"}, "unit": {"month"}, "every": {"3"}, "shift": {"following"}})
	c.says(self+"?tab=tasks", "現地を確認する")

	if pdf := c.get(webtest.Reader, self+"/pdf"); pdf != "%PDF-" {
		t.Errorf("the paper is %q", pdf)
	}
	for _, sign := range []string{"入退室の記録なし", "**要確認**", "契約書", "渋谷", "利用中"} {
		if !strings.Contains(c.paper.Markdown, sign) {
			t.Errorf("the paper lacks %q: %s", sign, c.paper.Markdown)
		}
	}
	c.lists()
	c.programs(id)
	c.says("/find?q="+url.QueryEscape("データセンター"), self)
	c.post(other+"/delete", http.StatusSeeOther, url.Values{"version": {"2"}, "why": {"二重登録"}})
	c.rows("/suppliers?view=all&q="+url.QueryEscape("大阪"), "")
	c.says("/suppliers?deleted=true", "大阪委託先")
	c.post(other+"/restore", http.StatusSeeOther, url.Values{"version": {"3"}})
	c.rows("/suppliers?view=all&q="+url.QueryEscape("大阪"), "大阪委託先")
	for _, want := range []string{"approval.ask reader", "approval.approved admin", "comment reader", "attach", "link", "task.create"} {
		if !strings.Contains(strings.Join(c.told, "\n"), want) {
			t.Errorf("nobody was told of %q: %q", want, c.told)
		}
	}
}

// lists tries the list of the two suppliers that are there.
func (c *suppliers) lists() {
	c.t.Helper()
	for address, want := range map[string]string{
		"/suppliers?q=" + url.QueryEscape("データ"):              "東京データセンター運用",
		"/suppliers?q=" + url.QueryEscape("入退室"):              "東京データセンター運用",
		"/suppliers?view=all&sort=fee":                        "東京データセンター運用 大阪委託先",
		"/suppliers?view=all&sort=-fee":                       "大阪委託先 東京データセンター運用",
		"/suppliers?owner=aoki&tags=" + url.QueryEscape("重要"): "東京データセンター運用",
		"/suppliers?unit=tokyo":                               "東京データセンター運用",
		"/suppliers?fee=8..":                                  "大阪委託先",
		"/suppliers?risk=high&state=in_use":                   "東京データセンター運用",
		"/suppliers?code=" + url.QueryEscape("' OR 1=1 --"):   "",
	} {
		c.rows(address, want)
	}
	first := c.says("/suppliers?view=all&sort=code&limit=1", "cursor=")
	c.rows("/suppliers?view=all&sort=code&limit=1&cursor="+between(first, "cursor=", `"`), "大阪委託先")
	c.post("/suppliers/-/view", http.StatusSeeOther, url.Values{"name": {"高額"}, "query": {"fee=8.."}, "column": {"fee"}, "shared": {"true"}})
	c.says("/suppliers", "高額")
	c.post("/suppliers/-/columns", http.StatusSeeOther, url.Values{"column": {"contact"}, "next": {"/suppliers?view=all"}})
	c.says("/suppliers?view=all", "b@example.jp")

	// Many at once, and an import whose lines are tried first.
	page := c.Do(webtest.Request{As: webtest.Admin, Path: "/suppliers/-/export?format=json&view=all"}).Body.String()
	var listed []struct{ ID string }
	if err := json.Unmarshal([]byte(page), &listed); err != nil || len(listed) != 2 {
		c.t.Fatalf("%v: %s", err, page)
	}
	c.post("/suppliers/-/bulk", http.StatusSeeOther, url.Values{"id": {listed[0].ID, listed[1].ID}, "do": {"tags"}, "ready": {"1"}, "add": {"年次"}, "next": {"/suppliers?view=all"}})
	c.rows("/suppliers?sort=code&tags="+url.QueryEscape("年次"), "東京データセンター運用 大阪委託先")
	answer := c.upload(webtest.Admin, "/suppliers/-/import", "台帳.csv", "番号,件名,年額\nS-1,東京データセンター運用,7\nS-3,=cmd|x,3\nS-4,だめ,たくさん\n", nil)
	if answer.Code != http.StatusSeeOther {
		c.t.Fatalf("importing: %d %s", answer.Code, answer.Body)
	}
	run := answer.Header().Get("Location")
	c.post(run+"/check", http.StatusSeeOther, url.Values{"column": {"code", "title", "fee"}})
	if page := c.says(run); strings.Count(page, "pill-bad") != 1 || strings.Count(page, "pill-new") != 1 {
		c.t.Errorf("the dry run does not tell lines apart: %s", page)
	}
	c.post(run+"/run", http.StatusSeeOther, url.Values{})
	csv := c.get(webtest.Reader, "/suppliers/-/export?format=csv&view=all&sort=code")
	if !strings.HasPrefix(csv, "\ufeff") || !strings.Contains(csv, "'=cmd|x") || strings.Contains(csv, "だめ") {
		c.t.Errorf("the export is %q", csv)
	}
	if book := c.get(webtest.Reader, "/suppliers/-/export?format=xlsx&view=all"); !strings.HasPrefix(book, "PK") {
		c.t.Error("the workbook is none")
	}
}

func TestAListSaysThatRecordsCame(t *testing.T) {
	t.Parallel()
	c := openSuppliers(t)
	c.add("前からある委託先", "S-1")
	page := c.says("/suppliers?q="+url.QueryEscape("委託先"), `hx-trigger="every 15s"`)
	poll := html.UnescapeString(between(page, `data-quiet hx-get="/suppliers/-/fresh`, `"`))
	ask := func() string { return c.get(webtest.Reader, "/suppliers/-/fresh"+poll) }
	if page := ask(); strings.Contains(page, "since this list was shown") {
		t.Errorf("nothing came, and the list says otherwise: %s", page)
	}
	c.add("後から来た委託先", "S-2")
	c.add("別のもの", "S-3") // the list does not show it
	if page := ask(); !strings.Contains(page, "1 new since") || !strings.Contains(page, `href="/suppliers?q=`) {
		t.Errorf("one came, and the list does not say so: %s", page)
	}
	for _, path := range []string{"?_since=x", "?_since=-1", "?hat=1"} {
		if answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/suppliers/-/fresh" + path}); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", path, answer.Code)
		}
	}
	if page := c.get(webtest.Reader, "/suppliers/-/fresh?_since=1&_list=https://evil.example/"); !strings.Contains(page, `href="/suppliers"`) {
		t.Errorf("it leads to another house: %s", page)
	}
}

// programs does over the API what pages do.
func (c *suppliers) programs(id string) {
	c.t.Helper()
	made := c.call("POST", "/api/v1/suppliers", `{"title":"名古屋","code":"S-9","tier":"usual","fee":4,"ends":"2030-03-31"}`, http.StatusCreated)
	c.call("PATCH", made.Header().Get("Location"), `{"fee":6}`, http.StatusOK, "If-Match", `"1"`)
	c.call("PATCH", made.Header().Get("Location"), `{"fee":8}`, http.StatusPreconditionFailed, "If-Match", `"1"`)
	if list := c.call("GET", "/api/v1/suppliers?q="+url.QueryEscape("センター"), "", http.StatusOK).Body.String(); !strings.Contains(list, id) {
		c.t.Errorf("the API's list is %s", list)
	}
	if history := c.call("GET", "/api/v1/suppliers/"+id+"/history", "", http.StatusOK).Body.String(); !strings.Contains(history, `"move.assess"`) {
		c.t.Errorf("the API's history is %s", history)
	}
}
