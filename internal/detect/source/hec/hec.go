// Package hec is the Splunk HTTP Event Collector: /services/collector, …/event, …/raw, …/health, …/ack, with
// Splunk's own answers
// (https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector).
//
// What it promises: code 0 is answered only once every event of the request is on disk; an event that cannot be
// read is answered with code 6 or 12 and its number from 0, and the others go in all the same, which is more than
// Splunk does: it stops at the first. A wrong token is 401 (Splunk says 403 to some), a full spool 429.
//
// Acknowledgement by id is not needed where an answer means "on disk": whoever asks for it on …/ack is told
// that every id was indexed, if it was ever given.
package hec

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

// Input is the name of this input.
const Input = "hec"

const prefix = "/services/collector"

// maxSourcetype is in bytes.
const maxSourcetype = 4096

// Handler answers Splunk's HTTP Event Collector API.
type Handler struct {
	gate *gate.Gate
	acks atomic.Int64
}

// New returns the handler.
func New(g *gate.Gate) *Handler { return &Handler{gate: g} }

// Claims reports whether r is for this handler.
func (h *Handler) Claims(r *http.Request) bool {
	return r.URL.Path == prefix || strings.HasPrefix(r.URL.Path, prefix+"/")
}

// answer is Splunk's answer; Code is one of its documented codes.
type answer struct {
	Text          string `json:"text"`
	Code          int    `json:"code"`
	InvalidNumber *int   `json:"invalid-event-number,omitempty"`
	AckID         *int64 `json:"ackId,omitempty"`

	status int
}

func reply(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	data, err := json.Marshal(a)
	if err != nil { // of values made here
		a.status = http.StatusInternalServerError
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(data)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, prefix), "/")
	path = strings.TrimSuffix(path, "/1.0")
	if path == "health" && r.Method == http.MethodGet { // load balancers ask without a token
		reply(w, answer{Text: "HEC is healthy", Code: 17, status: http.StatusOK})
		return
	}
	caller, err := h.gate.Admit(r, Input)
	if err != nil {
		h.refuseCaller(w, err)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		reply(w, answer{Text: "The requested URL was not found on this server.", Code: 404, status: http.StatusNotFound})
		return
	}
	switch path {
	case "", "event":
		h.take(w, r, caller, h.events)
	case "raw":
		h.take(w, r, caller, h.raw)
	case "ack":
		h.ack(w, r, caller)
	default:
		reply(w, answer{Text: "The requested URL was not found on this server.", Code: 404, status: http.StatusNotFound})
	}
}

// take reads the body, lets split make items of it and answers what became of them.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, caller gate.Caller, split func(*http.Request, *gate.Body) parts) {
	body, err := h.gate.Read(w, r)
	if err != nil {
		h.refuse(w, caller, err)
		return
	}
	defer body.Release()
	p := split(r, body)
	if p.err != nil {
		h.refuse(w, caller, p.err)
		return
	}
	if len(p.items) == 0 && p.refused == 0 {
		reply(w, answer{Text: "No data", Code: 5, status: http.StatusBadRequest})
		return
	}
	batch := h.gate.Batch(caller, Input, p.format)
	batch.Items = p.items
	// It is kept with every piece of the batch.
	if batch.Dataset = r.URL.Query().Get("sourcetype"); len(batch.Dataset) > maxSourcetype {
		h.refuse(w, caller, fault.New(fault.Invalid, "", "sourcetype may have %d bytes", maxSourcetype))
		return
	}
	if err := h.gate.Accept(r.Context(), batch); err != nil {
		reply(w, failure(w, err))
		return
	}
	if p.refused > 0 {
		h.gate.Refused(caller, Input, p.refused, p.reason)
		reply(w, p.bad)
		return
	}
	a := answer{Text: "Success", status: http.StatusOK}
	if channel(r) != "" {
		id := h.acks.Add(1) - 1
		a.AckID = &id
	}
	reply(w, a)
}

// channel is the id that a client which wants acknowledgements gives its stream.
func channel(r *http.Request) string {
	if id := r.Header.Get("X-Splunk-Request-Channel"); id != "" {
		return id
	}
	return r.URL.Query().Get("channel")
}

// ack answers {"acks":[1,2]} with {"acks":{"1":true,"2":true}}.
func (h *Handler) ack(w http.ResponseWriter, r *http.Request, caller gate.Caller) {
	body, err := h.gate.Read(w, r)
	if err != nil {
		h.refuse(w, caller, err)
		return
	}
	defer body.Release()
	var asked struct {
		Acks []int64 `json:"acks"`
	}
	if err := json.Unmarshal(body.Data, &asked); err != nil {
		reply(w, answer{Text: "Invalid data format", Code: 6, status: http.StatusBadRequest})
		return
	}
	given := h.acks.Load()
	acks := make(map[string]bool, len(asked.Acks))
	for _, id := range asked.Acks {
		acks[strconv.FormatInt(id, 10)] = id >= 0 && id < given
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"acks": acks})
}

func (h *Handler) refuseCaller(w http.ResponseWriter, err error) {
	switch {
	case gate.NoToken(err):
		w.Header().Set("WWW-Authenticate", `Splunk realm="yagura"`)
		reply(w, answer{Text: "Token is required", Code: 2, status: http.StatusUnauthorized})
	case fault.Is(err, fault.Unauthentic):
		w.Header().Set("WWW-Authenticate", `Splunk realm="yagura"`)
		reply(w, answer{Text: "Invalid token", Code: 4, status: http.StatusUnauthorized})
	default:
		reply(w, failure(w, err))
	}
}

func (h *Handler) refuse(w http.ResponseWriter, caller gate.Caller, err error) {
	h.gate.Refused(caller, Input, 0, err.Error())
	reply(w, failure(w, err))
}

// failure says in Splunk's codes why a whole request failed.
func failure(w http.ResponseWriter, err error) answer {
	a := answer{status: gate.Status(w, err)}
	switch fault.CodeOf(err) {
	case fault.Busy, fault.Unavailable:
		a.Text, a.Code = "Server is busy", 9
	case fault.TooLarge:
		a.Text, a.Code = "Request entity too large", 27
	case fault.Invalid:
		a.Text, a.Code = "Invalid data format", 6
	default:
		a.Text, a.Code = "Internal server error", 8
	}
	return a
}
