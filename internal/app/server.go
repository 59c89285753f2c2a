package app

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/docs"
	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/intake"
	"yagura/internal/detect/risk"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/rulesource"
	"yagura/internal/detect/search"
	"yagura/internal/detect/source"
	"yagura/internal/detect/source/follow"
	"yagura/internal/detect/source/self"
	"yagura/internal/detect/source/syslogd"
	"yagura/internal/platform/access"
	"yagura/internal/platform/account"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/build"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/help"
	"yagura/internal/platform/httpd"
	jobsroom "yagura/internal/platform/jobs/room"
	"yagura/internal/platform/ledger/room"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/once"
	apiroom "yagura/internal/platform/openapi/room"
	"yagura/internal/platform/people"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/scim"
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
	URL   string
	Setup string // the link to the first administrator's account, until there is one
	Token string // a first token for log shippers, at the first start only
}

// Server is the program as a service.
type Server struct {
	*Engine
	opt     ServerOptions
	started time.Time

	own      *self.Recorder
	inputs   *source.Inputs
	syslog   *syslogd.Server
	follower *follow.Follower
	http     *httpd.Server
	limiter  *httpd.Limiter
	proxies  httpd.Proxies
	site     atomic.Pointer[http.Handler]
}

// NewServer opens everything and listens; Run serves.
func NewServer(ctx context.Context, opt ServerOptions) (*Server, error) {
	s := &Server{opt: opt, started: time.Now(), own: self.New(), limiter: httpd.NewLimiter(httpd.DefaultLimits(), nil)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open opens the engines, the ports and the inputs.
func (s *Server) open(ctx context.Context) (err error) {
	opt, c := s.opt, s.opt.Config
	if s.proxies, err = httpd.ParseProxies(c.HTTP.Proxies, ""); err != nil {
		return err
	}
	s.Engine, err = Open(ctx, c, RecordsOptions{Log: opt.Log, Demo: opt.Demo, PublicURL: PublicURL(c), Events: s.own})
	if err != nil {
		return err
	}
	// The ports before anything that is shown once.
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.openListeners(); err != nil {
		return err
	}
	s.inputs = source.NewInputs(source.InputsOptions{
		Sink: s.Pipeline, Tokens: s.Tokens, Observer: s.Stats, Local: s.isLocal, MaxBody: int64(c.HTTP.MaxBody),
	})
	if err := auth.Announce(c.Data, s.http.LocalURL(), s.Accounts.LocalToken()); err != nil {
		return err
	}
	welcome, err := s.welcome(ctx)
	if err == nil && opt.Ready != nil {
		opt.Ready(welcome)
	}
	return err
}

// PublicURL is where people find the server: as configured, else by the name of this machine that passkeys work with.
func PublicURL(c *config.Config) string {
	if c.HTTP.PublicURL != "" {
		return c.HTTP.PublicURL
	}
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil || port == "0" || !auth.IsLoopback(c.HTTP.Listen) || host == "" {
		return ""
	}
	scheme := "http"
	if c.HTTP.TLSCert != "" || len(c.HTTP.ACMEDomains) > 0 {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort("localhost", port)
}

// welcome makes what the first start shows: the link to the first administrator's account, and a token for shippers.
func (s *Server) welcome(ctx context.Context) (Welcome, error) {
	w := Welcome{URL: s.http.URL()}
	if s.opt.Demo {
		return w, nil
	}
	ticket, err := s.Accounts.SetupToken(ctx)
	if err != nil || ticket == "" {
		return w, err
	}
	w.Setup = cmp.Or(PublicURL(s.opt.Config), w.URL) + "/setup?ticket=" + url.QueryEscape(ticket)
	known, err := s.Tokens.List(ctx)
	if err != nil || len(known) > 0 {
		return w, err
	}
	w.Token, _, err = s.Tokens.Create(ctx, "default", "system")
	return w, err
}

// isLocal reports whether a secret is the one that the commands of this machine have.
func (s *Server) isLocal(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(secret), []byte(s.Accounts.LocalToken())) == 1
}

// listen opens the web's ports.
func (s *Server) listen() (err error) {
	c := s.opt.Config.HTTP
	var hosts []string
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		hosts = []string{u.Hostname()}
	}
	s.http, err = httpd.Listen(httpd.Options{
		Listen: c.Listen, CertFile: c.TLSCert, KeyFile: c.TLSKey, Redirect: c.Redirect, Hosts: hosts, Local: true, Log: s.opt.Log,
		ACME: httpd.ACME{Hosts: c.ACMEDomains, Email: c.ACMEEmail, Directory: c.ACMEDirectory, Folder: ACMEFolder(s.opt.Config), Keys: s.Keys},
	})
	return err
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
		(*site).ServeHTTP(w, r)
	}
}

// Run loads the rules, builds the pages and serves until ctx ends. Then it stops in reverse: inputs, pipeline, engines.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.http.Serve(ctx, s.front()) })
	if s.syslog != nil {
		group.Go(func() error { return s.syslog.Run(ctx) })
	}
	if s.follower != nil {
		group.Go(func() error { return s.follower.Run(ctx) })
	}
	s.Records.run(ctx, s.opt.Log, group.Go)
	group.Go(func() error { s.own.Run(ctx, s, s.opt.Log); return nil })
	group.Go(func() error {
		if err := s.LoadRules(ctx); err != nil {
			return err
		}
		s.Start()
		if err := s.build(ctx); err != nil {
			return err
		}
		debug.FreeOSMemory()                              // parsing thousands of rules leaves much behind
		group.Go(func() error { return s.Jobs.Run(ctx) }) // the rooms have said what they do
		group.Go(func() error { return s.Rules.Watch(ctx) })
		group.Go(func() error { return s.Rules.Follow(ctx) })
		group.Go(func() error { source.Keep(ctx, s.DB, s.Stats, s.Tokens, s.opt.Log); return nil })
		return nil
	})
	return group.Wait()
}

// front is what every request passes first. SCIM's words stand outside it, because it refuses whoever asks too often, too.
func (s *Server) front() http.Handler {
	access := httpd.LogNone
	if s.opt.Config.HTTP.AccessLog {
		access = httpd.LogPages
	}
	return scim.Worded(httpd.Front(httpd.FrontOptions{
		Proxies: s.proxies, Limiter: s.limiter, Log: s.opt.Log, Access: access, Exempt: s.exempt,
	}, http.HandlerFunc(s.serve)))
}

// exempt tells what no limit counts: log shippers and monitors.
func (s *Server) exempt(r *http.Request) bool { return r.URL.Path == "/health" || s.inputs.Claims(r) }

// build makes the site of all rooms.
func (s *Server) build(ctx context.Context) error {
	site, err := s.newSite()
	if err != nil {
		return err
	}
	modules, err := s.modules(site)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := site.Mount(m); err != nil {
			return err
		}
	}
	if err := errors.Join(site.Check(), s.Approvals.Check(), s.Jobs.Check()); err != nil {
		return err
	}
	if directory, err := s.directory(); err != nil {
		return err
	} else if err := directory.Reconcile(ctx); err != nil {
		return err
	}
	handler := site.Handler()
	s.site.Store(&handler)
	return nil
}

func (s *Server) newSite() (*web.Site, error) {
	keeper := &once.Keeper{DB: s.DB, Keys: s.Keys}
	options := web.Options{
		Once: keeper.Do,
		Auth: s.Accounts, Log: s.opt.Log, Version: build.Version(), Limit: s.limiter.Person,
		StepUp: time.Duration(s.opt.Config.Auth.StepUp), Name: auth.NewNameBook(s.Accounts).Name,
		Keeper: preference.New(s.DB, s.Accounts),
	}
	if s.opt.Demo {
		options.Notice = func() string { return "demo.notice" }
	}
	return web.New(options)
}

// modules is every room there is.
func (s *Server) modules(site *web.Site) ([]web.Module, error) {
	signOn, err := s.signOn()
	if err != nil {
		return nil, err
	}
	directory, err := s.directory()
	if err != nil {
		return nil, err
	}
	documents, err := help.New(site, docs.Files())
	if err != nil {
		return nil, err
	}
	alerts, err := s.Record.Kind(alert.Name)
	if err != nil {
		return nil, err
	}
	sources, err := s.Record.Kind(rulesource.Name)
	if err != nil {
		return nil, err
	}
	covers, err := s.coverage(site)
	if err != nil {
		return nil, err
	}
	rules, err := s.Record.Kind(rule.Name)
	if err != nil {
		return nil, err
	}
	records := desk.New(desk.Options{Site: site, Store: s.Record, People: s.Accounts, Press: s.Press})
	quiet, silences, err := s.noiseRoom(site, records)
	if err != nil {
		return nil, err
	}
	backtests, err := s.Record.Kind(backtest.Name)
	if err != nil {
		return nil, err
	}
	tries := backtest.NewRoom(site, records, s.Backtests)
	alertRoom := alert.NewRoom(site, records, s.Alerts, s.Rules)
	risks := risk.NewRoom(site, s.Risk, s.Rules)
	alertRoom.Story = risks.Story
	alertRoom.Beside = func(r *http.Request, a *record.Record) (template.HTML, error) {
		sums, err := risks.Beside(r, a)
		silence, also := quiet.BesideAlert(r, a)
		return sums + silence, errors.Join(err, also)
	}
	ruleRoom := rule.NewRoom(site, records, rule.RoomOptions{Library: s.Rules, States: s.States, Alerts: s.Alerts, Beside: besides(quiet.BesideRule, tries.BesideRule)})
	alertRoom.Why = ruleRoom.Why
	return append([]web.Module{
		records.Own(),
		search.NewRoom(search.RoomOptions{Service: s.Search, Site: site, DB: s.DB, Ledger: s.Ledger, Tail: s.Pipeline.Tail()}).Module(),
		alertRoom.Module(alerts),
		risks.Module(),
		ruleRoom.Module(rules),
		rulesource.NewRoom(site, records, s.Sources).Module(sources),
		covers.Module(),
		tries.Module(backtests),
		source.NewRoom(site, s.sourceOptions()).Module(),
		account.New(site, account.Options{Accounts: s.Accounts, Seal: s.Keys, OIDC: signOn, RoleTitle: s.roleTitle, Log: s.opt.Log}).Module(),
		people.NewRoom(site, people.Options{
			Accounts: s.Accounts, Roles: s.Roles, Approvals: s.Approvals, Permissions: site.Permissions, PublicURL: s.opt.Config.HTTP.PublicURL,
		}).Module(),
		directory.Module(),
		access.NewRoom(site, access.RoomOptions{
			Roles: s.Roles, Permissions: site.Permissions, Holders: s.Accounts.Holders, Used: auth.RoleHolders, Approvals: s.Approvals,
		}).Module(),
		s.noticeRoom(site).Module(),
		approval.NewRoom(site, s.Approvals, s.Accounts.Names).Module(),
		room.New(site, s.Ledger, s.Accounts.Names, s.opt.Log).Module(),
		jobsroom.New(site, s.Jobs).Module(),
		documents.Module(),
		apiroom.New(site, apiroom.Options{Version: build.Version(), PublicURL: PublicURL(s.opt.Config)}).Module(),
		settings.New(site, s.settingsOptions()).Module(),
	}, silences...), nil
}

// roleTitle is what an organisation calls a role of its own, "" for the program's.
func (s *Server) roleTitle(name string) string {
	role, err := s.Roles.Get(name)
	if err != nil {
		return ""
	}
	return role.Title
}

// directory takes people and groups from the company's identity provider.
func (s *Server) directory() (*scim.Service, error) {
	roles, err := oidc.RolesOf(s.opt.Config.OIDC.Roles)
	return scim.New(scim.Options{DB: s.DB, Accounts: s.Accounts, Ledger: s.Ledger, Roles: roles, PublicURL: PublicURL(s.opt.Config)}), err
}

// signOn is the company's single sign-on, nil for none.
func (s *Server) signOn() (*account.OIDC, error) {
	c := s.opt.Config.OIDC
	if c.Issuer == "" {
		return nil, nil
	}
	roles, err := oidc.RolesOf(c.Roles)
	if err != nil {
		return nil, err
	}
	base := PublicURL(s.opt.Config)
	if base == "" {
		return nil, fault.New(fault.Invalid, "fault.oidc.public_url", "oidc.issuer is set, and http.public_url is not: the provider must know where to send people back")
	}
	provider, err := oidc.New(oidc.Options{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret.Reveal(), RedirectURL: base + "/signin/oidc",
		Scopes: c.Scopes, GroupsClaim: c.Groups, MFA: c.MFA,
	})
	if err != nil {
		return nil, err
	}
	return &account.OIDC{Provider: provider, Issuer: c.Issuer, Name: c.Name, Roles: roles, Policy: auth.ExternalPolicy{Create: c.Provision, Link: true}}, nil
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
	if s.http != nil {
		errs = append(errs, s.http.Close(), auth.Withdraw(s.opt.Config.Data))
	}
	if s.Engine != nil {
		errs = append(errs, s.Engine.Close(limit))
	}
	return errors.Join(errs...)
}
