package app

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/openapi"
	apiroom "yagura/internal/platform/openapi/room"
	"yagura/internal/platform/record"
)

// compiled makes a schema that answers are held against.
func compiled(t *testing.T, name string, schema any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	made, err := compiler.Compile("schema.json")
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	return made
}

// TestTheDocumentOfTheAPI finds a route of the API without a description, and holds the document against what OpenAPI 3.1 asks of one.
func TestTheDocumentOfTheAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, e := range apiroom.Entries(h.site) {
		if e.Operation == nil || e.Operation.Summary == "" || e.Operation.Tag == "" {
			t.Errorf("%s has no description", e.Pattern)
		}
	}
	answer := h.ask("employee", http.MethodGet, apiroom.DocumentPath, nil)
	var document struct {
		OpenAPI string
		Info    struct{ Title, Version string }
		Paths   map[string]map[string]struct {
			OperationID string
			Tags        []string
			Parameters  []struct {
				Name, In string
				Required bool
				Schema   map[string]any
			}
			RequestBody *struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Responses map[string]struct {
				Ref         string `json:"$ref"`
				Description string
				Content     map[string]struct{ Schema map[string]any }
			}
		}
		Components struct {
			Responses map[string]any
			Schemas   map[string]map[string]any
		}
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &document); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("status %d, %v", answer.Code, err)
	}
	if document.OpenAPI != "3.1.0" || document.Info.Title == "" || document.Info.Version == "" || len(document.Paths) < 15 {
		t.Errorf("the head of the document: %s %+v, %d paths", document.OpenAPI, document.Info, len(document.Paths))
	}
	for name, schema := range document.Components.Schemas {
		compiled(t, name, schema)
	}
	ids := make(map[string]string)
	for path, operations := range document.Paths {
		for method, op := range operations {
			name := method + " " + path
			if ids[op.OperationID] != "" || op.OperationID == "" {
				t.Errorf("%s and %s are both called %q", name, ids[op.OperationID], op.OperationID)
			}
			ids[op.OperationID] = name
			seen := make(map[string]bool)
			var inPath []string
			for _, p := range op.Parameters {
				if key := p.In + " " + p.Name; seen[key] {
					t.Errorf("%s has the parameter %s twice", name, key)
				} else {
					seen[key] = true
				}
				if !slices.Contains([]string{"path", "query", "header"}, p.In) || p.In == "path" && !p.Required {
					t.Errorf("%s: the parameter %+v", name, p)
				}
				if p.In == "path" {
					inPath = append(inPath, p.Name)
				}
				compiled(t, name+" "+p.Name, p.Schema)
			}
			if !slices.Equal(inPath, openapi.Wildcards(path)) {
				t.Errorf("%s declares the path's parameters %q", name, inPath)
			}
			if op.RequestBody != nil {
				for _, body := range op.RequestBody.Content {
					compiled(t, name+" body", body.Schema)
				}
			}
			success := false
			for status, response := range op.Responses {
				success = success || strings.HasPrefix(status, "2")
				if ref, ok := strings.CutPrefix(response.Ref, "#/components/responses/"); ok && document.Components.Responses[ref] != nil {
					continue
				}
				if response.Ref != "" || response.Description == "" {
					t.Errorf("%s answers %s with %+v", name, status, response)
				}
				for _, content := range response.Content {
					compiled(t, name+" "+status, content.Schema)
				}
			}
			if !success || len(op.Tags) != 1 {
				t.Errorf("%s never succeeds, or stands in %q", name, op.Tags)
			}
		}
	}
}

// hang has something hang on the record that each kind's list begins with, and a list wait for each kind that takes them.
func (f *furnished) hang(ask func(path string) *httptest.ResponseRecorder) {
	f.t.Helper()
	ctx := db.WithActor(f.t.Context(), f.admin.ID)
	everything := &auth.User{ID: f.admin.ID, Allowed: func(string) bool { return true }}
	for _, k := range f.Record.Kinds() {
		var list struct{ Items []struct{ ID string } }
		if err := json.Unmarshal(ask("/api/v1"+k.Path).Body.Bytes(), &list); err != nil || len(list.Items) == 0 {
			f.t.Fatalf("there is no %s: %v", k.Name, err)
		}
		if _, err := f.Record.Attach(ctx, everything, k.Name, list.Items[0].ID, strings.NewReader("evidence"), record.Attaching{Name: "log.txt"}); err != nil {
			f.t.Fatal(err)
		}
		if k.Without.Import {
			continue
		}
		if _, err := f.Record.Upload(ctx, everything, k.Name, "list.csv", func(yield func([]string, error) bool) { _ = yield([]string{"title"}, nil) && yield([]string{"x"}, nil) }); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestAnswersAreWhatTheDocumentSays asks a furnished house every question that the API takes, and holds each answer against its schema. The
// ids come from the lists themselves.
func TestAnswersAreWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	ask := func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", "application/json")
		r.AddCookie(&http.Cookie{Name: visit, Value: f.admin.ID})
		w := httptest.NewRecorder()
		f.site.Handler().ServeHTTP(w, r)
		return w
	}
	f.hang(ask)
	lists := map[string]string{"/api/v1/jobs": "?state=done"} // what waits is gone before it is read
	elsewhere := map[string]string{                           // lists that have another address than what stands before an id
		"/api/v1/exceptions/-/from": "/api/v1/alerts?rule=" + f.excepted, "/api/v1/risk/user": "/api/v1/risk?kind=user", "/api/v1/risk/host": "/api/v1/risk?kind=host",
	}
	for _, e := range apiroom.Entries(f.site) {
		method, path, _ := strings.Cut(e.Pattern, " ")
		if method != http.MethodGet {
			continue
		}
		// What is made of an upload, and what hangs on a record, is the same for every kind: those of alerts are asked for.
		if strings.Contains(path, "{upload}") || strings.Contains(path, "{thing}") && !strings.HasPrefix(path, "/api/v1/alerts/") {
			continue
		}
		for path != "" {
			before, after, found := strings.Cut(path, "/{")
			if !found {
				break
			}
			name, rest, _ := strings.Cut(after, "}")
			var list struct {
				Items []map[string]any
			}
			if err := json.Unmarshal(ask(cmp.Or(elsewhere[before], before+lists[before])).Body.Bytes(), &list); err != nil || len(list.Items) == 0 {
				t.Errorf("%s: the list %s has nothing to read: %v", e.Pattern, before, err)
				path = ""
				continue
			}
			id, ok := list.Items[0][name].(string)
			if !ok {
				id, _ = list.Items[0]["id"].(string)
			}
			path = before + "/" + id + rest
			if strings.HasSuffix(path, "/updates/{update}") {
				if updates, err := f.Sources.Updates(t.Context(), id, 1); err == nil && len(updates) == 1 {
					path = strings.Replace(path, "{update}", updates[0].ID, 1)
				}
			}
		}
		if path == "" {
			continue
		}
		answer := ask(path + lists[path])
		schema := compiled(t, e.Pattern, openapi.Of(e.Operation.Answer))
		if answer.Code != http.StatusOK || schema == nil {
			t.Errorf("%s: status %d: %.300s", path, answer.Code, answer.Body)
			continue
		}
		if kind := e.Operation.AnswerType; kind != "" && !strings.HasSuffix(kind, "json") {
			continue // a file; its content is tested where it is written
		}
		texts := []string{answer.Body.String()}
		if e.Operation.AnswerType == "application/x-ndjson" {
			texts = nil
			for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
				texts = append(texts, lines.Text())
			}
			if len(texts) == 0 {
				t.Errorf("%s answers nothing", path)
			}
		}
		for _, text := range texts {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err == nil {
				err = schema.Validate(value)
			}
			if err != nil {
				t.Errorf("%s answers what its document does not say: %v\n%.500s", path, err, text)
				break
			}
		}
	}
}

// TestAnUploadThatIsSentTwiceIsKeptOnce sends more than what of a request is compared, as it is read.
func TestAnUploadThatIsSentTwiceIsKeptOnce(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Idempotency-Key", "k-1")
		r.AddCookie(&http.Cookie{Name: visit, Value: f.admin.ID})
		w := httptest.NewRecorder()
		f.site.Handler().ServeHTTP(w, r)
		return w
	}
	var list struct {
		Items []struct {
			ID   string
			Size int64
		}
	}
	if err := json.Unmarshal(ask(http.MethodGet, "/api/v1/alerts", "").Body.Bytes(), &list); err != nil || len(list.Items) == 0 {
		t.Fatal(err)
	}
	path, file := "/api/v1/alerts/"+list.Items[0].ID+"/attachments", strings.Repeat("evidence", 1<<18)
	first, second := ask(http.MethodPost, path+"?name=a.raw", file), ask(http.MethodPost, path+"?name=a.raw", file)
	if first.Code != http.StatusCreated || second.Code != http.StatusCreated || second.Header().Get("Idempotent-Replayed") != "true" || first.Header().Get("Location") != second.Header().Get("Location") {
		t.Errorf("%d %v, then %d %v: %s", first.Code, first.Header(), second.Code, second.Header(), second.Body)
	}
	if other := ask(http.MethodPost, path+"?name=b.raw", file); other.Code != http.StatusBadRequest {
		t.Errorf("another file with the same key: %d", other.Code)
	}
	if err := json.Unmarshal(ask(http.MethodGet, path, "").Body.Bytes(), &list); err != nil || len(list.Items) != 1 || list.Items[0].Size != int64(len(file)) {
		t.Errorf("%+v, %v", list, err)
	}
}
