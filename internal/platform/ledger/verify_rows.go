package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"yagura/internal/platform/db"
)

// shape is which columns a digest covers.
type shape struct {
	columns []string
	err     error // not the columns that its id was derived from
}

// readShapes reads all shapes; there are few: one for each form that a table ever had.
func (v *verification) readShapes(tx *db.Tx) error {
	v.shapes = make(map[string]shape)
	rows, err := tx.Query(`SELECT id, columns FROM ledger_shape LIMIT $1`, maxNames)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, columns any
		if err := rows.Scan(&id, &columns); err != nil {
			return err
		}
		name, ok := id.(string)
		text, written := columns.(string)
		s := shape{err: fmt.Errorf("the columns of shape %v were changed", id)}
		if ok && written {
			s.columns, s.err = parseShape(name, text)
		}
		if s.err != nil {
			v.report.found(Problem{Kind: ShapeChanged, Index: -1, Detail: s.err.Error()})
		}
		v.shapes[name] = s
	}
	return rows.Err()
}

// checkNames compares the shapes and tables that leaves name with those that there are.
func (v *verification) checkNames(t *tree) {
	for _, id := range slices.Sorted(maps.Keys(t.shapes)) {
		if _, ok := v.shapes[id]; !ok {
			v.report.found(Problem{Kind: ShapeChanged, Index: -1, Detail: fmt.Sprintf("leaves name the columns of shape %q, and there is none", id)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(v.shapes)) {
		if !t.shapes[id] {
			v.report.found(Problem{Kind: ShapeChanged, Index: -1, Detail: fmt.Sprintf("no leaf names the columns of shape %q", id)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.tables)) {
		if !slices.Contains(v.report.Tables, name) {
			v.report.found(Problem{Kind: TableLost, Table: name, Index: -1, Detail: "the table has leaves, and this program does not know it"})
		}
	}
}

// comparison goes through the rows of a table and its leaves side by side, both in the order of their keys.
type comparison struct {
	v     *verification
	t     tracked
	rows  *rowCursor
	forms map[string]form // by shape
	gone  map[string]int  // rows that cannot be checked, by the columns that are gone
}

// form is where the columns of a shape stand among those that are read.
type form struct {
	columns []string
	at      []int
	gone    string // columns that the table has no more
	err     error
}

// rowBatch is how many rows are read at once, on a connection that also reads leaves.
const rowBatch = 4096

func (v *verification) compareTable(ctx context.Context, tx *db.Tx, name string) error {
	t, err := v.log.table(name)
	if err != nil {
		return err
	}
	c := &comparison{v: v, t: t, rows: newRowCursor(tx, t), forms: make(map[string]form), gone: make(map[string]int)}
	leaves := &leafCursor{tx: tx, table: name}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		leaf, ok, err := leaves.next(v.report)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := c.leaf(&leaf); err != nil {
			return err
		}
	}
	if err := c.skip(nil); err != nil { // rows after the last leaf
		return err
	}
	for columns, n := range c.gone {
		v.report.found(Problem{Kind: RowsUnchecked, Table: name, Index: -1,
			Detail: fmt.Sprintf("%d rows cannot be checked: columns that their last leaves cover are gone (%s); look at them and accept them with yagura ledger adopt", n, columns)})
	}
	return c.rows.odd(v.report)
}

func (v *verification) foundRow(key string) {
	if v.found != nil {
		v.found(key)
	}
}

// skip reports the rows before a key, all that are left where it is nil: no leaf knows them.
func (c *comparison) skip(to *string) error {
	for {
		key, _, ok, err := c.rows.peek()
		if err != nil || !ok || (to != nil && key >= *to) {
			return err
		}
		c.v.report.found(Problem{Kind: RowInserted, Table: c.t.Name, Key: key, Index: -1, Detail: "no leaf knows the row"})
		c.v.foundRow(key)
		c.passed()
	}
}

func (c *comparison) passed() {
	c.rows.pop()
	if c.v.rows.Add(1)%progressEvery == 0 {
		c.v.tell()
	}
}

// leaf compares a record's last leaf with its row.
func (c *comparison) leaf(leaf *saltedLeaf) error {
	if err := c.skip(&leaf.Key); err != nil {
		return err
	}
	key, values, ok, err := c.rows.peek()
	if err != nil {
		return err
	}
	if !ok || key != leaf.Key {
		if leaf.Digest != "" {
			c.found(leaf, RowRemoved, "the row is gone")
		}
		return nil
	}
	defer c.passed()
	if leaf.Digest == "" {
		c.found(leaf, RowInserted, "the row was deleted and is there again")
		return nil
	}
	f, ok := c.forms[leaf.Shape]
	if !ok {
		f = c.form(leaf.Shape)
		c.forms[leaf.Shape] = f
	}
	switch {
	case f.err != nil:
		c.found(leaf, RowChanged, f.err.Error())
	case f.gone != "":
		c.gone[f.gone]++
		c.v.foundRow(key)
	case !f.fits(values, leaf):
		c.found(leaf, RowChanged, "the row is not as its last change left it")
	}
	return nil
}

func (c *comparison) found(leaf *saltedLeaf, kind Kind, detail string) {
	p := Problem{Kind: kind, Table: c.t.Name, Key: leaf.Key, Index: leaf.Index, Detail: detail}
	if !c.v.report.full() {
		last, err := scanLeaf(c.rows.tx.QueryRow(`SELECT `+leafColumns+` FROM ledger_leaf WHERE idx = $1`, leaf.Index))
		if err == nil { // one that cannot be read is reported by the tree's pass
			p.Last = &last
		}
	}
	c.v.report.found(p)
	c.v.foundRow(leaf.Key)
}

func (c *comparison) form(id string) (f form) {
	s, ok := c.v.shapes[id]
	if !ok {
		return form{err: fmt.Errorf("there is no shape %q", id)}
	}
	if s.err != nil {
		return form{err: s.err}
	}
	f = form{columns: s.columns, gone: strings.Join(missing(s.columns, c.t.all), ", ")}
	for _, column := range s.columns {
		f.at = append(f.at, slices.Index(c.t.all, column))
	}
	return f
}

// fits reports whether a row's digest is the leaf's. A value of a kind that no leaf covers fits none.
func (f form) fits(all []any, leaf *saltedLeaf) bool {
	values := make([]any, len(f.at))
	for i, at := range f.at {
		values[i] = all[at]
	}
	got, err := digest(f.columns, values, leaf.nonce)
	return err == nil && got == leaf.Digest
}

// rowCursor reads the rows of a table in the order of their keys, some at a time.
type rowCursor struct {
	tx    *db.Tx
	query string
	t     tracked
	after string
	keys  []string
	list  [][]any
	at    int
	ended bool
	read  int64
}

func newRowCursor(tx *db.Tx, t tracked) *rowCursor {
	return &rowCursor{tx: tx, t: t, query: `SELECT ` + t.Key + `, ` + strings.Join(t.all, ", ") + ` FROM ` + t.Name + ` WHERE ` + t.Key + ` > $1 ORDER BY ` + t.Key + ` LIMIT $2`}
}

func (c *rowCursor) peek() (key string, values []any, ok bool, err error) {
	if c.at == len(c.keys) && !c.ended {
		if err := c.fill(); err != nil {
			return "", nil, false, err
		}
	}
	if c.at == len(c.keys) {
		return "", nil, false, nil
	}
	return c.keys[c.at], c.list[c.at], true, nil
}

func (c *rowCursor) pop() { c.at++ }

func (c *rowCursor) fill() error {
	rows, err := c.tx.Query(c.query, c.after, rowBatch)
	if err != nil {
		return err
	}
	defer rows.Close()
	c.at, c.keys, c.list = 0, c.keys[:0], c.list[:0]
	width := len(c.t.all)
	var block []any // of many rows' values
	var key any
	dest := make([]any, width+1)
	dest[0] = &key
	n := 0
	for ; rows.Next(); n++ {
		if len(block) == 0 {
			block = make([]any, 64*width)
		}
		values := block[:width:width]
		block = block[width:]
		for i := range values {
			dest[i+1] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if text, ok := key.(string); ok { // SQLite keeps bytes where a text should be, and sorts them behind: odd counts them
			c.keys, c.list, c.after = append(c.keys, text), append(c.list, values), text
		}
	}
	c.ended = n < rowBatch || len(c.keys) == 0
	c.read += int64(len(c.keys))
	return rows.Err()
}

// odd reports rows that were not read: their keys are no texts.
func (c *rowCursor) odd(report *Report) error {
	var all int64
	if err := c.tx.QueryRow(`SELECT COUNT(*) FROM ` + c.t.Name).Scan(&all); err != nil || all == c.read {
		return err
	}
	report.found(Problem{Kind: RowInserted, Table: c.t.Name, Index: -1, Detail: fmt.Sprintf("%d rows have keys that are no texts", all-c.read)})
	return nil
}

// leafCursor reads the last leaf of each record of a table, in the order of their keys.
type leafCursor struct {
	tx    *db.Tx
	table string
	list  []saltedLeaf
	at    int
	ended bool
	key   string // of the last leaf that was read
	index int64
}

// next returns the last leaf of the next record. A leaf before it must have lost its nonce.
func (c *leafCursor) next(report *Report) (leaf saltedLeaf, ok bool, err error) {
	for {
		if c.at == len(c.list) && !c.ended {
			if err := c.fill(); err != nil {
				return leaf, false, err
			}
		}
		if c.at == len(c.list) || (ok && c.list[c.at].Key != leaf.Key) {
			if ok && leaf.Digest == "" && len(leaf.nonce) > 0 {
				c.foundNonce(report, leaf)
			}
			return leaf, ok, nil
		}
		if ok && len(leaf.nonce) > 0 {
			c.foundNonce(report, leaf)
		}
		leaf, ok = c.list[c.at], true
		c.at++
	}
}

func (c *leafCursor) foundNonce(report *Report, leaf saltedLeaf) {
	report.found(Problem{Kind: LeafChanged, Table: c.table, Key: leaf.Key, Index: leaf.Index, Detail: "it has a nonce, which was erased"})
}

func (c *leafCursor) fill() error {
	rows, err := c.query()
	if err != nil {
		return err
	}
	defer rows.Close()
	c.at, c.list = 0, c.list[:0]
	var values [5]any
	dest := pointers(values[:])
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		leaf, ok := c.leafOf(values)
		if !ok {
			continue // the tree's pass reports it
		}
		c.list = append(c.list, leaf)
		c.key, c.index = leaf.Key, leaf.Index
	}
	c.ended = n < rowBatch || len(c.list) == 0
	return rows.Err()
}

// leafOf takes what a comparison needs.
func (c *leafCursor) leafOf(values [5]any) (leaf saltedLeaf, ok bool) {
	leaf.Table = c.table
	if leaf.Index, ok = values[1].(int64); !ok {
		return leaf, false
	}
	var texts [3]string
	for i, at := range [...]int{0, 2, 3} {
		if texts[i], ok = values[at].(string); !ok {
			return leaf, false
		}
	}
	leaf.Key, leaf.Shape, leaf.Digest = texts[0], texts[1], texts[2]
	if leaf.nonce, ok = values[4].([]byte); !ok {
		leaf.nonce = []byte("of another kind") // which fits no digest
	}
	return leaf, true
}

func (c *leafCursor) query() (*sql.Rows, error) {
	const columns = `SELECT rec, idx, shape, digest, nonce FROM ledger_leaf WHERE tbl = $1 AND `
	if c.key == "" {
		return c.tx.Query(columns+`rec > '' ORDER BY rec, idx LIMIT $2`, c.table, rowBatch)
	}
	return c.tx.Query(columns+`(rec, idx) > ($2, $3) ORDER BY rec, idx LIMIT $4`, c.table, c.key, c.index, rowBatch)
}
