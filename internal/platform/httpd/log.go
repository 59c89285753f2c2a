package httpd

import (
	"log/slog"
	"net/http"
	"time"
)

// AccessLog says which requests get a line in the log at level info; the others get theirs at level debug, and those that
// failed inside at level error.
type AccessLog string

// The choices.
const (
	LogNone  AccessLog = "none"
	LogPages AccessLog = "people" // all but static files, the health check and log shippers
	LogAll   AccessLog = "all"
)

// record writes the line of a request. The query is left out: searches hold personal data. The path is what the client sent,
// escaped, so that it stays one word.
func (f *front) record(r *http.Request, in *info, out *answer, class Class, took time.Duration) {
	level := slog.LevelDebug
	switch {
	case out.status >= 500:
		level = slog.LevelError
	case f.opt.Access == LogAll, f.opt.Access == LogPages && class != Exempt && !static(r):
		level = slog.LevelInfo
	}
	if !f.opt.Log.Enabled(r.Context(), level) {
		return
	}
	user := ""
	if id := in.user.Load(); id != nil {
		user = *id
	}
	f.opt.Log.LogAttrs(r.Context(), level, "request",
		slog.String("request", in.id), slog.String("method", clip(r.Method, 16)), slog.String("path", clip(r.URL.EscapedPath(), 1024)),
		slog.Int("status", out.status), slog.Int64("bytes", out.bytes), slog.Duration("took", took),
		slog.String("user", user), slog.String("address", in.client.String()))
}

func static(r *http.Request) bool {
	const folder = "/static/"
	return len(r.URL.Path) > len(folder) && r.URL.Path[:len(folder)] == folder
}

func clip(text string, most int) string {
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// answer remembers what was sent.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
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
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
