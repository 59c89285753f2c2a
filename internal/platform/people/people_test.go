package people_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"

	"yagura/internal/platform/access"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/people"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

// office is the pages on real accounts.
type office struct {
	*webtest.Site
	t         *testing.T
	accounts  *auth.Accounts
	approvals *approval.Approvals
	log       *ledger.Log
}

func open(t *testing.T, required ...string) *office {
	t.Helper()
	d, ctx := dbtest.New(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	must(err)
	builtIn, err := access.Parse([]byte(`
roles:
  - {name: admin, mfa: true, allow: ["*"]}
  - {name: employee, mfa: false, allow: []}
`))
	must(err)
	roles, err := access.Open(ctx, d, log, builtIn)
	must(err)
	accounts, err := auth.OpenAccounts(ctx, d, auth.Config{Roles: roles, Seal: seal.Generate(), Ledger: log, Log: slog.New(slog.DiscardHandler)})
	must(err)
	approvals, err := approval.Open(ctx, approval.Options{DB: d, Ledger: log, People: accounts, Required: required})
	must(err)
	must(log.Track(ctx, slices.Concat(access.Tables(), approval.Tables())...))
	permissions := []web.Permission{"people.read", "people.write", "alert.read"}
	must(roles.Save(ctx, access.Role{Name: "chief", Title: "人事責任者", Allow: []string{"people.read", "people.write"}, MFA: true}, []string{"people.read", "people.write"}))
	o := &office{Site: webtest.New(t), t: t, accounts: accounts, approvals: approvals, log: log}
	o.Mount(people.NewRoom(o.Site.Site, people.Options{
		Accounts: accounts, Roles: roles, Approvals: approvals, PublicURL: "https://yagura.example",
		Permissions: func() []web.Permission { return permissions },
	}).Module())
	return o
}

func (o *office) create(email, name string, roles ...string) auth.Person {
	o.t.Helper()
	p, err := o.accounts.Create(db.WithActor(o.t.Context(), "test"), auth.NewPerson{Email: email, Name: name, Roles: roles})
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func (o *office) post(status int, path string, pairs ...string) string {
	o.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	got := o.Do(webtest.Request{As: webtest.Admin, Path: path, Form: form})
	if got.Code != status {
		o.t.Fatalf("POST %s: status %d, want %d: %s", path, got.Code, status, got.Body)
	}
	return got.Body.String()
}

func (o *office) person(id string) auth.Person {
	o.t.Helper()
	p, err := o.accounts.Person(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func TestThePages(t *testing.T) {
	t.Parallel()
	o := open(t)
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	p := o.create("hana@example.co.jp", "田中 "+webtest.Probe, "chief")
	service, err := o.accounts.Create(t.Context(), auth.NewPerson{Kind: auth.Service, Email: "soar@example.co.jp", Name: "SOAR", Roles: []string{"employee"}})
	if err != nil {
		t.Fatal(err)
	}
	unit, err := o.accounts.SaveUnit(t.Context(), auth.Unit{Code: "sales", Name: "営業部 " + webtest.Probe})
	if err != nil {
		t.Fatal(err)
	}
	o.Pages("/people", "/people?q=nobody&role=admin&state=active", "/people?unit="+unit.ID, "/people?kind=service", "/people/"+p.ID, "/people/"+service.ID,
		"/people/-/new", "/people/-/new?kind=service", "/people/"+p.ID+"/edit", "/people/-/import", "/units", "/units/-/new", "/units/"+unit.ID)
	o.Guarded()
	for path, want := range map[string]int{"/people/nobody": 404, "/units/nothing": 404, "/people?state=odd": 400, "/people?after=x": 400} {
		if got := o.Do(webtest.Request{As: webtest.Admin, Path: path}); got.Code != want {
			t.Errorf("%s: status %d, want %d", path, got.Code, want)
		}
	}
	if page := o.Do(webtest.Request{As: webtest.Reader, Path: "/people/" + p.ID}).Body.String(); strings.Contains(page, "<form method=\"post\" action=\"/people") {
		t.Error("a reader is shown a form")
	}
}

func TestSomebodyIsInvitedChangedAndShutOut(t *testing.T) {
	t.Parallel()
	o := open(t)
	page := o.post(http.StatusOK, "/people", "name", "佐藤 美咲", "email", "Sato@Example.co.jp", "role", "chief")
	if !strings.Contains(page, "https://yagura.example/invitation?ticket=") {
		t.Error("without mail, the link is not shown")
	}
	p, err := o.accounts.PersonByEmail(t.Context(), "sato@example.co.jp")
	if err != nil || p.State != auth.Invited || !slices.Equal(p.RoleNames(), []string{"chief"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	path := "/people/" + p.ID
	o.post(http.StatusUnprocessableEntity, "/people", "name", "別人", "email", "sato@example.co.jp", "role", "employee")
	o.post(http.StatusSeeOther, path, "version", "1", "name", "佐藤 美咲子", "email", "sato@example.co.jp")
	if page := o.post(http.StatusUnprocessableEntity, path, "version", "1", "name", "古い", "email", "sato@example.co.jp"); !strings.Contains(page, "古い") {
		t.Error("what was typed on an old version is lost")
	}
	o.post(http.StatusSeeOther, path+"/roles", "version", "2", "role", "employee")
	if got := o.person(p.ID); got.Name != "佐藤 美咲子" || !slices.Equal(got.RoleNames(), []string{"employee"}) {
		t.Errorf("%+v", got)
	}
	o.post(http.StatusConflict, path+"/erase", "version", "3", "reason", "退職")
	o.post(http.StatusSeeOther, path+"/state", "version", "3", "state", "disabled")
	o.post(http.StatusSeeOther, path+"/erase", "version", "4", "reason", "退職")
	if got := o.person(p.ID); got.Email != "" || strings.Contains(got.Name, "佐藤") {
		t.Errorf("erased: %+v", got)
	}
	report, err := o.log.Verify(t.Context(), ledger.VerifyOptions{})
	if err != nil || !report.OK() {
		t.Errorf("%+v, %v", report.Problems, err)
	}
}

func TestRolesMayTakeASecondPerson(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles")
	p := o.create("ito@example.co.jp", "伊藤", "employee")
	o.post(http.StatusUnprocessableEntity, "/people/"+p.ID+"/roles", "version", "1", "role", "chief") // no reason
	o.post(http.StatusSeeOther, "/people/"+p.ID+"/roles", "version", "1", "role", "chief", "reason", "異動")
	if got := o.person(p.ID).RoleNames(); !slices.Equal(got, []string{"employee"}) {
		t.Errorf("before anybody approved, the roles are %v", got)
	}
}

// TestNoWayInGoesPastTheSecondPerson has one person make somebody with a role: a second account of their own would approve the rest.
func TestNoWayInGoesPastTheSecondPerson(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles")
	newcomer := []string{"name", "伊藤", "email", "ito@example.co.jp", "role", "employee", "role", "admin"}
	o.post(http.StatusUnprocessableEntity, "/people", newcomer...) // no reason
	if body := o.post(http.StatusOK, "/people", append(newcomer, "reason", "異動")...); !strings.Contains(body, "/approvals/") || !strings.Contains(body, "/invitation?ticket=") {
		t.Errorf("neither invited nor told of the request: %s", body)
	}
	o.post(http.StatusSeeOther, "/people", "kind", "service", "name", "robot", "email", "robot@example.co.jp", "role", "chief", "reason", "連携")
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/people", strings.NewReader(`{"email":"api@example.co.jp","name":"api","roles":["admin"],"reason":"異動"}`))
	r.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Robot)})
	w := httptest.NewRecorder()
	if o.Handler().ServeHTTP(w, r); w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"approval"`) {
		t.Errorf("by the API: status %d: %s", w.Code, w.Body)
	}
	list := "email,name,roles\nlist@example.co.jp,list,admin\nplain@example.co.jp,plain,employee\n"
	o.post(http.StatusSeeOther, "/people/-/import", "list", list, "confirmed", "1")
	for email, want := range map[string]string{"ito@example.co.jp": "employee", "robot@example.co.jp": "", "api@example.co.jp": "", "list@example.co.jp": "nobody", "plain@example.co.jp": "employee"} {
		got := "nobody"
		if p, err := o.accounts.PersonByEmail(t.Context(), email); err == nil {
			got = strings.Join(p.RoleNames(), " ")
		}
		if got != want {
			t.Errorf("%s has %q before a second person approved, want %q", email, got, want)
		}
	}
	page, err := o.approvals.List(t.Context(), &auth.User{ID: "x", Allowed: func(string) bool { return true }}, approval.Filter{Waiting: true, Limit: 10})
	if err != nil || len(page.Items) != 3 {
		t.Errorf("%d requests wait, %v", len(page.Items), err)
	}
}

// TestARequestForSomebodyNewOutlivesTheirInvitation approves what was asked for with the person, who has changed since.
func TestARequestForSomebodyNewOutlivesTheirInvitation(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles")
	var boss [2]*auth.User
	for i, email := range []string{"boss@example.co.jp", "mori@example.co.jp"} {
		p, err := o.accounts.Create(t.Context(), auth.NewPerson{Email: email, Name: email, State: auth.Active, Roles: []string{"admin"}})
		if err != nil {
			t.Fatal(err)
		}
		boss[i] = &auth.User{ID: p.ID, Allowed: func(string) bool { return true }}
	}
	p, name := o.create("ito@example.co.jp", "伊藤", "employee"), "伊藤 蘭"
	request, err := o.approvals.Do(t.Context(), boss[0], approval.Wish{Action: "people.roles", Subject: p.Name, Reason: "異動", Payload: map[string]any{"Person": p.ID, "Roles": []string{"chief"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.accounts.Update(t.Context(), p.ID, 0, auth.Change{Name: &name}); err != nil {
		t.Fatal(err)
	}
	err = o.approvals.Decide(db.WithActor(t.Context(), boss[1].ID), boss[1], request.ID, approval.Approved, "")
	if got := o.person(p.ID).RoleNames(); err != nil || !slices.Equal(got, []string{"chief"}) {
		t.Errorf("after the approval %v, %v", got, err)
	}
}

// TestNobodyTakesAnothersFactorsAlone is the way around four eyes by the second person's own account.
func TestNobodyTakesAnothersFactorsAlone(t *testing.T) {
	t.Parallel()
	o := open(t, "people.factors")
	p := o.create("ito@example.co.jp", "伊藤", "admin")
	o.post(http.StatusUnprocessableEntity, "/people/"+p.ID+"/factors") // no reason
	o.post(http.StatusSeeOther, "/people/"+p.ID+"/factors", "reason", "紛失")
	if waiting, err := o.approvals.Count(t.Context(), &auth.User{ID: "x", Allowed: func(string) bool { return true }}); err != nil || waiting != 1 {
		t.Errorf("%d requests wait, %v", waiting, err)
	}
}

// TestNobodyGivesMoreThanTheyHave lets a chief of people, who is no administrator, try.
func TestNobodyGivesMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	o := open(t)
	admin, clerk := o.create("admin@example.co.jp", "管理者", "admin"), o.create("clerk@example.co.jp", "事務", "employee")
	for _, row := range []struct {
		path string
		form url.Values
	}{
		{"/people/" + clerk.ID + "/roles", url.Values{"version": {"1"}, "role": {"admin"}}},
		{"/people/" + admin.ID + "/roles", url.Values{"version": {"1"}, "role": {"employee"}}},
		{"/people/" + admin.ID + "/link", url.Values{}},
		{"/people/" + admin.ID, url.Values{"version": {"1"}, "name": {"管理者"}, "email": {"chief@example.co.jp"}}}, // where the next link would go
		{"/people/-/sessions/end", url.Values{}},
		{"/people/" + admin.ID + "/factors", url.Values{}},
		{"/people/" + admin.ID + "/state", url.Values{"version": {"1"}, "state": {"disabled"}}},
		{"/people", url.Values{"name": {"友人"}, "email": {"friend@example.co.jp"}, "role": {"admin"}}},
	} {
		got := o.Do(webtest.Request{As: webtest.Chief, Path: row.path, Form: row.form})
		if got.Code != http.StatusForbidden && got.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s by a chief: status %d", row.path, got.Code)
		}
	}
	if !slices.Equal(o.person(clerk.ID).RoleNames(), []string{"employee"}) || !slices.Equal(o.person(admin.ID).RoleNames(), []string{"admin"}) {
		t.Error("roles were changed")
	}
	if got := o.person(admin.ID).Email; got != "admin@example.co.jp" {
		t.Errorf("the administrator signs in by %s", got)
	}
	if got := o.Do(webtest.Request{As: webtest.Chief, Path: "/people/" + admin.ID, Form: url.Values{"version": {"1"}, "name": {"管理者 改"}, "email": {"Admin@example.co.jp"}}}); got.Code != http.StatusSeeOther {
		t.Errorf("a name of an administrator's: status %d", got.Code)
	}
	if _, err := o.accounts.PersonByEmail(t.Context(), "friend@example.co.jp"); err == nil {
		t.Error("an administrator was made")
	}
}

// TestTheSecondPersonIsNotWhomItConcerns lets somebody approve their own promotion.
func TestTheSecondPersonIsNotWhomItConcerns(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles")
	asker, err := o.accounts.Create(t.Context(), auth.NewPerson{Email: "boss@example.co.jp", Name: "上長", State: auth.Active, Roles: []string{"admin"}})
	if err != nil {
		t.Fatal(err)
	}
	p, third := o.create("ito@example.co.jp", "伊藤", "chief"), o.create("mori@example.co.jp", "森", "admin")
	as := func(p auth.Person) *auth.User {
		return &auth.User{ID: p.ID, Allowed: func(string) bool { return true }}
	}
	wish := approval.Wish{Action: "people.roles", Subject: p.Name, Reason: "異動", Payload: struct {
		Person  string
		Version int64
		Roles   []string
	}{p.ID, 1, []string{"admin"}}}
	request, err := o.approvals.Do(db.WithActor(t.Context(), asker.ID), as(asker), wish)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.approvals.Decide(db.WithActor(t.Context(), p.ID), as(p), request.ID, approval.Approved, ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("their own promotion: %v", err)
	}
	if err := o.approvals.Decide(db.WithActor(t.Context(), third.ID), as(third), request.ID, approval.Approved, ""); err != nil {
		t.Errorf("a third person: %v", err)
	}
	if got := o.person(p.ID).RoleNames(); !slices.Equal(got, []string{"admin"}) {
		t.Errorf("roles are %v", got)
	}
}

// TestNobodyApprovesWhatTheyCouldNotGive has a request for an administrator's role wait while those concerned lose what it takes.
func TestNobodyApprovesWhatTheyCouldNotGive(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles", "people.erase")
	active := func(email, role string) auth.Person {
		p, err := o.accounts.Create(t.Context(), auth.NewPerson{Email: email, Name: email, State: auth.Active, Roles: []string{role}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	asker, chief, other := active("boss@example.co.jp", "admin"), active("chief@example.co.jp", "chief"), active("other@example.co.jp", "admin")
	newcomer := o.create("ito@example.co.jp", "伊藤", "employee")
	as := func(p auth.Person) *auth.User {
		return &auth.User{ID: p.ID, Allowed: func(permission string) bool {
			may, err := o.accounts.May(t.Context(), p.ID, permission)
			return err == nil && may
		}}
	}
	ask := func(action string, payload any) string {
		request, err := o.approvals.Do(db.WithActor(t.Context(), asker.ID), as(asker), approval.Wish{Action: action, Subject: "x", Reason: "異動", Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		return request.ID
	}
	decide := func(by auth.Person, id string) error {
		return o.approvals.Decide(db.WithActor(t.Context(), by.ID), as(by), id, approval.Approved, "")
	}
	type change struct {
		Person  string
		Version int64
		Roles   []string
	}
	promotion := ask("people.roles", change{newcomer.ID, 1, []string{"admin"}})
	erasure := ask("people.erase", change{Person: other.ID, Version: 1})
	for _, id := range []string{promotion, erasure} {
		if err := decide(chief, id); !fault.Is(err, fault.Forbidden) {
			t.Errorf("somebody with less than an administrator approves: %v", err)
		}
	}
	// The same person may approve what they could give themselves.
	if err := decide(chief, ask("people.roles", change{newcomer.ID, 1, []string{"chief"}})); err != nil {
		t.Errorf("a role of one's own: %v", err)
	}
	promotion = ask("people.roles", change{newcomer.ID, 2, []string{"admin"}})
	if _, err := o.accounts.SetRoles(t.Context(), asker.ID, 1, auth.ByHand, []string{"chief"}); err != nil {
		t.Fatal(err)
	}
	if err := decide(other, promotion); !fault.Is(err, fault.Conflict) {
		t.Errorf("who asked is no administrator any more: %v", err)
	}
	if got := o.person(newcomer.ID).RoleNames(); !slices.Equal(got, []string{"chief"}) {
		t.Errorf("roles are %v", got)
	}
}

// TestProgramsDoWhatThePagesDo invites, changes and shuts out somebody by the API.
func TestProgramsDoWhatThePagesDo(t *testing.T) {
	t.Parallel()
	o := open(t)
	admin := o.create("admin@example.co.jp", "管理者", "admin")
	ask := func(as webtest.Visitor, status int, method, path, body string) (answer map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.AddCookie(&http.Cookie{Name: "visitor", Value: string(as)})
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, r)
		if w.Code != status {
			t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, w.Code, status, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	made := ask(webtest.Robot, http.StatusCreated, "POST", "/api/v1/people", `{"name":"佐藤 美咲","email":"Sato@example.co.jp","roles":["chief"]}`)
	if link, _ := made["invitation"].(string); made["email"] != "sato@example.co.jp" || made["state"] != "invited" || !strings.Contains(link, "/invitation?ticket=") {
		t.Errorf("%v", made)
	}
	path := "/api/v1/people/" + made["id"].(string)
	if got := ask(webtest.Robot, 200, "PATCH", path, `{"name":"佐藤 美咲子","roles":["employee"],"disabled":true,"version":1}`); got["name"] != "佐藤 美咲子" || got["state"] != "disabled" || got["version"] != 4.0 {
		t.Errorf("%v", got)
	}
	if got := ask(webtest.Robot, 200, "PATCH", path, `{"disabled":false}`); got["state"] != "invited" {
		t.Errorf("%v", got)
	}
	for body, status := range map[string]int{
		`{"name":"古い","version":1}`: 409, `{"name":"途中","roles":["nothing"]}`: 400, `{"naem":"x"}`: 400, `{"disabled":"yes"}`: 400,
		`{"kind":"service"}`: 400, `{}{}`: 400, ``: 400, `[]`: 400, `{"unit":"nowhere"}`: 400,
	} {
		ask(webtest.Robot, status, "PATCH", path, body)
	}
	if got := ask(webtest.Robot, 200, "GET", path, ""); got["name"] != "佐藤 美咲子" {
		t.Errorf("half a change was made: %v", got)
	}
	for _, body := range []string{`{"email":"mine@example.co.jp"}`, `{"roles":["employee"]}`, `{"disabled":true}`} {
		ask(webtest.Chief, 403, "PATCH", "/api/v1/people/"+admin.ID, body)
	}
	ask(webtest.Chief, 403, "POST", "/api/v1/people", `{"name":"友人","email":"friend@example.co.jp","roles":["admin"]}`)
	ask(webtest.Stale, 403, "PATCH", path, `{"name":"放置された端末"}`)
	ask(webtest.Robot, 404, "PATCH", "/api/v1/people/nobody", `{"name":"x"}`)
	ask(webtest.Robot, 409, "POST", "/api/v1/people", `{"name":"二重","email":"sato@example.co.jp"}`)
}

func TestByTheAPIRolesMayTakeASecondPerson(t *testing.T) {
	t.Parallel()
	o := open(t, "people.roles")
	p := o.create("ito@example.co.jp", "伊藤", "employee")
	for body, want := range map[string]int{`{"roles":["chief"],"name":"x","reason":"異動"}`: 400, `{"roles":["chief"]}`: 400, `{"roles":["chief"],"reason":"異動"}`: 202} {
		r := httptest.NewRequestWithContext(t.Context(), "PATCH", "/api/v1/people/"+p.ID, strings.NewReader(body))
		r.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Robot)})
		w := httptest.NewRecorder()
		if o.Handler().ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: status %d, want %d: %s", body, w.Code, want, w.Body)
		}
	}
	if got := o.person(p.ID).RoleNames(); !slices.Equal(got, []string{"employee"}) {
		t.Errorf("before anybody approved, the roles are %v", got)
	}
}

func TestAServiceAccountGetsAToken(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.post(http.StatusSeeOther, "/people", "kind", "service", "name", "SOAR", "email", "soar@example.co.jp", "role", "chief")
	p, err := o.accounts.PersonByEmail(t.Context(), "soar@example.co.jp")
	if err != nil {
		t.Fatal(err)
	}
	if page := o.post(http.StatusOK, "/people/"+p.ID+"/tokens", "name", "自動対応"); !strings.Contains(page, "ygp_") {
		t.Error("the token is not shown")
	}
	tokens, err := o.accounts.Tokens(t.Context(), p.ID)
	if err != nil || len(tokens) != 1 || !slices.Equal(tokens[0].Permissions, []string{"people.read", "people.write"}) || time.Until(tokens[0].Expiry) > 366*24*time.Hour {
		t.Fatalf("%+v, %v", tokens, err)
	}
	o.post(http.StatusSeeOther, "/people/"+p.ID+"/tokens/"+tokens[0].ID+"/revoke")
}

func TestAListIsImportedAfterItsDryRun(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.create("known@example.co.jp", "既存", "employee")
	if _, err := o.accounts.SaveUnit(t.Context(), auth.Unit{Code: "sales", Name: "営業部"}); err != nil {
		t.Fatal(err)
	}
	list := "氏名,メールアドレス,部署,役割\n田中 花子,hana@example.co.jp,営業部,chief\n,noname@example.co.jp,,\n既存,known@example.co.jp,,\n二重,HANA@example.co.jp,,\n幽霊,ghost@example.co.jp,幽霊部,\n\n鈴木 健,ken@example.co.jp,sales,\n"
	sjis, err := japanese.ShiftJIS.NewEncoder().String(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{list, "\ufeff" + list, sjis, strings.ReplaceAll(list, ",", "\t")} {
		page := o.post(http.StatusOK, "/people/-/import", "list", text)
		if n := strings.Count(page, "pill-good"); n != 2 || strings.Count(page, "pill-bad") != 4 {
			t.Errorf("%d good lines in\n%s", n, page)
		}
	}
	if _, err := o.accounts.PersonByEmail(t.Context(), "hana@example.co.jp"); err == nil {
		t.Fatal("the dry run made somebody")
	}
	o.post(http.StatusSeeOther, "/people/-/import", "list", list, "confirmed", "1")
	p, err := o.accounts.PersonByEmail(t.Context(), "hana@example.co.jp")
	if err != nil || p.Unit == "" || !slices.Equal(p.RoleNames(), []string{"chief"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, wrong := range []string{"", "a,b\n1,2", "氏名\n田中", "email,name\n\"open", "\xff\xfe\xfd"} {
		o.post(http.StatusUnprocessableEntity, "/people/-/import", "list", wrong)
	}
}

func TestTheExportIsSafeInASpreadsheet(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.create("evil@example.co.jp", `=HYPERLINK("http://evil.example")`, "employee")
	o.create("plain@example.co.jp", "青木", "employee")
	got := o.Do(webtest.Request{As: webtest.Reader, Path: "/people/-/export", Lang: "ja"})
	text := got.Body.String()
	if got.Code != 200 || !strings.HasPrefix(text, "\ufeffメールアドレス,氏名") || !strings.Contains(text, `"'=HYPERLINK`) || !strings.Contains(text, "青木") {
		t.Errorf("status %d:\n%s", got.Code, text)
	}
}

func TestUnitsMakeATree(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.post(http.StatusSeeOther, "/units", "name", "まるまど", "code", "marumado", "version", "0")
	units, err := o.accounts.Units(context.Background())
	if err != nil || len(units) != 1 {
		t.Fatal(units, err)
	}
	top := units[0]
	o.post(http.StatusSeeOther, "/units", "name", "営業部", "code", "sales", "parent", top.ID, "version", "0")
	o.post(http.StatusUnprocessableEntity, "/units", "name", "別", "code", "sales", "version", "0")
	units, _ = o.accounts.Units(context.Background())
	child := units[slices.IndexFunc(units, func(u auth.Unit) bool { return u.Code == "sales" })]
	o.post(http.StatusUnprocessableEntity, "/units", "id", top.ID, "name", "まるまど", "code", "marumado", "parent", child.ID, "version", "1") // a circle
	o.post(http.StatusConflict, "/units/"+top.ID+"/delete", "version", "1")
	o.post(http.StatusSeeOther, "/units/"+child.ID+"/delete", "version", "1")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("email,name\na@example.com,A\n"))
	f.Add([]byte("\ufeff氏名\tメール\n田中\tt@example.co.jp"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := people.Parse(data)
		for _, one := range list {
			if one.Line < 2 || one.Email == "" && one.Name == "" {
				t.Errorf("%+v, %v", one, err)
			}
		}
	})
}
