package account_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/account"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/oidc/oidctest"
)

// signOn opens a house whose people also sign in through a provider that nobody here wrote.
func signOn(t *testing.T, roles []string, mfa []string, policy auth.ExternalPolicy) (*house, *oidctest.Provider) {
	t.Helper()
	var provider *oidctest.Provider
	h := newHouse(t, func(h *house, opt *account.Options) {
		provider = oidctest.Start(t, h.address+"/signin/oidc")
		p, err := oidc.New(oidc.Options{Issuer: provider.Issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
			RedirectURL: h.address + "/signin/oidc", Scopes: []string{"profile", "email"}, GroupsClaim: "groups", MFA: mfa})
		if err != nil {
			t.Fatal(err)
		}
		mapped, err := oidc.RolesOf(roles)
		if err != nil {
			t.Fatal(err)
		}
		opt.OIDC = &account.OIDC{Provider: p, Issuer: provider.Issuer, Name: "Example ID", Roles: mapped, Policy: policy}
	})
	return h, provider
}

// signInAs goes through the provider and comes back.
func (b *browser) signInAs(provider *oidctest.Provider, start, name string) page {
	b.h.t.Helper()
	begun := b.get(start)
	if !strings.HasPrefix(begun.to, provider.Issuer) {
		b.h.t.Fatalf("%s: %d to %q", start, begun.status, begun.to)
	}
	return b.get("/signin/oidc?" + provider.SignIn(b.h.t, begun.to, name).Encode())
}

func TestTheCompanysRolesReplaceOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	h, provider := signOn(t, []string{"CSIRT=analyst"}, nil, auth.ExternalPolicy{Create: true})
	b := h.browser()
	if p := b.signInAs(provider, "/signin/oidc/start?next=/alerts", "tanaka"); p.to != "/alerts" {
		t.Fatalf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	if _, ok := b.cookies()["yagura_oidc"]; ok {
		t.Error("the flow is still in the browser")
	}
	if p := b.get("/alerts"); !strings.Contains(p.text, "alerts of tanaka@example.co.jp") {
		t.Errorf("%d %s", p.status, p.text)
	}
	who, err := h.PersonBySubject(t.Context(), provider.Issuer, "tanaka")
	if err != nil || !slices.Equal(who.Roles, []auth.Role{{Name: "analyst", Origin: auth.OIDC}}) {
		t.Fatalf("%+v %v", who, err)
	}
	if _, err := h.SetRoles(t.Context(), who.ID, who.Version, auth.ByHand, []string{"employee"}); err != nil {
		t.Fatal(err)
	}
	h.browser().signInAs(provider, "/signin/oidc/start", "tanaka")
	who, err = h.Person(t.Context(), who.ID)
	if err != nil || !slices.Equal(who.RoleNames(), []string{"analyst", "employee"}) {
		t.Errorf("%+v %v", who.Roles, err)
	}
	if p := b.get("/account/password"); !strings.Contains(p.text, "You sign in without a password") {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
}

func TestIdentitiesOfNobodyHere(t *testing.T) {
	t.Parallel()
	h, provider := signOn(t, nil, nil, auth.ExternalPolicy{Link: true})
	b := h.browser()
	if p := b.signInAs(provider, "/signin/oidc/start?next=/alerts", "suzuki"); p.status != http.StatusUnprocessableEntity ||
		!strings.Contains(p.text, "Nobody here may sign in with that company account.") || value(p.text, "next") != "/alerts" {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	tanaka := h.person("tanaka@example.co.jp", "analyst")
	if p := b.signInAs(provider, "/signin/oidc/start", "tanaka"); p.to != "/" {
		t.Fatalf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	if linked, err := h.PersonBySubject(t.Context(), provider.Issuer, "tanaka"); err != nil || linked.ID != tanaka.ID {
		t.Errorf("%+v %v", linked, err)
	}
	tanaka, err := h.Person(t.Context(), tanaka.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Disable(t.Context(), tanaka.ID, tanaka.Version); err != nil {
		t.Fatal(err)
	}
	if p := b.signInAs(provider, "/signin/oidc/start", "tanaka"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("who is disabled comes in: %d to %q", p.status, p.to)
	}
}

func TestWhereTheProviderProvesNoSecondFactorOurOwnIsDue(t *testing.T) {
	t.Parallel()
	h, provider := signOn(t, []string{"CSIRT=admin"}, []string{"a factor it never proves"}, auth.ExternalPolicy{Create: true})
	b := h.browser()
	if p := b.signInAs(provider, "/signin/oidc/start?next=/alerts", "tanaka"); p.to != "/alerts" || b.follow(p).to != "/account/second-factor?next=%2Falerts" {
		t.Fatalf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	secret, _ := b.registerApp()
	if p := b.get("/alerts"); p.status != http.StatusOK {
		t.Errorf("%d to %q", p.status, p.to)
	}
	again := h.browser()
	if p := again.signInAs(provider, "/signin/oidc/start?next=/alerts", "tanaka"); p.to != "/signin/factor?next=%2Falerts" {
		t.Fatalf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	if p := again.get("/alerts"); p.status == http.StatusOK {
		t.Error("half a sign-in opens the page")
	}
	if p := again.post("/signin/factor", "code", h.code(secret), "next", "/alerts"); p.to != "/alerts" {
		t.Errorf("%d to %q", p.status, p.to)
	}
}

func TestAFreshProofByTheProvider(t *testing.T) {
	t.Parallel()
	h, provider := signOn(t, []string{"CSIRT=analyst", "Sales=analyst"}, nil, auth.ExternalPolicy{Create: true})
	h.advance(-11 * time.Minute) // the provider's clock cannot be moved
	b := h.browser()
	b.signInAs(provider, "/signin/oidc/start", "tanaka")
	h.browser().signInAs(provider, "/signin/oidc/start", "suzuki")
	h.advance(11 * time.Minute)
	if p := b.get("/account/tokens/new"); p.to != "/signin/confirm?next=%2Faccount%2Ftokens%2Fnew" || !strings.Contains(b.follow(p).text, "/signin/confirm/oidc?next=%2Faccount%2Ftokens%2Fnew") {
		t.Fatalf("%d to %q", p.status, p.to)
	}
	if p := b.get("/signin/confirm/oidc"); !strings.Contains(p.to, "prompt=login") {
		t.Errorf("the provider is not told to ask anew: %s", p.to)
	}
	if p := b.signInAs(provider, "/signin/confirm/oidc?next=/account/tokens/new", "suzuki"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "another person") {
		t.Errorf("somebody else's proof: %d to %q\n%s", p.status, p.to, main(p.text))
	}
	h.mu.Lock()
	if e := h.events[len(h.events)-1]; !e.Failed || e.Reason != "other" || e.Person == "" {
		t.Errorf("the event of somebody else's proof: %+v", e)
	}
	h.mu.Unlock()
	if p := b.get("/account/tokens/new"); p.status == http.StatusOK {
		t.Error("somebody else's proof counts")
	}
	if p := b.get("/account"); !strings.Contains(p.text, "tanaka@example.co.jp") {
		t.Error("the session has become somebody else's")
	}
	if p := b.signInAs(provider, "/signin/confirm/oidc?next=/account/tokens/new", "tanaka"); p.to != "/account/tokens/new" || b.follow(p).status != http.StatusOK {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
}

func TestAnswersThatBelongToNoSignInOfThisBrowser(t *testing.T) {
	t.Parallel()
	h, provider := signOn(t, nil, nil, auth.ExternalPolicy{Create: true})
	victim, attacker := h.browser(), h.browser()
	answer := provider.SignIn(t, attacker.get("/signin/oidc/start").to, "suzuki").Encode()
	refused := func(name string, b *browser, query string) {
		t.Helper()
		p := b.get("/signin/oidc?" + query)
		if p.status != http.StatusUnprocessableEntity || b.cookies()["yagura_session"] != "" {
			t.Errorf("%s: %d to %q\n%s", name, p.status, p.to, main(p.text))
		}
	}
	refused("an answer without a flow", victim, answer)
	victim.get("/signin/oidc/start")
	refused("another browser's answer", victim, answer)
	refused("no answer at all", victim, "")
	h.mu.Lock()
	for _, e := range h.events {
		if e.Action != "signin" || !e.Failed || e.Method != "oidc" || e.Reason != "refused" || e.Address == "" || e.Time.IsZero() {
			t.Errorf("the event of a refusal: %+v", e)
		}
	}
	if len(h.events) != 3 {
		t.Errorf("3 refusals made %d security events", len(h.events))
	}
	h.mu.Unlock()
	u, _ := url.Parse(h.address)
	for _, forged := range []string{"s1.aaaa.bbbb", `{"s":"x"}`, strings.Repeat("A", 3000)} {
		victim.client.Jar.SetCookies(u, []*http.Cookie{{Name: "yagura_oidc", Value: url.QueryEscape(forged), Path: "/"}})
		refused("a forged flow", victim, answer)
	}
	victim.get("/signin/oidc/start")
	refused("a refusal without a state", victim, "error=access_denied")
	if p := attacker.get("/signin/oidc?" + answer); p.to != "/" {
		t.Fatalf("the browser's own answer: %d to %q\n%s", p.status, p.to, main(p.text))
	}
	replay := h.browser()
	refused("the answer again", replay, answer)
	for _, next := range []string{"//evil.example", "/alerts?q=" + strings.Repeat("x", 4000)} {
		if p := h.browser().signInAs(provider, "/signin/oidc/start?next="+url.QueryEscape(next), "suzuki"); p.to != "/" {
			t.Errorf("%.30s: %d to %q", next, p.status, p.to)
		}
	}
}

func TestAProviderThatIsDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(h *house, opt *account.Options) {
		p, err := oidc.New(oidc.Options{Issuer: "http://127.0.0.1:1/", ClientID: "yagura"})
		if err != nil {
			t.Fatal(err)
		}
		opt.OIDC = &account.OIDC{Provider: p, Issuer: "http://127.0.0.1:1/"}
	})
	b := h.browser()
	if p := b.get("/signin/oidc/start?next=/alerts"); p.status != http.StatusServiceUnavailable || value(p.text, "next") != "/alerts" {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
	without := newHouse(t, nil).browser()
	for _, path := range []string{"/signin/oidc/start", "/signin/oidc"} {
		if p := without.get(path); p.status != http.StatusNotFound {
			t.Errorf("%s without single sign-on: %d", path, p.status)
		}
	}
}
