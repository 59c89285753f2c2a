package desk_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"yagura/internal/platform/web/webtest"
)

func TestWhatHangsOnARecordTheAPICanReach(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.call("POST", "/api/v1/loans", `{"title":"ノートPC","number":"L-1"}`, 201).Header().Get("Location")
	other := c.call("POST", "/api/v1/loans", `{"title":"鞄","number":"L-2"}`, 201).Header().Get("Location")

	said := c.call("POST", self+"/comments", `{"text":"傷あり"}`, 201)
	var one struct{ ID string }
	if err := json.Unmarshal(said.Body.Bytes(), &one); err != nil || said.Header().Get("ETag") != `"1"` {
		t.Fatalf("%v, %v", err, said.Header())
	}
	comment := self + "/comments/" + one.ID
	c.call("PATCH", comment, `{"text":"傷なし"}`, 200, "If-Match", `"1"`)
	c.call("PATCH", comment, `{"text":"古い"}`, http.StatusPreconditionFailed, "If-Match", `"1"`)
	if list := c.call("GET", self+"/comments?limit=1", "", 200).Body.String(); !strings.Contains(list, "傷なし") {
		t.Error(list)
	}
	c.call("DELETE", comment, "", http.StatusNoContent)
	if list := c.call("GET", self+"/comments", "", 200).Body.String(); strings.Contains(list, "傷なし") || !strings.Contains(list, `"deleted"`) {
		t.Error(list)
	}

	var links struct {
		Items []struct {
			ID, Title string
			Back      bool
		}
	}
	c.call("POST", self+"/links", `{"type":"blocks","other":"`+strings.TrimPrefix(other, "/api/v1")+`"}`, http.StatusNoContent)
	if err := json.Unmarshal(c.call("GET", other+"/links", "", 200).Body.Bytes(), &links); err != nil || len(links.Items) != 1 || links.Items[0].Title != "ノートPC" || !links.Items[0].Back {
		t.Fatalf("%+v, %v", links, err)
	}
	c.call("DELETE", other+"/links/"+links.Items[0].ID, "", http.StatusNoContent)
	if list := c.call("GET", self+"/links", "", 200).Body.String(); !strings.Contains(list, `"items":[]`) {
		t.Error(list)
	}

	exported := c.Do(webtest.Request{As: webtest.Reader, Path: "/api/v1/loans/export?format=json&number=L-2"})
	if exported.Code != http.StatusOK || !strings.Contains(exported.Body.String(), "鞄") || strings.Contains(exported.Body.String(), "ノートPC") {
		t.Errorf("status %d: %s", exported.Code, exported.Body)
	}
	c.call("POST", "/api/v1/loans", `{"title":"全部","number":"L-3","thing":"pc","cost":12000,"severity":"high","lent":"2026-04-01","parts":["bag"],"insured":true,
		"called":"2026-04-01T10:00:00+09:00","owner":"aoki","due":"2026-04-30","tags":["急ぎ"]}`, 201)
	c.call("GET", "/api/v1/loans/export?format=json", "", 200)
	for _, wrong := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", self + "/comments", `{}`, 400}, {"POST", self + "/comments", `{"txet":"x"}`, 400}, {"PATCH", comment + "x", `{"text":"x"}`, 404},
		{"GET", "/api/v1/loans/none/comments", "", 404}, {"GET", "/api/v1/loans/none/links", "", 404}, {"DELETE", self + "/links/none", "", 404},
		{"POST", self + "/links", `{"type":"eats","other":"` + strings.TrimPrefix(other, "/api/v1") + `"}`, 400}, {"POST", self + "/links", `{"type":"blocks","other":"loan/none"}`, 404},
	} {
		c.call(wrong.method, wrong.path, wrong.body, wrong.status)
	}
}
