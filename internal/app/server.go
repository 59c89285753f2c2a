package app

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/intake"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/search"
	"yagura/internal/detect/source"
	"yagura/internal/detect/source/follow"
	"yagura/internal/detect/source/syslogd"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/build"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/settings"
)

// ServerOptions is what a server is given besides its configuration.
type ServerOptions struct {
	Config   *config.Config
	Settings []config.Setting
	Log      *slog.Logger
	Demo     bool // visitors from this machine are signed in; refused on any other address
	// Ready is told once where the server is and what the first start made.
	Ready func(Welcome)
}

// Welcome is what the person who started the server needs to know.
type Welcome struct {
	URL      string
	Password string // the administrator's, at the first start only
	Token    string // a first token for log shippers, at the first start only
}

// Server is the program as a service.
type Server struct {
	*Engine
	opt     ServerOptions
	started time.Time

	accounts *auth.Local
	inputs   *source.Inputs
	syslog   *syslogd.Server
	follower *follow.Follower
	web      *http.Server
	listener net.Listener
	local    net.Listener // plain HTTP on loopback for this machine's commands, where the web is HTTPS
	site     atomic.Pointer[web.Site]
}

// NewServer opens everything and listens; Run serves.
func NewServer(ctx context.Context, opt ServerOptions) (*Server, error) {
	engine, err := Open(ctx, opt.Config, opt.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{Engine: engine, opt: opt, started: time.Now()}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open opens the ports, the accounts and the inputs.
func (s *Server) open(ctx context.Context) error {
	opt := s.opt
	// The ports first: a start that fails on them must not make a password that nobody is shown.
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.openListeners(); err != nil {
		return err
	}
	accounts, password, err := auth.Open(s.path("auth"), auth.Options{AutoSignIn: opt.Demo, Listen: opt.Config.HTTP.Listen, Log: opt.Log})
	if err != nil {
		return err
	}
	s.accounts = accounts
	welcome := Welcome{Password: password}
	if password != "" && !opt.Demo {
		if welcome.Token, _, err = s.Tokens.Create(ctx, "default", "first start"); err != nil {
			return err
		}
	}
	s.inputs = source.NewInputs(source.InputsOptions{
		Sink: s.Pipeline, Tokens: s.Tokens, Observer: s.Stats, Local: s.isLocal, MaxBody: int64(opt.Config.HTTP.MaxBody),
	})
	welcome.URL = s.address()
	if err := auth.Announce(opt.Config.Data, s.localAddress(), s.accounts.LocalToken()); err != nil {
		return err
	}
	if opt.Ready != nil {
		opt.Ready(welcome)
	}
	return nil
}

// isLocal reports whether a secret is the one that the commands of this machine have.
func (s *Server) isLocal(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(s.accounts.LocalToken())) == 1
}

// listen opens the web's port.
func (s *Server) listen() (err error) {
	c := s.opt.Config.HTTP
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return fault.New(fault.Unavailable, "fault.listen", "http.listen: %w", err)
	}
	s.web = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return fault.New(fault.Invalid, "fault.tls", "http.tls_cert and http.tls_key: %w", err)
	}
	if s.local, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fault.New(fault.Unavailable, "fault.listen", "a port for local commands: %w", err)
	}
	s.listener = tls.NewListener(s.listener, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	return nil
}

// openListeners opens syslog and finds the files to follow.
func (s *Server) openListeners() (err error) {
	c := s.opt.Config
	if c.Syslog.UDP != "" || c.Syslog.TCP != "" || c.Syslog.TLS != "" {
		if err := os.MkdirAll(s.path("tls"), 0o700); err != nil {
			return fault.New(fault.Unavailable, "fault.data_folder", "the folder of certificates: %w", err)
		}
		s.syslog, err = syslogd.Listen(syslogd.Options{
			UDP: c.Syslog.UDP, TCP: c.Syslog.TCP, TLS: c.Syslog.TLS,
			CertFile: c.Syslog.TLSCert, KeyFile: c.Syslog.TLSKey, CAFile: c.Syslog.TLSCA, CertDir: s.path("tls"),
			Sink: s.Pipeline, Observer: s.Stats, Log: s.opt.Log,
		})
		if err != nil {
			return err
		}
	}
	if len(c.Files.Follow) > 0 {
		s.follower, err = follow.New(follow.Options{
			Patterns: c.Files.Follow, StateFile: s.path("follow.json"), Sink: s.Pipeline, Observer: s.Stats, Log: s.opt.Log,
		})
	}
	return err
}

func (s *Server) address() string {
	scheme := "http"
	if s.local != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return scheme + "://" + s.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

func (s *Server) localAddress() string {
	if s.local != nil {
		return "http://" + s.local.Addr().String()
	}
	return s.address()
}

// serve answers shippers at once; the pages come when the rules are loaded.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	site := s.site.Load()
	switch {
	case r.URL.Path == "/health" && r.Method == http.MethodGet:
		s.health(w)
	case s.inputs.Claims(r):
		s.inputs.Handler().ServeHTTP(w, r)
	case site == nil:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Yagura is starting.\n起動中です。", http.StatusServiceUnavailable)
	default:
		site.Handler().ServeHTTP(w, r)
	}
}

// Run loads the rules, builds the pages and serves until ctx ends. Then it stops in reverse: inputs, pipeline, engines.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serveOn(s.listener) })
	if s.local != nil {
		group.Go(func() error { return s.serveOn(s.local) })
	}
	if s.syslog != nil {
		group.Go(func() error { return s.syslog.Run(ctx) })
	}
	if s.follower != nil {
		group.Go(func() error { return s.follower.Run(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		// Answers that are under way may take so long; what hangs longer is cut off.
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := s.web.Shutdown(limit); err != nil {
			return s.web.Close()
		}
		return nil
	})
	group.Go(func() error {
		if err := s.LoadRules(ctx); err != nil {
			return err
		}
		s.Start()
		if err := s.build(ctx); err != nil {
			return err
		}
		debug.FreeOSMemory() // parsing thousands of rules leaves much behind
		group.Go(func() error { return s.Rules.Watch(ctx) })
		group.Go(func() error { source.Keep(ctx, s.DB, s.Stats, s.Tokens, s.opt.Log); return nil })
		return nil
	})
	return group.Wait()
}

func (s *Server) serveOn(l net.Listener) error {
	if err := s.web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// build makes the site of all rooms.
func (s *Server) build(ctx context.Context) error {
	options := web.Options{Auth: s.accounts, Log: s.opt.Log, Version: build.Version()}
	if s.opt.Demo {
		options.Notice = func() string { return "demo.notice" }
	}
	site, err := web.New(options)
	if err != nil {
		return err
	}
	for _, m := range s.modules(site) {
		if m.Migrations != nil {
			if err := s.DB.Migrate(ctx, m.Name, m.Migrations); err != nil {
				return err
			}
		}
		if err := site.Mount(m); err != nil {
			return err
		}
	}
	if err := site.Check(); err != nil {
		return err
	}
	s.site.Store(site)
	return nil
}

// modules is every room there is.
func (s *Server) modules(site *web.Site) []web.Module {
	return []web.Module{
		search.NewRoom(search.RoomOptions{Service: s.Search, Site: site, DB: s.DB, Tail: s.Pipeline.Tail()}).Module(),
		alert.NewRoom(site, s.Alerts, s.Rules).Module(),
		rule.NewRoom(site, rule.RoomOptions{Library: s.Rules, Alerts: s.Alerts}).Module(),
		source.NewRoom(site, s.sourceOptions()).Module(),
		settings.New(site, s.accounts, s.settingsOptions()).Module(),
	}
}

func (s *Server) sourceOptions() source.RoomOptions {
	opt := source.RoomOptions{Tokens: s.Tokens, Stats: s.Stats}
	if s.syslog != nil {
		opt.Certificate = s.syslog.CertFile()
		for _, l := range s.syslog.Listeners() {
			opt.Listeners = append(opt.Listeners, source.Listener{Source: l.Source, Input: syslogd.Input, Address: l.Addr.String()})
		}
	}
	if s.follower != nil {
		opt.Files = s.follower.Files
	}
	return opt
}

// Accept gives a batch to the pipeline: the demo's logs come in this way, as if a shipper had sent them.
func (s *Server) Accept(ctx context.Context, b *intake.Batch) error {
	bytes := 0
	for _, it := range b.Items {
		bytes += len(it.Data)
	}
	if err := s.Pipeline.Accept(ctx, b); err != nil {
		return err
	}
	s.Stats.Accepted(b.Source, b.Input, b.Remote, len(b.Items), bytes)
	return nil
}

func (s *Server) close() error {
	limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var errs []error
	for _, l := range []net.Listener{s.listener, s.local} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.accounts != nil {
		errs = append(errs, auth.Withdraw(s.opt.Config.Data))
	}
	return errors.Join(append(errs, s.Engine.Close(limit))...)
}
