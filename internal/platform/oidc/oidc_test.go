package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/oidc/oidctest"
)

const clientID = "yagura"

// provider is an OpenID provider that says what a test wants it to: it follows OpenID Connect Core 1.0 and Discovery 1.0, and
// each test bends one claim or one answer. A provider that nobody bends is driven in the test of the account pages.
type provider struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu        sync.Mutex
	claims    map[string]any // of the next ID token, over the good ones
	algorithm jose.SignatureAlgorithm
	signer    any    // nil is key
	raw       string // an ID token as it is, instead of a signed one
	challenge string
	nonce     string
	refuse    bool
	info      string // whom the UserInfo endpoint tells of
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, algorithm: jose.ES256}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint":                     p.URL + "/userinfo",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"sub": p.info, "email": "other@example.co.jp", "email_verified": "true", "name": "利用者情報", "groups": "Audit"})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// token answers a code with an ID token, if the verifier fits the challenge (RFC 7636, 4.6).
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if p.refuse || base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	idToken := p.raw
	if idToken == "" {
		claims := map[string]any{
			"iss": p.URL, "aud": clientID, "sub": "s-1", "nonce": p.nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			"email": "tanaka@example.co.jp", "email_verified": true, "name": "田中 花子", "groups": []string{"CSIRT", "All"}, "auth_time": time.Now().Unix(),
		}
		for name, value := range p.claims {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		idToken = p.sign(claims)
	}
	answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": idToken})
}

func (p *provider) sign(claims map[string]any) string {
	var key any = jose.JSONWebKey{Key: p.key, KeyID: "k"}
	if p.signer != nil {
		key = p.signer
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: p.algorithm, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	text, _ := json.Marshal(claims)
	signed, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

// begin starts a sign-in and has the provider remember what a real one would.
func (p *provider) begin(t *testing.T, client *oidc.Provider, fresh bool) oidc.Flow {
	t.Helper()
	address, flow, err := client.Begin(t.Context(), "/alerts", fresh)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, p.URL+"/authorize?") {
		t.Fatalf("sent to %s, %v", address, err)
	}
	query := asked.Query()
	if query.Get("code_challenge_method") != "S256" || query.Get("response_type") != "code" || query.Get("state") != flow.State || !strings.Contains(query.Get("scope"), "openid") {
		t.Errorf("asked with %v", query)
	}
	if fresh != (query.Get("prompt") == "login" && query.Get("max_age") == "0") {
		t.Errorf("fresh %t asks with %v", fresh, query)
	}
	p.challenge, p.nonce = query.Get("code_challenge"), query.Get("nonce")
	return flow
}

func (p *provider) client(t *testing.T, change func(*oidc.Options)) *oidc.Provider {
	t.Helper()
	opt := oidc.Options{Issuer: p.URL, ClientID: clientID, ClientSecret: "s3cret", RedirectURL: "http://127.0.0.1/signin/oidc", GroupsClaim: "groups"}
	if change != nil {
		change(&opt)
	}
	client, err := oidc.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func back(flow oidc.Flow, more ...string) url.Values {
	query := url.Values{"state": {flow.State}, "code": {"c"}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	return query
}

func TestAGoodSignIn(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	client := p.client(t, nil)
	flow := p.begin(t, client, false)
	got, err := client.Finish(t.Context(), flow, back(flow, "iss", p.URL))
	if err != nil {
		t.Fatal(err)
	}
	if time.Since(got.AuthTime) > time.Minute {
		t.Errorf("proved at %v", got.AuthTime)
	}
	got.AuthTime = time.Time{}
	want := oidc.Identity{Issuer: p.URL, Subject: "s-1", Email: "tanaka@example.co.jp", EmailVerified: true, Name: "田中 花子", Groups: []string{"CSIRT", "All"}, MFA: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the identity is %+v, want %+v", got, want)
	}
	if flow.Next != "/alerts" {
		t.Errorf("afterwards to %s", flow.Next)
	}
}

// TestWhatIsNotBelieved bends one thing of a good sign-in each.
func TestWhatIsNotBelieved(t *testing.T) {
	t.Parallel()
	claim := func(name string, value any) func(*provider) {
		return func(p *provider) { p.claims = map[string]any{name: value} }
	}
	for _, row := range []struct {
		name   string
		bend   func(*provider)
		answer func(oidc.Flow) url.Values // nil is a good one
	}{
		{"a wrong nonce", claim("nonce", "another"), nil},
		{"no nonce", claim("nonce", nil), nil},
		{"another audience", claim("aud", "somebody-else"), nil},
		{"several audiences without a party", claim("aud", []string{clientID, "other"}), nil},
		{"another authorized party", claim("azp", "other"), nil},
		{"another issuer", claim("iss", "https://evil.example"), nil},
		{"expired", claim("exp", time.Now().Add(-time.Minute).Unix()), nil},
		{"without expiry", claim("exp", nil), nil},
		{"issued in the future", claim("iat", time.Now().Add(time.Hour).Unix()), nil},
		{"no subject", claim("sub", ""), nil},
		{"an endless subject", claim("sub", strings.Repeat("s", 256)), nil},
		{"groups that are none", claim("groups", map[string]any{"a": 1}), nil},
		{"signed by the algorithm none", func(p *provider) {
			part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
			p.raw = part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"s","nonce":%q,"exp":9999999999,"iat":1}`, p.URL, clientID, p.nonce)) + "."
		}, nil},
		{"signed with the client's secret", func(p *provider) { p.algorithm, p.signer = jose.HS256, []byte(strings.Repeat("s3cret", 8)) }, nil},
		{"signed with another key", func(p *provider) {
			other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			p.signer = jose.JSONWebKey{Key: other, KeyID: "k"}
		}, nil},
		{"no ID token that is one", func(p *provider) { p.raw = "a.b.c" }, nil},
		{"a code that the provider refuses", func(p *provider) { p.refuse = true }, nil},
		{"a verifier of another sign-in", func(p *provider) { p.challenge = "x" }, nil},
		{"another state", func(*provider) {}, func(oidc.Flow) url.Values { return url.Values{"state": {"x"}, "code": {"c"}} }},
		{"no state", func(*provider) {}, func(oidc.Flow) url.Values { return url.Values{"code": {"c"}} }},
		{"an answer of another provider", func(*provider) {}, func(f oidc.Flow) url.Values { return back(f, "iss", "https://evil.example") }},
		{"an answer without a code", func(*provider) {}, func(f oidc.Flow) url.Values { return url.Values{"state": {f.State}} }},
		{"a refusal", func(*provider) {}, func(f oidc.Flow) url.Values { return back(f, "error", "access_denied") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			client := p.client(t, nil)
			flow := p.begin(t, client, false)
			row.bend(p)
			query := back(flow)
			if row.answer != nil {
				query = row.answer(flow)
			}
			if who, err := client.Finish(t.Context(), flow, query); !fault.Is(err, fault.Unauthentic) {
				t.Errorf("believed %+v, %v", who, err)
			}
		})
	}
}

func TestAProviderLeadsNobodyElsewhere(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	t.Cleanup(elsewhere.Close)
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys"} {
		p := newProvider(t)
		own := p.Config.Handler
		p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				http.Redirect(w, r, elsewhere.URL+path, http.StatusTemporaryRedirect)
				return
			}
			own.ServeHTTP(w, r)
		})
		client := p.client(t, nil)
		_, flow, err := client.Begin(t.Context(), "/", false)
		if err == nil {
			_, err = client.Finish(t.Context(), flow, back(flow))
		}
		if err == nil {
			t.Errorf("signed in although %s led elsewhere", path)
		}
	}
	close(asked)
	for path := range asked {
		t.Errorf("%s was followed to somebody else", path)
	}
}

func TestASignInOfYesterdayAndOneNeverBegun(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	clock := time.Now()
	client := p.client(t, func(o *oidc.Options) { o.Now = func() time.Time { return clock } })
	flow := p.begin(t, client, false)
	clock = clock.Add(11 * time.Minute)
	if _, err := client.Finish(t.Context(), flow, back(flow)); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("eleven minutes later: %v", err)
	}
	if _, err := client.Finish(t.Context(), oidc.Flow{}, url.Values{"state": {""}, "code": {"c"}}); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("never begun: %v", err)
	}
}

func TestAFreshProofIsOne(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		authTime any
		good     bool
	}{"just now": {time.Now().Unix(), true}, "an hour ago": {time.Now().Add(-time.Hour).Unix(), false}, "not said": {nil, false}} {
		p := newProvider(t)
		p.claims = map[string]any{"auth_time": row.authTime}
		client := p.client(t, nil)
		flow := p.begin(t, client, true)
		if _, err := client.Finish(t.Context(), flow, back(flow)); (err == nil) != row.good {
			t.Errorf("proved %s: %v", name, err)
		}
	}
}

func TestTheSecondFactorOfTheProvider(t *testing.T) {
	t.Parallel()
	for methods, want := range map[string]bool{"pwd": false, "pwd otp": true, "hwk": true, "": false} {
		p := newProvider(t)
		p.claims = map[string]any{"amr": strings.Fields(methods)}
		client := p.client(t, func(o *oidc.Options) { o.MFA = []string{"otp", "hwk"} })
		flow := p.begin(t, client, false)
		if who, err := client.Finish(t.Context(), flow, back(flow)); err != nil || who.MFA != want {
			t.Errorf("amr %q: %t, %v, want %t", methods, who.MFA, err, want)
		}
	}
}

func TestAProviderThatIsDownIsAskedAgain(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	down := true
	client := p.client(t, func(o *oidc.Options) {
		o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if down {
				return nil, fmt.Errorf("connection refused")
			}
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	if _, _, err := client.Begin(t.Context(), "/", false); !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %v", err)
	}
	down = false
	flow := p.begin(t, client, false)
	if _, err := client.Finish(t.Context(), flow, back(flow)); err != nil {
		t.Errorf("up again: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRolesOfGroups(t *testing.T) {
	t.Parallel()
	roles, err := oidc.RolesOf([]string{"CSIRT=responder", "CSIRT = analyst", "CN=監査,OU=x=auditor"})
	if err != nil {
		t.Fatal(err)
	}
	for groups, want := range map[string]string{"CSIRT": "analyst responder", "CN=監査,OU=x": "auditor", "csirt": "", "All;CSIRT": "analyst responder"} {
		if got := strings.Join(roles(strings.Split(groups, ";")), " "); got != want {
			t.Errorf("%s gives %q, want %q", groups, got, want)
		}
	}
	for _, wrong := range []string{"CSIRT", "=admin", "CSIRT="} {
		if _, err := oidc.RolesOf([]string{wrong}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestWhatNoProviderIs(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"", "http://login.example.com", "login.example.com", "ftp://x", "https://", "http://127.0.0.1.evil.example"} {
		if _, err := oidc.New(oidc.Options{Issuer: issuer, ClientID: "x"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("the issuer %q: %v", issuer, err)
		}
	}
}

func TestWhatTheTokenLacksTheUserInformationTells(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.claims, p.info = map[string]any{"email": nil, "email_verified": nil, "groups": nil}, "s-1"
	client := p.client(t, nil)
	flow := p.begin(t, client, false)
	who, err := client.Finish(t.Context(), flow, back(flow))
	if err != nil || who.Email != "other@example.co.jp" || !who.EmailVerified || who.Name != "田中 花子" || len(who.Groups) != 1 {
		t.Errorf("%+v, %v", who, err)
	}
	p.info = "somebody-else"
	if who, err := client.Finish(t.Context(), flow, back(flow)); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("the information of somebody else was believed: %+v, %v", who, err)
	}
}

// TestARealProvider signs in through a provider that nobody here wrote, as a browser would.
func TestARealProvider(t *testing.T) {
	t.Parallel()
	const home = "http://127.0.0.1:1/signin/oidc" // nobody listens: the test reads where it is sent
	provider := oidctest.Start(t, home)
	client, err := oidc.New(oidc.Options{
		Issuer: provider.Issuer, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: home,
		Scopes: []string{"openid", "profile", "email"}, GroupsClaim: "groups",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		address, flow, err := client.Begin(t.Context(), "/", fresh)
		if err != nil {
			t.Fatal(err)
		}
		query := provider.SignIn(t, address, "tanaka")
		who, err := client.Finish(t.Context(), flow, query)
		if err != nil || who.Subject != "tanaka" || who.Email != "tanaka@example.co.jp" || !who.EmailVerified || len(who.Groups) != 1 || who.Groups[0] != "CSIRT" {
			t.Errorf("fresh %t: %+v, %v", fresh, who, err)
		}
		if _, err := client.Finish(t.Context(), flow, query); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("the same code again: %v", err)
		}
	}
}
