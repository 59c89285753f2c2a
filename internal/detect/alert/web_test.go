package alert_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web/webtest"
	"yagura/sigma"
)

const encodedID = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"

// fakeRules knows one rule.
type fakeRules struct{ key string }

func (f fakeRules) Title(key string, lang i18n.Lang) string {
	if key == f.key && lang == i18n.Japanese {
		return "難読化されたコマンド " + webtest.Probe
	}
	return ""
}

func (f fakeRules) titles(key string) []string { return []string{f.Title(key, i18n.Japanese)} }

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
	store *house
}

func newRoom(t testing.TB) *room {
	t.Helper()
	h := open(t, t.Context(), dbtest.Place(t), alert.Options{Units: fakeUnits{}}, time.Now)
	t.Cleanup(func() { _ = h.db.Close() })
	r := &room{Site: webtest.New(t), store: h}
	records := desk.New(desk.Options{Site: r.Site.Site, Store: h.records})
	r.Mount(records.Own())
	r.Mount(alert.NewRoom(r.Site.Site, records, h.Store, fakeRules{encodedID}).Module(h.kind))
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
	set, _ := sigma.CompileCorrelations(nil, sigma.Options{})
	together := &sigma.Firing{
		Rule: rule("together"), Group: []sigma.GroupValue{{Field: "person", Name: "person", Value: "of the group " + webtest.Probe}}, To: now,
		Contributions: []sigma.Contribution{{Rule: "Failed " + webtest.Probe, Time: now, Ref: "e-first"}, {Rule: "Succeeded", Time: now, Ref: "e-last"}},
	}
	matches = append(matches, match.OfFiring(together, set, nil),
		match.Match{Rule: rule("nobody"), Event: &event.Event{Time: now}},
		match.Match{Rule: rule("user"), Event: on(0, "user.name="+webtest.Probe, "source.ip=203.0.113.7")},
		match.Match{Rule: rule("unit"), Event: on(0, "user.name=sato")})
	count(t, r.store, "1", matches...)
}

func (r *room) id(t testing.TB, address string) string {
	t.Helper()
	found := list(t, t.Context(), r.store, address)
	if len(found) == 0 {
		t.Fatalf("no alert meets %s", address)
	}
	return found[0].ID
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	r.fill(t)
	id, encoded := r.id(t, ""), r.id(t, "rule="+encodedID)
	decide(t, t.Context(), r.store, id, "close", record.Values{"verdict": "benign_true_positive"})
	for _, path := range []string{
		"/alerts", "/alerts?view=all&sort=-severity", "/alerts?view=all&sort=-count", "/alerts?state=open&severity=high&severity=critical", "/alerts?q=" + url.QueryEscape(webtest.Probe),
		"/alerts?view=all&entity=tanaka.h&tactic=stealth&technique=T1059.001&verdict=benign_true_positive&last_seen=7d&q=x",
		"/alerts/" + id, "/alerts/" + encoded, "/alerts/" + encoded + "?tab=history", "/alerts/" + id + "/move/judge_again", "/alerts/" + r.id(t, "entity=PC-0900"),
		"/alerts/" + r.id(t, "entity_kind=group"),
	} {
		for _, lang := range i18n.Languages() {
			w := r.Do(webtest.Request{As: webtest.Admin, Path: path, Lang: lang.Lang})
			if problems := webtest.Problems(w.Body.String()); w.Code != http.StatusOK || len(problems) > 0 {
				t.Errorf("%s: %d %v", path, w.Code, problems)
			}
		}
	}
	page := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/" + r.id(t, "entity_kind=group")}).Body.String()
	for _, want := range []string{"What came together", "of the group ", "event.id%3A%3D%22e-first%22", "Succeeded"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of a correlation's alert lacks %s", want)
		}
	}
	page = r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/" + encoded}).Body.String()
	for _, want := range []string{"hxxps://evil[.]example/", "process.executable", "event.id%3Ain%28", "host.name%3A%3D%22PC-0900%22", `data-histogram=`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
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
	id := r.id(t, "")
	if body := r.Do(webtest.Request{As: webtest.Reader, Path: "/alerts/" + id}).Body.String(); strings.Contains(body, "/move/") {
		t.Error("the page offers a reader to decide")
	}
	form := url.Values{"verdict": {"true_positive"}, "version": {"1"}}
	if w := r.Do(webtest.Request{As: webtest.Reader, Path: "/alerts/" + id + "/move/close", Form: form}); w.Code != http.StatusForbidden {
		t.Errorf("a reader's decision: %d", w.Code)
	}
}

func TestDecidingInTheBrowser(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	id := r.id(t, "")
	post := func(move string, form url.Values) (int, string) {
		w := r.Do(webtest.Request{As: webtest.Admin, Path: "/alerts/" + id + "/move/" + move, Form: form})
		return w.Code, w.Body.String()
	}
	if code, body := post("close", url.Values{"version": {"1"}, "why": {"half written"}}); code != http.StatusUnprocessableEntity || !strings.Contains(body, "half written") || !strings.Contains(body, `aria-invalid`) {
		t.Errorf("closing without a verdict: %d %s", code, body)
	}
	if code, _ := post("close", url.Values{"verdict": {"perhaps"}, "version": {"1"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("closing with a verdict that is none: %d", code)
	}
	if code, _ := post("close", url.Values{"verdict": {"false_positive"}, "version": {"1"}}); code != http.StatusSeeOther {
		t.Errorf("closing: %d", code)
	}
	if code, _ := post("take", url.Values{"version": {"x"}}); code != http.StatusBadRequest {
		t.Errorf("a broken form: %d", code)
	}
	if a := list(t, t.Context(), r.store, "state=closed"); len(a) != 1 || a[0].Verdict != alert.FalsePositive || a[0].Version != 2 {
		t.Errorf("afterwards %+v", a)
	}
	if code, _ := post("reopen", url.Values{"version": {"2"}}); code != http.StatusSeeOther {
		t.Errorf("reopening: %d", code)
	}
	if a := list(t, t.Context(), r.store, "state=in_progress"); len(a) != 1 || a[0].Verdict != "" {
		t.Errorf("an open alert has a verdict: %+v", a)
	}
}

func TestRulesHaveTitlesInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	title := "難読化されたコマンド"
	for _, path := range []string{"/alerts?view=all", "/alerts?view=all&q=" + title, "/alerts?view=all&rule=" + encodedID, "/alerts/" + r.id(t, "rule="+encodedID)} {
		for lang, want := range map[i18n.Lang]bool{i18n.Japanese: true, i18n.English: false} {
			body := r.Do(webtest.Request{As: webtest.Reader, Path: path, Lang: lang}).Body.String()
			_, body, _ = strings.Cut(body, `<h1>`)
			if strings.Contains(body, title+" ") != want {
				t.Errorf("%s in %s: has the Japanese title: %v", path, lang, !want)
			}
		}
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fill(t)
	id := r.id(t, "unit=shop")
	for path, signs := range map[string][]string{
		"/api/v1/alerts?sort=-count&limit=3": {`"next":`, `"severity":`},
		"/api/v1/alerts?unit=holding":        {`"unit":"shop"`, `"entity":"sato"`, `"entity_kind":"user"`},
		"/api/v1/alerts/" + id:               {`"state":"new"`, `"verdict":null`, `"count":1`, `"technique":["T1003.001"]`, `"tactic":["credential-access"]`},
		"/api/v1/alerts/" + id + "/events":   {`"user.name":"sato"`},
	} {
		w := r.Do(webtest.Request{As: webtest.Admin, Path: path, Header: map[string]string{"Accept": "application/json"}})
		for _, sign := range signs {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), sign) {
				t.Errorf("%s: %d, no %s in %s", path, w.Code, sign, w.Body)
			}
		}
	}
	for path, want := range map[string]int{"/api/v1/alerts?severity=loud": 400, "/api/v1/alerts?state=gone": 400, "/api/v1/alerts/none": 404, "/api/v1/alerts/none/events": 404} {
		if w := r.Do(webtest.Request{As: webtest.Admin, Path: path, Header: map[string]string{"Accept": "application/json"}}); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
