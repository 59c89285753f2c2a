package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPasskeyInEachOfItsPlaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	person := h.person("tanaka@example.com", "admin")
	mine := h.browser()
	mine.post("/signin", "name", "tanaka@example.com", "password", good)
	key := h.registerPasskey(mine, "鍵")

	// Alone, without a name, also where somebody else left a sign-in half done.
	h.person("sato@example.com", "employee")
	other := h.browser()
	other.signIn("sato@example.com", "")
	other.registerApp()
	b := h.browser()
	b.post("/signin", "name", "sato@example.com", "password", good)
	answer := key.sign(b, "/signin/passkey/options")
	if p := b.post("/signin/passkey", append(answer, "next", "/alerts")...); p.to != "/alerts" || !strings.Contains(b.follow(p).text, "alerts of tanaka") {
		t.Fatalf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
	if p := h.browser().post("/signin/passkey", answer...); p.status != http.StatusUnprocessableEntity {
		t.Errorf("the same answer again: %d", p.status)
	}

	// As the second factor.
	b = h.browser()
	b.post("/signin", "name", "tanaka@example.com", "password", good)
	if p := b.post("/signin/factor", "challenge", "x", "answer", "{}"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "The code or the passkey is wrong") {
		t.Errorf("a wrong one: %d\n%s", p.status, main(p.text))
	}
	if p := b.post("/signin/factor", append(key.sign(b, "/signin/factor/options"), "next", "/alerts")...); p.to != "/alerts" {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}

	// As the fresh proof.
	h.advance(11 * time.Minute)
	if p := b.post("/signin/confirm", append(key.sign(b, "/signin/confirm/options"), "next", "/account/password")...); p.to != "/account/password" || b.follow(p).status != http.StatusOK {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}

	// With a reset's link, which challenges that person and nobody else.
	if _, err := h.SendReset(t.Context(), person.ID); err != nil {
		t.Fatal(err)
	}
	reset := h.browser()
	if p := reset.post("/reset/options"); p.status != http.StatusNotFound || !strings.Contains(p.text, `"message":"The link was used already`) {
		t.Errorf("without a link: %d %s", p.status, p.text)
	}
	reset.get("/reset?ticket=" + h.letter().Token)
	const another = "another battery horse"
	if p := reset.post("/reset/password", append(key.sign(reset, "/reset/options"), "new", another, "again", another)...); p.to != "/signin" {
		t.Errorf("%d to %q\n%s", p.status, p.to, main(p.text))
	}
}

func TestChallengesAreForThoseTheyAreDueTo(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	h.person("tanaka@example.com", "employee")
	b := h.browser()
	for path, status := range map[string]int{"/signin/confirm/options": http.StatusSeeOther, "/account/second-factor/passkey/options": http.StatusSeeOther} {
		if p := b.post(path); p.status != status || !strings.HasPrefix(p.to, "/signin") {
			t.Errorf("%s as a guest: %d to %q", path, p.status, p.to)
		}
	}
	b.signIn("tanaka@example.com", "")
	if p := b.post("/signin/confirm/options"); p.status != http.StatusNotFound || !strings.Contains(p.text, `"message":"There is no such passkey."`) {
		t.Errorf("who has none: %d %s", p.status, p.text)
	}
	if p := b.post("/account/second-factor/passkey", "name", "鍵", "challenge", "x", "answer", `{"id":"x"}`); p.status != http.StatusUnprocessableEntity ||
		!strings.Contains(p.text, "The passkey could not be registered.") || value(p.text, "challenge") != "" || value(p.text, "answer") != "" {
		t.Errorf("%d\n%s", p.status, main(p.text))
	}
}
