package alert_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web/webtest"
	"yagura/sigma"
)

const encodedID = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"

// fakeRules knows one rule.
type fakeRules struct{ key string }

func (f fakeRules) Titles(lang i18n.Lang) map[string]string {
	return map[i18n.Lang]map[string]string{i18n.Japanese: {f.key: "難読化されたコマンド " + webtest.Probe}}[lang]
}

func (f fakeRules) About(key string, lang i18n.Lang) (alert.RuleInfo, bool) {
	if key != f.key {
		return alert.RuleInfo{}, false
	}
	return alert.RuleInfo{
		Description: "Describes " + webtest.Probe, Author: "Ōta " + webtest.Probe, FalsePositives: []string{"An administrator's script", webtest.Probe},
		Fields: []alert.RuleField{{Name: "Image", Names: []string{"process.executable"}}, {Name: "CommandLine", Names: []string{"nowhere", "process.command_line"}}, {Name: "Absent", Names: []string{"absent"}}},
	}, true
}

type room struct {
	*webtest.Site
	store *alert.Store
}

func newRoom(t testing.TB) *room {
	t.Helper()
	store, d := openAt(t, t.Context(), dbtest.Place(t), alert.Options{Units: fakeUnits{}}, time.Now)
	t.Cleanup(func() { _ = d.Close() })
	r := &room{Site: webtest.New(t), store: store}
	r.Mount(alert.NewRoom(r.Site.Site, r.store, fakeRules{encodedID}).Module())
	return r
}

// fill records alerts of every kind, with hostile text wherever a sender or a rule's author can put it.
func (r *room) fill(t testing.TB) {
	t.Helper()
	now := time.Now().UTC()
	process := func(ago time.Duration, host string) *event.Event {
		e := &event.Event{ID: fmt.Sprintf("e-%d-%s", ago, host), Time: now.Add(-ago)}
		for _, f := range [][2]string{
			{"host.name", host}, {"user.name", "tanaka.h"}, {"process.executable", `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`},
			{"process.command_line", "powershell.exe -NoProfile -EncodedCommand SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA"}, {"process.parent.name", "WINWORD.EXE"},
			{"event.code", "1"}, {"url.full", "https://evil.example/" + webtest.Probe}, {webtest.Probe, webtest.Probe}, {"message", "Process Create: powershell.exe " + webtest.Probe},
		} {
			e.Add(f[0], f[1])
		}
		e.AddInt("process.pid", 4711)
		e.AddKind("elevated", "true", event.Bool)
		e.Add("tags", "a")
		e.Add("tags", "b")
		return e
	}
	titles := []string{"PowerShell による暗号化コマンドの実行", "Mass download from cloud storage by one user", "監査ログの消去", "USB storage attached", webtest.Probe}
	var matches []match.Match
	for i := range 40 {
		level := []sigma.Level{sigma.LevelHigh, sigma.LevelMedium, sigma.LevelCritical, sigma.LevelLow, sigma.LevelInformational}[i%5]
		x := &sigma.Rule{ID: fmt.Sprint(i % 5), Title: titles[i%5], Level: level, Tags: []string{"attack.execution", "attack.stealth", "attack.t1059.001"}}
		if i%5 == 4 {
			x.Tags = append(x.Tags, "attack."+webtest.Probe)
		}
		for n := range 1 + (i*7)%11 {
			matches = append(matches, match.Match{Rule: x, Event: process(time.Duration(i*i+n)*3*time.Minute, fmt.Sprintf("PC-%04d", 412+i))})
		}
	}
	encoded := rule(encodedID)
	encoded.Title = titles[0]
	for n := range 30 {
		matches = append(matches, match.Match{Rule: encoded, Event: process(time.Duration(n*n/2)*time.Minute, "PC-0900")})
	}
	matches = append(matches,
		match.Match{Rule: rule("nobody"), Event: &event.Event{Time: now}},
		match.Match{Rule: rule("user"), Event: on(0, "user.name="+webtest.Probe, "source.ip=203.0.113.7")},
		match.Match{Rule: rule("unit"), Event: on(0, "user.name=sato")})
	record(t, r.store, "1", matches...)
}

func (r *room) id(t testing.TB, f alert.Filter) string {
	t.Helper()
	found := list(t, r.store, f)
	if len(found) == 0 {
		t.Fatalf("no alert meets %+v", f)
	}
	return found[0].ID
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/alerts", "/alerts?state=closed", "/alerts?q=none"} { // with nothing there
		w := r.Do(webtest.Request{As: webtest.Admin, Path: path})
		if problems := webtest.Problems(w.Body.String()); w.Code != http.StatusOK || len(problems) > 0 {
			t.Errorf("%s: %d %v", path, w.Code, problems)
		}
	}
	r.fill(t)
	id, encoded := r.id(t, alert.Filter{}), r.id(t, alert.Filter{Rule: encodedID})
	for _, d := range []alert.Decision{
		{State: alert.InProgress, Note: webtest.Probe}, {State: alert.Closed, Verdict: alert.BenignTruePositive, Note: "two\nlines"},
	} {
		if _, err := r.store.Decide(t.Context(), id, "admin", d); err != nil {
			t.Fatal(err)
		}
	}
	r.Pages("/alerts", "/alerts?state=all&sort=severity", "/alerts?state=open&severity=high&severity=critical", "/alerts?limit=3",
		"/alerts?state=all&entity=tanaka.h&tactic=stealth&technique=T1059.001&verdict=benign_true_positive&since=7d&q=x",
		"/alerts?q="+url.QueryEscape(webtest.Probe), "/alerts?state=all&start=2026-01-01&end=2030-01-01", "/alerts?seen=1",
		"/alerts/"+id, "/alerts/"+encoded, "/alerts/"+r.id(t, alert.Filter{Entity: "PC-0900"}))
	page := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/" + encoded}).Body.String()
	for _, want := range []string{"hxxps://evil[.]example/", "process.executable", "event.id%3Ain%28", "host.name%3A%3D%22PC-0900%22", `data-histogram=`} {
		if !strings.Contains(page, want) {
			t.Errorf("the detail page lacks %s", want)
		}
	}
}

func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	newRoom(t).Guarded()
}

func TestAReaderCannotDecide(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	id := r.id(t, alert.Filter{})
	for _, path := range []string{"/alerts", "/alerts/" + id} {
		if body := r.Do(webtest.Request{As: webtest.Reader, Path: path}).Body.String(); strings.Contains(body, `name="state" value="closed"`) {
			t.Errorf("%s offers a reader to decide", path)
		}
	}
	if w := r.Do(webtest.Request{As: webtest.Reader, Path: "/alerts/" + id, Form: url.Values{"state": {"in_progress"}, "version": {"1"}}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader's decision: %d", w.Code)
	}
}

func TestDecidingInTheBrowser(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	id := r.id(t, alert.Filter{})
	post := func(form url.Values) (int, string) {
		w := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/" + id, Form: form})
		return w.Code, w.Body.String()
	}
	if code, body := post(url.Values{"state": {"closed"}, "version": {"1"}, "note": {"half written"}}); code != http.StatusUnprocessableEntity || !strings.Contains(body, "half written") || !strings.Contains(body, "Choose a verdict") {
		t.Errorf("closing without a verdict: %d", code)
	}
	if code, _ := post(url.Values{"state": {"closed"}, "verdict": {"false_positive"}, "version": {"1"}}); code != http.StatusSeeOther {
		t.Errorf("closing: %d", code)
	}
	if code, body := post(url.Values{"state": {"in_progress"}, "version": {"1"}, "note": {"too late"}}); code != http.StatusUnprocessableEntity || !strings.Contains(body, "too late") || !strings.Contains(body, "Somebody else") {
		t.Errorf("somebody was faster: %d", code)
	}
	if code, _ := post(url.Values{"state": {"new"}, "version": {"x"}}); code != http.StatusBadRequest {
		t.Errorf("a broken form: %d", code)
	}
	// Several at once, back to the list they were ticked in and nowhere else.
	var ids []string
	for _, a := range list(t, r.store, alert.Filter{States: []alert.State{alert.New}})[:3] {
		ids = append(ids, a.ID)
	}
	for next, want := range map[string]string{"/alerts?state=new&q=a": "/alerts?q=a&state=new", "//evil.example/alerts": "/alerts", "/signout": "/alerts"} {
		w := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/-/decide", Form: url.Values{"id": ids, "state": {"closed"}, "verdict": {"true_positive"}, "next": {next}}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("from %s back to %s (%d), want %s", next, got, w.Code, want)
		}
	}
	if n := len(list(t, r.store, alert.Filter{Verdict: alert.TruePositive})); n != 3 {
		t.Errorf("%d were closed, want 3", n)
	}
}

func TestRulesHaveTitlesInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	title := "難読化されたコマンド"
	for _, path := range []string{"/alerts?state=all", "/alerts?state=all&q=" + title, "/alerts?state=all&rule=" + encodedID, "/alerts/" + r.id(t, alert.Filter{Rule: encodedID})} {
		for lang, want := range map[i18n.Lang]bool{i18n.Japanese: true, i18n.English: false} {
			body := r.Do(webtest.Request{As: webtest.Reader, Path: path, Lang: lang}).Body.String()
			_, body, _ = strings.Cut(body, `<h1>`)
			if strings.Contains(body, title+" ") != want {
				t.Errorf("%s in %s: has the Japanese title: %v", path, lang, !want)
			}
		}
	}
}

func TestTheListTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	ask := func(path string) string {
		return r.Do(webtest.Request{As: webtest.Admin, Path: path, HTMX: "fresh"}).Body.String()
	}
	record(t, r.store, "1", match.Match{Rule: rule("r"), Event: on(0, "host.name=a")})
	if body := ask("/alerts?seen=99999999999999999"); strings.Contains(body, "new alert") {
		t.Errorf("nothing is new: %s", body)
	}
	if body := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts?q=nothing"}).Body.String(); !strings.Contains(body, `hx-get="/alerts?q=nothing"`) {
		t.Error("an empty list asks for more than itself, and would call the alerts that it then shows news")
	}
	if body := ask("/alerts?seen=1"); !strings.Contains(body, "1 new alert") || strings.Contains(body, "<table") {
		t.Errorf("one is new: %s", body)
	}
}

func TestAlertsOfAUnit(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	id := r.id(t, alert.Filter{Unit: "shop"})
	r.Pages("/alerts?unit=holding", "/alerts?unit=shop&state=all", "/alerts?unit=gone", "/alerts/"+id)
	show := func(path, language string) string {
		request := httptest.NewRequest("GET", path, nil)
		request.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Reader)})
		request.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, request)
		return w.Body.String()
	}
	list := show("/alerts?unit=holding", "en")
	if strings.Count(list, `<tr id="a-`) != 1 || !strings.Contains(list, `<option value="holding" selected>持株会社</option>`) || !strings.Contains(list, ">　Shop</option>") {
		t.Errorf("the list of the holding: %s", list)
	}
	if page := show("/alerts/"+id, "ja"); !strings.Contains(page, "通販事業部 &lt;yagura-probe") || !strings.Contains(page, "/alerts?state=all&amp;unit=shop") {
		t.Errorf("the alert does not say whose it is: %s", page)
	}
	if answer := show("/api/v1/alerts?unit=shop", "en"); !strings.Contains(answer, `"unit":"shop"`) {
		t.Errorf("the API answers %s", answer)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	do := func(method, path, body string) (int, map[string]any) {
		request := httptest.NewRequest(method, path, strings.NewReader(body))
		request.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Admin)})
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, request)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
		return w.Code, answer
	}
	seen := 0
	for next := ""; ; {
		code, page := do("GET", "/api/v1/alerts?limit=10&sort=count&cursor="+next, "")
		if code != http.StatusOK {
			t.Fatal(code, page)
		}
		seen += len(page["alerts"].([]any))
		if next, _ = page["next"].(string); next == "" {
			break
		}
	}
	if seen != 44 {
		t.Errorf("%d alerts by pages, want 44", seen)
	}
	id := r.id(t, alert.Filter{})
	for _, row := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/api/v1/alerts?severity=loud", "", 400},
		{"GET", "/api/v1/alerts?state=gone", "", 400},
		{"GET", "/api/v1/alerts?limit=501", "", 400},
		{"GET", "/api/v1/alerts?cursor=AAAA", "", 400},
		{"GET", "/api/v1/alerts?since=yesterday", "", 400},
		{"GET", "/api/v1/alerts/none", "", 404},
		{"GET", "/api/v1/alerts/" + id, "", 200},
		{"PATCH", "/api/v1/alerts/none", `{"state":"new"}`, 404},
		{"PATCH", "/api/v1/alerts/" + id, `{"state":"closed"}`, 400},
		{"PATCH", "/api/v1/alerts/" + id, `{"stat":"closed"}`, 400},
		{"PATCH", "/api/v1/alerts/" + id, `{"state":"new"}{}`, 400},
		{"PATCH", "/api/v1/alerts/" + id, `{"note":"` + strings.Repeat("x", 70_000) + `"}`, 413},
		{"PATCH", "/api/v1/alerts/" + id, `{"state":"closed","verdict":"true_positive","version":9}`, 409},
		{"PATCH", "/api/v1/alerts/" + id, `{"state":"closed","verdict":"true_positive","note":"done","version":1}`, 200},
		{"PATCH", "/api/v1/alerts/" + id, `{"note":"one more"}`, 200},
	} {
		code, answer := do(row.method, row.path, row.body)
		if code != row.want {
			t.Errorf("%s %s %.60s: %d, want %d: %v", row.method, row.path, row.body, code, row.want, answer)
		}
	}
	_, answer := do("GET", "/api/v1/alerts/"+id, "")
	if answer["state"] != "closed" || answer["verdict"] != "true_positive" || len(answer["history"].([]any)) != 2 || len(answer["samples"].([]any)) == 0 {
		t.Errorf("afterwards: %v", answer)
	}
}
