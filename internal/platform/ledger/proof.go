package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// proofFormat is the first thing that a proof says of itself.
const proofFormat = "yagura-proof-1"

// Proof is the history of one record as a file that is checked with the public key alone. It proves that each of its leaves
// is in the signed tree, and that the row it carries is what the last of them covers. It cannot prove that it has all leaves of the record:
// that is for Verify, which sees the whole ledger.
type Proof struct {
	Format     string      `json:"format"`
	Table      string      `json:"table"`
	Key        string      `json:"key"`
	Checkpoint string      `json:"checkpoint"` // signed
	Leaves     []ProofLeaf `json:"leaves"`     // oldest first
	Row        *ProofRow   `json:"row,omitempty"`
}

// ProofLeaf is a leaf with its way to the root.
type ProofLeaf struct {
	Index  int64            `json:"index"`
	Time   int64            `json:"time"` // microseconds since 1970, UTC
	Actor  string           `json:"actor"`
	Action string           `json:"action"`
	Shape  string           `json:"shape"`
	Digest string           `json:"digest"`
	Path   tlog.RecordProof `json:"path"` // hashes in base64 (RFC 6962 section 2.1.1)
}

// ProofRow is what the last leaf's digest covers.
type ProofRow struct {
	Nonce  string       `json:"nonce"` // hexadecimal
	Values []ProofValue `json:"values"`
}

// ProofValue is a column of a row.
type ProofValue struct {
	Column string `json:"column"`
	Kind   string `json:"kind"` // n: null, i: integer, f: floating point, s: text, b: bytes in base64
	Value  string `json:"value"`
}

// Prove returns the history of a record. With withRow it carries the row as it is now, secrets that the row keeps (hashes of
// passwords, sealed values) with it: such a file is for those who may see the row itself. The error is fault.NotFound where the ledger
// has no leaf of the record.
func (l *Log) Prove(ctx context.Context, table, key string, withRow bool) (*Proof, error) {
	proof := &Proof{Format: proofFormat, Table: table, Key: key}
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		t, err := l.table(table)
		if err != nil {
			return fault.New(fault.NotFound, "", "%w", err)
		}
		now, err := l.loadHead(tx)
		if err != nil {
			return err
		}
		proof.Checkpoint = now.note
		leaves, err := db.List(tx, scanLeaf, `SELECT `+leafColumns+` FROM ledger_leaf WHERE tbl = $1 AND rec = $2 ORDER BY idx`, table, key)
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			return fault.New(fault.NotFound, "", "the ledger knows no record %s of %s", key, table)
		}
		hashes := hashReader(tx)
		for _, f := range leaves {
			path, err := tlog.ProveRecord(now.size, f.Index, hashes)
			if err != nil {
				return err
			}
			proof.Leaves = append(proof.Leaves, ProofLeaf{f.Index, db.Micros(f.Time), f.Actor, f.Action, f.Shape, f.Digest, path})
		}
		if last := leaves[len(leaves)-1]; withRow && last.Digest != "" {
			proof.Row, err = proveRow(tx, t, last)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("proving a record's history: %w", err)
	}
	return proof, nil
}

func proveRow(tx *db.Tx, t tracked, last Leaf) (*ProofRow, error) {
	_, nonce, _, err := lastLeaf(tx, last.Table, last.Key)
	if err != nil {
		return nil, err
	}
	columns, err := shapeColumns(tx, last.Shape)
	if err != nil {
		return nil, err
	}
	if gone := missing(columns, t.all); len(gone) > 0 {
		return nil, fault.New(fault.Conflict, "fault.ledger.columns", "the record's last leaf covers columns that are gone (%s): accept it first (yagura ledger adopt)", strings.Join(gone, ", "))
	}
	rows, err := readRows(tx, t.Table, columns, []string{last.Key})
	if err != nil {
		return nil, err
	}
	values, ok := rows[last.Key]
	if !ok {
		return nil, fault.New(fault.Conflict, "", "the row is gone, and no leaf says so: verify the ledger")
	}
	row := &ProofRow{Nonce: hex.EncodeToString(nonce)}
	for i, value := range values {
		kind, text, err := canonical(value)
		if err != nil {
			return nil, err
		}
		shown := string(text)
		if kind == 'b' {
			shown = base64.StdEncoding.EncodeToString(text)
		}
		row.Values = append(row.Values, ProofValue{columns[i], string(kind), shown})
	}
	return row, nil
}

// Encode writes the proof as a file.
func (p *Proof) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(p, "", "  ")
	return append(data, '\n'), err
}

// CheckProof reads a proof and checks it with the public key alone. The error is fault.Invalid and says what does not hold.
func CheckProof(data []byte, publicKey string) (*Proof, Checkpoint, error) {
	p := new(Proof)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(p)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows its end")
		}
	}
	if err == nil && p.Format != proofFormat {
		err = fmt.Errorf("its format is %q, want %q", p.Format, proofFormat)
	}
	if err != nil {
		return nil, Checkpoint{}, fault.New(fault.Invalid, "", "the proof cannot be read: %w", err)
	}
	c, err := ParseCheckpoint(p.Checkpoint, publicKey)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	if err := p.check(c); err != nil {
		return nil, Checkpoint{}, fault.New(fault.Invalid, "", "the proof does not hold: %w", err)
	}
	return p, c, nil
}

func (p *Proof) check(c Checkpoint) error {
	if len(p.Leaves) == 0 {
		return errors.New("it has no leaves")
	}
	before := int64(-1)
	for _, leaf := range p.Leaves {
		if leaf.Index <= before || leaf.Index >= c.Size {
			return fmt.Errorf("leaf %d is out of order or outside of the tree", leaf.Index)
		}
		before = leaf.Index
		f := Leaf{Time: db.Time(leaf.Time), Actor: leaf.Actor, Action: leaf.Action, Table: p.Table, Key: p.Key, Shape: leaf.Shape, Digest: leaf.Digest}
		if err := tlog.CheckRecord(leaf.Path, c.Size, c.Root, leaf.Index, f.hash()); err != nil {
			return fmt.Errorf("leaf %d is not in the signed tree", leaf.Index)
		}
	}
	if p.Row == nil {
		return nil
	}
	got, err := p.Row.digest(p.Leaves[len(p.Leaves)-1].Shape)
	if err == nil && got != p.Leaves[len(p.Leaves)-1].Digest {
		err = errors.New("the row is not the one that the last leaf covers")
	}
	return err
}

func (r *ProofRow) digest(shape string) (string, error) {
	nonce, err := hex.DecodeString(r.Nonce)
	if err != nil {
		return "", errors.New("the nonce is not hexadecimal")
	}
	columns, values := make([]string, len(r.Values)), make([]any, len(r.Values))
	for i, v := range r.Values {
		columns[i] = v.Column
		if values[i], err = v.parse(); err != nil {
			return "", fmt.Errorf("the column %q has no value of kind %q", v.Column, v.Kind)
		}
	}
	if shapeOf(columns) != shape {
		return "", errors.New("the row has other columns than the last leaf covers")
	}
	return digest(columns, values, nonce)
}

func (v ProofValue) parse() (any, error) {
	switch v.Kind {
	case "n":
		if v.Value != "" {
			return nil, errors.New("null has no text")
		}
		return nil, nil
	case "i":
		return strconv.ParseInt(v.Value, 10, 64)
	case "f":
		return strconv.ParseFloat(v.Value, 64)
	case "s":
		return v.Value, nil
	case "b":
		return base64.StdEncoding.DecodeString(v.Value)
	default:
		return nil, errors.New("unknown kind")
	}
}
