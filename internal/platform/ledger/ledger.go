// Package ledger proves that the history of records was not rewritten. It is a Merkle tree log (RFC 6962, as
// golang.org/x/mod/sumdb/tlog computes it): each change of a record appends a leaf in the transaction that makes the
// change, and each such transaction signs the new head of the tree (C2SP tlog-checkpoint, Ed25519).
//
// What it promises:
//
//   - A leaf says when, who, what was done, to which row, and a digest of the row after it. It holds no content and no
//     secret: the digest is salted with a nonce that is kept beside the leaf, so a row that was erased cannot be guessed
//     from it.
//   - Verify finds every row of a tracked table that was changed, removed or inserted without a leaf, every leaf and hash
//     that was changed, and every head that this ledger's key did not sign, and names them.
//   - Who has the database but not the key can forge nothing that Verify does not find, except to put the whole database
//     back to an earlier state. That, and what somebody with database and key does, is found by a checkpoint that was
//     kept elsewhere: VerifyAgainst.
//
// What it does not promise: what machines keep up by themselves (counters, times of last use) is no decision of anybody and
// is left out, column by column (Table.Omit).
//
// Appends are ordered by the database's one writer (db.Write), on SQLite and on PostgreSQL. A Log is safe for concurrent use.
package ledger

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Table is a table whose rows are records: each change of a row has a leaf.
type Table struct {
	Name string
	Key  string   // the column that names a row: one TEXT column
	Omit []string // columns that machines keep up by themselves; no leaf covers them
}

// Leaf is one change of one record.
type Leaf struct {
	Index  int64
	Time   time.Time
	Actor  string // a person's id, "local" or "system"
	Action string // "create", "update", "delete", "adopt", or the room's word
	Table  string
	Key    string
	Shape  string // which columns the digest covers
	Digest string // hexadecimal SHA-256 of nonce and row; "" where the row was deleted
}

// Options are a Log's surroundings.
type Options struct {
	KeyFile string // the signing key, made at the first start, readable by its owner only
}

// Log is the ledger of a database.
type Log struct {
	db     *db.DB
	signer note.Signer
	public string // the verifier key, as note writes it

	mu     sync.RWMutex
	tables map[string]tracked

	headMu sync.Mutex
	head   head // of the last append that this process made; trusted only where the database has the same note
}

// tracked is a table with what its leaves cover now.
type tracked struct {
	Table
	columns []string
	shape   string
}

// head is the newest state of the tree and the hashes at its right edge, which the next append needs.
type head struct {
	note string
	size int64
	edge map[int64]tlog.Hash // by stored index
}

//go:embed migrations
var migrationFiles embed.FS

// Open opens the ledger of a database.
func Open(ctx context.Context, d *db.DB, opt Options) (*Log, error) {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx, "ledger", sub); err != nil {
		return nil, err
	}
	if err := keyBelongs(ctx, d, opt.KeyFile); err != nil {
		return nil, err
	}
	signer, public, err := openKey(opt.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	return &Log{db: d, signer: signer, public: public, tables: make(map[string]tracked)}, nil
}

// keyBelongs refuses to make another key for a ledger that has leaves: with one, all that was signed would look forged.
func keyBelongs(ctx context.Context, d *db.DB, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // reading it says what is wrong
	}
	return d.Read(ctx, func(tx *db.Tx) error {
		var leaves int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM ledger_head`).Scan(&leaves); err != nil || leaves == 0 {
			return err
		}
		return fault.New(fault.Unavailable, "fault.ledger.key_lost", "the ledger has leaves, and its signing key %s is not there", path)
	})
}

// PublicKey returns the key that checks this ledger's signatures, as golang.org/x/mod/sumdb/note writes it.
func (l *Log) PublicKey() string { return l.public }

// Origin names this ledger in its checkpoints.
func (l *Log) Origin() string { return l.signer.Name() }

// Tables returns the names of the tracked tables, sorted.
func (l *Log) Tables() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Sorted(maps.Keys(l.tables))
}

func (l *Log) table(name string) (tracked, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	t, ok := l.tables[name]
	if !ok {
		return tracked{}, fmt.Errorf("ledger: table %s is not tracked", name)
	}
	return t, nil
}

// identifier is what a table or a column may be called: these names stand in SQL.
var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// adoptBatch is how many rows are adopted in one transaction.
const adoptBatch = 500

// Track has the tables' changes kept from now on. Rows that were there before, and rows whose last leaf covers other columns
// than the table has now, get an "adopt" leaf, unless they fit not what their last leaf says: those Verify names. Call it once
// the migrations are done, and before anything writes.
func (l *Log) Track(ctx context.Context, tables ...Table) error {
	for _, t := range tables {
		if err := l.track(ctx, t); err != nil {
			return fmt.Errorf("tracking %s in the ledger: %w", t.Name, err)
		}
	}
	return nil
}

// Declare says which tables are tracked and writes nothing: for who only verifies. A table that neither the database nor the
// ledger has is left out; one that is gone and has leaves is an error.
func (l *Log) Declare(ctx context.Context, tables ...Table) error {
	for _, t := range tables {
		if _, err := l.declare(ctx, t); err != nil {
			var leaves int
			asked := l.db.Read(ctx, func(tx *db.Tx) error {
				return tx.QueryRow(`SELECT COUNT(*) FROM ledger_leaf WHERE tbl = $1`, t.Name).Scan(&leaves)
			})
			if asked != nil || leaves > 0 {
				return fmt.Errorf("the table %s of the ledger: %w", t.Name, errors.Join(err, asked))
			}
		}
	}
	return nil
}

// declare reads what the leaves of a table cover from now on.
func (l *Log) declare(ctx context.Context, t Table) (tracked, error) {
	if !identifier.MatchString(t.Name) || !identifier.MatchString(t.Key) {
		return tracked{}, fmt.Errorf("%q or its key %q is no name", t.Name, t.Key)
	}
	var columns []string
	err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
		columns, err = columnsOf(tx, t)
		return err
	})
	if err != nil {
		return tracked{}, err
	}
	known := tracked{Table: t, columns: columns, shape: shapeOf(columns)}
	l.mu.Lock()
	l.tables[t.Name] = known
	l.mu.Unlock()
	return known, nil
}

func (l *Log) track(ctx context.Context, t Table) error {
	known, err := l.declare(ctx, t)
	if err != nil {
		return err
	}
	err = l.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO ledger_shape (id, columns) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, known.shape, strings.Join(known.columns, " "))
		return err
	})
	if err != nil {
		return err
	}
	for after := ""; ; {
		next, err := l.adopt(ctx, t.Name, after)
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

// columnsOf returns the columns that leaves of the table cover, sorted.
func columnsOf(tx *db.Tx, t Table) ([]string, error) {
	rows, err := tx.Query(`SELECT * FROM ` + t.Name + ` WHERE 1 = 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for _, name := range append(slices.Clone(t.Omit), t.Key) {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no column %q", name)
		}
	}
	covered := slices.DeleteFunc(all, func(c string) bool { return slices.Contains(t.Omit, c) })
	for _, c := range covered {
		if !identifier.MatchString(c) {
			return nil, fmt.Errorf("the column %q has a name that the ledger does not take", c)
		}
	}
	slices.Sort(covered)
	return covered, rows.Err()
}

// shapeOf names a list of columns.
func shapeOf(columns []string) string {
	sum := sha256.Sum256([]byte(strings.Join(columns, " ")))
	return hex.EncodeToString(sum[:6])
}

// adopt gives the next rows after a key their leaves, where they need one, and returns the last key it looked at, "" at the end.
func (l *Log) adopt(ctx context.Context, name, after string) (last string, err error) {
	t, err := l.table(name)
	if err != nil {
		return "", err
	}
	err = l.db.Write(ctx, func(tx *db.Tx) error {
		keys, err := db.List(tx, func(s db.Scanner) (key string, err error) { return key, s.Scan(&key) },
			`SELECT `+t.Key+` FROM `+t.Name+` WHERE `+t.Key+` > $1 ORDER BY `+t.Key+` LIMIT $2`, after, adoptBatch)
		if err != nil {
			return err
		}
		var entries []Entry
		for _, key := range keys {
			needs, err := l.needsLeaf(tx, t, key)
			if err != nil {
				return err
			}
			if needs {
				entries = append(entries, Entry{Table: name, Key: key, Action: "adopt"})
			}
			last = key
		}
		return l.Append(tx, entries...)
	})
	return last, err
}

// needsLeaf reports whether a row has no leaf, or an honest one that covers other columns.
func (l *Log) needsLeaf(tx *db.Tx, t tracked, key string) (bool, error) {
	leaf, nonce, found, err := lastLeaf(tx, t.Name, key)
	switch {
	case err != nil:
		return false, err
	case !found:
		// A row of a table that has leaves was not there when the table was first tracked: somebody slipped it in.
		var leaves int
		err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM ledger_leaf WHERE tbl = $1 AND action <> 'adopt' LIMIT 1) AS one`, t.Name).Scan(&leaves)
		return leaves == 0, err
	case leaf.Shape == t.shape || leaf.Digest == "":
		return false, nil
	}
	old, err := shapeColumns(tx, leaf.Shape)
	if err != nil {
		return false, err
	}
	for _, c := range old {
		if !slices.Contains(t.columns, c) {
			return true, nil // a migration took the column away: nobody can check the old digest any more
		}
	}
	digest, err := digestRow(tx, t.Table, old, key, nonce)
	return digest == leaf.Digest, err
}

func shapeColumns(tx *db.Tx, shape string) ([]string, error) {
	var columns string
	if err := tx.QueryRow(`SELECT columns FROM ledger_shape WHERE id = $1`, shape).Scan(&columns); err != nil {
		return nil, fmt.Errorf("the columns of shape %q: %w", shape, err)
	}
	list := strings.Fields(columns)
	if shapeOf(list) != shape || slices.ContainsFunc(list, func(c string) bool { return !identifier.MatchString(c) }) {
		return nil, fmt.Errorf("the columns of shape %q were changed", shape)
	}
	return list, nil
}
