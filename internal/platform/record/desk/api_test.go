package desk_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yagura/internal/platform/web/webtest"
)

// call sends a request of a program, checks its status and what it answers against the document's schema of it, and returns the answer.
func (c *company) call(method, path, body string, status int, header ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Test-Visitor", string(webtest.Robot))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	if w.Code != status {
		c.t.Fatalf("%s %s: status %d, want %d\n%s", method, path, w.Code, status, w.Body)
	}
	if status < 300 && w.Body.Len() > 0 {
		c.fits(method, r.URL.Path, w.Body.String())
	}
	return w
}

// fits holds an answer against the schema that the route is described with.
func (c *company) fits(method, path, body string) {
	c.t.Helper()
	literal := strings.HasSuffix(path, "/export") // which a record's id would match, too
	for _, m := range c.Modules() {
		for _, route := range m.Routes {
			verb, pattern, _ := strings.Cut(route.Pattern, " ")
			if verb != method || route.Doc == nil || !matches(pattern, path) || literal && strings.HasSuffix(pattern, "/{id}") {
				continue
			}
			answer := route.Doc.Answer
			if route.Doc.AnswerType != "" {
				answer = route.Doc.Answers["application/json"]
			}
			if err := valid(answer, body); err != nil {
				c.t.Errorf("%s %s answers what its document does not say: %v\n%s", method, path, err, body)
			}
			return
		}
	}
	c.t.Errorf("no document says what %s %s answers", method, path)
}

// valid reports how a JSON text differs from its schema.
func valid(schema any, body string) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("answer.json", document); err != nil {
		return err
	}
	compiled, err := compiler.Compile("answer.json")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

func TestWhatAPageCanDoTheAPICan(t *testing.T) {
	t.Parallel()
	c := open(t)
	made := c.call("POST", "/api/v1/loans", `{"title":"ノートPC","number":"L-1","thing":"pc","cost":12000,"severity":"high","lent":"2026-04-01","parts":["bag"],"insured":true,
		"host":"pc-1","site":"https://example.jp/","mail":null,"called":"2026-04-01T10:00:00+09:00","note":"# 傷","owner":"aoki","due":"2026-04-30","tags":["急ぎ"]}`, 201)
	self := made.Header().Get("Location")
	if made.Header().Get("ETag") != `"1"` || !strings.HasPrefix(self, "/api/v1/loans/") {
		t.Fatalf("%v", made.Header())
	}
	c.call("GET", self, "", http.StatusNotModified, "If-None-Match", `"1"`)
	c.call("PATCH", self, `{"cost":3,"note_of_change":"cheaper"}`, 200, "If-Match", `"1"`)
	late := c.call("PATCH", self, `{"cost":4}`, http.StatusPreconditionFailed, "If-Match", `"1"`)
	if late.Header().Get("ETag") != `"2"` {
		t.Errorf("the present version is not told: %v", late.Header())
	}
	c.call("POST", self+"/moves/hand_out", `{}`, 200, "If-Match", `"2"`)
	c.call("POST", self+"/moves/hand_out", `{}`, http.StatusConflict)
	c.call("POST", self+"/moves/give_back", `{}`, http.StatusBadRequest)
	c.call("POST", self+"/moves/give_back", `{"why":"done"}`, 200)
	c.call("POST", self+"/moves/again", ``, 200)
	c.call("PUT", self+"/class", `{"class":"secret"}`, 200)
	c.call("PUT", self+"/class", `{"class":"internal"}`, http.StatusBadRequest)
	if class := c.call("GET", self+"/class", "", 200).Body.String(); !strings.Contains(class, `"class":"secret"`) {
		t.Error(class)
	}
	c.call("DELETE", self, `{"why":"twice"}`, http.StatusNoContent, "If-Match", `"5"`)
	c.call("PATCH", self, `{"cost":4}`, http.StatusConflict)
	c.call("GET", "/api/v1/loans?deleted=true&thing=pc", "", 200)
	c.call("POST", self+"/restore", "", 200)
	history := c.call("GET", self+"/history?limit=3", "", 200)
	for _, sign := range []string{`"action":"restore"`, `"action":"delete"`, `"note":"twice"`, `"next"`} {
		if !strings.Contains(history.Body.String(), sign) {
			t.Errorf("the history lacks %s: %s", sign, history.Body)
		}
	}
	list := c.call("GET", "/api/v1/loans?q=ノート&cost=..5&sort=-cost&limit=1", "", 200)
	if !strings.Contains(list.Body.String(), `"number":"L-1"`) {
		t.Errorf("%s", list.Body)
	}
}

func TestTheAPIRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	c := open(t)
	for body, fields := range map[string][]string{
		`{"title":"x"}`:                                                            {"number"},
		`{"title":"x","number":"1","hat":1}`:                                       {"hat"},
		`{"title":"x","number":"1","cost":"many","lent":"soon"}`:                   {"cost", "lent"},
		`{"title":"x","number":"1","cost":1.5}`:                                    {"cost"},
		`{"title":"x","number":"1","parts":[1]}`:                                   {"parts"},
		`{"title":{"a":1},"number":"1"}`:                                           {"title"},
		`{"title":"x","number":"1","state":"back"}`:                                {"state"},
		`{"title":"x","number":"1","owner":"nobody"}`:                              {"owner"},
		`{"title":"x","number":"1","site":"javascript:alert(1)","mail":"a b@c.d"}`: {"mail", "site"},
	} {
		w := c.call("POST", "/api/v1/loans", body, http.StatusBadRequest)
		var problem struct{ Errors map[string]string }
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || len(problem.Errors) != len(fields) {
			t.Errorf("%s: %s", body, w.Body)
		}
		for _, f := range fields {
			if problem.Errors[f] == "" {
				t.Errorf("%s: nothing is said of %s: %s", body, f, w.Body)
			}
		}
	}
	for _, body := range []string{`[]`, `{`, `{"title":"x"} {}`, `null1`, `"x"`} {
		c.call("POST", "/api/v1/loans", body, http.StatusBadRequest)
	}
	c.call("POST", "/api/v1/loans", `{"note":"`+strings.Repeat("x", 1<<20)+`"}`, http.StatusRequestEntityTooLarge)
	c.call("GET", "/api/v1/loans?limit=501", "", http.StatusBadRequest)
	c.call("GET", "/api/v1/loans?hat=1", "", http.StatusBadRequest)
	c.call("GET", "/api/v1/loans/x", "", http.StatusNotFound)
	c.call("POST", "/api/v1/loans/x/moves/fly", "{}", http.StatusNotFound)
}
