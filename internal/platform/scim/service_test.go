package scim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/scim"
)

const off = `{"op": "replace", "path": "active", "value": false}`

func TestALeaverLosesAccessAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		p, err := h.SetRoles(t.Context(), id, 0, auth.ByHand, []string{"analyst"})
		if err != nil {
			t.Fatal(err)
		}
		token := h.tokenFor(p, "alert.read")
		if !h.sees(token) {
			t.Fatal("the token opens nothing")
		}
		h.want(200, "PATCH", "/Users/"+id, patch(off))
		if h.sees(token) {
			t.Error("a leaver's token still opens")
		}
		h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "active", "value": true}`))
		if h.sees(token) {
			t.Error("coming back brings a revoked token back")
		}
		leaves, err := h.log.Recent(t.Context(), ledger.Filter{Table: "auth_person", Key: id})
		if err != nil || len(leaves.Items) < 3 {
			t.Fatalf("%+v %v", leaves, err)
		}
		if leaf := leaves.Items[1]; leaf.Action != "disable" || leaf.Actor != h.robot.ID {
			t.Errorf("the ledger says %+v", leaf)
		}
	})
}

func TestShuttingOutDoesNotFailForAnotherAttribute(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("boss@example.jp", "admin")
		id := h.person("rin@example.jp", "analyst").ID
		for _, more := range []string{
			`{"op": "replace", "path": "userName", "value": "0a21-rin@example.jp"}`, // roles by hand keep the address
			`{"op": "replace", "path": "userName", "value": "boss@example.jp"}`,
			`{"op": "add", "path": "phoneNumbers[type eq \"work\"].value", "value": "+81 3"}`,
			`{"op": "add", "path": "urn:example:unknown:User:x", "value": 1}`,
		} {
			r := h.want(200, "PATCH", "/Users/"+id, patch(more+","+off))
			if p, _ := h.Person(t.Context(), id); p.State != auth.Disabled || r.at("active") != false || r.at("userName") != "rin@example.jp" {
				t.Errorf("%s: %s, %s", more, p.State, r.text)
			}
			h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "active", "value": true}`))
		}
	})
}

func TestTheLastAdministratorStaysOne(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		admin := h.admin.ID
		h.refused(403, "", "PATCH", "/Users/"+admin, patch(off))
		h.refused(403, "", "PUT", "/Users/"+admin, `{"userName": "admin@example.jp", "active": false}`)
		h.refused(403, "", "DELETE", "/Users/"+admin, "")
		// Nor may the group go that makes somebody the last one.
		id := h.user("rin@example.jp")
		group := h.group("Administrators", id)
		if got := h.rolesOf(id); got != "[{admin scim}]" {
			t.Fatal(got)
		}
		h.want(200, "PATCH", "/Users/"+admin, patch(off))
		for _, r := range [][3]string{{"PATCH", "/Groups/" + group, patch(`{"op": "remove", "path": "members"}`)}, {"DELETE", "/Groups/" + group, ""},
			{"PATCH", "/Groups/" + group, patch(`{"op": "replace", "path": "displayName", "value": "Others"}`)}, {"DELETE", "/Users/" + id, ""}} {
			h.refused(403, "", r[0], r[1], r[2])
		}
		if r := h.want(200, "GET", "/Groups/"+group, ""); r.at("members.0.value") != id {
			t.Errorf("half of what was refused was kept: %s", r.text)
		}
	})
}

func TestWhatAnAdministratorDisabledStaysDisabled(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		if _, err := h.Disable(t.Context(), id, 0); err != nil {
			t.Fatal(err)
		}
		for _, r := range [][2]string{{"PATCH", patch(`{"op": "replace", "path": "active", "value": true}`)}, {"PUT", `{"userName": "rin@example.jp", "active": true}`}} {
			if got := h.want(200, r[0], "/Users/"+id, r[1]); got.at("active") != false {
				t.Errorf("%s: %s", r[0], got.text)
			}
		}
	})
}

func TestAnAddressIsNotTakenOver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.refused(400, "mutability", "PATCH", "/Users/"+h.admin.ID, patch(`{"op": "replace", "path": "userName", "value": "mallory@example.jp"}`))
		id := h.user("rin@example.jp")
		h.refused(409, "uniqueness", "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "userName", "value": "ADMIN@example.jp"}`))
		h.refused(409, "uniqueness", "POST", "/Users", `{"userName": "Rin@Example.jp"}`)
		h.refused(409, "uniqueness", "POST", "/Users", `{"userName": "directory@example.jp"}`)
		h.refused(409, "uniqueness", "POST", "/Users", `{"userName": "ken@example.jp", "externalId": "of-rin@example.jp"}`)
	})
}

func TestWhoWasDeletedComesBackAsThemselvesOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		group := h.group("CSIRT", id)
		h.want(204, "DELETE", "/Users/"+id, "")
		for _, method := range []string{"GET", "DELETE"} {
			h.refused(404, "", method, "/Users/"+id, "")
		}
		h.refused(404, "", "PATCH", "/Users/"+id, patch(off))
		if r := h.find(`userName eq "rin@example.jp"`); r.at("totalResults") != 0.0 {
			t.Error(r.text)
		}
		if r := h.want(200, "GET", "/Groups/"+group, ""); r.at("members") != nil {
			t.Error(r.text)
		}
		p, err := h.Person(t.Context(), id)
		if err != nil || p.State != auth.Disabled || p.Email != "rin@example.jp" || p.External.ID != "" || len(p.Roles) != 0 {
			t.Errorf("%+v %v", p, err)
		}
		// A newcomer who was given the address is somebody else.
		h.refused(409, "uniqueness", "POST", "/Users", `{"userName": "rin@example.jp", "externalId": "somebody-else"}`)
		h.refused(409, "uniqueness", "POST", "/Users", `{"userName": "rin@example.jp"}`)
		back := h.want(201, "POST", "/Users", `{"userName": "rin@example.jp", "externalId": "of-rin@example.jp"}`)
		if p, _ := h.Person(t.Context(), id); back.id() != id || p.State != auth.Active || p.External.ID != "of-rin@example.jp" {
			t.Errorf("%s %+v", back.text, p)
		}
	})
}

func TestErasingForgetsWhatTheDirectorySaid(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		h.group("CSIRT", id)
		if _, err := h.Erase(t.Context(), id, 0); err != nil {
			t.Fatal(err)
		}
		h.refused(404, "", "GET", "/Users/"+id, "")
		if again := h.user("rin@example.jp"); again == id {
			t.Error("who was erased came back")
		}
	})
}

func TestPeopleWhoWereThereBeforeAreFound(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		soc, err := h.SaveUnit(t.Context(), auth.Unit{Code: "SOC", Name: "監視室", NameEn: "Operations"})
		if err != nil {
			t.Fatal(err)
		}
		p := h.person("rin@example.jp", "employee")
		found := h.find(`userName eq "RIN@example.jp"`)
		if found.at("Resources.0.id") != p.ID || found.at("Resources.0.displayName") != "田中 倫" || found.at("Resources.0.active") != true {
			t.Fatal(found.text)
		}
		h.want(200, "PATCH", "/Users/"+p.ID, patch(`{"op": "Add", "path": "externalId", "value": "0a21"},
			{"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "監視室"},
			{"op": "Replace", "value": {"displayName": "田中 凛", "name.familyName": "田中"}}`))
		p, _ = h.Person(t.Context(), p.ID)
		if p.External.ID != "0a21" || p.Unit != soc.ID || p.Name != "田中 凛" || fmt.Sprint(p.Roles) != "[{employee local}]" {
			t.Errorf("%+v", p)
		}
		// A department that is no unit of ours leaves the person where they are.
		h.want(200, "PATCH", "/Users/"+p.ID, patch(`{"op": "replace", "path": "department", "value": "Moon base"}`))
		if p, _ = h.Person(t.Context(), p.ID); p.Unit != soc.ID {
			t.Errorf("%+v", p)
		}
		// What an administrator calls somebody stays until the directory says something new.
		name := "田中"
		if _, err := h.Update(t.Context(), p.ID, 0, auth.Change{Name: &name}); err != nil {
			t.Fatal(err)
		}
		h.want(200, "PATCH", "/Users/"+p.ID, patch(`{"op": "replace", "path": "name.givenName", "value": "凛"}`))
		if p, _ = h.Person(t.Context(), p.ID); p.Name != name {
			t.Errorf("%+v", p)
		}
	})
}

func TestGroupsGiveTheirRolesAndNoOther(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.person("rin@example.jp", "employee").ID
		h.group("Emperors", id) // a role that does not exist
		h.group("Whoever", id)  // a group that stands for nothing
		if got := h.rolesOf(id); got != "[{employee local}]" {
			t.Error(got)
		}
		h.group("CSIRT", id)
		if got := h.rolesOf(id); got != "[{analyst scim} {employee local}]" {
			t.Error(got)
		}
		h.refused(409, "uniqueness", "POST", "/Groups", `{"displayName": "csirt"}`)
		h.refused(400, "invalidValue", "POST", "/Groups", `{"displayName": "More", "members": [{"value": "nobody"}]}`)
		h.refused(400, "invalidValue", "POST", "/Groups", `{"displayName": "More", "members": [{"value": "`+id+`", "type": "Group"}]}`)
		h.refused(400, "invalidValue", "POST", "/Groups", `{"displayName": "More", "members": [{"value": "`+h.robot.ID+`"}]}`)
		if r := h.want(200, "GET", "/Users/"+id, ""); r.at("groups.2.display") != "CSIRT" {
			t.Error(r.text)
		}
		if r := h.find(`groups.display eq "CSIRT"`); r.at("totalResults") != 1.0 {
			t.Error(r.text)
		}
		// After the mapping was changed, a start gives everybody what it says.
		other := scim.New(scim.Options{DB: h.db, Accounts: h.Accounts, Ledger: h.log})
		if err := other.Reconcile(t.Context()); err != nil {
			t.Error(err)
		}
		if got := h.rolesOf(id); got != "[{employee local}]" {
			t.Error(got)
		}
	})
}

func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		group := h.group("CSIRT")
		for _, place := range []struct{ path, change string }{
			{"/Groups/" + group, patch(`{"op": "replace", "path": "members", "value": [{"value": "` + id + `"}]}`)},
			{"/Users/" + id, patch(`{"op": "replace", "path": "name.givenName", "value": "Rin"}`)},
		} {
			version := h.want(200, "GET", place.path, "").header.Get("ETag")
			h.want(304, "GET", place.path, "", "If-None-Match: "+version)
			if r := h.ask("PATCH", place.path, place.change, "If-Match: "+version); r.status != 200 && r.status != 204 {
				t.Errorf("%s: %s", place.path, r.text)
			}
			for _, method := range []string{"PATCH", "PUT"} {
				body := map[string]string{"PATCH": place.change, "PUT": `{"userName": "rin@example.jp", "displayName": "CSIRT"}`}[method]
				h.refused(412, "", method, place.path, body, "If-Match: "+version)
			}
			h.refused(412, "", "DELETE", place.path, "", "If-Match: "+version)
			h.want(204, "DELETE", place.path, "", "If-Match: *")
		}
	})
}

func TestPages(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, name := range []string{"c", "a", "b"} {
			h.user(name + "@example.jp")
		}
		for query, want := range map[string]string{
			"startIndex=2&count=2":  "4 2 2 c a",
			"startIndex=-3&count=1": "4 1 1 admin",
			"count=0":               "4 1 0",
			"startIndex=9":          "4 9 0",
			"sortBy=userName":       "4 1 4 a admin b c",
			"sortBy=userName&sortOrder=descending&count=2&startIndex=2":           "4 2 2 b admin",
			"filter=" + url.QueryEscape(`userName lt "b" or userName sw "c"`):     "3 1 3 admin c a",
			"filter=" + url.QueryEscape(`meta.created gt "2001-01-01T00:00:00Z"`): "4 1 4 admin c a b",
		} {
			r := h.want(200, "GET", "/Users?"+query, "")
			got := fmt.Sprintf("%v %v %v", r.at("totalResults"), r.at("startIndex"), r.at("itemsPerPage"))
			for _, one := range r.body["Resources"].([]any) {
				name, _, _ := strings.Cut(fmt.Sprint(one.(map[string]any)["userName"]), "@")
				got += " " + name
			}
			if got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		r := h.want(200, "GET", "/Users?attributes=userName,emails.type", "")
		if r.at("Resources.0.userName") == nil || r.at("Resources.0.active") != nil || r.at("Resources.0.emails.0.type") != "work" || r.at("Resources.0.emails.0.value") != nil {
			t.Error(r.text)
		}
		r = h.want(200, "GET", "/Users?excludedAttributes=emails,id,active", "")
		if r.at("Resources.0.emails") != nil || r.at("Resources.0.active") != nil || r.at("Resources.0.id") == nil {
			t.Error(r.text)
		}
		for query, kind := range map[string]string{
			"filter=userName": "invalidFilter", "filter=" + url.QueryEscape(`active gt true`): "invalidFilter", "count=many": "invalidValue",
			"sortBy=" + url.QueryEscape("a b"): "invalidValue", "attributes=a&excludedAttributes=b": "invalidValue", "filter=%ff": "invalidFilter",
		} {
			h.refused(400, kind, "GET", "/Users?"+query, "")
		}
	})
}

func TestHostileBodies(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		id := h.user("rin@example.jp")
		for body, kind := range map[string]string{
			``: "", `[]`: "invalidSyntax", `null`: "invalidSyntax", `{`: "invalidSyntax", `{} {}`: "invalidSyntax",
			`{"userName": "ken@example.jp", "USERNAME": "admin@example.jp"}`:                                  "invalidSyntax",
			strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000):                               "invalidSyntax",
			`{"displayName": "nobody"}`:                                                                       "invalidValue",
			`{"userName": 7}`:                                                                                 "invalidValue",
			`{"userName": "no address"}`:                                                                      "invalidValue",
			`{"userName": "ken@example.jp", "active": "perhaps"}`:                                             "invalidValue",
			`{"userName": "ken@example.jp", "displayName": "\u0000"}`:                                         "invalidValue",
			`{"userName": "ken@example.jp", "externalId": "\u0000"}`:                                          "invalidValue",
			`{"userName": "ken@example.jp", "name": "Ken"}`:                                                   "invalidValue",
			`{"userName": "ken@example.jp", "emails": [[["x"]]]}`:                                             "invalidValue",
			`{"userName": "ken@example.jp", "emails": [` + strings.Repeat(`"a",`, 50) + `"b"]}`:               "invalidValue",
			`{"userName": "ken@example.jp", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": 1}`: "invalidValue",
		} {
			if body == "" {
				h.refused(415, "", "POST", "/Users", "")
				continue
			}
			h.refused(400, kind, "POST", "/Users", body)
		}
		h.refused(415, "", "POST", "/Users", `{"userName": "ken@example.jp"}`, "Content-Type: text/plain")
		h.refused(413, "", "POST", "/Users", `{"userName": "`+strings.Repeat("x", 1<<20)+`"}`)
		h.refused(413, "", "POST", "/Users", `{"userName": "ken@example.jp", "displayName": "Ken", "name": {"formatted": "`+strings.Repeat("x", 20_000)+`"}}`)
		for operations, kind := range map[string]string{
			``: "invalidSyntax", `1`: "invalidSyntax", `{"op": "move", "path": "active"}`: "invalidSyntax", `{"op": "remove"}`: "noTarget",
			`{"op": "replace", "value": 1}`: "invalidValue", `{"op": "replace", "path": 1}`: "invalidPath", `{"op": "replace", "path": "emails[", "value": 1}`: "invalidPath",
			`{"op": "replace", "path": "name[familyName eq \"x\"]", "value": {}}`: "invalidPath", `{"op": "replace", "path": "id", "value": "x"}`: "mutability",
			`{"op": "replace", "path": "groups", "value": []}`: "mutability", `{"op": "replace", "path": "emails[not (type eq \"work\")].value", "value": "x"}`: "noTarget",
			`{"op": "replace", "path": "active", "value": {"a": 1}}`: "invalidValue", `{"op": "remove", "path": "userName"}`: "invalidValue",
		} {
			if kind == "noTarget" && strings.Contains(operations, "emails") {
				h.want(200, "PATCH", "/Users/"+id, patch(`{"op": "remove", "path": "emails"}`))
			}
			h.refused(400, kind, "PATCH", "/Users/"+id, patch(operations))
		}
		for _, path := range []string{"/Users/%00", "/Users/%ff", "/Groups/%00", "/Groups/none", "/Users/" + h.robot.ID} {
			h.refused(404, "", "GET", path, "")
		}
		if r := h.find(`externalId eq "\u0000"`); r.at("totalResults") != 0.0 {
			t.Error(r.text)
		}
		if r := h.want(200, "GET", "/Users", ""); r.at("totalResults") != 2.0 {
			t.Errorf("something hostile was kept: %s", r.text)
		}
	})
}

func TestOnlyATokenOfTheScopeGetsIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := h.tokenFor(h.admin, "alert.read")
		for _, route := range h.service.Module().Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			path = strings.TrimPrefix(strings.ReplaceAll(path, "{id}", h.admin.ID), "/scim/v2")
			if r := h.ask(method, path, "", "Authorization: Bearer "+other); r.status != http.StatusForbidden {
				t.Errorf("%s answers a token of another scope with %d", route.Pattern, r.status)
			}
			if r := h.ask(method, path, "", "Authorization: Bearer ygp_none"); r.status != http.StatusUnauthorized || r.at("schemas.0") != "urn:ietf:params:scim:api:messages:2.0:Error" {
				t.Errorf("%s answers an invented token with %d", route.Pattern, r.status)
			}
			if route.Permission != scim.MayWrite {
				t.Errorf("%s asks for %q", route.Pattern, route.Permission)
			}
		}
		if _, err := h.Disable(t.Context(), h.robot.ID, 0); err != nil {
			t.Fatal(err)
		}
		h.refused(401, "", "GET", "/Users", "")
		if _, err := h.Person(t.Context(), h.robot.ID); fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	})
}

func TestWhatTheServiceSaysOfItself(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		config := h.want(200, "GET", "/ServiceProviderConfig", "")
		if config.at("bulk.supported") != false || config.at("patch.supported") != true || config.at("filter.supported") != true || config.at("etag.supported") != true {
			t.Error(config.text)
		}
		h.refused(501, "", "POST", "/Bulk", `{}`)
		h.refused(501, "", "GET", "/Me", "")
		if r := h.want(200, "GET", "/ResourceTypes", ""); r.at("totalResults") != 2.0 || r.at("Resources.1.endpoint") != "/Groups" {
			t.Error(r.text)
		}
		if r := h.want(200, "GET", "/ResourceTypes/User", ""); r.at("schemaExtensions.0.schema") != "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User" {
			t.Error(r.text)
		}
		if r := h.want(200, "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", ""); r.at("attributes.0.name") != "userName" || r.at("attributes.0.uniqueness") != "server" {
			t.Error(r.text)
		}
		h.refused(404, "", "GET", "/Schemas/urn:none", "")
		h.refused(403, "", "GET", "/Schemas?filter=id%20pr", "")
	})
}

// TestRefusalsBeforeTheServiceAreInItsWords asks for what the site answers, with and without the wrapping.
func TestRefusalsBeforeTheServiceAreInItsWords(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.refused(404, "", "GET", "/Nothing", "")
		h.refused(405, "", "PUT", "/Users", `{}`)
		other := h.tokenFor(h.admin, "alert.read")
		h.refused(403, "", "GET", "/Users", "", "Authorization: Bearer "+other)
		if r := h.ask("PUT", "/Users", `{}`); r.header.Get("Allow") == "" || r.body["detail"] == "" {
			t.Errorf("what was said is lost: %v %s", r.header, r.text)
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/scim/v2x", nil)
		r.RemoteAddr = "192.0.2.1:1000"
		w := httptest.NewRecorder()
		scim.Worded(h.site.Handler()).ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("another path's refusal comes as %s", got)
		}
	})
}
