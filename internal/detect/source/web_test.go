package source_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/source"
	"yagura/internal/detect/source/follow"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/platform/web/webtest"
)

// room is a site with the Sources pages over some sources.
type room struct {
	*webtest.Site
	tokens *source.Tokens
	stats  *source.Stats
	inputs *source.Inputs
	sink   *gatetest.Sink
}

func newRoom(t *testing.T) *room {
	t.Helper()
	d, _ := openDB(t)
	r := &room{Site: webtest.New(t), tokens: openTokens(t, d), stats: source.NewStats(time.Now), sink: &gatetest.Sink{}}
	r.inputs = source.NewInputs(source.InputsOptions{Sink: r.sink, Tokens: r.tokens, Observer: r.stats})
	certificate := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(certificate, []byte("-----BEGIN CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Mount(source.NewRoom(r.Site.Site, source.RoomOptions{
		Tokens: r.tokens, Stats: r.stats, Certificate: certificate,
		Listeners: []source.Listener{{"syslog-tls", "syslog", "[::]:6514"}, {"files", "file", "/var/log/*.log"}},
		Files: func() []follow.Progress {
			return []follow.Progress{{Path: "/var/log/" + webtest.Probe, Offset: 10, Size: 20, Problem: webtest.Probe}}
		},
	}).Module())
	return r
}

// fill makes sources in every state, with hostile text wherever a sender can put it.
func (r *room) fill(t *testing.T) {
	t.Helper()
	for _, name := range []string{"pc-winlogbeat", "waiting"} {
		if _, _, err := r.tokens.Create(t.Context(), name, "admin"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		r.stats.Accepted("pc-winlogbeat", "elastic", "192.0.2.7", 10*i, 10_000*i)
	}
	r.stats.Processed([]pipeline.Observation{{Source: "pc-winlogbeat", Input: "elastic", Events: 4350, Newest: time.Now().Add(-3 * time.Second), Lag: time.Second}})
	r.stats.Accepted("syslog-tls", "syslog", webtest.Probe, 10, 1000)
	r.stats.Refused("syslog-tls", "syslog", webtest.Probe, 5, "TLS handshake: "+webtest.Probe)
	r.stats.Refused("", "hec", "203.0.113.9", 0, "the token is not known or was revoked")
	r.stats.Accepted("elsewhere", "unheard-of", "", 1, 1)
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	r.Pages("/sources/files") // with nothing there
	r.fill(t)
	r.Pages("/sources", "/sources/pc-winlogbeat", "/sources/waiting", "/sources/syslog-tls", "/sources/files", "/sources/-", "/sources/elsewhere",
		"/sources/-/connect?kind=vector&name="+url.QueryEscape(webtest.Probe))
}

func TestRoutesAreGuarded(t *testing.T) {
	t.Parallel()
	newRoom(t).Guarded()
}

var tokenText = regexp.MustCompile(`ygt_[A-Za-z0-9_-]{43}`)

// From the form to the first event, and to the end of the token.
func TestConnect(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	post := func(path string, form url.Values) *httptest.ResponseRecorder {
		return r.Do(webtest.Request{As: webtest.Admin, Path: path, Form: form})
	}
	if w := post("/sources/-/tokens", url.Values{"name": {"a b"}, "kind": {"curl"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "1 to 63") {
		t.Errorf("a bad name: %d", w.Code)
	}
	w := post("/sources/-/tokens", url.Values{"name": {"web-1"}, "kind": {"curl"}})
	secret := tokenText.FindString(w.Body.String())
	if w.Code != http.StatusOK || secret == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if problems := webtest.Problems(w.Body.String()); len(problems) > 0 {
		t.Error(problems)
	}
	send := func() int {
		req := httptest.NewRequest("POST", "/api/v1/events", strings.NewReader(`{"a":1}`))
		req.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		r.inputs.Handler().ServeHTTP(w, req)
		return w.Code
	}
	if code := send(); code != http.StatusOK || r.sink.Batches()[0].Source != "web-1" {
		t.Errorf("the new token: %d", code)
	}
	page := r.Do(webtest.Request{As: webtest.Admin, Path: "/sources/web-1"}).Body.String()
	if strings.Contains(page, secret) || !strings.Contains(page, "ygt_…"+secret[len(secret)-4:]) {
		t.Error("the page shows the token, or not enough of it")
	}
	list, err := r.tokens.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w := post("/sources/-/tokens/"+list[0].ID+"/revoke", url.Values{"name": {"web-1"}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sources/web-1" {
		t.Errorf("revoking: %d %v", w.Code, w.Header())
	}
	if code := send(); code != http.StatusUnauthorized {
		t.Errorf("the revoked token: %d", code)
	}
	if page := r.Do(webtest.Request{As: webtest.Admin, Path: "/sources/web-1"}).Body.String(); !strings.Contains(page, "ygt_…"+secret[len(secret)-4:]) {
		t.Error("the page of a source that sent with it does not show the revoked token")
	}
}

// An import may name its source as it likes.
func TestSourceOfAnyName(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.stats.Accepted("old/dc 1?", "import", "", 1, 1)
	const path = "/sources/old%2Fdc%201%3F"
	if page := r.Do(webtest.Request{As: webtest.Admin, Path: "/sources"}).Body.String(); !strings.Contains(page, `"`+path+`"`) {
		t.Error("the list does not lead to it")
	}
	if w := r.Do(webtest.Request{As: webtest.Admin, Path: path}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "old/dc 1?") {
		t.Errorf("its page: %d", w.Code)
	}
}

// What is to be copied is what the programs can read: YAML is YAML, and all name server and token.
func TestSnippets(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	w := r.Do(webtest.Request{As: webtest.Admin, Path: "/sources/-/tokens", Form: url.Values{"name": {"web-1"}, "kind": {"vector"}}})
	copies := regexp.MustCompile(`data-copy="([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1)
	unescape := strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+", "&amp;", "&")
	texts := 0
	for _, match := range copies {
		text := unescape.Replace(match[1])
		if !strings.Contains(text, "\n") {
			continue // the token itself
		}
		texts++
		title, _, _ := strings.Cut(text, "\n")
		if !strings.Contains(text, "example.com") {
			t.Errorf("%s: the server is not named", title)
		}
		if !tokenText.MatchString(text) && !strings.Contains(text, "omfwd") {
			t.Errorf("%s: the token is not in it", title)
		}
		if strings.HasSuffix(title, ".yml") || strings.HasSuffix(title, ".yaml") {
			var any map[string]any
			if err := yaml.Unmarshal([]byte(text), &any); err != nil {
				t.Errorf("%s: %v", title, err)
			}
		}
	}
	if texts != 10 {
		t.Errorf("%d snippets", texts)
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	w := newRoom(t).Do(webtest.Request{As: webtest.Reader, Path: "/sources/-/certificate"})
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), "-----BEGIN CERTIFICATE") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A shipper's request reaches its protocol; what is nobody's is the web interface's.
func TestInputsClaim(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for target, want := range map[string]bool{
		"POST /api/v1/events": true, "POST /services/collector": true, "POST /v1/logs": true, "POST /_bulk": true,
		"POST /logs/_bulk": true, "GET /sources": false, "POST /sources/-/tokens": false, "GET /api/v1/search": false,
	} {
		method, path, _ := strings.Cut(target, " ")
		req := httptest.NewRequest(method, path, nil)
		if got := r.inputs.Claims(req); got != want {
			t.Errorf("%s: claimed %v", target, got)
		}
		if want {
			w := httptest.NewRecorder()
			r.inputs.Handler().ServeHTTP(w, req)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s without a token: %d", target, w.Code)
			}
		}
	}
}

func TestPictures(t *testing.T) {
	t.Parallel()
	if os.Getenv("YAGURA_SCREENSHOTS") == "" {
		t.Skip("set YAGURA_SCREENSHOTS to a folder to keep pictures of the pages")
	}
	r := newRoom(t)
	r.fill(t)
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	ctx := webtest.Browser(t)
	for name, path := range map[string]string{"sources": "/sources", "source": "/sources/syslog-tls", "connect": "/sources/-/connect"} {
		webtest.Shoot(t, ctx, name, 1280, 900,
			chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"), webtest.SetCookie("yagura_lang", "ja"), chromedp.Navigate(server.URL+path))
	}
}

func TestProgramsMakeTokens(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	const path = "/api/v1/sources/-/tokens"
	var made struct{ ID, Source, Secret, Hint string }
	r.Call(webtest.Robot, "POST", path, `{"source":"web-1"}`, http.StatusCreated, &made)
	if !tokenText.MatchString(made.Secret) || made.Source != "web-1" || !strings.HasSuffix(made.Secret, made.Hint) {
		t.Errorf("%+v", made)
	}
	r.Call(webtest.Robot, "POST", path, `{"source":"a b"}`, http.StatusBadRequest, nil)
	r.Call(webtest.Reader, "POST", path, `{"source":"x"}`, http.StatusForbidden, nil)
	r.Call(webtest.Robot, "DELETE", path+"/"+made.ID, "", http.StatusNoContent, nil)
	r.Call(webtest.Robot, "DELETE", path+"/"+made.ID, "", http.StatusNotFound, nil)
	var list struct {
		Items []struct{ ID, Secret, Revoked string }
	}
	r.Call(webtest.Reader, "GET", path, "", http.StatusOK, &list)
	if len(list.Items) != 1 || list.Items[0].Revoked == "" || list.Items[0].Secret != "" {
		t.Errorf("%+v", list)
	}
}
