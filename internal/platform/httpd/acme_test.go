package httpd_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	pebbledb "github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/seal"
)

const host = "yagura.example.co.jp"

// authority is Pebble, Let's Encrypt's own test server, with a name service that knows every name as 127.0.0.1.
type authority struct {
	directory string
	ca        string // file of the certificate of its own address
	roots     *x509.CertPool
	handler   atomic.Pointer[http.Handler]
	stop      func()
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*a.handler.Load()).ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	a.directory, a.stop = server.URL+"/dir", server.Close
	a.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(a.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// open starts the authority; it will look for challenges at these ports.
func (a *authority) open(t *testing.T, httpPort, tlsPort uint16) {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := pebbledb.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	validator := va.New(quiet, int(httpPort), int(tlsPort), false, nameService(t), store)
	front := wfe.New(quiet, store, validator, issuer, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	handler := front.Handler()
	a.handler.Store(&handler)
	a.roots = x509.NewCertPool()
	a.roots.AddCert(issuer.GetRootCert(0).Cert)
}

func nameService(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(m)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return listener.Addr().String()
}

// visit asks for a page over HTTPS under a name and returns the certificate that answered.
func visit(s *httpd.Server, roots *x509.CertPool, name string) (*x509.Certificate, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{ServerName: name, RootCAs: roots}}
	connection, err := dialer.Dial("tcp", httpd.Address(s).String())
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func TestACertificateComesFromTheAuthorityAndIsKept(t *testing.T) {
	t.Parallel()
	for name, closedPort := range map[string]bool{"tls-alpn-01": false, "http-01": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, folder, keys := newAuthority(t), filepath.Join(t.TempDir(), "acme"), seal.Generate()
			options := httpd.Options{
				Listen: "127.0.0.1:0", Redirect: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
				ACME: httpd.ACME{Hosts: []string{host}, Email: "ops@example.co.jp", Directory: a.directory, CA: a.ca, Folder: folder, Keys: keys},
			}
			first := listen(t, options)
			tlsPort := httpd.Address(first).Port()
			if closedPort {
				tlsPort = 1 // nobody answers there, so that the authority must come by plain HTTP
			}
			a.open(t, portOf(t, first.RedirectURL()), tlsPort)
			stop := serve(t, first, http.NotFoundHandler())
			certificate, err := visit(first, a.roots, host)
			if err != nil || certificate.VerifyHostname(host) != nil {
				t.Fatalf("answered with %+v, %v", certificate, err)
			}
			if _, err := visit(first, a.roots, "other.example.co.jp"); err == nil {
				t.Error("got a certificate for a name that is not ours")
			}
			stop()
			kept(t, folder)

			a.stop() // the second start must do with what is kept
			second := listen(t, options)
			defer serve(t, second, http.NotFoundHandler())()
			again, err := visit(second, a.roots, host)
			if err != nil || !again.Equal(certificate) {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

// kept checks that no key lies about in the folder.
func kept(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < 2 {
		t.Fatalf("kept: %v, %v", entries, err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil || strings.Contains(string(content), " KEY-----") || !strings.HasPrefix(string(content), "s1.") {
			t.Errorf("%s is not sealed, %v", entry.Name(), err)
		}
	}
}

func TestACMESettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := httpd.ACME{Hosts: []string{host}, Folder: t.TempDir(), Keys: seal.Generate()}
	for name, change := range map[string]func(*httpd.ACME){
		"a wildcard":  func(a *httpd.ACME) { a.Hosts = []string{"*.example.jp"} },
		"no full one": func(a *httpd.ACME) { a.Hosts = []string{"localhost"} },
		"an address":  func(a *httpd.ACME) { a.Hosts = []string{"https://yagura.example.jp"} },
		"no CA":       func(a *httpd.ACME) { a.CA = filepath.Join(t.TempDir(), "none") },
		"odd HMAC":    func(a *httpd.ACME) { a.KeyID, a.HMACKey = "1", "!" },
	} {
		options := httpd.Options{Listen: "127.0.0.1:0", ACME: good}
		change(&options.ACME)
		if s, err := httpd.Listen(options); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}
