package auth

import (
	"context"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// PersonID finds a person by id, mail address or name. Errors: fault.Invalid where there is none, or several of that name.
func (a *Accounts) PersonID(ctx context.Context, text string) (id string, err error) {
	text = strings.TrimSpace(text)
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM auth_person WHERE id = $1 OR email = $2 OR name = $1 LIMIT 2`, text, strings.ToLower(text))
		switch {
		case err != nil:
			return err
		case len(ids) == 0:
			return &fault.Error{Code: fault.Invalid, Key: "record.fault.person", Args: []any{text}, Detail: "nobody has that id, address or name"}
		case len(ids) > 1:
			return &fault.Error{Code: fault.Invalid, Key: "record.fault.persons", Args: []any{text}, Detail: "several people have that name"}
		}
		id = ids[0]
		return nil
	})
	return id, err
}

// UnitID finds a unit by id, code or name. Errors: fault.Invalid where there is none, or several of that name.
func (a *Accounts) UnitID(ctx context.Context, text string) (id string, err error) {
	text = strings.TrimSpace(text)
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM auth_unit WHERE id = $1 OR code = $1 OR name = $1 OR name_en = $1 LIMIT 2`, text)
		switch {
		case err != nil:
			return err
		case len(ids) != 1:
			return &fault.Error{Code: fault.Invalid, Key: "record.fault.unit", Args: []any{text}, Detail: "no unit, or more than one, has that id, code or name"}
		}
		id = ids[0]
		return nil
	})
	return id, err
}

// Below returns the ids of all units below one.
func (a *Accounts) Below(ctx context.Context, unit string) (ids []string, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		all, err := unitAndBelow(tx, unit)
		if err == nil {
			ids = all[1:]
		}
		return err
	})
	return ids, err
}

// Someone returns a person who is active, with what they may do now. Their session and its proofs are none. A fault.NotFound for any other.
func (a *Accounts) Someone(tx *db.Tx, id string) (*User, error) {
	if a.AutoSignIn && id == demoName {
		return &User{ID: demoName, Name: demoName, Roles: []string{AdminRole}, Allowed: everything}, nil
	}
	p, err := byID(tx, id)
	if err == nil && (p.State != Active || p.Kind != Human) {
		err = fault.New(fault.NotFound, "fault.person.not_found", "the person is not active")
	}
	if err != nil {
		return nil, err
	}
	return a.user(p), nil
}

// Called returns the id of the active person whom a mention means: a mail address, or the part before its "@" where that is one person's.
// "" where it is nobody's.
func (a *Accounts) Called(tx *db.Tx, text string) (string, error) {
	if text == "" || len(text) > maxEmail {
		return "", nil
	}
	condition := `email = $1`
	arg, err := NormalEmail(text)
	if err != nil {
		if strings.Contains(text, "@") {
			return "", nil
		}
		condition, arg = `email LIKE $1 ESCAPE '\'`, strings.TrimPrefix(db.Contains(strings.ToLower(text)+"@"), "%")
	}
	ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT id FROM auth_person WHERE kind = $2 AND state = $3 AND `+condition+` LIMIT 2`, arg, Human, Active)
	if err != nil || len(ids) != 1 {
		return "", err
	}
	return ids[0], nil
}
