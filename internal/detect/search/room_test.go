package search_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/search"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/web/webtest"
)

// room is a site with the search pages over a real store.
type room struct {
	*webtest.Site
	store *logstore.Store
}

// over is a live tail that ends at once: a walk over all pages must get past it.
type over struct{}

func (over) Watch() *pipeline.Watcher {
	w := new(pipeline.Hub).Watch()
	w.Close()
	return w
}

func newRoom(t testing.TB, events ...*event.Event) *room {
	t.Helper()
	store := openRealStore(t)
	if len(events) > 0 {
		add(t, store, events...)
	}
	return newRoomOn(t, store, over{})
}

func openRealStore(t testing.TB) *logstore.Store {
	t.Helper()
	store, err := logstore.Open(t.TempDir(), logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func newRoomOn(t testing.TB, store *logstore.Store, tail search.Tail) *room {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Migrate(t.Context(), "search", search.Migrations()); err != nil {
		t.Fatal(err)
	}
	r := &room{Site: webtest.New(t), store: store}
	r.Mount(search.NewRoom(search.RoomOptions{Service: search.NewService(store, nil), Site: r.Site.Site, DB: d, Tail: tail}).Module())
	return r
}

// recent are so many events of an office's morning, the newest just now, with hostile text in some of them.
func recent(n int) []*event.Event {
	began := time.Now().Truncate(time.Millisecond)
	lines := []struct{ dataset, host, user, action, text string }{
		{"windows.security", "pc-0412", "tanaka.h", "logged-in", "アカウントが正常にログオンしました。"},
		{"windows.sysmon_operational", "pc-0413", "suzuki", "Process creation", `Process Create: C:\Windows\System32\cmd.exe /c whoami /all`},
		{"sshd", "srv-web01", "root", "ssh_login", "Failed password for root from 203.0.113.9 port 52414 ssh2"},
		{"apache.access", "srv-web01", "", "", `203.0.113.9 - - "GET /wp-login.php HTTP/1.1" 404 196`},
		{"windows.powershell", "pc-0412", "tanaka.h", "Execute a Remote Command", "Creating Scriptblock text (1 of 1): Get-MpComputerStatus"},
		{"cisco.asa", "fw-01", "", "deny", "Deny tcp src outside:198.51.100.7/4123 dst dmz:192.0.2.10/22"},
		{"dns", "srv-ad01", webtest.Probe, "query", "query: login.example.net IN A + (10.0.0.12) " + webtest.Probe},
	}
	list := make([]*event.Event, n)
	for i := range list {
		line := lines[i%len(lines)]
		ev := &event.Event{ID: fmt.Sprintf("r-%05d", i), Time: began.Add(-time.Duration(n-i) * 7 * time.Second)}
		ev.Add(event.Message, line.text)
		ev.Add(event.EventDataset, line.dataset)
		ev.Add(event.HostName, line.host)
		ev.AddNonEmpty(event.UserName, line.user)
		ev.AddNonEmpty(event.EventAction, line.action)
		ev.Add(event.EventOutcome, []string{"success", "success", "failure"}[i%3])
		ev.Add(event.SourceIP, fmt.Sprintf("10.0.%d.%d", i%3, i%40))
		ev.Add("url.domain", "login.example.net")
		ev.AddInt("event.code", int64(4624+i%5))
		ev.Add("tags", "office")
		ev.Add("tags", webtest.Probe)
		ev.Add("winlog.event_data."+"TargetUserName", line.user)
		ev.Add(event.SourceID, "pc-winlogbeat")
		ev.Add(event.Original, `{"raw": "`+line.text+`"}`)
		list[i] = ev
	}
	return list
}

func at(ev *event.Event) string {
	return "/search/events/" + ev.ID + "?at=" + url.QueryEscape(ev.Time.UTC().Format(time.RFC3339Nano))
}

func TestPages(t *testing.T) {
	t.Parallel()
	events := recent(150)
	failed := &event.Event{ID: "bad", Time: time.Now()}
	failed.Add(event.EventKind, event.KindPipelineError)
	r := newRoom(t, append(events, failed)...)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	hostile := url.QueryEscape("`" + webtest.Probe + "`")
	paths := []string{
		"/search?q=" + hostile, "/search?q=nothing+finds+this", "/search?q=" + url.QueryEscape("* | stats by (tags, event.code) count() n"),
		"/search?q=" + url.QueryEscape("* | fields host.name"), "/search?start=2020-01-01&end=2020-01-02", "/search/export?format=csv",
		"/search/values?field=tags", "/search/values?field=none", "/search/histogram?q=nothing", "/search/fields?q=nothing", at(events[149]), at(events[6]), "/search/events/r-00003", "/api/v1/search/values?field=tags",
	}
	r.Pages(paths...)
}

func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	newRoom(t).Guarded()
}

func TestNothingStored(t *testing.T) {
	t.Parallel()
	page := newRoom(t).Do(webtest.Request{As: webtest.Reader, Path: "/search", Lang: "ja"}).Body.String()
	if !strings.Contains(page, "イベントはまだありません") || strings.Contains(page, `hx-get="/search/histogram`) {
		t.Error("an empty store is not said to be empty")
	}
}

func TestAWrongQueryIsShownWithTheEnginesWords(t *testing.T) {
	t.Parallel()
	w := newRoom(t).Do(webtest.Request{As: webtest.Reader, Path: "/search?q=" + url.QueryEscape("a:(<b> | x")})
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "LogsQL: ") || !strings.Contains(w.Body.String(), "a:(&lt;b&gt; | x</textarea>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = newRoom(t).Do(webtest.Request{As: webtest.Reader, Path: "/api/v1/search?query=a:(", Header: map[string]string{"Accept": "application/json"}})
	if w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), "LogsQL: ") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Every query that the help shows does what the help says: it finds what it should, and no error.
func TestExamplesOfTheHelp(t *testing.T) {
	t.Parallel()
	made := func(pairs ...string) *event.Event {
		ev := &event.Event{ID: "x-" + pairs[1], Time: time.Now()}
		for i := 0; i < len(pairs); i += 2 {
			ev.Add(pairs[i], pairs[i+1])
		}
		return ev
	}
	r := newRoom(t,
		made(event.Message, "powershell was started: Failed password", event.UserName, "administrator", event.HostName, "pc-1"),
		made(event.Message, "b", event.UserName, "ADMINISTRATOR", event.HostName, "srv-1", event.EventCode, "4625"),
		made(event.Message, "c", event.EventOutcome, "failure", event.SourceIP, "10.1.2.3"),
		made(event.Message, "d", event.EventOutcome, "failure", event.SourceIP, "203.0.113.9"),
		made(event.Message, "e", event.ProcessCommand, `powershell.exe -EncodedCommand AAAA`))
	page := r.Do(webtest.Request{As: webtest.Reader, Path: "/search"}).Body.String()
	_, help, _ := strings.Cut(page, `id="search-help"`)
	help, _, _ = strings.Cut(help, "</section>")
	var found []int
	for _, part := range strings.Split(help, `href="`)[1:] {
		address, _, _ := strings.Cut(part, `"`)
		address = html.UnescapeString(address)
		w := r.Do(webtest.Request{As: webtest.Reader, Path: address})
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", address, w.Code)
		}
		_, body, _ := strings.Cut(w.Body.String(), "<tbody>")
		body, _, _ = strings.Cut(body, "</tbody>")
		found = append(found, strings.Count(body, "<tr"))
	}
	if diff := cmp.Diff([]int{1, 1, 1, 2, 1, 1, 1, 1, 3, 2}, found); diff != "" {
		t.Error(diff)
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	r := newRoom(t, recent(2500)...) // more than a page within
	w := r.Do(webtest.Request{As: webtest.Reader, Path: "/search/export?format=ndjson"})
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	last := "9999"
	for _, line := range lines {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if at := row["@timestamp"].(string); at > last {
			t.Fatalf("%s after %s", at, last)
		} else {
			last = at
		}
	}
	if len(lines) != 2500 {
		t.Errorf("%d of 2500 rows", len(lines))
	}
	for query, want := range map[string]struct {
		rows   int
		header string
	}{
		"": {2501, "@timestamp,host.name,event.dataset,message,event.id,event.action"},
		"* | stats by (host.name) count() n | sort by (n)": {6, "host.name,n"},
		"nothing": {0, ""},
	} {
		w := r.Do(webtest.Request{As: webtest.Reader, Path: "/search/export?format=csv&q=" + url.QueryEscape(query)})
		table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\ufeff"))).ReadAll()
		if err != nil || len(table) != want.rows || len(table) > 0 && !strings.HasPrefix(strings.Join(table[0], ","), want.header) {
			t.Errorf("%q: %d rows, %v", query, len(table), err)
		}
	}
	// What cannot be searched is said, not saved as a file.
	for _, format := range []string{"csv", "ndjson"} {
		w := r.Do(webtest.Request{As: webtest.Reader, Path: "/search/export?q=%7C%7C&format=" + format})
		if h := w.Header(); w.Code != http.StatusBadRequest || h.Get("Content-Disposition") != "" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			t.Errorf("%s of a wrong query: %d %v", format, w.Code, h)
		}
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	r := newRoom(t, recent(300)...)
	get := func(path string) *httptest.ResponseRecorder {
		return r.Do(webtest.Request{As: webtest.Reader, Path: path, Header: map[string]string{"Accept": "application/json"}})
	}
	for path, want := range map[string]int{
		"/api/v1/search": 300, "/api/v1/search?limit=7": 7, "/api/v1/search?limit=0": 300, "/api/v1/search?query=sshd": 0,
		"/api/v1/search?since=1s": 0, "/api/v1/search?query=event.dataset:sshd": 43, "/api/v1/search?start=2020-01-01&end=2020-12-31": 0,
	} {
		w := get(path)
		if n := strings.Count(w.Body.String(), "\n"); w.Code != http.StatusOK || n != want || w.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %d, %d rows", path, w.Code, n)
		}
	}
	for _, path := range []string{"/api/v1/search?limit=-1", "/api/v1/search?limit=x", "/api/v1/search?since=soon", "/api/v1/search/hits?step=1us&since=1h", "/api/v1/search/hits?step=x", "/search/export?format=pdf"} {
		if w := get(path); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	var values struct {
		Values []struct {
			Value string
			Hits  int
		}
	}
	if err := json.Unmarshal(get("/api/v1/search/values?field=event.dataset&limit=2").Body.Bytes(), &values); err != nil || len(values.Values) != 2 || values.Values[0].Hits != 43 {
		t.Errorf("%+v %v", values, err)
	}
	var hits struct {
		Step   float64
		Total  int
		Times  []time.Time
		Series []struct {
			Name  string
			Total int
			Hits  []int
		}
	}
	if err := json.Unmarshal(get("/api/v1/search/hits?since=1h&step=5m&field=event.dataset").Body.Bytes(), &hits); err != nil || hits.Step != 300 || hits.Total != 300 || len(hits.Series) != 6 || len(hits.Series[0].Hits) != len(hits.Times) {
		t.Errorf("%+v %v", hits, err)
	}
	if body := get("/api/v1/search/fields?query=nothing").Body.String(); body != `{"fields":[]}`+"\n" {
		t.Errorf("%s", body)
	}
}

func TestSavedSearches(t *testing.T) {
	t.Parallel()
	r := newRoom(t, recent(10)...)
	save := func(name string) *httptest.ResponseRecorder {
		return r.Do(webtest.Request{As: webtest.Admin, Path: "/search/saved", Form: url.Values{"name": {name}, "q": {"user.name:=root"}, "since": {"7d"}}})
	}
	for _, bad := range []string{"", "  ", strings.Repeat("あ", 81), "a\nb"} {
		if w := save(bad); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, w.Code)
		}
	}
	save("別のもの")
	for range 2 { // the second replaces the first
		if w := save("root " + webtest.Probe); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/search?q=user.name%3A%3Droot&since=7d" {
			t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
		}
	}
	list := func() string { return r.Do(webtest.Request{As: webtest.Admin, Path: "/search"}).Body.String() }
	page := list()
	if problems := webtest.Problems(page); strings.Count(page, "/delete") != 2 || len(problems) > 0 {
		t.Errorf("%d saved searches are listed; %v", strings.Count(page, "/delete"), problems)
	}
	_, rest, _ := strings.Cut(page, `action="/search/saved/`)
	id, _, _ := strings.Cut(rest, "/")
	for _, want := range []int{http.StatusSeeOther, http.StatusNotFound} {
		if w := r.Do(webtest.Request{As: webtest.Admin, Path: "/search/saved/" + id + "/delete", Form: url.Values{}}); w.Code != want {
			t.Errorf("deleting: %d, want %d", w.Code, want)
		}
	}
	if strings.Count(list(), "/delete") != 1 {
		t.Error("a deleted search is still listed")
	}
	if w := r.Do(webtest.Request{As: webtest.Reader, Path: "/search/saved", Form: url.Values{"name": {"x"}}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader saves: %d", w.Code)
	}
}

func TestProgramsSaveSearches(t *testing.T) {
	t.Parallel()
	r := newRoom(t, recent(10)...)
	const path = "/api/v1/search/saved"
	r.Call(webtest.Robot, "POST", path, `{"name":"root","query":"user.name:=root","since":"7d"}`, http.StatusNoContent, nil)
	var list struct {
		Items []struct{ ID, Name, Query, Since string }
	}
	r.Call(webtest.Reader, "GET", path, "", http.StatusOK, &list)
	if len(list.Items) != 1 || list.Items[0].Query != "user.name:=root" || list.Items[0].Since != "7d" {
		t.Fatalf("%+v", list)
	}
	r.Call(webtest.Robot, "POST", path, `{"name":""}`, http.StatusBadRequest, nil)
	r.Call(webtest.Reader, "POST", path, `{"name":"x"}`, http.StatusForbidden, nil)
	r.Call(webtest.Robot, "DELETE", path+"/"+list.Items[0].ID, "", http.StatusNoContent, nil)
	r.Call(webtest.Robot, "DELETE", path+"/"+list.Items[0].ID, "", http.StatusNotFound, nil)
}
