package access_test

import (
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/access"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const file = `
roles:
  - {name: admin, mfa: true, allow: ["*"]}
  - {name: analyst, mfa: true, allow: [event.read, alert.*]}
  - {name: auditor, mfa: true, allow: ["*.read"]}
  - {name: employee, mfa: false, allow: []}
`

var permissions = []string{"alert.read", "alert.write", "event.read", "rule.read", "rule.write"}

func open(t *testing.T, d *db.DB) *access.Roles {
	t.Helper()
	return openNode(t, d, t.TempDir()+"/key")
}

// openNode is one of several on a database: they share the ledger's key.
func openNode(t *testing.T, d *db.DB, key string) *access.Roles {
	t.Helper()
	builtIn, err := access.Parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	roles, err := access.Open(t.Context(), d, log, builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Track(t.Context(), access.Tables()...); err != nil {
		t.Fatal(err)
	}
	return roles
}

// allowed is what the roles may do, of the permissions there are.
func allowed(roles *access.Roles, names ...string) string {
	var list []string
	for _, p := range permissions {
		if roles.Allows(names, p) {
			list = append(list, p)
		}
	}
	return strings.Join(list, " ")
}

func TestWhatEachRoleMayDo(t *testing.T) {
	t.Parallel()
	roles := open(t, dbtest.New(t))
	for names, want := range map[string]string{
		"admin":            "alert.read alert.write event.read rule.read rule.write",
		"analyst":          "alert.read alert.write event.read",
		"auditor":          "alert.read event.read rule.read",
		"employee":         "",
		"nobody":           "", // a role that does not exist
		"employee auditor": "alert.read event.read rule.read",
		"":                 "",
	} {
		if got := allowed(roles, strings.Fields(names)...); got != want {
			t.Errorf("%q may %q, want %q", names, got, want)
		}
	}
	for _, odd := range []string{"", "*", "read", "alert", ".read", "alert.read.more", "alertx.read"} {
		if roles.Allows([]string{"analyst"}, odd) {
			t.Errorf("an analyst may %q", odd)
		}
	}
	if !roles.NeedsMFA([]string{"employee", "analyst"}) || roles.NeedsMFA([]string{"employee"}) || roles.NeedsMFA(nil) {
		t.Error("who needs a second factor is wrong")
	}
}

func TestAFileOfRolesSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "no role admin",
		"roles: [{name: admin, mfa: true, allow: ['*'], colour: red}]": "colour",
		"roles: [{name: Admin, mfa: true}]":                            `"Admin" is no name`,
		"roles: [{name: admin, allow: ['*']}]":                         "second factor",
		"roles: [{name: admin, mfa: true, allow: ['a*']}]":             `"a*" is no permission`,
		"roles: [{name: admin, mfa: true}, {name: admin, mfa: true}]":  "twice",
		"roles: 7": "file of roles",
	} {
		if _, err := access.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(file))
	f.Fuzz(func(t *testing.T, text []byte) {
		if roles, err := access.Parse(text); err == nil && len(roles) == 0 {
			t.Error("a file without roles passed")
		}
	})
}

func TestACustomRoleIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		roles, ctx := open(t, d), t.Context()
		desk := access.Role{Name: "store-desk", Title: "店舗窓口", Allow: []string{"rule.read", "alert.read", "alert.read"}, MFA: true}
		if err := roles.Save(ctx, desk, permissions); err != nil {
			t.Fatal(err)
		}
		if got := allowed(roles, "store-desk"); got != "alert.read rule.read" || !roles.NeedsMFA([]string{"store-desk"}) {
			t.Errorf("the new role may %q", got)
		}
		if err := roles.Save(ctx, desk, permissions); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same name again: %v", err)
		}
		desk.Version, desk.Allow, desk.MFA = 1, []string{"rule.read"}, false
		if err := roles.Save(ctx, desk, permissions); err != nil || allowed(roles, "store-desk") != "rule.read" || roles.NeedsMFA([]string{"store-desk"}) {
			t.Errorf("changed: %v, may %q", err, allowed(roles, "store-desk"))
		}
		if err := roles.Save(ctx, desk, permissions); !fault.Is(err, fault.Conflict) {
			t.Errorf("an old version: %v", err)
		}
		people := func(n int) func(*db.Tx, string) (int, error) {
			return func(*db.Tx, string) (int, error) { return n, nil }
		}
		if err := roles.Delete(ctx, "store-desk", 2, people(3)); !fault.Is(err, fault.Conflict) {
			t.Errorf("deleting what three people have: %v", err)
		}
		if err := roles.Delete(ctx, "store-desk", 2, people(0)); err != nil || roles.Known("store-desk") || allowed(roles, "store-desk") != "" {
			t.Errorf("deleted: %v, still known: %t", err, roles.Known("store-desk"))
		}
		if err := roles.Delete(ctx, "admin", 1, people(0)); !fault.Is(err, fault.Conflict) {
			t.Errorf("deleting a role of the program: %v", err)
		}
	})
}

func TestWhatNoRoleCanBe(t *testing.T) {
	t.Parallel()
	roles := open(t, dbtest.New(t))
	good := access.Role{Name: "desk", Title: "Desk", Allow: []string{"rule.read"}}
	for what, change := range map[string]func(*access.Role){
		"a name with a space":       func(r *access.Role) { r.Name = "my desk" },
		"the name of another":       func(r *access.Role) { r.Name = "auditor" },
		"no title":                  func(r *access.Role) { r.Title = " " },
		"a long title":              func(r *access.Role) { r.Title = strings.Repeat("長", 81) },
		"no permission":             func(r *access.Role) { r.Allow = nil },
		"a pattern":                 func(r *access.Role) { r.Allow = []string{"*"} },
		"a permission there is not": func(r *access.Role) { r.Allow = []string{"rule.eat"} },
	} {
		role := good
		change(&role)
		if err := roles.Save(t.Context(), role, permissions); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

type holder []string

func (h holder) May(permission string) bool { return slices.Contains(h, permission) }

func TestNobodyGivesWhatTheyLack(t *testing.T) {
	t.Parallel()
	roles := open(t, dbtest.New(t))
	chief := holder{"alert.read", "alert.write", "event.read"}
	for role, want := range map[string]bool{"analyst": true, "employee": true, "auditor": false, "admin": false} {
		if got := roles.Covers(chief, []string{role}, permissions); got != want {
			t.Errorf("may give %s: %t, want %t", role, got, want)
		}
	}
}

// TestAnotherNodeLearnsOfAChange reads the same database through a second instance.
func TestAnotherNodeLearnsOfAChange(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	key := t.TempDir() + "/key"
	one, other := openNode(t, d, key), openNode(t, d, key)
	if err := one.Save(t.Context(), access.Role{Name: "desk", Title: "Desk", Allow: []string{"rule.read"}}, permissions); err != nil {
		t.Fatal(err)
	}
	if err := other.Refresh(t.Context()); err != nil || !other.Known("desk") {
		t.Errorf("the other node knows of it: %t, %v", other.Known("desk"), err)
	}
}
