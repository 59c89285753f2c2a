package ledger

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"yagura/internal/platform/db"
)

// Entry is a change that was just made.
type Entry struct {
	Table  string
	Key    string
	Action string // "create", "update", "delete", or the room's word for it: "close", "revoke"
}

const (
	nonceSize = 16
	// appendBatch is how many rows one statement reads or writes at most.
	appendBatch = 100
)

// Append appends a leaf for each entry, in the transaction that made the changes and after it made them: the row is read as it
// is now. Who and when are the transaction's. A nil Log keeps nothing: for tools that have no ledger.
func (l *Log) Append(tx *db.Tx, entries ...Entry) error {
	if l == nil || len(entries) == 0 {
		return nil
	}
	if err := l.append(tx, entries); err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	return nil
}

func (l *Log) append(tx *db.Tx, entries []Entry) error {
	now, err := l.loadHead(tx)
	if err != nil {
		return err
	}
	write := writer{tx: tx, tiles: make(map[[2]int64][]byte)}
	for len(entries) > 0 {
		some := entries[:min(len(entries), appendBatch)]
		for i, e := range some { // of one table at a time
			if e.Table != some[0].Table {
				some = some[:i]
				break
			}
		}
		entries = entries[len(some):]
		leaves, err := l.leaves(tx, some)
		if err != nil {
			return err
		}
		for i := range leaves {
			leaves[i].Index = now.size
			if err := now.add(leaves[i].hash(), write.tile); err != nil {
				return err
			}
		}
		if err := write.leaves(leaves); err != nil {
			return err
		}
	}
	for _, t := range now.edge() {
		if err := write.tile(t); err != nil {
			return err
		}
	}
	if err := write.flush(); err != nil {
		return err
	}
	return l.writeHead(tx, now)
}

// saltedLeaf is a leaf with the nonce of its digest: empty where the row was deleted or has a later leaf.
type saltedLeaf struct {
	Leaf
	nonce []byte
}

// leaves makes the leaves of changes in one table.
func (l *Log) leaves(tx *db.Tx, entries []Entry) ([]saltedLeaf, error) {
	t, err := l.table(entries[0].Table)
	if err != nil {
		return nil, err
	}
	if err := l.keepShape(tx, t); err != nil {
		return nil, err
	}
	keys, last := make([]string, 0, len(entries)), make(map[string]int, len(entries))
	for i, e := range entries {
		if e.Key == "" || e.Action == "" {
			return nil, fmt.Errorf("a change of %s without a key or an action", e.Table)
		}
		if _, twice := last[e.Key]; !twice {
			keys = append(keys, e.Key)
		}
		last[e.Key] = i
	}
	rows, err := readRows(tx, t.Table, t.columns, keys)
	if err != nil {
		return nil, err
	}
	if err := eraseNonces(tx, t.Name, keys); err != nil {
		return nil, err
	}
	leaves := make([]saltedLeaf, len(entries))
	for i, e := range entries {
		leaf := saltedLeaf{Leaf{Time: tx.Now(), Actor: tx.Actor(), Action: e.Action, Table: e.Table, Key: e.Key, Shape: t.shape}, []byte{}}
		if values, ok := rows[e.Key]; ok {
			nonce := make([]byte, nonceSize)
			_, _ = rand.Read(nonce) // never fails (crypto/rand)
			if leaf.Digest, err = digest(t.columns, values, nonce); err != nil {
				return nil, fmt.Errorf("row %s of %s: %w", e.Key, e.Table, err)
			}
			if last[e.Key] == i {
				leaf.nonce = nonce
			}
		}
		leaves[i] = leaf
	}
	return leaves, nil
}

// keepShape has the columns stored that the leaves of a table cover.
func (l *Log) keepShape(tx *db.Tx, t tracked) error {
	l.mu.RLock()
	known := l.shapes[t.shape]
	l.mu.RUnlock()
	if known {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO ledger_shape (id, columns) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, t.shape, strings.Join(t.columns, " "))
	tx.AfterCommit(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.shapes[t.shape] = true
	})
	return err
}

// eraseNonces empties the nonces of the records' last leaves, which are about to have followers: what a record held before nobody
// can guess from its leaves any more.
func eraseNonces(tx *db.Tx, table string, keys []string) error {
	var b strings.Builder
	b.WriteString(`UPDATE ledger_leaf SET nonce = $1 WHERE idx IN (`)
	args := []any{[]byte{}, table}
	for i, key := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		args = append(args, key)
		b.WriteString(`(SELECT MAX(idx) FROM ledger_leaf WHERE tbl = $2 AND rec = $` + strconv.Itoa(len(args)) + `)`)
	}
	b.WriteString(`)`)
	_, err := tx.Exec(b.String(), args...)
	return err
}

// writer collects what an append writes, so that few statements do it.
type writer struct {
	tx    *db.Tx
	tiles map[[2]int64][]byte // by level and number
}

func (w *writer) tile(t tile) error {
	w.tiles[[2]int64{t.level, t.n}] = t.bytes()
	if len(w.tiles) < appendBatch {
		return nil
	}
	return w.flush()
}

// flush writes the tiles.
func (w *writer) flush() error {
	rows := make([][]any, 0, len(w.tiles))
	for at, hashes := range w.tiles {
		rows = append(rows, []any{at[0], at[1], hashes})
	}
	clear(w.tiles)
	return insert(w.tx, `INSERT INTO ledger_tile (level, n, hashes) VALUES `, rows, ` ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes`)
}

func (w *writer) leaves(leaves []saltedLeaf) error {
	rows := make([][]any, len(leaves))
	for i, f := range leaves {
		rows[i] = []any{f.Index, db.Micros(f.Time), f.Actor, f.Action, f.Table, f.Key, f.Shape, f.Digest, f.nonce}
	}
	return insert(w.tx, `INSERT INTO ledger_leaf (`+leafColumns+`, nonce) VALUES `, rows, "")
}

// writeHead signs the new state, and remembers it once it is committed.
func (l *Log) writeHead(tx *db.Tx, now head) (err error) {
	if now.note, err = l.sign(now.size, now.root()); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO ledger_head (id, size, note) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET size = excluded.size, note = excluded.note`, now.size, now.note)
	if err != nil {
		return err
	}
	l.headMu.Lock() // a later append in this transaction needs it; after a rollback the database has another note
	l.head = now
	l.headMu.Unlock()
	return nil
}

// insert inserts rows of the same length with one statement.
func insert(tx *db.Tx, into string, rows [][]any, then string) error {
	if len(rows) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(into)
	args := make([]any, 0, len(rows)*len(rows[0]))
	for i, row := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		for j, value := range row {
			if j == 0 {
				b.WriteString("($")
			} else {
				b.WriteString(", $")
			}
			args = append(args, value)
			b.WriteString(strconv.Itoa(len(args)))
		}
		b.WriteString(")")
	}
	_, err := tx.Exec(b.String()+then, args...)
	return err
}
