package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
)

// data is the leaf as the tree hashes it: a JSON array, so that no field can pass for a part of its neighbour.
func (f Leaf) data() []byte {
	b := make([]byte, 0, 256)
	b = append(b, `["yagura-leaf-1",`...)
	b = strconv.AppendInt(b, db.Micros(f.Time), 10)
	for _, text := range [...]string{f.Actor, f.Action, f.Table, f.Key, f.Shape, f.Digest} {
		b = appendText(append(b, ','), text)
	}
	return append(b, ']')
}

// appendText appends a text as encoding/json writes it without HTML escapes. Plain ones, which nearly all are, skip the encoder.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var escaped bytes.Buffer
			encoder := json.NewEncoder(&escaped)
			encoder.SetEscapeHTML(false)
			_ = encoder.Encode(text) // a text cannot fail
			return append(b, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
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

// readRows returns the rows of some keys, by key.
func readRows(tx *db.Tx, t Table, columns, keys []string) (map[string][]any, error) {
	where := new(db.Where)
	db.In(where, t.Key, keys)
	rows, err := tx.Query(`SELECT `+t.Key+`, `+strings.Join(columns, ", ")+` FROM `+t.Name+where.String(), where.Args()...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string][]any, len(keys))
	for rows.Next() {
		var key string
		values := make([]any, len(columns))
		if err := rows.Scan(append([]any{&key}, pointers(values)...)...); err != nil {
			return nil, err
		}
		found[key] = values
	}
	return found, rows.Err()
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
	b := part(make([]byte, 0, 512), nonce)
	for i, name := range columns {
		b = part(b, name)
		var err error
		if b, err = appendValue(b, values[i]); err != nil {
			return "", fmt.Errorf("the column %s: %w", name, err)
		}
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// part appends a value with its length before it.
func part[T string | []byte](b []byte, value T) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(value)))
	return append(b, value...)
}

func appendValue(b []byte, value any) ([]byte, error) {
	kind, text, err := canonical(value)
	if err != nil {
		return nil, err
	}
	return part(append(binary.BigEndian.AppendUint64(b, 1), kind), text), nil
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
