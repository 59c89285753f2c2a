package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

// The ways a connection to the mail server is protected.
const (
	STARTTLS = "starttls" // TLS after a plain greeting (RFC 3207), required
	TLS      = "tls"      // TLS from the first byte (RFC 8314), most often port 465
	Plain    = "none"     // no TLS: only to a server on this machine
)

// SMTP is the server that takes our mail.
type SMTP struct {
	// Server is "host:port", "" for no mail at all. The port may be left out: 465 with TLS, else 587.
	Server string
	// Security is STARTTLS, TLS or Plain; "" is STARTTLS.
	Security string
	// User and Password sign in to the server; no user, no signing in. The mechanism is the strongest that both sides know
	// of SCRAM-SHA-256, PLAIN, LOGIN and CRAM-MD5; the password never crosses a line without TLS.
	User     string
	Password seal.Secret
	// From is the sender of every mail: "Yagura <yagura@example.co.jp>".
	From string
	// CA is a file of certificates (PEM) that the server's may be signed by, instead of the system's.
	CA string
	// Timeout bounds connecting, and then each mail; 0 is a minute.
	Timeout time.Duration
}

// transport is an SMTP that was checked.
type transport struct {
	host    string
	port    int
	from    *netmail.Address
	options []gomail.Option
	config  *tls.Config
	direct  bool // TLS from the first byte
	limit   time.Duration
}

// check reads the settings. Its errors are fault.Invalid and name the setting.
func (s SMTP) check() (*transport, error) {
	invalid := func(setting, format string, args ...any) error {
		return fault.New(fault.Invalid, "mail.fault.config", "mail.%s: %w", setting, fmt.Errorf(format, args...))
	}
	t := &transport{limit: s.Timeout, direct: s.Security == TLS}
	if t.limit <= 0 {
		t.limit = time.Minute
	}
	var err error
	if t.host, t.port, err = splitServer(s.Server, t.direct); err != nil {
		return nil, invalid("server", "%w", err)
	}
	if t.from, err = parseAddress(s.From); err != nil {
		return nil, invalid("from", "%w", err)
	}
	if s.User == "" && s.Password != "" {
		return nil, invalid("user", "there is a password and no user")
	}
	t.config = &tls.Config{ServerName: t.host, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		if t.config.RootCAs, err = readRoots(s.CA); err != nil {
			return nil, invalid("ca", "%w", err)
		}
	}
	policy := gomail.TLSMandatory
	switch s.Security {
	case "", STARTTLS:
	case TLS:
		policy = gomail.NoTLS // because it is there already
	case Plain:
		policy = gomail.NoTLS
		if !loopback(t.host) {
			return nil, invalid("security", "%q is for a server on this machine only, not for %s", Plain, t.host)
		}
	default:
		return nil, invalid("security", "%q is none of %s, %s, %s", s.Security, STARTTLS, TLS, Plain)
	}
	t.options = []gomail.Option{
		gomail.WithPort(t.port), gomail.WithTimeout(t.limit), gomail.WithTLSConfig(t.config), gomail.WithTLSPolicy(policy),
		gomail.WithoutSMTPUTF8(), // the addresses that we take need none
	}
	if s.User != "" {
		t.options = append(t.options, gomail.WithUsername(s.User), gomail.WithPassword(s.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256,
				gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return t, nil
}

func splitServer(server string, direct bool) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(server)
	if err != nil { // without a port
		host, text = strings.Trim(server, "[]"), "587"
		if direct {
			text = "465"
		}
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 || host == "" || strings.ContainsAny(host, " /\r\n") {
		return "", 0, fmt.Errorf("%q is not host:port", server)
	}
	return host, int(number), nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || (err == nil && address.Unmap().IsLoopback())
}

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// line is a connection to the server, ready for mails.
type line struct {
	client *gomail.Client
	open   *smtp.Client
	cut    func() // ends the connection, however it stands
}

// dial connects, protects the connection and signs in. The connection ends with ctx.
func (t *transport) dial(ctx context.Context) (_ *line, err error) {
	var raw net.Conn
	connect := func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		raw = plain
		if !t.direct {
			return plain, nil
		}
		protected := tls.Client(plain, t.config)
		if err := protected.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return protected, nil
	}
	client, err := gomail.NewClient(t.host, append(t.options[:len(t.options):len(t.options)], gomail.WithDialContextFunc(connect))...)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		if err == nil {
			return
		}
		cancel()
		if raw != nil {
			_ = raw.Close() // the library leaves it open when the greeting fails
		}
	}()
	open, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	return &line{client: client, open: open, cut: func() { stop(); cancel(); _ = raw.Close() }}, nil
}

// send sends one mail. It was taken by the server when err is nil, whatever the server says to the goodbye.
func (l *line) send(m *gomail.Msg) error {
	err := l.client.SendWithSMTPClient(l.open, m)
	if m.IsDelivered() {
		return nil
	}
	return err
}

// usable reports whether another mail can be sent over the line after one failed.
func (l *line) usable() bool { return l.open.HasConnection() && l.open.Noop() == nil }

// close says goodbye.
func (l *line) close() {
	_ = l.open.Quit() // whoever does not hear it has hung up
	l.cut()
}

// refused reports whether the server has said for good that it does not take this mail: a 5xx to its recipient or its
// content. A 5xx to the sender or to signing in is about our settings, which somebody may put right.
func refused(err error) bool {
	failure, ok := errors.AsType[*gomail.SendError](err)
	if !ok || failure.ErrorCode() < 500 {
		return false
	}
	switch failure.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return true
	}
	return false
}

// describe says for the log what failed, without the server's own words: they most often repeat the recipient's address.
func describe(err error) string {
	failure, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return err.Error()
	}
	text := failure.Reason.String()
	if code := failure.ErrorCode(); code != 0 {
		text += " was answered " + strings.TrimSpace(strconv.Itoa(code)+" "+failure.EnhancedStatusCode())
	}
	return text
}
