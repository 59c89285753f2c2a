package scim_test

import (
	"net/url"
	"testing"

	"yagura/internal/platform/auth"
)

// The requests of "Okta and SCIM Version 2.0" (Okta Developer), in the order in which Okta sends them.
func TestOkta(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.want(200, "GET", "/Users?startIndex=1&count=2", "")
		if r := h.want(200, "GET", "/Users?filter="+url.QueryEscape(`userName eq "test.user@okta.local"`)+"&startIndex=1&count=100", ""); r.at("totalResults") != 0.0 {
			t.Fatal(r.text)
		}
		user := `"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "test.user@okta.local", "name": {"givenName": "Test", "familyName": "User"},
			"emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}], "displayName": "Test User", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
			"groups": [], "password": "1mz050nq"`
		made := h.want(201, "POST", "/Users", `{`+user+`, "active": true}`)
		id := made.id()
		if made.at("password") != nil {
			t.Error("a password was kept")
		}
		if r := h.want(200, "GET", "/Users/"+id, ""); r.at("displayName") != "Test User" {
			t.Errorf("%s", r.text)
		}
		// Updates come as the whole resource.
		if r := h.want(200, "PUT", "/Users/"+id, `{`+user+`, "id": "`+id+`", "active": true, "title": "Analyst"}`); r.at("title") != nil || r.at("name.givenName") != "Test" {
			t.Errorf("%s", r.text)
		}
		group := h.want(201, "POST", "/Groups", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Test SCIMv2", "members": []}`).id()
		h.want(204, "PATCH", "/Groups/"+group, patch(`{"op": "replace", "value": {"id": "`+group+`", "displayName": "CSIRT"}}`))
		h.want(204, "PATCH", "/Groups/"+group, patch(`{"op": "add", "path": "members", "value": [{"value": "`+id+`", "display": "test.user@okta.local"}]}`))
		if got := h.rolesOf(id); got != "[{analyst scim}]" {
			t.Errorf("the pushed group gives %s", got)
		}
		h.want(204, "PATCH", "/Groups/"+group, patch(`{"op": "remove", "path": "members[value eq \"`+id+`\"]"}`))
		if got := h.rolesOf(id); got != "[]" {
			t.Errorf("who has left the group keeps %s", got)
		}
		h.want(200, "PUT", "/Groups/"+group, `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "CSIRT", "members": [{"value": "`+id+`"}]}`)
		h.want(204, "DELETE", "/Groups/"+group, "")
		if got := h.rolesOf(id); got != "[]" {
			t.Errorf("a deleted group gives %s", got)
		}
		// Okta deactivates and never deletes.
		if r := h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "replace", "value": {"active": false}}`)); r.at("active") != false {
			t.Errorf("%s", r.text)
		}
		if p, _ := h.Person(t.Context(), id); p.State != auth.Disabled {
			t.Errorf("the leaver is %s", p.State)
		}
		if r := h.want(200, "PUT", "/Users/"+id, `{`+user+`, "active": true}`); r.at("active") != true {
			t.Errorf("%s", r.text)
		}
	})
}
