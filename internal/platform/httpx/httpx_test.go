package httpx_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
)

// loopback lets a test reach its own servers.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func client(t testing.TB, opt httpx.Options) *httpx.Client {
	t.Helper()
	c, err := httpx.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t testing.TB, c *httpx.Client, address string) (*httpx.Answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(r)
}

func TestWhichAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for text, refused := range map[string]bool{
		"8.8.8.8": false, "1.1.1.1": false, "2606:4700::1111": false, "2001:4860:4860::8888": false, "64:ff9b::808:808": false,
		"127.0.0.1": true, "127.8.8.8": true, "0.0.0.0": true, "10.1.2.3": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true,
		"169.254.169.254": true, "169.254.1.1": true, "100.64.0.1": true, "100.127.255.254": true, "100.100.100.200": true, "168.63.129.16": true,
		"198.18.0.1": true, "192.0.2.1": true, "224.0.0.1": true, "239.1.1.1": true, "255.255.255.255": true, "240.0.0.1": true,
		"::": true, "::1": true, "::ffff:127.0.0.1": true, "::ffff:10.0.0.1": true, "::ffff:169.254.169.254": true, "::127.0.0.1": true,
		"64:ff9b::7f00:1": true, "64:ff9b::a9fe:a9fe": true, "64:ff9b:1::a00:1": true, "2002:7f00:1::": true, "2001:0:7f00:1::": true,
		"fe80::1": true, "fe80::1%eth0": true, "fc00::1": true, "fd00:ec2::254": true, "fec0::1": true, "ff02::1": true, "2001:db8::1": true, "100::1": true,
	} {
		if got := httpx.Refused(netip.MustParseAddr(text), nil); got != refused {
			t.Errorf("%s: refused %v, want %v", text, got, refused)
		}
	}
	if !httpx.Refused(netip.Addr{}, nil) {
		t.Error("no address at all is let through")
	}
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	if httpx.Refused(netip.MustParseAddr("10.0.0.1"), all) || !httpx.Refused(netip.MustParseAddr("169.254.169.254"), all) {
		t.Error("an exception must open the network it names, and no metadata service")
	}
}

func TestNothingOfTheHouseIsReached(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	strict := client(t, httpx.Options{Timeout: 5 * time.Second})
	// localhost is a name that resolves to a refused address: what a name said when it was typed in does not matter.
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "[64:ff9b::7f00:1]", "169.254.169.254"} {
		if _, err := get(t, strict, "http://"+host+":"+port+"/"); err == nil {
			t.Errorf("%s was reached", host)
		} else if ip, bad := netip.ParseAddr(strings.Trim(host, "[]")); bad == nil && ip.IsValid() && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	if answer, err := get(t, client(t, httpx.Options{Allow: loopback()}), inside.URL); err != nil || answer.Status != http.StatusOK {
		t.Errorf("allowed: %+v, %v", answer, err)
	}
}

func TestRedirectsDoNotLeadInside(t *testing.T) {
	t.Parallel()
	for to, follow := range map[string]bool{
		"http://169.254.169.254/latest/meta-data/": false, "http://[::1]/": false, "http://10.0.0.1/": false, "file:///etc/passwd": false, "gopher://x/": false,
		"http://user:word@example.com/": false, "/end": true,
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "end") })
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})
		server := httptest.NewServer(mux)
		// Only the server's own address is allowed: ::1 is not.
		allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		answer, err := get(t, client(t, httpx.Options{Allow: allow, Redirects: 3, Timeout: 5 * time.Second}), server.URL)
		if follow != (err == nil && string(answer.Body) == "end") {
			t.Errorf("redirect to %s: %+v, %v", to, answer, err)
		}
		if answer, err = get(t, client(t, httpx.Options{Allow: allow}), server.URL); err != nil || answer.Status != http.StatusFound {
			t.Errorf("redirect to %s without following: %+v, %v", to, answer, err)
		}
		server.Close()
	}
	loop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x"+r.URL.Path, http.StatusFound) }))
	defer loop.Close()
	if answer, err := get(t, client(t, httpx.Options{Allow: loopback(), Redirects: 3}), loop.URL); err == nil {
		t.Errorf("an endless redirect ended with %+v", answer)
	}
}

func TestHTTPSIsNotLeft(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }))
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	if _, err := get(t, client(t, httpx.Options{Allow: loopback(), Redirects: 3, Roots: roots}), secure.URL); err == nil || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("a redirect from https to http: %v", err)
	}
	if _, err := get(t, client(t, httpx.Options{Allow: loopback()}), secure.URL); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a certificate of nobody: %v", err)
	}
}

func TestEveryExchangeEnds(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-stop })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) })
	mux.HandleFunc("/close", func(w http.ResponseWriter, r *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			err = connection.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(stop)
	c := client(t, httpx.Options{Allow: loopback(), Timeout: 300 * time.Millisecond, MaxBody: 1000})
	for path, want := range map[string]string{"/hang": "did not answer within", "/drip": "did not answer within", "/headers": "header", "/close": "EOF"} {
		if _, err := get(t, c, server.URL+path); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if answer, err := get(t, c, server.URL+"/huge"); err != nil || len(answer.Body) != 1000 || !answer.Cut {
		t.Errorf("a huge answer: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(gone, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that nobody waits for: %v", err)
	}
}

func TestAProxyIsUsedAndDoesNotOpenTheHouse(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Store(r.URL.String()) }))
	defer proxy.Close()
	c := client(t, httpx.Options{Proxy: proxy.URL})
	if answer, err := get(t, c, "http://hooks.invalid/a"); err != nil || answer.Status != http.StatusOK || asked.Load() != "http://hooks.invalid/a" {
		t.Errorf("through the proxy: %+v, %v, asked for %v", answer, err, asked.Load())
	}
	for _, inside := range []string{"http://10.0.0.1/", "http://169.254.169.254/", "http://localhost/", proxy.URL} {
		if _, err := get(t, c, inside); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s through the proxy: %v", inside, err)
		}
	}
	for _, wrong := range []string{"socks5://x:1", "proxy.example.jp:3128", "http://"} {
		if _, err := httpx.New(httpx.Options{Proxy: wrong}); !fault.Is(err, fault.Invalid) {
			t.Errorf("proxy %q: %v", wrong, err)
		}
	}
}

func TestNoErrorTellsASecretAddress(t *testing.T) {
	t.Parallel()
	c := client(t, httpx.Options{Timeout: 5 * time.Second})
	for _, address := range []string{"http://127.0.0.1:1/services/s3cr3t", "http://nobody.invalid/services/s3cr3t", "ftp://x/s3cr3t", "http://u:s3cr3t@x/"} {
		if _, err := get(t, c, address); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		}
	}
}

// FuzzCheckURL: an address that is taken is http or https to one host, and comes out as it went in.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://hooks.slack.com/services/a/b", "http://[::1]:80/", "javascript:alert(1)", "https://a@b/", "https:/x", "https://x\r\nHost: y", `https://a\@b/`, "//x", "http://%31/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := httpx.CheckURL(text)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil || again.Host != u.Host || u.Hostname() == "" || u.User != nil || strings.ContainsAny(u.Host, " \r\n\\/@") {
			t.Errorf("%q is taken as %+v", text, u)
		}
	})
}
