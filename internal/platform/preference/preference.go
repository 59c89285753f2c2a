// Package preference keeps how people want their pages, so that it follows them from one browser to another.
//
// What it promises: choices are kept for whoever has an account, and for nobody else; they decide nothing but looks. Language and
// zone are the account's own (its letters are written by them) and are changed there, with a leaf in the ledger; the others are
// no records. Erasing a person erases them (Forget).
package preference

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

//go:embed migrations
var files embed.FS

// Migrations are the steps of this package's table.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Preferences keeps people's choices.
type Preferences struct {
	db       *db.DB
	accounts *auth.Accounts
}

var _ web.Keeper = (*Preferences)(nil)

// New keeps choices in d.
func New(d *db.DB, accounts *auth.Accounts) *Preferences {
	return &Preferences{db: d, accounts: accounts}
}

// Choices returns what a person chose, without language and zone; false where they never chose anything.
func (x *Preferences) Choices(ctx context.Context, person string) (c web.Choices, ok bool, err error) {
	err = x.db.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT theme, density, start, dates, rail FROM preference WHERE person = $1`, person).
			Scan(&c.Theme, &c.Density, &c.Start, &c.Dates, &c.Rail)
	})
	if fault.Is(err, fault.NotFound) {
		return web.Choices{}, false, nil
	}
	if err != nil {
		return web.Choices{}, false, fmt.Errorf("reading preferences: %w", err)
	}
	return c, true, nil
}

// Keep replaces what a person chose. Errors: fault.NotFound where there is no such person, fault.Invalid for a language or zone
// that there is not.
func (x *Preferences) Keep(ctx context.Context, person string, c web.Choices) error {
	p, err := x.accounts.Person(ctx, person)
	if err != nil {
		return err
	}
	if p.Lang != c.Lang || p.Zone != c.Zone {
		if _, err := x.accounts.Update(ctx, person, 0, auth.Change{Lang: &c.Lang, Zone: &c.Zone}); err != nil {
			return err
		}
	}
	err = x.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO preference (person, theme, density, start, dates, rail) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (person) DO UPDATE SET theme = excluded.theme, density = excluded.density, start = excluded.start,
			dates = excluded.dates, rail = excluded.rail`, person, c.Theme, c.Density, c.Start, c.Dates, c.Rail)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping preferences: %w", err)
	}
	return nil
}

// Forget deletes what a person chose, when their data is erased.
func Forget(tx *db.Tx, person string) error {
	_, err := tx.Exec(`DELETE FROM preference WHERE person = $1`, person)
	return err
}
