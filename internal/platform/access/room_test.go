package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"yagura/internal/platform/access"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

func newSite(t *testing.T, required ...string) (*webtest.Site, *access.Roles) {
	t.Helper()
	d, site := dbtest.New(t), webtest.New(t)
	key := filepath.Join(t.TempDir(), "ledger.key")
	roles := openNode(t, d, key)
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	approvals, err := approval.Open(t.Context(), approval.Options{DB: d, Ledger: log, Required: required})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Track(t.Context(), approval.Tables()...); err != nil {
		t.Fatal(err)
	}
	site.Mount(access.NewRoom(site.Site, access.RoomOptions{
		Roles: roles, Approvals: approvals,
		Permissions: func() []web.Permission {
			return []web.Permission{"alert.read", "alert.write", "rule.read", "event.read"}
		},
		Holders: func(context.Context) (map[string]int, error) { return map[string]int{"admin": 2, "desk": 0}, nil },
		Used:    func(*db.Tx, string) (int, error) { return 0, nil },
	}).Module())
	if err := roles.Save(t.Context(), access.Role{Name: "desk", Title: webtest.Probe, Allow: []string{"rule.read"}}, []string{"rule.read"}); err != nil {
		t.Fatal(err)
	}
	return site, roles
}

func TestThePagesOfRoles(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t)
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}
	site.Pages("/roles", "/roles/-/new", "/roles/desk", "/api/v1/roles")
	site.Guarded()
}

func TestARoleIsMadeInThePage(t *testing.T) {
	t.Parallel()
	site, roles := newSite(t)
	form := url.Values{"name": {"night-watch"}, "title": {"夜間当番"}, "permission": {"alert.read", "event.read"}, "mfa": {"1"}, "version": {"0"}}
	if got := site.Do(webtest.Request{As: webtest.Admin, Path: "/roles", Form: form}); got.Code != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.Code, got.Body)
	}
	if got := allowed(roles, "night-watch"); got != "alert.read event.read" {
		t.Errorf("the role may %q", got)
	}
	if got := site.Do(webtest.Request{As: webtest.Admin, Path: "/roles", Form: form}); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "夜間当番") {
		t.Errorf("the same again: status %d, what was typed is kept: %t", got.Code, strings.Contains(got.Body.String(), "夜間当番"))
	}
	if got := site.Do(webtest.Request{As: webtest.Admin, Path: "/roles/night-watch/delete", Form: url.Values{"version": {"1"}}}); got.Code != http.StatusSeeOther || roles.Known("night-watch") {
		t.Errorf("deleting: status %d", got.Code)
	}
	for path, want := range map[string]int{"/roles/admin": http.StatusConflict, "/roles/nothing": http.StatusNotFound} {
		if got := site.Do(webtest.Request{As: webtest.Admin, Path: path}); got.Code != want {
			t.Errorf("%s: status %d, want %d", path, got.Code, want)
		}
	}
}

// TestWhatARoleMayDoMayTakeASecondPerson widens a role that somebody has: who has it would gain as much as by another role.
func TestWhatARoleMayDoMayTakeASecondPerson(t *testing.T) {
	t.Parallel()
	site, roles := newSite(t, "role.change")
	save := func(pairs ...string) int {
		form := url.Values{"title": {"当番"}, "permission": {"rule.read", "alert.write"}, "mfa": {"1"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return site.Do(webtest.Request{As: webtest.Admin, Path: "/roles", Form: form}).Code
	}
	for _, one := range []struct {
		what  string
		pairs []string
		want  int
	}{
		{"a new role, which nobody has", []string{"name", "fresh", "version", "0"}, http.StatusSeeOther},
		{"another, without a reason", []string{"name", "desk", "version", "1"}, http.StatusUnprocessableEntity},
		{"another, with one", []string{"name", "desk", "version", "1", "reason", "夜勤"}, http.StatusSeeOther},
	} {
		if got := save(one.pairs...); got != one.want {
			t.Errorf("%s: status %d, want %d", one.what, got, one.want)
		}
	}
	if got := allowed(roles, "desk"); got != "rule.read" {
		t.Errorf("before anybody approved, the role may %q", got)
	}
	site.Pages("/roles/desk")
}

func TestBrowserTheMatrixHasItsHeadAboveItsRows(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t)
	ctx := webtest.Browser(t)
	server := httptest.NewServer(site.Handler())
	t.Cleanup(server.Close)
	webtest.Do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(server.URL+"/signin"), webtest.SetCookie("visitor", "admin"), chromedp.Navigate(server.URL+"/roles"))
	webtest.Until(t, ctx, `document.readyState === "complete" && document.querySelector(".matrix")`)
	if !webtest.Ask[bool](t, ctx, `document.querySelector(".matrix thead th").getBoundingClientRect().bottom <= document.querySelector(".matrix tbody th").getBoundingClientRect().top + 1`) {
		t.Error("the head lies over the first row")
	}
}
