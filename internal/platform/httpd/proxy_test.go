package httpd_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
)

func proxies(t testing.TB, header string, networks ...string) httpd.Proxies {
	t.Helper()
	p, err := httpd.ParseProxies(networks, header)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seen passes a request through a front and returns what the handler learns of it.
func seen(t testing.TB, p httpd.Proxies, r *http.Request) (client netip.Addr, secure bool) {
	t.Helper()
	called := false
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = true
		client, secure = httpd.ClientIP(r), httpd.Secure(r)
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s reaches the handler", name)
			}
		}
	})
	httpd.Front(httpd.FrontOptions{Proxies: p}, handler).ServeHTTP(httptest.NewRecorder(), r)
	if !called {
		t.Error("the handler was not called")
	}
	return client, secure
}

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	xff := proxies(t, "", "10.0.0.0/8", "192.0.2.10", "2001:db8:1::/48")
	rfc := proxies(t, "forwarded", "10.0.0.0/8")
	nobody := proxies(t, "")
	for _, c := range []struct {
		name    string
		trusted httpd.Proxies
		peer    string
		headers string // "Name: value" in lines
		client  string
		secure  bool
	}{
		{"no proxy", nobody, "203.0.113.7:4711", "", "203.0.113.7", false},
		{"nobody is trusted", nobody, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: https", "10.0.0.1", false},
		{"a stranger claims", xff, "203.0.113.7:1", "X-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: https", "203.0.113.7", false},
		{"one proxy", xff, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: https", "198.51.100.1", true},
		{"one proxy, plain", xff, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: http", "198.51.100.1", false},
		{"a client claims through the proxy", xff, "10.0.0.1:1", "X-Forwarded-For: 127.0.0.1, 198.51.100.1", "198.51.100.1", false},
		{"a client claims to be the proxy", xff, "10.0.0.1:1", "X-Forwarded-For: 1.1.1.1, 203.0.113.9\nX-Forwarded-Proto: https, http", "203.0.113.9", false},
		{"a client claims in a header of its own", xff, "10.0.0.1:1", "X-Forwarded-For: 127.0.0.1\nX-Forwarded-For: 198.51.100.1", "198.51.100.1", false},
		{"two proxies", xff, "192.0.2.10:1", "X-Forwarded-For: 9.9.9.9, 198.51.100.1, 10.9.9.9\nX-Forwarded-Proto: https", "198.51.100.1", true},
		{"two proxies that both say", xff, "192.0.2.10:1", "X-Forwarded-For: 198.51.100.1, 10.9.9.9\nX-Forwarded-Proto: https, http", "198.51.100.1", true},
		{"only proxies", xff, "10.0.0.1:1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3", false},
		{"IPv6", xff, "[2001:db8:1::1]:443", "X-Forwarded-For: 2001:db8:ffff::7", "2001:db8:ffff::7", false},
		{"IPv6 in brackets", xff, "[2001:db8:1::1]:443", "X-Forwarded-For: [2001:db8:ffff::7]:4711", "2001:db8:ffff::7", false},
		{"IPv4 in IPv6", xff, "[::ffff:10.0.0.1]:1", "X-Forwarded-For: ::ffff:198.51.100.1", "198.51.100.1", false},
		{"with a port", xff, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1:80", "198.51.100.1", false},
		{"unreadable", xff, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1, <script>\nX-Forwarded-Proto: https", "10.0.0.1", true},
		{"empty", xff, "10.0.0.1:1", "X-Forwarded-For: ", "10.0.0.1", false},
		{"only how", xff, "10.0.0.1:1", "X-Forwarded-Proto: HTTPS", "10.0.0.1", true},
		{"an odd how", xff, "10.0.0.1:1", "X-Forwarded-For: 198.51.100.1\nX-Forwarded-Proto: httpsx", "198.51.100.1", false},
		{"the other header", xff, "10.0.0.1:1", "Forwarded: for=198.51.100.1;proto=https", "10.0.0.1", false},
		{"endless", xff, "10.0.0.1:1", "X-Forwarded-For: 8.8.8.8" + strings.Repeat(", 10.0.0.1", 500), "10.0.0.1", false},

		{"RFC 7239", rfc, "10.0.0.1:1", "Forwarded: for=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1", true},
		{"RFC 7239, IPv6", rfc, "10.0.0.1:1", `Forwarded: For="[2001:db8:cafe::17]:4711"; Proto=HTTPS`, "2001:db8:cafe::17", true},
		{"RFC 7239, two steps", rfc, "10.0.0.1:1", "Forwarded: for=1.1.1.1;proto=https, for=198.51.100.1;proto=http, for=10.0.0.2;proto=http", "198.51.100.1", false},
		{"RFC 7239, two headers", rfc, "10.0.0.1:1", "Forwarded: for=1.1.1.1\nForwarded: for=198.51.100.1", "198.51.100.1", false},
		{"RFC 7239, hidden", rfc, "10.0.0.1:1", `Forwarded: for=1.1.1.1, for="_hidden";proto=https`, "10.0.0.1", true},
		{"RFC 7239, twice", rfc, "10.0.0.1:1", "Forwarded: for=198.51.100.1;for=127.0.0.1", "10.0.0.1", false},
		{"RFC 7239, a comma in quotes", rfc, "10.0.0.1:1", `Forwarded: for="127.0.0.1, for=127.0.0.1", for=198.51.100.1`, "198.51.100.1", false},
		{"RFC 7239, an open quote", rfc, "10.0.0.1:1", `Forwarded: for="127.0.0.1, for=198.51.100.1`, "10.0.0.1", false},
		{"RFC 7239, a quote open in a line before", rfc, "10.0.0.1:1", "Forwarded: for=\"127.0.0.1\nForwarded: for=198.51.100.1", "198.51.100.1", false},
		{"RFC 7239, the other header", rfc, "10.0.0.1:1", "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: https", "10.0.0.1", false},
		{"a socket without address", xff, "@", "X-Forwarded-For: 198.51.100.1", "invalid IP", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for line := range strings.Lines(c.headers) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			r.Header.Add(name, value)
		}
		if client, secure := seen(t, c.trusted, r); client.String() != c.client || secure != c.secure {
			t.Errorf("%s: from %s, over HTTPS %v; want %s, %v", c.name, client, secure, c.client, c.secure)
		}
	}
}

func TestHTTPSToUsCountsUnlessTheProxySaysOtherwise(t *testing.T) {
	t.Parallel()
	p := proxies(t, "", "10.0.0.0/8")
	for header, want := range map[string]bool{"": true, "https": true, "http": false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.TLS = "10.0.0.1:1", &tls.ConnectionState{}
		r.Header.Set("X-Forwarded-Proto", header)
		if _, secure := seen(t, p, r); secure != want {
			t.Errorf("with %q: %v", header, secure)
		}
	}
}

func TestWithoutAFrontThePeerIsTheClient(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "[fe80::1%eth0]:4711"
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	if got := httpd.ClientIP(r); got.String() != "fe80::1" || httpd.Secure(r) || httpd.RequestID(r) != "" {
		t.Errorf("from %s, over HTTPS %v, id %q", got, httpd.Secure(r), httpd.RequestID(r))
	}
	httpd.SetUser(r, "nobody listens")
}

func TestARequestThatPassedAProxyIsKnownEvenWithoutTrust(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "X-Forwarded-For", "x-forwarded-proto", "Forwarded", "X-Real-IP", "Via"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if name != "" {
			r.Header.Set(name, "")
		}
		bare, behind := httpd.Proxied(r), false
		httpd.Front(httpd.FrontOptions{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { behind = httpd.Proxied(r) })).
			ServeHTTP(httptest.NewRecorder(), r)
		if want := name != ""; bare != want || behind != want {
			t.Errorf("%q: %v without a front, %v behind one", name, bare, behind)
		}
	}
}

func TestSettingsThatWouldTrustTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	for _, networks := range [][]string{{"0.0.0.0/0"}, {"::/0"}, {"10.0.0.0/33"}, {"proxy.example.jp"}, {""}} {
		if _, err := httpd.ParseProxies(networks, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", networks, err)
		}
	}
	if _, err := httpd.ParseProxies(nil, "X-Real-IP"); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown header: %v", err)
	}
}

// FuzzForwarded: whatever a client sends through a trusted proxy, the client is what that proxy wrote last.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "127.0.0.1", "for=127.0.0.1", `for="`, `for="\"`, ",,,;;;=", "for=\"[::1]:x\"", "a, b, 10.0.0.1", "10.0.0.1", "[", "]:", "\\"} {
		f.Add(seed)
	}
	xff, rfc := proxies(f, "", "10.0.0.0/8"), proxies(f, "Forwarded", "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, sent string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header = http.Header{"X-Forwarded-For": {sent, "203.0.113.5"}, "Forwarded": {sent + ", for=203.0.113.5"}}
		if client, _ := seen(t, xff, r); client.String() != "203.0.113.5" {
			t.Errorf("%q makes the client %s", sent, client)
		}
		r.Header = http.Header{"X-Forwarded-For": {sent}, "Forwarded": {sent + ", for=203.0.113.5"}}
		if client, _ := seen(t, rfc, r); client.String() != "203.0.113.5" && client.String() != "10.0.0.1" {
			t.Errorf("%q makes the client %s", sent, client) // an open quote swallows the proxy's own words: nobody is believed
		}
	})
}
