package ledger

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Entry is a change that was just made.
type Entry struct {
	Table  string
	Key    string
	Action string // "create", "update", "delete", or the room's word for it: "close", "revoke"
}

const (
	nonceSize = 16
	// insertRows is how many rows one statement inserts at most.
	insertRows = 100
)

// Append appends a leaf for each entry, in the transaction that made the changes and after it made them: the row is read as it
// is now. Who and when are the transaction's. A nil Log keeps nothing: for tools that have no ledger.
func (l *Log) Append(tx *db.Tx, entries ...Entry) error {
	if l == nil || len(entries) == 0 {
		return nil
	}
	now, err := l.readHead(tx)
	if err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	leaves := make([][]any, 0, len(entries))
	var hashes [][]any
	for _, e := range entries {
		leaf, nonce, err := l.leaf(tx, e)
		if err != nil {
			return fmt.Errorf("appending to the ledger: %w", err)
		}
		leaf.Index = now.size
		leaves = append(leaves, []any{leaf.Index, db.Micros(leaf.Time), leaf.Actor, leaf.Action, leaf.Table, leaf.Key, leaf.Shape, leaf.Digest, nonce})
		stored, err := tlog.StoredHashesForRecordHash(leaf.Index, leaf.hash(), now.reader(tx))
		if err != nil {
			return fmt.Errorf("appending to the ledger: %w", err)
		}
		at := tlog.StoredHashIndex(0, leaf.Index)
		for i, hash := range stored {
			now.edge[at+int64(i)] = hash
			hashes = append(hashes, []any{at + int64(i), hash[:]})
		}
		now.size++
	}
	if err := l.write(tx, leaves, hashes, &now); err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	return nil
}

// leaf makes the leaf of a change and the nonce of its digest.
func (l *Log) leaf(tx *db.Tx, e Entry) (Leaf, []byte, error) {
	t, err := l.table(e.Table)
	if err != nil {
		return Leaf{}, nil, err
	}
	if e.Key == "" || e.Action == "" {
		return Leaf{}, nil, fmt.Errorf("a change of %s without a key or an action", e.Table)
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	leaf := Leaf{Time: tx.Now(), Actor: tx.Actor(), Action: e.Action, Table: e.Table, Key: e.Key, Shape: t.shape}
	leaf.Digest, err = digestRow(tx, t.Table, t.columns, e.Key, nonce)
	return leaf, nonce, err
}

// write stores leaves and hashes and signs the new head.
func (l *Log) write(tx *db.Tx, leaves, hashes [][]any, now *head) error {
	if err := insert(tx, `INSERT INTO ledger_leaf (`+leafColumns+`, nonce) VALUES `, leaves); err != nil {
		return err
	}
	if err := insert(tx, `INSERT INTO ledger_hash (id, hash) VALUES `, hashes); err != nil {
		return err
	}
	root, err := tlog.TreeHash(now.size, now.reader(tx))
	if err != nil {
		return err
	}
	if now.note, err = l.sign(now.size, root); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO ledger_head (id, size, note) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET size = excluded.size, note = excluded.note`, now.size, now.note)
	if err != nil {
		return err
	}
	now.trim()
	l.headMu.Lock()
	l.head = *now
	l.headMu.Unlock()
	return nil
}

// insert inserts rows of the same length with as few statements as possible.
func insert(tx *db.Tx, into string, rows [][]any) error {
	for len(rows) > 0 {
		some := rows[:min(len(rows), insertRows)]
		rows = rows[len(some):]
		var b strings.Builder
		b.WriteString(into)
		args := make([]any, 0, len(some)*len(some[0]))
		for i, row := range some {
			if i > 0 {
				b.WriteString(", ")
			}
			for j := range row {
				fmt.Fprintf(&b, "%s$%d", map[bool]string{true: "(", false: ", "}[j == 0], len(args)+j+1)
			}
			b.WriteString(")")
			args = append(args, row...)
		}
		if _, err := tx.Exec(b.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

// readHead returns the tree as the transaction sees it. What this process remembers counts only where the database says the
// same: an append may have been rolled back, or another node may have made one.
func (l *Log) readHead(tx *db.Tx) (head, error) {
	now := head{edge: make(map[int64]tlog.Hash)}
	err := tx.QueryRow(`SELECT size, note FROM ledger_head WHERE id = 1`).Scan(&now.size, &now.note)
	if fault.Is(err, fault.NotFound) {
		return now, nil
	}
	if err != nil {
		return head{}, err
	}
	l.headMu.Lock()
	defer l.headMu.Unlock()
	if l.head.note == now.note {
		now.edge = maps.Clone(l.head.edge)
	}
	return now, nil
}

// reader reads hashes of the tree: those at the right edge from memory, others from the database.
func (h *head) reader(tx *db.Tx) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hash, ok := h.edge[index]
			if !ok {
				var err error
				if hash, err = storedHash(tx, index); err != nil {
					return nil, err
				}
				h.edge[index] = hash
			}
			list[i] = hash
		}
		return list, nil
	})
}

func storedHash(tx *db.Tx, index int64) (hash tlog.Hash, err error) {
	var raw []byte
	if err := tx.QueryRow(`SELECT hash FROM ledger_hash WHERE id = $1`, index).Scan(&raw); err != nil {
		return hash, fmt.Errorf("hash %d of the tree: %w", index, err)
	}
	if len(raw) != len(hash) {
		return hash, fmt.Errorf("hash %d of the tree has %d bytes", index, len(raw))
	}
	return tlog.Hash(raw), nil
}

// trim forgets the hashes that no append will need: all but the roots of the complete subtrees at the right edge.
func (h *head) trim() {
	keep := make(map[int64]tlog.Hash)
	_, _ = tlog.TreeHash(h.size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			list[i] = h.edge[index]
			keep[index] = list[i]
		}
		return list, nil
	}))
	h.edge = keep
}

// sign returns the signed checkpoint of a state of the tree (C2SP tlog-checkpoint).
func (l *Log) sign(size int64, root tlog.Hash) (string, error) {
	return signNote(l.signer, fmt.Sprintf("%s\n%d\n%s\n", l.signer.Name(), size, base64.StdEncoding.EncodeToString(root[:])))
}
