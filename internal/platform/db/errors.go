package db

import (
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yagura/internal/platform/fault"
)

// translate gives an engine's error the code that the program answers with. It is the only place that
// looks at what an engine says; an error that already is a fault, or that it does not know, stays as it is.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "fault.not_found", "no such record: %w", err)
	}
	if engine, ok := errors.AsType[*sqlite.Error](err); ok {
		return translateSQLite(engine, err)
	}
	return translatePostgres(err)
}

func translateSQLite(engine *sqlite.Error, err error) error {
	switch engine.Code() { // extended codes: https://www.sqlite.org/rescode.html
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fault.New(fault.Conflict, "fault.conflict", "such a record exists already: %w", err)
	}
	switch engine.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.New(fault.Busy, "fault.busy", "the database is in use by another process: %w", err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR:
		return fault.New(fault.Unavailable, "fault.database_unavailable", "the database cannot be written: %w", err)
	}
	return err
}
