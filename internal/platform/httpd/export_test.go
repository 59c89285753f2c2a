package httpd

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"time"
)

// LookEvery sets how often a server looks at its certificate files.
func LookEvery(s *Server, every time.Duration) { s.every = every }

// Address is the address of the main port.
func Address(s *Server) netip.AddrPort { return netip.MustParseAddrPort(s.listener.Addr().String()) }

// TLSConfig is what the main port speaks.
func TLSConfig(s *Server) *tls.Config { return s.tls() }

// Table tells how many networks a limiter knows of a class.
func Table(l *Limiter, class Class) int { return len(l.address[class].keys) }

// MaxBuckets bounds each of a limiter's tables.
const MaxBuckets = maxBuckets

// FrontWithin is Front for clients of which bodies are wanted within that time.
func FrontWithin(body time.Duration, next http.Handler) http.Handler {
	f := Front(FrontOptions{}, next).(*front)
	f.body = body
	return f
}
