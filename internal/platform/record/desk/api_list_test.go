package desk_test

import (
	"net/http"
	"strings"
	"testing"

	"yagura/internal/platform/web/webtest"
)

func TestTheAPISavesViews(t *testing.T) {
	t.Parallel()
	c := open(t)
	const views = "/api/v1/loans/-/views"
	admin := asPerson(webtest.Admin)
	one := into[named](t, c.call("POST", views, `{"name":"期限切れ","query":"?due=overdue","columns":["owner","due"]}`, http.StatusCreated, admin...))
	two := into[named](t, c.call("POST", views, `{"name":"高額","query":"cost=10000.."}`, http.StatusCreated, admin...))
	shared := into[struct {
		Name, Query string
		Columns     []string
		Shared      bool
	}](t, c.call("PATCH", views+"/"+one.ID, `{"shared":true}`, http.StatusOK, admin...))
	if !shared.Shared || shared.Name != "期限切れ" || shared.Query != "due=overdue" || len(shared.Columns) != 2 {
		t.Errorf("%+v", shared)
	}
	c.call("POST", views+"/"+two.ID+"/move", `{"to":"front"}`, http.StatusNoContent, admin...)
	list := into[items[named]](t, c.call("GET", views, "", http.StatusOK, admin...)).Items
	if len(list) != 2 || list[0].ID != two.ID {
		t.Errorf("%+v", list)
	}
	reader := asPerson(webtest.Reader)
	if seen := into[items[named]](t, c.call("GET", views, "", http.StatusOK, reader...)).Items; len(seen) != 1 || seen[0].ID != one.ID {
		t.Errorf("the reader has %+v", seen)
	}
	c.call("PATCH", views+"/"+one.ID, `{"name":"x"}`, http.StatusForbidden, reader...)
	c.call("POST", views, `{"name":"x","shared":true}`, http.StatusForbidden, reader...)
	c.call("DELETE", views+"/"+two.ID, "", http.StatusNotFound, reader...)
	c.call("PATCH", views+"/none", `{"name":"x"}`, http.StatusNotFound)
	c.call("POST", views, `{"name":"x","query":"hat=1"}`, http.StatusBadRequest)
	c.call("POST", views+"/"+one.ID+"/move", `{"to":"up"}`, http.StatusBadRequest, admin...)

	c.call("PUT", "/api/v1/loans/-/reading", `{"columns":["cost"],"view":"`+one.ID+`"}`, http.StatusOK, reader...)
	if reading := c.call("GET", "/api/v1/loans/-/reading", "", http.StatusOK, reader...).Body.String(); !strings.Contains(reading, `["cost"]`) || !strings.Contains(reading, one.ID) {
		t.Error(reading)
	}
	c.call("PUT", "/api/v1/loans/-/reading", `{"columns":["hat"]}`, http.StatusBadRequest, reader...)
	c.call("DELETE", views+"/"+one.ID, "", http.StatusNoContent, admin...)
}

func TestTheAPIChangesManyAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	var ids []string
	for _, number := range []string{"L-1", "L-2", "L-3"} {
		self := c.lent(number)
		ids = append(ids, self[strings.LastIndexByte(self, '/')+1:])
	}
	type done struct {
		Action, Undo string
		Count        int
	}
	bulk := func(body string, status int) done {
		t.Helper()
		w := c.call("POST", "/api/v1/loans/-/bulk", body, status)
		if status != http.StatusOK {
			return done{}
		}
		return into[done](t, w)
	}
	all := `"ids":["` + strings.Join(ids, `","`) + `"]`
	if got := bulk(`{`+all+`,"values":{"owner":"aoki"},"add_tags":["春"],"why":"整理"}`, http.StatusOK); got.Count != 3 || got.Action != "edit" || got.Undo == "" {
		t.Errorf("%+v", got)
	}
	moved := bulk(`{"filter":"number=L-2","move":"hand_out"}`, http.StatusOK)
	if moved.Count != 1 || moved.Action != "move.hand_out" {
		t.Errorf("%+v", moved)
	}
	// One that cannot go stops all, and is named.
	failed := c.call("POST", "/api/v1/loans/-/bulk", `{`+all+`,"move":"hand_out"}`, http.StatusConflict).Body.String()
	if !strings.Contains(failed, "loan/"+ids[1]) {
		t.Errorf("%s", failed)
	}
	gone := bulk(`{"filter":"tags=春","delete":true,"why":"棚卸し"}`, http.StatusOK)
	if list := c.call("GET", "/api/v1/loans", "", http.StatusOK).Body.String(); gone.Count != 3 || !strings.Contains(list, `"items":[]`) {
		t.Errorf("%+v, %s", gone, list)
	}
	c.call("POST", "/api/v1/loans/-/undo", `{"undo":"`+gone.Undo+`"}`, http.StatusNotFound, asPerson(webtest.Admin)...)
	c.call("POST", "/api/v1/loans/-/undo", `{"undo":"`+gone.Undo+`"}`, http.StatusOK)
	c.call("POST", "/api/v1/loans/-/undo", `{"undo":"`+gone.Undo+`"}`, http.StatusNotFound)
	for _, body := range []string{
		`{}`, `{` + all + `}`, `{` + all + `,"move":"hand_out","delete":true}`, `{` + all + `,"delete":true}`, `{` + all + `,"filter":"","delete":true,"why":"x"}`,
		`{` + all + `,"values":{"hat":1}}`, `{"filter":"hat=1","delete":true,"why":"x"}`, `{"filter":"state=done;owner=me","delete":true,"why":"x"}`, `{"filter":"title=100%","delete":true,"why":"x"}`, `{` + all + `,"values":{"tags":["a"]},"add_tags":["b"]}`,
	} {
		bulk(body, http.StatusBadRequest)
	}
	c.call("POST", "/api/v1/loans/-/bulk", `{`+all+`,"delete":true,"why":"x"}`, http.StatusForbidden, asPerson(webtest.Reader)...)
	if list := into[items[struct{ Format string }]](t, c.call("GET", "/api/v1/loans/-/exports", "", http.StatusOK)); len(list.Items) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestTheAPIImports(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lent("L-1")
	const root = "/api/v1/loans/-/imports"
	type upload struct {
		ID, State, Name string
		Fields          []string
		Lines           int64
		Fates           map[string]int64
	}
	list := "\ufeffnumber,title,cost,色\nL-1,ノートPC,7,赤\nL-2,電話,9,\nL-3,,many,\n"
	sent := c.call("POST", root+"?name=貸出.csv", list, http.StatusCreated, "Content-Type", "text/csv")
	one := sent.Header().Get("Location")
	if u := into[upload](t, sent); u.Lines != 3 || u.Name != "貸出.csv" || strings.Join(u.Fields, ",") != "number,title,cost," {
		t.Fatalf("%+v", u)
	}
	c.call("POST", one+"/run", "", http.StatusConflict)
	c.call("POST", one+"/check", `{"fields":["number"]}`, http.StatusBadRequest)
	if u := into[upload](t, c.call("POST", one+"/check", "", http.StatusOK)); u.State != "checked" || u.Fates["change"] != 1 || u.Fates["new"] != 1 || u.Fates["wrong"] != 1 {
		t.Errorf("%+v", u)
	}
	wrong := into[items[struct {
		Number   int64
		Cells    []string
		Problems []struct{ Field, Message string }
	}]](t, c.call("GET", one+"/lines?fate=wrong", "", http.StatusOK)).Items
	if len(wrong) != 1 || wrong[0].Number != 4 || len(wrong[0].Problems) != 2 || wrong[0].Problems[0].Message == "" || wrong[0].Cells[0] != "L-3" {
		t.Errorf("%+v", wrong)
	}
	page := into[items[struct{ Fate string }]](t, c.call("GET", one+"/lines?limit=2", "", http.StatusOK))
	if len(page.Items) != 2 || page.Next == "" {
		t.Errorf("%+v", page)
	}
	if u := into[upload](t, c.call("POST", one+"/run", "", http.StatusOK)); u.State != "done" || u.Fates["made"] != 1 || u.Fates["changed"] != 1 || u.Fates["wrong"] != 1 {
		t.Errorf("%+v", u)
	}
	if made := c.call("GET", "/api/v1/loans?number=L-2", "", http.StatusOK).Body.String(); !strings.Contains(made, "電話") {
		t.Error(made)
	}
	if kept := into[items[upload]](t, c.call("GET", root, "", http.StatusOK)).Items; len(kept) != 1 || kept[0].State != "done" {
		t.Errorf("%+v", kept)
	}
	c.call("GET", one, "", http.StatusNotFound, asPerson(webtest.Admin)...) // another's
	c.call("DELETE", one, "", http.StatusNoContent)
	c.call("GET", one, "", http.StatusNotFound)
	body, kind := form(t, [3]string{"file", "x.csv", list})
	c.call("POST", root, body, http.StatusCreated, "Content-Type", kind)
	c.call("POST", root, "number\n", http.StatusBadRequest)
	c.call("POST", root, strings.Repeat("x", 20<<20+1), http.StatusRequestEntityTooLarge)
	c.call("GET", one+"/lines?fate=sad", "", http.StatusBadRequest)
	c.call("POST", root, list, http.StatusForbidden, asPerson(webtest.Reader)...)
}
