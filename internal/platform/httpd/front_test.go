package httpd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/seal/leaktest"
)

// journal collects the lines of a log.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) { j.mu.Lock(); defer j.mu.Unlock(); return j.b.Write(b) }

// lines returns the lines of requests that were logged so far.
func (j *journal) lines(t *testing.T) (list []map[string]any) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range bytes.Lines(j.b.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		if m["msg"] == "request" {
			list = append(list, m)
		}
	}
	return list
}

func (j *journal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: level}))
}

func ask(h http.Handler, method, target, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 4711).String()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEachRequestHasOneLineWithoutItsQuery(t *testing.T) {
	t.Parallel()
	plants := leaktest.New()
	secret := plants.Secret("token in the query")
	log := new(journal)
	clock := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	id := ""
	h := httpd.Front(httpd.FrontOptions{
		Log: log.logger(slog.LevelInfo), Access: httpd.LogAll, Now: func() time.Time { clock = clock.Add(time.Millisecond); return clock },
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id = httpd.RequestID(r)
		httpd.SetUser(r, "0197-user")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	}))
	answer := ask(h, "GET", "/rules/a%0Ab?q="+secret, "198.51.100.7")
	if id == "" || answer.Header().Get("X-Request-Id") != id {
		t.Errorf("id %q, answered %q", id, answer.Header().Get("X-Request-Id"))
	}
	lines := log.lines(t)
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	for key, want := range map[string]any{
		"request": id, "method": "GET", "path": "/rules/a%0Ab", "status": 418.0, "bytes": 15.0, "took": 1e6, "user": "0197-user", "address": "198.51.100.7", "level": "INFO",
	} {
		if lines[0][key] != want {
			t.Errorf("%s is %v, want %v", key, lines[0][key], want)
		}
	}
	plants.Check(t, "the log", log.b.Bytes())
	other := ask(h, "GET", "/", "198.51.100.7").Header().Get("X-Request-Id")
	if other == answer.Header().Get("X-Request-Id") {
		t.Error("two requests have one id")
	}
}

func TestTheAccessLogHoldsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for access, want := range map[httpd.AccessLog]string{
		httpd.LogNone: "/fails", "": "/fails", httpd.LogPages: "/alerts /fails", httpd.LogAll: "/alerts /static/a.css /health /api/v1/events /fails",
	} {
		log := new(journal)
		h := httpd.Front(httpd.FrontOptions{
			Log: log.logger(slog.LevelInfo), Access: access, Exempt: func(r *http.Request) bool { return r.URL.Path == "/api/v1/events" },
		}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/fails" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		for _, path := range []string{"/alerts", "/static/a.css", "/health", "/api/v1/events", "/fails"} {
			ask(h, "GET", path, "198.51.100.7")
		}
		var paths []string
		for _, line := range log.lines(t) {
			paths = append(paths, fmt.Sprint(line["path"]))
		}
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("%q: %s, want %s", access, got, want)
		}
	}
}

func TestAPanicCostsItsOwnRequestOnly(t *testing.T) {
	t.Parallel()
	log := new(journal)
	server := httptest.NewServer(httpd.Front(httpd.FrontOptions{Log: log.logger(slog.LevelInfo)}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			fmt.Fprint(w, "half an ans")
			_ = http.NewResponseController(w).Flush()
		}
		panic("a secret of the inside")
	})))
	defer server.Close()
	answer, err := http.Get(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 500 || strings.Contains(string(body), "secret") || !strings.Contains(string(body), `"code":"internal"`) {
		t.Errorf("answered %d %q, %v", answer.StatusCode, body, err)
	}
	late, err := http.Get(server.URL + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Body.Close()
	if body, err := io.ReadAll(late.Body); err == nil {
		t.Errorf("half an answer passed for a whole one: %q", body)
	}
	if lines := log.lines(t); len(lines) == 0 || lines[0]["status"] != 500.0 || lines[0]["level"] != "ERROR" {
		t.Errorf("logged %v", lines)
	}
}

func TestHTTPSIsRememberedByBrowsersWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	var none httpd.Limits
	none.Address[httpd.Pages] = httpd.Rate{Every: time.Hour, Burst: 1}
	h := httpd.Front(httpd.FrontOptions{Proxies: proxies(t, "", "10.0.0.1"), Limiter: httpd.NewLimiter(none, nil)},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("whatever") }))
	for _, c := range []struct {
		scheme string
		want   bool
	}{{"https", true}, {"http", false}, {"https", true}} { // an error, and then refusals
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("X-Forwarded-Proto", c.scheme)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security"); (got != "") != c.want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s, %d: %v", c.scheme, w.Code, w.Header())
		}
	}
}

func TestOddMethodsAreNotAnswered(t *testing.T) {
	t.Parallel()
	h := httpd.Front(httpd.FrontOptions{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached the handler") }))
	for _, method := range []string{"TRACE", "TRACK", "CONNECT"} {
		if got := ask(h, method, "/", "198.51.100.7").Code; got != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got)
		}
	}
}

// limited is a front with small limits on a clock that the test moves.
func limited(pass *time.Time) http.Handler {
	limits := httpd.Limits{}
	limits.Address[httpd.Pages] = httpd.Rate{Every: time.Second, Burst: 10}
	limits.Address[httpd.SignIn] = httpd.Rate{Every: time.Minute, Burst: 3}
	return httpd.Front(httpd.FrontOptions{
		Limiter: httpd.NewLimiter(limits, func() time.Time { return *pass }),
		Exempt:  func(r *http.Request) bool { return r.URL.Path == "/_bulk" },
	}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// allowed asks n times and counts the answers.
func allowed(h http.Handler, n int, method, path, from string) (ok int, last *httptest.ResponseRecorder) {
	for range n {
		last = ask(h, method, path, from)
		if last.Code == http.StatusOK {
			ok++
		}
	}
	return ok, last
}

func TestWhoAsksTooOftenIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	h := limited(&clock)
	for _, c := range []struct {
		name, method, path, from string
		wait                     time.Duration
		ok                       int
	}{
		{"the burst", "GET", "/", "198.51.100.7", 0, 10},
		{"and no more", "GET", "/", "198.51.100.7", 0, 0},
		{"another address", "GET", "/", "198.51.100.8", 0, 10},
		{"after a while", "GET", "/", "198.51.100.7", 4 * time.Second, 4},
		{"signing in is stricter", "POST", "/signin", "198.51.100.7", 0, 3},
		{"looking at its page is not", "GET", "/signin", "198.51.100.9", 0, 10},
		{"every way of signing in counts", "POST", "/signin/passkey", "198.51.100.7", 0, 0},
		{"so does coming back from a provider", "GET", "/signin/oidc", "198.51.100.7", 0, 0},
		{"and a longer name does not", "POST", "/signinks", "198.51.100.7", 10 * time.Second, 10},
		{"an IPv6 subscriber", "GET", "/", "2001:db8:1:2::1", 0, 10},
		{"has one bucket", "GET", "/", "2001:db8:1:2:ffff::9", 0, 0},
		{"the neighbour another", "GET", "/", "2001:db8:1:3::1", 0, 10},
		{"log shippers are exempt", "POST", "/_bulk", "198.51.100.7", 0, 30},
		{"the health check, too", "GET", "/health", "198.51.100.7", 0, 30},
		{"a class without limits", "GET", "/api/v1/alerts", "198.51.100.7", 0, 30},
		{"the burst comes back in the end, and no more than that", "GET", "/", "198.51.100.7", time.Hour, 10},
	} {
		clock = clock.Add(c.wait)
		if ok, last := allowed(h, 30, c.method, c.path, c.from); ok != c.ok || (ok < 30 && last.Code != http.StatusTooManyRequests) {
			t.Errorf("%s: %d of 30 were answered, want %d; the last %d", c.name, ok, c.ok, last.Code)
		}
	}
	_, refused := allowed(h, 1, "GET", "/", "198.51.100.7")
	if refused.Header().Get("Retry-After") != "1" || !strings.Contains(refused.Body.String(), `"code":"busy"`) || refused.Header().Get("X-Request-Id") == "" {
		t.Errorf("refused with %v %s", refused.Header(), refused.Body)
	}
}

func TestAPersonHasLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	var limits httpd.Limits
	limits.Person[httpd.API] = httpd.Rate{Every: 10 * time.Second, Burst: 2}
	limiter := httpd.NewLimiter(limits, func() time.Time { return clock })
	take := func(id string) (after string, err error) {
		w := httptest.NewRecorder()
		err = limiter.Person(w, httptest.NewRequest("GET", "/api/v1/alerts", nil), id)
		return w.Header().Get("Retry-After"), err
	}
	for range 2 {
		if _, err := take("a"); err != nil {
			t.Error(err)
		}
	}
	if after, err := take("a"); !fault.Is(err, fault.Busy) || after != "10" {
		t.Errorf("%v, Retry-After %q", err, after)
	}
	clock = clock.Add(9500 * time.Millisecond)
	if after, err := take("a"); !fault.Is(err, fault.Busy) || after != "1" {
		t.Errorf("half a second early: %v, Retry-After %q", err, after)
	}
	if _, err := take("b"); err != nil {
		t.Errorf("another person: %v", err)
	}
}

func TestAFloodFromEverywhereDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	limiter := httpd.NewLimiter(httpd.DefaultLimits(), nil)
	r := httptest.NewRequest("GET", "/", nil)
	for i := range httpd.MaxBuckets + 1000 {
		r.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1).String()
		if err := limiter.Address(httptest.NewRecorder(), r); err != nil {
			t.Fatal(err)
		}
	}
	if n := httpd.Table(limiter, httpd.Pages); n != httpd.MaxBuckets {
		t.Errorf("knows %d networks", n)
	}
}

// TestALongExchangeIsNotCutOff streams through the deadlines of both directions and protocols.
func TestALongExchangeIsNotCutOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(httpd.Front(httpd.FrontOptions{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		for range 100 {
			fmt.Fprintf(w, "%d bytes\n", n)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }); !ok {
			t.Error("the controller cannot reach the connection")
		}
	})))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	plain := server.Client()
	plain.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	answer, err := plain.Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 5<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.ProtoMajor != 2 || strings.Count(string(body), "5242880 bytes\n") != 100 {
		t.Errorf("over %s: %d bytes, %v", answer.Proto, len(body), err)
	}
}

func TestABodyThatDoesNotComeEndsTheRequest(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	server := httptest.NewServer(httpd.FrontWithin(50*time.Millisecond, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	})))
	defer server.Close()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome"); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if err := <-failed; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the handler got %v", err)
	}
	if _, err := bufio.NewReader(connection).ReadByte(); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the connection: %v", err)
	}
}

func BenchmarkFront(b *testing.B) {
	limits := httpd.DefaultLimits()
	limits.Address[httpd.Pages].Every = time.Nanosecond
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	fronted := httpd.Front(httpd.FrontOptions{
		Proxies: proxies(b, "", "10.0.0.0/8"), Limiter: httpd.NewLimiter(limits, nil),
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Access: httpd.LogAll,
	}, bare)
	for name, h := range map[string]http.Handler{"bare": bare, "front": fronted} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/alerts?state=new", nil)
				r.RemoteAddr = "10.0.0.1:4711"
				r.Header.Set("X-Forwarded-For", "198.51.100.7")
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
