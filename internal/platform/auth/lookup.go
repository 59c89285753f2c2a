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
