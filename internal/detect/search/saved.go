package search

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// Saved is a search under a name. Everyone who may search sees it.
type Saved struct {
	ID, Name, Query string
	Span            string // its time range as an address has it
	CreatedBy       string
	Created         time.Time
}

// Path is the address that searches again.
func (s Saved) Path() string {
	query, err := url.ParseQuery(s.Span)
	if err != nil {
		query = url.Values{}
	}
	query.Set("q", s.Query)
	return "/search?" + query.Encode()
}

const (
	maxSaved     = 500
	maxSavedName = 80    // characters
	maxQuery     = 16384 // bytes
)

// saved keeps searches in the database.
type saved struct {
	db     *db.DB
	ledger *ledger.Log
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table { return []ledger.Table{{Name: "search_saved", Key: "id"}} }

func (s saved) list(ctx context.Context) (list []Saved, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, func(row db.Scanner) (one Saved, err error) {
			var created int64
			err = row.Scan(&one.ID, &one.Name, &one.Query, &one.Span, &one.CreatedBy, &created)
			one.Created = db.Time(created)
			return one, err
		}, `SELECT id, name, query, span, created_by, created FROM search_saved ORDER BY name LIMIT $1`, maxSaved)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing saved searches: %w", err)
	}
	return list, nil
}

// save keeps a search; one of the same name is replaced. The error is fault.Invalid for a name or a query that cannot be kept.
func (s saved) save(ctx context.Context, one Saved) error {
	one.Name = strings.TrimSpace(one.Name)
	if one.Name == "" || utf8.RuneCountInString(one.Name) > maxSavedName || !utf8.ValidString(one.Name) || strings.ContainsFunc(one.Name, unicode.IsControl) {
		return fault.New(fault.Invalid, "fault.search.saved.name", "a saved search's name has 1 to %d characters", maxSavedName)
	}
	if len(one.Query) > maxQuery || !utf8.ValidString(one.Query) {
		return fault.New(fault.Invalid, "fault.search.query", "the query is longer than %d bytes", maxQuery)
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		var count int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM search_saved WHERE name <> $1`, one.Name).Scan(&count); err != nil {
			return err
		}
		if count >= maxSaved {
			return fault.New(fault.Conflict, "fault.search.saved.many", "there are %d saved searches already", count)
		}
		var id string
		err := tx.QueryRow(`INSERT INTO search_saved (id, name, query, span, created_by, created) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (name) DO UPDATE SET query = excluded.query, span = excluded.span, created_by = excluded.created_by, created = excluded.created RETURNING id`,
			db.NewID(), one.Name, one.Query, one.Span, one.CreatedBy, db.Micros(tx.Now())).Scan(&id)
		if err != nil {
			return err
		}
		return s.ledger.Append(tx, ledger.Entry{Table: "search_saved", Key: id, Action: "save"})
	})
	if err != nil {
		return fmt.Errorf("saving a search: %w", err)
	}
	return nil
}

// remove deletes a saved search; the error is fault.NotFound where there is none.
func (s saved) remove(ctx context.Context, id string) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		gone, err := tx.Exec(`DELETE FROM search_saved WHERE id = $1`, id)
		if err == nil && gone == 0 {
			err = fault.New(fault.NotFound, "fault.search.saved.none", "no saved search has the id %s", id)
		}
		if err != nil {
			return err
		}
		return s.ledger.Append(tx, ledger.Entry{Table: "search_saved", Key: id, Action: "delete"})
	})
	if err != nil {
		return fmt.Errorf("deleting a saved search: %w", err)
	}
	return nil
}
