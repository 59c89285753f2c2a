package demo_test

import (
	"path/filepath"
	"testing"

	"yagura/internal/detect/demo"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/seal"
)

// everyRole knows every role.
type everyRole struct{}

func (everyRole) Known(string) bool            { return true }
func (everyRole) Allows([]string, string) bool { return false }
func (everyRole) NeedsMFA([]string) bool       { return true }

func TestTheCompanysPeopleHaveAccounts(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.OpenAccounts(t.Context(), d, auth.Config{Roles: everyRole{}, Seal: seal.Generate(), Ledger: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Staff(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	people, err := accounts.People(t.Context(), auth.PeopleFilter{}, "", 200)
	if err != nil || len(people.Items) != 16 {
		t.Fatalf("%d people, %v", len(people.Items), err)
	}
	for _, p := range people.Items {
		if p.State != auth.Invited || p.Unit == "" || len(p.Roles) != 1 {
			t.Errorf("%+v", p)
		}
	}
}
