package preference_test

import (
	"path/filepath"
	"testing"

	"yagura/internal/platform/access"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
)

func open(t *testing.T, d *db.DB) (*auth.Accounts, *preference.Preferences) {
	t.Helper()
	ctx := t.Context()
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	if err != nil {
		t.Fatal(err)
	}
	builtIn, err := access.Parse([]byte("roles:\n  - {name: admin, mfa: true, allow: [\"*\"]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	roles, err := access.Open(ctx, d, log, builtIn)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.OpenAccounts(ctx, d, auth.Config{Roles: roles, Seal: seal.Generate(), Ledger: log, Forget: []func(*db.Tx, string) error{preference.Forget}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(ctx, "preference", preference.Migrations()); err != nil {
		t.Fatal(err)
	}
	return accounts, preference.New(d, accounts)
}

func TestChoicesAreKeptUntilTheyAreForgotten(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		accounts, preferences := open(t, d)
		ctx := t.Context()
		p, err := accounts.Create(ctx, auth.NewPerson{Email: "tanaka@example.jp", Name: "田中 花子"})
		if err != nil {
			t.Fatal(err)
		}
		if c, ok, err := preferences.Choices(ctx, p.ID); ok || err != nil || c != (web.Choices{}) {
			t.Fatalf("before anything was chosen: %+v, %t, %v", c, ok, err)
		}
		first := web.Choices{Lang: "ja", Zone: "Asia/Tokyo", Theme: web.Dark, Density: web.Compact, Start: "/alerts", Dates: web.Era, Rail: web.Narrow}
		if err := preferences.Keep(ctx, p.ID, first); err != nil {
			t.Fatal(err)
		}
		want := first
		want.Lang, want.Zone = "", "" // these come with the account
		if c, ok, err := preferences.Choices(ctx, p.ID); !ok || err != nil || c != want {
			t.Fatalf("%+v, %t, %v", c, ok, err)
		}
		if p, err = accounts.Person(ctx, p.ID); err != nil || p.Lang != "ja" || p.Zone != "Asia/Tokyo" {
			t.Fatalf("the account: %+v, %v", p, err)
		}
		if err := preferences.Keep(ctx, p.ID, web.Choices{Lang: "ja", Zone: "Asia/Tokyo", Theme: web.Light}); err != nil {
			t.Fatal(err)
		}
		after, err := accounts.Person(ctx, p.ID)
		if err != nil || after.Version != p.Version {
			t.Errorf("a theme made version %d of %d of the person, %v", after.Version, p.Version, err)
		}
		if c, _, err := preferences.Choices(ctx, p.ID); err != nil || c != (web.Choices{Theme: web.Light}) {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := accounts.Erase(ctx, p.ID, 0); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := preferences.Choices(ctx, p.ID); ok || err != nil {
			t.Errorf("preferences outlive the person's data: %v", err)
		}
	})
}

func TestNobodysChoicesAreNotKept(t *testing.T) {
	t.Parallel()
	_, preferences := open(t, dbtest.New(t))
	if err := preferences.Keep(t.Context(), "nobody", web.Choices{Theme: web.Dark}); !fault.Is(err, fault.NotFound) {
		t.Errorf("%v, want not found", err)
	}
}
