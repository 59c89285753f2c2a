package room_test

import (
	"net/http"
	"strings"
	"testing"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/openapi/room"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

// TestThePageShowsWhatARouteSays has a room with one operation of every part there is.
func TestThePageShowsWhatARouteSays(t *testing.T) {
	t.Parallel()
	site := webtest.New(t)
	site.Mount(room.New(site.Site, room.Options{Version: "test", PublicURL: "https://yagura.example/"}).Module())
	type letter struct {
		To    string   `json:"to"`
		Lines []string `json:"lines,omitempty"`
	}
	site.Mount(web.Module{Name: "letter", Routes: []web.Route{{
		Pattern: "POST /api/v1/letters/{id}", Permission: web.SignedIn, Fresh: true,
		Handle: func(http.ResponseWriter, *http.Request) error { return nil },
		Doc: &openapi.Operation{
			Summary: "Send one", Description: "With `stamp` and " + webtest.Probe, Tag: "letters", Body: letter{}, Answer: openapi.Page(openapi.Of(letter{})),
			Query: []openapi.Parameter{{Name: "when", Description: "A day.", Schema: openapi.Day()}}, Headers: []openapi.Parameter{openapi.IdempotencyKey()},
		},
	}}})
	site.Pages("/api", "/api?of=letters")
	site.Guarded()
	body := site.Do(webtest.Request{As: webtest.Reader, Path: "/api?of=letters"}).Body.String()
	for _, want := range []string{`id="post_letters_id"`, "items[].lines", "array of string", "string (date)", "https://yagura.example/api/v1/letters/{id}", "Idempotency-Key", "With <code>stamp</code> and "} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if nothing := site.Do(webtest.Request{As: webtest.Reader, Path: "/api?of=hats"}); nothing.Code != http.StatusNotFound {
		t.Errorf("what the API does not have: status %d", nothing.Code)
	}
	if document := site.Do(webtest.Request{As: webtest.Reader, Path: room.DocumentPath}).Body.String(); !strings.Contains(document, `"post_letters_id"`) || !strings.Contains(document, "fresh proof") {
		t.Error("the document does not have the operation as it is")
	}
}
