package otlp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/valyala/fastjson"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"yagura/internal/platform/fault"
)

// readJSON reads a request in OTLP's JSON encoding, record by record, so that one that is wrong does not take the
// others with it. Each is brought to the wire format, from where there is one way on.
func readJSON(request []byte, set *records) error {
	root, err := fastjson.ParseBytes(request)
	if err != nil {
		return fault.New(fault.Invalid, "", "the body is no JSON: %w", err)
	}
	if root.Type() != fastjson.TypeObject {
		return fault.New(fault.Invalid, "", "the body is no ExportLogsServiceRequest")
	}
	for _, resourceLogs := range elements(root, "resourceLogs", "resource_logs") {
		from, err := wire(resourceLogs.Get("resource"), &resource.Resource{})
		if err != nil {
			return fault.New(fault.Invalid, "", "resource: %w", err)
		}
		for _, scopeLogs := range elements(resourceLogs, "scopeLogs", "scope_logs") {
			scope, err := wire(scopeLogs.Get("scope"), &common.InstrumentationScope{})
			if err != nil {
				return fault.New(fault.Invalid, "", "scope: %w", err)
			}
			context, err := appendContext(nil, from, scope)
			if err != nil {
				return err
			}
			for _, record := range elements(scopeLogs, "logRecords", "log_records") {
				data, err := wireRecord(record)
				if err != nil {
					set.number++
					set.reject(err)
					continue
				}
				if err := set.add(data, context); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// elements returns an array by its name; protobuf's JSON takes both spellings.
func elements(v *fastjson.Value, name, snake string) []*fastjson.Value {
	if v.Exists(name) {
		return v.GetArray(name)
	}
	return v.GetArray(snake)
}

// wire reads one message of a request and returns it in the wire format. Unknown members are passed over, as the
// specification asks.
func wire(v *fastjson.Value, into proto.Message) ([]byte, error) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil, nil
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(v.MarshalTo(nil), into); err != nil {
		return nil, err
	}
	return proto.Marshal(into)
}

func wireRecord(v *fastjson.Value) ([]byte, error) {
	record := &logs.LogRecord{}
	if _, err := wire(v, record); err != nil {
		return nil, err
	}
	var err error
	if record.TraceId, err = identifier(record.TraceId); err != nil {
		return nil, fmt.Errorf("traceId: %w", err)
	}
	if record.SpanId, err = identifier(record.SpanId); err != nil {
		return nil, fmt.Errorf("spanId: %w", err)
	}
	return proto.Marshal(record)
}

// identifier undoes what protobuf's JSON did to an id: OTLP writes ids in hexadecimal where protobuf has base64, and
// hexadecimal digits are all base64 digits, too.
func identifier(misread []byte) ([]byte, error) {
	return hex.DecodeString(base64.StdEncoding.EncodeToString(misread))
}
