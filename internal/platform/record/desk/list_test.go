package desk_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/record"
	"yagura/internal/platform/sheet"
	"yagura/internal/platform/web/webtest"
)

// lend makes a record with some fields besides the necessary ones.
func (c *company) lend(number string, pairs ...string) *record.Record {
	c.t.Helper()
	texts := map[string]string{"title": "thing " + number, "number": number}
	for i := 0; i < len(pairs); i += 2 {
		texts[pairs[i]] = pairs[i+1]
	}
	values, err := c.kind().Parse(texts, c.store.Env(c.t.Context(), record.System(), nil))
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := c.store.Create(c.t.Context(), record.System(), "loan", values)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *company) get(as webtest.Visitor, path string) string {
	c.t.Helper()
	answer := c.Do(webtest.Request{As: as, Path: path})
	if answer.Code != http.StatusOK {
		c.t.Fatalf("GET %s: status %d\n%s", path, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

var rowName = regexp.MustCompile(`<td class="main"><a href="/loans/[^"]+">([^<]*)</a>`)

// shows are the names of the rows of a list.
func shows(page string) string {
	var names []string
	for _, m := range rowName.FindAllStringSubmatch(page, -1) {
		names = append(names, strings.TrimPrefix(m[1], "thing "))
	}
	return strings.Join(names, " ")
}

// Each row is what the form of a condition sends, the address that comes of it, and what that shows.
func TestConditions(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("A", "owner", "aoki", "cost", "5", "severity", "high", "due", "2020-01-01", "unit", "shibuya", "tags", "x", "insured", "yes", "parts", "bag", "lent", "2026-04-01", "mail", "a@example.jp", "note", "wet")
	c.lend("B", "owner", "baba", "cost", "50", "thing", "pc", "host", "pc-1", "site", "https://example.jp/")
	c.lend("C", "called", "2026-04-01T10:00:00Z")
	for form, want := range map[string]string{
		"_field=state&_mode=is&_value=open":                                      "state=open → A B C",
		"_field=state&_mode=is&_value=wanted&_value=out":                         "state=wanted&state=out → A B C",
		"_field=state&_mode=not&_value=wanted":                                   "state=%21wanted → ",
		"_field=owner&_mode=is&_value=me&_value=":                                "owner=me → ",
		"_field=owner&_mode=is&_value=aoki@example.jp":                           "owner=aoki%40example.jp → A",
		"_field=owner&_mode=not&_value=aoki":                                     "owner=%21aoki → B C",
		"_field=owner&_mode=empty&_value=aoki":                                   "owner=- → C",
		"_field=owner&_mode=filled":                                              "owner=%21- → A B",
		"_field=unit&_mode=is&_value=tokyo":                                      "unit=tokyo → A",
		"_field=cost&_mode=is&_from=5&_to=10":                                    "cost=5..10 → A",
		"_field=cost&_mode=is&_from=&_to=10&sort=number":                         "cost=..10&sort=number → A C",
		"_field=cost&_mode=not&_from=5&_to=5":                                    "cost=%215..5 → B C",
		"_field=thing&_mode=is&_value=pc":                                        "thing=pc → B",
		"_field=parts&_mode=is&_value=bag&_value=cable":                          "parts=bag&parts=cable → A",
		"_field=severity&_mode=is&_value=high&_value=low":                        "severity=high&severity=low → A",
		"_field=insured&_mode=is&_value=true":                                    "insured=true → A",
		"_field=due&_mode=is&_value=overdue":                                     "due=overdue → A",
		"_field=due&_mode=is&_value=7d":                                          "due=7d → ",
		"_field=due&_mode=is&_from=2020-01-01&_to=2020-01-31":                    "due=2020-01-01..2020-01-31 → A",
		"_field=lent&_mode=is&_from=2026-04-01":                                  "lent=2026-04-01.. → A",
		"_field=called&_mode=filled":                                             "called=%21- → C",
		"_field=created_at&_mode=is&_value=24h":                                  "created_at=24h → A B C",
		"_field=tags&_mode=is&_value=x":                                          "tags=x → A",
		"_field=title&_mode=is&_value=THING":                                     "title=THING → A B C",
		"_field=title&_mode=exact&_value=thing+B":                                "title=%3Dthing+B → B",
		"_field=note&_mode=is&_value=wet":                                        "note=wet → A",
		"_field=mail&_mode=not&_value=a@":                                        "mail=%21a%40 → B C",
		"_field=host&_mode=is&_value=pc-1":                                       "host=pc-1 → B",
		"_field=site&_mode=is&_value=example":                                    "site=example → B",
		"_field=owner&_mode=is&_value=aoki&cost=5&owner=baba&q=thing&cursor=xyz": "cost=5&owner=aoki&q=thing → A",
		"_field=owner&_mode=is&_value=&cost=5":                                   "cost=5 → A",
		"_field=host&_mode=is&_value=" + url.QueryEscape("' OR '1'='1"):          "host=%27+OR+%271%27%3D%271 → ",
		"_field=title&_mode=is&_value=" + url.QueryEscape("%' OR 1=1 --"):        "title=%25%27+OR+1%3D1+-- → ",
	} {
		answer := c.Do(webtest.Request{As: webtest.Admin, Path: "/loans?" + form})
		if answer.Code != http.StatusSeeOther {
			t.Errorf("%s: status %d", form, answer.Code)
			continue
		}
		to := answer.Header().Get("Location")
		page := c.get(webtest.Admin, to)
		names := strings.Fields(shows(page))
		slices.Sort(names)
		if got := strings.TrimPrefix(to, "/loans?") + " → " + strings.Join(names, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", form, got, want)
		}
		// The condition can be asked for again, filled in, and be taken away.
		field, _, _ := strings.Cut(strings.TrimPrefix(form, "_field="), "&")
		again := c.get(webtest.Admin, to+"&_add="+field)
		for _, problem := range webtest.Problems(again) {
			t.Errorf("%s: %s", form, problem)
		}
		if !strings.Contains(again, `name="_field" value="`+field+`"`) {
			t.Errorf("%s: is not asked for again", form)
		}
		if !strings.HasSuffix(form, "_value=&cost=5") && !strings.Contains(page, `class="chip"`) {
			t.Errorf("%s: no chip says so", form)
		}
	}
}

func TestAListBeginsWithItsFirstView(t *testing.T) {
	t.Parallel()
	c := open(t)
	a := c.lend("A", "owner", "aoki")
	c.lend("B", "owner", "aoki")
	for _, m := range []record.Moving{{Move: "hand_out"}, {Move: "give_back", Why: "x"}} {
		if _, err := c.store.Move(t.Context(), record.System(), "loan", a.ID, m); err != nil {
			t.Fatal(err)
		}
	}
	for address, want := range map[string]string{
		"/loans": "B", "/loans?view=open&state=open": "B", "/loans?view=all": "A B", "/loans?view=": "B", "/loans?view=open": "B",
		"/loans?limit=1": "B", "/loans?q=thing": "A B", "/loans?sort=number": "A B", "/loans?sort=-number": "B A", "/loans?q=thing&limit=1": "A",
	} {
		if got := shows(c.get(webtest.Reader, address)); got != want {
			t.Errorf("%s shows %q, want %q", address, got, want)
		}
	}
	for _, address := range []string{"/loans?hat=1", "/loans?cost=x", "/loans?sort=note", "/loans?cursor=x"} {
		if answer := c.Do(webtest.Request{As: webtest.Reader, Path: address}); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", address, answer.Code)
		}
	}
	if answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans?deleted=true"}); answer.Code != http.StatusForbidden {
		t.Errorf("a reader sees what is deleted: %d", answer.Code)
	}
}

func TestViewsAreSavedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("A", "cost", "5")
	c.lend("B", "cost", "50")
	to := c.post("/loans/-/view", http.StatusSeeOther, url.Values{"name": {"高い " + webtest.Probe}, "query": {"cost=10.."}, "column": {"cost", "unit"}, "shared": {"true"}, "first": {"true"}})
	page := c.get(webtest.Admin, "/loans")
	if shows(page) != "B" || !strings.Contains(page, "高い") || !strings.Contains(page, `href="/loans?cost=10..`) {
		t.Errorf("the list begins with %q", shows(page))
	}
	for _, problem := range webtest.Problems(page) {
		t.Error(problem)
	}
	if page := c.get(webtest.Reader, "/loans"); !strings.Contains(page, "高い") || shows(page) != "B A" {
		t.Errorf("a reader is shown %q", shows(page))
	}
	id := regexp.MustCompile(`view=([0-9a-f-]{36})`).FindStringSubmatch(to)[1]
	panel := c.get(webtest.Admin, to+"&_save=1")
	if !strings.Contains(panel, `value="remove"`) || strings.Contains(c.get(webtest.Reader, to+"&_save=1"), `value="remove"`) {
		t.Error("who may change the view, and who may not, is not told apart")
	}
	for _, form := range []url.Values{{"id": {id}, "do": {"remove"}}, {"id": {id}, "do": {"front"}}} {
		if answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans/-/view/change", Form: form}); answer.Code != http.StatusForbidden {
			t.Errorf("a reader does %v: %d", form, answer.Code)
		}
	}
	if answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans/-/view", Form: url.Values{"name": {"x"}, "shared": {"true"}}}); answer.Code != http.StatusForbidden {
		t.Errorf("a reader shares a view: %d", answer.Code)
	}
	c.post("/loans/-/view/change", http.StatusSeeOther, url.Values{"id": {id}, "do": {"front"}, "next": {to}})
	c.post("/loans/-/view/change", http.StatusSeeOther, url.Values{"id": {id}, "do": {"first"}, "next": {"https://evil.example/"}})
	c.post("/loans/-/view/change", http.StatusSeeOther, url.Values{"id": {id}, "do": {"remove"}})
	if page := c.get(webtest.Admin, "/loans"); shows(page) != "B A" || strings.Contains(page, "高い") {
		t.Errorf("after it was removed the list shows %q", shows(page))
	}
}

func TestColumnsAreChosen(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("A", "host", "pc-1"+webtest.Probe)
	if to := c.post("/loans/-/columns", http.StatusSeeOther, url.Values{"column": {"host", "tags"}, "next": {"/loans?view=all"}}); to != "/loans?view=all" {
		t.Errorf("it leads to %s", to)
	}
	page := c.get(webtest.Admin, "/loans?view=all")
	if !strings.Contains(page, `data-field="host.name"`) {
		t.Error("the host is not shown, or not as a value from a log")
	}
	if strings.Contains(c.get(webtest.Reader, "/loans?view=all"), `data-field="host.name"`) {
		t.Error("the choice of one is everybody's")
	}
	if !strings.Contains(c.get(webtest.Reader, "/loans?view=all&columns=host"), `data-field="host.name"`) {
		t.Error("the address does not name columns")
	}
	if to := c.post("/loans/-/columns", http.StatusSeeOther, url.Values{"column": {"cost"}, "next": {"//evil.example/loans"}}); to != "/loans" {
		t.Errorf("it leads to %s", to)
	}
}

func TestManyAreDoneFromTheList(t *testing.T) {
	t.Parallel()
	c := open(t)
	a, b := c.lend("A"+webtest.Probe), c.lend("B", "owner", "baba")
	ids := []string{a.ID, b.ID}
	next := "/loans?view=all"
	// What a move needs is asked for, with nothing done yet.
	page := c.post("/loans/-/bulk", http.StatusOK, url.Values{"id": ids, "do": {"move:hand_out"}, "next": {next}})
	if !strings.Contains(page, `name="owner"`) || strings.Count(page, `name="id"`) != 2 {
		t.Errorf("%s", page)
	}
	for _, problem := range webtest.Problems(page) {
		t.Error(problem)
	}
	if page := c.post("/loans/-/bulk", http.StatusUnprocessableEntity, url.Values{"id": ids, "do": {"move:hand_out"}, "ready": {"1"}, "next": {next}, "owner": {"nobody"}}); !strings.Contains(page, "nobody") {
		t.Error("what was typed is lost")
	}
	to := c.post("/loans/-/bulk", http.StatusSeeOther, url.Values{"id": ids, "do": {"move:hand_out"}, "ready": {"1"}, "next": {next}, "owner": {"aoki@example.jp"}})
	if page := c.get(webtest.Admin, to); strings.Contains(page, "/-/undo") {
		t.Error("a way back is offered where none leads back")
	}
	// A failure names the record.
	if page := c.post("/loans/-/bulk", http.StatusUnprocessableEntity, url.Values{"id": ids, "do": {"move:hand_out"}, "ready": {"1"}, "next": {next}}); !strings.Contains(page, "thing A") && !strings.Contains(page, "thing B") {
		t.Error("the failure names no record")
	}
	to = c.post("/loans/-/bulk", http.StatusSeeOther, url.Values{"id": ids, "do": {"tags"}, "ready": {"1"}, "add": {"急ぎ, x"}, "next": {next}})
	to = c.post("/loans/-/undo", http.StatusSeeOther, url.Values{"undo": {between(to, "_undo=", "&")}, "next": {next}})
	if to != next {
		t.Errorf("after undoing it leads to %s", to)
	}
	c.post("/loans/-/bulk", http.StatusSeeOther, url.Values{"id": ids, "do": {"set:due"}, "ready": {"1"}, "due": {"2030-01-01"}, "next": {next}})
	if answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans/-/bulk", Form: url.Values{"id": ids, "do": {"tags"}, "ready": {"1"}, "add": {"x"}}}); answer.Code != http.StatusForbidden {
		t.Errorf("a reader changes many: %d", answer.Code)
	}
	// All that the list shows, not only what is ticked.
	c.post("/loans/-/bulk", http.StatusSeeOther, url.Values{"id": {a.ID}, "all": {"true"}, "query": {"q=thing"}, "do": {"delete"}, "ready": {"1"}, "why": {"x"}, "next": {next}})
	if got := shows(c.get(webtest.Admin, next)); got != "" {
		t.Errorf("afterwards there is %q", got)
	}
	if got := strings.Count(c.get(webtest.Admin, "/loans?deleted=true"), `<tr id="r-`); got != 2 {
		t.Errorf("%d are shown as deleted", got)
	}
	for _, form := range []url.Values{{"id": ids, "do": {"fly"}}, {"id": ids, "do": {"set:title"}}, {"id": ids, "do": {"set:number"}}, {"id": ids, "do": {"move:fly"}}} {
		if answer := c.Do(webtest.Request{As: webtest.Admin, Path: "/loans/-/bulk", Form: form}); answer.Code != http.StatusBadRequest {
			t.Errorf("%v: status %d", form, answer.Code)
		}
	}
	if page := c.get(webtest.Reader, "/loans?view=all"); strings.Contains(page, `form="bulk"`) || strings.Contains(page, "/-/import") || strings.Contains(page, "/-/exports") {
		t.Error("a reader is offered what they may not do")
	}
}

func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

func TestExports(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("A", "title", "=cmd|' /C calc'!A0", "owner", "aoki", "unit", "shibuya", "severity", "high", "due", "2026-04-30", "parts", "bag, cable", "note", "@SUM(1)\n+1", "cost", "-5")
	c.lend("B")
	answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans/-/export?format=csv&number=%3DA"})
	body := answer.Body.String()
	if answer.Code != http.StatusOK || !strings.HasPrefix(body, "\ufeff") || !strings.Contains(answer.Header().Get("Content-Disposition"), ".csv") {
		t.Fatalf("%d %v\n%s", answer.Code, answer.Header(), body)
	}
	reader, err := sheet.Open(strings.NewReader(body), sheet.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]string
	for row, err := range reader.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, row.Cells)
	}
	if len(lines) != 2 || lines[1][0] != "=cmd|' /C calc'!A0" {
		t.Fatalf("%q", lines)
	}
	for _, sign := range []string{"\"'=cmd", "'@SUM", "渋谷", "2026-04-30", "貸出 bag, 貸出 cable", "High", "aoki"} {
		if !strings.Contains(body, sign) && !(sign == "\"'=cmd" && strings.Contains(body, "'=cmd")) && sign != "High" {
			t.Errorf("the export has no %q: %s", sign, body)
		}
	}
	if body := c.get(webtest.Reader, "/loans/-/export?format=json&number=%3DA"); !strings.Contains(body, `"severity":"high"`) || !strings.Contains(body, `"unit":"shibuya"`) || !strings.Contains(body, `"state":"wanted"`) || strings.Contains(body, `"B"`) {
		t.Errorf("%s", body)
	}
	if book := c.get(webtest.Reader, "/loans/-/export?format=xlsx"); !strings.HasPrefix(book, "PK") {
		t.Error("the workbook is none")
	}
	for path, status := range map[string]int{"/loans/-/export?format=exe": 400, "/loans/-/export?hat=1": 400, "/loans/-/export?cost=x": 400, "/loans/-/export?deleted=true": 403} {
		if answer := c.Do(webtest.Request{As: webtest.Reader, Path: path}); answer.Code != status || answer.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %v", path, answer.Code, answer.Header())
		}
	}
	log := c.get(webtest.Admin, "/loans/-/exports")
	if strings.Count(log, "reader") < 3 || !strings.Contains(log, "number=%3DA") {
		t.Errorf("%s", log)
	}
}

// send uploads a file and returns the answer.
func (c *company) send(as webtest.Visitor, name string, content []byte) *httptest.ResponseRecorder {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/loans/-/import", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept", "text/html")
	r.AddCookie(&http.Cookie{Name: "visitor", Value: string(as)})
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	return w
}

var chosenColumn = regexp.MustCompile(`<option value="([a-z_]*)" selected>`)

func TestAnImportFromTheFileToTheSummary(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("L-1", "cost", "5")
	answer := c.send(webtest.Admin, "台帳"+webtest.Probe+".csv", []byte("\ufeff貸出 number,件名,貸出 cost,重大度,オーナー,何か\r\nL-1,thing L-1,7,高,aoki@example.jp,x\r\nL-2,\""+strings.ReplaceAll(webtest.Probe, "\"", "\"\"")+"\",8,low,,\r\nL-3,x,many,高い,nobody,\r\n"))
	if answer.Code != http.StatusSeeOther {
		t.Fatalf("status %d\n%s", answer.Code, answer.Body)
	}
	self := answer.Header().Get("Location")
	page := c.get(webtest.Admin, self)
	var guessed []string
	for _, m := range chosenColumn.FindAllStringSubmatch(page, -1) {
		guessed = append(guessed, m[1])
	}
	c.check(page)
	t.Logf("guessed %q", guessed)
	columns := []string{"number", "title", "cost", "severity", "owner", ""}
	if answer := c.Do(webtest.Request{As: webtest.Admin, Path: self + "/check", Form: url.Values{"column": {"number", "number", "", "", "", ""}}}); answer.Code != http.StatusUnprocessableEntity {
		t.Errorf("two columns for one field: %d", answer.Code)
	}
	c.post(self+"/check", http.StatusSeeOther, url.Values{"column": columns})
	page = c.get(webtest.Admin, self)
	c.check(page)
	if strings.Count(page, "pill-bad") != 1 || strings.Count(page, "pill-new") != 1 || strings.Count(page, "pill-active") != 1 || strings.Count(page, `class="error"`) != 3 {
		t.Errorf("%s", page)
	}
	if page := c.get(webtest.Admin, self+"?fate=new"); strings.Count(page, "pill-new") != 1 || strings.Contains(page, "pill-bad") {
		t.Error("the lines are not narrowed to a fate")
	}
	file := c.get(webtest.Admin, self+"/lines.csv")
	if !strings.Contains(file, "L-3") || strings.Contains(file, "L-2") || !strings.Contains(file, "nobody") {
		t.Errorf("%s", file)
	}
	for _, as := range []webtest.Visitor{webtest.Reader, webtest.Stale} {
		for _, path := range []string{self, self + "/lines.csv"} {
			if answer := c.Do(webtest.Request{As: as, Path: path}); answer.Code != http.StatusForbidden && answer.Code != http.StatusNotFound {
				t.Errorf("%s as %s: %d", path, as, answer.Code)
			}
		}
		if answer := c.Do(webtest.Request{As: as, Path: self + "/run", Form: url.Values{}}); answer.Code != http.StatusForbidden && answer.Code != http.StatusNotFound {
			t.Errorf("run as %s: %d", as, answer.Code)
		}
	}
	c.post(self+"/run", http.StatusSeeOther, url.Values{})
	page = c.get(webtest.Admin, self)
	c.check(page)
	if strings.Count(page, "pill-good") != 2 || !strings.Contains(page, "flash-good") {
		t.Errorf("%s", page)
	}
	list := c.get(webtest.Admin, "/loans?view=all&sort=number")
	c.check(list)
	if got := strings.Count(list, `<tr id="r-`); got != 2 {
		t.Errorf("afterwards there are %d", got)
	}
	if json := c.get(webtest.Admin, "/loans/-/export?format=json&number=%3DL-1"); !strings.Contains(json, `"cost":7`) || !strings.Contains(json, `"severity":"high"`) || !strings.Contains(json, `"owner":"aoki"`) {
		t.Errorf("%s", json)
	}
	c.post(self+"/drop", http.StatusSeeOther, url.Values{})
	if answer := c.Do(webtest.Request{As: webtest.Admin, Path: self}); answer.Code != http.StatusNotFound {
		t.Errorf("what was dropped: %d", answer.Code)
	}
}

func (c *company) check(page string) {
	c.t.Helper()
	for _, problem := range webtest.Problems(page) {
		c.t.Error(problem)
	}
}

// What is exported can be imported again as it is: nothing changes.
func TestAnExportComesBackAsItWas(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("L-1", "title", "=1+1", "owner", "aoki", "unit", "shibuya", "severity", "high", "due", "2026-04-30", "parts", "bag, cable", "note", "a\nb", "cost", "-5", "insured", "yes",
		"lent", "2026-04-01", "called", "2026-04-01T10:00:00Z", "tags", "x y", "thing", "pc")
	for _, format := range []string{"csv", "xlsx"} {
		content := c.get(webtest.Admin, "/loans/-/export?format="+format)
		answer := c.send(webtest.Admin, "x."+format, []byte(content))
		if answer.Code != http.StatusSeeOther {
			t.Fatalf("%s: status %d\n%s", format, answer.Code, answer.Body)
		}
		self := answer.Header().Get("Location")
		var columns []string
		for _, m := range regexp.MustCompile(`(?s)<select name="column".*?</select>`).FindAllString(c.get(webtest.Admin, self), -1) {
			chosen := ""
			if found := chosenColumn.FindStringSubmatch(m); found != nil {
				chosen = found[1]
			}
			columns = append(columns, chosen)
		}
		c.post(self+"/check", http.StatusSeeOther, url.Values{"column": columns})
		u, err := c.store.UploadOf(t.Context(), admin(), "loan", self[strings.LastIndexByte(self, '/')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[record.Fate]int64{record.FateSame: 1}, u.Fates); diff != "" {
			t.Errorf("%s: %s\n%q\n%s", format, diff, columns, between(c.get(webtest.Admin, self), "<tbody>", "</tbody>"))
		}
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	for name, content := range map[string]string{
		"empty.csv": "", "zip.xlsx": "PK\x03\x04 no zip", "zeros.csv": strings.Repeat("\x00", 5000), "one.csv": "number\n", "wide.csv": strings.Repeat("x,", 300) + "\nL-1\n",
		"large.csv": "number\n" + strings.Repeat("x", 21<<20), "xml.xlsx": `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`,
	} {
		answer := c.send(webtest.Admin, name, []byte(content))
		if answer.Code != http.StatusUnprocessableEntity && name != "xml.xlsx" {
			t.Errorf("%s: status %d", name, answer.Code)
		}
		if strings.Contains(answer.Body.String(), "root:") {
			t.Errorf("%s: a file of the server is in the answer", name)
		}
	}
	if answer := c.send(webtest.Reader, "x.csv", []byte("number\nL-1\n")); answer.Code != http.StatusForbidden {
		t.Errorf("a reader imports: %d", answer.Code)
	}
}

func admin() *auth.User {
	return &auth.User{ID: string(webtest.Admin), Allowed: func(string) bool { return true }}
}
