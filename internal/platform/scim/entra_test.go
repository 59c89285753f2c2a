package scim_test

import (
	"net/url"
	"testing"

	"yagura/internal/platform/auth"
)

// The requests of "Tutorial: Develop and plan provisioning for a SCIM endpoint in Microsoft Entra ID" (Microsoft Learn), in the order
// in which the provisioning service sends them, and those of its older dialect, where "active" is the text "False".
func TestMicrosoftEntraID(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if r := h.find(`userName eq "non-existent user"`); r.at("totalResults") != 0.0 || r.at("Resources") == nil {
			t.Errorf("the test of the connection: %s", r.text)
		}
		made := h.want(201, "POST", "/Users", `{
			"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
			"externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "userName": "Test_User_00aa@testuser.example", "active": true,
			"emails": [{"primary": true, "type": "work", "value": "Test_User_11bb@testuser.example"}],
			"meta": {"resourceType": "User"}, "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
			"roles": []}`)
		id := made.id()
		if made.header.Get("Location") != "https://yagura.example/scim/v2/Users/"+id || made.header.Get("ETag") != made.at("meta.version") {
			t.Errorf("%v", made.header)
		}
		for path, want := range map[string]any{"userName": "Test_User_00aa@testuser.example", "active": true, "name.givenName": "givenName",
			"emails.0.value": "Test_User_11bb@testuser.example", "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "meta.resourceType": "User"} {
			if got := made.at(path); got != want {
				t.Errorf("%s: %v, want %v", path, got, want)
			}
		}
		for _, filter := range []string{`userName eq "Test_User_00aa@testuser.example"`, `externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`,
			`emails[type eq "work"].value eq "Test_User_11bb@testuser.example"`} {
			if r := h.find(filter); r.at("totalResults") != 1.0 || r.at("Resources.0.id") != id {
				t.Errorf("%s: %s", filter, r.text)
			}
		}
		changed := h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updatedEmail@testuser.example"},
			{"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"}`))
		if changed.at("emails.0.value") != "updatedEmail@testuser.example" || changed.at("name.familyName") != "updatedFamilyName" || changed.at("name.givenName") != "givenName" {
			t.Errorf("%s", changed.text)
		}
		h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "Replace", "path": "userName", "value": "5b50642d@testuser.example"}`))
		if p, err := h.Person(t.Context(), id); err != nil || p.Email != "5b50642d@testuser.example" {
			t.Errorf("%+v %v", p, err)
		}
		entraGroups(t, h, id)

		for _, off := range []string{`{"op": "Replace", "path": "active", "value": false}`, `{"op": "Replace", "path": "active", "value": "False"}`,
			`{"op": "replace", "value": {"active": "False"}}`} {
			if r := h.want(200, "PATCH", "/Users/"+id, patch(off)); r.at("active") != false {
				t.Errorf("%s: %s", off, r.text)
			}
			if p, _ := h.Person(t.Context(), id); p.State != auth.Disabled {
				t.Errorf("%s leaves the leaver %s", off, p.State)
			}
			if r := h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "Add", "path": "active", "value": "True"}`)); r.at("active") != true {
				t.Errorf("coming back: %s", r.text)
			}
		}
		h.want(204, "DELETE", "/Users/"+id, "")
		h.refused(404, "", "GET", "/Users/"+id, "")
		h.want(200, "GET", "/Schemas", "")
	})
}

func entraGroups(t *testing.T, h *house, person string) {
	t.Helper()
	id := h.want(201, "POST", "/Groups", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
		"externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "displayName", "meta": {"resourceType": "Group"}}`).id()
	h.want(200, "GET", "/Groups/"+id+"?excludedAttributes=members", "")
	if r := h.want(200, "GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(`displayName eq "displayName"`), ""); r.at("Resources.0.id") != id {
		t.Errorf("%s", r.text)
	}
	h.want(204, "PATCH", "/Groups/"+id, patch(`{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "`+person+`"}]}`))
	if got := h.rolesOf(person); got != "[]" {
		t.Errorf("a group that stands for nothing gives %s", got)
	}
	h.want(204, "PATCH", "/Groups/"+id, patch(`{"op": "Replace", "path": "displayName", "value": "CSIRT"}`))
	if got := h.rolesOf(person); got != "[{analyst scim}]" {
		t.Errorf("the group's new name gives %s", got)
	}
	h.want(204, "PATCH", "/Groups/"+id, patch(`{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "`+person+`"}]}`))
	if got := h.rolesOf(person); got != "[]" {
		t.Errorf("who has left the group keeps %s", got)
	}
	h.want(204, "DELETE", "/Groups/"+id, "")
	h.refused(404, "", "GET", "/Groups/"+id, "")
}
