package auth

import (
	"fmt"
	"slices"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Directory is people as a directory of the company's sees and changes them (SCIM): within a transaction of the caller's, so that
// what the directory says of somebody holds all at once or not at all. Service accounts and erased people are not in it.
//
// Its methods have the errors and effects of the Accounts' methods of the same names.
type Directory struct {
	accounts *Accounts
	tx       *db.Tx
}

// Directory returns the people, as tx sees them.
func (a *Accounts) Directory(tx *db.Tx) Directory { return Directory{a, tx} }

const inDirectory = ` AND kind = 'person' AND email <> ''`

// Person returns one person.
func (d Directory) Person(id string) (Person, error) { return find(d.tx, `id = $1`+inDirectory, id) }

// ByEmail returns the person who signs in with an address, however it is spelt. What is no address is nobody's.
func (d Directory) ByEmail(email string) (Person, error) {
	email, err := NormalEmail(email)
	if err != nil {
		return Person{}, fault.New(fault.NotFound, "fault.person.not_found", "no such person")
	}
	return find(d.tx, `email = $1`+inDirectory, email)
}

// ByExternalID returns the person whom the directory knows by id.
func (d Directory) ByExternalID(id string) (Person, error) {
	return find(d.tx, `external_id = $1 AND external_id <> ''`+inDirectory, id)
}

// People lists up to limit people whose id comes after the given one, by id. Their roles are left out.
func (d Directory) People(after string, limit int) ([]Person, error) {
	people, err := db.List(d.tx, scanPerson, `SELECT `+personColumns+` FROM auth_person WHERE id > $1`+inDirectory+` ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing people: %w", err)
	}
	return people, nil
}

// Units lists all units by code.
func (d Directory) Units() ([]Unit, error) { return listUnits(d.tx) }

// Create makes a person.
func (d Directory) Create(n NewPerson) (Person, error) { return d.accounts.create(d.tx, n) }

// Update changes what a person is called and where they belong.
func (d Directory) Update(id string, c Change) (Person, error) {
	return d.accounts.changeIn(d.tx, id, 0, "update", c.apply)
}

// Disable shuts a person out at once, as Accounts.Disable does.
func (d Directory) Disable(id string) (Person, error) {
	return d.accounts.changeIn(d.tx, id, 0, actionDisable, d.accounts.disable)
}

// Enable lets a disabled person in again.
func (d Directory) Enable(id string) (Person, error) {
	return d.accounts.changeIn(d.tx, id, 0, actionEnable, enable)
}

// SyncRoles replaces the person's roles of origin scim. Roles that do not exist are left out: one misspelt role in the mapping must
// not keep a directory from saying the rest.
func (d Directory) SyncRoles(id string, roles []string) (Person, error) {
	roles = slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !d.accounts.Roles.Known(role) })
	roles = slices.Compact(slices.Sorted(slices.Values(roles)))
	p, err := byID(d.tx, id)
	if err != nil {
		return p, err
	}
	var had []string
	for _, r := range p.Roles {
		if r.Origin == SCIM {
			had = append(had, r.Name)
		}
	}
	if slices.Equal(had, roles) {
		return p, nil
	}
	if err := d.accounts.replaceRoles(d.tx, &p, SCIM, roles); err != nil {
		return p, err
	}
	return p, d.accounts.put(d.tx, &p, "roles")
}
