package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/scim"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
)

// roles are the roles of the tests: admin may do everything, sync is the directory's own, analyst and employee do other things.
type roles struct{}

func (roles) Known(role string) bool {
	return slices.Contains([]string{"admin", "sync", "analyst", "employee"}, role)
}

func (roles) Allows(roles []string, permission string) bool {
	return slices.Contains(roles, "admin") || slices.Contains(roles, "sync") && permission == "scim.write" ||
		slices.Contains(roles, "analyst") && permission == "alert.read"
}

func (roles) NeedsMFA([]string) bool { return false }

// house is the service with real accounts, ledger and site on a fresh database.
type house struct {
	*auth.Accounts
	t       *testing.T
	db      *db.DB
	log     *ledger.Log
	service *scim.Service
	site    *web.Site
	admin   auth.Person
	robot   auth.Person // the service account that holds the directory's token
	token   string
}

// each runs a test on each engine. In the end the ledger has a leaf for every row as it is.
func each(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d)
		test(t, h)
		report, err := h.log.Verify(t.Context(), ledger.VerifyOptions{})
		if err != nil || !report.OK() {
			t.Errorf("the ledger: %v %+v", err, report)
		}
	})
}

func newHouse(t *testing.T, d *db.DB) *house {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h := &house{t: t, db: d}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	h.log, err = ledger.Open(t.Context(), d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	must(err)
	h.Accounts, err = auth.OpenAccounts(t.Context(), d, auth.Config{Roles: roles{}, Seal: seal.Generate(), Ledger: h.log, Log: quiet,
		Forget: []func(*db.Tx, string) error{scim.Forget(h.log)}})
	must(err)
	must(d.Migrate(t.Context(), "scim", scim.Migrations()))
	must(h.log.Track(t.Context(), scim.Tables()...))
	mapping, err := oidc.RolesOf([]string{"CSIRT=analyst", "Administrators=admin", "Emperors=emperor"})
	must(err)
	h.service = scim.New(scim.Options{DB: d, Accounts: h.Accounts, Ledger: h.log, Roles: mapping, PublicURL: "https://yagura.example/"})
	h.site, err = web.New(web.Options{Auth: h.Accounts, Log: quiet, Version: "test"})
	must(err)
	must(h.site.Mount(h.service.Module()))
	must(h.site.Check())
	h.admin = h.person("admin@example.jp", "admin")
	h.robot, err = h.Create(t.Context(), auth.NewPerson{Kind: auth.Service, Email: "directory@example.jp", Name: "Directory", Roles: []string{"sync"}})
	must(err)
	h.token = h.tokenFor(h.robot, "scim.write")
	return h
}

func (h *house) person(email string, roles ...string) auth.Person {
	h.t.Helper()
	p, err := h.Create(h.t.Context(), auth.NewPerson{Email: email, Name: "田中 倫", State: auth.Active, Roles: roles})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) tokenFor(owner auth.Person, permissions ...string) string {
	h.t.Helper()
	all := &auth.User{ID: h.admin.ID, Allowed: func(string) bool { return true }}
	_, secret, err := h.CreateToken(h.t.Context(), all, auth.Token{Person: owner.ID, Name: "test", Permissions: permissions, Expiry: time.Now().Add(time.Hour)})
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// id is the resource's id.
func (r reply) id() string { return fmt.Sprint(r.body["id"]) }

// at reads a value: "name.familyName", "emails.0.value", "Resources.0.id".
func (r reply) at(path string) any {
	var now any = r.body
	for name := range strings.SplitSeq(path, ".") {
		switch inner := now.(type) {
		case map[string]any:
			now = inner[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(inner) {
				return nil
			}
			now = inner[i]
		default:
			return nil
		}
	}
	return now
}

// ask sends a request with the directory's token. More are headers: "If-Match: *".
func (h *house) ask(method, path, body string, more ...string) reply {
	h.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, "/scim/v2"+path, reader)
	r.RemoteAddr = "192.0.2.1:1000"
	r.Header.Set("Authorization", "Bearer "+h.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for _, line := range more {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	scim.Worded(h.site.Handler()).ServeHTTP(w, r)
	out := reply{status: w.Code, header: w.Header(), text: w.Body.String()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out.body); err != nil {
			h.t.Fatalf("%s %s answers no JSON: %s", method, path, out.text)
		}
	}
	return out
}

// want sends a request whose answer has the status.
func (h *house) want(status int, method, path, body string, more ...string) reply {
	h.t.Helper()
	r := h.ask(method, path, body, more...)
	if r.status != status {
		h.t.Fatalf("%s %s %s: %d, want %d: %s", method, path, body, r.status, status, r.text)
	}
	return r
}

// refused sends a request that is refused in SCIM's words.
func (h *house) refused(status int, kind, method, path, body string, more ...string) {
	h.t.Helper()
	r := h.ask(method, path, body, more...)
	got, _ := r.body["scimType"].(string)
	if r.status != status || got != kind || r.body["status"] != fmt.Sprint(status) || r.header.Get("Content-Type") != "application/scim+json" ||
		r.at("schemas.0") != "urn:ietf:params:scim:api:messages:2.0:Error" {
		h.t.Errorf("%s %s %.200s: %d %q, want %d %q: %s", method, path, body, r.status, got, status, kind, r.text)
	}
}

func (h *house) find(filter string) reply {
	h.t.Helper()
	return h.want(200, "GET", "/Users?filter="+url.QueryEscape(filter), "")
}

// user makes a person and returns their id.
func (h *house) user(email string) string {
	h.t.Helper()
	return h.want(201, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"externalId":"of-%s"}`, email, email)).id()
}

func (h *house) group(name string, members ...string) string {
	h.t.Helper()
	list := []map[string]string{}
	for _, m := range members {
		list = append(list, map[string]string{"value": m})
	}
	text, _ := json.Marshal(map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": name, "members": list})
	return h.want(201, "POST", "/Groups", string(text)).id()
}

func (h *house) rolesOf(id string) string {
	h.t.Helper()
	p, err := h.Person(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprint(p.Roles)
}

func patch(operations string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + operations + `]}`
}

// sees reports whether a token still opens anything.
func (h *house) sees(token string) bool {
	r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:1000"
	r.Header.Set("Authorization", "Bearer "+token)
	_, err := h.User(r)
	return err == nil
}
