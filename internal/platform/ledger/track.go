package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// identifier is what a table or a column may be called: these names stand in SQL.
var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// adoptBatch is how many rows are adopted in one transaction.
const adoptBatch = 500

// Track has the tables' changes kept from now on. Call it once the migrations are done, and before anything writes.
//
// Rows are adopted only where the leaves are those that were signed, which is checked once, before the first. The first time, the rows that are there get an "adopt" leaf each, and a leaf of the table says that this was done: a row without a
// leaf that is there later was slipped in. Where a migration added columns, rows that still fit their last leaf are adopted with the new
// columns. Where a migration took columns away (or renamed them), nobody can check the old digests any more: such rows are left for an
// administrator to look at and Accept, and Verify says so until then.
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
	known := tracked{Table: t}
	err := l.db.Read(ctx, func(tx *db.Tx) (err error) {
		known.all, err = columnsOf(tx, t)
		return err
	})
	if err != nil {
		return tracked{}, err
	}
	known.columns = slices.DeleteFunc(slices.Clone(known.all), func(c string) bool { return slices.Contains(t.Omit, c) })
	known.shape = shapeOf(known.columns)
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
	var first bool
	var shape string
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		if _, _, found, err := lastLeaf(tx, "ledger_table", t.Name); err != nil || !found {
			first = true
			return err
		}
		err := tx.QueryRow(`SELECT shape FROM ledger_table WHERE name = $1`, t.Name).Scan(&shape)
		if fault.Is(err, fault.NotFound) {
			return nil // the leaf counts, and Verify says that the row is gone
		}
		return err
	})
	if err != nil || (!first && shape == known.shape) {
		return err
	}
	for after, more := "", true; more; {
		if after, more, err = l.adopt(ctx, known, after, first); err != nil {
			if errors.Is(err, errUnsound) {
				return nil
			}
			return err
		}
	}
	return l.markTracked(ctx, known, first) // after the last row: an interrupted adoption goes on at the next start
}

// errUnsound is the end of an adoption from a ledger whose leaves are not those that were signed. The rows stay as they are, and Verify names
// them beside the leaves; the program starts all the same.
var errUnsound = errors.New("the leaves are not those that were signed")

// markTracked keeps that the rows of a table were gone through.
func (l *Log) markTracked(ctx context.Context, t tracked, first bool) error {
	return l.db.Write(ctx, func(tx *db.Tx) error {
		if _, _, found, err := lastLeaf(tx, "ledger_table", t.Name); err != nil || (found && first) {
			return err // another node was faster
		}
		changed, err := tx.Exec(`UPDATE ledger_table SET shape = $1 WHERE name = $2`, t.shape, t.Name)
		if err == nil && first && changed == 0 {
			_, err = tx.Exec(`INSERT INTO ledger_table (name, key_column, shape) VALUES ($1, $2, $3)`, t.Name, t.Key, t.shape)
			changed = 1
		}
		if err != nil || changed == 0 {
			return err
		}
		return l.Append(tx, Entry{Table: "ledger_table", Key: t.Name, Action: "track"})
	})
}

// columnsOf returns the columns of a table, sorted.
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
	if gone := missing(append(slices.Clone(t.Omit), t.Key), all); len(gone) > 0 {
		return nil, fmt.Errorf("there is no column %q", gone)
	}
	for _, c := range all {
		if !identifier.MatchString(c) {
			return nil, fmt.Errorf("the column %q has a name that the ledger does not take", c)
		}
	}
	slices.Sort(all)
	return all, rows.Err()
}

// missing returns the names that are not among the columns.
func missing(names, columns []string) (gone []string) {
	for _, name := range names {
		if !slices.Contains(columns, name) {
			gone = append(gone, name)
		}
	}
	return gone
}

// shapeOf names a list of columns.
func shapeOf(columns []string) string {
	sum := sha256.Sum256([]byte(strings.Join(columns, " ")))
	return hex.EncodeToString(sum[:6])
}

// adopt gives the next rows after a key their leaves, where they need one, and returns the last key it looked at.
func (l *Log) adopt(ctx context.Context, t tracked, after string, first bool) (last string, more bool, err error) {
	err = l.db.Write(ctx, func(tx *db.Tx) error {
		keys, err := db.List(tx, func(s db.Scanner) (key string, err error) { return key, s.Scan(&key) },
			`SELECT `+t.Key+` FROM `+t.Name+` WHERE `+t.Key+` > $1 ORDER BY `+t.Key+` LIMIT $2`, after, adoptBatch)
		if err != nil || len(keys) == 0 {
			return err
		}
		last, more = keys[len(keys)-1], len(keys) == adoptBatch
		leaves, err := lastLeaves(tx, t.Name, keys)
		if err != nil {
			return err
		}
		var entries []Entry
		for _, key := range keys {
			leaf, found := leaves[key]
			needs := first && !found
			if found && leaf.Digest != "" && leaf.Shape != t.shape {
				if needs, err = fitsStill(tx, t, leaf); err != nil {
					return err
				}
			}
			if needs {
				entries = append(entries, Entry{Table: t.Name, Key: key, Action: "adopt"})
			}
		}
		if len(entries) > 0 && !l.checked.Load() {
			if ok, err := l.sound(ctx, tx); err != nil || !ok {
				return cmp.Or(err, errUnsound)
			}
			tx.AfterCommit(func() { l.checked.Store(true) })
		}
		return l.Append(tx, entries...)
	})
	return last, more, err
}

// fitsStill reports whether a row is as its last leaf, which covers other columns than a leaf would now, left it.
func fitsStill(tx *db.Tx, t tracked, leaf saltedLeaf) (bool, error) {
	old, err := shapeColumns(tx, leaf.Shape)
	if err != nil || len(missing(old, t.all)) > 0 {
		return false, nil //nolint:nilerr // Verify names what is wrong with the shape
	}
	rows, err := readRows(tx, t.Table, old, []string{leaf.Key})
	if err != nil || rows[leaf.Key] == nil {
		return false, err
	}
	got, err := digest(old, rows[leaf.Key], leaf.nonce)
	return got == leaf.Digest, err
}

// lastLeaf returns the newest leaf of a record and its nonce.
func lastLeaf(tx *db.Tx, table, key string) (leaf Leaf, nonce []byte, found bool, err error) {
	row := tx.QueryRow(`SELECT nonce, `+leafColumns+` FROM ledger_leaf WHERE tbl = $1 AND rec = $2 ORDER BY idx DESC LIMIT 1`, table, key)
	leaf, err = scanLeaf(withNonce{row, &nonce})
	if fault.Is(err, fault.NotFound) {
		return Leaf{}, nil, false, nil
	}
	return leaf, nonce, err == nil, err
}

// lastLeaves returns the newest leaves of records, by key.
func lastLeaves(tx *db.Tx, table string, keys []string) (map[string]saltedLeaf, error) {
	where := new(db.Where)
	where.And("tbl = ?", table)
	db.In(where, "rec", keys)
	leaves, err := db.List(tx, scanSalted, `SELECT nonce, `+leafColumns+` FROM ledger_leaf WHERE idx IN (SELECT MAX(idx) FROM ledger_leaf`+where.String()+` GROUP BY rec)`, where.Args()...)
	if err != nil {
		return nil, err
	}
	last := make(map[string]saltedLeaf, len(leaves))
	for _, leaf := range leaves {
		last[leaf.Key] = leaf
	}
	return last, nil
}

func scanSalted(s db.Scanner) (leaf saltedLeaf, err error) {
	leaf.Leaf, err = scanLeaf(withNonce{s, &leaf.nonce})
	return leaf, err
}

// withNonce scans a nonce that stands before the columns of a leaf.
type withNonce struct {
	db.Scanner
	nonce *[]byte
}

func (w withNonce) Scan(dest ...any) error { return w.Scanner.Scan(append([]any{w.nonce}, dest...)...) }

func shapeColumns(tx *db.Tx, shape string) ([]string, error) {
	var columns string
	if err := tx.QueryRow(`SELECT columns FROM ledger_shape WHERE id = $1`, shape).Scan(&columns); err != nil {
		return nil, fmt.Errorf("the columns of shape %q: %w", shape, err)
	}
	return parseShape(shape, columns)
}

func parseShape(shape, columns string) ([]string, error) {
	list := strings.Fields(columns)
	if shapeOf(list) != shape || strings.Join(list, " ") != columns || slices.ContainsFunc(list, func(c string) bool { return !identifier.MatchString(c) }) {
		return nil, fmt.Errorf("the columns of shape %q were changed", shape)
	}
	return list, nil
}
