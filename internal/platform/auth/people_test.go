package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

func TestAnAddressHasOneForm(t *testing.T) {
	t.Parallel()
	for text, form := range map[string]string{
		" Rin.Tanaka@Example.JP ":               "rin.tanaka@example.jp",
		"ｒｉｎ＠ｅｘａｍｐｌｅ．ｊｐ":                        "rin@example.jp",
		"rin@xn--wgv71a119e.jp":                 "rin@日本語.jp",
		"rin@日本語.jp":                            "rin@日本語.jp",
		"rin+alerts@example.jp":                 "rin+alerts@example.jp",
		"リン@example.jp":                         "リン@example.jp",
		"":                                      "",
		"rin":                                   "",
		"@example.jp":                           "",
		"rin@":                                  "",
		"a..b@example.jp":                       "",
		"rin@exa mple.jp":                       "",
		"rin\u200b@example.jp":                  "",
		"rin@example.jp\nbcc: x@y.z":            "",
		`"rin"@example.jp`:                      "",
		"rin@a@example.jp":                      "",
		"\xff@example.jp":                       "",
		strings.Repeat("x", 65) + "@example.jp": "",
	} {
		got, err := NormalEmail(text)
		if got != form || (err == nil) != (form != "") {
			t.Errorf("%q: %q %v, want %q", text, got, err, form)
		}
	}
}

func FuzzNormalEmail(f *testing.F) {
	for _, seed := range []string{"rin@example.jp", "ＲＩＮ@日本語.jp", "a@xn--", "İ@example.jp", "ß@ß.de", "x@[127.0.0.1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := NormalEmail(text)
		if err != nil {
			return
		}
		if twice, err := NormalEmail(once); err != nil || twice != once {
			t.Errorf("%q becomes %q, which becomes %q (%v)", text, once, twice, err)
		}
	})
}

func TestPeopleAreChangedByOneAtATime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p, err := h.Create(t.Context(), NewPerson{Email: "Rin@example.jp", Name: " 田中　倫 ", Roles: []string{"analyst"}, Zone: "Asia/Tokyo", Lang: "ja"})
		if err != nil || p.State != Invited || p.Email != "rin@example.jp" || p.Name != "田中 倫" || p.Version != 1 {
			t.Fatalf("%+v %v", p, err)
		}
		_, err = h.Create(t.Context(), NewPerson{Email: "rin@EXAMPLE.jp", Name: "x"})
		want(t, "the same address", err, fault.Conflict)
		for what, n := range map[string]NewPerson{
			"role": {Email: "a@example.jp", Name: "x", Roles: []string{"emperor"}}, "zone": {Email: "a@example.jp", Name: "x", Zone: "../../etc/passwd"},
			"unit": {Email: "a@example.jp", Name: "x", Unit: "none"}, "name": {Email: "a@example.jp", Name: " \u200b"}, "language": {Email: "a@example.jp", Name: "x", Lang: "tlh"},
		} {
			_, err := h.Create(t.Context(), n)
			want(t, what, err, fault.Invalid)
		}
		name := "田中 凛"
		changed, err := h.Update(db.WithActor(t.Context(), "somebody"), p.ID, p.Version, Change{Name: &name})
		if err != nil || changed.Version != 2 || changed.Name != name || changed.Email != p.Email {
			t.Fatalf("%+v %v", changed, err)
		}
		_, err = h.Update(t.Context(), p.ID, p.Version, Change{Name: &name})
		want(t, "a second change of the same version", err, fault.Conflict)
		if read, err := h.PersonByEmail(t.Context(), "RIN@example.jp"); err != nil || read.ID != p.ID || !slices.Equal(read.RoleNames(), []string{"analyst"}) {
			t.Errorf("%+v %v", read, err)
		}
		gone, err := h.Erase(t.Context(), p.ID, 0)
		if err != nil || gone.Email != "" || gone.State != Disabled {
			t.Fatalf("%+v %v", gone, err)
		}
		if everything := dump(t, h.db); strings.Contains(everything, "rin@") || strings.Contains(everything, "田中") {
			t.Error("personal data is left")
		}
		_, err = h.Enable(t.Context(), p.ID, 0)
		want(t, "enabling who was erased", err, fault.Conflict)
	})
}

func TestASyncReplacesItsOwnRolesOnly(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "employee")
		set := func(origin Origin, roles ...string) {
			t.Helper()
			var err error
			if p, err = h.SetRoles(t.Context(), p.ID, p.Version, origin, roles); err != nil {
				t.Fatal(err)
			}
		}
		set(OIDC, "analyst", "employee")
		set(SCIM, "analyst")
		set(OIDC)
		read, _ := h.Person(t.Context(), p.ID)
		if got := fmt.Sprint(read.Roles, p.Roles); got != "[{analyst scim} {employee local}] [{analyst scim} {employee local}]" {
			t.Error(got)
		}
	})
}

func TestOneAdministratorIsAlwaysLeft(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a, b := h.person("a@example.jp", "admin"), h.person("b@example.jp", "admin")
		var all sync.WaitGroup
		var errs [2]error
		for i, p := range []Person{a, b} {
			all.Go(func() {
				if i == 0 {
					_, errs[i] = h.Disable(t.Context(), p.ID, 0)
				} else {
					_, errs[i] = h.SetRoles(t.Context(), p.ID, 0, ByHand, nil)
				}
			})
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Errorf("of two administrators who left at once: %v, %v", errs[0], errs[1])
		}
		left, err := h.People(t.Context(), PeopleFilter{Role: "admin", States: []State{Active}}, "", 10)
		if err != nil || len(left.Items) != 1 {
			t.Fatalf("%+v %v", left, err)
		}
		_, err = h.Erase(t.Context(), left.Items[0].ID, 0)
		want(t, "erasing the last", err, fault.Conflict)
	})
}

func TestPeopleAreListedByPages(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		group, err := h.SaveUnit(t.Context(), Unit{Code: "HD", Name: "持株会社"})
		if err != nil {
			t.Fatal(err)
		}
		shop, err := h.SaveUnit(t.Context(), Unit{Code: "EC", Name: "通販", NameEn: "Shop", Parent: group.ID})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			unit := ""
			if i%2 == 0 {
				unit = shop.ID
			}
			if _, err := h.Create(t.Context(), NewPerson{Email: fmt.Sprintf("p%d@example.jp", i), Name: fmt.Sprintf("Person 10%%_%d", 9-i/2), Unit: unit}); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		cursor := ""
		for {
			page, err := h.People(t.Context(), PeopleFilter{States: []State{Invited}, Text: "10%_"}, cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page.Items {
				names = append(names, p.Name+p.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if len(names) != 7 || !slices.IsSorted(names) {
			t.Error(names)
		}
		below, err := h.People(t.Context(), PeopleFilter{Unit: group.ID}, "", 100)
		if err != nil || len(below.Items) != 4 {
			t.Errorf("%d below the group, %v", len(below.Items), err)
		}
		_, err = h.People(t.Context(), PeopleFilter{}, "nonsense", 10)
		want(t, "a cursor of nobody's", err, fault.Invalid)
	})
}

func TestTheUnitOfWhomALogNames(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		shop, err := h.SaveUnit(t.Context(), Unit{Code: "EC", Name: "通販"})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []NewPerson{
			{Email: "sato@example.jp", Name: "佐藤", Unit: shop.ID}, {Email: "sato.k@example.jp", Name: "佐藤 K"},
			{Email: "suzuki@example.jp", Name: "鈴木", Unit: shop.ID}, {Email: "suzuki@shop.example.jp", Name: "鈴木", Unit: shop.ID},
		} {
			if _, err := h.Create(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		for account, known := range map[string]bool{
			"sato": true, "SATO": true, `EXAMPLE\sato`: true, "Sato@Example.JP": true, " sato ": true, "suzuki@shop.example.jp": true,
			"suzuki": false, "sato.k": false, "sat": false, "sato@": false, "": false, `EXAMPLE\`: false, "%": false, "sato%": false,
			"nobody@example.jp": false, strings.Repeat("x", 300): false,
		} {
			err := h.db.Read(t.Context(), func(tx *db.Tx) error {
				unit, err := h.UnitOfAccount(tx, account)
				if (unit == shop.ID) != known || !known && unit != "" {
					t.Errorf("%q belongs to %q", account, unit)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestUnitsAreATree(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		save := func(u Unit) Unit {
			t.Helper()
			u, err := h.SaveUnit(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		top := save(Unit{Code: "HD", Name: "Group"})
		mid := save(Unit{Code: "EC", Name: "Shop", Parent: top.ID})
		low := save(Unit{Code: "EC-1", Name: "Desk", Parent: mid.ID})
		for what, one := range map[string]struct {
			Unit
			code fault.Code
		}{
			"below its own child": {Unit{ID: top.ID, Version: 1, Code: "HD", Name: "Group", Parent: low.ID}, fault.Invalid},
			"below itself":        {Unit{ID: mid.ID, Version: 1, Code: "EC", Name: "Shop", Parent: mid.ID}, fault.Invalid},
			"below nothing":       {Unit{Code: "X", Name: "X", Parent: "none"}, fault.Invalid},
			"code taken":          {Unit{Code: "EC", Name: "X"}, fault.Conflict},
			"old version":         {Unit{ID: mid.ID, Version: 7, Code: "EC", Name: "Shop"}, fault.Conflict},
			"code":                {Unit{Code: "<b>", Name: "X"}, fault.Invalid},
		} {
			_, err := h.SaveUnit(t.Context(), one.Unit)
			want(t, what, err, one.code)
		}
		want(t, "one that others lie below", h.DeleteUnit(t.Context(), mid.ID, mid.Version), fault.Conflict)
		want(t, "a leaf", h.DeleteUnit(t.Context(), low.ID, low.Version), "")
	})
}

func TestTheFirstStart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		old, err := h.SetupToken(t.Context())
		if err != nil || old == "" {
			t.Fatal(err)
		}
		token, err := h.SetupToken(t.Context()) // another start
		if err != nil {
			t.Fatal(err)
		}
		if due, err := h.SetupDue(t.Context()); err != nil || !due {
			t.Errorf("before the setup: %t %v", due, err)
		}
		b := h.browser("192.0.2.1")
		setup := func(token, password string) error {
			return b.do(func(w http.ResponseWriter, r *http.Request) error {
				return h.Setup(w, r, token, NewPerson{Email: "rin@example.jp", Name: "田中 倫"}, password)
			})
		}
		want(t, "the earlier start's link", setup(old, good), fault.NotFound)
		want(t, "one's own address as a password", setup(token, "rin@example.jp!"), fault.Invalid)
		want(t, "the link", setup(token, good), "")
		user, err := b.user()
		if err != nil || !user.Enrol || user.May("person.write") || !user.Session {
			t.Fatalf("the administrator without a second factor: %+v %v", user, err)
		}
		b.app()
		if user, err = b.user(); err != nil || user.Enrol || !user.May("person.write") {
			t.Errorf("with one: %+v %v", user, err)
		}
		want(t, "the link again", setup(token, good), fault.NotFound)
		if due, err := h.SetupDue(t.Context()); err != nil || due {
			t.Errorf("after the setup: %t %v", due, err)
		}
		if again, err := h.SetupToken(t.Context()); err != nil || again != "" {
			t.Errorf("a later start: %q %v", again, err)
		}
	})
}

func TestAnInvitationMakesSomebodyActive(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p, err := h.Create(t.Context(), NewPerson{Email: "rin@example.jp", Name: "Rin", Roles: []string{"employee"}})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := h.Invite(t.Context(), p.ID)
		if err != nil || shown != "" {
			t.Fatalf("whoever invites sees the link: %q %v", shown, err)
		}
		b := h.browser("192.0.2.1")
		for range budgetBurst + 1 { // who thinks of a password that will do is no guesser
			want(t, "a short one", b.do(func(w http.ResponseWriter, r *http.Request) error {
				_, err := h.Redeem(w, r, h.letter().Token, "too short", Proof{})
				return err
			}), fault.Invalid)
		}
		if err := b.do(func(w http.ResponseWriter, r *http.Request) error {
			in, err := h.Redeem(w, r, h.letter().Token, good, Proof{})
			if !in {
				t.Error("not signed in")
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if user, err := b.user(); err != nil || user.ID != p.ID {
			t.Errorf("%+v %v", user, err)
		}
		if p, _ = h.Person(t.Context(), p.ID); p.State != Active || p.LastSignIn.IsZero() {
			t.Errorf("%+v", p)
		}
	})
}

func TestSessionsOfAPerson(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "employee")
		here, there := h.in("rin@example.jp"), h.in("rin@example.jp")
		user, _ := here.user()
		list, err := h.Sessions(t.Context(), p.ID)
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v %v", list, err)
		}
		want(t, "somebody else's", h.EndSession(t.Context(), "other", user.SessionID), fault.NotFound)
		for _, s := range list {
			if s.ID != user.SessionID {
				want(t, "the other browser's", h.EndSession(t.Context(), p.ID, s.ID), "")
			}
		}
		if _, err := there.user(); err == nil {
			t.Error("a session that was ended opens")
		}
		for range 6 {
			h.clock.pass(11 * time.Hour)
			if _, err := here.user(); err != nil {
				t.Fatalf("in use: %v", err)
			}
		}
		h.clock.pass(13 * time.Hour)
		_, err = here.user()
		want(t, "idle", err, fault.Unauthentic)
		old := h.in("rin@example.jp")
		for range 17 {
			h.clock.pass(10 * time.Hour)
			_, _ = old.user()
		}
		_, err = old.user()
		want(t, "after a week in use", err, fault.Unauthentic)
		if err := h.Sweep(t.Context()); err != nil || strings.Count(dump(t, h.db), "yagura") != 0 {
			t.Error(err)
		}
		out := h.in("rin@example.jp")
		stolen := h.browser("192.0.2.66")
		stolen.cookies["yagura_session"] = out.cookies["yagura_session"]
		want(t, "signing out", out.do(h.SignOut), "")
		if _, err := stolen.user(); err == nil || out.cookies["yagura_session"] != "" {
			t.Error("the session outlived its end")
		}
	})
}

func TestPasswordsChange(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "employee")
		mine, other := h.in("rin@example.jp"), h.in("rin@example.jp")
		before := mine.cookies["yagura_session"]
		change := func(old, new string) error {
			return mine.do(func(w http.ResponseWriter, r *http.Request) error { return h.ChangePassword(w, r, old, new) })
		}
		want(t, "wrong old one", change("guess", "another horse battery"), fault.Forbidden)
		for range budgetBurst + 1 {
			want(t, "own name", change(good, "Rin@Example.JP rin"), fault.Invalid)
		}
		want(t, "good", change(good, "another horse battery"), "")
		if _, err := other.user(); err == nil {
			t.Error("the other session lives on")
		}
		if _, err := mine.user(); err != nil || mine.cookies["yagura_session"] == before {
			t.Errorf("this session: %v", err)
		}
		// A dearer cost is taken up at the next sign-in.
		h.Accounts.cost = cost{time: 2, memory: 8, threads: 1}
		if _, err := h.browser("192.0.2.7").signIn("rin@example.jp", "another horse battery"); err != nil {
			t.Fatal(err)
		}
		err := h.db.Read(t.Context(), func(tx *db.Tx) error {
			who, err := loginOf(tx, p.Email)
			if !strings.HasPrefix(who.hash, "$argon2id$v=19$m=8,t=2,p=1$") {
				t.Error(who.hash)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestTheCompanysSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		taken := h.person("taken@example.jp", "admin")
		in := func(id Identity, policy ExternalPolicy) (*browser, Step, error) {
			b := h.browser("192.0.2.1")
			var step Step
			err := b.do(func(w http.ResponseWriter, r *http.Request) (err error) {
				step, err = h.SignInExternal(w, r, id, policy)
				return err
			})
			return b, step, err
		}
		rin := Identity{Issuer: "https://op.example", Subject: "1", Email: "rin@example.jp", Name: "田中 倫", Roles: []string{"analyst", "unknown"}, SyncRoles: true, MFA: true}
		_, _, err := in(rin, ExternalPolicy{})
		want(t, "nobody here", err, fault.Unauthentic)
		_, _, err = in(Identity{Issuer: "https://op.example", Subject: "2", Email: "taken@example.jp"}, ExternalPolicy{Create: true})
		want(t, "an address that is somebody's", err, fault.Unauthentic)
		b, step, err := in(rin, ExternalPolicy{Create: true})
		if err != nil || step != Done {
			t.Fatal(step, err)
		}
		user, err := b.user()
		if err != nil || !user.May("alert.read") || user.ID == taken.ID {
			t.Errorf("%+v %v", user, err)
		}
		rin.Roles = nil
		if _, _, err = in(rin, ExternalPolicy{}); err != nil {
			t.Fatal(err)
		}
		if user, err = b.user(); err != nil || user.May("alert.read") {
			t.Errorf("a group that was left still counts: %v", err)
		}
		if _, err := h.Disable(t.Context(), user.ID, 0); err != nil {
			t.Fatal(err)
		}
		_, _, err = in(rin, ExternalPolicy{Create: true, Link: true})
		want(t, "disabled here", err, fault.Unauthentic)
		gone := h.person("gone@example.jp", "employee")
		if _, err := h.Disable(t.Context(), gone.ID, 0); err != nil {
			t.Fatal(err)
		}
		robot, err := h.Create(t.Context(), NewPerson{Kind: Service, Email: "robot@example.jp", Name: "Robot"})
		if err != nil {
			t.Fatal(err)
		}
		for subject, p := range map[string]Person{"3": gone, "4": robot} {
			_, _, err = in(Identity{Issuer: "https://op.example", Subject: subject, Email: p.Email}, ExternalPolicy{Create: true, Link: true})
			want(t, "by an address that nobody signs in with", err, fault.Unauthentic)
			if p, err = h.Person(t.Context(), p.ID); err != nil || p.External != (External{}) {
				t.Errorf("who is refused is linked all the same: %+v, %v", p.External, err)
			}
		}
	})
}

func TestAPersonNeverSignsInAsAServiceAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		robot, err := h.Create(t.Context(), NewPerson{Kind: Service, Email: "robot@example.jp", Name: "Robot", Roles: []string{"analyst"}})
		if err != nil || robot.State != Active {
			t.Fatal(err)
		}
		_, err = h.Invite(t.Context(), robot.ID)
		want(t, "inviting it", err, fault.Conflict)
		admin := &User{ID: "local", Allowed: everything}
		_, token, err := h.CreateToken(context.Background(), admin, Token{Person: robot.ID, Name: "x", Permissions: []string{"alert.read"}, Expiry: h.clock.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		r := h.browser("192.0.2.1").request()
		r.Header.Set("Authorization", "Bearer "+token)
		if user, err := h.User(r); err != nil || user.ID != robot.ID {
			t.Errorf("%+v %v", user, err)
		}
	})
}
