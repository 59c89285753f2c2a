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
//   - Who has the database but not the key can forge nothing that Verify does not find, and no restart signs what they
//     slipped in. Only what was written since the checkpoint beside the key (ten minutes at most while the server runs) can
//     be put back to an earlier state. What somebody with database and key does is found by a checkpoint that was kept
//     elsewhere: VerifyOptions.Checkpoints.
//
// What it does not promise: what machines keep up by themselves (counters, times of last use) is no decision of anybody and
// is left out, column by column (Table.Omit).
//
// Appends are ordered by the database's one writer (db.Write), on SQLite and on PostgreSQL. A Log is safe for concurrent use.
package ledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Table is a table whose rows are records: each change of a row has a leaf.
type Table struct {
	Name string
	Key  string   // the column that names a row: one TEXT column
	Omit []string // columns that machines keep up by themselves; no leaf covers them
	Link string   // where people see a record, "{key}" standing for its key: "/alerts/{key}"; "" where no page shows one
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

	besideKey string // the file of the checkpoint that is kept there

	mu     sync.RWMutex
	tables map[string]tracked
	shapes map[string]bool // those that are stored for certain

	runner  runner
	checked atomic.Bool // the leaves were found to be those that were signed: rows may be adopted

	headMu sync.Mutex
	head   head // of the last append that this process made; trusted only where the database has the same note
}

// own are the ledger's tables that are records themselves.
func own() []Table {
	return []Table{
		{Name: "ledger_acceptance", Key: "id"},
		{Name: "ledger_checkpoint", Key: "id"},
		{Name: "ledger_table", Key: "name"},
		{Name: "ledger_verification", Key: "id"},
	}
}

// tracked is a table with what its leaves cover now.
type tracked struct {
	Table
	all     []string // its columns, sorted
	columns []string // those that leaves cover
	shape   string
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
	l := &Log{db: d, signer: signer, public: public, besideKey: besideKey(opt.KeyFile), tables: make(map[string]tracked), shapes: make(map[string]bool),
		runner: runner{wanted: make(chan struct{}, 1)}}
	for _, t := range own() {
		if _, err := l.declare(ctx, t); err != nil {
			return nil, fmt.Errorf("opening the ledger: %w", err)
		}
	}
	return l, nil
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

// Link returns where people see a record, "" where no page shows it.
func (l *Log) Link(table, key string) string {
	t, err := l.table(table)
	if err != nil || key == "" {
		return ""
	}
	return strings.ReplaceAll(t.Link, "{key}", url.PathEscape(key))
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
