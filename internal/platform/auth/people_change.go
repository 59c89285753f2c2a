package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Create makes a person. Errors: fault.Invalid for what is no address, name, role, unit, zone or language, fault.Conflict
// where the address is taken.
func (a *Accounts) Create(ctx context.Context, n NewPerson) (p Person, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		p, err = a.create(tx, n)
		return err
	})
	return p, err
}

func (a *Accounts) create(tx *db.Tx, n NewPerson) (p Person, err error) {
	p = Person{ID: db.NewID(), Kind: n.Kind, Unit: n.Unit, State: n.State, Lang: n.Lang, Zone: n.Zone, External: n.External,
		Created: tx.Now(), Changed: tx.Now(), Version: 1}
	if p.Kind == "" {
		p.Kind = Human
	}
	switch {
	case p.Kind != Human && p.Kind != Service:
		return p, fault.New(fault.Invalid, "", "no kind of account: %.20q", p.Kind)
	case p.State == "" && p.Kind == Service:
		p.State = Active
	case p.State == "":
		p.State = Invited
	case p.State != Invited && p.State != Active && p.State != Disabled:
		return p, fault.New(fault.Invalid, "", "no state: %.20q", p.State)
	}
	if p.Email, err = NormalEmail(n.Email); err != nil {
		return p, err
	}
	if p.Name, err = cleanName(n.Name); err != nil {
		return p, err
	}
	if err := checkDetails(tx, p); err != nil {
		return p, err
	}
	if err := free(tx, p); err != nil {
		return p, err
	}
	_, err = tx.Exec(`INSERT INTO auth_person (id, kind, email, name, sort_name, unit, state, lang, zone, issuer, subject, external_id,
		created_at, changed_at, last_sign_in_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, 0, 1)`,
		p.ID, string(p.Kind), p.Email, p.Name, sortName(p.Name), p.Unit, string(p.State), p.Lang, p.Zone,
		p.External.Issuer, p.External.Subject, p.External.ID, db.Micros(tx.Now()))
	if err != nil {
		return p, fmt.Errorf("making a person: %w", err)
	}
	if err := a.record(tx, "auth_person", p.ID, "create"); err != nil {
		return p, err
	}
	origin := n.Origin
	if origin == "" {
		origin = ByHand
	}
	if err := a.replaceRoles(tx, &p, origin, n.Roles); err != nil {
		return p, err
	}
	a.event(tx, Event{Action: "person.create", Person: p.ID})
	return p, nil
}

func checkDetails(tx *db.Tx, p Person) error {
	if err := checkZone(p.Zone); err != nil {
		return err
	}
	if err := checkLang(p.Lang); err != nil {
		return err
	}
	if len(p.External.Issuer)+len(p.External.Subject)+len(p.External.ID) > 2000 {
		return fault.New(fault.Invalid, "", "the external names are too long")
	}
	if p.Unit == "" {
		return nil
	}
	_, err := unitByID(tx, p.Unit)
	return err
}

// free says whose the address or the external name is already, before the database's own words do: on PostgreSQL a statement
// that fails ends the transaction.
func free(tx *db.Tx, p Person) error {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM auth_person WHERE id <> $1 AND (email = $2
		OR (subject <> '' AND issuer = $3 AND subject = $4) OR (external_id <> '' AND external_id = $5))`,
		p.ID, p.Email, p.External.Issuer, p.External.Subject, p.External.ID).Scan(&n)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Conflict, "fault.person.taken", "there is a person of that address or external name")
	}
	return nil
}

// Change is what Update changes; nil leaves a field as it is.
type Change struct {
	Email, Name, Unit, Lang, Zone *string
	External                      *External
}

// changing runs change on a person of that version in one transaction, writes what it made of them, and appends it to the
// ledger. Version 0 takes whatever version there is, for directories that know none.
func (a *Accounts) changing(ctx context.Context, id string, version int64, action string, change func(tx *db.Tx, p *Person) error) (p Person, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		p, err = a.changeIn(tx, id, version, action, change)
		return err
	})
	return p, err
}

func (a *Accounts) changeIn(tx *db.Tx, id string, version int64, action string, change func(tx *db.Tx, p *Person) error) (p Person, err error) {
	if p, err = byID(tx, id); err != nil {
		return p, err
	}
	if version != 0 && version != p.Version {
		return p, fault.New(fault.Conflict, "fault.person.outdated", "the person was changed meanwhile")
	}
	if err := change(tx, &p); err != nil {
		return p, err
	}
	return p, a.put(tx, &p, action)
}

// put writes a changed person as their next version.
func (a *Accounts) put(tx *db.Tx, p *Person, action string) error {
	p.Changed = tx.Now()
	n, err := tx.Exec(`UPDATE auth_person SET email = $1, name = $2, sort_name = $3, unit = $4, state = $5, lang = $6, zone = $7,
		issuer = $8, subject = $9, external_id = $10, changed_at = $11, version = version + 1 WHERE id = $12 AND version = $13`,
		p.Email, p.Name, sortName(p.Name), p.Unit, string(p.State), p.Lang, p.Zone,
		p.External.Issuer, p.External.Subject, p.External.ID, db.Micros(p.Changed), p.ID, p.Version)
	if err != nil {
		return fmt.Errorf("changing a person: %w", err)
	}
	if n != 1 {
		return fault.New(fault.Conflict, "fault.person.outdated", "the person was changed meanwhile")
	}
	p.Version++
	a.event(tx, Event{Action: "person." + action, Person: p.ID})
	return a.record(tx, "auth_person", p.ID, action)
}

// Update changes what a person is called and where they belong. Errors as Create's, and fault.Conflict where version is not
// the person's any more.
func (a *Accounts) Update(ctx context.Context, id string, version int64, c Change) (Person, error) {
	return a.changing(ctx, id, version, "update", c.apply)
}

func (c Change) apply(tx *db.Tx, p *Person) (err error) {
	if p.Email == "" {
		return erased()
	}
	if c.Email != nil {
		if p.Email, err = NormalEmail(*c.Email); err != nil {
			return err
		}
	}
	if c.Name != nil {
		if p.Name, err = cleanName(*c.Name); err != nil {
			return err
		}
	}
	for to, from := range map[*string]*string{&p.Unit: c.Unit, &p.Lang: c.Lang, &p.Zone: c.Zone} {
		if from != nil {
			*to = *from
		}
	}
	if c.External != nil {
		p.External = *c.External
	}
	if err := checkDetails(tx, *p); err != nil {
		return err
	}
	return free(tx, *p)
}

// Revision is what Revise changes; nil leaves a field as it is.
type Revision struct {
	Change
	Roles    *[]string // those given by hand
	Disabled *bool
}

// Revise does what Update, SetRoles, and Disable or Enable do, all of it or nothing. Errors as theirs.
func (a *Accounts) Revise(ctx context.Context, id string, version int64, v Revision) (p Person, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		at := version
		step := func(action string, change func(tx *db.Tx, p *Person) error) {
			if err == nil {
				p, err = a.changeIn(tx, id, at, action, change)
				at = p.Version
			}
		}
		p, err = byID(tx, id)
		if v.Change != (Change{}) {
			step("update", v.Change.apply)
		}
		if v.Roles != nil {
			step("roles", a.setRoles(ByHand, *v.Roles))
		}
		switch {
		case err != nil || v.Disabled == nil || *v.Disabled == (p.State == Disabled):
		case *v.Disabled:
			step(actionDisable, a.disable)
		default:
			step(actionEnable, enable)
		}
		return err
	})
	return p, err
}

func erased() error {
	return fault.New(fault.Conflict, "fault.person.erased", "the person's data was deleted; nothing of them changes any more")
}

// SetRoles replaces the roles that origin gave a person; those of other origins stay. Errors: fault.Invalid for a role that does
// not exist, fault.Conflict where the last active administrator would lose the role or version is not the person's any more.
func (a *Accounts) SetRoles(ctx context.Context, id string, version int64, origin Origin, roles []string) (Person, error) {
	return a.changing(ctx, id, version, "roles", a.setRoles(origin, roles))
}

// SetRolesIn is SetRoles within a transaction of the caller's: of an approval.
func (a *Accounts) SetRolesIn(tx *db.Tx, id string, version int64, origin Origin, roles []string) (Person, error) {
	return a.changeIn(tx, id, version, "roles", a.setRoles(origin, roles))
}

func (a *Accounts) setRoles(origin Origin, roles []string) func(*db.Tx, *Person) error {
	return func(tx *db.Tx, p *Person) error {
		if p.Email == "" {
			return erased()
		}
		return a.replaceRoles(tx, p, origin, roles)
	}
}

func (a *Accounts) replaceRoles(tx *db.Tx, p *Person, origin Origin, names []string) error {
	if !slices.Contains([]Origin{ByHand, OIDC, SCIM}, origin) {
		return fault.New(fault.Invalid, "", "no origin of roles: %.20q", origin)
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if len(names) > maxRoles {
		return fault.New(fault.Invalid, "fault.person.role", "more than %d roles", maxRoles)
	}
	for _, name := range names {
		if !a.Roles.Known(name) {
			return &fault.Error{Code: fault.Invalid, Key: "fault.person.role", Args: []any{name}, Detail: fmt.Sprintf("no role %.40q", name)}
		}
	}
	var kept []Role
	lost := false
	for _, r := range p.Roles {
		if r.Origin != origin || slices.Contains(names, r.Name) {
			kept = append(kept, r)
			continue
		}
		lost = true
		if err := a.dropRole(tx, p.ID, r); err != nil {
			return err
		}
	}
	for _, name := range names {
		if r := (Role{name, origin}); !slices.Contains(kept, r) {
			kept = append(kept, r)
			if err := a.addRole(tx, p.ID, r); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(kept, func(x, y Role) int {
		return strings.Compare(x.Name+"\x00"+string(x.Origin), y.Name+"\x00"+string(y.Origin))
	})
	was := *p
	p.Roles = kept
	if lost && was.administers() && !p.administers() {
		return adminLeft(tx, p.ID)
	}
	return nil
}

func (a *Accounts) addRole(tx *db.Tx, person string, r Role) error {
	id := db.NewID()
	if _, err := tx.Exec(`INSERT INTO auth_role (id, person, role, origin, at) VALUES ($1, $2, $3, $4, $5)`,
		id, person, r.Name, string(r.Origin), db.Micros(tx.Now())); err != nil {
		return fmt.Errorf("giving a role: %w", err)
	}
	return a.record(tx, "auth_role", id, "create")
}

func (a *Accounts) dropRole(tx *db.Tx, person string, r Role) error {
	return a.dropRows(tx, "auth_role", "id", "delete", `person = $1 AND role = $2 AND origin = $3`, person, r.Name, string(r.Origin))
}

// administers reports whether the person is one of the administrators who can act.
func (p Person) administers() bool {
	return p.Kind == Human && p.State == Active && slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Name == AdminRole })
}

// adminLeft fails unless an active administrator other than id is left. It changes the guard's row first, so that on an engine
// with several writers two of them cannot each count the other's.
func adminLeft(tx *db.Tx, id string) error {
	if _, err := tx.Exec(`UPDATE auth_guard SET n = n + 1 WHERE id = 'admins'`); err != nil {
		return err
	}
	n, err := admins(tx, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "fault.person.last_admin", "the last active administrator stays one")
	}
	return nil
}

// admins counts the active administrators other than except.
func admins(tx *db.Tx, except string) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(DISTINCT p.id) FROM auth_person p JOIN auth_role r ON r.person = p.id
		WHERE r.role = $1 AND p.state = $2 AND p.kind = $3 AND p.id <> $4`, AdminRole, string(Active), string(Human), except).Scan(&n)
	return n, err
}

// Disable shuts a person out at once: their sessions and sign-ins under way end, links to them and their tokens are void. The
// last active administrator cannot be disabled (fault.Conflict).
func (a *Accounts) Disable(ctx context.Context, id string, version int64) (Person, error) {
	return a.changing(ctx, id, version, actionDisable, a.disable)
}

func (a *Accounts) disable(tx *db.Tx, p *Person) error {
	was := *p
	p.State = Disabled
	if was.administers() {
		if err := adminLeft(tx, p.ID); err != nil {
			return err
		}
	}
	if err := a.revokeTokens(tx, p.ID); err != nil {
		return err
	}
	return a.endAll(tx, p.ID)
}

// endAll ends every session, sign-in and link of a person.
func (a *Accounts) endAll(tx *db.Tx, person string) error {
	for _, table := range []string{"auth_session", "auth_pending"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE person = $1`, person); err != nil {
			return err
		}
	}
	return a.dropTickets(tx, `person = $1`, person)
}

// Enable lets a disabled person in again: active where they have signed in before or have no need of an invitation, invited
// otherwise. Their tokens stay revoked.
func (a *Accounts) Enable(ctx context.Context, id string, version int64) (Person, error) {
	return a.changing(ctx, id, version, actionEnable, enable)
}

func enable(_ *db.Tx, p *Person) error {
	if p.Email == "" {
		return erased()
	}
	if p.State != Disabled {
		return fault.New(fault.Conflict, "fault.person.outdated", "the person is not disabled")
	}
	p.State = Active
	if p.Kind == Human && p.LastSignIn.IsZero() && p.External == (External{}) {
		p.State = Invited
	}
	return nil
}

// Erase disables a person and deletes what is personal: name, address, external names, credentials, tokens. The id stays, so
// that records still say that the same person did two things.
func (a *Accounts) Erase(ctx context.Context, id string, version int64) (Person, error) {
	return a.changing(ctx, id, version, actionErase, a.erase)
}

// EraseIn is Erase within a transaction of the caller's: of an approval.
func (a *Accounts) EraseIn(tx *db.Tx, id string, version int64) (Person, error) {
	return a.changeIn(tx, id, version, actionErase, a.erase)
}

func (a *Accounts) erase(tx *db.Tx, p *Person) error {
	if err := a.disable(tx, p); err != nil {
		return err
	}
	for _, forget := range a.Forget {
		if err := forget(tx, p.ID); err != nil {
			return err
		}
	}
	for _, table := range []string{"auth_password", "auth_totp"} {
		if err := a.dropRows(tx, table, "person", actionErase, `person = $1`, p.ID); err != nil {
			return err
		}
	}
	for _, table := range []string{"auth_recovery", "auth_passkey", "auth_token", "auth_role"} {
		if err := a.dropRows(tx, table, "id", actionErase, `person = $1`, p.ID); err != nil {
			return err
		}
	}
	*p = Person{ID: p.ID, Kind: p.Kind, State: Disabled, Name: "—", Created: p.Created, LastSignIn: p.LastSignIn, Version: p.Version}
	return nil
}

// dropRows deletes rows, with a leaf for each. The condition is ours, never a visitor's.
func (a *Accounts) dropRows(tx *db.Tx, table, key, action, condition string, args ...any) error {
	ids, err := db.List(tx, func(s db.Scanner) (id string, err error) { return id, s.Scan(&id) },
		`SELECT `+key+` FROM `+table+` WHERE `+condition, args...)
	if err != nil {
		return fmt.Errorf("deleting from %s: %w", table, err)
	}
	for _, id := range ids {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE `+key+` = $1`, id); err != nil {
			return fmt.Errorf("deleting from %s: %w", table, err)
		}
		if err := a.record(tx, table, id, action); err != nil {
			return err
		}
	}
	return nil
}
