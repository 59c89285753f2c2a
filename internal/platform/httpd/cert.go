package httpd

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"yagura/internal/platform/fault"
)

const (
	// certEvery is how often the certificate files are looked at.
	certEvery = 10 * time.Second
	// expiryWarning is how long before its end a certificate is complained about, once a day.
	expiryWarning = 14 * 24 * time.Hour
)

// tlsConfig is what every HTTPS port of ours speaks: TLS 1.2 and 1.3, forward secrecy and authenticated encryption only
// (RFC 9325, sections 3.1.1 and 4.2).
func tlsConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: get,
	}
}

// certFiles is a certificate and its key in files. What they hold is read again when it changes; while it cannot be used
// (one file is new and the other not yet), the last good pair stays in use.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	current  atomic.Pointer[tls.Certificate]
	seen     [sha256.Size]byte // what is in use
	failures int               // in a row
	warned   time.Time
}

// openCert reads the files for the first time. A fault.Invalid says what is wrong with them.
func openCert(cert, key string, log *slog.Logger) (*certFiles, error) {
	c := &certFiles{cert: cert, key: key, log: log}
	if cert == "" || key == "" {
		return nil, fault.New(fault.Invalid, "fault.tls", "a certificate needs its key, and a key its certificate: set both files")
	}
	if err := c.look(); err != nil {
		return nil, fault.New(fault.Invalid, "fault.tls", "the certificate and its key: %w", err)
	}
	if info, err := os.Stat(key); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		log.Warn("everybody on this machine can read the private key", "file", key, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	return c, nil
}

func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }

// look reads the files, and takes up what they hold where that is new and good.
func (c *certFiles) look() error {
	cert, err := os.ReadFile(c.cert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(c.key)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append(append(append([]byte(nil), cert...), 0), key...))
	if sum == c.seen {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.seen = sum
	if old := c.current.Swap(&pair); old != nil {
		c.log.Info("the certificate was read again", "file", c.cert, "names", pair.Leaf.DNSNames, "until", pair.Leaf.NotAfter)
	}
	return nil
}

// watch looks at the files again and again until ctx ends.
func (c *certFiles) watch(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		c.remind(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.again()
		}
	}
}

// again looks once more. It complains the second time in a row that what it finds is not good: the first may have come
// between the writing of the two files.
func (c *certFiles) again() {
	err := c.look()
	if err == nil {
		c.failures = 0
		return
	}
	if c.failures++; c.failures == 2 {
		c.log.Error("the certificate files cannot be used; the certificate from before stays in use", "error", err)
	}
}

// remind complains about a certificate that ends soon.
func (c *certFiles) remind(now time.Time) {
	end := c.current.Load().Leaf.NotAfter
	if end.Sub(now) > expiryWarning || now.Sub(c.warned) < 24*time.Hour {
		return
	}
	c.warned = now
	c.log.Warn("the certificate ends soon", "file", c.cert, "until", end)
}
