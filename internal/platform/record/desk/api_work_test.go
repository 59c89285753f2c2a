package desk_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"yagura/internal/platform/web/webtest"
)

// into reads an answer into a value.
func into[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// named is what many answers have.
type named struct {
	ID, State string
	Version   int64
}

// items is a page of a list.
type items[T any] struct {
	Items []T
	Next  string
}

func asPerson(visitor webtest.Visitor) []string { return []string{"X-Test-Visitor", string(visitor)} }

func (c *company) lent(number string) string {
	c.t.Helper()
	return c.call("POST", "/api/v1/loans", `{"title":"ノートPC","number":"`+number+`"}`, http.StatusCreated).Header().Get("Location")
}

// form is a multipart body with parts in their order: name, file name ("" for a field), content.
func form(t *testing.T, parts ...[3]string) (body, contentType string) {
	t.Helper()
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for _, part := range parts {
		create := w.CreateFormField
		if part[1] != "" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, part[1]) }
		}
		out, err := create(part[0])
		if err == nil {
			_, err = out.Write([]byte(part[2]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String(), w.FormDataContentType()
}

func TestTheAPIKeepsFilesWithTheirCustody(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.lent("L-1")
	raw := c.call("POST", self+"/attachments?name=..%2Fdisk.img&note=差押え&place=金庫", "hello, disk", http.StatusCreated, "Content-Type", "application/octet-stream")
	one := raw.Header().Get("Location")
	body, kind := form(t, [3]string{"note", "", "写し"}, [3]string{"file", "log.txt", "one line\n"})
	c.call("POST", self+"/attachments", body, http.StatusCreated, "Content-Type", kind)

	files := into[items[struct{ ID, Name, SHA256, Note, Place string }]](t, c.call("GET", self+"/attachments", "", http.StatusOK)).Items
	if len(files) != 2 || files[0].Name != "disk.img" || files[0].Place != "金庫" || files[1].Name != "log.txt" || files[1].Note != "写し" {
		t.Fatalf("%+v", files)
	}

	// Readings: all of it, parts, and what is none.
	get := func(method, rng string, status int, want string) {
		t.Helper()
		header := map[string]string{}
		if rng != "" {
			header["Range"] = rng
		}
		w := c.Do(webtest.Request{As: webtest.Reader, Method: method, Path: one + "/file", Header: header})
		if w.Code != status || status < 300 && w.Body.String() != want {
			t.Errorf("%s %s: %d %q", method, rng, w.Code, w.Body)
		}
	}
	get("HEAD", "", http.StatusOK, "")
	get("GET", "bytes=0-4", http.StatusPartialContent, "hello")
	get("GET", "bytes=7-", http.StatusPartialContent, "disk")
	get("GET", "bytes=99-", http.StatusRequestedRangeNotSatisfiable, "")
	get("GET", "", http.StatusOK, "hello, disk")

	// Handing over is offered, declined, offered again and kept; taking over is a person's.
	c.call("POST", one+"/verify", "", http.StatusOK)
	c.call("POST", one+"/place", `{"place":"書庫","note":"移送"}`, http.StatusOK)
	c.call("POST", one+"/offer", `{"to":"nobody"}`, http.StatusBadRequest)
	c.call("POST", one+"/offer", `{"to":"reader","note":"鑑定"}`, http.StatusOK)
	c.call("DELETE", one+"/offer", `{}`, http.StatusOK, asPerson(webtest.Reader)...)
	c.call("POST", one+"/offer", `{"to":"reader"}`, http.StatusOK)
	c.call("DELETE", one+"/offer", "", http.StatusOK)
	c.call("POST", one+"/offer", `{"to":"reader"}`, http.StatusOK)
	c.call("POST", one+"/take", `{}`, http.StatusForbidden)
	taken := into[struct{ Holder, Offered, Place string }](t, c.call("POST", one+"/take", `{"note":"受領"}`, http.StatusOK, asPerson(webtest.Reader)...))
	if taken.Holder != "reader" || taken.Offered != "" || taken.Place != "書庫" {
		t.Errorf("%+v", taken)
	}
	var actions []string
	for cursor := ""; ; {
		page := into[items[struct{ Action string }]](t, c.call("GET", one+"/custody?limit=3&cursor="+cursor, "", http.StatusOK))
		for _, e := range page.Items {
			actions = append(actions, e.Action)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if got := strings.Join(actions, " "); got != "taken offered kept offered declined offered moved verified read read received" {
		t.Errorf("the chain is %s", got)
	}

	c.call("DELETE", one, `{}`, http.StatusBadRequest)
	c.call("DELETE", one, `{"why":"取り違え"}`, http.StatusNoContent)
	if info := c.call("GET", one, "", http.StatusOK).Body.String(); !strings.Contains(info, `"why":"取り違え"`) {
		t.Error(info)
	}
	get("GET", "", http.StatusNotFound, "")
}

func TestTheAPIRefusesFilesThatItWouldNotKeepWhole(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.lent("L-1")
	two, kind := form(t, [3]string{"file", "a.txt", "a"}, [3]string{"file", "b.txt", "b"})
	late, lateKind := form(t, [3]string{"file", "a.txt", "a"}, [3]string{"note", "", "too late"})
	none, noneKind := form(t, [3]string{"note", "", "x"})
	large := strings.Repeat("x", 1<<20+1)
	for _, x := range []struct {
		body, kind, query string
		status            int
	}{
		{two, kind, "", 400}, {late, lateKind, "", 400}, {none, noneKind, "", 400}, {two[:len(two)-20], kind, "", 400}, {"x", "multipart/form-data; boundary=y", "", 400},
		{"no name", "application/octet-stream", "", 400}, {large, "application/octet-stream", "?name=x", 413},
	} {
		c.call("POST", self+"/attachments"+x.query, x.body, x.status, "Content-Type", x.kind)
	}
	c.call("POST", self+"/attachments?name=x", "x", http.StatusForbidden, asPerson(webtest.Reader)...)
	if list := into[items[named]](t, c.call("GET", self+"/attachments", "", http.StatusOK)); len(list.Items) != 0 {
		t.Errorf("kept %+v", list.Items)
	}
	c.call("GET", self+"/attachments/none", "", http.StatusNotFound)
	c.call("GET", self+"/attachments/none/custody", "", http.StatusNotFound)
}

func TestTheAPIDoesTasks(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.lent("L-1")
	add := func(body string) named {
		t.Helper()
		return into[named](t, c.call("POST", self+"/tasks", body, http.StatusCreated))
	}
	first := add(`{"title":"点検","owner":"reader","due":"2099-04-30","again":{"every":3,"unit":"month","shift":"following"},"remind":["1d","2h"]}`)
	second := add(`{"title":"返却","owner":"reader","after":["` + first.ID + `"]}`)
	one := "/api/v1/tasks/" + first.ID
	c.call("POST", "/api/v1/tasks/"+second.ID+"/done", "", http.StatusConflict)

	// What is left out stays; null is none; a version that is no longer is told.
	edited := c.call("PATCH", one, `{"text":"外観も"}`, http.StatusOK, "If-Match", `"1"`)
	task := into[struct {
		Record, Title, Text string
		Due                 *string
		Again               *struct{ Every int }
		Remind              []string
	}](t, edited)
	if task.Title != "点検" || task.Text != "外観も" || task.Again == nil || task.Again.Every != 3 || strings.Join(task.Remind, " ") != "1d 2h" || !strings.HasPrefix(task.Record, "loan/") {
		t.Errorf("%s", edited.Body)
	}
	if late := c.call("PATCH", one, `{"title":"x"}`, http.StatusPreconditionFailed, "If-Match", `"1"`); late.Header().Get("ETag") != `"2"` {
		t.Errorf("the present version is not told: %v", late.Header())
	}
	c.call("POST", one+"/drop", `{}`, http.StatusBadRequest)

	// Somebody's own, of every kind, page by page; one that comes again is made anew.
	c.call("POST", "/api/v1/tasks", `{"title":"電話"}`, http.StatusCreated, asPerson(webtest.Reader)...)
	var mine []string
	for cursor := ""; ; {
		page := into[items[struct{ Title string }]](t, c.call("GET", "/api/v1/tasks?limit=1&cursor="+cursor, "", http.StatusOK, asPerson(webtest.Reader)...))
		for _, task := range page.Items {
			mine = append(mine, task.Title)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if got := strings.Join(mine, " "); got != "点検 返却 電話" {
		t.Errorf("the reader has %s", got)
	}
	done := into[struct {
		Task named
		Next *named
	}](t, c.call("POST", one+"/done", "", http.StatusOK, asPerson(webtest.Reader)...))
	if done.Task.State != "done" || done.Next == nil || done.Next.State != "open" {
		t.Errorf("%+v", done)
	}
	c.call("POST", one+"/done", "", http.StatusConflict)
	c.call("POST", one+"/reopen", "", http.StatusOK, "If-Match", `"3"`)
	c.call("POST", "/api/v1/tasks/"+second.ID+"/move", `{"before":"`+first.ID+`"}`, http.StatusOK)
	c.call("POST", "/api/v1/tasks/"+done.Next.ID+"/drop", `{"why":"不要"}`, http.StatusOK)
	list := into[items[named]](t, c.call("GET", self+"/tasks", "", http.StatusOK))
	if len(list.Items) != 3 || list.Items[0].ID != second.ID {
		t.Errorf("%+v", list)
	}
	c.call("PATCH", one, `{"owner":null,"due":null,"again":null,"remind":null}`, http.StatusOK)
	if ended := into[items[named]](t, c.call("GET", "/api/v1/tasks?state=dropped", "", http.StatusOK, asPerson(webtest.Reader)...)); len(ended.Items) != 1 {
		t.Errorf("%+v", ended)
	}

	for _, wrong := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", self + "/tasks", `{}`, 400}, {"POST", self + "/tasks", `{"title":"x","owner":"nobody"}`, 400}, {"POST", self + "/tasks", `{"title":"x","due":"soon"}`, 400},
		{"POST", self + "/tasks", `{"title":"x","due":"2099-01-01","again":{"every":0,"unit":"moons"}}`, 400}, {"POST", self + "/tasks", `{"title":"x","remind":["soon"]}`, 400},
		{"PATCH", one, `{"after":["` + first.ID + `"]}`, 400}, {"GET", "/api/v1/tasks/none", "", 404}, {"GET", "/api/v1/tasks?state=gone", "", 400}, {"GET", "/api/v1/tasks?cursor=x", "", 400},
		{"POST", "/api/v1/loans/none/tasks", `{"title":"x"}`, 404}, {"POST", one + "/move", `{"before":"none"}`, 404},
	} {
		c.call(wrong.method, wrong.path, wrong.body, wrong.status)
	}
}

func TestTheAPIAsksForApproval(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.lent("L-1")
	admin, reader := asPerson(webtest.Admin), asPerson(webtest.Reader)
	ask := `{"people":[{"person":"reader","due":"2099-01-01","note":"費用"},{"person":"aoki@example.jp"}],"in_order":true,"note":"貸出"}`
	c.call("PATCH", self, `{"cost":1}`, http.StatusOK)
	c.call("POST", self+"/approvals", ask, http.StatusPreconditionFailed, append(admin, "If-Match", `"1"`)...)
	made := into[named](t, c.call("POST", self+"/approvals", ask, http.StatusCreated, append(admin, "If-Match", `"2"`)...))
	one := self + "/approvals/" + made.ID
	waiting := into[items[struct{ ID, Record, Title string }]](t, c.call("GET", "/api/v1/tasks/-/approvals", "", http.StatusOK, reader...)).Items
	if len(waiting) != 1 || waiting[0].ID != made.ID || waiting[0].Title != "ノートPC" {
		t.Errorf("%+v", waiting)
	}
	c.call("POST", one, `{"answer":"approved"}`, http.StatusForbidden)
	c.call("POST", one, `{"answer":"withdrawn"}`, http.StatusBadRequest, admin...)
	c.call("POST", one, `{"answer":"refused"}`, http.StatusBadRequest, reader...)
	c.call("POST", one, `{"answer":"approved","why":"よい"}`, http.StatusOK, reader...)
	c.call("DELETE", one, `{}`, http.StatusForbidden, reader...)
	if gone := into[named](t, c.call("DELETE", one, `{"why":"不要"}`, http.StatusOK, admin...)); gone.State != "withdrawn" {
		t.Errorf("%+v", gone)
	}
	list := into[items[struct {
		Steps []struct{ State, Answer string }
	}]](t, c.call("GET", self+"/approvals", "", http.StatusOK)).Items
	if len(list) != 1 || list[0].Steps[0].State != "approved" || list[0].Steps[0].Answer != "よい" {
		t.Errorf("%+v", list)
	}
	c.call("POST", self+"/approvals", `{"people":[]}`, http.StatusBadRequest)
	c.call("POST", self+"/approvals", `{"people":[{"person":"nobody"}]}`, http.StatusBadRequest)
	c.call("DELETE", self+"/approvals/none", "", http.StatusNotFound)
}
