package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// received is a mail as the server took it.
type received struct {
	from string
	to   []string
	data string
	tls  bool
	user string
}

// postOffice is a real SMTP server that behaves as the recipient's name asks for:
//
//	later@  451 to the recipient     never@  550 to the recipient     spam@  554 to the content
//	drop@   hangs up at the content  slow@   does not answer          moody@ 451 once, then takes it
type postOffice struct {
	address string
	ca      string // file of the certificate
	user    string // must sign in as
	down    func() // stops it

	mu       sync.Mutex
	mails    []received
	greeted  int
	moody    map[string]bool
	noSender bool          // 550 to every sender
	stalled  chan struct{} // closed at the end
}

func (p *postOffice) taken() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received(nil), p.mails...)
}

func (p *postOffice) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// open starts a server; direct speaks TLS from the first byte.
func open(t *testing.T, direct bool, user string) *postOffice {
	t.Helper()
	certificate, ca := certificate(t)
	p := &postOffice{ca: ca, user: user, moody: make(map[string]bool), stalled: make(chan struct{})}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		p.set(func() { p.greeted++ })
		return &session{office: p, conn: c}, nil
	}))
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.AllowInsecureAuth = true // which the client must not use all the same
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = listener.Addr().String()
	if direct {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	p.down = sync.OnceFunc(func() {
		close(p.stalled)
		_ = server.Close()
		<-served
	})
	t.Cleanup(p.down)
	return p
}

type session struct {
	office *postOffice
	conn   *smtp.Conn
	user   string
	mail   received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.office.user || password != "correct horse" {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.office.user != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	refuse := false
	s.office.set(func() { refuse = s.office.noSender })
	if refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relay denied"}
	}
	_, protected := s.conn.TLSConnectionState()
	s.mail = received{from: from, tls: protected, user: s.user}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	local, _, _ := strings.Cut(to, "@")
	switch {
	case local == "later":
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted " + to}
	case local == "never":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such person " + to}
	case local == "moody":
		first := false
		s.office.set(func() { first = !s.office.moody[to]; s.office.moody[to] = true })
		if first {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "not in the mood"}
		}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch local, _, _ := strings.Cut(s.mail.to[0], "@"); local {
	case "spam":
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "looks like spam"}
	case "drop":
		return errors.Join(errors.New("hung up"), s.conn.Conn().Close())
	case "slow":
		<-s.office.stalled
		return errors.New("too late")
	}
	s.mail.data = string(data)
	s.office.set(func() { s.office.mails = append(s.office.mails, s.mail) })
	return nil
}

func (s *session) Reset()        { s.mail = received{} }
func (s *session) Logout() error { return nil }

// certificate makes one for 127.0.0.1 and a file of it.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}
