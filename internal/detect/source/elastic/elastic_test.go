package elastic_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/elastic"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/platform/fault"
)

const bearer = "Bearer " + gatetest.Token

func send(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", bearer)
	r.Header.Set("User-Agent", "shipper/1.0")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type reply struct {
	Errors *bool
	Items  []map[string]struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Status int
		Error  struct{ Type, Reason string }
	}
}

func decode(t *testing.T, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var r reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("the answer is no JSON: %v\n%s", err, w.Body)
	}
	return r
}

// outcomes writes a bulk answer as "verb status", one a line.
func outcomes(r reply) string {
	var b strings.Builder
	for _, item := range r.Items {
		for verb, it := range item {
			fmt.Fprintf(&b, "%s %d\n", verb, it.Status)
		}
	}
	return b.String()
}

func TestBulk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, body string
		items            string // accepted, one a line
		outcomes         string
		reason           string // part of the first error
	}{
		{
			name: "winlogbeat 9 creates in its data stream",
			path: "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status",
			body: `{"create":{"_index":"winlogbeat-9.0.1"}}` + "\n" + `{"@timestamp":"2026-04-01T00:00:00Z","winlog":{"event_id":"4624"}}` + "\n" +
				`{"create":{"_index":"winlogbeat-9.0.1"}}` + "\n" + `{"@timestamp":"2026-04-01T00:00:01Z","winlog":{"event_id":"4634"}}` + "\n",
			items: `{"@timestamp":"2026-04-01T00:00:00Z","winlog":{"event_id":"4624"}}` + "\n" +
				`{"@timestamp":"2026-04-01T00:00:01Z","winlog":{"event_id":"4634"}}` + "\n",
			outcomes: "create 201\ncreate 201\n",
		},
		{
			name:  "rsyslog omelasticsearch names index and type",
			path:  "/_bulk?timeout=1m",
			body:  `{"index":{"_index": "system","_type":"events"}}` + "\n" + `{"message":"hello"}` + "\n",
			items: `{"message":"hello"}` + "\n", outcomes: "index 201\n",
		},
		{
			name:  "curl without a last line break, index in the path, CRLF",
			path:  "/logs/_bulk",
			body:  "{\"index\":{}}\r\n{\"a\":1}\r\n\r\n{\"create\":{}}\r\n{\"a\":2}",
			items: "{\"a\":1}\n{\"a\":2}\n", outcomes: "index 201\ncreate 201\n",
		},
		{
			name:  "a document that is no JSON does not stop the others",
			path:  "/logs/_bulk",
			body:  "{\"index\":{}}\n{\"a\":1\n{\"index\":{}}\n{\"a\":2}\n",
			items: "{\"a\":2}\n", outcomes: "index 400\nindex 201\n", reason: "line 2: failed to parse",
		},
		{
			name:  "a document that is no object",
			path:  "/logs/_bulk",
			body:  "{\"index\":{}}\n[1]\n{\"index\":{}}\n\"text\"\n{\"index\":{}}\n\n{\"index\":{}}\n{}\n",
			items: "{}\n", outcomes: "index 400\nindex 400\nindex 400\nindex 201\n", reason: "line 2",
		},
		{
			name:  "an action that cannot be read takes its document with it",
			path:  "/logs/_bulk",
			body:  "{\"index\":\n{\"a\":1}\n{\"index\":{}}\n{\"a\":2}\n",
			items: "{\"a\":2}\n", outcomes: "index 400\nindex 201\n", reason: "Malformed action/metadata line [1]",
		},
		{
			name:  "an action that cannot be read, right before one that can",
			path:  "/logs/_bulk",
			body:  "nonsense\n{\"index\":{}}\n{\"a\":2}\n",
			items: "{\"a\":2}\n", outcomes: "index 400\nindex 201\n", reason: "line [1]",
		},
		{
			name:     "events are immutable",
			path:     "/logs/_bulk",
			body:     "{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{\"a\":1}}\n{\"delete\":{\"_id\":\"1\"}}\n{\"create\":{\"_id\":\"2\"}}\n{\"a\":2}\n",
			items:    "{\"a\":2}\n",
			outcomes: "update 400\ndelete 400\ncreate 201\n", reason: "immutable",
		},
		{
			name: "no index anywhere, which is only a hint here", path: "/_bulk", body: "{\"index\":{}}\n{\"a\":1}\n",
			items: "{\"a\":1}\n", outcomes: "index 201\n",
		},
		{
			name: "an action without its document", path: "/logs/_bulk", body: "{\"index\":{}}\n",
			outcomes: "index 400\n", reason: "the document is missing",
		},
		{
			name: "nested too deep", path: "/logs/_bulk",
			body:     "{\"index\":{}}\n{\"a\":" + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}\n",
			outcomes: "index 400\n", reason: "nested deeper",
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, observer := gatetest.New(gate.Options{})
			w := send(elastic.New(g), "POST", tc.path, tc.body)
			if w.Code != 200 || w.Header().Get("X-Elastic-Product") != "Elasticsearch" {
				t.Fatalf("status %d, headers %v: %s", w.Code, w.Header(), w.Body)
			}
			r := decode(t, w)
			if got := outcomes(r); got != tc.outcomes {
				t.Errorf("outcomes:\n%swant:\n%s", got, tc.outcomes)
			}
			items := strings.Join(sink.Items(), "\n")
			if items != "" {
				items += "\n"
			}
			if items != tc.items {
				t.Errorf("accepted:\n%swant:\n%s", items, tc.items)
			}
			if wantErrors := tc.reason != ""; r.Errors == nil || *r.Errors != wantErrors {
				t.Errorf("errors is not %v in %s", wantErrors, w.Body)
			}
			if !strings.Contains(w.Body.String(), tc.reason) {
				t.Errorf("%q is not in %s", tc.reason, w.Body)
			}
			if tc.reason != "" && !strings.Contains(observer.Refusals()[0].Reason, tc.reason) {
				t.Errorf("the refusal is not counted with its reason: %v", observer.Refusals())
			}
		})
	}
}

func TestBulkTellsWhoSentWhat(t *testing.T) {
	t.Parallel()
	g, sink, observer := gatetest.New(gate.Options{})
	w := send(elastic.New(g), "POST", "/_bulk", "{\"index\":{\"_index\":\"a\",\"_id\":\"7\"}}\n{\"n\":1}\n{\"index\":{\"_index\":\"b\"}}\n{\"n\":2}\n{\"index\":{\"_index\":\"a\"}}\n{\"n\":3}\n")
	r := decode(t, w)
	if r.Items[0]["index"].ID != "7" || r.Items[1]["index"].ID == "" || r.Items[1]["index"].Index != "b" {
		t.Errorf("items: %s", w.Body)
	}
	got := make(map[string][]string)
	for _, b := range sink.Batches() {
		for _, it := range b.Items {
			got[b.Dataset] = append(got[b.Dataset], string(it.Data))
		}
		b.Items, b.Dataset = nil, ""
		want := intake.Batch{Input: "elastic", Source: gatetest.Source, Format: intake.JSON, Remote: "192.0.2.1", Received: gatetest.Now()}
		if diff := cmp.Diff(want, b); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(map[string][]string{"a": {`{"n":1}`, `{"n":3}`}, "b": {`{"n":2}`}}, got); diff != "" {
		t.Error(diff)
	}
	if observer.Events() != 3 {
		t.Errorf("%d events counted, want 3", observer.Events())
	}
}

func TestBulkWhenTheSpoolIsFull(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err    error
		status int
		kind   string
	}{
		{gatetest.Busy(), 429, "es_rejected_execution_exception"},
		{fault.New(fault.Unavailable, "", "the disk is read-only"), 503, "unavailable_shards_exception"},
	}
	for _, tc := range tests {
		g, sink, _ := gatetest.New(gate.Options{})
		sink.FailWith(func(int) error { return tc.err })
		w := send(elastic.New(g), "POST", "/_bulk", "{\"index\":{\"_index\":\"a\"}}\n{\"n\":1}\n")
		if w.Code != tc.status || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), tc.kind) {
			t.Errorf("%v: %d, headers %v, %s", tc.err, w.Code, w.Header(), w.Body)
		}
	}
}

// rsyslog's omelasticsearch, which sends no User-Agent, would drop what is refused: it must not get an answer at all.
func TestFullSpoolWithoutAnswer(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{})
	sink.Full(true)
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("the request ended with %v", got)
		}
	}()
	w := send(elastic.New(g), "POST", "/_bulk", "{\"index\":{\"_index\":\"a\"}}\n{\"n\":1}\n", "User-Agent", "")
	t.Errorf("answered: %d %s", w.Code, w.Body)
}

// A request for two indexes, of which the spool has room for one, says so item by item.
func TestBulkOfWhichOneIndexFits(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{})
	sink.FailWith(func(call int) error {
		if call > 1 {
			return gatetest.Busy()
		}
		return nil
	})
	w := send(elastic.New(g), "POST", "/_bulk", "{\"index\":{\"_index\":\"a\"}}\n{\"n\":1}\n{\"index\":{\"_index\":\"b\"}}\n{\"n\":2}\n")
	got := outcomes(decode(t, w))
	if w.Code != 200 || got != "index 201\nindex 429\n" && got != "index 429\nindex 201\n" || len(sink.Items()) != 1 {
		t.Errorf("status %d:\n%s", w.Code, got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	bomb := func(n int) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte("{\"index\":{\"_index\":\"a\"}}\n{\"n\":\"" + strings.Repeat("x", n) + "\"}\n"))
		_ = z.Close()
		return b.String()
	}
	tests := []struct {
		name, body, encoding string
		status               int
	}{
		{"gzip", bomb(1000), "gzip", 200},
		{"a bomb", bomb(10 << 20), "gzip", 413},
		{"too large as it is", strings.Repeat("x", 2<<20), "", 413},
		{"no gzip", "plain", "gzip", 400},
		{"cut short", bomb(1000)[:30], "gzip", 400},
		{"an encoding nobody knows", "x", "br", 400},
		{"nothing", "", "", 400},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, _ := gatetest.New(gate.Options{MaxBody: 1 << 20})
			w := send(elastic.New(g), "POST", "/_bulk", tc.body, "Content-Encoding", tc.encoding)
			if w.Code != tc.status {
				t.Errorf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if accepted := len(sink.Items()); (accepted > 0) != (tc.status == 200) {
				t.Errorf("%d items went in", accepted)
			}
			if tc.status != 200 && !strings.Contains(w.Body.String(), `"root_cause":[{"type":`) {
				t.Errorf("not an error as Elasticsearch writes it: %s", w.Body)
			}
		})
	}
}

func TestDocumentTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{MaxItem: 100})
	w := send(elastic.New(g), "POST", "/a/_bulk", "{\"index\":{}}\n{\"n\":\""+strings.Repeat("x", 200)+"\"}\n{\"index\":{}}\n{\"n\":2}\n")
	if got := outcomes(decode(t, w)); got != "index 413\nindex 201\n" || len(sink.Items()) != 1 {
		t.Errorf("outcomes %q, %d items", got, len(sink.Items()))
	}
}

func TestOneDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, path, body string
		status             int
		id                 string
	}{
		{"POST", "/logs/_doc", `{"a":1}`, 201, ""},
		{"PUT", "/logs/_doc/7", "{\n \"a\": 1\n}", 201, "7"},
		{"PUT", "/logs/_create/8", `{"a":1}`, 201, "8"},
		{"POST", "/system/events?timeout=1m", `{"a":1}`, 201, ""},
		{"POST", "/logs/_doc", `{"a":`, 400, ""},
		{"POST", "/logs/_search", `{"query":{}}`, 400, ""},
	}
	for _, tc := range tests {
		g, sink, _ := gatetest.New(gate.Options{})
		w := send(elastic.New(g), tc.method, tc.path, tc.body)
		var got struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != tc.status {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, w.Code, w.Body)
			continue
		}
		if tc.id != "" && got.ID != tc.id || tc.status == 201 && (got.ID == "" || len(sink.Items()) != 1) {
			t.Errorf("%s %s: id %q, %d items", tc.method, tc.path, got.ID, len(sink.Items()))
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	pair := func(name, secret string) string {
		return base64.StdEncoding.EncodeToString([]byte(name + ":" + secret))
	}
	tests := []struct {
		name, header string
		status       int
	}{
		{"bearer", bearer, 200},
		{"basic: the token is the password", "Basic " + pair("elastic", gatetest.Token), 200},
		{"api key as Beats send it", "ApiKey " + pair("winlogbeat", gatetest.Token), 200},
		{"api key as it is", "ApiKey " + gatetest.Token, 200},
		{"splunk", "Splunk " + gatetest.Token, 200},
		{"lower case scheme", "bearer " + gatetest.Token, 200},
		{"none", "", 401},
		{"wrong", "Bearer ygt_wrong", 401},
		{"wrong password", "Basic " + pair("elastic", "changeme"), 401},
		{"the token as user", "Basic " + pair(gatetest.Token, ""), 401},
		{"not base64", "Basic \x00", 401},
		{"another scheme", "Digest " + gatetest.Token, 401},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, _, observer := gatetest.New(gate.Options{})
			w := send(elastic.New(g), "GET", "/", "", "Authorization", tc.header)
			if w.Code != tc.status {
				t.Errorf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if tc.status == 401 && (!strings.Contains(w.Body.String(), "security_exception") || len(observer.Refusals()) != 1) {
				t.Errorf("%s, refusals %v", w.Body, observer.Refusals())
			}
		})
	}
}

// What each shipper asks before it sends, and what it needs to see in the answer.
func TestShippersStart(t *testing.T) {
	t.Parallel()
	tests := []struct{ shipper, method, path, want string }{
		{"all", "GET", "/", `"number":"` + elastic.Version + `"`},
		{"Logstash", "HEAD", "/", ""},
		{"Beats", "GET", "/_license?human=false", `"status":"active"`},
		{"Beats 7", "GET", "/_xpack", `"ilm":{"available":true,"enabled":true}`},
		{"Beats", "GET", "/_ilm/policy/filebeat", `"filebeat":{`},
		{"Beats", "PUT", "/_ilm/policy/filebeat", `"acknowledged":true`},
		{"Beats", "HEAD", "/_index_template/filebeat-9.0.1", ""},
		{"Beats", "PUT", "/_index_template/filebeat-9.0.1", `"acknowledged":true`},
		{"Beats", "GET", "/_data_stream/filebeat-9.0.1", `"name":"filebeat-9.0.1"`},
		{"Beats", "PUT", "/_data_stream/filebeat-9.0.1", `"acknowledged":true`},
		{"Filebeat modules", "GET", "/_nodes/ingest", `"type":"geoip"`},
		{"Filebeat modules", "GET", "/_ingest/pipeline/filebeat-9.0.1-system-auth-pipeline", `"processors":[]`},
		{"Filebeat modules", "PUT", "/_ingest/pipeline/filebeat-9.0.1-system-auth-pipeline", `"acknowledged":true`},
		{"Logstash", "GET", "/_nodes/http", `"publish_address":"example.com"`},
		{"Logstash", "HEAD", "/logstash", ""},
		{"Logstash", "PUT", "/%3Clogstash-%7Bnow%2Fd%7D-000001%3E", `"acknowledged":true`},
		{"Vector", "GET", "/_cluster/health", `"status":"green"`},
		{"omelasticsearch", "HEAD", "/_cat/health", ""},
		{"older than 7.8", "GET", "/_template/logstash", `"logstash":{`},
		{"fluentd", "PUT", "/_component_template/x", `"acknowledged":true`},
	}
	for _, tc := range tests {
		g, _, _ := gatetest.New(gate.Options{})
		h := elastic.New(g)
		w := send(h, tc.method, tc.path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), tc.want) || w.Header().Get("X-Elastic-Product") == "" {
			t.Errorf("%s: %s %s: %d %v %s", tc.shipper, tc.method, tc.path, w.Code, w.Header(), w.Body)
		}
		r := httptest.NewRequest(tc.method, tc.path, nil)
		r.Header.Set("Authorization", bearer)
		if !h.Claims(r) {
			t.Errorf("%s: %s %s is not claimed", tc.shipper, tc.method, tc.path)
		}
	}
}

func TestAnswersInTheTypeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{})
	const compatible = "application/vnd.elasticsearch+json;compatible-with=8"
	if got := send(elastic.New(g), "GET", "/", "", "Accept", compatible).Header().Get("Content-Type"); got != compatible {
		t.Errorf("Content-Type %q", got)
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	tests := []struct {
		method, path, accept, auth string
		want                       bool
	}{
		{"GET", "/", browser, "", false},
		{"GET", "/", "*/*", "", true},
		{"GET", "/", browser, bearer, true},
		{"POST", "/", "", "", false},
		{"POST", "/_bulk", "", "", true},
		{"POST", "/logs/_bulk", "", "", true},
		{"GET", "/alerts", browser, "", false},
		{"POST", "/alerts/7", browser, "", false},
		{"POST", "/system/events", "", bearer, true},
		{"POST", "/api/v1", "", bearer, false},
		{"HEAD", "/logstash", "", bearer, true},
		{"GET", "/search", "", bearer, false},
		{"GET", "/a//b", "", bearer, false},
		{"GET", "/%zz", "", bearer, false},
	}
	g, _, _ := gatetest.New(gate.Options{})
	for _, tc := range tests {
		r := httptest.NewRequest(tc.method, "/", nil)
		r.URL.Path, r.URL.RawPath = tc.path, tc.path
		r.Header.Set("Accept", tc.accept)
		if tc.auth != "" {
			r.Header.Set("Authorization", tc.auth)
		}
		if got := elastic.New(g).Claims(r); got != tc.want {
			t.Errorf("%s %s (Accept %q, Authorization %q): claimed %v", tc.method, tc.path, tc.accept, tc.auth, got)
		}
	}
}
