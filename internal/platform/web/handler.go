package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/i18n"
)

// contentPolicy lets a page use what this program serves and nothing else; no inline script or style.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"

type contextKey int

const requestKey contextKey = 0

// request is what the site knows about a request while it is answered.
type request struct {
	id      string
	site    *Site
	user    *auth.User // nil for nobody
	authErr error      // why nobody
	prefs   Preferences
	printer *i18n.Printer
}

// about returns what the site knows about r; a handler of ours always has one.
func about(r *http.Request) *request {
	if req, ok := r.Context().Value(requestKey).(*request); ok {
		return req
	}
	panic("web: a request that did not come through the site's Handler")
}

// User returns who sent r, nil for nobody (on Public routes only).
func User(r *http.Request) *auth.User { return about(r).user }

// T returns what speaks the reader's language in their time zone.
func T(r *http.Request) *i18n.Printer { return about(r).printer }

// Speaker is T for who has only the context of a request: a Finder, a Card.
func Speaker(ctx context.Context) *i18n.Printer { return ctx.Value(requestKey).(*request).printer }

// RequestID returns the id that the answer and the log line carry.
func RequestID(r *http.Request) string { return about(r).id }

// Handler returns the site as a handler.
func (s *Site) Handler() http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fault.New(fault.Forbidden, "fault.cross_origin", "cross-origin %s refused", r.Method))
	}))
	return s.receive(protection.Handler(s.fallback()))
}

// fallback answers what the mux has no route for in our own words, and keeps its 405 and redirects.
func (s *Site) fallback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := s.mux.Handler(r)
		if pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: make(http.Header)}
		handler.ServeHTTP(probe, r)
		if probe.status != http.StatusMethodNotAllowed {
			s.fail(w, r, fault.New(fault.NotFound, "fault.no_page", "no page at %s", r.URL.Path))
			return
		}
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.failStatus(w, r, http.StatusMethodNotAllowed,
			fault.New(fault.Invalid, "fault.method", "%s is not answered at %s", r.Method, r.URL.Path))
	})
}

// statusProbe learns what status a handler would answer.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }

// receive is the outermost layer of the pages: headers, who it is, how often they may ask, and the net under panics. What every request
// to the server passes, page or not, is package httpd's Front.
func (s *Site) receive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &request{id: cmp.Or(httpd.RequestID(r), rand.Text()), site: s}
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			req.user, req.authErr = s.opt.Auth.User(r)
		}
		req.prefs = s.preferences(r, req.user)
		req.printer = s.printer(req.prefs)
		ctx := context.WithValue(r.Context(), requestKey, req)
		if req.user != nil {
			httpd.SetUser(r, req.user.ID)
			ctx = db.WithActor(ctx, req.user.ID) // whatever the request changes, this person did
		}
		r = r.WithContext(ctx)
		out := &answer{ResponseWriter: w}
		secure(out.Header())
		out.Header().Set("X-Request-Id", req.id)
		defer func() {
			problem := recover()
			if problem != nil && problem != http.ErrAbortHandler {
				s.opt.Log.Error("a request panicked", "request", req.id, "path", r.URL.Path, "panic", problem, "stack", string(debug.Stack()))
				s.fail(out, r, fault.New(fault.Internal, "", "panic: %v", problem))
			}
			if problem == http.ErrAbortHandler {
				panic(problem)
			}
		}()
		if req.user != nil && s.opt.Limit != nil {
			if err := s.opt.Limit(out, r, req.user.ID); err != nil {
				s.fail(out, r, err)
				return
			}
		}
		next.ServeHTTP(out, r)
	})
}

// secure sets the headers that every answer carries.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store") // pages hold what only this visitor may see; static files say otherwise
}

// answer remembers what was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// guard lets a request in to its route, or sends it to sign in, to register a second factor, or to prove who asks.
func (s *Site) guard(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := about(r)
		if to, err := s.admit(r, req, route); err != nil {
			if to == "" || !WantsPage(r) && !fromHTMX(r) {
				s.fail(w, r, err)
			} else {
				s.detour(w, r, to)
			}
			return
		}
		handle := route.Handle
		if s.opt.Once != nil && route.Doc != nil && r.Method == http.MethodPost && req.user != nil {
			handle = func(w http.ResponseWriter, r *http.Request) error { return s.opt.Once(w, r, req.user.ID, route.Handle) }
		}
		if err := handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// The pages that guard sends people to, with ?next= where they go afterwards.
const (
	signInPath  = "/signin"
	confirmPath = "/signin/confirm"
	enrolPath   = "/account/second-factor"
)

// admit says why a request may not go on to its route, and which page mends that, "" where none does.
func (s *Site) admit(r *http.Request, req *request, route Route) (mend string, err error) {
	user := req.user
	switch {
	case route.Permission == Public:
		return "", nil
	case user == nil:
		return signInPath, req.authErr
	case user.Enrol && route.Permission != Enrolling:
		return enrolPath, fault.New(fault.Forbidden, "fault.enrol", "%s must register a second factor first", user.ID)
	case route.Permission != SignedIn && route.Permission != Enrolling && !user.May(string(route.Permission)):
		return "", fault.New(fault.Forbidden, "fault.forbidden", "%s lacks %s", user.ID, route.Permission)
	case route.Fresh && s.opt.Now().Sub(user.StepUp) > s.opt.StepUp:
		if !user.Session {
			return "", fault.New(fault.Forbidden, "fault.not_fresh", "%s takes a person who has just proved who they are, not a token", route.Pattern)
		}
		return confirmPath, fault.New(fault.Forbidden, "fault.not_fresh", "%s takes a fresh proof of who asks", route.Pattern)
	}
	return "", nil
}

// detour sends the visitor to a page, and back afterwards where coming back is safe to repeat: for a form, to the page it stood on.
func (s *Site) detour(w http.ResponseWriter, r *http.Request, to string) {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet || fromHTMX(r) {
		next = "/"
		if from, err := url.Parse(r.Referer()); err == nil && from.Host == r.Host {
			next = SafeNext(from.RequestURI())
		}
	}
	if next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	_ = s.Redirect(w, r, to)
}

// Redirect answers with a redirect that fits a form post (303) and, for htmx, loads the whole page.
func (s *Site) Redirect(w http.ResponseWriter, r *http.Request, path string) error {
	if fromHTMX(r) {
		w.Header().Set("HX-Redirect", path)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// fromHTMX reports whether htmx asks, for a page or a part of one.
func fromHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// WantsPage reports whether the client reads HTML: browsers say so, programs do not.
func WantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
