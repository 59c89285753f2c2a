package account_test

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/descope/virtualwebauthn"

	"yagura/internal/platform/auth"
)

// device is an authenticator that answers as a browser would, for tests without one.
type device struct {
	site       virtualwebauthn.RelyingParty
	device     virtualwebauthn.Authenticator
	credential virtualwebauthn.Credential
}

// challenge asks a page's endpoint for a passkey's challenge.
func (b *browser) challenge(path string) (c auth.Challenge) {
	b.h.t.Helper()
	p := b.post(path)
	if p.status != http.StatusOK || json.Unmarshal([]byte(p.text), &c) != nil {
		b.h.t.Fatalf("the challenge: %d %s", p.status, p.text)
	}
	return c
}

// registerPasskey registers a passkey in a browser that is signed in.
func (h *house) registerPasskey(b *browser, name string) *device {
	h.t.Helper()
	c := b.challenge("/account/second-factor/passkey/options")
	options, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	if err != nil {
		h.t.Fatal(err)
	}
	credential := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(credential.Key.AttestationData()) != 77 { // it cuts leading zeros off coordinates, which COSE does not (RFC 9053, 7.1.1)
		credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	d := &device{site: virtualwebauthn.RelyingParty{ID: "localhost", Name: "Yagura", Origin: h.address}, credential: credential,
		device: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(options.UserID)})}
	answer := virtualwebauthn.CreateAttestationResponse(d.site, d.device, d.credential, *options)
	p := b.post("/account/second-factor/passkey", "name", name, "challenge", c.ID, "answer", answer)
	if p.status != http.StatusSeeOther && !strings.Contains(p.text, "code-list") {
		h.t.Fatalf("the passkey: %d\n%s", p.status, main(p.text))
	}
	return d
}

// sign answers a challenge.
func (d *device) sign(b *browser, path string) (fields []string) {
	b.h.t.Helper()
	c := b.challenge(path)
	options, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	if err != nil {
		b.h.t.Fatal(err)
	}
	d.credential.Counter++
	return []string{"challenge", c.ID, "answer", virtualwebauthn.CreateAssertionResponse(d.site, d.device, d.credential, *options)}
}
