package desk_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
)

// loan is a thing that somebody took home.
func loan() *record.Kind {
	return &record.Kind{
		Name: "loan", Path: "/loans", House: "protect", Table: "loan_loan", Key: "number", Live: true,
		Fields: []record.Field{
			{Name: "number", Type: record.Text{}, Required: true, Search: true, Sort: true, Fixed: true},
			{Name: "thing", Type: record.Choice{"pc", "phone"}},
			{Name: "cost", Type: record.Int{}, Sort: true},
			{Name: "severity", Type: record.Level{}},
			{Name: "lent", Type: record.Day{}},
			{Name: "parts", Type: record.Choices{"bag", "cable"}},
			{Name: "insured", Type: record.Bool{}},
			{Name: "host", Type: record.Logged("host.name")},
			{Name: "site", Type: record.Link{}},
			{Name: "mail", Type: record.Email{}},
			{Name: "called", Type: record.Moment{}},
			{Name: "note", Type: record.Long{}, Search: true},
			{Name: "seen", Type: record.Moment{}, Machine: true, Sort: true},
		},
		States: []record.State{{Name: "wanted", Look: "new"}, {Name: "out", Look: "active"}, {Name: "back", Look: "good", Done: true}},
		Moves: []record.Move{
			{Name: "hand_out", From: []string{"wanted"}, To: "out", Needs: []string{"owner"}, Main: true},
			{Name: "give_back", From: []string{"out"}, To: "back", Why: true},
			{Name: "again", From: []string{"back"}, To: "wanted", Clears: []string{"owner"}},
		},
		Views:   []record.View{{Name: "open", Query: "state=open"}, {Name: "all"}},
		Columns: []string{"number", "owner", "due"},
	}
}

const loanTable = `CREATE TABLE loan_loan (` + recordtest.Columns + `, number TEXT NOT NULL, thing TEXT NOT NULL, cost BIGINT NOT NULL, severity BIGINT NOT NULL,
	lent TEXT NOT NULL, parts TEXT NOT NULL, insured BIGINT NOT NULL, host TEXT NOT NULL, site TEXT NOT NULL, mail TEXT NOT NULL, called BIGINT NOT NULL,
	note TEXT NOT NULL, seen BIGINT NOT NULL)`

// company is a site with the desk on it.
type company struct {
	*webtest.Site
	t     *testing.T
	store *record.Store
}

func open(t *testing.T) *company {
	t.Helper()
	d := dbtest.New(t)
	k := loan()
	words := make(map[string]string)
	for _, key := range k.Words() {
		words[key] = "貸出 " + key[strings.LastIndexByte(key, '.')+1:]
	}
	words["permission.loan"], words["permission.loan.read"], words["permission.loan.write"], words["permission.loan.delete"] = "a", "b", "c", "d"
	c := &company{Site: webtest.NewSaying(t, words), t: t, store: recordtest.Open(t, d, loanTable, k)}
	x := desk.New(desk.Options{Site: c.Site.Site, Store: c.store, People: staff{}})
	c.Mount(x.Own())
	c.Mount(x.Module(desk.Room{Kind: k}))
	return c
}

// staff are the people of the desk's tests.
type staff struct{}

func (staff) Person(_ context.Context, id string) (auth.Person, error) {
	if id != "aoki" && id != "baba" {
		return auth.Person{}, fault.New(fault.NotFound, "", "nobody")
	}
	return auth.Person{ID: id, Name: id, Email: id + "@example.jp"}, nil
}

func (staff) People(context.Context, auth.PeopleFilter, string, int) (db.Page[auth.Person], error) {
	return db.Page[auth.Person]{Items: []auth.Person{{ID: "aoki", Name: "青木" + webtest.Probe, Email: "aoki@example.jp"}}}, nil
}

func (staff) Units(context.Context) ([]auth.Unit, error) {
	return []auth.Unit{{ID: "tokyo", Code: "T", Name: "東京" + webtest.Probe}, {ID: "shibuya", Parent: "tokyo", Code: "S", Name: "渋谷"}}, nil
}

// post sends a form and returns where it led to.
func (c *company) post(path string, status int, form url.Values) string {
	c.t.Helper()
	answer := c.Do(webtest.Request{As: webtest.Admin, Path: path, Form: form})
	if answer.Code != status {
		c.t.Fatalf("POST %s: status %d, want %d\n%s", path, answer.Code, status, answer.Body)
	}
	if status == http.StatusSeeOther {
		return answer.Header().Get("Location")
	}
	return answer.Body.String()
}

// full is a form with something hostile in every field that takes it.
func full() url.Values {
	return url.Values{
		"title": {"ノートPC " + webtest.Probe}, "number": {"L-1" + webtest.Probe}, "thing": {"pc"}, "cost": {"12,000"}, "severity": {"high"}, "lent": {"2026-04-01"},
		"has": {"parts", "insured"}, "parts": {"bag", "cable"}, "insured": {"true"}, "host": {"pc-1" + webtest.Probe}, "site": {"https://example.jp/" + webtest.Probe},
		"mail": {"a@example.jp"}, "called": {"2026-04-01T10:00:59"}, "note": {"傷\r\n" + webtest.Probe}, "owner": {"aoki@example.jp"}, "unit": {"shibuya"}, "due": {"2026-04-30"},
		"tags": {"急ぎ " + strings.ReplaceAll(webtest.Probe, " ", "_")},
	}
}

func (c *company) make() string {
	c.t.Helper()
	return c.post("/loans", http.StatusSeeOther, full())
}

func TestPages(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	c.post(self, http.StatusSeeOther, url.Values{"version": {"1"}, "title": {"changed " + webtest.Probe}, "note": {webtest.Probe}})
	c.post(self+"/move/hand_out", http.StatusSeeOther, url.Values{"version": {"2"}})
	c.post(self+"/move/give_back", http.StatusUnprocessableEntity, url.Values{"version": {"3"}})
	merge := c.post(self, http.StatusUnprocessableEntity, url.Values{"version": {"1"}, "title": {"mine " + webtest.Probe}, "cost": {"3"}})
	for _, problem := range webtest.Problems(merge) {
		t.Error(problem)
	}
	if !strings.Contains(merge, `value="mine &lt;yagura`) || !strings.Contains(merge, `name="cost" value="3"`) {
		t.Errorf("the page about the conflict holds not both: %s", merge)
	}
	c.post("/loans/-/bulk", http.StatusOK, url.Values{"id": {strings.TrimPrefix(self, "/loans/")}, "do": {"delete"}})
	c.Pages(append(c.things(c.make()), self, self+"?tab=history", self+"/edit", self+"/move/give_back", "/loans/-/new?title=x", "/records/-/people?owner=a")...)
}

func TestNobodyIsLetInWhoMayNot(t *testing.T) {
	t.Parallel()
	open(t).Guarded()
}

func TestAFormThatComesBackUnchangedChangesNothing(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	form := full()
	form.Del("number")
	form.Set("version", "1")
	form.Set("cost", "12000")
	form.Set("tags", "急ぎ, "+strings.ReplaceAll(webtest.Probe, " ", "_"))
	c.post(self, http.StatusSeeOther, form)
	k := c.kind()
	page, err := c.store.List(t.Context(), "loan", record.Query{}, c.store.Env(t.Context(), record.System(), nil), "", 10)
	if err != nil || len(page.Items) != 1 || page.Items[0].Version != 1 || page.Items[0].Address() != self {
		t.Fatalf("%+v, %v", page.Items, err)
	}
	if r := page.Items[0]; r.Text("called") != "2026-04-01T10:00:59Z" || r.Text("parts") != "bag, cable" || r.Text("due") != "2026-04-30T23:59:59.999999Z" || k == nil {
		t.Errorf("%v", r.Values)
	}
}

func (c *company) kind() *record.Kind {
	k, err := c.store.Kind("loan")
	if err != nil {
		c.t.Fatal(err)
	}
	return k
}

func TestWhatIsWrongStandsBesideItsField(t *testing.T) {
	t.Parallel()
	c := open(t)
	form := full()
	form.Set("cost", "lots")
	form.Set("owner", "nobody@example.jp")
	form.Set("title", "")
	page := c.post("/loans", http.StatusUnprocessableEntity, form)
	if strings.Count(page, `aria-invalid="true"`) != 2 || !strings.Contains(page, `value="lots"`) || !strings.Contains(page, `value="nobody@example.jp"`) {
		t.Errorf("%s", page)
	}
}

func TestWhoMayOnlyReadIsShownNoButtons(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	page := c.Do(webtest.Request{As: webtest.Reader, Path: self}).Body.String()
	for _, sign := range []string{"/edit", "/move/", "/delete"} {
		if strings.Contains(page, self+sign) {
			t.Errorf("a reader is offered %s", sign)
		}
	}
	for _, path := range []string{self + "/move/hand_out", self, self + "/delete"} {
		answer := c.Do(webtest.Request{As: webtest.Reader, Path: path, Form: url.Values{"version": {"1"}, "why": {"x"}}})
		if answer.Code != http.StatusForbidden {
			t.Errorf("POST %s as a reader: %d", path, answer.Code)
		}
	}
	if answer := c.Do(webtest.Request{As: webtest.Admin, Path: "/loans/01900000-0000-7000-8000-000000000000"}); answer.Code != http.StatusNotFound {
		t.Errorf("a record that is not there: %d", answer.Code)
	}
}

func TestDeletedRecordsComeBack(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	c.post(self+"/delete", http.StatusSeeOther, url.Values{"version": {"1"}, "why": {"twice " + webtest.Probe}})
	c.post(self, http.StatusConflict, url.Values{"version": {"2"}, "title": {"x"}})
	if page := c.Do(webtest.Request{As: webtest.Admin, Path: self}).Body.String(); !strings.Contains(page, self+"/restore") || strings.Contains(page, self+"/edit") {
		t.Error("the page of a deleted record offers not what it should")
	}
	c.post(self+"/restore", http.StatusSeeOther, url.Values{"version": {"2"}})
	c.post(self, http.StatusSeeOther, url.Values{"version": {"3"}, "title": {"back"}})
}
