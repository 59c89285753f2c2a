package auth

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Unit is a group company or a department. Units form a tree without cycles.
type Unit struct {
	ID     string
	Parent string // "" at the top
	Code   string // the organisation's own short name, once each
	Name   string
	NameEn string // "" where it has none

	Changed time.Time
	Version int64
}

const (
	maxUnits = 5000
	maxDepth = 20
)

const unitColumns = `id, parent, code, name, name_en, changed_at, version`

func scanUnit(row db.Scanner) (u Unit, err error) {
	var changed int64
	err = row.Scan(&u.ID, &u.Parent, &u.Code, &u.Name, &u.NameEn, &changed, &u.Version)
	u.Changed = db.Time(changed)
	return u, err
}

func unitByID(tx *db.Tx, id string) (Unit, error) {
	u, err := scanUnit(tx.QueryRow(`SELECT `+unitColumns+` FROM auth_unit WHERE id = $1`, id))
	if fault.Is(err, fault.NotFound) {
		return u, fault.New(fault.Invalid, "fault.unit.not_found", "no such unit")
	}
	return u, err
}

// Units lists all units by code; there are at most 5,000.
func (a *Accounts) Units(ctx context.Context) (units []Unit, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		units, err = listUnits(tx)
		return err
	})
	return units, err
}

func listUnits(tx *db.Tx) ([]Unit, error) {
	units, err := db.List(tx, scanUnit, `SELECT `+unitColumns+` FROM auth_unit ORDER BY code, id LIMIT $1`, maxUnits)
	if err != nil {
		return nil, fmt.Errorf("listing units: %w", err)
	}
	return units, nil
}

// SaveUnit makes a unit (ID "") or changes the one of that id and version. Errors: fault.Invalid for a code or name that will not
// do and for a parent that does not exist or lies below the unit, fault.Conflict where the code is taken or the version is old.
func (a *Accounts) SaveUnit(ctx context.Context, u Unit) (Unit, error) {
	err := a.db.Write(ctx, func(tx *db.Tx) error { return a.saveUnit(tx, &u) })
	return u, err
}

func (a *Accounts) saveUnit(tx *db.Tx, u *Unit) (err error) {
	if !regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._-]{0,39}$`).MatchString(u.Code) {
		return fault.New(fault.Invalid, "fault.unit.code", "a unit's code is 1 to 40 letters, digits, dots, hyphens")
	}
	if u.Name, err = cleanName(u.Name); err != nil {
		return err
	}
	if u.NameEn != "" {
		if u.NameEn, err = cleanName(u.NameEn); err != nil {
			return err
		}
	}
	units, err := listUnits(tx)
	if err != nil {
		return err
	}
	if err := fits(units, *u); err != nil {
		return err
	}
	u.Changed = tx.Now()
	values := []any{u.Parent, u.Code, u.Name, u.NameEn, db.Micros(u.Changed)}
	if u.ID == "" {
		if len(units) >= maxUnits {
			return fault.New(fault.Invalid, "fault.unit.many", "there are %d units; more are not kept", maxUnits)
		}
		u.ID, u.Version = db.NewID(), 1
		if _, err := tx.Exec(`INSERT INTO auth_unit (parent, code, name, name_en, changed_at, id, version) VALUES ($1, $2, $3, $4, $5, $6, 1)`,
			append(values, u.ID)...); err != nil {
			return err
		}
		return a.record(tx, "auth_unit", u.ID, "create")
	}
	n, err := tx.Exec(`UPDATE auth_unit SET parent = $1, code = $2, name = $3, name_en = $4, changed_at = $5, version = version + 1
		WHERE id = $6 AND version = $7`, append(values, u.ID, u.Version)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.Conflict, "fault.unit.outdated", "the unit was changed or deleted meanwhile")
	}
	u.Version++
	return a.record(tx, "auth_unit", u.ID, "update")
}

// fits checks a unit against the tree it goes into.
func fits(units []Unit, u Unit) error {
	parents := map[string]string{}
	for _, other := range units {
		parents[other.ID] = other.Parent
		if other.Code == u.Code && other.ID != u.ID {
			return fault.New(fault.Conflict, "fault.unit.taken", "another unit has that code")
		}
	}
	for at, depth := u.Parent, 1; at != ""; at, depth = parents[at], depth+1 {
		if _, ok := parents[at]; !ok {
			return fault.New(fault.Invalid, "fault.unit.not_found", "no such unit")
		}
		if at == u.ID || depth > maxDepth {
			return fault.New(fault.Invalid, "fault.unit.cycle", "a unit cannot lie below itself, nor more than %d deep", maxDepth)
		}
	}
	return nil
}

// DeleteUnit deletes a unit that has no people and no units below it (fault.Conflict otherwise).
func (a *Accounts) DeleteUnit(ctx context.Context, id string, version int64) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		var used int
		if err := tx.QueryRow(`SELECT (SELECT COUNT(*) FROM auth_unit WHERE parent = $1) + (SELECT COUNT(*) FROM auth_person WHERE unit = $2)`, id, id).Scan(&used); err != nil {
			return err
		}
		if used > 0 {
			return fault.New(fault.Conflict, "fault.unit.used", "people or units belong to the unit")
		}
		n, err := tx.Exec(`DELETE FROM auth_unit WHERE id = $1 AND version = $2`, id, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.Conflict, "fault.unit.outdated", "the unit was changed or deleted meanwhile")
		}
		return a.record(tx, "auth_unit", id, "delete")
	})
}

// unitAndBelow lists the ids of a unit and all below it.
// UnitAndBelow returns the ids of a unit and of all units below it; one that does not exist has none below.
func (a *Accounts) UnitAndBelow(tx *db.Tx, id string) ([]string, error) { return unitAndBelow(tx, id) }

func unitAndBelow(tx *db.Tx, id string) ([]string, error) {
	units, err := listUnits(tx)
	if err != nil {
		return nil, err
	}
	children := map[string][]string{}
	for _, u := range units {
		children[u.Parent] = append(children[u.Parent], u.ID)
	}
	found := []string{id}
	for i := 0; i < len(found) && len(found) <= maxUnits; i++ {
		found = append(found, children[found[i]]...)
	}
	return found, nil
}

// UnitOfAccount returns the unit of the person whom a log calls account: by mail address, or by the part before the @ as domains and machines
// write it ("EXAMPLE\\sato", "sato"); "" where that is nobody, or could be more than one person, or somebody without a unit.
func (a *Accounts) UnitOfAccount(tx *db.Tx, account string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(account))
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	if name == "" || len(name) > maxEmail {
		return "", nil
	}
	// Addresses are in lower case, and "A" follows "@".
	where, args := `email = $1`, []any{name}
	if !strings.Contains(name, "@") {
		where, args = `email > $1 AND email < $2`, []any{name + "@", name + "A"}
	}
	units, err := db.List(tx, func(row db.Scanner) (unit string, err error) {
		err = row.Scan(&unit)
		return unit, err
	}, `SELECT unit FROM auth_person WHERE `+where+` LIMIT 2`, args...)
	if err != nil || len(units) != 1 {
		return "", err
	}
	return units[0], nil
}

// NameIn is what the unit is called in a language: "en" for its English name, where it has one.
func (u Unit) NameIn(lang string) string {
	if lang == "en" && u.NameEn != "" {
		return u.NameEn
	}
	return u.Name
}

// UnitNode is a unit in the tree of all.
type UnitNode struct {
	Unit
	Depth int // 0 at the top
}

// UnitTree orders units so that each stands below its parent. Units whose parent is not there stand at the top.
func UnitTree(units []Unit) []UnitNode {
	known, below := make(map[string]bool), make(map[string][]Unit)
	for _, u := range units {
		known[u.ID] = true
	}
	for _, u := range units {
		parent := u.Parent
		if !known[parent] {
			parent = ""
		}
		below[parent] = append(below[parent], u)
	}
	var list []UnitNode
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		for _, u := range below[parent] {
			list = append(list, UnitNode{Unit: u, Depth: depth})
			walk(u.ID, depth+1)
		}
	}
	walk("", 0)
	return list
}

// LabelIn is the unit's name behind room for its depth, in full-width spaces: a select has no other.
func (n UnitNode) LabelIn(lang string) string { return strings.Repeat("　", n.Depth) + n.NameIn(lang) }
