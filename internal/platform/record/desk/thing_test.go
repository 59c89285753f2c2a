package desk_test

import (
	"archive/zip"
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
)

// upload sends a form with a file as a browser does.
func (c *company) upload(as webtest.Visitor, path, name, content string, fields url.Values) *httptest.ResponseRecorder {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, texts := range fields {
		if err := form.WriteField(field, texts[0]); err != nil {
			c.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept", "text/html")
	r.AddCookie(&http.Cookie{Name: "visitor", Value: string(as)})
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	return w
}

func (c *company) page(path string) string {
	c.t.Helper()
	answer := c.Do(webtest.Request{As: webtest.Admin, Path: path})
	if answer.Code != http.StatusOK {
		c.t.Fatalf("GET %s: status %d\n%s", path, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// find returns the first match of a pattern in a page, its group.
func (c *company) find(path, pattern string) string {
	c.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(c.page(path))
	if found == nil {
		c.t.Fatalf("%s shows nothing like %s", path, pattern)
	}
	return found[1]
}

// things hangs something hostile on a record in every way there is, and returns the pages that show it.
func (c *company) things(self string) (paths []string) {
	c.t.Helper()
	other := c.post("/loans", http.StatusSeeOther, url.Values{"title": {"other " + webtest.Probe}, "number": {"L-other"}})
	ref := func(self string) string { return strings.TrimPrefix(strings.Replace(self, "/loans/", "loan/", 1), "/") }
	probe := "**" + webtest.Probe + "** <script>alert(1)</script> [x](javascript:alert(1)) ![x](https://evil.example/x.png) @reader"
	c.post(self+"/comments", http.StatusSeeOther, url.Values{"text": {probe}})
	c.post(self+"/comments", http.StatusSeeOther, url.Values{"text": {"gone"}})
	comment := c.find(self+"?tab=timeline", `action="(`+self+`/comments/[^/"]+)/delete"`)
	c.post(comment+"/delete", http.StatusSeeOther, url.Values{"version": {"1"}})
	comment = c.find(self+"?tab=timeline", `href="(`+self+`/comments/[^"]+)"`)
	if answer := c.upload(webtest.Admin, self+"/attachments", webtest.Probe+".svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, url.Values{"note": {webtest.Probe}, "place": {webtest.Probe}}); answer.Code != http.StatusSeeOther {
		c.t.Fatalf("attaching: %d %s", answer.Code, answer.Body)
	}
	attachment := c.find(self+"?tab=evidence", `href="(`+self+`/attachments/[^"]+)"`)
	c.post(attachment+"/place", http.StatusSeeOther, url.Values{"place": {"new " + webtest.Probe}, "note": {webtest.Probe}})
	c.post(attachment+"/offer", http.StatusSeeOther, url.Values{"to": {"reader"}, "note": {webtest.Probe}})
	c.post(attachment+"/verify", http.StatusSeeOther, url.Values{})
	c.upload(webtest.Admin, self+"/attachments", "removed "+webtest.Probe, "x", nil)
	removed := c.find(self+"?tab=evidence", `href="(`+self+`/attachments/[^"]+)">removed`)
	c.post(removed+"/remove", http.StatusSeeOther, url.Values{"why": {webtest.Probe}})
	c.post(self+"/links", http.StatusSeeOther, url.Values{"type": {"<causes"}, "other": {ref(other)}})
	c.post(self+"/links", http.StatusSeeOther, url.Values{"type": {"relates"}, "other": {"https://yagura.example.jp" + other + "?tab=links"}})
	c.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"first " + webtest.Probe}, "text": {probe}, "owner": {"admin"}, "due": {"2026-04-30"}, "unit": {"month"}, "every": {"3"}, "shift": {"following"}, "remind": {"1d 2h"}})
	task := c.find(self+"?tab=tasks", `href="(/tasks/[^"]+)"`)
	c.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {"second " + webtest.Probe}, "owner": {"admin"}, "after": {strings.TrimPrefix(task, "/tasks/")}})
	waiting := c.find(self+"?tab=tasks", `href="(/tasks/[^"]+)">second`)
	c.post("/tasks", http.StatusSeeOther, url.Values{"title": {"own " + webtest.Probe}, "due": {"2100-01-01"}})
	c.post("/tasks", http.StatusSeeOther, url.Values{"title": {"dropped " + webtest.Probe}})
	c.post(c.find("/tasks", `href="(/tasks/[^"]+)">dropped`)+"/drop", http.StatusSeeOther, url.Values{"why": {webtest.Probe}})
	c.post(self+"/approvals", http.StatusSeeOther, url.Values{"version": {"1"}, "person0": {"reader"}, "due0": {"2026-01-01"}, "note0": {webtest.Probe}, "note": {webtest.Probe}, "order": {"1"}, "person1": {"aoki"}})
	approval := c.find(self+"?tab=approvals", `href="(`+self+`/approvals/[^"]+)"`)
	return []string{
		self + "?tab=timeline", comment, self + "?tab=evidence", attachment, attachment + "/take", removed, self + "?tab=links", self + "?tab=links&depth=3", other + "?tab=links",
		self + "?tab=tasks", task, waiting, "/tasks?view=given", "/tasks?view=ended", "/tasks?view=approvals", self + "?tab=approvals", approval, self + "?tab=history", "/records/-/records?other=other",
	}
}

func TestWhatHangsOnARecordIsEscapedEverywhere(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, path := range c.things(c.make()) {
		page := c.page(path)
		for _, problem := range webtest.Problems(page) {
			t.Errorf("%s: %s", path, problem)
		}
		for _, sign := range []string{"<script>alert", `href="javascript:`, `src="https://evil`, "<svg xmlns"} {
			if strings.Contains(page, sign) {
				t.Errorf("%s has %s", path, sign)
			}
		}
	}
}

func TestAFileIsSentSoThatNothingOfItRuns(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	for name, content := range map[string]string{
		"x.svg": `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "x.html": "<script>alert(1)</script>", "x.png": "<html><script>alert(1)</script>",
		"../../x.txt": "<svg/onload=alert(1)>", "bomb.zip": "PK\x03\x04" + strings.Repeat("\x00", 100), "a\r\nX-Evil: 1.txt": "plain",
	} {
		if answer := c.upload(webtest.Admin, self+"/attachments", name, content, nil); answer.Code != http.StatusSeeOther {
			t.Fatalf("attaching %q: %d", name, answer.Code)
		}
	}
	list := regexp.MustCompile(`href="(`+self+`/attachments/[^"]+)"`).FindAllStringSubmatch(c.page(self+"?tab=evidence"), -1)
	if len(list) != 6 {
		t.Fatalf("%d files are listed", len(list))
	}
	for _, found := range list {
		answer := c.Do(webtest.Request{As: webtest.Reader, Path: found[1] + "/file?inline=1"})
		h := answer.Header()
		kind := h.Get("Content-Type")
		if answer.Code != http.StatusOK || kind != "application/octet-stream" && kind != "text/plain; charset=utf-8" || h.Get("X-Evil") != "" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || strings.Contains(h.Get("Content-Disposition"), "..") {
			t.Errorf("%s: %d %v", found[1], answer.Code, h)
		}
		if kind == "application/octet-stream" && !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s is shown: %v", found[1], h)
		}
	}
	if page := c.page(list[0][1]); strings.Count(page, ">reader<") == 0 {
		t.Error("the chain of custody does not say who read it")
	}
	if answer := c.upload(webtest.Admin, self+"/attachments", "big", strings.Repeat("x", recordtest.MaxFile+1), nil); answer.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a file that is too large: %d", answer.Code)
	}
	if answer := c.upload(webtest.Reader, self+"/attachments", "x", "x", nil); answer.Code != http.StatusForbidden {
		t.Errorf("a reader attaches: %d", answer.Code)
	}
}

func TestThingsOfOtherRecordsAreNotFound(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	other := c.post("/loans", http.StatusSeeOther, url.Values{"title": {"other"}, "number": {"L-2"}})
	c.things(self)
	things := map[string]string{
		"comments": c.find(self+"?tab=timeline", `href="`+self+`(/comments/[^"]+)"`), "attachments": c.find(self+"?tab=evidence", `href="`+self+`(/attachments/[^"]+)"`),
		"approvals": c.find(self+"?tab=approvals", `href="`+self+`(/approvals/[^"]+)"`), "links": c.find(self+"?tab=links", `action="`+self+`(/links/[^/"]+)/remove"`),
	}
	for _, path := range []string{things["comments"], things["attachments"], things["attachments"] + "/file", things["attachments"] + "/take", things["approvals"]} {
		if answer := c.Do(webtest.Request{As: webtest.Admin, Path: other + path}); answer.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, answer.Code)
		}
	}
	form := url.Values{"version": {"1"}, "text": {"x"}, "why": {"x"}, "place": {"x"}, "to": {"reader"}, "answer": {"approved"}}
	for _, path := range []string{
		things["comments"], things["comments"] + "/delete", things["attachments"] + "/verify", things["attachments"] + "/place", things["attachments"] + "/offer",
		things["attachments"] + "/take", things["attachments"] + "/remove", things["links"] + "/remove", things["approvals"],
	} {
		if answer := c.Do(webtest.Request{As: webtest.Admin, Path: other + path, Form: form}); answer.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, answer.Code)
		}
	}
	task := c.find("/tasks", `href="(/tasks/[^"]+)">own`)
	for _, path := range []string{task, task + "/done", task + "/assign", task + "/nothing"} {
		if answer := c.Do(webtest.Request{As: webtest.Reader, Path: path, Form: url.Values{"version": {"1"}, "title": {"x"}}}); answer.Code != http.StatusNotFound {
			t.Errorf("POST %s of another's task: %d", path, answer.Code)
		}
	}
}

func TestWhatWasTypedIsNotLost(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	rows := map[string]url.Values{
		"/comments":  {"text": {strings.Repeat("長", record.MaxComment+1)}},
		"/links":     {"type": {"<blocks"}, "other": {"typed-here"}},
		"/tasks":     {"title": {"typed-here"}, "owner": {"stranger"}},
		"/approvals": {"version": {"1"}, "person0": {"admin"}, "note0": {"typed-here"}},
	}
	for path, form := range rows {
		page := c.post(self+path, http.StatusUnprocessableEntity, form)
		if !strings.Contains(page, "typed-here") && !strings.Contains(page, "長長長") {
			t.Errorf("%s: what was typed is gone", path)
		}
	}
	if page := c.post("/tasks", http.StatusUnprocessableEntity, url.Values{"title": {"typed-here"}, "due": {"someday"}}); !strings.Contains(page, "typed-here") {
		t.Error("/tasks: what was typed is gone")
	}
}

func TestATaskThatIsSavedUnchangedGoesOnCounting(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.things(c.make())
	path := c.find("/tasks", `href="(/tasks/[^"]+)">first`)
	task, err := c.store.Task(t.Context(), admin(), strings.TrimPrefix(path, "/tasks/"))
	if err != nil {
		t.Fatal(err)
	}
	page := c.page(path)
	form := url.Values{}
	for _, found := range regexp.MustCompile(`name="(version|title|owner|due|every|remind)"[^>]*value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(found[1], html.UnescapeString(found[2]))
	}
	form.Set("unit", "month")
	form.Set("shift", "following")
	c.post(path, http.StatusSeeOther, form)
	after, err := c.store.Task(t.Context(), admin(), task.ID)
	if err != nil || !after.Due.Equal(task.Due) || *after.Rule != *task.Rule || len(after.Remind) != 2 || after.Title != task.Title {
		t.Errorf("%+v became %+v, %v", task, after, err)
	}
}

func TestTasksAreMovedUp(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	for _, title := range []string{"first", "second"} {
		c.post(self+"/tasks", http.StatusSeeOther, url.Values{"title": {title}})
	}
	page := c.Do(webtest.Request{As: webtest.Admin, Path: self + "?tab=tasks"}).Body.String()
	form := regexp.MustCompile(`action="(/tasks/[^"]+/move)">.*?name="before" value="([^"]+)"`).FindStringSubmatch(page)
	if form == nil || strings.Count(page, "/move\"><input") != 1 {
		t.Fatalf("one of two tasks can be moved up: %s", page)
	}
	c.post(form[1], http.StatusSeeOther, url.Values{"before": {form[2]}, "next": {self}})
	page = c.Do(webtest.Request{As: webtest.Admin, Path: self + "?tab=tasks"}).Body.String()
	if strings.Index(page, ">second<") > strings.Index(page, ">first<") {
		t.Error("the second task is not before the first")
	}
}

func TestAnApprovalAsksAsManyAsItTakes(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	form := url.Values{"version": {"1"}, "person0": {"reader"}, "note0": {"typed-here"}, "rows": {"2"}, "add": {"1"}}
	page := c.post(self+"/approvals", http.StatusOK, form)
	for _, sign := range []string{`name="person2"`, `name="rows" value="3"`, `value="typed-here"`, `name="add"`} {
		if !strings.Contains(page, sign) {
			t.Errorf("the form with another row lacks %s", sign)
		}
	}
	form.Set("rows", "1000000")
	if page := c.post(self+"/approvals", http.StatusOK, form); strings.Count(page, `name="person`) != record.MaxApprovers || strings.Contains(page, `name="add"`) {
		t.Errorf("the form has %d rows", strings.Count(page, `name="person`))
	}
	form.Del("add")
	form.Set("rows", "6")
	form.Set("person5", "aoki")
	c.post(self+"/approvals", http.StatusSeeOther, form)
	if page := c.page(self + "?tab=approvals"); !strings.Contains(page, "<b>reader</b>") || !strings.Contains(page, "<b>aoki</b>") {
		t.Errorf("the sixth row was lost: %s", between(page, "<main", "</main>"))
	}
}

func TestPapersOfARecordAreRaisedOnItsPage(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	if page := c.page(self); !strings.Contains(page, "Classification Internal") || strings.Contains(page, `value="public"`) {
		t.Errorf("the page says not what its papers are, or offers to lower that: %s", between(page, "<main", "</main>"))
	}
	c.post(self+"/class", http.StatusSeeOther, url.Values{"class": {"secret"}})
	c.check(c.page(self))
	if page := c.page(self); !strings.Contains(page, "Classification Strictly confidential") {
		t.Error("it was not raised")
	}
	if page := c.page(self + "?tab=history"); !strings.Contains(page, "<del>Internal</del>") || !strings.Contains(page, "<ins>Strictly confidential</ins>") {
		t.Errorf("the history does not say so: %s", between(page, "<main", "</main>"))
	}
	c.post(self+"/class", http.StatusUnprocessableEntity, url.Values{"class": {"internal"}})
	c.post(self+"/class", http.StatusUnprocessableEntity, url.Values{"class": {"public"}, "why": {"x"}})
	book := c.get(webtest.Reader, "/loans/-/export?format=xlsx&view=all")
	if head := part(t, book, "xl/worksheets/sheet1.xml"); !strings.Contains(head, "Strictly confidential</oddHeader>") {
		t.Error("the workbook does not say so at the head of its pages")
	}
}

// part unpacks a part of an XLSX.
func part(t *testing.T, book, name string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLongTextsAreMarkdownAndReferToRecordsByTheirTitles(t *testing.T) {
	t.Parallel()
	c := open(t)
	other := c.lend("L-2").Address()
	id := strings.TrimPrefix(other, "/loans/")
	self := c.make()
	c.post(self, http.StatusSeeOther, url.Values{"version": {"1"}, "note": {"**重要** [[loan/" + id + "]] [[/loans/" + id + "]] [[loan/none]] <script>x()</script> [x](javascript:x())"}})
	page := c.page(self)
	c.check(page)
	for _, sign := range []string{"<strong>重要</strong>", `<a href="` + other + `" class="record"`, "[[loan/none]]", "&lt;script&gt;"} {
		if !strings.Contains(page, sign) {
			t.Errorf("the long text lacks %q: %s", sign, between(page, "<main", "</main>"))
		}
	}
	if strings.Count(page, `class="record"`) != 2 || strings.Contains(page, `href="javascript`) {
		t.Errorf("the long text is %s", between(page, "<main", "</main>"))
	}
}
