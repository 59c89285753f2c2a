package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// Tx is a transaction. It belongs to the goroutine that runs the function it was given to and ends with it.
type Tx struct {
	ctx         context.Context // the transaction's own: database/sql ends it with this context, too
	raw         *sql.Tx
	now         time.Time
	afterCommit []func()
}

// Context returns the context the transaction runs in.
func (tx *Tx) Context() context.Context { return tx.ctx }

type actorKey struct{}

// WithActor returns a context in which transactions are made by actor: a person's id, or "local" for this machine's commands.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor returns who makes the change: what WithActor said, "system" where nobody did.
func (tx *Tx) Actor() string {
	if actor, ok := tx.ctx.Value(actorKey{}).(string); ok && actor != "" {
		return actor
	}
	return "system"
}

type alongsideKey struct{}

// alongside is what is to be done in the first transaction that writes, and whether that has been.
type alongside struct {
	mu   sync.Mutex
	do   func(*Tx) error
	done bool
}

// Alongside returns a context whose first Write also does this, after all else and before it commits: with it or not at all. Its error undoes
// that Write.
func Alongside(ctx context.Context, do func(*Tx) error) context.Context {
	return context.WithValue(ctx, alongsideKey{}, &alongside{do: do})
}

// finish does what is to be done alongside.
func (tx *Tx) finish() error {
	a, ok := tx.ctx.Value(alongsideKey{}).(*alongside)
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return nil
	}
	if err := a.do(tx); err != nil {
		return err
	}
	tx.AfterCommit(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.done = true
	})
	return nil
}

// Now returns the transaction's time: UTC, whole microseconds, the same at every call.
func (tx *Tx) Now() time.Time { return tx.now }

// AfterCommit has f called once the transaction is committed, in the order of the calls, and never when it is not.
func (tx *Tx) AfterCommit(f func()) { tx.afterCommit = append(tx.afterCommit, f) }

// Try runs fn so that the transaction goes on after its error, without what it did: PostgreSQL gives a transaction up at the
// first statement that fails. AfterCommit callbacks of a failed fn are forgotten, too.
func (tx *Tx) Try(fn func() error) error {
	if _, err := tx.raw.ExecContext(tx.ctx, "SAVEPOINT try"); err != nil {
		return translate(err)
	}
	callbacks := len(tx.afterCommit)
	failed := translate(fn())
	end := "RELEASE SAVEPOINT try"
	if failed != nil {
		tx.afterCommit = tx.afterCommit[:callbacks]
		// Rolling back leaves the savepoint; where Try stands in a Try, the outer one must not take it for its own.
		end = "ROLLBACK TO SAVEPOINT try; RELEASE SAVEPOINT try"
	}
	if _, err := tx.raw.ExecContext(tx.ctx, end); err != nil {
		return translate(errors.Join(failed, err))
	}
	return failed
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (changed int64, err error) {
	return affected(tx.raw.ExecContext(tx.ctx, query, args...))
}

// Query runs a query. List and Row are shorter where all rows or one row are wanted.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.raw.QueryContext(tx.ctx, query, args...)
	return rows, translate(err)
}

// QueryRow runs a query for one row. Its Scan returns a fault.NotFound where there is none.
func (tx *Tx) QueryRow(query string, args ...any) Row {
	return Row{tx.raw.QueryRowContext(tx.ctx, query, args...)}
}

// Prepare readies a statement that runs many times in this transaction. It is closed with the transaction.
func (tx *Tx) Prepare(query string) (*Stmt, error) {
	raw, err := tx.raw.PrepareContext(tx.ctx, query)
	if err != nil {
		return nil, translate(err)
	}
	// The driver starts a goroutine for each run of a statement that may be cancelled, which doubles what a short one
	// costs. The transaction itself still ends with its context.
	return &Stmt{ctx: context.WithoutCancel(tx.ctx), raw: raw}, nil
}

// Stmt is a prepared statement of one transaction.
type Stmt struct {
	ctx context.Context
	raw *sql.Stmt
}

// Exec runs the statement and returns how many rows it changed.
func (s *Stmt) Exec(args ...any) (changed int64, err error) {
	return affected(s.raw.ExecContext(s.ctx, args...))
}

// QueryRow runs the statement for one row, as Tx.QueryRow does.
func (s *Stmt) QueryRow(args ...any) Row { return Row{s.raw.QueryRowContext(s.ctx, args...)} }

// Scanner is what a function reads one row from: a Row, or the current one of *sql.Rows.
type Scanner interface{ Scan(dest ...any) error }

// Row is the result of a query for one row.
type Row struct{ raw *sql.Row }

// Scan reads the row. It returns a fault.NotFound where there is none.
func (r Row) Scan(dest ...any) error { return translate(r.raw.Scan(dest...)) }

// List runs a query and returns what scan makes of each row. The caller bounds it with a LIMIT.
func List[T any](tx *Tx, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	return collect(rows, err, scan)
}

// ListPrepared is List with a prepared statement.
func ListPrepared[T any](s *Stmt, scan func(Scanner) (T, error), args ...any) ([]T, error) {
	rows, err := s.raw.QueryContext(s.ctx, args...)
	return collect(rows, err, scan)
}

func collect[T any](rows *sql.Rows, err error, scan func(Scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, translate(err)
		}
		list = append(list, item)
	}
	return list, translate(rows.Err())
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, translate(err)
	}
	n, err := result.RowsAffected()
	return n, translate(err)
}

// Micros is how a time is stored: microseconds since 1970 in UTC, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time reads what Micros wrote.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
