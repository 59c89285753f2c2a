package app

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
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

// TestTheClientAtTheRealServer reads, changes and searches as a program of somebody else's does.
func TestTheClientAtTheRealServer(t *testing.T) {
	t.Parallel()
	f := furnish(t)
	server := httptest.NewServer(f.site.Handler())
	t.Cleanup(server.Close)
	everything := &auth.User{ID: f.admin.ID, Allowed: func(string) bool { return true }}
	_, token, err := f.Accounts.CreateToken(t.Context(), everything, auth.Token{
		Person: f.admin.ID, Name: "soar", Permissions: []string{"alert.read", "alert.write", "event.read"}, Expiry: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.URL, token, client.Options{Language: "ja"})
	if err != nil {
		t.Fatal(err)
	}
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
