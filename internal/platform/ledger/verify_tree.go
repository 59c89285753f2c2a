package ledger

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// leafBatch is how many leaves are read at once: whole tiles.
const leafBatch = 128 * tileWidth

// tree grows again as its leaves are read.
type tree struct {
	v    *verification
	tx   *db.Tx
	main head // what the leaves give
	// claimed is what the stored hashes of leaves give, from the first leaf that has another hash than the stored one. Where this is
	// the tree that was signed, the leaves were changed; where the other is, the stored hashes were.
	claimed *head
	differ  []Problem
	more    int // that differ beyond those
	marks   []Checkpoint
	end     int64           // no honest leaf has this number or a higher one
	tables  map[string]bool // that leaves are of
	shapes  map[string]bool // that leaves use
}

// maxNames bounds how many tables and shapes are remembered: honest ledgers have few.
const maxNames = 10_000

func (v *verification) growTree(ctx context.Context, tx *db.Tx, elsewhere []Checkpoint) (tree, error) {
	t := tree{v: v, tx: tx, tables: make(map[string]bool), shapes: make(map[string]bool)}
	if err := t.readMarks(elsewhere); err != nil {
		return t, err
	}
	if err := t.findEnd(); err != nil {
		return t, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return t, err
		}
		leaves, err := t.nextLeaves()
		if err != nil {
			return t, err
		}
		if len(leaves) == 0 {
			break
		}
		if err := t.grow(leaves); err != nil {
			return t, err
		}
		v.leaves.Store(t.main.size)
		v.tell()
	}
	for _, mark := range t.marks {
		v.report.found(Problem{Kind: CheckpointLost, Index: -1, Detail: fmt.Sprintf("a signed state has %d leaves, the ledger has %d", mark.Size, t.main.size)})
	}
	if err := t.checkEdge(); err != nil {
		return t, err
	}
	return t, t.checkHead()
}

// findEnd bounds the tree by the size that was signed or the number of leaves there are, whichever is more, and reports leaves
// outside. Without it, one leaf whose number somebody changed to a huge one would have every number up to it looked for.
func (t *tree) findEnd() error {
	if err := t.tx.QueryRow(`SELECT COUNT(*) FROM ledger_leaf`).Scan(&t.end); err != nil {
		return err
	}
	var note any
	err := t.tx.QueryRow(`SELECT note FROM ledger_head WHERE id = 1`).Scan(&note)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if text, ok := note.(string); ok {
		if signed, err := ParseCheckpoint(text, t.v.log.public); err == nil {
			t.end = max(t.end, signed.Size)
		}
	}
	strays, err := db.List(t.tx, func(s db.Scanner) (idx any, err error) { return idx, s.Scan(&idx) },
		`SELECT idx FROM ledger_leaf WHERE idx < 0 OR idx >= $1 LIMIT $2`, t.end, maxProblems+1)
	for _, idx := range strays {
		t.v.report.found(Problem{Kind: LeafUnsigned, Index: -1, Detail: fmt.Sprintf("a leaf has the number %v, which none was given", idx)})
	}
	return err
}

// nextLeaves reads the leaves of the next tiles. What has not the form of a leaf is reported, and missing then.
func (t *tree) nextLeaves() ([]Leaf, error) {
	rows, err := t.tx.Query(`SELECT `+leafColumns+` FROM ledger_leaf WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3`, t.main.size, t.end, leafBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	leaves := make([]Leaf, 0, leafBatch)
	var values [8]any
	dest := pointers(values[:])
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		leaf, ok := leafOf(values)
		if !ok {
			t.v.report.found(Problem{Kind: LeafChanged, Index: -1, Detail: fmt.Sprintf("a leaf (%v) has values of other kinds than leaves have", values[0])})
			continue
		}
		leaves = append(leaves, leaf)
	}
	return leaves, rows.Err()
}

// leafOf reads a leaf's columns strictly: SQLite keeps a value of any kind in any column.
func leafOf(values [8]any) (f Leaf, ok bool) {
	var at int64
	texts := [...]*string{&f.Actor, &f.Action, &f.Table, &f.Key, &f.Shape, &f.Digest}
	if f.Index, ok = values[0].(int64); !ok {
		return f, false
	}
	if at, ok = values[1].(int64); !ok {
		return f, false
	}
	f.Time = db.Time(at)
	for i, text := range texts {
		if *text, ok = values[2+i].(string); !ok || !utf8.ValidString(*text) { // JSON has one sign for all that is none
			return f, false
		}
	}
	return f, true
}

// grow adds leaves, which come in order, and compares the hashes they give with those that are stored.
func (t *tree) grow(leaves []Leaf) error {
	from, to := t.main.size, leaves[len(leaves)-1].Index
	if to-from > 2*leafBatch {
		to = from + 2*leafBatch // a gap that somebody made: step by step, so that memory stays bounded
	}
	stored, err := t.storedTiles(from/tileWidth, to/tileWidth)
	if err != nil {
		return err
	}
	for n := from; n <= to; n++ {
		var known tlog.Hash
		hashes := stored[n/tileWidth]
		have := n%tileWidth < int64(len(hashes))
		if have {
			known = hashes[n%tileWidth]
		}
		hash := known
		if len(leaves) > 0 && leaves[0].Index == n {
			leaf := leaves[0]
			leaves = leaves[1:]
			hash = leaf.hash()
			t.remember(leaf)
			if hash != known || !have {
				t.differs(Problem{Table: leaf.Table, Key: leaf.Key, Index: n})
			}
		} else {
			t.v.report.found(Problem{Kind: LeafMissing, Index: n, Detail: "there is no leaf of this number"})
		}
		if err := t.add(hash, known); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) remember(leaf Leaf) {
	if !t.tables[leaf.Table] && len(t.tables) < maxNames {
		t.tables[leaf.Table] = true
	}
	if !t.shapes[leaf.Shape] && len(t.shapes) < maxNames {
		t.shapes[leaf.Shape] = true
	}
}

func (t *tree) differs(p Problem) {
	if t.claimed == nil {
		c := t.main.clone()
		t.claimed = &c
	}
	if len(t.differ) < maxProblems {
		t.differ = append(t.differ, p)
	} else {
		t.more++
	}
}

// add appends a leaf to the tree that the leaves give and to the one that the stored hashes give.
func (t *tree) add(hash, known tlog.Hash) error {
	var upper, claimed []tile
	keep := func(list *[]tile) func(tile) error {
		return func(full tile) error {
			if full.level > 0 {
				*list = append(*list, tile{full.level, full.n, slices.Clone(full.hashes)})
			}
			return nil
		}
	}
	if err := t.main.add(hash, keep(&upper)); err != nil {
		return err
	}
	if t.claimed != nil {
		if err := t.claimed.add(known, keep(&claimed)); err != nil {
			return err
		}
	}
	for i, full := range upper { // both complete the same
		other := full
		if t.claimed != nil {
			other = claimed[i]
		}
		if err := t.checkTile(full, other); err != nil {
			return err
		}
	}
	return t.passMarks()
}

// checkTile compares a stored tile with what it may be.
func (t *tree) checkTile(want, or tile) error {
	stored, err := readTile(t.tx, want.level, want.n)
	if err != nil {
		return err
	}
	if !slices.Equal(stored, want.hashes) && !slices.Equal(stored, or.hashes) {
		t.v.report.found(Problem{Kind: HashChanged, Index: -1, Detail: fmt.Sprintf("the stored hashes %d of level %d are not what the leaves give", want.n, want.level)})
	}
	return nil
}

// storedTiles returns the hashes of leaves, by tile.
func (t *tree) storedTiles(from, to int64) (map[int64][]tlog.Hash, error) {
	rows, err := t.tx.Query(`SELECT n, hashes FROM ledger_tile WHERE level = 0 AND n >= $1 AND n <= $2`, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tiles := make(map[int64][]tlog.Hash, leafBatch/tileWidth)
	for rows.Next() {
		var n int64
		var data any
		if err := rows.Scan(&n, &data); err != nil {
			return nil, err
		}
		raw, _ := data.([]byte) // a text counts as missing
		tiles[n] = hashesOf(raw)
	}
	return tiles, rows.Err()
}

// checkEdge compares the tiles that are not complete, and looks for tiles that are none.
func (t *tree) checkEdge() error {
	var claimed []tile
	edge := t.main.edge()
	if claimed = edge; t.claimed != nil {
		claimed = t.claimed.edge()
	}
	for i, open := range edge {
		if err := t.checkTile(open, claimed[i]); err != nil {
			return err
		}
	}
	var tiles, odd, heads int64
	err := t.tx.QueryRow(`SELECT COUNT(*) FROM ledger_tile`).Scan(&tiles)
	if err == nil {
		err = t.tx.QueryRow(`SELECT COUNT(*) FROM ledger_head`).Scan(&heads)
	}
	if err == nil { // what sorts before the first leaf
		err = t.tx.QueryRow(`SELECT COUNT(*) FROM ledger_leaf WHERE idx < 0`).Scan(&odd)
	}
	if err != nil {
		return err
	}
	if want := t.main.tiles(); tiles != want {
		t.v.report.found(Problem{Kind: HashChanged, Index: -1, Detail: fmt.Sprintf("there are %d rows of stored hashes, and there should be %d", tiles, want)})
	}
	if odd > 0 {
		t.v.report.found(Problem{Kind: LeafUnsigned, Index: -1, Detail: fmt.Sprintf("%d leaves stand before the first", odd)})
	}
	if heads > 1 {
		t.v.report.found(Problem{Kind: HeadWrong, Index: -1, Detail: fmt.Sprintf("there are %d signed heads", heads)})
	}
	return nil
}

// checkHead checks that the newest head is signed and is the tree that the leaves give, and says what the leaves that differ from
// their stored hashes are.
func (t *tree) checkHead() error {
	size, text, err := t.readHead()
	if err != nil {
		return err
	}
	report := t.v.report
	var signed Checkpoint
	if text == "" {
		if t.main.size > 0 {
			report.found(Problem{Kind: HeadWrong, Index: -1, Detail: "there are leaves and no signed head"})
		}
	} else if signed, err = ParseCheckpoint(text, t.v.log.public); err != nil {
		report.found(Problem{Kind: HeadWrong, Index: -1, Detail: err.Error()})
	} else {
		report.Head = signed
		switch {
		case signed.Size < t.main.size:
			report.found(Problem{Kind: LeafUnsigned, Index: signed.Size, Detail: fmt.Sprintf("%d leaves stand behind the signed end", t.main.size-signed.Size)})
		case signed.Size > t.main.size:
			report.found(Problem{Kind: LeafMissing, Index: t.main.size, Detail: fmt.Sprintf("%d leaves are missing at the end", signed.Size-t.main.size)})
		case size != signed.Size || !t.gives(signed.Root):
			report.found(Problem{Kind: HeadWrong, Index: -1, Detail: "the signed head is of another tree"})
		}
	}
	kind, detail := LeafChanged, "its hash is not the one that was signed"
	if signed.Note != "" && t.main.size == signed.Size && t.main.root() == signed.Root {
		kind, detail = HashChanged, "the stored hash of this leaf is not the one that was signed"
	}
	for _, p := range t.differ {
		p.Kind, p.Detail = kind, detail
		report.found(p)
	}
	report.mu.Lock()
	report.Omitted += t.more
	report.mu.Unlock()
	return nil
}

func (t *tree) readHead() (size int64, text string, err error) {
	var a, b any
	err = t.tx.QueryRow(`SELECT size, note FROM ledger_head WHERE id = 1`).Scan(&a, &b)
	if fault.Is(err, fault.NotFound) {
		return 0, "", nil
	}
	size, number := a.(int64)
	text, written := b.(string)
	if err == nil && (!number || !written) {
		return -1, "of another kind", nil
	}
	return size, text, err
}

// gives reports whether a root is the tree's.
func (t *tree) gives(root tlog.Hash) bool {
	return t.main.root() == root || (t.claimed != nil && t.claimed.root() == root)
}

// readMarks collects the checkpoints that the history must contain.
func (t *tree) readMarks(elsewhere []Checkpoint) error {
	t.marks = slices.Clone(elsewhere)
	rows, err := t.tx.Query(`SELECT id, size, note FROM ledger_checkpoint ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, size, note any
		if err := rows.Scan(&id, &size, &note); err != nil {
			return err
		}
		text, _ := note.(string)
		c, err := ParseCheckpoint(text, t.v.log.public)
		if err == nil && size != any(c.Size) {
			err = fmt.Errorf("it is kept as one of %v leaves", size)
		}
		if err != nil {
			t.v.report.found(Problem{Kind: CheckpointLost, Table: "ledger_checkpoint", Key: fmt.Sprint(id), Index: -1, Detail: err.Error()})
			continue
		}
		t.marks = append(t.marks, c)
	}
	t.v.report.Checkpoints = len(t.marks)
	slices.SortStableFunc(t.marks, func(a, b Checkpoint) int { return int(min(1, max(-1, a.Size-b.Size))) })
	if err := rows.Err(); err != nil {
		return err
	}
	return t.passMarks()
}

// passMarks compares the checkpoints of the size that the tree has reached.
func (t *tree) passMarks() error {
	for len(t.marks) > 0 && t.marks[0].Size == t.main.size {
		if !t.gives(t.marks[0].Root) {
			t.v.report.found(Problem{Kind: CheckpointLost, Index: t.main.size, Detail: fmt.Sprintf("the signed state of %d leaves has another root", t.main.size)})
		}
		t.marks = t.marks[1:]
	}
	return nil
}
