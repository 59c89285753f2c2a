package hec_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/detect/source/hec"
)

const splunk = "Splunk " + gatetest.Token

func post(h *hec.Handler, path, auth, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, auth, body string
		status                 int
		answer                 string
		format                 intake.Format
		items                  []string
	}{
		{
			name: "one envelope, as curl sends it", path: "/services/collector/event",
			body:   `{"event": "hello", "sourcetype": "manual", "time": 1775034000.5}`,
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.HEC,
			items: []string{`{"event": "hello", "sourcetype": "manual", "time": 1775034000.5}`},
		},
		{
			name: "envelopes without anything between them, as the OpenTelemetry exporter and Vector send them", path: "/services/collector",
			body:   `{"event":{"a":"}\""}}{"event":"b"}` + "\n\n" + `{"event":"c"}`,
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.HEC,
			items: []string{`{"event":{"a":"}\""}}`, `{"event":"b"}`, `{"event":"c"}`},
		},
		{
			name: "an array", path: "/services/collector/event/1.0",
			body:   `[{"event":"a"},{"event":"b"}]`,
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.HEC,
			items: []string{`{"event":"a"}`, `{"event":"b"}`},
		},
		{
			name: "a metric has its values in fields", path: "/services/collector",
			body:   `{"time":1,"event":"metric","fields":{"metric_name:cpu":1}}{"time":1,"fields":{"metric_name:cpu":1}}`,
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.HEC,
			items: []string{`{"time":1,"event":"metric","fields":{"metric_name:cpu":1}}`, `{"time":1,"fields":{"metric_name:cpu":1}}`},
		},
		{
			name: "the good ones go in though one is broken", path: "/services/collector",
			body:   `{"event":"a"}` + "\n" + `{"event":` + "\n" + `{"event":"c"}`,
			status: 400, answer: `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, format: intake.HEC,
			items: []string{`{"event":"a"}`, `{"event":"c"}`},
		},
		{
			name: "no event field", path: "/services/collector",
			body:   `{"event":"a"}{"host":"b"}{"event":"c"}`,
			status: 400, answer: `{"text":"Event field is required","code":12,"invalid-event-number":1}`, format: intake.HEC,
			items: []string{`{"event":"a"}`, `{"event":"c"}`},
		},
		{
			name: "a blank event", path: "/services/collector", body: `{"event":""}`,
			status: 400, answer: `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`,
		},
		{
			name: "text where an envelope should be", path: "/services/collector", body: "hello\n" + `{"event":"a"}`,
			status: 400, answer: `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, format: intake.HEC,
			items: []string{`{"event":"a"}`},
		},
		{
			name: "nothing", path: "/services/collector", body: " \n",
			status: 400, answer: `{"text":"No data","code":5}`,
		},
		{
			name: "raw lines", path: "/services/collector/raw", body: "a <1>\r\n\nb \"\x83\"\n",
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.Line,
			items: []string{"a <1>", "b \"\x83\""},
		},
		{
			name: "raw lines with metadata", path: "/services/collector/raw/1.0?host=gw%221&sourcetype=fw&index=main&source=udp%3A514&time=1775034000",
			body:   "a\nb \"c\"\n",
			status: 200, answer: `{"text":"Success","code":0}`, format: intake.HEC,
			items: []string{
				`{"time":"1775034000","host":"gw\"1","source":"udp:514","sourcetype":"fw","index":"main","event":"a"}`,
				`{"time":"1775034000","host":"gw\"1","source":"udp:514","sourcetype":"fw","index":"main","event":"b \"c\""}`,
			},
		},
		{
			name: "no token", path: "/services/collector", auth: "-", body: `{"event":"a"}`,
			status: 401, answer: `{"text":"Token is required","code":2}`,
		},
		{
			name: "a wrong token", path: "/services/collector", auth: "Splunk 12345678-1234-1234-1234-123456789012", body: `{"event":"a"}`,
			status: 401, answer: `{"text":"Invalid token","code":4}`,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, observer := gatetest.New(gate.Options{})
			auth := map[string]string{"": splunk, "-": ""}[tc.auth]
			if tc.auth != "" && tc.auth != "-" {
				auth = tc.auth
			}
			w := post(hec.New(g), tc.path, auth, tc.body)
			if w.Code != tc.status || w.Body.String() != tc.answer {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tc.status, tc.answer)
			}
			if diff := cmp.Diff(tc.items, sink.Items()); diff != "" {
				t.Error(diff)
			}
			if len(tc.items) > 0 {
				if b := sink.Batches()[0]; b.Format != tc.format || b.Source != gatetest.Source || b.Input != "hec" {
					t.Errorf("batch %+v", b)
				}
			}
			if refused := len(observer.Refusals()) > 0; refused != (tc.status != 200 && tc.answer != `{"text":"No data","code":5}`) {
				t.Errorf("refusals: %v", observer.Refusals())
			}
		})
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{})
	sink.Full(true)
	w := post(hec.New(g), "/services/collector", splunk, `{"event":"a"}`)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"text":"Server is busy","code":9}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{MaxBody: 100, MaxItem: 40})
	h := hec.New(g)
	if w := post(h, "/services/collector", splunk, strings.Repeat("x", 200)); w.Code != 413 || !strings.Contains(w.Body.String(), `"code":27`) {
		t.Errorf("body: %d %s", w.Code, w.Body)
	}
	if w := post(h, "/services/collector/raw", splunk, strings.Repeat("x", 50)+"\nshort\n"); w.Code != 413 || len(sink.Items()) != 1 {
		t.Errorf("line: %d %s, %d items", w.Code, w.Body, len(sink.Items()))
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{})
	h := hec.New(g)
	r := httptest.NewRequest("GET", "/services/collector/health", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != `{"text":"HEC is healthy","code":17}` || !h.Claims(r) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAcknowledgement(t *testing.T) {
	t.Parallel()
	g, _, _ := gatetest.New(gate.Options{})
	h := hec.New(g)
	const channel = "?channel=fe0ecfad-13d5-401b-847d-77833bd77131"
	if w := post(h, "/services/collector"+channel, splunk, `{"event":"a"}`); w.Body.String() != `{"text":"Success","code":0,"ackId":0}` {
		t.Errorf("%s", w.Body)
	}
	if w := post(h, "/services/collector/ack"+channel, splunk, `{"acks":[0,7]}`); strings.TrimSpace(w.Body.String()) != `{"acks":{"0":true,"7":false}}` {
		t.Errorf("%s", w.Body)
	}
}

// A body of nothing but opening brackets must not be searched again and again.
func TestHostileBodyIsQuick(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{})
	w := post(hec.New(g), "/services/collector", splunk, strings.Repeat("{\n", 4<<20))
	if w.Code != 400 || len(sink.Items()) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(`{"event":"a"}{"event":{"b":[1]}}`, false)
	f.Add("a\nb\n", true)
	f.Add(`{"event":"\"}`+"\n{\"event\":\"\xff\"}", false)
	f.Fuzz(func(t *testing.T, body string, raw bool) {
		g, sink, _ := gatetest.New(gate.Options{})
		path := "/services/collector"
		if raw {
			path += "/raw?host=h"
		}
		w := post(hec.New(g), path, splunk, body)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d", w.Code)
		}
		for _, item := range sink.Items() {
			if err := gate.ValidObject([]byte(item)); err != nil {
				t.Errorf("%q went in: %v", item, err)
			}
		}
	})
}

// A small body must not become a large one by what the query adds to each line.
func TestManyLinesWithLargeMetadata(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{MaxBody: 1 << 20})
	w := post(hec.New(g), "/services/collector/raw?host="+strings.Repeat("x", 10_000), splunk, strings.Repeat("a\n", 10_000))
	if w.Code != 413 || len(sink.Items()) > 0 {
		t.Errorf("%d %s, %d items", w.Code, w.Body, len(sink.Items()))
	}
}
