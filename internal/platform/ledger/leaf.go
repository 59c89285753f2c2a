package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// data is the leaf as the tree hashes it: a JSON array, so that no field can pass for a part of its neighbour.
func (f Leaf) data() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	// Texts, numbers and nothing else: this cannot fail.
	_ = encoder.Encode([]any{"yagura-leaf-1", db.Micros(f.Time), f.Actor, f.Action, f.Table, f.Key, f.Shape, f.Digest})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (f Leaf) hash() tlog.Hash { return tlog.RecordHash(f.data()) }

const leafColumns = `idx, at, actor, action, tbl, rec, shape, digest`

func scanLeaf(s db.Scanner) (Leaf, error) {
	var f Leaf
	var at int64
	err := s.Scan(&f.Index, &at, &f.Actor, &f.Action, &f.Table, &f.Key, &f.Shape, &f.Digest)
	f.Time = db.Time(at)
	return f, err
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

// withNonce scans a nonce that stands before the columns of a leaf.
type withNonce struct {
	db.Scanner
	nonce *[]byte
}

func (w withNonce) Scan(dest ...any) error { return w.Scanner.Scan(append([]any{w.nonce}, dest...)...) }

// digestRow returns the digest of a row, "" where there is none.
func digestRow(tx *db.Tx, t Table, columns []string, key string, nonce []byte) (string, error) {
	values := make([]any, len(columns))
	row := tx.QueryRow(`SELECT `+strings.Join(columns, ", ")+` FROM `+t.Name+` WHERE `+t.Key+` = $1`, key)
	err := row.Scan(pointers(values)...)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading row %s of %s: %w", key, t.Name, err)
	}
	return digest(columns, values, nonce)
}

func pointers(values []any) []any {
	list := make([]any, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return list
}

// digest is the salted SHA-256 of a row: the nonce, then each column's name, kind and value, each with its length before it.
// It is the same on every engine that keeps texts as texts, numbers as numbers and bytes as bytes.
func digest(columns []string, values []any, nonce []byte) (string, error) {
	h := sha256.New()
	part(h, nonce)
	for i, name := range columns {
		kind, value, err := canonical(values[i])
		if err != nil {
			return "", fmt.Errorf("the column %s: %w", name, err)
		}
		part(h, []byte(name))
		part(h, []byte{kind})
		part(h, value)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func part(h hash.Hash, value []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(value)))
	_, _ = h.Write(length[:])
	_, _ = h.Write(value)
}

// canonical writes a value as every engine gives it: null, number, text or bytes.
func canonical(value any) (kind byte, text []byte, err error) {
	switch v := value.(type) {
	case nil:
		return 'n', nil, nil
	case int64:
		return 'i', strconv.AppendInt(nil, v, 10), nil
	case bool:
		return 'i', strconv.AppendInt(nil, map[bool]int64{true: 1}[v], 10), nil
	case float64:
		return 'f', strconv.AppendFloat(nil, v, 'g', -1, 64), nil
	case string:
		return 's', []byte(v), nil
	case []byte:
		return 'b', v, nil
	default:
		return 0, nil, fmt.Errorf("the ledger does not cover values of type %T", value)
	}
}
