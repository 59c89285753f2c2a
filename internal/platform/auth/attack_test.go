package auth

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/fault"
)

func TestAOneTimeCodeOpensOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "analyst")
		secret, _ := h.in("rin@example.jp").app()
		stage := func(name string) *browser {
			b := h.browser(name)
			if step, err := b.signIn("rin@example.jp", good); err != nil || step != FactorDue {
				t.Fatalf("%v %v", step, err)
			}
			return b
		}
		b := stage("192.0.2.1")
		want(t, "the code of the registration, again", b.secondFactor(Proof{Code: h.code(secret)}), fault.Forbidden)
		if _, err := b.user(); !fault.Is(err, fault.Unauthentic) {
			t.Errorf("the first stage opens something: %v", err)
		}
		h.clock.pass(totpPeriod * time.Second)
		code := h.code(secret)
		want(t, "a fresh code", b.secondFactor(Proof{Code: code}), "")
		if user, err := b.user(); err != nil || !user.May("alert.read") {
			t.Errorf("after both factors: %+v %v", user, err)
		}
		want(t, "a replay", stage("192.0.2.2").secondFactor(Proof{Code: code}), fault.Forbidden)
		h.clock.pass(totpPeriod * time.Second)
		want(t, "a replay within the skew", stage("192.0.2.3").secondFactor(Proof{Code: code}), fault.Forbidden)
		h.clock.pass(5 * totpPeriod * time.Second)
		want(t, "an old code", stage("192.0.2.4").secondFactor(Proof{Code: code}), fault.Forbidden)
	})
}

func TestTheFirstStageEndsAfterFiveWrongCodesAndFiveMinutes(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "analyst")
		secret, _ := h.in("rin@example.jp").app()
		h.clock.pass(time.Hour)
		b := h.browser("192.0.2.1")
		if _, err := b.signIn("rin@example.jp", good); err != nil {
			t.Fatal(err)
		}
		for i := range maxTries {
			want(t, fmt.Sprint("wrong code ", i), b.secondFactor(Proof{Code: "abcdef"}), fault.Forbidden)
		}
		h.clock.pass(time.Minute)
		want(t, "the right one after them", b.secondFactor(Proof{Code: h.code(secret)}), fault.Unauthentic)
		other := h.browser("192.0.2.2")
		if _, err := other.signIn("rin@example.jp", good); err != nil {
			t.Fatal(err)
		}
		h.clock.pass(pendingLimit + time.Second)
		want(t, "too late", other.secondFactor(Proof{Code: h.code(secret)}), fault.Unauthentic)
	})
}

func TestARecoveryCodeOpensOnceEvenAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		_, recovery := h.in("rin@example.jp").app()
		if len(recovery) != recoveryCodes {
			t.Fatalf("%d recovery codes", len(recovery))
		}
		const thieves = 4
		var browsers [thieves]*browser
		for i := range browsers {
			browsers[i] = h.browser(fmt.Sprintf("192.0.2.%d", 20+i))
			if step, err := browsers[i].signIn("rin@example.jp", good); err != nil || step != FactorDue {
				t.Fatal(step, err)
			}
		}
		var all sync.WaitGroup
		var errs [thieves]error
		for i, b := range browsers {
			all.Go(func() { errs[i] = b.secondFactor(Proof{Code: recovery[3]}) })
		}
		all.Wait()
		in := 0
		for _, err := range errs {
			if err == nil {
				in++
			} else {
				want(t, "the slower one", err, fault.Forbidden)
			}
		}
		if in != 1 {
			t.Errorf("%d got in with one code", in)
		}
		if f, err := h.Factors(t.Context(), p.ID); err != nil || f.Recovery != recoveryCodes-1 {
			t.Errorf("%+v %v", f, err)
		}
	})
}

func TestATokenPlantedBeforeTheSignInOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "employee")
		h.person("mallory@example.jp", "employee")
		planted := h.in("mallory@example.jp").cookies["yagura_session"]
		victim := h.browser("192.0.2.1")
		victim.cookies["yagura_session"] = planted
		if _, err := victim.signIn("rin@example.jp", good); err != nil {
			t.Fatal(err)
		}
		if victim.cookies["yagura_session"] == planted {
			t.Error("the token stayed the same")
		}
		attacker := h.browser("192.0.2.66")
		attacker.cookies["yagura_session"] = planted
		if user, err := attacker.user(); err == nil {
			t.Errorf("the planted token opens %s's session", user.Email)
		}
	})
}

func TestAPrivilegeThatRisesComesWithAnotherToken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "analyst")
		b := h.in("rin@example.jp")
		stolen := h.browser("192.0.2.66")
		stolen.cookies["yagura_session"] = b.cookies["yagura_session"]
		h.clock.pass(time.Hour)
		if user, err := b.user(); err != nil || Fresh(user, 10*time.Minute, h.clock.Now()) {
			t.Errorf("fresh after an hour: %v", err)
		}
		want(t, "registering a factor without a fresh proof", func() error { _, err := b.h.EnrolTOTP(b.request()); return err }(), fault.Forbidden)
		stepUp := func(password string, proof Proof) error {
			return b.do(func(w http.ResponseWriter, r *http.Request) error { return h.StepUp(w, r, password, proof) })
		}
		want(t, "a wrong password", stepUp("guess", Proof{}), fault.Forbidden)
		want(t, "the password", stepUp(good, Proof{}), "")
		if user, err := b.user(); err != nil || !Fresh(user, 10*time.Minute, h.clock.Now()) {
			t.Errorf("not fresh after the proof: %v", err)
		}
		if _, err := stolen.user(); err == nil {
			t.Error("the old token got the privilege, too")
		}
		secret, _ := b.app()
		h.clock.pass(time.Hour)
		want(t, "the password alone, once there is a second factor", stepUp(good, Proof{}), fault.Forbidden)
		want(t, "the second factor", stepUp("", Proof{Code: h.code(secret)}), "")
	})
}

func TestTenThousandGuessesFindNothingAndLockNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "employee")
		owner := h.in("rin@example.jp")
		before := h.runs()
		for i := range 10_000 { // from a new address each
			b := h.browser(fmt.Sprintf("10.%d.%d.%d", i>>14, i>>7&127, i&127))
			if _, err := b.signIn("rin@example.jp", fmt.Sprintf("guess number %06d", i)); err == nil {
				t.Fatal("a guess was right")
			}
			h.clock.pass(time.Second)
		}
		most := budgetBurst + int(10_000*time.Second/budgetRefill) + 1
		if guesses := h.runs() - before; guesses > most {
			t.Errorf("%d guesses were tried in 10,000 s, want %d at most", guesses, most)
		}
		if _, err := owner.signIn("rin@example.jp", good); err != nil {
			t.Errorf("the owner, in their own browser: %v", err)
		}
		stranger := h.browser("198.51.100.1")
		stranger.cookies["yagura_device"] = "invented.0123"
		if _, err := stranger.signIn("rin@example.jp", good); !fault.Is(err, fault.Busy) {
			t.Errorf("an invented device cookie: %v", err)
		}
		h.person("ken@example.jp", "employee")
		stranger.cookies["yagura_device"] = owner.cookies["yagura_device"]
		for range budgetBurst + 1 {
			stranger.from = "198.51.100." + fmt.Sprint(h.runs()%200) + ":1"
			_, _ = stranger.signIn("ken@example.jp", "guess of another's")
		}
		if _, err := h.browser("198.51.100.250").signIn("ken@example.jp", good); !fault.Is(err, fault.Busy) {
			t.Errorf("somebody else's device cookie is a budget of its own: %v", err)
		}
	})
}

// TestAGuesserDoesNotShutOutWhoSharesTheirAddress lets one colleague of an office behind one address guess without end.
func TestAGuesserDoesNotShutOutWhoSharesTheirAddress(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "employee")
		h.person("mallory@example.jp", "employee")
		owner, guesser := h.in("rin@example.jp"), h.in("mallory@example.jp")
		for i := range 3 * burst {
			_, _ = guesser.signIn(fmt.Sprintf("p%d@example.jp", i), "guess")
		}
		if _, err := guesser.signIn("rin@example.jp", good); !fault.Is(err, fault.Busy) {
			t.Fatalf("the guesser is not slowed: %v", err)
		}
		for range 2 * burst {
			if _, err := owner.signIn("rin@example.jp", good); err != nil {
				t.Fatalf("the colleague, in their own browser: %v", err)
			}
		}
		if _, err := guesser.signIn("rin@example.jp", good); !fault.Is(err, fault.Busy) {
			t.Errorf("a colleague's right password gave the guesser guesses back: %v", err)
		}
	})
}

func TestStrangersCannotTellWhoExists(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("active@example.jp", "employee")
		disabled := h.person("disabled@example.jp", "employee")
		if _, err := h.Disable(t.Context(), disabled.ID, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Create(t.Context(), NewPerson{Email: "invited@example.jp", Name: "x"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Create(t.Context(), NewPerson{Email: "robot@example.jp", Name: "x", Kind: Service}); err != nil {
			t.Fatal(err)
		}
		answers := func(name, password string) (list []string, work int) {
			before := h.runs()
			for i := range budgetBurst + 2 {
				b := h.browser(fmt.Sprintf("203.0.113.%d", i))
				_, err := b.signIn(name, password)
				list = append(list, fmt.Sprint(err), fmt.Sprint(fault.CodeOf(err)), fmt.Sprint(len(b.cookies)))
			}
			for i := range 256 {
				h.sources.giveBack(sourceOf(fmt.Sprintf("203.0.113.%d:1", i)))
			}
			return list, h.runs() - before
		}
		text, work := answers("active@example.jp", "a wrong password")
		for _, name := range []string{"nobody@example.jp", "disabled@example.jp", "invited@example.jp", "robot@example.jp", "no address", ""} {
			got, did := answers(name, good)
			if name == "" {
				continue // shares the budget of what is no address
			}
			if !slices.Equal(got, text) || did != work {
				t.Errorf("%q: %v (%d runs), want %v (%d runs)", name, got, did, text, work)
			}
		}
	})
}

func TestAskingForAResetTellsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "employee")
		old := h.in("rin@example.jp")
		ask := func(email string) error {
			return h.browser("192.0.2.9").do(func(w http.ResponseWriter, r *http.Request) error { return h.RequestReset(w, r, email) })
		}
		for _, email := range []string{"nobody@example.jp", "no address", " RIN@Example.jp "} {
			want(t, email, ask(email), "")
		}
		if len(h.letters) != 0 {
			t.Error("something was looked up before the answer")
		}
		for range 3 {
			if err := h.answerReset(t.Context(), <-h.resets); err != nil {
				t.Fatal(err)
			}
		}
		if len(h.letters) != 1 || h.letter().To.ID != p.ID {
			t.Fatalf("letters: %+v", h.letters)
		}
		redeem := func(token, password string, proof Proof) error {
			return h.browser("192.0.2.9").do(func(w http.ResponseWriter, r *http.Request) error {
				in, err := h.Redeem(w, r, token, password, proof)
				if in {
					t.Error("a reset signs in")
				}
				return err
			})
		}
		token := h.letter().Token
		want(t, "a weak one", redeem(token, "short", Proof{}), fault.Invalid)
		want(t, "the link", redeem(token, "another horse battery", Proof{}), "")
		want(t, "the link again", redeem(token, "another horse battery", Proof{}), fault.NotFound)
		if _, err := old.user(); err == nil {
			t.Error("a session outlived the reset")
		}
		if step, err := h.browser("192.0.2.3").signIn("rin@example.jp", "another horse battery"); err != nil || step != Done {
			t.Errorf("%v %v", step, err)
		}
	})
}

// TestAResetIsNoWayAroundTheCompanysSignOn asks for a password for people who never had one.
func TestAResetIsNoWayAroundTheCompanysSignOn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, one := range []struct {
			what, email string
			signOn      bool
			external    External
			letters     int
		}{
			{"whom the provider knows", "a@example.jp", false, External{Issuer: "https://op.example", Subject: "1"}, 0},
			{"whom the directory made, who has not come by the provider yet", "b@example.jp", true, External{ID: "2"}, 0},
			{"whom the directory made where there is no provider", "c@example.jp", false, External{ID: "3"}, 1},
		} {
			h.SignOn = one.signOn
			if _, err := h.Create(t.Context(), NewPerson{Email: one.email, Name: "x", State: Active, External: one.external, Roles: []string{"employee"}}); err != nil {
				t.Fatal(err)
			}
			before := len(h.letters)
			want(t, one.what, h.browser("192.0.2.9").do(func(w http.ResponseWriter, r *http.Request) error { return h.RequestReset(w, r, one.email) }), "")
			if err := h.answerReset(t.Context(), <-h.resets); err != nil {
				t.Fatal(err)
			}
			if got := len(h.letters) - before; got != one.letters {
				t.Errorf("%s gets %d letters, want %d", one.what, got, one.letters)
			}
		}
	})
}

func TestAResetAsksForTheSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		_, recovery := h.in("rin@example.jp").app()
		if _, err := h.SendReset(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
		redeem := func(proof Proof) error {
			return h.browser("192.0.2.9").do(func(w http.ResponseWriter, r *http.Request) error {
				_, err := h.Redeem(w, r, h.letter().Token, "another horse battery", proof)
				return err
			})
		}
		want(t, "whoever reads the mail", redeem(Proof{}), fault.Forbidden)
		want(t, "the person", redeem(Proof{Code: recovery[0]}), "")
	})
}

func TestLinksEndWithWhatTheyWereMadeFor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for what, change := range map[string]func(p Person) error{
			"expired":  func(Person) error { h.clock.pass(ResetTicket.life() + time.Second); return nil },
			"disabled": func(p Person) error { _, err := h.Disable(t.Context(), p.ID, 0); return err },
			"other address": func(p Person) error {
				email := "new-" + p.Email
				_, err := h.Update(t.Context(), p.ID, 0, Change{Email: &email})
				return err
			},
			"newer link": func(p Person) error { _, err := h.SendReset(t.Context(), p.ID); return err },
		} {
			p := h.person(fmt.Sprintf("p%d@example.jp", len(what)), "employee")
			if _, err := h.SendReset(t.Context(), p.ID); err != nil {
				t.Fatal(err)
			}
			token := h.letter().Token
			if _, err := h.Ticket(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if err := change(p); err != nil {
				t.Fatal(err)
			}
			_, err := h.Ticket(t.Context(), token)
			want(t, what, err, fault.NotFound)
		}
	})
}

func TestADisabledPersonIsOutAtTheNextRequest(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		b := h.in("rin@example.jp")
		user, _ := b.user()
		_, token, err := h.CreateToken(t.Context(), user, Token{Person: p.ID, Name: "script", Permissions: []string{"alert.read"}, Expiry: h.clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		ask := func() (*User, error) {
			r := h.browser("192.0.2.8").request()
			r.Header.Set("Authorization", "Bearer "+token)
			return h.User(r)
		}
		if user, err := ask(); err != nil || !user.May("alert.read") || user.May("person.write") || user.Session {
			t.Fatalf("the token: %+v %v", user, err)
		}
		if p, err = h.SetRoles(t.Context(), p.ID, 0, ByHand, []string{"employee"}); err != nil {
			t.Fatal(err)
		}
		if user, _ := b.user(); user.May("alert.read") {
			t.Error("a role that was taken away still counts in the session")
		}
		if user, _ := ask(); user.May("alert.read") {
			t.Error("a role that was taken away still counts for the token")
		}
		if _, err := h.Disable(t.Context(), p.ID, p.Version); err != nil {
			t.Fatal(err)
		}
		_, err = b.user()
		want(t, "session", err, fault.Unauthentic)
		_, err = ask()
		want(t, "token", err, fault.Unauthentic)
		if _, err := h.Enable(t.Context(), p.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, err = ask()
		want(t, "token after the return", err, fault.Unauthentic)
	})
}

func TestTokensOpenWhatTheySayAndNoMore(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		user, _ := h.in("rin@example.jp").user()
		for what, one := range map[string]struct {
			Token
			code fault.Code
		}{
			"more than the owner has": {Token{Permissions: []string{"alert.read", "person.write"}, Expiry: h.clock.Now().Add(time.Hour)}, fault.Forbidden},
			"no end":                  {Token{Permissions: []string{"alert.read"}}, fault.Invalid},
			"ten years":               {Token{Permissions: []string{"alert.read"}, Expiry: h.clock.Now().Add(10 * maxTokenLife)}, fault.Invalid},
			"nothing":                 {Token{Expiry: h.clock.Now().Add(time.Hour)}, fault.Invalid},
		} {
			one.Person, one.Name = p.ID, "script"
			_, _, err := h.CreateToken(t.Context(), user, one.Token)
			want(t, what, err, one.code)
		}
		made, token, err := h.CreateToken(t.Context(), user, Token{Person: p.ID, Name: "script", Permissions: []string{"alert.read"}, Expiry: h.clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(token string) error {
			r := h.browser("192.0.2.8").request()
			r.Header.Set("Authorization", "bearer "+token)
			_, err := h.User(r)
			return err
		}
		want(t, "the token", ask(token), "")
		other := map[bool]string{true: "B", false: "A"}[token[10] == 'A']
		want(t, "one letter off", ask(token[:10]+other+token[11:]), fault.Unauthentic)
		want(t, "an invented one", ask(newToken()), fault.Unauthentic)
		h.clock.pass(time.Hour)
		want(t, "expired", ask(token), fault.Unauthentic)
		want(t, "revoking somebody else's", h.RevokeToken(t.Context(), "somebody", made.ID), fault.NotFound)
		want(t, "revoking", h.RevokeToken(t.Context(), p.ID, made.ID), "")
		want(t, "revoking again", h.RevokeToken(t.Context(), p.ID, made.ID), fault.NotFound)
	})
}

func TestEverybodysSessionsEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("admin@example.jp", "analyst")
		h.person("rin@example.jp", "analyst")
		secret, _ := h.in("rin@example.jp").app()
		admin, thief, half := h.in("admin@example.jp"), h.in("admin@example.jp"), h.browser("192.0.2.7")
		if step, err := half.signIn("rin@example.jp", good); err != nil || step != FactorDue {
			t.Fatal(step, err)
		}
		user, err := admin.user()
		if err != nil {
			t.Fatal(err)
		}
		if sessions, people, err := h.SignedIn(t.Context()); err != nil || sessions != 3 || people != 2 {
			t.Errorf("%d sessions of %d people, %v", sessions, people, err)
		}
		if ended, err := h.EndEverySession(t.Context(), user.SessionID); err != nil || ended != 2 {
			t.Errorf("%d ended, %v", ended, err)
		}
		if _, err := admin.user(); err != nil {
			t.Errorf("the one who ended them: %v", err)
		}
		_, err = thief.user()
		want(t, "a session", err, fault.Unauthentic)
		h.clock.pass(totpPeriod * time.Second)
		want(t, "a sign-in under way", half.secondFactor(Proof{Code: h.code(secret)}), fault.Unauthentic)
		if !slices.ContainsFunc(h.events, func(e Event) bool { return e.Action == "session.end_all" }) {
			t.Error("no event tells of it")
		}
	})
}
