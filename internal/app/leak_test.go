package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/seal/leaktest"
)

// visitor is a browser at the whole server, with nobody's word for who it is.
type visitor struct {
	*house
	cookies map[string]string
}

func (v *visitor) send(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	v.site.Handler().ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.cookies[c.Name] = c.Value
	}
	return w
}

// found is what an answer shows by an expression's first group.
func (v *visitor) found(w *httptest.ResponseRecorder, expression string) string {
	v.t.Helper()
	found := regexp.MustCompile(expression).FindStringSubmatch(w.Body.String())
	if found == nil {
		v.t.Fatalf("status %d, to %q, and no %s: %s", w.Code, w.Header().Get("Location"), expression, w.Body)
	}
	return found[1]
}

// TestPlantedSecretsShowNowhere has an administrator set the whole program up with secrets of every kind, opens every page, makes errors,
// exports and proves, and looks for the secrets in all that the program said, logged and kept.
func TestPlantedSecretsShowNowhere(t *testing.T) {
	t.Parallel()
	plants := leaktest.New()
	h := newHouseWith(t, plants.Watch(t, "the log"), map[string]string{
		"mail.server": "127.0.0.1:1", "mail.user": "relay", "mail.from": "yagura@example.jp", "mail.password": plants.Secret("the relay's password"),
		"oidc.issuer": "https://127.0.0.1:1", "oidc.client_id": "yagura", "oidc.client_secret": plants.Secret("the client's secret"),
	})
	admin := &visitor{h, make(map[string]string)}
	ticket, err := h.Accounts.SetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plants.Add("the setup link", ticket)
	plants.Add("this machine's token", h.Accounts.LocalToken())
	password := plants.Secret("the password")
	admin.send("GET", "/setup?ticket="+ticket, nil)
	admin.send("POST", "/setup", url.Values{"name": {"Aoki"}, "email": {"aoki@example.jp"}, "new": {password}, "again": {password}})
	page := admin.send("GET", "/account/second-factor/app", nil)
	seed := strings.ReplaceAll(admin.found(page, `class="secret">([A-Z2-7 ]+)<`), " ", "")
	code, err := totp.GenerateCode(seed, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	plants.Add("the seed of one-time codes", seed)
	recovery := admin.found(admin.send("POST", "/account/second-factor/app", url.Values{"enrolment": {admin.found(page, `name="enrolment" value="([^"]+)"`)}, "code": {code}}), `([a-z2-7]{6}-[a-z2-7]{6}-[a-z2-7]{6}-[a-z2-7]{6})`)
	plants.Add("a recovery code", recovery)
	plants.Add("a recovery code without hyphens", strings.ReplaceAll(recovery, "-", ""))
	token := admin.found(admin.send("POST", "/account/tokens", url.Values{"name": {"script"}, "days": {"30"}, "scope": {"people.read", "alert.read"}}), `(ygp_[A-Z2-7]{33})`)
	plants.Add("an API token", token)
	plants.Add("a sender's token", admin.found(admin.send("POST", "/sources/-/tokens", url.Values{"name": {"pc"}, "kind": {"winlogbeat"}}), `(ygt_[\w-]{40,})`))
	for name, value := range admin.cookies {
		if len(value) > 20 {
			plants.Add("the cookie "+name, value)
		}
	}
	invited := admin.send("POST", "/people", url.Values{"name": {"Ito"}, "email": {"ito@example.jp"}, "role": {"employee"}})
	if invited.Code != http.StatusSeeOther {
		t.Fatalf("inviting: %d %s", invited.Code, invited.Body)
	}

	look := func(what string, w *httptest.ResponseRecorder) {
		t.Helper()
		plants.Check(t, what, w.Body.Bytes())
		for name, values := range w.Header() {
			if name != "Set-Cookie" {
				plants.CheckText(t, what+", "+name, values)
			}
		}
	}
	for _, m := range h.site.Modules() {
		for _, route := range m.Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			if method == http.MethodGet && path != "/search/tail" {
				look(route.Pattern, admin.send(method, fill(path), nil))
				look(route.Pattern+", as a program", (&visitor{h, map[string]string{}}).send(method, fill(path), nil, "Authorization", "Bearer "+token, "Accept", "application/json"))
			}
		}
	}
	guest := &visitor{h, make(map[string]string)}
	wrong := plants.Secret("a password of somebody else")
	look("a wrong password", guest.send("POST", "/signin", url.Values{"name": {"aoki@example.jp"}, "password": {wrong}}))
	look("a secret as a name", guest.send("POST", "/people/"+token, url.Values{"name": {wrong}}, "Accept", "application/json"))
	look("a secret as a field", guest.send("POST", "/signin?password="+wrong, url.Values{"name": {"x@example.jp"}, "password": {strings.Repeat(wrong, 5000)}}))
	look("a token that is none", guest.send("GET", "/api/v1/people", nil, "Authorization", "Bearer "+wrong, "Accept", "application/json"))
	look("a link that is none", guest.send("GET", "/reset?ticket="+wrong, nil))
	look("the provider is down", guest.send("GET", "/signin/oidc/start", nil))

	leaves, err := h.Ledger.Recent(t.Context(), ledger.Filter{Limit: 200})
	if err != nil || len(leaves.Items) < 10 {
		t.Fatal(len(leaves.Items), err)
	}
	for _, leaf := range leaves.Items {
		proof, err := h.Ledger.Prove(db.WithActor(t.Context(), "local"), leaf.Table, leaf.Key, leaf.Digest != "")
		if err != nil { // of rows that are gone
			plants.CheckText(t, "the proof of "+leaf.Table, err)
			continue
		}
		text, err := proof.Encode()
		if err != nil {
			t.Fatal(err)
		}
		plants.Check(t, "the proof of "+leaf.Table, text)
	}
	if err := h.Mail.Probe(t.Context()); err == nil {
		t.Error("there is a mail server")
	} else {
		plants.CheckText(t, "the mail server's error", err)
	}
	plants.CheckText(t, "the configuration", h.Config)
	plants.CheckDB(t, h.DB)
	plants.CheckFiles(t, h.Config.Data)
}
