// Package elastic lets everything that can send to Elasticsearch send to Yagura: Filebeat, Winlogbeat, Logstash,
// Fluent Bit, Vector, rsyslog's omelasticsearch, the OpenTelemetry Collector, curl.
//
// What it promises: POST /_bulk answers item by item as Elasticsearch does
// (https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk); an item is reported as created
// only once it is on disk; a line that cannot be read is refused with its number and the others go in. What
// shippers ask before they send (version, licence, templates, lifecycle policies, pipelines) is answered so
// that they start: everything they look for exists, everything they install is acknowledged and has no effect,
// because what an event means is decided here by the normaliser.
//
// Events are immutable: update and delete are refused the way a data stream refuses them. A document id is
// answered back and not kept, so a shipper that sends the same id twice makes two events.
package elastic

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

// Input is the name of this input.
const Input = "elastic"

// Version is the version of Elasticsearch that the banner names. Beats before 8.11 refuse a server older than
// themselves, and fluentd one whose major version is not its client's: the last 8 serves most.
const Version = "8.19.0"

// Handler answers the part of the Elasticsearch API that shippers use.
type Handler struct {
	gate *gate.Gate
}

// New returns the handler.
func New(g *gate.Gate) *Handler { return &Handler{gate: g} }

// Claims reports whether r is meant for an Elasticsearch rather than for the web interface on the same port: a path
// with an underscore API, or a path that only an index can have, from a caller that carries a token.
func (h *Handler) Claims(r *http.Request) bool {
	seg := segments(r)
	if seg == nil {
		return false
	}
	authorised := r.Header.Get("Authorization") != ""
	switch len(seg) {
	case 0: // the banner
		html := strings.Contains(r.Header.Get("Accept"), "text/html")
		return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (authorised || !html)
	case 1:
		return seg[0][0] == '_' || authorised && (r.Method == http.MethodHead || r.Method == http.MethodPut)
	default:
		if seg[0][0] == '_' || seg[1][0] == '_' {
			return true
		}
		// /{index}/{type}, /{index}/{type}/_bulk: how it was before Elasticsearch 7.
		write := r.Method == http.MethodPost || r.Method == http.MethodPut
		return authorised && write && len(seg) <= 3 && seg[0] != "api" && seg[0] != "v1" && seg[0] != "services"
	}
}

// segments splits the path; nil where it cannot be an Elasticsearch path. Index names may hold an escaped slash.
func segments(r *http.Request) []string {
	trimmed := strings.Trim(r.URL.EscapedPath(), "/")
	if trimmed == "" {
		return []string{}
	}
	seg := strings.Split(trimmed, "/")
	for i, s := range seg {
		s, err := url.PathUnescape(s)
		if err != nil || s == "" {
			return nil
		}
		seg[i] = s
	}
	return seg
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Elastic-Product", "Elasticsearch") // clients from 7.14 on talk to nothing else
	header.Set("Content-Type", contentType(r))
	caller, err := h.gate.Admit(r, Input)
	if err != nil {
		h.refuseCaller(w, r, err)
		return
	}
	seg := segments(r)
	last, write := "", r.Method == http.MethodPost || r.Method == http.MethodPut
	if len(seg) > 0 {
		last = seg[len(seg)-1]
	}
	switch {
	case write && last == "_bulk" && len(seg) <= 3:
		index := ""
		if len(seg) > 1 {
			index = seg[0]
		}
		h.bulk(w, r, caller, index)
	case write && len(seg) >= 2 && len(seg) <= 3 && seg[0][0] != '_' && isDocument(seg[1]):
		id := ""
		if len(seg) == 3 {
			id = seg[2]
		}
		h.document(w, r, caller, seg[0], id)
	default:
		h.start(w, r, seg)
	}
}

// isDocument tells /{index}/_doc and /{index}/_create from other APIs below an index; a type of its own is how it was
// before Elasticsearch 7.
func isDocument(segment string) bool {
	return segment == "_doc" || segment == "_create" || segment[0] != '_'
}

// contentType answers clients that ask for a compatible version with the type they asked for.
func contentType(r *http.Request) string {
	if accept := r.Header.Get("Accept"); strings.HasPrefix(accept, "application/vnd.elasticsearch+json") && !strings.ContainsAny(accept, ",\r\n") {
		return accept
	}
	return "application/json"
}

// document takes one document: POST /{index}/_doc, PUT /{index}/_doc/{id}, PUT /{index}/_create/{id}.
func (h *Handler) document(w http.ResponseWriter, r *http.Request, caller gate.Caller, index, id string) {
	body, err := h.gate.Read(w, r)
	if err != nil {
		h.refuseBody(w, caller, err)
		return
	}
	defer body.Release()
	if err := h.checkDocument(body.Data); err != nil {
		h.refuseBody(w, caller, err)
		return
	}
	batch := h.gate.Batch(caller, Input, intake.JSON)
	batch.Dataset = index
	batch.Items = []intake.Item{{Data: body.Data}}
	if err := h.gate.Accept(r.Context(), batch); err != nil {
		writeError(w, gate.Status(w, err), errorType(err), err.Error())
		return
	}
	if id == "" {
		id = newIDs().next()
	}
	w.WriteHeader(http.StatusCreated)
	reply := appendDocument([]byte{'{'}, index, []byte(id))
	_, _ = w.Write(append(reply, '}'))
}

func (h *Handler) checkDocument(data []byte) error {
	if len(data) > h.gate.MaxItem() {
		return fault.New(fault.TooLarge, "", "the document is larger than %d bytes", h.gate.MaxItem())
	}
	if err := gate.ValidObject(data); err != nil {
		return fault.New(fault.Invalid, "", "failed to parse: %w", err)
	}
	return nil
}

func (h *Handler) refuseCaller(w http.ResponseWriter, r *http.Request, err error) {
	reason := fmt.Sprintf("unable to authenticate for REST request [%s]: %s", r.URL.Path, err)
	if gate.NoToken(err) {
		reason = fmt.Sprintf("missing authentication credentials for REST request [%s]: %s", r.URL.Path, err)
	}
	status := gate.Status(w, err)
	if status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", `Basic realm="yagura", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", "ApiKey")
	}
	writeError(w, status, errorType(err), reason)
}

// refuseBody answers a body that could not be read, or holds one document that could not.
func (h *Handler) refuseBody(w http.ResponseWriter, caller gate.Caller, err error) {
	h.gate.Refused(caller, Input, 0, err.Error())
	writeError(w, gate.Status(w, err), errorType(err), err.Error())
}

// errorType names an error as Elasticsearch would.
func errorType(err error) string {
	switch fault.CodeOf(err) {
	case fault.Unauthentic, fault.Forbidden:
		return "security_exception"
	case fault.Invalid:
		return "document_parsing_exception"
	case fault.TooLarge:
		return "circuit_breaking_exception"
	case fault.Busy:
		return "es_rejected_execution_exception"
	case fault.Unavailable:
		return "unavailable_shards_exception"
	default:
		return "exception"
	}
}

type cause struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// writeError answers a request that failed as a whole.
func writeError(w http.ResponseWriter, status int, kind, reason string) {
	type failure struct {
		RootCause []cause `json:"root_cause"`
		cause
	}
	c := cause{kind, reason}
	writeJSON(w, status, map[string]any{"error": failure{[]cause{c}, c}, "status": status})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil { // of values made here
		status, data = http.StatusInternalServerError, []byte(`{"status":500}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// drain reads what a client still sends, so that it gets its answer instead of a closed connection.
func drain(r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 16<<20))
}
