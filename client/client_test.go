package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"yagura/client"
)

// letters is a server that answers as a test says, and remembers what it was asked.
func letters(t *testing.T, answers ...http.HandlerFunc) (c *client.Client, asked *[]*http.Request) {
	t.Helper()
	asked = new([]*http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		answers[min(len(*asked), len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "secret", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

type letter struct {
	ID string `json:"id"`
}

func turnedAway(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(http.StatusServiceUnavailable)
}

func cutOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func made(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("ETag", `"3"`)
	fmt.Fprint(w, `{"id":"a"}`)
}

func TestAPostIsSentAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	c, asked := letters(t, turnedAway, cutOff, made)
	one, version, err := client.Create[letter](t.Context(), c, "letters", map[string]string{"to": "b"})
	if err != nil || one.ID != "a" || version != 3 {
		t.Fatalf("%+v, version %d, %v", one, version, err)
	}
	key := (*asked)[0].Header.Get("Idempotency-Key")
	if len(*asked) != 3 || key == "" || (*asked)[2].Header.Get("Idempotency-Key") != key || (*asked)[0].Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("asked %d times, the key %q", len(*asked), key)
	}
}

func TestAChangeThatMayHaveHappenedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	c, asked := letters(t, cutOff)
	_, _, err := client.Update[letter](t.Context(), c, "letters", "a/b", 7, map[string]string{"to": "c"})
	if err == nil || len(*asked) != 1 {
		t.Fatalf("asked %d times, %v", len(*asked), err)
	}
	if r := (*asked)[0]; r.Header.Get("If-Match") != `"7"` || r.URL.EscapedPath() != "/api/v1/letters/a%2Fb" {
		t.Errorf("If-Match %s at %s", r.Header.Get("If-Match"), r.URL.EscapedPath())
	}
}

func TestAListGoesOnToItsLastPage(t *testing.T) {
	t.Parallel()
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	c, asked := letters(t, page(`{"items":[{"id":"a"},{"id":"b"}],"next":"n"}`), page(`{"items":[{"id":"c"}]}`))
	filters := url.Values{"state": {"open"}}
	var ids []string
	for one, err := range client.List[letter](t.Context(), c, "letters", filters) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, one.ID)
	}
	if !slices.Equal(ids, []string{"a", "b", "c"}) || (*asked)[1].URL.RawQuery != "cursor=n&state=open" || filters.Has("cursor") {
		t.Errorf("%q, the second page by %q", ids, (*asked)[1].URL.RawQuery)
	}
}

func TestAnErrorSaysWhatIsWrongWithEachField(t *testing.T) {
	t.Parallel()
	c, asked := letters(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": 400, "code": "invalid", "errors": map[string]string{"to": "nobody"}})
	})
	_, _, err := client.Create[letter](t.Context(), c, "letters", nil)
	p, ok := err.(*client.Problem)
	if !ok || !client.IsCode(err, "invalid") || p.Errors["to"] != "nobody" || len(*asked) != 1 {
		t.Errorf("%v after %d requests", err, len(*asked))
	}
}

func TestATokenIsNotSentInPlainText(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://yagura.example", "yagura.example", "ftp://yagura.example", "https://a:b@yagura.example", "https://yagura.example/?x=1", "://"} {
		if _, err := client.New(address, "secret", client.Options{}); err == nil {
			t.Errorf("%s is taken", address)
		}
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"id":"01a","title":"whoami"}]}`)
	}))
	defer server.Close()
	c, err := client.New(server.URL, "the token", client.Options{})
	if err != nil {
		panic(err)
	}
	type alert struct{ ID, Title string }
	for one, err := range client.List[alert](context.Background(), c, "alerts", url.Values{"state": {"open"}}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(one.ID, one.Title)
	}
	// Output: 01a whoami
}

// A file is read once more from its start where the server never got it whole, and a reader that cannot go back is sent once.
func TestAFileIsSentAgainFromItsStart(t *testing.T) {
	t.Parallel()
	var got []string
	take := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got = append(got, string(text))
			then(w, r)
		}
	}
	c, asked := letters(t, take(turnedAway), take(made))
	file := strings.NewReader("the head, then the file")
	if _, err := file.Seek(10, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	a, err := c.Attach(t.Context(), "letters", "a", file, client.Attaching{Name: "x.txt", Note: "y"})
	if err != nil || a.ID != "a" || !slices.Equal(got, []string{"then the file", "then the file"}) {
		t.Fatalf("%+v, %v, sent %q", a, err, got)
	}
	if first, second := (*asked)[0], (*asked)[1]; first.Header.Get("Idempotency-Key") != second.Header.Get("Idempotency-Key") || first.URL.RawQuery != "name=x.txt&note=y" {
		t.Errorf("asked %s", first.URL)
	}
	got = nil
	c, _ = letters(t, take(cutOff), take(made))
	if _, err := c.Attach(t.Context(), "letters", "a", io.MultiReader(strings.NewReader("once")), client.Attaching{Name: "x"}); err == nil || len(got) != 1 {
		t.Errorf("sent %q, %v", got, err)
	}
}

func TestADownloadThatIsNotWhatTheServerKeepsIsAnError(t *testing.T) {
	t.Parallel()
	for content, fails := range map[string]bool{"hello": false, "hullo": true, "hell": true} {
		c, _ := letters(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"`)
			fmt.Fprint(w, content)
		})
		file, err := c.Download(t.Context(), "letters", "a", "b")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(file); (err != nil) != fails || string(text) != content {
			t.Errorf("%q: %v", text, err)
		}
		file.Close()
	}
}
