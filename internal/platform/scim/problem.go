package scim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// problem is an error as RFC 7644, 3.12 writes it.
type problem struct {
	status int
	kind   string // scimType, "" for none
	detail string
}

func (p *problem) Error() string { return p.detail }

func refuse(status int, kind, format string, args ...any) error {
	return &problem{status, kind, fmt.Sprintf(format, args...)}
}

func badFilter(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidFilter", format, args...)
}

func badPath(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidPath", format, args...)
}

func badValue(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidValue", format, args...)
}

func badSyntax(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidSyntax", format, args...)
}

// problemOf says a fault in SCIM's words; false where it is none of the client's making.
func problemOf(err error) (*problem, bool) {
	if p, ok := errors.AsType[*problem](err); ok {
		return p, true
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return nil, false
	}
	switch {
	case f.Key == "fault.person.last_admin": // not 409, which clients take for "it is there already"
		return &problem{http.StatusForbidden, "", f.Detail}, true
	case f.Key == "fault.person.outdated":
		return &problem{http.StatusPreconditionFailed, "", f.Detail}, true
	case f.Code == fault.Conflict:
		return &problem{http.StatusConflict, "uniqueness", f.Detail}, true
	case f.Code == fault.Invalid:
		return &problem{http.StatusBadRequest, "invalidValue", f.Detail}, true
	case f.Code == fault.NotFound, f.Code == fault.TooLarge, f.Code == fault.Forbidden:
		return &problem{f.Code.HTTPStatus(), "", f.Detail}, true
	}
	return nil, false
}

// answered makes a handler whose refusals are SCIM's. What broke inside is left to the site, which logs it; Worded puts that, and what
// was refused before it came here, into SCIM's form.
func answered(handle web.Handle) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := byToken(r)
		if err == nil {
			err = handle(w, r)
		}
		p, ok := problemOf(err)
		if err == nil || !ok {
			return err
		}
		return answer(w, p.status, p.body())
	}
}

func (p *problem) body() object {
	body := object{"schemas": []any{errorSchema}, "status": strconv.Itoa(p.status), "detail": p.detail}
	if p.kind != "" {
		body["scimType"] = p.kind
	}
	return body
}

// Worded puts the refusals of everything around the service (no token, another permission, too many requests, no such path) into the
// form of RFC 7644, 3.12, which directories show to their administrators. What they say and their other headers stay.
func Worded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != root && !strings.HasPrefix(r.URL.Path, root+"/") {
			next.ServeHTTP(w, r)
			return
		}
		out := &worded{ResponseWriter: w}
		next.ServeHTTP(out, r)
		out.end()
	})
}

// worded holds back an answer of problem+json until it is whole.
type worded struct {
	http.ResponseWriter
	status int
	held   []byte // nil: the answer is no such one, and has gone out
}

func (o *worded) WriteHeader(status int) {
	if status >= 400 && o.Header().Get("Content-Type") == "application/problem+json" {
		o.status, o.held = status, []byte{}
		return
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *worded) Write(text []byte) (int, error) {
	if o.held == nil {
		return o.ResponseWriter.Write(text)
	}
	o.held = append(o.held, text...)
	return len(text), nil
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (o *worded) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *worded) end() {
	if o.held == nil {
		return
	}
	var said struct{ Title, Detail string }
	_ = json.Unmarshal(o.held, &said) // what cannot be read has no words, and its status
	o.Header().Del("Content-Length")
	p := problem{status: o.status, detail: cmp.Or(said.Detail, said.Title, http.StatusText(o.status))}
	_ = answer(o.ResponseWriter, o.status, p.body()) // a client that has gone
}

// byToken refuses browsers: no page of ours speaks SCIM, so a session that does is somebody else's trick.
func byToken(r *http.Request) error {
	if user := web.User(r); user == nil || user.Session {
		return refuse(http.StatusForbidden, "", "SCIM takes an API token with the permission %s", MayWrite)
	}
	return nil
}

// answer sends a resource or a message.
func answer(w http.ResponseWriter, status int, body object) error {
	w.Header().Set("Content-Type", mediaType)
	return sendJSON(w, status, body)
}
