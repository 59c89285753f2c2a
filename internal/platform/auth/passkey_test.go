package auth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"yagura/internal/platform/fault"
)

// device is an authenticator that answers as a browser would.
type device struct {
	b          *browser
	site       virtualwebauthn.RelyingParty
	device     virtualwebauthn.Authenticator
	credential virtualwebauthn.Credential
}

func (b *browser) device(person string) *device {
	credential := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(credential.Key.AttestationData()) != 77 { // it cuts leading zeros off coordinates, which COSE does not (RFC 9053, 7.1.1)
		credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return &device{b: b, site: virtualwebauthn.RelyingParty{ID: "yagura.example", Name: "Yagura", Origin: "https://yagura.example"},
		device:     virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(person)}),
		credential: credential}
}

func (d *device) register(name string) (recovery []string, err error) {
	d.b.h.t.Helper()
	c, err := d.b.h.BeginPasskeyRegistration(d.b.request())
	if err != nil {
		return nil, err
	}
	options, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	if err != nil {
		d.b.h.t.Fatal(err)
	}
	answer := virtualwebauthn.CreateAttestationResponse(d.site, d.device, d.credential, *options)
	err = d.b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		recovery, err = d.b.h.RegisterPasskey(w, r, c.ID, name, []byte(answer))
		return err
	})
	return recovery, err
}

// answer takes a challenge in a browser and signs it.
func (d *device) answer(b *browser) (id string, answer []byte) {
	b.h.t.Helper()
	var c Challenge
	if err := b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
		c, err = b.h.BeginPasskey(w, r, "")
		return err
	}); err != nil {
		b.h.t.Fatal(err)
	}
	options, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	if err != nil {
		b.h.t.Fatal(err)
	}
	d.credential.Counter++
	return c.ID, []byte(virtualwebauthn.CreateAssertionResponse(d.site, d.device, d.credential, *options))
}

func (b *browser) signInPasskey(id string, answer []byte) error {
	return b.do(func(w http.ResponseWriter, r *http.Request) error { return b.h.SignInPasskey(w, r, id, answer) })
}

func TestAPasskeyAloneSignsIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "admin")
		first := h.in("rin@example.jp")
		if user, err := first.user(); err != nil || !user.Enrol {
			t.Fatalf("%+v %v", user, err)
		}
		key := first.device(p.ID)
		recovery, err := key.register("電話")
		if err != nil || len(recovery) != recoveryCodes {
			t.Fatal(err)
		}
		b := h.browser("192.0.2.1")
		id, answer := key.answer(b)
		want(t, "the passkey", b.signInPasskey(id, answer), "")
		if user, err := b.user(); err != nil || user.ID != p.ID || user.Enrol {
			t.Errorf("%+v %v", user, err)
		}
		want(t, "the same answer again", h.browser("192.0.2.2").signInPasskey(id, answer), fault.Unauthentic)
		other := h.browser("192.0.2.3")
		late, signed := key.answer(other)
		h.clock.pass(ceremonyLimit + time.Second)
		want(t, "too late", other.signInPasskey(late, signed), fault.Unauthentic)

		// With the name and the password first, it is the second factor.
		second := h.browser("192.0.2.4")
		if step, err := second.signIn("rin@example.jp", good); err != nil || step != FactorDue {
			t.Fatal(step, err)
		}
		id, answer = key.answer(second)
		want(t, "as a second factor", second.secondFactor(Proof{Challenge: id, Passkey: answer}), "")

		list, err := h.Passkeys(t.Context(), p.ID)
		if err != nil || len(list) != 1 || list[0].Name != "電話" || list[0].LastUsed.IsZero() {
			t.Fatalf("%+v %v", list, err)
		}
		want(t, "renaming", h.RenamePasskey(second.request(), list[0].ID, "鍵"), "")
		want(t, "removing what is not there", h.RemovePasskey(second.request(), "none"), fault.NotFound)
		want(t, "removing the last second factor of an administrator", h.RemovePasskey(second.request(), list[0].ID), fault.Conflict)
		second.app()
		want(t, "removing it beside an app", h.RemovePasskey(second.request(), list[0].ID), "")
		want(t, "removing the app then", h.RemoveTOTP(second.request()), fault.Conflict)
		if all, err := h.FactorsOf(t.Context(), []string{p.ID, "nobody"}); err != nil || len(all) != 1 || !all[p.ID].TOTP {
			t.Errorf("of several: %+v, %v", all, err)
		}
		if f, err := h.Factors(t.Context(), p.ID); err != nil || !f.TOTP || f.Passkeys != 0 || f.Recovery != recoveryCodes {
			t.Errorf("%+v %v", f, err)
		}
	})
}

func TestPasskeysOfOthersOpenNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p, m := h.person("rin@example.jp", "employee"), h.person("mallory@example.jp", "employee")
		key := h.in("rin@example.jp").device(p.ID)
		if _, err := key.register("key"); err != nil {
			t.Fatal(err)
		}
		theirs := h.in("mallory@example.jp").device(m.ID)
		if _, err := theirs.register("key"); err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func(d *device){
			"another site":             func(d *device) { d.site.Origin = "https://yagura.example.evil.test" },
			"another relying party":    func(d *device) { d.site.ID = "evil.test" },
			"no user verification":     func(d *device) { d.device.Options.UserNotVerified = true },
			"another key":              func(d *device) { d.credential.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key },
			"somebody else's handle":   func(d *device) { d.device.Options.UserHandle = []byte(m.ID) },
			"a credential of nobody's": func(d *device) { d.credential.ID = []byte("0123456789abcdef") },
			"a handle of nobody's":     func(d *device) { d.device.Options.UserHandle = []byte("nobody") },
		} {
			forged := *key
			change(&forged)
			b := h.browser("192.0.2." + string(rune('0'+len(what)%10)))
			h.clock.pass(time.Minute)
			id, answer := forged.answer(b)
			want(t, what, b.signInPasskey(id, answer), fault.Unauthentic)
		}
		// Somebody who knows Rin's password proves a second factor that is their own.
		b := h.browser("192.0.2.50")
		if step, err := b.signIn("rin@example.jp", good); err != nil || step != FactorDue {
			t.Fatal(step, err)
		}
		id, answer := theirs.answer(b)
		want(t, "another person's passkey", b.secondFactor(Proof{Challenge: id, Passkey: answer}), fault.Forbidden)
		elsewhere := h.browser("192.0.2.51")
		id, answer = theirs.answer(elsewhere)
		want(t, "another person's passkey, challenged elsewhere", b.secondFactor(Proof{Challenge: id, Passkey: answer}), fault.Forbidden)
	})
}

func TestACopiedPasskeyOpensNothingAnyMore(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "employee")
		key := h.in("rin@example.jp").device(p.ID)
		if _, err := key.register("key"); err != nil {
			t.Fatal(err)
		}
		copied := *key
		b := h.browser("192.0.2.1")
		for range 3 {
			id, answer := key.answer(b)
			want(t, "the key", b.signInPasskey(id, answer), "")
			want(t, "out", b.do(h.SignOut), "")
		}
		id, answer := copied.answer(b)
		want(t, "the copy, behind in its count", b.signInPasskey(id, answer), fault.Unauthentic)
		if !strings.Contains(h.said.String(), "reason=clone") {
			t.Error("nobody was told")
		}
		id, answer = key.answer(b)
		want(t, "the key: nobody knows which is which", b.signInPasskey(id, answer), fault.Unauthentic)
	})
}
