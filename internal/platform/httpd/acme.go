package httpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

// ACME gets certificates from an authority by itself (RFC 8555), proving each name by tls-alpn-01 (RFC 8737) on the HTTPS
// port, or by http-01 on the port that redirects. Configuring it is agreeing to the authority's terms, which the log names.
type ACME struct {
	// Hosts are the names to get certificates for; none turns ACME off.
	Hosts []string
	// Email is where the authority writes when something is wrong; it may be empty.
	Email string
	// Directory is the authority's address, "" for Let's Encrypt. CA is a file of certificates (PEM) that the authority's
	// own may be signed by, for one inside the company.
	Directory string
	CA        string
	// KeyID and HMACKey (base64url) bind the account to one at the authority (RFC 8555, section 7.3.4), where it asks for it.
	KeyID   string
	HMACKey seal.Secret
	// Folder keeps the account's key, the certificates and their keys, sealed with Keys.
	Folder string
	Keys   *seal.Keys
}

// acmeCerts is the certificates of an ACME authority.
type acmeCerts struct {
	manager *autocert.Manager
	hosts   []string
	log     *slog.Logger
}

// openACME checks the settings. It talks to nobody yet.
func openACME(a ACME, log *slog.Logger) (*acmeCerts, error) {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "fault.acme", "ACME: %w", fmt.Errorf(format, args...))
	}
	c := &acmeCerts{log: log}
	for _, host := range a.Hosts {
		name, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
		if err != nil || !strings.Contains(name, ".") || strings.ContainsAny(name, "*:/") {
			return nil, invalid("%q is no full host name", host)
		}
		c.hosts = append(c.hosts, name)
	}
	if err := os.MkdirAll(a.Folder, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "fault.data_folder", "the folder of certificates: %w", err)
	}
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "yagura", HTTPClient: &http.Client{Timeout: time.Minute}}
	if a.CA != "" {
		pool, err := readRoots(a.CA)
		if err != nil {
			return nil, invalid("the file of its authority: %w", err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		client.HTTPClient.Transport = transport
	}
	c.manager = &autocert.Manager{
		Prompt: func(terms string) bool {
			log.Info("agreeing to the terms of the ACME authority", "terms", terms)
			return true
		},
		Cache:      &sealedCache{folder: autocert.DirCache(a.Folder), keys: a.Keys, log: log},
		HostPolicy: autocert.HostWhitelist(c.hosts...), Email: a.Email, Client: client,
	}
	if a.KeyID != "" {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(a.HMACKey.Reveal(), "="))
		if err != nil || len(key) == 0 {
			return nil, invalid("the HMAC key is not base64url")
		}
		c.manager.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: a.KeyID, Key: key}
	}
	return c, nil
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

// get is for the handshake. A client that names no host, because it came by address, gets the first.
func (c *acmeCerts) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = c.hosts[0]
		hello = &named
	}
	return c.manager.GetCertificate(hello)
}

// fetch gets the certificates before the first visitor waits for them, and so has them renewed in time, too.
func (c *acmeCerts) fetch(ctx context.Context) {
	for _, host := range c.hosts {
		for pause := time.Minute; ; pause = min(2*pause, time.Hour) {
			certificate, err := c.manager.GetCertificate(&tls.ClientHelloInfo{
				ServerName: host, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
				SupportedCurves: []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			})
			if err == nil {
				c.log.InfoContext(ctx, "certificate", "host", host, "until", certificate.Leaf.NotAfter)
				break
			}
			if ctx.Err() == nil {
				c.log.WarnContext(ctx, "no certificate from the ACME authority", "host", host, "error", err, "again_in", pause)
			}
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// sealedCache keeps what ACME needs in a folder, sealed: private keys among it.
type sealedCache struct {
	folder autocert.DirCache
	keys   *seal.Keys
	log    *slog.Logger
}

func purpose(name string) string { return "httpd.acme/" + name }

// Get returns what is there. What these keys do not open is as good as not there: a new one can be had.
func (c *sealedCache) Get(ctx context.Context, name string) ([]byte, error) {
	text, err := c.folder.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := c.keys.Open(purpose(name), string(text))
	if err != nil {
		c.log.WarnContext(ctx, "a kept certificate or key cannot be opened; getting a new one", "error", err)
		return nil, autocert.ErrCacheMiss
	}
	if !c.keys.Current(string(text)) {
		if err := c.Put(ctx, name, plain); err != nil {
			c.log.WarnContext(ctx, "a kept certificate or key stays under an old key", "error", err)
		}
	}
	return plain, nil
}

// Put keeps data under a name.
func (c *sealedCache) Put(ctx context.Context, name string, data []byte) error {
	text, err := c.keys.Seal(purpose(name), data)
	if err != nil {
		return err
	}
	return c.folder.Put(ctx, name, []byte(text))
}

// Delete forgets a name.
func (c *sealedCache) Delete(ctx context.Context, name string) error {
	return c.folder.Delete(ctx, name)
}
