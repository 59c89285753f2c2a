package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/api"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/platform/fault"
)

func post(h *api.Handler, query, contentType, token, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/api/v1/events"+query, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEvents(t *testing.T) {
	t.Parallel()
	const ndjson, whole, plain = "application/x-ndjson", "application/json", "text/plain; charset=utf-8"
	tests := []struct {
		name, query, contentType, body string
		status                         int
		format                         intake.Format
		items                          []string // "record data"
		refused                        string   // "line: beginning of the reason", one a line
	}{
		{"one object a line", "", ndjson, "{\"a\":1}\n\n{\"a\":2}\r\n", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`}, ""},
		{"record numbers of a file", "?file=a.json&record=10", ndjson, "{\"a\":1}\n\n{\"a\":2}\n", 200, intake.JSON, []string{`10 {"a":1}`, `12 {"a":2}`}, ""},
		{"a bad line among good ones", "", ndjson, "{\"a\":1}\n{\"a\":\n[1]\n{\"a\":4}\n", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":4}`}, "2: cannot parse\n3: no JSON object"},
		{"a bad first line", "", ndjson, "nonsense\n{\"a\":2}\n", 200, intake.JSON, []string{`0 {"a":2}`}, "1: no JSON object"},
		{"nothing good", "", ndjson, "nonsense\n", 400, intake.JSON, nil, "1: no JSON object"},
		{"an array", "", whole, "[{\"a\":1},\n {\"a\":2}]\n", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`}, ""},
		{"an array with something else in it", "", whole, `[{"a":1}, 7, {"a":3}]`, 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":3}`}, "2: no JSON object"},
		{"an array that breaks off", "", whole, `[{"a":1}, {"a":`, 200, intake.JSON, []string{`0 {"a":1}`}, "2: unexpected EOF"},
		{"an array without its end", "", whole, `[{"a":1}`, 200, intake.JSON, []string{`0 {"a":1}`}, "2: the array does not end"},
		{"one object over several lines", "", whole, "{\n  \"a\": 1\n}\n", 200, intake.JSON, []string{"0 {\n  \"a\": 1\n}"}, ""},
		{"objects over several lines", "", whole, "{\n\"a\":1}\n{\n\"a\":2}", 200, intake.JSON, []string{"0 {\n\"a\":1}", "0 {\n\"a\":2}"}, ""},
		{"objects side by side", "", whole, `{"a":1} {"a":2}{"a":3}`, 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`, `0 {"a":3}`}, ""},
		{"arrays one after the other", "", whole, "[{\"a\":1}]\n[{\"a\":2}]\n{\"a\":3}", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`, `0 {"a":3}`}, ""},
		{"something behind an array", "", whole, `[{"a":1}] nonsense`, 200, intake.JSON, []string{`0 {"a":1}`}, "2: invalid character"},
		{"a list as CloudTrail writes it", "?file=c.json&record=1", whole, `{"Records": [{"a":1}, {"a":2}]}`, 200, intake.JSON, []string{`1 {"a":1}`, `1 {"a":2}`}, ""},
		{"a list as Azure writes it", "", whole, "{\n\"records\": [\n{\"a\":1}, 7]\n}\n", 200, intake.JSON, []string{`0 {"a":1}`}, "1: no JSON object"},
		{"such lists one a line", "", ndjson, "{\"Records\":[{\"a\":1}]}\n{\"a\":2}\n{\"Records\":[{\"a\":3}]}\n", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`, `0 {"a":3}`}, ""},
		{"a list with something beside it", "", ndjson, `{"Records":[{"a":1}],"b":2}`, 200, intake.JSON, []string{`0 {"Records":[{"a":1}],"b":2}`}, ""},
		{"curl that was told no type", "", "application/x-www-form-urlencoded", "{\"a\":1}\n{\"a\":2}\n", 200, intake.JSON, []string{`0 {"a":1}`, `0 {"a":2}`}, ""},
		{"lines of text", "?dataset=sshd", plain, "Apr  1 web sshd[1]: a\nb \x83\n", 200, intake.Line, []string{"0 Apr  1 web sshd[1]: a", "0 b \x83"}, ""},
		{"syslog messages", "?format=syslog", plain, "<34>1 - - - - - - a\n", 200, intake.Syslog, []string{"0 <34>1 - - - - - - a"}, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, _ := gatetest.New(gate.Options{})
			w := post(api.New(g), tc.query, tc.contentType, gatetest.Token, tc.body)
			if w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			var items []string
			for _, b := range sink.Batches() {
				if b.Format != tc.format || b.Source != gatetest.Source || b.Input != "api" {
					t.Errorf("batch %+v", b)
				}
				for _, it := range b.Items {
					items = append(items, fmt.Sprintf("%d %s", it.Record, it.Data))
				}
			}
			if diff := cmp.Diff(tc.items, items); diff != "" {
				t.Error(diff)
			}
			var answer api.Answer
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			if answer.Accepted != len(items) {
				t.Errorf("%d said to be accepted, %d were", answer.Accepted, len(items))
			}
			wantRefused := strings.Split(tc.refused, "\n")
			if tc.refused == "" {
				wantRefused = nil
			}
			if answer.Refused != len(wantRefused) || len(answer.Errors) != len(wantRefused) {
				t.Fatalf("refused: %s", w.Body)
			}
			for i, want := range wantRefused {
				if got := fmt.Sprintf("%d: %s", answer.Errors[i].Line, answer.Errors[i].Reason); !strings.HasPrefix(got, want) {
					t.Errorf("refused %q, want %q", got, want)
				}
			}
		})
	}
}

func TestZstd(t *testing.T) {
	t.Parallel()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	g, sink, _ := gatetest.New(gate.Options{})
	body := enc.EncodeAll([]byte(`{"a":1}`), nil)
	w := post(api.New(g), "", "application/json", gatetest.Token, string(body), "Content-Encoding", "zstd")
	if diff := cmp.Diff([]string{`{"a":1}`}, sink.Items()); diff != "" || w.Code != 200 {
		t.Error(w.Code, w.Body, diff)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	batch := string((&intake.Batch{Source: "s", Format: intake.JSON, Items: []intake.Item{{Data: []byte("{}")}}}).AppendBinary(nil))
	tests := []struct {
		name, query, contentType, token, body string
		full                                  bool
		status                                int
	}{
		{"wrong token", "", "application/json", "x", "{}", false, 401},
		{"a type that is not known", "", "text/html", gatetest.Token, "{}", false, 400},
		{"a format that is not known", "?format=xml", "text/plain", gatetest.Token, "a", false, 400},
		{"a record that is no number", "?record=-1", "text/plain", gatetest.Token, "a", false, 400},
		{"nothing", "", "application/json", gatetest.Token, "\n", false, 400},
		{"too large", "", "text/plain", gatetest.Token, strings.Repeat("x", 2000), false, 413},
		{"full", "", "text/plain", gatetest.Token, "a", true, 429},
		{"a batch from someone else", "", "application/vnd.yagura.batch", gatetest.Token, batch, false, 403},
		{"a batch that is damaged", "", "application/vnd.yagura.batch", gatetest.LocalToken, batch[:5], false, 400},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g, sink, _ := gatetest.New(gate.Options{MaxBody: 1000})
			sink.Full(tc.full)
			w := post(api.New(g), tc.query, tc.contentType, tc.token, tc.body)
			if w.Code != tc.status || w.Header().Get("Content-Type") != "application/problem+json" || len(sink.Items()) > 0 {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if tc.full != (w.Header().Get("Retry-After") != "") {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// The local administrator's import keeps what its reader knows: the file, the numbers of its records, and what could
// not be read. It waits while the server is full.
func TestClient(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{})
	sink.FailWith(func(call int) error {
		if call == 1 {
			return gatetest.Busy()
		}
		return nil
	})
	server := httptest.NewServer(api.New(g))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := &api.Client{URL: server.URL + "/", Token: gatetest.LocalToken}
	sent := intake.Batch{
		Source: "evtx", Format: intake.JSON, File: "C:/a.evtx", Received: gatetest.Now(),
		Items: []intake.Item{{Data: []byte("{}"), Record: 7}, {Data: []byte("\x00\xff"), Record: 8, Error: "damaged chunk"}},
	}
	if err := client.Accept(ctx, &sent); err != nil {
		t.Fatal(err)
	}
	want := sent
	want.Input = "import"
	if diff := cmp.Diff([]intake.Batch{want}, sink.Batches()); diff != "" {
		t.Error(diff)
	}
	large := sent // what others may not send
	large.Items = []intake.Item{{Data: make([]byte, gate.LargestItem+1)}}
	if err := client.Accept(ctx, &large); err != nil {
		t.Errorf("a large item: %v", err)
	}
	client.Token = gatetest.Token
	if err := client.Accept(ctx, &sent); !fault.Is(err, fault.Forbidden) {
		t.Errorf("another token: %v", err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n{\"a\":2}\n"), "application/json")
	f.Add([]byte("[{\"a\":1},{\"a\":"), "application/json")
	f.Add([]byte("{\n\"a\":1\n}{}"), "application/x-ndjson")
	f.Add([]byte("a\nb\n"), "text/plain")
	f.Add((&intake.Batch{Source: "s", Format: intake.JSON}).AppendBinary(nil), "application/vnd.yagura.batch")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		g, sink, _ := gatetest.New(gate.Options{})
		w := post(api.New(g), "?record=1", contentType, gatetest.LocalToken, string(body))
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d", w.Code)
		}
		for _, b := range sink.Batches() {
			for _, it := range b.Items {
				if b.Input == api.Input && b.Format == intake.JSON && !json.Valid(it.Data) {
					t.Errorf("%q went in", it.Data)
				}
				if b.Input == api.Input && !bytes.Contains(body, it.Data) {
					t.Errorf("%q was never sent", it.Data)
				}
			}
		}
	})
}

// A small body must not take much memory by being very many events, or by what is kept with each.
func TestVeryManyEvents(t *testing.T) {
	t.Parallel()
	g, sink, _ := gatetest.New(gate.Options{MaxBody: 1 << 20})
	for _, tc := range []struct{ query, contentType, body string }{
		{"", "text/plain", strings.Repeat("a\n", 100_000)},
		{"", "application/json", strings.Repeat("{}\n", 100_000)},
		{"", "application/json", "[" + strings.Repeat("{},", 100_000) + "{}]"},
		{"", "application/json", `{"Records":[` + strings.Repeat("{},", 100_000) + "{}]}"},
	} {
		if w := post(api.New(g), tc.query, tc.contentType, gatetest.Token, tc.body); w.Code != 413 || len(sink.Items()) > 0 {
			t.Errorf("%s %.20s…: %d %s, %d items", tc.contentType, tc.body, w.Code, w.Body, len(sink.Items()))
		}
	}
	if w := post(api.New(g), "?dataset="+strings.Repeat("x", 5000), "text/plain", gatetest.Token, "a\n"); w.Code != 400 || len(sink.Items()) > 0 {
		t.Errorf("a long hint: %d %s", w.Code, w.Body)
	}
}
