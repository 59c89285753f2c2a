// Package otlp takes OpenTelemetry logs over HTTP: POST /v1/logs, protobuf and JSON
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
//
// What it promises: each log record becomes one item, the JSON object that normalise reads as intake.OTLP:
//
//	{"timeUnixNano":"…","observedTimeUnixNano":"…","severityNumber":9,"severityText":"INFO","body":any,"attributes":{…},
//	 "resource":{…},"scope":{"name":"…","version":"…"},"traceId":"hex","spanId":"hex","eventName":"…"}
//
// where times are decimal strings (they do not fit a JSON number), members without a value are left out, and
// bytes are base64. Text that is no UTF-8, which some senders let through, keeps its place with U+FFFD for what
// is broken. A record that cannot be read is rejected by itself and told in partial_success.
package otlp

import (
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"net/http"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

// Input is the name of this input.
const Input = "otlp"

const (
	binaryType = "application/x-protobuf"
	jsonType   = "application/json"
)

// Handler answers OTLP/HTTP for logs.
type Handler struct {
	gate *gate.Gate
}

// New returns the handler.
func New(g *gate.Gate) *Handler { return &Handler{gate: g} }

// Claims reports whether r is for this handler.
func (h *Handler) Claims(r *http.Request) bool { return r.URL.Path == "/v1/logs" }

// records is the log records of a request, and why some are none.
type records struct {
	items    []intake.Item
	rejected int64
	reason   string // of the first
	number   int    // of the record that is being read, from 1
	maxItem  int
	body     *gate.Body // what the items take is charged to it
}

func (s *records) reject(err error) {
	if s.rejected++; s.rejected == 1 {
		s.reason = fmt.Sprintf("record %d: %s", s.number, err)
	}
}

// add takes a record in the wire format, with what its resource and scope were written as.
// An error is that of the whole request.
func (s *records) add(record, context []byte) error {
	s.number++
	if err := s.body.Charge(gate.ItemBytes + 2*len(record) + len(context)); err != nil {
		return err
	}
	data, err := appendRecord(make([]byte, 0, 2*len(record)+len(context)), record, context)
	switch {
	case err != nil:
		s.reject(err)
	case len(data) > s.maxItem:
		s.reject(fmt.Errorf("larger than %d bytes", s.maxItem))
	default:
		s.items = append(s.items, intake.Item{Data: data})
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	asJSON := contentType == jsonType
	w.Header().Set("Content-Type", map[bool]string{true: jsonType, false: binaryType}[asJSON])
	caller, err := h.gate.Admit(r, Input)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="yagura"`)
		fail(w, asJSON, gate.Status(w, err), err.Error())
		return
	}
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		fail(w, asJSON, http.StatusMethodNotAllowed, "only POST is possible")
		return
	case !asJSON && contentType != binaryType:
		fail(w, asJSON, http.StatusUnsupportedMediaType, "Content-Type must be application/x-protobuf or application/json")
		return
	}
	body, err := h.gate.Read(w, r)
	if err != nil {
		h.gate.Refused(caller, Input, 0, err.Error())
		fail(w, asJSON, gate.Status(w, err), err.Error())
		return
	}
	defer body.Release()
	set := &records{maxItem: h.gate.MaxItem(), body: body}
	read := readBinary
	if asJSON {
		read = readJSON
	}
	if err := read(body.Data, set); err != nil {
		h.gate.Refused(caller, Input, 0, err.Error())
		fail(w, asJSON, gate.Status(w, err), err.Error())
		return
	}
	batch := h.gate.Batch(caller, Input, intake.OTLP)
	batch.Items = set.items
	if err := h.gate.Accept(r.Context(), batch); err != nil {
		fail(w, asJSON, gate.Status(w, err), err.Error())
		return
	}
	if set.rejected > 0 {
		h.gate.Refused(caller, Input, int(set.rejected), set.reason)
	}
	succeed(w, asJSON, set)
}

func succeed(w http.ResponseWriter, asJSON bool, set *records) {
	response := &collector.ExportLogsServiceResponse{}
	if set.rejected > 0 {
		response.PartialSuccess = &collector.ExportLogsPartialSuccess{RejectedLogRecords: set.rejected, ErrorMessage: set.reason}
	}
	marshal := proto.Marshal
	if asJSON {
		marshal = protojson.Marshal
	}
	data, err := marshal(response)
	if err != nil { // of values made here
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(data)
}

// fail answers with a google.rpc.Status, as OTLP/HTTP wants it.
func fail(w http.ResponseWriter, asJSON bool, status int, message string) {
	code := rpcCode(status)
	var data []byte
	if asJSON {
		data, _ = json.Marshal(map[string]any{"code": code, "message": message})
	} else {
		data = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
		data = protowire.AppendString(protowire.AppendTag(data, 2, protowire.BytesType), message)
	}
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// rpcCode is the google.rpc.Code that says the same as an HTTP status.
func rpcCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return 16 // UNAUTHENTICATED
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusServiceUnavailable:
		return 14 // UNAVAILABLE
	case http.StatusMethodNotAllowed:
		return 12 // UNIMPLEMENTED
	case http.StatusInternalServerError:
		return 13 // INTERNAL
	default:
		return 3 // INVALID_ARGUMENT
	}
}

// errWire is a message that does not hold together.
var errWire = fault.New(fault.Invalid, "", "the body is no OTLP message")

// field is one field of a message in the wire format.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // of a length-delimited one
	value  uint64 // of any other
}

// each calls f for every field of the message. Groups, which OTLP has none of, are passed over.
func each(message []byte, f func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errWire
		}
		message = message[n:]
		v := field{number: number, kind: kind}
		switch kind {
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			v.value, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			v.value, n = protowire.ConsumeFixed64(message)
		case protowire.Fixed32Type:
			var small uint32
			small, n = protowire.ConsumeFixed32(message)
			v.value = uint64(small)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return errWire
		}
		message = message[n:]
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// is reports whether the field has that number and type; a field of another type is as unknown as another number.
func (f field) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

func (f field) double() float64 { return math.Float64frombits(f.value) }
