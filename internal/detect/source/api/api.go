// Package api is Yagura's own HTTP input, POST /api/v1/events, and the client of it that import uses.
//
// The body is, by its Content-Type:
//
//	application/x-ndjson, application/json  one JSON object a line, or an array of objects, or objects one after the other;
//	                                        {"Records":[…]}, as cloud services store their logs, is what is in the list;
//	                                        taken for it is no type at all, and the one that curl --data says without being told
//	text/plain                              one event a line, recognised by its looks
//	application/vnd.yagura.batch            one intake.Batch in its binary form; for the local administrator only
//
// compressed with gzip, deflate or zstd where Content-Encoding says so. Parameters: dataset and file are hints kept
// with the events, format names an intake.Format ("syslog" makes each line of text a syslog message), record is the
// number of the first line in file. The local administrator, who has no source of its own, names one with source.
//
// The answer is {"accepted":n,"refused":n,"errors":[{"line":n,"reason":"…"}]}: 200 where anything was accepted, 400 where
// all was refused. Errors of a whole request are problem+json (RFC 9457).
package api

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

const (
	// Input is the name of this input.
	Input = "api"
	// InputImport is the name of what the local administrator sends as whole batches.
	InputImport = "import"

	path      = "/api/v1/events"
	batchType = "application/vnd.yagura.batch"
	// maxErrors is how many refused lines an answer lists; all are counted.
	maxErrors = 100
	// maxHint bounds parameters that are kept with each event.
	maxHint = 4096
)

// Handler answers POST /api/v1/events.
type Handler struct {
	gate *gate.Gate
}

// New returns the handler.
func New(g *gate.Gate) *Handler { return &Handler{gate: g} }

// Claims reports whether r is for this handler.
func (h *Handler) Claims(r *http.Request) bool { return r.URL.Path == path }

// Answer is what a request comes back with.
type Answer struct {
	Accepted int         `json:"accepted"`
	Refused  int         `json:"refused"`
	Errors   []LineError `json:"errors,omitempty"` // the first hundred
}

// LineError says why one line, or the nth element of an array, was refused.
type LineError struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (a *Answer) refuse(line int, reason string) {
	if a.Refused++; len(a.Errors) < maxErrors {
		a.Errors = append(a.Errors, LineError{line, reason})
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := h.gate.Admit(r, Input)
	if err != nil {
		if fault.Is(err, fault.Unauthentic) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="yagura"`)
		}
		problem(w, err)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeJSON(w, http.StatusMethodNotAllowed, "application/problem+json", map[string]any{"title": "Method Not Allowed", "status": http.StatusMethodNotAllowed})
		return
	}
	answer, err := h.take(w, r, caller)
	if err != nil {
		problem(w, err)
		return
	}
	status := http.StatusOK
	if answer.Refused > 0 {
		h.gate.Refused(caller, Input, answer.Refused, "line "+strconv.Itoa(answer.Errors[0].Line)+": "+answer.Errors[0].Reason)
		if answer.Accepted == 0 {
			status = http.StatusBadRequest
		}
	}
	writeJSON(w, status, "application/json", answer)
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request, caller gate.Caller) (Answer, error) {
	body, err := h.gate.Read(w, r)
	if err != nil {
		h.gate.Refused(caller, Input, 0, err.Error())
		return Answer{}, err
	}
	defer body.Release()
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if contentType == batchType {
		return h.takeBatch(r, caller, body.Data)
	}
	batch, first, err := h.describe(r, caller)
	if err != nil {
		return Answer{}, err
	}
	s := splitter{body: body, batch: batch, first: first, maxItem: h.gate.MaxItem()}
	switch contentType {
	case "text/plain":
		batch.Format = cmp.Or(batch.Format, intake.Line)
		s.lines()
	case "", "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-www-form-urlencoded":
		batch.Format = cmp.Or(batch.Format, intake.JSON)
		s.objects()
	default:
		return Answer{}, fault.New(fault.Invalid, "", "Content-Type %.60q is not known: application/x-ndjson, application/json and text/plain are", contentType)
	}
	if s.err == nil && len(batch.Items) == 0 && s.answer.Refused == 0 {
		s.err = fault.New(fault.Invalid, "", "the body has no events")
	}
	if s.err != nil {
		h.gate.Refused(caller, Input, 0, s.err.Error())
		return Answer{}, s.err
	}
	s.answer.Accepted = len(batch.Items)
	return s.answer, h.gate.Accept(r.Context(), batch)
}

// describe reads the parameters into an empty batch; first is the record number of the first line, 0 for none.
func (h *Handler) describe(r *http.Request, caller gate.Caller) (batch *intake.Batch, first uint64, err error) {
	query := r.URL.Query()
	batch = h.gate.Batch(caller, Input, "")
	batch.Dataset, batch.File = query.Get("dataset"), query.Get("file")
	if len(batch.Dataset) > maxHint || len(batch.File) > maxHint {
		return nil, 0, fault.New(fault.Invalid, "", "dataset and file may have %d bytes", maxHint)
	}
	if caller.Local {
		if batch.Source = query.Get("source"); batch.Source == "" {
			batch.Source = "local"
		}
	}
	if format := intake.Format(query.Get("format")); format != "" {
		if !known(format) {
			return nil, 0, fault.New(fault.Invalid, "", "format %.20q is not known", format)
		}
		batch.Format = format
	}
	if record := query.Get("record"); record != "" {
		if first, err = strconv.ParseUint(record, 10, 63); err != nil || first == 0 {
			return nil, 0, fault.New(fault.Invalid, "", "record %.20q is no number from 1", record)
		}
	}
	return batch, first, nil
}

func known(f intake.Format) bool {
	switch f {
	case intake.JSON, intake.Line, intake.Syslog, intake.HEC, intake.OTLP, intake.Zeek:
		return true
	}
	return false
}

// takeBatch takes a whole batch as the local administrator's import read it, with its record numbers and the items
// that its reader could make no sense of.
func (h *Handler) takeBatch(r *http.Request, caller gate.Caller, body []byte) (Answer, error) {
	if !caller.Local {
		return Answer{}, fault.New(fault.Forbidden, "", "only the local administrator may send whole batches")
	}
	var batch intake.Batch
	if err := batch.Decode(body); err != nil {
		return Answer{}, fault.New(fault.Invalid, "", "%w", err)
	}
	if !known(batch.Format) || batch.Source == "" {
		return Answer{}, fault.New(fault.Invalid, "", "the batch has no source, or a format (%.20q) that is not known", batch.Format)
	}
	// How large an item may be, the sink says: what goes into a stopped server's folder goes into a running one, too.
	batch.Input, batch.Remote = InputImport, ""
	return Answer{Accepted: len(batch.Items)}, h.gate.Accept(r.Context(), &batch)
}

// problem answers a request that failed as a whole.
func problem(w http.ResponseWriter, err error) {
	status := gate.Status(w, err)
	writeJSON(w, status, "application/problem+json", map[string]any{
		"title": http.StatusText(status), "status": status, "code": fault.CodeOf(err), "detail": err.Error(),
	})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away
}
