package rule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web/webtest"
)

// hostileRule has the probe wherever an author can put text, an unmapped field, and a test that fails.
var hostileRule = strings.ReplaceAll(`# a comment
title: "PROBE"
id: eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee
status: test
description: "PROBE"
author: "PROBE"
license: "PROBE"
references: ["PROBE", "https://evil.example/a"]
falsepositives: ["PROBE"]
tags: [attack.execution, "attack.PROBE"]
level: critical
logsource: {product: windows, category: process_creation}
detection:
  selection:
    "PROBE|contains": x
    CommandLine|contains: "PROBE"
  condition: selection
tests:
  - {name: "PROBE", match: true, event: {winlog: {channel: x}}}
`, "PROBE", `<yagura-probe onload='x'>&javascript:alert(1)`)

type room struct {
	*webtest.Site
	*house
	library *rule.Library
	dir     string
}

// newRoom has the rules that come with the program, one in a folder that is fine, one hostile, one broken and one about
// an unknown log source.
func newRoom(t testing.TB, more ...string) *room {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yml"), whoami(idA, "whoami.exe"))
	write(t, filepath.Join(dir, "rules", "hostile.yml"), hostileRule)
	write(t, filepath.Join(dir, "rules", "broken.yml"), "title: broken "+webtest.Probe+"\ndetection: [")
	write(t, filepath.Join(dir, "rules", "unknown.yml"), "title: unknown\nlogsource: {product: abacus}\ndetection: {s: {a: 1}, condition: s}\n")
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	h := newHouse(t, d)
	l := h.open(t, rule.LoadOptions{Builtin: true, Paths: append(more, filepath.Join(dir, "rules")), Added: filepath.Join(dir, "added")})
	r := &room{Site: webtest.New(t), house: h, library: l, dir: dir}
	records := desk.New(desk.Options{Site: r.Site.Site, Store: h.records})
	r.Mount(records.Own())
	r.Mount(rule.NewRoom(r.Site.Site, records, rule.RoomOptions{Library: l, States: h.states, Alerts: h.alerts}).Module(h.kind))
	return r
}

// figures brings what lists show of matches up to date.
func (r *room) figures(t testing.TB) {
	t.Helper()
	if err := r.states.Figures(t.Context(), r.alerts, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// fire lets a rule match over the last days.
func (r *room) fire(t testing.TB, key string, times int) {
	t.Helper()
	x, err := r.library.Rule(key)
	if err != nil {
		t.Fatal(err)
	}
	var matches []pipeline.Match
	for i := range times {
		e := &event.Event{Time: time.Now().Add(-time.Duration(i*i) * time.Hour)}
		e.Add("host.name", fmt.Sprintf("pc-%04d", i%3))
		matches = append(matches, pipeline.Match{Rule: x.Rule, Event: e})
	}
	if err := r.alerts.Record(t.Context(), key, matches); err != nil {
		t.Fatal(err)
	}
}

const hostileID = "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee"

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	r.fire(t, idA, 9)
	r.figures(t)
	fifth, gone := r.library.Set().Rules[5].Key, "99999999-9999-4999-8999-999999999999"
	if err := r.move(t.Context(), fifth, "shadow"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.dir, "rules", "gone.yml"), whoami(gone, "gone.exe"))
	for range 2 {
		if err := r.library.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.library.Mirror(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(r.dir, "rules", "gone.yml"))
	}
	paths := []string{
		"/rules", "/rules?view=all&sort=-matches", "/rules?severity=critical", "/rules?q=" + url.QueryEscape(webtest.Probe), "/rules?product=%3Dwindows",
		"/rules/" + idA, "/rules/" + hostileID, "/rules/" + fifth, "/rules/" + gone, "/rules/" + idA + "/bench?run=tests", "/rules/" + hostileID + "?tab=history",
		"/rules/" + idA + "/move/retire", "/rules/-/add",
		"/rules/-/lint", "/rules/-/lint?kind=unmapped_field", "/rules/-/lint?kind=unknown_logsource", "/rules/-/lint?kind=refused", "/rules/-/lint?kind=warning", "/rules/-/lint?q=unknown", "/rules/-/lint?q=nothing+like+it",
	}
	for _, view := range r.kind.Views {
		paths = append(paths, "/rules?view="+view.Name)
	}
	for _, path := range paths {
		for _, lang := range i18n.Languages() {
			w := r.Do(webtest.Request{As: webtest.Admin, Path: path, Lang: lang.Lang})
			if problems := webtest.Problems(w.Body.String()); w.Code != http.StatusOK || len(problems) > 0 {
				t.Errorf("%s: %d %v", path, w.Code, problems)
			}
		}
	}
	page := r.Do(webtest.Request{As: webtest.Admin, Path: "/rules/" + hostileID}).Body.String()
	for _, want := range []string{`rel="noreferrer noopener nofollow"`, "process.command_line", `class="marked"`, "winlog.channel"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of a rule lacks %s", want)
		}
	}
}

// TestReadersLanguage: pages show a rule in the reader's language where its author wrote it, and lists are ordered and
// searched by what they show.
func TestReadersLanguage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	write(t, filepath.Join(r.dir, "rules", "twin.yml"), whoami(idA, "twin.exe"))
	write(t, filepath.Join(r.dir, "rules", "sorted.yml"), strings.ReplaceAll(hostileRule, hostileID, idB)+"title_ja: 000番の検知\ndescription_ja: 説明文です。\n")
	if err := r.library.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.library.Mirror(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		path      string
		want, not string
	}{
		{"/rules?q=" + url.QueryEscape("多要素認証デバイス"), ">AWSの多要素認証デバイスの無効化</a>", "AWS MFA Device Removed"},
		{"/rules?q=MFA+device", ">AWSの多要素認証デバイスの無効化</a>", "AWS MFA Device Removed"},
		{"/rules?q=" + url.QueryEscape("000番"), ">000番の検知</a>", ""},
		{"/rules/" + idB, "<h1>000番の検知</h1>", ""},
		{"/rules/" + idB, "<p>説明文です。</p>", ""},
		{"/rules/" + idB, "未対応の項目です", "is not mapped"},
		{"/rules/-/lint?q=000番", ">000番の検知</a>", ""},
		{"/rules/-/lint?kind=unknown_logsource", "abacus", "taxonomy knows"},
		{"/rules/-/lint?kind=replaced", `→ <a href="/rules/` + idA + `">`, "not used"},
	} {
		page := r.Do(webtest.Request{As: webtest.Admin, Path: row.path, Lang: i18n.Japanese}).Body.String()
		if !strings.Contains(page, row.want) || row.not != "" && strings.Contains(page, row.not) {
			t.Errorf("%s lacks %q or has %q:", row.path, row.want, row.not)
		}
	}
	if page := r.Do(webtest.Request{As: webtest.Admin, Path: "/rules?q=MFA+device"}).Body.String(); !strings.Contains(page, ">AWS MFA Device Removed</a>") {
		t.Errorf("in English: %s", page)
	}
}

func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	newRoom(t).Guarded()
}

func TestMovingInTheBrowser(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	post := func(as webtest.Visitor, path string, form url.Values) *httptest.ResponseRecorder {
		return r.Do(webtest.Request{As: as, Path: path, Form: form})
	}
	state := func(key string) string {
		t.Helper()
		x, err := r.records.Get(t.Context(), record.System(), rule.Name, key)
		if err != nil {
			t.Fatal(err)
		}
		return x.State
	}
	retire := "/rules/" + idA + "/move/retire"
	if w := post(webtest.Reader, retire, url.Values{"why": {"noise"}, "version": {"1"}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader: %d", w.Code)
	}
	if w := post(webtest.Admin, retire, url.Values{"version": {"1"}}); w.Code != http.StatusUnprocessableEntity || state(idA) != "live" {
		t.Errorf("without a reason: %d, %s", w.Code, state(idA))
	}
	if w := post(webtest.Admin, retire, url.Values{"why": {"noise"}, "version": {"1"}}); w.Code != http.StatusSeeOther || state(idA) != "retired" {
		t.Errorf("%d, %s", w.Code, state(idA))
	}
	w := post(webtest.Admin, "/rules/-/bulk", url.Values{"id": {idA, hostileID}, "do": {"move:redraft"}, "why": {"to be rewritten"}, "ready": {"1"}, "next": {"/rules?view=all"}})
	if w.Code != http.StatusSeeOther || state(idA) != "draft" || state(hostileID) != "draft" {
		t.Errorf("many at once: %d %s", w.Code, w.Body)
	}
}

func TestTryingInTheBrowser(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	sysmon := `{"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","event_id":"1","event_data":{"Image":"C:\\%s","X":` + fmt.Sprintf("%q", webtest.Probe) + `}}}`
	for _, row := range []struct {
		event, format string
		code          int
		want          string
	}{
		{fmt.Sprintf(sysmon, "whoami.exe"), "json", 200, "The rule matches"},
		{fmt.Sprintf(sysmon, "x.exe"), "json", 200, "does not match it"},
		{"Nov  2 09:00:01 web-01 sshd[1]: hello", "syslog", 200, "never looks at it"},
		{"{", "json", 200, "cannot be read"},
		{"x", "xml", 422, "Choose how"},
	} {
		w := r.Do(webtest.Request{As: webtest.Reader, Path: "/rules/" + idA + "/try", Form: url.Values{"event": {row.event}, "format": {row.format}}, HTMX: "trial"})
		body := w.Body.String()
		if w.Code != row.code || !strings.Contains(body, row.want) || strings.Contains(body, "<main") {
			t.Errorf("%s as %s: %d %s", row.event, row.format, w.Code, body)
		}
		if problems := webtest.Problems(body); len(problems) > 0 {
			t.Error(problems)
		}
	}
}

func TestAddingInTheBrowser(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	text := whoami(idB, "b.exe")
	post := func(form url.Values) *httptest.ResponseRecorder {
		return r.Do(webtest.Request{As: webtest.Admin, Path: "/rules/-/add", Form: form})
	}
	see := func(w *httptest.ResponseRecorder, code int, wants ...string) {
		t.Helper()
		if w.Code != code {
			t.Errorf("status %d, want %d", w.Code, code)
		}
		for _, want := range wants {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if problems := webtest.Problems(w.Body.String()); len(problems) > 0 {
			t.Error(problems)
		}
	}
	see(post(url.Values{"text": {hostileRule}, "do": {"review"}}), 200, "cannot be added", "Failed")
	see(post(url.Values{"text": {hostileRule}, "do": {"add"}}), 422, "cannot be added")
	see(post(url.Values{"text": {"\xff"}, "do": {"review"}}), 422, "UTF-8")
	see(post(url.Values{"text": {strings.ReplaceAll(text, "\n", "\r\n")}, "do": {"review"}}), 200, "can be added", "b.exe_runs.yml")
	w := post(url.Values{"text": {text}, "do": {"add"}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/rules/"+idB || matches(r.library.Matcher(), `C:\b.exe`) == "" {
		t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	see(post(url.Values{"text": {text}, "do": {"add"}}), 422, "Replace b.exe_runs.yml")
	if w := post(url.Values{"text": {text}, "do": {"add"}, "replace": {"yes"}}); w.Code != http.StatusSeeOther {
		t.Errorf("replacing: %d", w.Code)
	}
	// As a file.
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "From A File.yml")
	_, _ = part.Write([]byte(whoami("ffffffff-ffff-4fff-8fff-ffffffffffff", "f.exe")))
	_ = form.WriteField("do", "add")
	_ = form.Close()
	request := httptest.NewRequest("POST", "/rules/-/add", &body)
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Admin)})
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusSeeOther || matches(r.library.Matcher(), `C:\f.exe`) == "" {
		t.Errorf("a file: %d %s", answer.Code, answer.Body)
	}
	if w := r.Do(webtest.Request{As: webtest.Admin, Path: "/rules/" + idB + "/remove", Form: url.Values{}}); w.Code != http.StatusSeeOther || matches(r.library.Matcher(), `C:\b.exe`) != "" {
		t.Errorf("removing: %d", w.Code)
	}
}

// TestAReaderOnlyReads: pages offer no change to who may not make it, and the routes refuse it.
func TestAReaderOnlyReads(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, path := range []string{"/rules", "/rules/" + idA} {
		body := r.Do(webtest.Request{As: webtest.Reader, Path: path}).Body.String()
		for _, offer := range []string{"/move/", "/rules/-/add", "/remove", "/edit"} {
			if strings.Contains(body, offer) {
				t.Errorf("%s offers a reader %s", path, offer)
			}
		}
	}
	for _, path := range []string{"/rules/-/add", "/rules/" + idA + "/move/retire", "/rules/" + idA + "/remove"} {
		if w := r.Do(webtest.Request{As: webtest.Reader, Path: path, Form: url.Values{"why": {"x"}, "version": {"1"}}}); w.Code != http.StatusForbidden {
			t.Errorf("%s for a reader: %d", path, w.Code)
		}
	}
	if w := r.Do(webtest.Request{As: webtest.Admin, Path: "/rules/" + idA + "/remove", Form: url.Values{}}); w.Code != http.StatusForbidden {
		t.Errorf("a rule of a folder was removed: %d", w.Code)
	}
}

// TestRunningTests: the tests of a rule run when asked, and one of their events can be tried.
func TestRunningTests(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for path, want := range map[string][2]string{
		"/rules/" + idA:                            {"Run the tests", "Passed"},
		"/rules/" + idA + "/bench?run=tests":       {"all passed", "Failed"},
		"/rules/" + hostileID + "/bench?run=tests": {"1 failed", "all passed"},
		"/rules/" + idA + "/bench?case=2":          {`C:\\other.exe`, "case=3"},
		"/rules/" + idA + "/bench?case=-1&run=x":   {`describedby="f-event-note"></textarea>`, "all passed"},
	} {
		body := r.Do(webtest.Request{As: webtest.Reader, Path: path}).Body.String()
		if !strings.Contains(body, want[0]) || strings.Contains(body, want[1]) {
			t.Errorf("%s: want %q and no %q", path, want[0], want[1])
		}
	}
	if body := r.Do(webtest.Request{As: webtest.Reader, Path: "/rules/" + idA + "/bench?run=tests", HTMX: "tests"}).Body.String(); !strings.Contains(body, "all passed") || strings.Contains(body, "<main") {
		t.Errorf("htmx got %s", body)
	}
}

// TestReferences: only a plain page on the web becomes a link, and one that tells the page nothing.
func TestReferences(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	refs := []string{"https://a.example/x?y=1", "http://b.example/", "javascript:alert(1)", "https://user@c.example/", "https:///d", "Some book, page 3"}
	text := strings.Replace(whoami(idB, "b.exe"), "level: high", "level: high\nreferences: ['"+strings.Join(refs, "', '")+"']", 1)
	if _, err := r.library.Add(t.Context(), "b.yml", []byte(text), false, rule.Live); err != nil {
		t.Fatal(err)
	}
	if err := r.library.Mirror(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := r.Do(webtest.Request{As: webtest.Admin, Path: "/rules/" + idB}).Body.String()
	if got := strings.Count(body, `rel="noreferrer noopener nofollow"`); got != 1 || !strings.Contains(body, `href="https://a.example/x?y=1"`) {
		t.Errorf("%d references are links, want 1", got)
	}
	if !strings.Contains(body, "hxxp://b[.]example/") {
		t.Error("what is no link is not defanged")
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fire(t, idA, 3)
	get := func(path string) (int, map[string]any) {
		t.Helper()
		w := r.Do(webtest.Request{As: webtest.Reader, Path: path, Header: map[string]string{"Accept": "application/json"}})
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %v in %s", path, err, w.Body)
		}
		return w.Code, answer
	}
	seen := make(map[string]bool)
	for next := ""; ; {
		code, page := get("/api/v1/rules?limit=7&cursor=" + next)
		if code != http.StatusOK {
			t.Fatal(code, page)
		}
		for _, one := range page["items"].([]any) {
			seen[one.(map[string]any)["id"].(string)] = true
		}
		if next, _ = page["next"].(string); next == "" {
			break
		}
	}
	if len(seen) != len(r.library.Set().Rules) {
		t.Errorf("%d rules by pages, want %d", len(seen), len(r.library.Set().Rules))
	}
	for path, want := range map[string]int{
		"/api/v1/rules?severity=loud": 400, "/api/v1/rules?origin=x": 400, "/api/v1/rules?limit=501": 400, "/api/v1/rules?cursor=AAAA": 400,
		"/api/v1/rules?sort=x": 400, "/api/v1/rules/none": 404, "/api/v1/rules/none/source": 404, "/rules/-/lint?kind=x": 400, "/rules/-/lint?from=-1": 400,
	} {
		if code, answer := get(path); code != want {
			t.Errorf("%s: %d, want %d: %v", path, code, want, answer)
		}
	}
	r.figures(t)
	if _, page := get("/api/v1/rules?matches=1.."); len(page["items"].([]any)) != 1 {
		t.Errorf("that matched: %v", page)
	}
	if _, one := get("/api/v1/rules/" + idA); one["matches"] != 3.0 || one["state"] != "live" || one["severity"] != "high" {
		t.Errorf("%v", one)
	}
	if _, one := get("/api/v1/rules/" + idA + "/source"); one["source"] != whoami(idA, "whoami.exe") || one["active"] != true {
		t.Errorf("%v", one)
	}
	if _, one := get("/api/v1/rules/" + hostileID + "/source"); len(one["problems"].([]any)) == 0 {
		t.Errorf("%v", one)
	}
}

// TestAbout: an alert's page learns what its rule looks at.
func TestAbout(t *testing.T) {
	t.Parallel()
	l := open(t)
	info, ok := l.About(idA, i18n.English)
	if !ok || len(info.Fields) != 1 || info.Fields[0].Name != "Image" || info.Fields[0].Names[0] != event.ProcessExe {
		t.Errorf("%+v %v", info, ok)
	}
	if _, ok := l.About("none", i18n.English); ok {
		t.Error("a rule that is not there is known")
	}
	write(t, filepath.Join(l.dir, "rules", "a.yml"), "title_ja: whoami の実行\ndescription_ja: 誰が実行したかを調べる。\ndescription: Who asks.\nfalsepositives: [admins]\nfalsepositives_ja: [管理者]\n"+whoami(idA, "whoami.exe"))
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[i18n.Lang][3]string{i18n.English: {"whoami.exe runs", "Who asks.", "admins"}, i18n.Japanese: {"whoami の実行", "誰が実行したかを調べる。", "管理者"}} {
		if info, _ := l.About(idA, lang); l.Title(idA, lang) != want[0] || info.Description != want[1] || strings.Join(info.FalsePositives, ",") != want[2] {
			t.Errorf("%s: %q, %q, %q", lang, l.Title(idA, lang), info.Description, info.FalsePositives)
		}
	}
}

// TestPictures takes pictures of the pages for people to look at, with a real collection where there is one.
func TestPictures(t *testing.T) {
	webtest.NeedPictures(t)
	t.Parallel()
	var more []string
	if corpus := os.Getenv("YAGURA_CORPUS"); corpus != "" {
		more = append(more, filepath.Join(corpus, "sigma"))
	}
	r := newRoom(t, more...)
	r.fire(t, idA, 12)
	for i, one := range r.library.Set().Rules {
		if i%97 == 0 {
			r.fire(t, one.Key, 1+i%13)
		}
	}
	for _, move := range []string{"shadow", "activate"} {
		if err := r.move(t.Context(), idA, move); err != nil {
			t.Fatal(err)
		}
	}
	r.figures(t)
	ctx := webtest.Browser(t)
	server := httptest.NewServer(r.Handler())
	t.Cleanup(server.Close)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"))
	reported := "/rules/" + hostileID
	for _, one := range r.library.Set().Rules {
		if one.Health() == rule.Reported && len(one.References) > 0 && len(one.FalsePositives) > 0 && one.ID != hostileID {
			reported = one.Path()
			break
		}
	}
	event := `{"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","event_id":"1","event_data":{"Image":"C:\\whoami.exe"}}}`
	for _, look := range []struct{ lang, theme string }{{"ja", "light"}, {"en", "light"}, {"ja", "dark"}} {
		do(webtest.SetCookie("yagura_lang", look.lang), webtest.SetCookie("yagura_theme", look.theme))
		for name, width := range map[string]int64{"wide": 1280, "phone": 390} {
			suffix := "-" + look.lang + "-" + look.theme + "-" + name
			for page, path := range map[string]string{
				"list": "/rules?view=all&sort=-matches", "filtered": "/rules?product=%3Dwindows&severity=high&q=powershell", "live": "/rules", "history": "/rules/" + idA + "?tab=history", "detail": reported, "lint": "/rules/-/lint",
			} {
				webtest.Shoot(t, ctx, "rule-"+page+suffix, width, 1400, chromedp.Navigate(server.URL+path))
			}
			webtest.Shoot(t, ctx, "rule-add"+suffix, width, 1500, chromedp.Navigate(server.URL+"/rules/-/add"), pasteInto("text", hostileRule), chromedp.Sleep(500*time.Millisecond))
			webtest.Shoot(t, ctx, "rule-try"+suffix, width, 2200, chromedp.Navigate(server.URL+"/rules/"+idA+"/bench?run=tests"), pasteInto("event", event), chromedp.Sleep(800*time.Millisecond))
		}
		webtest.Shoot(t, ctx, "rule-panel-"+look.lang+"-"+look.theme, 1440, 900, chromedp.Navigate(server.URL+"/rules?view=all&sort=-matches"), chromedp.KeyEvent("jx"), chromedp.KeyEvent("\r"), chromedp.Sleep(800*time.Millisecond))
	}
}

// pasteInto fills a field and sends its form.
func pasteInto(name, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](fmt.Sprintf(`(f => { f.value = %q; f.form.requestSubmit(f.form.querySelector("button.primary")); return true })(document.querySelector("[name=%s]"))`, text, name))(ctx, t)
		return err
	})
}

// TestProgramsBringRules looks at a file, adds it, tries its rule and takes it away.
func TestProgramsBringRules(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	file := func(text, more string) string {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return `{"name":"b.yml","text":` + string(quoted) + more + `}`
	}
	type review struct {
		Sound    bool
		Rules    []struct{ ID, Title string }
		Problems []struct{ Reason string }
	}
	var bad, good, added review
	r.Call(webtest.Robot, "POST", "/api/v1/rules/-/review", file(hostileRule, ""), http.StatusOK, &bad)
	if bad.Sound || len(bad.Problems) == 0 {
		t.Errorf("%+v", bad)
	}
	text := whoami(idB, "b.exe")
	r.Call(webtest.Robot, "POST", "/api/v1/rules/-/review", file(text, ""), http.StatusOK, &good)
	if !good.Sound || len(good.Rules) != 1 || good.Rules[0].ID != idB {
		t.Errorf("%+v", good)
	}
	r.Call(webtest.Robot, "POST", "/api/v1/rules", file(hostileRule, ""), http.StatusBadRequest, nil)
	r.Call(webtest.Robot, "POST", "/api/v1/rules", file(text, `,"state":"retired"`), http.StatusBadRequest, nil)
	r.Call(webtest.Reader, "POST", "/api/v1/rules", file(text, ""), http.StatusForbidden, nil)
	r.Call(webtest.Robot, "POST", "/api/v1/rules", file(text, ""), http.StatusCreated, &added)
	r.Call(webtest.Robot, "POST", "/api/v1/rules", file(text, ""), http.StatusConflict, nil)
	if matches(r.library.Matcher(), `C:\b.exe`) == "" || len(added.Rules) != 1 {
		t.Errorf("it does not run: %+v", added)
	}
	one := "/api/v1/rules/" + idB
	var trial struct {
		Matched bool
		Fields  []struct{ Name string }
	}
	r.Call(webtest.Reader, "POST", one+"/try", `{"format":"json","event":"{\"Image\":\"C:\\\\b.exe\"}"}`, http.StatusOK, &trial)
	if len(trial.Fields) == 0 {
		t.Errorf("%+v", trial)
	}
	r.Call(webtest.Reader, "POST", one+"/try", `{"format":"poem","event":"x"}`, http.StatusBadRequest, nil)
	r.Call(webtest.Robot, "DELETE", one, "", http.StatusNoContent, nil)
	r.Call(webtest.Robot, "DELETE", one, "", http.StatusNotFound, nil)
}
