package access

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const (
	// refreshEvery is how soon a node learns what another one changed.
	refreshEvery = 5 * time.Second
	maxCustom    = 200
	maxTitle     = 80 // characters
)

//go:embed migrations
var migrationFiles embed.FS

// Migrations are the tables of custom roles.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Tables are the records of this package: each change of a custom role is in the ledger.
func Tables() []ledger.Table {
	return []ledger.Table{{Name: "access_role", Key: "name", Link: "/roles"}}
}

// Roles knows every role: the program's and the organisation's. Safe for concurrent use.
type Roles struct {
	db      *db.DB
	ledger  *ledger.Log
	builtIn []Role
	now     atomic.Pointer[map[string]Role]
}

// Open reads the custom roles beside the program's own.
func Open(ctx context.Context, d *db.DB, log *ledger.Log, builtIn []Role) (*Roles, error) {
	if err := d.Migrate(ctx, "access", Migrations()); err != nil {
		return nil, err
	}
	r := &Roles{db: d, ledger: log, builtIn: builtIn}
	return r, r.Refresh(ctx)
}

// Run keeps up with what other nodes change until ctx ends.
func (r *Roles) Run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
				log.Warn("the roles could not be read again; the last known hold", "error", err)
			}
		}
	}
}

// Refresh reads the custom roles again.
func (r *Roles) Refresh(ctx context.Context) error {
	var custom []Role
	err := r.db.Read(ctx, func(tx *db.Tx) (err error) {
		custom, err = db.List(tx, scan, `SELECT name, title, permissions, mfa, changed, version FROM access_role ORDER BY name LIMIT $1`, maxCustom)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading roles: %w", err)
	}
	all := make(map[string]Role, len(r.builtIn)+len(custom))
	for _, role := range slices.Concat(custom, r.builtIn) { // a role of the program wins over one of its name
		all[role.Name] = role
	}
	r.now.Store(&all)
	return nil
}

func scan(row db.Scanner) (Role, error) {
	var role Role
	var permissions string
	var mfa, changed int64
	err := row.Scan(&role.Name, &role.Title, &permissions, &mfa, &changed, &role.Version)
	role.Allow, role.MFA, role.Changed = strings.Fields(permissions), mfa != 0, db.Time(changed)
	return role, err
}

// Allows reports whether one of the roles has the permission.
func (r *Roles) Allows(roles []string, permission string) bool {
	known := *r.now.Load()
	return slices.ContainsFunc(roles, func(name string) bool { return known[name].Allows(permission) })
}

// NeedsMFA reports whether one of the roles asks for a second factor. Who has no role at all can do nothing that needs one.
func (r *Roles) NeedsMFA(roles []string) bool {
	known := *r.now.Load()
	return slices.ContainsFunc(roles, func(name string) bool { return known[name].MFA })
}

// Known reports whether there is a role of the name.
func (r *Roles) Known(name string) bool {
	_, ok := (*r.now.Load())[name]
	return ok
}

// Get returns a role. The error is fault.NotFound where there is none.
func (r *Roles) Get(name string) (Role, error) {
	role, ok := (*r.now.Load())[name]
	if !ok {
		return Role{}, fault.New(fault.NotFound, "fault.role.unknown", "there is no role %q", name)
	}
	return role, nil
}

// List returns all roles: the program's in the order of their file, then the custom ones by name.
func (r *Roles) List() []Role {
	known := *r.now.Load()
	list := slices.Clone(r.builtIn)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !known[name].BuiltIn {
			list = append(list, known[name])
		}
	}
	return list
}

// Holder is somebody who may do some things.
type Holder interface{ May(permission string) bool }

// Covers reports whether the holder has every one of the permissions that the roles give: only then may they hand
// these roles on.
func (r *Roles) Covers(holder Holder, roles []string, permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(p string) bool { return r.Allows(roles, p) && !holder.May(p) })
}

// Save makes a custom role (Version 0) or replaces the one of its name and version. permissions is every permission there
// is: a role can have no other. Errors: fault.Invalid for what no role can be, fault.Conflict for a name that is taken or a version
// that is no longer the newest.
func (r *Roles) Save(ctx context.Context, role Role, permissions []string) error {
	err := r.db.Write(ctx, func(tx *db.Tx) error { return r.SaveIn(tx, role, permissions) })
	if err != nil {
		return fmt.Errorf("saving a role: %w", err)
	}
	return nil
}

// SaveIn is Save within a transaction of the caller's: of an approval. It holds from the commit on.
func (r *Roles) SaveIn(tx *db.Tx, role Role, permissions []string) error {
	if err := r.Check(role, permissions); err != nil {
		return err
	}
	role.Title = strings.TrimSpace(role.Title)
	allow := slices.Compact(slices.Sorted(slices.Values(role.Allow)))
	values := []any{role.Name, role.Title, strings.Join(allow, " "), number(role.MFA), db.Micros(tx.Now())}
	tx.AfterCommit(func() { _ = r.Refresh(context.WithoutCancel(tx.Context())) }) // where that fails, Run does it
	if role.Version == 0 {
		if err := r.create(tx, values); err != nil {
			return err
		}
		return r.ledger.Append(tx, ledger.Entry{Table: "access_role", Key: role.Name, Action: "create"})
	}
	changed, err := tx.Exec(`UPDATE access_role SET title = $2, permissions = $3, mfa = $4, changed = $5, version = version + 1
		WHERE name = $1 AND version = $6`, append(values, role.Version)...)
	if err == nil && changed == 0 {
		err = outdated(role.Name)
	}
	if err != nil {
		return err
	}
	return r.ledger.Append(tx, ledger.Entry{Table: "access_role", Key: role.Name, Action: "update"})
}

// Check refuses what no role can be.
func (r *Roles) Check(role Role, permissions []string) error {
	role.Title = strings.TrimSpace(role.Title)
	switch {
	case !roleName.MatchString(role.Name):
		return fault.New(fault.Invalid, "fault.role.name", "%q is no name of a role: 2 to 40 small letters, digits and hyphens, a letter first", role.Name)
	case role.Title == "" || utf8.RuneCountInString(role.Title) > maxTitle:
		return fault.New(fault.Invalid, "fault.role.title", "a role's title is 1 to %d characters", maxTitle)
	case len(role.Allow) == 0:
		return fault.New(fault.Invalid, "fault.role.empty", "a role without a permission is no role")
	case slices.ContainsFunc(r.builtIn, func(b Role) bool { return b.Name == role.Name }):
		return fault.New(fault.Conflict, "fault.role.built_in", "%s is a role of the program", role.Name)
	}
	for _, p := range role.Allow {
		if !permission.MatchString(p) || !slices.Contains(permissions, p) {
			return fault.New(fault.Invalid, "fault.role.permission", "there is no permission %q", p)
		}
	}
	return nil
}

func (r *Roles) create(tx *db.Tx, values []any) error {
	var count int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM access_role`).Scan(&count); err != nil {
		return err
	}
	if count >= maxCustom {
		return fault.New(fault.Invalid, "fault.role.many", "there are %d roles already", count)
	}
	_, err := tx.Exec(`INSERT INTO access_role (name, title, permissions, mfa, changed, version) VALUES ($1, $2, $3, $4, $5, 1)`, values...)
	return err
}

// Delete removes a custom role of the version. Whoever had it has it no longer, and a new role of its name is given to nobody
// by that: used tells how many people have the role, which must be none.
func (r *Roles) Delete(ctx context.Context, name string, version int64, used func(tx *db.Tx, role string) (int, error)) error {
	if role, err := r.Get(name); err != nil {
		return err
	} else if role.BuiltIn {
		return fault.New(fault.Conflict, "fault.role.built_in", "%s is a role of the program", name)
	}
	err := r.db.Write(ctx, func(tx *db.Tx) error {
		people, err := used(tx, name)
		if err != nil {
			return err
		}
		if people > 0 {
			return &fault.Error{Code: fault.Conflict, Key: "fault.role.used", Args: []any{people}, Detail: fmt.Sprintf("%d people have the role %s", people, name)}
		}
		changed, err := tx.Exec(`DELETE FROM access_role WHERE name = $1 AND version = $2`, name, version)
		if err == nil && changed == 0 {
			err = outdated(name)
		}
		if err != nil {
			return err
		}
		return r.ledger.Append(tx, ledger.Entry{Table: "access_role", Key: name, Action: "delete"})
	})
	if err != nil {
		return fmt.Errorf("deleting a role: %w", err)
	}
	return r.Refresh(ctx)
}

func outdated(name string) error {
	return fault.New(fault.Conflict, "fault.outdated", "%s was changed meanwhile", name)
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
