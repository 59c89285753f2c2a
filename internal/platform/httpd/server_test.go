package httpd_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
)

func listen(t *testing.T, options httpd.Options) *httpd.Server {
	t.Helper()
	s, err := httpd.Listen(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve serves until the returned function is called, at the latest to the test's end.
func serve(t *testing.T, s *httpd.Server, handler http.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, handler) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func portOf(t *testing.T, address string) uint16 {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(port)
}

// pair is a self-made certificate for 127.0.0.1 in files.
type pair struct{ cert, key string }

func newPair(t *testing.T) pair {
	t.Helper()
	folder := t.TempDir()
	p := pair{filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")}
	p.renew(t, 1, 90*24*time.Hour)
	return p
}

func (p pair) renew(t *testing.T, serial int64, life time.Duration) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	write(t, p.cert, certPEM)
	write(t, p.key, keyPEM)
	return certPEM, keyPEM
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serial asks which certificate answers.
func serial(t *testing.T, s *httpd.Server) int64 {
	t.Helper()
	connection, err := tls.Dial("tcp", httpd.Address(s).String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestWhereAMessageEndsIsNeverInDoubt sends requests whose end two readers could see at two places: behind one that sees another end than we
// do, a second request would hide in the first.
func TestWhereAMessageEndsIsNeverInDoubt(t *testing.T) {
	t.Parallel()
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0"})
	hidden := make(chan string, 10)
	defer serve(t, s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path != "/" {
			hidden <- r.URL.Path
		}
	}))()
	for name, head := range map[string]string{
		"two lengths":                      "Content-Length: 4\r\nContent-Length: 44",
		"a length with a sign":             "Content-Length: +4",
		"an encoding that nobody knows":    "Transfer-Encoding: xchunked",
		"two encodings":                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"a space before the colon":         "Transfer-Encoding : chunked",
		"a name that goes on in two lines": "X: y\r\n\tz\r\nContent-Length : 4",
	} {
		connection, err := net.Dial("tcp", httpd.Address(s).String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(connection, "POST / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || answer.StatusCode != http.StatusBadRequest && answer.StatusCode != http.StatusNotImplemented {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
		_ = connection.Close()
	}
	select {
	case path := <-hidden:
		t.Errorf("%s was reached", path)
	default:
	}
}

func TestANewCertificateIsTakenUpWithoutARestart(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key})
	httpd.LookEvery(s, time.Millisecond)
	defer serve(t, s, http.NotFoundHandler())()
	if got := serial(t, s); got != 1 {
		t.Fatalf("answered with certificate %d", got)
	}
	old, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	newCert, _ := p.renew(t, 2, time.Hour) // so soon at its end that it is complained about, too
	for serial(t, s) != 2 {                // the test's own limit ends this where nobody looks
	}
	write(t, p.cert, old)        // which does not fit the key
	write(t, p.cert, []byte("")) // and then nothing at all
	if got := serial(t, s); got != 2 {
		t.Errorf("with broken files: certificate %d", got)
	}
	write(t, p.cert, newCert)
	if got := serial(t, s); got != 2 {
		t.Errorf("repaired: certificate %d", got)
	}
}

func TestTLSIsModern(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key})
	defer serve(t, s, http.NotFoundHandler())()
	for name, config := range map[string]*tls.Config{
		"TLS 1.1":            {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":                {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
		"no forward secrecy": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
	} {
		config.InsecureSkipVerify = true
		if connection, err := tls.Dial("tcp", httpd.Address(s).String(), config); err == nil {
			t.Errorf("%s is taken", name)
			_ = connection.Close()
		}
	}
	connection, err := tls.Dial("tcp", httpd.Address(s).String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if state := connection.ConnectionState(); state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" {
		t.Errorf("speaks %x, %q", state.Version, state.NegotiatedProtocol)
	}
}

func TestTheOtherPortSendsBrowsersToHTTPS(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := listen(t, httpd.Options{
		Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key, Redirect: "127.0.0.1:0", Hosts: []string{host, "yagura"}, Local: true,
	})
	defer serve(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, httpd.Secure(r)) }))()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	port := httpd.Address(s).Port()
	for _, c := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", "yagura", "/alerts?state=new", 308, fmt.Sprintf("https://yagura:%d/alerts?state=new", port)},
		{"HEAD", "YAGURA:80", "/", 308, fmt.Sprintf("https://YAGURA:%d/", port)},
		{"GET", "evil.example.com", "/alerts", 308, fmt.Sprintf("https://%s:%d/alerts", host, port)},
		{"GET", "yagura", "//evil.example.com/", 308, fmt.Sprintf("https://yagura:%d//evil.example.com/", port)},
		{"POST", "yagura", "/api/v1/events", 403, ""},
		{"GET", "yagura", "/.well-known/acme-challenge/x", 308, fmt.Sprintf("https://yagura:%d/.well-known/acme-challenge/x", port)},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.RedirectURL()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != c.status || answer.Header.Get("Location") != c.location {
			t.Errorf("%s %s%s: %d to %q", c.method, c.host, c.path, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
	answer, err := client.Get(s.LocalURL())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "false" || !strings.HasPrefix(s.LocalURL(), "http://127.0.0.1:") || !strings.HasPrefix(s.URL(), "https://") {
		t.Errorf("the local port answers %q, %v", body, err)
	}
}

func TestPortsAndFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	p, other := newPair(t), newPair(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		options httpd.Options
		code    fault.Code
	}{
		"a port that is taken":   {httpd.Options{Listen: taken.Addr().String()}, fault.Unavailable},
		"no address":             {httpd.Options{Listen: "nowhere"}, fault.Unavailable},
		"a certificate alone":    {httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert}, fault.Invalid},
		"another's key":          {httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: other.key}, fault.Invalid},
		"no such file":           {httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key + "x"}, fault.Invalid},
		"both":                   {httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key, ACME: httpd.ACME{Hosts: []string{host}}}, fault.Invalid},
		"a redirect to nowhere":  {httpd.Options{Listen: "127.0.0.1:0", Redirect: "127.0.0.1:0"}, fault.Invalid},
		"a redirect that cannot": {httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key, Redirect: taken.Addr().String()}, fault.Unavailable},
	} {
		if _, err := httpd.Listen(c.options); !fault.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerUnderWayIsFinishedAtTheEnd(t *testing.T) {
	t.Parallel()
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0"})
	asked, release := make(chan struct{}), make(chan struct{})
	stop := serve(t, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		fmt.Fprint(w, "whole")
	}))
	answered := make(chan string, 1)
	go func() {
		answer, err := http.Get(s.URL())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		answered <- fmt.Sprint(string(body), err)
	}()
	<-asked
	go stop()
	for { // until the port is closed: from then on the server is ending
		connection, err := net.Dial("tcp", httpd.Address(s).String())
		if err != nil {
			break
		}
		_ = connection.Close()
	}
	close(release)
	if got := <-answered; got != "whole<nil>" {
		t.Errorf("answered %q", got)
	}
}

func TestAHeaderWithoutAnEndIsNotCollected(t *testing.T) {
	t.Parallel()
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0"})
	defer serve(t, s, http.NotFoundHandler())()
	connection, err := net.Dial("tcp", httpd.Address(s).String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	go func() { // it will be hung up on
		_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 1<<20))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err == nil {
		_ = answer.Body.Close()
	}
	if err == nil && answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %d", answer.StatusCode)
	}
}

// TestRapidResetIsCutOff opens streams and cancels them at once, as CVE-2023-44487 does.
func TestRapidResetIsCutOff(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := listen(t, httpd.Options{Listen: "127.0.0.1:0", CertFile: p.cert, KeyFile: p.key})
	var mu sync.Mutex
	working, most := 0, 0
	release := make(chan struct{})
	stop := serve(t, s, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		working++
		most = max(most, working)
		mu.Unlock()
		<-release // whatever the client does
		mu.Lock()
		working--
		mu.Unlock()
	}))
	defer stop()
	defer close(release)
	connection, err := tls.Dial("tcp", httpd.Address(s).String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(connection, connection)
	var header strings.Builder
	encoder := hpack.NewEncoder(&header)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // into memory
	}
	err = framer.WriteSettings()
	for id := uint32(1); id < 20_000 && err == nil; id += 2 {
		err = errors.Join(
			framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(header.String()), EndStream: true, EndHeaders: true}),
			framer.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	cut := err != nil
	for !cut { // what it said before it hung up
		frame, err := framer.ReadFrame()
		if err != nil {
			cut = true
			break
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok && away.ErrCode == http2.ErrCodeEnhanceYourCalm {
			cut = true
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !cut || most > 100 {
		t.Errorf("cut off: %v; %d handlers at once", cut, most)
	}
}
