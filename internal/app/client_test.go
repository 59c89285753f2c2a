package app

import (
	"encoding/json"
	"io"
	"iter"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/client"
	"yagura/internal/platform/auth"
)

// readAlert is what this program wants to know of one.
type readAlert struct {
	ID      string  `json:"id"`
	Owner   *string `json:"owner"`
	State   string  `json:"state"`
	Version int64   `json:"version"`
}

// program is a client of a furnished house's server, with the administrator's token for some permissions.
func (f *furnished) program(permissions ...string) *client.Client {
	f.t.Helper()
	server := httptest.NewServer(f.site.Handler())
	f.t.Cleanup(server.Close)
	everything := &auth.User{ID: f.admin.ID, Allowed: func(string) bool { return true }}
	_, token, err := f.Accounts.CreateToken(f.t.Context(), everything, auth.Token{Person: f.admin.ID, Name: "soar", Permissions: permissions, Expiry: time.Now().Add(time.Hour)})
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := client.New(server.URL, token, client.Options{Language: "ja"})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// all reads a list to its end.
func all[T any](t *testing.T, list iter.Seq2[T, error]) (items []T) {
	t.Helper()
	for one, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, one)
	}
	return items
}

// TestTheClientAtTheRealServer reads, changes and searches as a program of somebody else's does.
func TestTheClientAtTheRealServer(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	c := f.program("alert.read", "alert.write", "event.read")
	var first readAlert
	for one, err := range client.List[readAlert](t.Context(), c, "alerts", url.Values{"limit": {"2"}}) {
		if err != nil {
			t.Fatal(err)
		}
		first = one
	}
	one, version, err := client.Get[readAlert](t.Context(), c, "alerts", first.ID)
	if err != nil || one.ID != first.ID || version != one.Version {
		t.Fatalf("%+v of version %d, %v", one, version, err)
	}
	one, now, err := client.Update[readAlert](t.Context(), c, "alerts", first.ID, version, map[string]any{"owner": f.admin.ID})
	if err != nil || one.Owner == nil || *one.Owner != f.admin.ID || now <= version {
		t.Fatalf("%+v of version %d, %v", one, now, err)
	}
	if _, _, err := client.Update[readAlert](t.Context(), c, "alerts", first.ID, version, map[string]any{"owner": nil}); !client.IsCode(err, "outdated") {
		t.Errorf("a change of an old version: %v", err)
	}
	if _, _, err := client.Get[readAlert](t.Context(), c, "alerts", "none"); !client.IsCode(err, "not_found") {
		t.Errorf("an alert that is none: %v", err)
	}
	if _, err := c.Comment(t.Context(), "alerts", first.ID, "確認中"); err != nil {
		t.Fatal(err)
	}
	for said, err := range c.Comments(t.Context(), "alerts", first.ID) {
		if err != nil || said.Text != "確認中" || said.Author != f.admin.ID {
			t.Errorf("%+v, %v", said, err)
		}
	}
	file, err := c.Export(t.Context(), "alerts", "json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var exported []struct{ ID string }
	if err := json.NewDecoder(file).Decode(&exported); err != nil || len(exported) < 5 {
		t.Errorf("%d alerts in the export, %v", len(exported), err)
	}
	found := 0
	for _, err := range c.Search(t.Context(), "*", url.Values{"since": {"48h"}, "limit": {"5"}}) {
		if err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found != 5 {
		t.Errorf("found %d events", found)
	}
}

// TestTheClientWorksOnRecords does with a record what people do on its page: files, tasks, approvals; and with the list.
func TestTheClientWorksOnRecords(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	ctx := t.Context()
	c := f.program("alert.read", "alert.write", "rulesource.read", "rulesource.write")
	id := all(t, client.List[readAlert](ctx, c, "alerts", nil))[0].ID

	evidence := strings.Repeat("evidence ", 1<<18) // more than two megabytes
	file, err := c.Attach(ctx, "alerts", id, strings.NewReader(evidence), client.Attaching{Name: "memory.raw", Note: "採取", Place: "金庫"})
	if err != nil || file.Size != int64(len(evidence)) {
		t.Fatalf("%+v, %v", file, err)
	}
	content, err := c.Download(ctx, "alerts", id, file.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if text, err := io.ReadAll(content); err != nil || string(text) != evidence {
		t.Errorf("%d bytes came back, %v", len(text), err)
	}
	if chain := all(t, c.Chain(ctx, "alerts", id, file.ID)); len(chain) != 2 || chain[0].Action != "read" {
		t.Errorf("%+v", chain)
	}
	if err := c.Detach(ctx, "alerts", id, file.ID, "取り違え"); err != nil {
		t.Error(err)
	}
	if files := all(t, c.Attachments(ctx, "alerts", id)); len(files) != 1 || files[0].Removed == nil {
		t.Errorf("%+v", files)
	}

	task, err := c.AddTask(ctx, "alerts", id, client.Tasking{Title: "端末の隔離", Owner: "me", Due: "2099-12-01", Again: &client.Again{Every: 1, Unit: "month"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Update[client.Task](ctx, c, "tasks", task.ID, task.Version, map[string]any{"text": "現場へ"}); err != nil {
		t.Error(err)
	}
	ended, next, err := c.EndTask(ctx, task.ID)
	if err != nil || ended.State != "done" || ended.Text != "現場へ" || next == nil {
		t.Fatalf("%+v, %+v, %v", ended, next, err)
	}
	if _, err := c.ReopenTask(ctx, task.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.DropTask(ctx, next.ID, "不要"); err != nil {
		t.Error(err)
	}
	if mine, of := all(t, c.MyTasks(ctx, nil)), all(t, c.Tasks(ctx, "alerts", id)); len(mine) < 1 || len(of) != 2 {
		t.Errorf("%+v, %+v", mine, of)
	}

	analyst, err := f.Accounts.Create(ctx, auth.NewPerson{Email: "ono@marumado.example", Name: "小野 凪", Roles: []string{"analyst"}, State: auth.Active})
	if err != nil {
		t.Fatal(err)
	}
	approval, err := c.Ask(ctx, "alerts", id, 0, client.Asking{People: []client.Asked{{Person: analyst.Email}}, Note: "隔離してよいか"})
	if err != nil || approval.State != "waiting" {
		t.Fatalf("%+v, %v", approval, err)
	}
	if gone, err := c.Withdraw(ctx, "alerts", id, approval.ID, "済み"); err != nil || gone.State != "withdrawn" {
		t.Errorf("%+v, %v", gone, err)
	}
	if list := all(t, c.Approvals(ctx, "alerts", id)); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if waiting := all(t, c.WaitingApprovals(ctx)); len(waiting) != 0 {
		t.Errorf("%+v", waiting)
	}
}

// TestTheClientWorksOnLists saves a view, changes many at once and takes it back, and brings a list in.
func TestTheClientWorksOnLists(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	ctx := t.Context()
	c := f.program("alert.read", "alert.write", "rulesource.read", "rulesource.write")
	view, err := c.SaveView(ctx, "alerts", client.View{Name: "夜間", Query: "state=new"})
	if err != nil {
		t.Fatal(err)
	}
	view.Shared = true
	if view, err = c.SaveView(ctx, "alerts", view); err != nil || !view.Shared {
		t.Fatalf("%+v, %v", view, err)
	}
	if views := all(t, c.Views(ctx, "alerts")); len(views) != 1 {
		t.Errorf("%+v", views)
	}
	if err := c.RemoveView(ctx, "alerts", view.ID); err != nil {
		t.Error(err)
	}

	first := all(t, client.List[readAlert](ctx, c, "alerts", nil))[0]
	filter := "state=new"
	done, err := c.Bulk(ctx, "alerts", client.Bulk{Filter: &filter, Values: map[string]any{"owner": "me"}, AddTags: []string{"夜勤"}})
	if err != nil || done.Count < 5 || done.Undo == "" {
		t.Fatalf("%+v, %v", done, err)
	}
	if undone, err := c.UndoBulk(ctx, "alerts", done.Undo); err != nil || undone.Count != done.Count {
		t.Errorf("%+v, %v", undone, err)
	}
	if _, err := c.Bulk(ctx, "alerts", client.Bulk{IDs: []string{first.ID, "none"}, AddTags: []string{"x"}}); !client.IsCode(err, "not_found") {
		t.Errorf("one of the two is none: %v", err)
	}

	list := "title,kind\nものがたり,nowhere\n,\n"
	sent, err := c.SendList(ctx, "rulesources", "sources.csv", strings.NewReader(list))
	if err != nil || len(sent.Fields) != 2 || sent.Fields[0] != "title" {
		t.Fatalf("%+v, %v", sent, err)
	}
	checked, err := c.CheckImport(ctx, "rulesources", sent.ID, nil, false)
	if err != nil || checked.State != "checked" || checked.Fates["wrong"] != 1 {
		t.Fatalf("%+v, %v", checked, err)
	}
	if wrong := all(t, c.ImportLines(ctx, "rulesources", sent.ID, "wrong")); len(wrong) != 1 || len(wrong[0].Problems) == 0 || wrong[0].Problems[0].Message == "" {
		t.Errorf("%+v", wrong)
	}
	if done, err := c.RunImport(ctx, "rulesources", sent.ID); err != nil || done.State != "done" || done.Fates["wrong"] != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}
