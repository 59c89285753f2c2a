package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Kind is what Verify found.
type Kind string

// The kinds of problems.
const (
	RowChanged     Kind = "row_changed"     // a row is not what its last leaf says
	RowRemoved     Kind = "row_removed"     // a row is gone, and no leaf says so
	RowInserted    Kind = "row_inserted"    // a row is there that no leaf knows, or that a leaf says is deleted
	LeafChanged    Kind = "leaf_changed"    // a leaf is not what was signed
	LeafMissing    Kind = "leaf_missing"    // a leaf is gone
	LeafUnsigned   Kind = "leaf_unsigned"   // a leaf stands behind the signed end of the tree
	HashChanged    Kind = "hash_changed"    // a hash of the tree is not what its leaves give
	HeadWrong      Kind = "head_wrong"      // the newest head is not signed by this ledger's key, or not of this tree
	CheckpointLost Kind = "checkpoint_lost" // a checkpoint, kept here or elsewhere, is not of this history
)

// Problem is one thing that Verify found.
type Problem struct {
	Kind   Kind
	Table  string // of the row or of the leaf's record
	Key    string
	Index  int64 // of the leaf; -1 where it is none
	Detail string
	Last   *Leaf // the last honest change of the row that the ledger knows
}

// maxProblems bounds a report: who rewrote everything is found out by the first thousand.
const maxProblems = 1000

// Report is what Verify found out.
type Report struct {
	Leaves      int64
	Rows        int64
	Tables      []string
	Checkpoints int
	Head        Checkpoint // the newest state that was signed
	Problems    []Problem
	Omitted     int // problems beyond those listed
	Took        time.Duration
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) found(p Problem) {
	if len(r.Problems) >= maxProblems {
		r.Omitted++
		return
	}
	r.Problems = append(r.Problems, p)
}

// VerifyOptions say what to verify against, and who wants to know how far it is.
type VerifyOptions struct {
	// Checkpoints are signed checkpoints that were kept elsewhere: the history must contain them.
	Checkpoints []Checkpoint
	// Progress is told from time to time how many leaves and rows are done.
	Progress func(leaves, rows int64)
}

const (
	leafBatch = 4096
	rowBatch  = 256
)

// Verify recomputes the tree from its leaves, compares it with every stored hash, head and checkpoint, and then every row of
// every tracked table with its last leaf. It sees the database as it is at one moment and holds a bounded part of it in memory. An
// error means that it could not be verified; what it found is in the report.
func (l *Log) Verify(ctx context.Context, opt VerifyOptions) (*Report, error) {
	started := time.Now()
	report := &Report{Tables: l.Tables()}
	if opt.Progress == nil {
		opt.Progress = func(int64, int64) {}
	}
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		if err := l.verifyTree(tx, report, opt); err != nil {
			return err
		}
		for _, name := range report.Tables {
			if err := l.verifyTable(tx, report, name, opt); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		return nil
	})
	report.Took = time.Since(started)
	if err != nil {
		return nil, fmt.Errorf("verifying the ledger: %w", err)
	}
	return report, nil
}

// tree grows again as its leaves are read.
type tree struct {
	head
	report *Report
	marks  []Checkpoint // those still ahead, by size
}

func (l *Log) verifyTree(tx *db.Tx, report *Report, opt VerifyOptions) error {
	t := &tree{head: head{edge: make(map[int64]tlog.Hash)}, report: report}
	if err := l.readMarks(tx, t, opt.Checkpoints); err != nil {
		return err
	}
	for {
		leaves, err := db.List(tx, scanLeaf, `SELECT `+leafColumns+` FROM ledger_leaf WHERE idx >= $1 ORDER BY idx LIMIT $2`, t.size, leafBatch)
		if err != nil {
			return err
		}
		if len(leaves) == 0 {
			break
		}
		if err := t.grow(tx, leaves); err != nil {
			return err
		}
		opt.Progress(t.size, 0)
	}
	report.Leaves = t.size
	for _, mark := range t.marks {
		report.found(Problem{Kind: CheckpointLost, Index: -1, Detail: fmt.Sprintf("a signed state has %d leaves, the ledger has %d", mark.Size, t.size)})
	}
	return l.verifyHead(tx, t)
}

// readMarks collects the checkpoints that the history must contain.
func (l *Log) readMarks(tx *db.Tx, t *tree, elsewhere []Checkpoint) error {
	texts, err := db.List(tx, func(s db.Scanner) (text string, err error) { return text, s.Scan(&text) }, `SELECT note FROM ledger_checkpoint ORDER BY size`)
	if err != nil {
		return err
	}
	t.marks = slices.Clone(elsewhere)
	for i, text := range texts {
		c, err := ParseCheckpoint(text, l.public)
		if err != nil {
			t.report.found(Problem{Kind: CheckpointLost, Index: -1, Detail: fmt.Sprintf("stored checkpoint %d: %v", i+1, err)})
			continue
		}
		t.marks = append(t.marks, c)
	}
	t.report.Checkpoints = len(t.marks)
	slices.SortStableFunc(t.marks, func(a, b Checkpoint) int { return int(min(1, max(-1, a.Size-b.Size))) })
	return t.passMarks()
}

// passMarks compares the checkpoints of the size that the tree has reached.
func (t *tree) passMarks() error {
	for len(t.marks) > 0 && t.marks[0].Size == t.size {
		root, err := t.root()
		if err != nil {
			return err
		}
		if root != t.marks[0].Root {
			t.report.found(Problem{Kind: CheckpointLost, Index: t.size, Detail: fmt.Sprintf("the signed state of %d leaves has another root", t.size)})
		}
		t.marks = t.marks[1:]
	}
	return nil
}

// root is the tree's root, from the hashes at its right edge.
func (t *tree) root() (tlog.Hash, error) { return tlog.TreeHash(t.size, t.memory()) }

// memory reads only what the tree has computed itself.
func (t *tree) memory() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hash, ok := t.edge[index]
			if !ok {
				return nil, fmt.Errorf("hash %d of the tree is not at its edge", index)
			}
			list[i] = hash
		}
		return list, nil
	})
}

// grow adds leaves, which come in order, and compares the hashes they give with those that are stored.
func (t *tree) grow(tx *db.Tx, leaves []Leaf) error {
	from, to := t.size, leaves[len(leaves)-1].Index
	stored, err := storedHashes(tx, tlog.StoredHashIndex(0, from), tlog.StoredHashIndex(0, to+1))
	if err != nil {
		return err
	}
	for n := from; n <= to; n++ {
		id := tlog.StoredHashIndex(0, n)
		known, have := stored[id]
		var hash tlog.Hash
		if leaves[0].Index == n {
			hash = leaves[0].hash()
			if have && hash != known {
				t.report.found(Problem{Kind: LeafChanged, Table: leaves[0].Table, Key: leaves[0].Key, Index: n, Detail: "its hash is not the one that was signed"})
				hash = known // so that what is wrong elsewhere is still found there
			}
			leaves = leaves[1:]
		} else {
			t.report.found(Problem{Kind: LeafMissing, Index: n, Detail: "there is no leaf of this number"})
			hash = known
		}
		if err := t.add(n, hash, stored); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) add(n int64, hash tlog.Hash, stored map[int64]tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(n, hash, t.memory())
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, n)
	for i, h := range hashes {
		id := first + int64(i)
		if known, have := stored[id]; !have || known != h {
			t.report.found(Problem{Kind: HashChanged, Index: n, Detail: fmt.Sprintf("stored hash %d is %s", id, map[bool]string{true: "not what its leaves give", false: "missing"}[have])})
		}
		t.edge[id] = h
	}
	t.size = n + 1
	if len(t.edge) > 4096 {
		t.trim()
	}
	return t.passMarks()
}

func storedHashes(tx *db.Tx, from, to int64) (map[int64]tlog.Hash, error) {
	rows, err := tx.Query(`SELECT id, hash FROM ledger_hash WHERE id >= $1 AND id < $2`, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hashes := make(map[int64]tlog.Hash, to-from)
	for rows.Next() {
		var id int64
		var raw []byte
		if err := rows.Scan(&id, &raw); err != nil {
			return nil, err
		}
		if len(raw) == tlog.HashSize { // one of another length counts as missing
			hashes[id] = tlog.Hash(raw)
		}
	}
	return hashes, rows.Err()
}

// verifyHead checks that the newest head is signed and is the tree that the leaves give.
func (l *Log) verifyHead(tx *db.Tx, t *tree) error {
	var size int64
	var text string
	err := tx.QueryRow(`SELECT size, note FROM ledger_head WHERE id = 1`).Scan(&size, &text)
	if fault.Is(err, fault.NotFound) && t.size == 0 {
		return nil
	}
	if fault.Is(err, fault.NotFound) {
		t.report.found(Problem{Kind: HeadWrong, Index: -1, Detail: "there are leaves and no signed head"})
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ParseCheckpoint(text, l.public)
	if err != nil {
		t.report.found(Problem{Kind: HeadWrong, Index: -1, Detail: err.Error()})
		return nil
	}
	t.report.Head = c
	root, err := t.root()
	switch {
	case err != nil:
		return err
	case c.Size < t.size:
		t.report.found(Problem{Kind: LeafUnsigned, Index: c.Size, Detail: fmt.Sprintf("%d leaves stand behind the signed end", t.size-c.Size)})
	case c.Size > t.size:
		t.report.found(Problem{Kind: LeafMissing, Index: t.size, Detail: fmt.Sprintf("%d leaves are missing at the end", c.Size-t.size)})
	case size != c.Size || root != c.Root:
		t.report.found(Problem{Kind: HeadWrong, Index: -1, Detail: "the signed head is of another tree"})
	}
	return nil
}

// verifyTable compares the rows of a table with their last leaves, and then looks for rows without one.
func (l *Log) verifyTable(tx *db.Tx, report *Report, name string, opt VerifyOptions) error {
	t, err := l.table(name)
	if err != nil {
		return err
	}
	for after := ""; ; {
		last, err := db.List(tx, func(s db.Scanner) (leaf saltedLeaf, err error) {
			leaf.Leaf, err = scanLeaf(withNonce{s, &leaf.nonce})
			return leaf, err
		}, `SELECT nonce, `+leafColumns+` FROM ledger_leaf WHERE idx IN (SELECT MAX(idx) FROM ledger_leaf WHERE tbl = $1 AND rec > $2 GROUP BY rec ORDER BY rec LIMIT $3) ORDER BY rec`, name, after, rowBatch)
		if err != nil {
			return err
		}
		if len(last) == 0 {
			break
		}
		if err := l.verifyRows(tx, report, t, last); err != nil {
			return err
		}
		after = last[len(last)-1].Key
		opt.Progress(report.Leaves, report.Rows)
	}
	strays, err := db.List(tx, func(s db.Scanner) (key string, err error) { return key, s.Scan(&key) },
		`SELECT `+t.Key+` FROM `+t.Name+` WHERE NOT EXISTS (SELECT 1 FROM ledger_leaf WHERE tbl = $1 AND rec = `+t.Name+`.`+t.Key+`) LIMIT $2`, name, maxProblems+1)
	for _, key := range strays {
		report.found(Problem{Kind: RowInserted, Table: name, Key: key, Index: -1, Detail: "no leaf knows the row"})
	}
	report.Rows += int64(len(strays))
	return err
}

type saltedLeaf struct {
	Leaf
	nonce []byte
}

// verifyRows compares the rows of some leaves, grouped by what their digests cover.
func (l *Log) verifyRows(tx *db.Tx, report *Report, t tracked, last []saltedLeaf) error {
	shapes := make(map[string][]saltedLeaf)
	for _, leaf := range last {
		shapes[leaf.Shape] = append(shapes[leaf.Shape], leaf)
	}
	for shape, leaves := range shapes {
		columns := t.columns
		if shape != t.shape {
			var err error
			if columns, err = shapeColumns(tx, shape); err != nil {
				for _, leaf := range leaves {
					report.found(Problem{Kind: RowChanged, Table: t.Name, Key: leaf.Key, Index: leaf.Index, Detail: err.Error(), Last: &leaf.Leaf})
				}
				continue
			}
		}
		rows, err := readRows(tx, t, columns, leaves)
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			if err := compareRow(report, t, columns, leaf, rows[leaf.Key]); err != nil {
				return err
			}
		}
		report.Rows += int64(len(rows))
	}
	return nil
}

func compareRow(report *Report, t tracked, columns []string, leaf saltedLeaf, values []any) error {
	problem := Problem{Table: t.Name, Key: leaf.Key, Index: leaf.Index, Last: &leaf.Leaf}
	switch {
	case values == nil && leaf.Digest == "":
		return nil
	case values == nil:
		problem.Kind, problem.Detail = RowRemoved, "the row is gone"
	case leaf.Digest == "":
		problem.Kind, problem.Detail = RowInserted, "the row was deleted and is there again"
	default:
		got, err := digest(columns, values, leaf.nonce)
		if err != nil || got == leaf.Digest {
			return err
		}
		problem.Kind, problem.Detail = RowChanged, "the row is not as its last change left it"
	}
	report.found(problem)
	return nil
}

// readRows returns the rows of some leaves by their keys.
func readRows(tx *db.Tx, t tracked, columns []string, leaves []saltedLeaf) (map[string][]any, error) {
	where := new(db.Where)
	keys := make([]string, len(leaves))
	for i, leaf := range leaves {
		keys[i] = leaf.Key
	}
	db.In(where, t.Key, keys)
	rows, err := tx.Query(`SELECT `+t.Key+`, `+strings.Join(columns, ", ")+` FROM `+t.Name+where.String(), where.Args()...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string][]any, len(leaves))
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
