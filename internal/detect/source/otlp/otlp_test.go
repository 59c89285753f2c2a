package otlp_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/detect/source/otlp"
)

const (
	binary = "application/x-protobuf"
	asJSON = "application/json"
)

func post(h *otlp.Handler, contentType, auth string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/v1/logs", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", auth)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const bearer = "Bearer " + gatetest.Token

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func attribute(key string, v *common.AnyValue) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: v}
}

func request(t testing.TB, records ...*logs.LogRecord) []byte {
	t.Helper()
	data, err := proto.Marshal(&collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{attribute("service.name", text("shop")), attribute("host.name", text("web-1"))}},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "lib", Version: "1.2"}, LogRecords: records}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const shared = `"resource":{"service.name":"shop","host.name":"web-1"},"scope":{"name":"lib","version":"1.2"}`

func TestRecords(t *testing.T) {
	t.Parallel()
	value := func(v *common.AnyValue) *logs.LogRecord { return &logs.LogRecord{Body: v} }
	tests := []struct {
		name   string
		record *logs.LogRecord
		want   string // before what all share
	}{
		{"all there is", &logs.LogRecord{
			TimeUnixNano: 1775034000123456789, ObservedTimeUnixNano: 1775034001000000000, SeverityNumber: 9, SeverityText: "INFO",
			Body: text("signed in"), TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{1}, 8), EventName: "login", Flags: 1,
			DroppedAttributesCount: 2, Attributes: []*common.KeyValue{attribute("user.name", text("田中"))},
		}, `"timeUnixNano":"1775034000123456789","severityNumber":9,"severityText":"INFO","body":"signed in","droppedAttributesCount":2,` +
			`"flags":1,"traceId":"abababababababababababababababab","spanId":"0101010101010101","observedTimeUnixNano":"1775034001000000000",` +
			`"eventName":"login","attributes":{"user.name":"田中"}`},
		{"text with everything to escape", value(text("a\"b\\c\nd\x00e\x7f<>")), `"body":"a\"b\\c\u000ad\u0000e\u007f<>"`},
		{"a number", value(&common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: math.MinInt64}}), `"body":-9223372036854775808`},
		{"a fraction", value(&common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.5}}), `"body":0.5`},
		{"not a number", value(&common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: math.NaN()}}), `"body":"NaN"`},
		{"true", value(&common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}), `"body":true`},
		{"bytes", value(&common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{0xff}}}), `"body":"/w=="`},
		{"nothing", value(&common.AnyValue{}), `"body":null`},
		{"a list and an object", value(&common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{
			text("a"), {Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: []*common.KeyValue{attribute("b", text("c"))}}}}, {},
		}}}}), `"body":["a",{"b":"c"},null]`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, _ := gatetest.New(gate.Options{})
			w := post(otlp.New(g), binary, bearer, request(t, tc.record))
			if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != binary {
				t.Fatalf("%d %q %v", w.Code, w.Body, w.Header())
			}
			want := "{" + tc.want + "," + shared + "}"
			if diff := cmp.Diff([]string{want}, sink.Items()); diff != "" {
				t.Error(diff)
			}
			if b := sink.Batches()[0]; b.Format != intake.OTLP || b.Input != "otlp" || b.Source != gatetest.Source {
				t.Errorf("batch %+v", b)
			}
		})
	}
}

// The example of the OTLP specification's JSON encoding, with ids in hexadecimal and unknown members.
const example = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"web-1"}}]},
"scopeLogs":[{"scope":{"name":"lib","version":"1.2"},"logRecords":[
{"timeUnixNano":"1775034000000000000","severityNumber":10,"severityText":"Information","traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
 "body":{"stringValue":"Example"},"attributes":[{"key":"n","value":{"intValue":"7"}},{"key":"m","value":{"arrayValue":{"values":[{"boolValue":true}]}}}],"unheardOf":{"a":[1]}},
{"timeUnixNano":"not a number"},
{"timeUnixNano":"1775034000000000001","traceId":"xyz","body":{"stringValue":"bad id"}},
{"body":{"stringValue":"second"}}]}]}]}`

func TestJSON(t *testing.T) {
	t.Parallel()
	g, sink, observer := gatetest.New(gate.Options{})
	w := post(otlp.New(g), asJSON, bearer, []byte(example))
	want := []string{
		`{"timeUnixNano":"1775034000000000000","severityNumber":10,"severityText":"Information","body":"Example",` +
			`"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","attributes":{"n":7,"m":[true]},` + shared + `}`,
		`{"body":"second",` + shared + `}`,
	}
	if diff := cmp.Diff(want, sink.Items()); diff != "" {
		t.Error(diff)
	}
	var answer struct {
		PartialSuccess struct {
			RejectedLogRecords string
			ErrorMessage       string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if answer.PartialSuccess.RejectedLogRecords != "2" || !strings.HasPrefix(answer.PartialSuccess.ErrorMessage, "record 2: ") {
		t.Errorf("%s", w.Body)
	}
	if r := observer.Refusals(); len(r) != 1 || r[0].Events != 2 {
		t.Errorf("refusals: %v", r)
	}
}

// Some senders let text through that is no UTF-8, which protobuf's own decoder refuses together with all the rest.
func TestTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	shiftJIS := "\x83\x8d\x83O"
	value := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), shiftJIS)
	record := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), value)
	scope := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), record)
	res := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope)
	body := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), res)
	g, sink, _ := gatetest.New(gate.Options{})
	w := post(otlp.New(g), binary, bearer, body)
	if diff := cmp.Diff([]string{"{\"body\":\"\uFFFD\uFFFD\uFFFDO\"}"}, sink.Items()); diff != "" || w.Code != 200 {
		t.Error(w.Code, diff)
	}
}

func TestDeepValueIsRejectedAlone(t *testing.T) {
	t.Parallel()
	deep := text("core")
	for range 300 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	g, sink, _ := gatetest.New(gate.Options{})
	w := post(otlp.New(g), binary, bearer, request(t, &logs.LogRecord{Body: deep}, &logs.LogRecord{Body: text("b")}))
	var answer collector.ExportLogsServiceResponse
	if err := proto.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	if p := answer.GetPartialSuccess(); p.GetRejectedLogRecords() != 1 || len(sink.Items()) != 1 {
		t.Errorf("%v, %d items", p, len(sink.Items()))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := request(t, &logs.LogRecord{Body: text("a")})
	tests := []struct {
		name, contentType, auth string
		body                    []byte
		full                    bool
		status                  int
		code                    string // google.rpc.Code, in JSON's case
	}{
		{"no token", asJSON, "", []byte("{}"), false, 401, `"code":16`},
		{"wrong token", asJSON, "Bearer x", []byte("{}"), false, 401, `"code":16`},
		{"no JSON", asJSON, bearer, []byte("{"), false, 400, `"code":3`},
		{"an array", asJSON, bearer, []byte("[]"), false, 400, `"code":3`},
		{"too large", asJSON, bearer, bytes.Repeat([]byte("x"), 2000), false, 413, `"code":8`},
		{"full", asJSON, bearer, []byte(example), true, 429, `"code":8`},
		{"not protobuf", binary, bearer, []byte{0x0a, 0xff}, false, 400, ""},
		{"full", binary, bearer, good, true, 429, ""},
		{"a form", "application/x-www-form-urlencoded", bearer, good, false, 415, ""},
		{"nothing to say", binary, bearer, nil, false, 200, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, _ := gatetest.New(gate.Options{MaxBody: 1500})
			sink.Full(tc.full)
			w := post(otlp.New(g), tc.contentType, tc.auth, tc.body)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.code) {
				t.Errorf("%d %q", w.Code, w.Body)
			}
			if tc.full != (w.Header().Get("Retry-After") != "") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(example), true)
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"a"}]}}}]}]}]}`), true)
	f.Add(request(f, &logs.LogRecord{TimeUnixNano: 1, Body: text("a"), Attributes: []*common.KeyValue{attribute("k", text("v"))}}), false)
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		g, sink, _ := gatetest.New(gate.Options{})
		contentType := binary
		if isJSON {
			contentType = asJSON
		}
		if w := post(otlp.New(g), contentType, bearer, body); w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d", w.Code)
		}
		for _, item := range sink.Items() {
			if !json.Valid([]byte(item)) {
				t.Errorf("%q went in", item)
			}
		}
	})
}

// A small request must not become a large one by what all its records share.
func TestManyRecordsOfALargeResource(t *testing.T) {
	t.Parallel()
	records := make([]*logs.LogRecord, 1000)
	for i := range records {
		records[i] = &logs.LogRecord{}
	}
	large := &collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{attribute("host.name", text(strings.Repeat("x", 1<<20)))}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: records}},
	}}}
	data, err := proto.Marshal(large)
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := protojson.Marshal(large)
	if err != nil {
		t.Fatal(err)
	}
	g, sink, _ := gatetest.New(gate.Options{MaxBody: 16 << 20})
	for contentType, body := range map[string][]byte{binary: data, asJSON: inJSON} {
		if w := post(otlp.New(g), contentType, bearer, body); w.Code != 413 || len(sink.Items()) > 0 {
			t.Errorf("%s: %d, %d items", contentType, w.Code, len(sink.Items()))
		}
	}
}
