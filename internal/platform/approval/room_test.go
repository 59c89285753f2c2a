package approval_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yagura/internal/platform/approval"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/web/webtest"
)

func TestThePagesOfApprovals(t *testing.T) {
	t.Parallel()
	c, site := open(t, dbtest.New(t), "people.roles"), webtest.New(t)
	names := func(_ context.Context, ids []string) (map[string]string, error) {
		return map[string]string{"aoki": "青木 " + webtest.Probe, "admin": "管理者"}, nil
	}
	site.Mount(approval.NewRoom(site.Site, c.Approvals, names).Module())
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}

	hostile := wish
	hostile.Subject, hostile.Reason = webtest.Probe, webtest.Probe
	first, err := c.Do(t.Context(), aoki, hostile)
	if err != nil {
		t.Fatal(err)
	}
	path := "/approvals/" + first.ID
	site.Pages("/approvals", "/approvals?all=1", path, path+"/decide")
	site.Guarded()

	if got := site.Do(webtest.Request{As: webtest.Admin, Path: path + "/decide"}); !strings.Contains(got.Body.String(), "<dt>色</dt><dd>red</dd>") {
		t.Error("who decides does not see what is asked for")
	}
	if got := site.Do(webtest.Request{As: webtest.Nobody, Path: path}); got.Code != http.StatusNotFound {
		t.Errorf("somebody else's request: status %d, want 404", got.Code)
	}
	if got := site.Do(webtest.Request{As: webtest.Reader, Path: path}); got.Code != http.StatusOK || strings.Contains(got.Body.String(), "/decide") {
		t.Errorf("a reader: status %d, is offered to decide: %t", got.Code, strings.Contains(got.Body.String(), "/decide"))
	}
	if got := site.Do(webtest.Request{As: webtest.Reader, Path: path, Form: url.Values{"to": {"approved"}}}); got.Code != http.StatusSeeOther && got.Code != http.StatusForbidden {
		t.Errorf("a reader approves: status %d", got.Code)
	}
	if c.colour != "grey" {
		t.Fatal("a reader painted the box")
	}
	if got := site.Do(webtest.Request{As: webtest.Admin, Path: path, Form: url.Values{"to": {"approved"}, "note": {"可"}}}); got.Code != http.StatusSeeOther || c.colour != "red" {
		t.Errorf("approving: status %d, the box is %s", got.Code, c.colour)
	}
}

func TestProgramsSeeRequestsAndPeopleDecide(t *testing.T) {
	t.Parallel()
	c, site := open(t, dbtest.New(t), "people.roles"), webtest.New(t)
	names := func(context.Context, []string) (map[string]string, error) { return nil, nil }
	site.Mount(approval.NewRoom(site.Site, c.Approvals, names).Module())
	first, err := c.Do(t.Context(), aoki, wish)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []struct{ ID, State string }
	}
	site.Call(webtest.Admin, "GET", "/api/v1/approvals?waiting=true&limit=1", "", http.StatusOK, &list)
	if len(list.Items) != 1 || list.Items[0].ID != first.ID || list.Items[0].State != "waiting" {
		t.Fatalf("%+v", list)
	}
	path := "/api/v1/approvals/" + first.ID
	site.Call(webtest.Nobody, "GET", path, "", http.StatusNotFound, nil)
	site.Call(webtest.Robot, "POST", path, `{"answer":"approved"}`, http.StatusForbidden, nil)
	site.Call(webtest.Admin, "POST", path, `{"answer":"withdrawn"}`, http.StatusBadRequest, nil)
	site.Call(webtest.Admin, "DELETE", path, "", http.StatusForbidden, nil)
	var now struct{ State, Note string }
	site.Call(webtest.Admin, "POST", path, `{"answer":"approved","note":"可"}`, http.StatusOK, &now)
	if now.State != "approved" || now.Note != "可" || c.colour != "red" {
		t.Errorf("%+v, the box is %s", now, c.colour)
	}
	site.Call(webtest.Admin, "POST", path, `{"answer":"refused"}`, http.StatusConflict, nil)
}
