package syslogd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	selfSignedFor = 10 * 365 * 24 * time.Hour
	certName      = "syslog-cert.pem"
	keyName       = "syslog-key.pem"
)

// certificate is a key pair in files, read again when they change, so that a renewed one needs no restart.
type certificate struct {
	certFile, keyFile string

	mu       sync.Mutex
	loaded   *tls.Certificate
	modified time.Time
}

func tlsConfig(opt Options) (*tls.Config, *certificate, error) {
	cert := &certificate{certFile: opt.CertFile, keyFile: opt.KeyFile}
	if (opt.CertFile == "") != (opt.KeyFile == "") {
		return nil, nil, errors.New("TLS needs both a certificate and its key")
	}
	if opt.CertFile == "" {
		cert.certFile, cert.keyFile = filepath.Join(opt.CertDir, certName), filepath.Join(opt.CertDir, keyName)
		if err := selfSign(cert.certFile, cert.keyFile); err != nil {
			return nil, nil, fmt.Errorf("making a certificate: %w", err)
		}
	}
	if _, err := cert.get(nil); err != nil {
		return nil, nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}
	if opt.CAFile != "" {
		data, err := os.ReadFile(opt.CAFile)
		if err != nil {
			return nil, nil, fmt.Errorf("reading certificate authorities: %w", err)
		}
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(data) {
			return nil, nil, fmt.Errorf("%s has no certificate in it", opt.CAFile)
		}
	}
	return config, cert, nil
}

// get returns the certificate, the new one where the file changed; a new one that cannot be read leaves the old.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.certFile)
	if err == nil && info.ModTime().Equal(c.modified) {
		return c.loaded, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.loaded, c.modified = &pair, info.ModTime()
			return c.loaded, nil
		}
	}
	if c.loaded != nil {
		return c.loaded, nil
	}
	return nil, fmt.Errorf("reading the certificate: %w", err)
}

// selfSign makes a key and a certificate for this host where there is none, for senders that are told to trust it.
func selfSign(certFile, keyFile string) error {
	if _, err := os.Stat(certFile); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "yagura"
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Yagura syslog"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedFor),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, // its own authority, which is what senders are given
		DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: a certificate without its key would stop the next start.
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644)
}
