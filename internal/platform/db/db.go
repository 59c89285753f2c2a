// Package db keeps records: what people decide and track. It is SQLite in one file, or PostgreSQL (15 and newer) for several
// nodes or more people; rooms do not see which.
//
// What it promises, on both:
//
//   - Durability: when Write returns nil the change is on disk. Write-ahead logging alone would allow
//     synchronous=NORMAL, which may lose the last commits at a power cut; the pipeline's cursor lives here, and it must
//     never say "done" of what a power cut then undoes after the spool has been freed. Hence synchronous=FULL on SQLite, and
//     synchronous_commit is left on where it is PostgreSQL.
//   - Isolation: writers go one at a time, readers see the state of one moment and wait for nobody. On SQLite there is one
//     writing connection. On PostgreSQL a writer takes an advisory lock for its transaction, on every node alike: what a
//     room reads in Write holds until it commits, without each room having to think of other writers, and the ledger's
//     leaves have one order. Serialisable transactions would promise the same, but they fail where they meet and have to be
//     run again, side effects and all, and every writer meets every other in the ledger. The price is that writes do not run
//     side by side: about a commit's time each. Events, of which there are many, are not kept here.
//   - One time: a transaction has a frozen Now, so that everything written together carries the same time.
//   - After-commit callbacks run only for what was committed: no mail is sent for a rollback.
//
// SQL is written by hand in the subset that SQLite and PostgreSQL share: $1 placeholders, BIGINT for times
// (UTC microseconds), numbers and truth (0 and 1), TEXT, BYTEA (SQLite takes the word and keeps bytes as they are), row values in keyset
// conditions, ON CONFLICT. Texts sort by their bytes on both. Migrations only go forward.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// busyTimeout is how long a writer waits for another process (a command beside a running server).
const busyTimeout = 10 * time.Second

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine engine
	write  *sql.DB // few connections, so that writers queue here, not in the engine, and leave readers theirs
	read   *sql.DB
	now    func() time.Time
}

// engine is what differs between the two.
type engine struct {
	dialect goose.Dialect
	// reading are the options of a reader's transaction.
	reading *sql.TxOptions
	// lock has a writer's transaction wait for its turn; nil where the pool sees to that.
	lock func(ctx context.Context, tx *sql.Tx) error
}

// Open opens a database: a file's path, which is made, readable by its owner only, where there is none; or a URL
// "postgres://…", whose database exists and is this program's own.
func Open(ctx context.Context, place string) (*DB, error) { return OpenAt(ctx, place, time.Now) }

// OpenAt is Open with another clock.
func OpenAt(ctx context.Context, place string, now func() time.Time) (*DB, error) {
	if strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://") {
		return openPostgres(ctx, place, now)
	}
	return openSQLite(ctx, place, now)
}

func openSQLite(ctx context.Context, path string, now func() time.Time) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	// SQLite gives the -wal and -shm files the mode of the file itself.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	d := &DB{now: now, engine: engine{dialect: goose.DialectSQLite3}}
	if d.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate", "_pragma=cache_size(-16000)")); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn(path, "_query_only=1")); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	// The writer first: it turns write-ahead logging on, which readers need.
	for _, pool := range []*sql.DB{d.write, d.read} {
		if err := pool.PingContext(ctx); err != nil {
			_ = d.Close()
			return nil, fmt.Errorf("opening database %s: %w", path, translate(err))
		}
	}
	return d, nil
}

// dsn names the file as a URI, with what every connection needs.
func dsn(path string, extra ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/data is file:///C:/data
	}
	parameters := append([]string{
		fmt.Sprintf("_busy_timeout=%d", busyTimeout.Milliseconds()),
		"_journal_mode=WAL", "_synchronous=FULL", "_foreign_keys=1",
		"_dqs=0", "_defensive=1", "_pragma=journal_size_limit(67108864)",
	}, extra...)
	uri := url.URL{Scheme: "file", Path: slashed, RawQuery: strings.Join(parameters, "&")}
	return uri.String()
}

// Close waits for running transactions and closes the database.
func (d *DB) Close() error {
	var first error
	for _, pool := range []*sql.DB{d.read, d.write} { // the writer last: on SQLite it moves the log into the file
		if pool == nil {
			continue
		}
		if err := pool.Close(); err != nil && first == nil {
			first = fmt.Errorf("closing database: %w", err)
		}
	}
	return first
}

// Read runs fn in a transaction that sees the database as it is at its first query. Statements that would change
// something fail.
func (d *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return d.run(ctx, d.read, d.engine.reading, nil, fn)
}

// Write runs fn in a transaction and commits it unless fn returns an error or panics. Only one runs at a time:
// fn must not call Write itself, and must not wait for anything slow.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	return d.run(ctx, d.write, nil, d.engine.lock, fn)
}

func (d *DB) run(ctx context.Context, pool *sql.DB, options *sql.TxOptions, lock func(context.Context, *sql.Tx) error, fn func(*Tx) error) error {
	raw, err := pool.BeginTx(ctx, options)
	if err != nil {
		return translate(fmt.Errorf("beginning transaction: %w", err))
	}
	defer func() { _ = raw.Rollback() }() // does nothing after a commit; undoes all after an error or a panic
	if lock != nil {
		if err := lock(ctx, raw); err != nil {
			return translate(fmt.Errorf("waiting to write: %w", err))
		}
	}
	// The time is taken when it is this writer's turn: who writes later has a later time.
	tx := &Tx{ctx: ctx, raw: raw, now: d.now().UTC().Truncate(time.Microsecond)}
	if err := fn(tx); err != nil {
		return translate(err)
	}
	if pool == d.write {
		if err := tx.finish(); err != nil {
			return translate(err)
		}
	}
	if err := raw.Commit(); err != nil {
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			err = ctx.Err() // database/sql has rolled back by itself, which is not what the caller asks about
		}
		return translate(fmt.Errorf("committing: %w", err))
	}
	for _, callback := range tx.afterCommit {
		callback()
	}
	return nil
}

// EngineName says which database it is.
type EngineName string

// The engines.
const (
	SQLite     EngineName = "sqlite"
	PostgreSQL EngineName = "postgresql"
)

// Engine returns which database it is, for the few who must say a thing in its own words: package fulltext.
func (d *DB) Engine() EngineName {
	if d.engine.dialect == goose.DialectPostgres {
		return PostgreSQL
	}
	return SQLite
}
