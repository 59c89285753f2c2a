package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"yagura/internal/platform/fault"
)

// problem is an error as machines read it (RFC 9457), with the fault's code and the request's id.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Code    string `json:"code"`
	Request string `json:"request"`
	Message string `json:"message,omitempty"` // in the reader's language, for htmx to show
	// Errors say what is wrong with each field, in the reader's language.
	Errors map[string]string `json:"errors,omitempty"`
}

// failure is an error as people read it.
type failure struct {
	Status  int
	Title   string // what went wrong, in a few words
	Message string // what happened, and what was kept
	Advice  string // what to do next
	Request string
}

// fail answers with an error.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.failStatus(w, r, fault.CodeOf(err).HTTPStatus(), err)
}

func (s *Site) failStatus(w http.ResponseWriter, r *http.Request, status int, err error) {
	req := about(r)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the visitor has left
	}
	switch {
	case status >= 500:
		s.opt.Log.Error("a request failed", "request", req.id, "path", r.URL.Path, "error", err)
	case status == http.StatusForbidden: // who tries what they may not do is worth knowing
		who := ""
		if req.user != nil {
			who = req.user.ID
		}
		s.opt.Log.Warn("a request was refused", "request", req.id, "method", r.Method, "path", r.URL.Path, "person", who, "error", err)
	}
	if out, ok := w.(*answer); ok && out.status != 0 {
		// An answer was begun: cutting it off is the only way left to say that it is not whole.
		panic(http.ErrAbortHandler)
	}
	w.Header().Del("Content-Disposition") // of the file that the answer was to be
	if status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "5")
	}
	f := s.explain(req, status, err)
	answer := problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: detail(req, status, err), Code: string(fault.CodeOf(err)), Request: req.id,
	}
	if fields, ok := errors.AsType[interface {
		error
		Fields() map[string]error
	}](err); ok {
		answer.Errors = make(map[string]string)
		for name, problem := range fields.Fields() {
			answer.Errors[name] = s.explain(req, status, problem).Message
		}
	}
	switch {
	case fromHTMX(r):
		answer.Message = f.Title + ": " + f.Message
	case WantsPage(r):
		if s.renderFailure(w, r, f) == nil {
			return
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// detail is the English text for machines; what broke inside stays inside, and what is not there (a database, a provider, with its address)
// is for people who are signed in.
func detail(req *request, status int, err error) string {
	if status == http.StatusInternalServerError || status > http.StatusInternalServerError && req.user == nil {
		return ""
	}
	return err.Error()
}

// explain says an error in the reader's language: the fault's own message where it has one, else its code's.
func (s *Site) explain(req *request, status int, err error) failure {
	p, code := req.printer, fault.CodeOf(err)
	if status == http.StatusMethodNotAllowed {
		code = fault.Invalid
	}
	f := failure{
		Status: status, Request: req.id,
		Title:   p.T("fault." + string(code) + ".title"),
		Message: p.T("fault." + string(code) + ".message"),
		Advice:  p.T("fault." + string(code) + ".advice"),
	}
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Key != "" && p.Has(own.Key) {
		f.Message = p.T(own.Key, own.Args...)
		if own.Err != nil && code == fault.Invalid {
			f.Message += " " + own.Err.Error() // where exactly it is wrong, which only the one who read it knows
		}
	} else if ok && code == fault.Invalid {
		f.Message = own.Detail
	}
	return f
}

// Message says an error in the reader's language in one line, for a form that shows it beside the field.
func Message(r *http.Request, err error) string {
	req := about(r)
	return req.site.explain(req, fault.CodeOf(err).HTTPStatus(), err).Message
}
