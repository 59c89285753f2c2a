package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"yagura/internal/platform/fault"
)

const (
	// The keys of the advisory locks: "yagura" and what it is for, read as a number.
	writeLock     = 0x7961_6775_7261_01
	migrationLock = 0x7961_6775_7261_02
	// connectTimeout bounds how long a server that does not answer is waited for.
	connectTimeout = 5 * time.Second
	// lockWait bounds how long a writer waits for its turn.
	lockWait = 10 * time.Second
	// writers is how many of a node's connections write: one at work, and one that waits for its turn meanwhile. They are
	// apart from the readers', whom a queue of writers would otherwise leave without a connection.
	writers = 2
)

func openPostgres(ctx context.Context, address string, now func() time.Time) (*DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The error of ParseConfig may quote the address, and with it the password.
		return nil, fault.New(fault.Invalid, "fault.database.url", "the database's URL cannot be read")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.RuntimeParams["application_name"] = "yagura"
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["lock_timeout"] = fmt.Sprint(lockWait.Milliseconds())
	// Pages are many and small: what is a bargain for one long report (compiling its plan, more processes for it) costs each of them more than it
	// takes. And no disk of today reads a page from anywhere four times as slowly as the next one, for which the planner would rather read a
	// table of a million rows than look up ten thousand.
	config.RuntimeParams["jit"] = "off"
	config.RuntimeParams["max_parallel_workers_per_gather"] = "0"
	config.RuntimeParams["random_page_cost"] = "1.1"
	// A transaction that is forgotten must not keep every other writer waiting.
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	d := &DB{now: now, write: postgresPool(config, writers), read: postgresPool(config, max(8, 4*runtime.GOMAXPROCS(0))), engine: engine{
		dialect: goose.DialectPostgres,
		reading: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		lock:    takeTurn,
	}}
	if err := d.checkPostgres(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func postgresPool(config *pgx.ConnConfig, connections int) *sql.DB {
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool
}

// takeTurn waits until no other transaction of this database writes. The lock goes with the transaction.
func takeTurn(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1::bigint)`, int64(writeLock))
	return err
}

// checkPostgres refuses a server that would not keep the promises of this package.
func (d *DB) checkPostgres(ctx context.Context) error {
	var version int
	var encoding, collation string
	err := d.read.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()`).
		Scan(&version, &encoding, &collation)
	switch {
	case err != nil:
		return translate(fmt.Errorf("opening database: %w", err))
	case version < 150000:
		return fault.New(fault.Unavailable, "fault.database.version", "PostgreSQL is version %d; 15 is the oldest that will do", version/10000)
	case encoding != "UTF8":
		return fault.New(fault.Unavailable, "fault.database.encoding", "the database's encoding is %s, not UTF8", encoding)
	case collation != "C" && collation != "POSIX":
		// Pages of a list go on where the last one ended, by byte order; another order would leave records out.
		return fault.New(fault.Unavailable, "fault.database.collation",
			"the database sorts by %s; make it with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'", collation)
	}
	return nil
}

// translatePostgres reads what PostgreSQL says (its documentation, appendix A) and what became of the connection.
func translatePostgres(err error) error {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch class := server.Code[:min(2, len(server.Code))]; {
		case server.Code == "23505": // unique_violation
			return fault.New(fault.Conflict, "fault.conflict", "such a record exists already: %w", err)
		case server.Code == "22021": // character_not_in_repertoire: a NUL, or no valid UTF-8
			return fault.New(fault.Invalid, "fault.text", "a text cannot be stored: %w", err)
		case server.Code == "55P03" || server.Code == "40P01": // lock_not_available, deadlock_detected
			return fault.New(fault.Busy, "fault.busy", "the database is in use by others: %w", err)
		case class == "08" || class == "53" || class == "57" || class == "58" || server.Code == "25006":
			// connection, resources, operator, system; read only
			return fault.New(fault.Unavailable, "fault.database_unavailable", "the database cannot be used: %w", err)
		}
		return err
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	_, broken := errors.AsType[*net.OpError](err)
	if refused || broken || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Unavailable, "fault.database_unavailable", "the database does not answer: %w", err)
	}
	return err
}
