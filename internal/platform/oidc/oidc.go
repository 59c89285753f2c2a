// Package oidc signs people in through the company's OpenID provider: OpenID Connect Core 1.0, the authorization code flow
// with PKCE (RFC 7636, S256).
//
// What it promises: an identity is believed only from an ID token that the configured issuer signed for this client, that has
// not expired, that carries the nonce of this very sign-in, and that came for a code asked for by this very browser (state,
// verifier). Algorithms that sign nothing or with the client's own secret are refused, as is an answer that names another
// issuer (RFC 9207). A provider that is down costs its sign-ins only: it is asked for its configuration when it is first
// needed, and again after a failure.
package oidc

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"yagura/internal/platform/fault"
)

const (
	// flowLimit is how long somebody may take to sign in at the provider.
	flowLimit = 10 * time.Minute
	// timeout bounds each question to the provider, maxAnswer its answer.
	timeout   = 10 * time.Second
	maxAnswer = 1 << 20
	// clockSkew is how far the provider's clock may be from ours.
	clockSkew = time.Minute
	maxGroups = 1000
)

// algorithms are the signatures that are believed: asymmetric ones. HMAC would make everybody who knows the client's secret a
// provider, "none" everybody.
func algorithms() []string {
	return []string{gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.EdDSA}
}

// Options is what the provider was told of us, and we of it.
type Options struct {
	Issuer       string
	ClientID     string
	ClientSecret string // "" for a public client
	RedirectURL  string // <public URL>/signin/oidc
	Scopes       []string
	GroupsClaim  string   // the claim that lists groups; "" reads none
	MFA          []string // values of amr (RFC 8176) that prove a second factor; none: every sign-in of the provider does
	Now          func() time.Time
	Transport    http.RoundTripper // nil is http.DefaultTransport
}

// Identity is who the provider says it is.
type Identity struct {
	Issuer, Subject string // together they name a person for good
	Email           string
	EmailVerified   bool
	Name            string
	Groups          []string
	MFA             bool      // a second factor was proved
	AuthTime        time.Time // when the provider saw the person prove it; the sign-in's own time where it does not say
}

// Flow is one sign-in under way. It is kept, sealed, in the browser that began it.
type Flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Next     string    `json:"p"` // where to go afterwards
	Began    time.Time `json:"t"`
	Fresh    bool      `json:"f"` // the person must prove it anew
}

// Provider is the OpenID provider. Safe for concurrent use.
type Provider struct {
	opt    Options
	client *http.Client

	mu    sync.Mutex
	known *discovered
}

type discovered struct {
	provider *gooidc.Provider
	oauth    oauth2.Config
}

// New makes a provider; it asks it nothing yet.
func New(opt Options) (*Provider, error) {
	issuer, err := url.Parse(opt.Issuer)
	if err != nil || issuer.Scheme != "https" && !loopback(issuer) || issuer.Host == "" {
		return nil, fault.New(fault.Invalid, "fault.oidc.issuer", "oidc.issuer: %q is no https address", opt.Issuer)
	}
	if opt.ClientID == "" {
		return nil, fault.New(fault.Invalid, "fault.oidc.client", "oidc.client_id is missing")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Transport == nil {
		opt.Transport = http.DefaultTransport
	}
	if !slices.Contains(opt.Scopes, gooidc.ScopeOpenID) {
		opt.Scopes = append([]string{gooidc.ScopeOpenID}, opt.Scopes...)
	}
	return &Provider{opt: opt, client: &http.Client{
		Timeout: timeout, Transport: bounded{opt.Transport},
		// None of a provider's own addresses redirects (OpenID Connect Discovery 1.0, RFC 6749): one that does leads our secret
		// and our questions to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// loopback allows a provider on this machine without TLS.
func loopback(u *url.URL) bool {
	return u.Scheme == "http" && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
}

// bounded cuts answers that are too long: the provider is another party.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// discover asks the provider for its configuration, once it has answered well never again.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	// The provider outlives the request: its keys are fetched with this context later on.
	provider, err := gooidc.NewProvider(gooidc.ClientContext(context.WithoutCancel(ctx), p.client), p.opt.Issuer)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "fault.oidc.provider", "the OpenID provider: %w", err)
	}
	p.known = &discovered{provider: provider, oauth: oauth2.Config{
		ClientID: p.opt.ClientID, ClientSecret: p.opt.ClientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: p.opt.RedirectURL, Scopes: p.opt.Scopes,
	}}
	return p.known, nil
}

// Begin starts a sign-in: where to send the browser, and what to keep in it until it comes back. fresh asks the provider to
// have the person prove who they are even if it knows them already. Errors: fault.Unavailable where the provider does not answer.
func (p *Provider) Begin(ctx context.Context, next string, fresh bool) (address string, flow Flow, err error) {
	known, err := p.discover(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	flow = Flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Began: p.opt.Now().UTC(), Fresh: fresh}
	options := []oauth2.AuthCodeOption{gooidc.Nonce(flow.Nonce), oauth2.S256ChallengeOption(flow.Verifier)}
	if fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return known.oauth.AuthCodeURL(flow.State, options...), flow, nil
}

// Finish ends a sign-in with what the browser came back with. Errors: fault.Unauthentic where the provider or the answer does
// not prove who it is, fault.Unavailable where the provider does not answer.
func (p *Provider) Finish(ctx context.Context, flow Flow, query url.Values) (Identity, error) {
	if err := p.checkAnswer(flow, query); err != nil {
		return Identity{}, err
	}
	known, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	ctx = gooidc.ClientContext(ctx, p.client)
	tokens, err := known.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return Identity{}, refuse("the provider took no code: %s", refused.ErrorCode)
	} else if err != nil {
		return Identity{}, fault.New(fault.Unavailable, "fault.oidc.provider", "the OpenID provider: %w", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return Identity{}, refuse("the provider's answer has no ID token")
	}
	verifier := known.provider.VerifierContext(ctx, &gooidc.Config{ClientID: p.opt.ClientID, SupportedSigningAlgs: algorithms(), Now: p.opt.Now})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return Identity{}, refuse("the ID token: %w", err)
	}
	who, err := p.believe(flow, token)
	if err != nil || known.provider.UserInfoEndpoint() == "" {
		return who, err
	}
	err = p.askMore(ctx, known, tokens, &who)
	return who, err
}

// askMore asks the provider for what its ID token did not say: many leave the address, the name and the groups to the
// UserInfo endpoint (Core 5.3).
func (p *Provider) askMore(ctx context.Context, known *discovered, tokens *oauth2.Token, who *Identity) error {
	if who.Email != "" && who.Name != "" && (p.opt.GroupsClaim == "" || who.Groups != nil) {
		return nil
	}
	info, err := known.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fault.New(fault.Unavailable, "fault.oidc.provider", "the OpenID provider's user information: %w", err)
	}
	if info.Subject != who.Subject { // Core 5.3.2: it may be of another person
		return refuse("the user information is of %q", info.Subject)
	}
	return p.fill(who, info)
}

// claims can be read from an ID token and from the UserInfo endpoint's answer.
type claims interface{ Claims(into any) error }

// fill reads the claims about the person that are not known yet.
func (p *Provider) fill(who *Identity, from claims) error {
	var said struct {
		Email         string `json:"email"`
		EmailVerified loose  `json:"email_verified"`
		DomainOwned   loose  `json:"xms_edov"` // Microsoft Entra ID's: the address is of a domain that the tenant has proved to own
		Name          string `json:"name"`
		Preferred     string `json:"preferred_username"`
	}
	if err := from.Claims(&said); err != nil {
		return refuse("the claims: %w", err)
	}
	if who.Email == "" {
		who.Email, who.EmailVerified = said.Email, bool(said.EmailVerified) || bool(said.DomainOwned) && fromEntra(p.opt.Issuer)
	}
	who.Name = cmp.Or(who.Name, said.Name, said.Preferred)
	if who.Groups != nil {
		return nil
	}
	var err error
	who.Groups, err = p.groups(from)
	return err
}

// checkAnswer checks what the provider sent back through the browser.
func (p *Provider) checkAnswer(flow Flow, query url.Values) error {
	now := p.opt.Now()
	switch {
	case flow.State == "" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(flow.State)) != 1:
		return refuse("the answer belongs to no sign-in of this browser")
	case now.Sub(flow.Began) > flowLimit || flow.Began.Sub(now) > clockSkew:
		return fault.New(fault.Unauthentic, "fault.oidc.late", "the sign-in was begun at %v", flow.Began)
	case query.Has("iss") && query.Get("iss") != p.opt.Issuer: // RFC 9207: an answer of another provider
		return refuse("the answer is of the issuer %q", query.Get("iss"))
	case query.Get("error") == "access_denied":
		return fault.New(fault.Unauthentic, "fault.oidc.denied", "the person or the provider declined")
	case query.Has("error"):
		return refuse("the provider answered %q", query.Get("error"))
	case query.Get("code") == "":
		return refuse("the answer has no code")
	}
	return nil
}

// believe reads the identity from a token whose signature, issuer, audience and expiry were verified.
func (p *Provider) believe(flow Flow, token *gooidc.IDToken) (Identity, error) {
	var said struct {
		AuthorizedParty string   `json:"azp"`
		AuthTime        float64  `json:"auth_time"`
		Methods         []string `json:"amr"`
	}
	if err := token.Claims(&said); err != nil {
		return Identity{}, refuse("the ID token's claims: %w", err)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(flow.Nonce)) != 1:
		return Identity{}, refuse("the ID token is of another sign-in (nonce)")
	case len(token.Audience) > 1 && said.AuthorizedParty != p.opt.ClientID,
		said.AuthorizedParty != "" && said.AuthorizedParty != p.opt.ClientID: // Core 3.1.3.7, points 4 and 5
		return Identity{}, refuse("the ID token was issued to %q", said.AuthorizedParty)
	case token.Subject == "" || len(token.Subject) > 255: // Core 2: at most 255
		return Identity{}, refuse("the ID token's subject cannot be")
	case token.IssuedAt.After(p.opt.Now().Add(clockSkew)):
		return Identity{}, refuse("the ID token is of the future")
	}
	who := Identity{
		Issuer: token.Issuer, Subject: token.Subject, AuthTime: flow.Began,
		MFA: len(p.opt.MFA) == 0 || slices.ContainsFunc(said.Methods, func(m string) bool { return slices.Contains(p.opt.MFA, m) }),
	}
	if said.AuthTime > 0 && said.AuthTime < 1<<40 {
		who.AuthTime = time.Unix(int64(said.AuthTime), 0).UTC()
	}
	if flow.Fresh && (said.AuthTime == 0 || who.AuthTime.Before(flow.Began.Add(-clockSkew))) {
		return Identity{}, fault.New(fault.Unauthentic, "fault.oidc.stale", "the provider did not ask anew")
	}
	err := p.fill(&who, token)
	return who, err
}

// groups reads the claim of groups: a list of texts, or one text.
func (p *Provider) groups(from claims) ([]string, error) {
	if p.opt.GroupsClaim == "" {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := from.Claims(&all); err != nil {
		return nil, refuse("the claims: %w", err)
	}
	raw, ok := all[p.opt.GroupsClaim]
	if !ok {
		return nil, nil
	}
	var list []string
	var one string
	switch {
	case json.Unmarshal(raw, &one) == nil && one != "":
		list = []string{one}
	case json.Unmarshal(raw, &list) != nil || len(list) > maxGroups:
		return nil, refuse("the claim %s is no list of at most %d groups", p.opt.GroupsClaim, maxGroups)
	}
	return list, nil
}

// fromEntra reports whether an issuer is one tenant of Microsoft Entra ID: what it says of its domains' addresses counts as said by
// the company. Of any other issuer the claim may be anything.
func fromEntra(issuer string) bool {
	return strings.HasPrefix(issuer, "https://login.microsoftonline.com/")
}

// loose reads true, "true" and 1: some providers write texts (Amazon Cognito does) or numbers (Microsoft Entra ID does).
type loose bool

// UnmarshalJSON implements json.Unmarshaler; what is neither counts as false.
func (l *loose) UnmarshalJSON(text []byte) error {
	word := strings.Trim(string(text), `"`)
	*l = loose(word == "true" || word == "1")
	return nil
}

// RolesOf maps groups to roles by pairs "group=role". Errors: a pair that is none.
func RolesOf(pairs []string) (func(groups []string) []string, error) {
	byGroup := make(map[string][]string)
	for _, pair := range pairs {
		at := strings.LastIndex(pair, "=") // a group's name may have one: CN=CSIRT
		if at <= 0 || at == len(pair)-1 {
			return nil, fault.New(fault.Invalid, "fault.oidc.roles", "oidc.roles: %q is not group=role", pair)
		}
		group := strings.TrimSpace(pair[:at])
		byGroup[group] = append(byGroup[group], strings.TrimSpace(pair[at+1:]))
	}
	return func(groups []string) []string {
		var roles []string
		for _, g := range groups {
			roles = append(roles, byGroup[g]...)
		}
		slices.Sort(roles)
		return slices.Compact(roles)
	}, nil
}

// refuse is the one thing an outsider is told; the log says more.
func refuse(format string, args ...any) error {
	return fault.New(fault.Unauthentic, "fault.oidc.refused", "single sign-on: %w", fmt.Errorf(format, args...))
}
