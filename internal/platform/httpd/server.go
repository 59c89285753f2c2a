package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/sync/errgroup"

	"yagura/internal/platform/fault"
)

const (
	headerTimeout = 10 * time.Second // for a request's header, and for the TLS handshake before it
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// maxStreams is how many requests of one HTTP/2 connection are worked on at once. A client that opens more and cancels
	// them at once (CVE-2023-44487) waits for the handlers, and is cut off when it does not.
	maxStreams = 100
	// farewell is how long answers that are under way may take at the end.
	farewell = 5 * time.Second
)

// Options say where to listen and how.
type Options struct {
	// Listen is the address of the pages and the inputs: "127.0.0.1:8686".
	Listen string
	// CertFile and KeyFile (PEM) turn HTTPS on; so do ACME.Hosts.
	CertFile, KeyFile string
	ACME              ACME
	// Redirect is one more address, most often ":80", that sends browsers on to HTTPS, "" for none. Hosts are the names that
	// it sends them to; ACME's are among them.
	Redirect string
	Hosts    []string
	// Local opens a plain port on loopback, where Listen is HTTPS: for the commands of this machine.
	Local bool
	Log   *slog.Logger
}

// Server is open ports that are served by Serve.
type Server struct {
	opt      Options
	listener net.Listener
	local    net.Listener // nil where Listen is plain, or nobody asked
	redirect net.Listener // nil for none
	files    *certFiles   // at most one of the two
	acme     *acmeCerts
	every    time.Duration // between looks at the certificate files
}

// Listen opens the ports. Errors are fault.Invalid for settings and fault.Unavailable for ports.
func Listen(opt Options) (_ *Server, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opt: opt, every: certEvery}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	own := opt.CertFile != "" || opt.KeyFile != ""
	switch {
	case own && len(opt.ACME.Hosts) > 0:
		return nil, fault.New(fault.Invalid, "fault.tls", "certificate files and ACME are both configured: choose one")
	case own:
		s.files, err = openCert(opt.CertFile, opt.KeyFile, opt.Log)
	case len(opt.ACME.Hosts) > 0:
		s.acme, err = openACME(opt.ACME, opt.Log)
	case opt.Redirect != "":
		return nil, fault.New(fault.Invalid, "fault.tls", "nothing to redirect to: HTTPS is off")
	}
	if err != nil {
		return nil, err
	}
	if s.listener, err = listen(opt.Listen); err != nil {
		return nil, err
	}
	if opt.Redirect != "" {
		if s.redirect, err = listen(opt.Redirect); err != nil {
			return nil, err
		}
	}
	if opt.Local && s.Secure() {
		if s.local, err = listen("127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "fault.listen", "listening on %s: %w", address, err)
	}
	return l, nil
}

// Close closes the ports. Serve does so by itself.
func (s *Server) Close() error {
	var problems []error
	for _, l := range []net.Listener{s.listener, s.redirect, s.local} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// Secure reports whether HTTPS is on.
func (s *Server) Secure() bool { return s.files != nil || s.acme != nil }

// URL is where the pages are, as seen from this machine.
func (s *Server) URL() string { return address(s.listener, s.Secure()) }

// LocalURL is where the commands of this machine find the server: plain HTTP on loopback where Options.Local opened it,
// else URL.
func (s *Server) LocalURL() string {
	if s.local == nil {
		return s.URL()
	}
	return address(s.local, false)
}

// RedirectURL is where the port is that redirects, "" where there is none.
func (s *Server) RedirectURL() string {
	if s.redirect == nil {
		return ""
	}
	return address(s.redirect, false)
}

func address(l net.Listener, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return scheme + l.Addr().String()
	}
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return scheme + at.String()
}

// Serve answers with handler until ctx ends; then it closes the ports and lets answers that are under way finish, for a
// few seconds.
func (s *Server) Serve(ctx context.Context, handler http.Handler) error {
	group, ctx := errgroup.WithContext(ctx)
	main := s.server(handler)
	servers := []*http.Server{main}
	if s.Secure() {
		main.TLSConfig = s.tls()
		group.Go(func() error { return ended(main.ServeTLS(s.listener, "", "")) })
	} else {
		group.Go(func() error { return ended(main.Serve(s.listener)) })
	}
	if s.local != nil {
		local := s.server(handler)
		servers = append(servers, local)
		group.Go(func() error { return ended(local.Serve(s.local)) })
	}
	if s.redirect != nil {
		port := s.server(s.redirector())
		servers = append(servers, port)
		group.Go(func() error { return ended(port.Serve(s.redirect)) })
	}
	if s.files != nil {
		group.Go(func() error { s.files.watch(ctx, s.every); return nil })
	}
	if s.acme != nil {
		group.Go(func() error { s.acme.fetch(ctx); return nil })
	}
	group.Go(func() error {
		<-ctx.Done()
		return shutdown(context.WithoutCancel(ctx), servers)
	})
	return group.Wait()
}

func (s *Server) tls() *tls.Config {
	if s.files != nil {
		return tlsConfig(s.files.get)
	}
	config := tlsConfig(s.acme.get)
	config.NextProtos = append(config.NextProtos, acme.ALPNProto)
	return config
}

func (s *Server) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: time.Minute, PingTimeout: headerTimeout},
		ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving: %w", err)
}

func shutdown(ctx context.Context, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	var group errgroup.Group
	for _, one := range servers {
		group.Go(func() error {
			if one.Shutdown(ctx) != nil {
				return one.Close() // what hangs longer is cut off
			}
			return nil
		})
	}
	return group.Wait()
}

// redirector sends browsers to HTTPS and answers http-01 challenges. What is no page's visit is refused and not sent on: a
// program that sends its token in the clear must notice, not be carried along.
func (s *Server) redirector() http.Handler {
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuse(w, r, http.StatusForbidden, fault.New(fault.Forbidden, "", "HTTPS only"), "HTTPS only.")
			return
		}
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "https://"+s.target(r.Host)+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	if s.acme == nil {
		return redirect
	}
	challenges := s.acme.manager.HTTPHandler(redirect)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bare := *r
		bare.Host = hostOf(r.Host) // which is compared with names that have no port
		challenges.ServeHTTP(w, &bare)
	})
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// target is the host to redirect to: the one that was asked for where it is one of ours, else the first of ours. Where no name
// is configured it is the one that was asked for, which is then the certificate's to prove.
func (s *Server) target(asked string) string {
	host := hostOf(asked)
	ours := slices.Concat(s.opt.Hosts, s.opt.ACME.Hosts)
	if len(ours) > 0 && !slices.ContainsFunc(ours, func(name string) bool { return strings.EqualFold(name, host) }) {
		host = ours[0]
	}
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil || port == "443" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}
