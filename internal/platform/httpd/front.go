// Package httpd is the listening side of HTTP: what stands between the network and the pages, the API and the inputs.
//
// What it promises:
//
//   - HTTPS with certificate files that are read again when they change, or with certificates from an ACME authority
//     (RFC 8555); TLS 1.2 and 1.3 with forward secrecy only.
//   - Every request has an id, the address it comes from and whether it came over HTTPS; proxies are believed only where
//     they are configured, and only as far back as they are.
//   - A client that sends or reads too slowly, sends too much header, or asks too often, loses its connection or is told
//     when to come back; memory for counting is bounded.
//   - One line in the log a request, without its query.
//   - A panic costs its own request only.
package httpd

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"yagura/internal/platform/fault"
)

// FrontOptions are what Front needs. The zero value trusts no proxy, limits nothing and logs to nowhere.
type FrontOptions struct {
	Proxies Proxies
	Limiter *Limiter // nil for none
	Log     *slog.Logger
	Access  AccessLog
	// Exempt says which requests no limit counts and LogPages leaves out: those of log shippers.
	Exempt func(*http.Request) bool
	Now    func() time.Time
}

type front struct {
	opt  FrontOptions
	next http.Handler
	body time.Duration // before the pace of a request's body counts
}

// Front puts what every request passes before a handler: id, origin, log, limits, deadlines.
func Front(opt FrontOptions, next http.Handler) http.Handler {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &front{opt: opt, next: next, body: bodyStart}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := f.opt.Now()
	in := &info{id: rand.Text(), proxied: says(r.Header)}
	in.client, in.secure = f.opt.Proxies.resolve(r)
	r = withInfo(r, in)
	strip(r.Header)
	class := f.class(r)
	slow, r, finish := pace(w, r, f.body)
	out := &answer{ResponseWriter: slow}
	everywhere(out.Header(), in)
	defer func() {
		problem := recover()
		if problem != nil && problem != http.ErrAbortHandler {
			f.opt.Log.Error("a request panicked", "request", in.id, "path", clip(r.URL.EscapedPath(), 1024), "panic", problem, "stack", string(debug.Stack()))
			if out.status == 0 {
				refuse(out, r, http.StatusInternalServerError, fault.New(fault.Internal, "", "internal error"), "Something broke.\n内部エラーが発生しました。")
				problem = nil
			} else {
				problem = http.ErrAbortHandler // half an answer must not pass for a whole one
			}
		}
		f.record(r, in, out, class, f.opt.Now().Sub(start))
		finish()
		if problem != nil {
			panic(problem)
		}
	}()
	f.pass(out, r, class)
}

// everywhere sets the headers that every answer carries, an input's and a refusal, too (ASVS 5.0, 3.4.1 and 3.4.4).
func everywhere(h http.Header, in *info) {
	h.Set("X-Request-Id", in.id)
	h.Set("X-Content-Type-Options", "nosniff")
	if in.secure { // over plain HTTP it would mean nothing (RFC 6797, section 7.2)
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

func (f *front) class(r *http.Request) Class {
	switch {
	case f.opt.Exempt != nil && f.opt.Exempt(r):
		return Exempt
	case f.opt.Limiter != nil:
		return f.opt.Limiter.classify(r)
	}
	return Classify(r)
}

// pass hands a request on unless its method or its client's pace forbids it.
func (f *front) pass(w http.ResponseWriter, r *http.Request, class Class) {
	if r.Method == http.MethodTrace || r.Method == "TRACK" || r.Method == http.MethodConnect {
		refuse(w, r, http.StatusMethodNotAllowed, fault.New(fault.Invalid, "fault.method", "%s is not answered", clip(r.Method, 16)), "This method is not answered.")
		return
	}
	if f.opt.Limiter != nil && class != Exempt {
		if err := f.opt.Limiter.Address(w, r); err != nil {
			refuse(w, r, http.StatusTooManyRequests, err, "Too many requests. Please wait a moment and try again.\nアクセスが集中しています。しばらく待ってから、もう一度お試しください。")
			return
		}
	}
	f.next.ServeHTTP(w, r)
}
