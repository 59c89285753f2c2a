package record

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/fulltext"
)

const (
	// MaxPage is the most records of one page.
	MaxPage = 500
	// MaxCount is how far counting goes: what is more is "more than".
	MaxCount = 1000
	// maxTexts is how many texts a query has in an address, all its filters together: each may cost a look into the database.
	maxTexts = 500
	// exportPage is how many records an export reads at once.
	exportPage = 1000
)

// Query says which records are wanted, in which order.
type Query struct {
	Filters []Filter // all hold
	Text    string   // words that are found in their texts
	Sort    string   // a field with Sort, or one of the kind's Sorts; "-" before it: the greatest first. "" is the kind's
	Deleted bool     // the deleted ones, instead of the others
}

// Filter is a field with the texts of which one holds: as people write them, "!" before one for "not", Empty for none.
type Filter struct {
	Field string
	Texts []string
}

// With returns the query with one more filter.
func (q Query) With(field string, texts ...string) Query {
	q.Filters = append(slices.Clone(q.Filters), Filter{field, texts})
	return q
}

// ParseQuery reads the query of a list's address: "state=open&owner=me&due=overdue&q=…&sort=-due". Names of aside, and
// those that begin with "_", are left aside: what else the address has. The error names what is no field.
func (k *Kind) ParseQuery(values url.Values, aside ...string) (q Query, err error) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	meant := 0
	for _, name := range names {
		texts := slices.DeleteFunc(slices.Clone(values[name]), func(t string) bool { return t == "" })
		if meant += len(texts); meant > maxTexts {
			return q, invalid("record.fault.query", nil, "the query has more than %d texts", maxTexts)
		}
		switch {
		case len(texts) == 0 || slices.Contains(aside, name) || strings.HasPrefix(name, "_"):
		case name == "q":
			q.Text = strings.TrimSpace(texts[0])
		case name == "sort":
			q.Sort = texts[0]
		case name == "deleted":
			q.Deleted = texts[0] == "true"
		case k.Field(name) == nil || k.Field(name).Secret:
			return q, invalid("record.fault.filter", []any{name}, "%s has no field %q to filter by", k.Name, name)
		default:
			q.Filters = append(q.Filters, Filter{name, texts})
		}
	}
	return q, nil
}

// Values writes the query as ParseQuery reads it.
func (q Query) Values() url.Values {
	v := make(url.Values)
	for _, f := range q.Filters {
		v[f.Field] = append(v[f.Field], f.Texts...)
	}
	if q.Text != "" {
		v.Set("q", q.Text)
	}
	if q.Sort != "" {
		v.Set("sort", q.Sort)
	}
	if q.Deleted {
		v.Set("deleted", "true")
	}
	return v
}

// ahead is who reads, with all that the query's texts name looked up already. Within a transaction that would take a second connection while
// the first is held: enough readers at once, and each waits for the others.
func (k *Kind) ahead(q Query, env *Env) *Env {
	env = env.remembering()
	for _, filter := range q.Filters {
		if f := k.Field(filter.Field); f != nil {
			_ = f.Type.where(new(db.Where), f.column(), slices.Clone(filter.Texts), env) // what is wrong with it is said when it is asked
		}
	}
	return env
}

// wordsFunc adds the condition that a record has the words of a text: fulltext.Index.Match or Holds.
type wordsFunc func(w *db.Where, id, text string)

// where are the query's conditions, with those under which somebody may see records at all.
func (k *kept) where(tx *db.Tx, q Query, env *Env) (*db.Where, error) {
	return k.whereBut(tx, q, env, nil, k.text.Match)
}

// whereBut is where with an order along which the database is to walk: no index of another column is used (walked). words is how the texts are
// asked: all at once by their index (Match), or those of each record (Holds).
func (k *kept) whereBut(tx *db.Tx, q Query, env *Env, along *order, words wordsFunc) (*db.Where, error) {
	if q.Deleted && (k.Without.Delete || !env.By.May(k.MayDelete())) {
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "seeing what is deleted takes %s", k.MayDelete())
	}
	w := new(db.Where)
	w.And(map[bool]string{false: "deleted_at = 0", true: "deleted_at > 0"}[q.Deleted])
	if err := k.visible(tx, env.By, w); err != nil {
		return nil, err
	}
	for _, filter := range q.Filters {
		f := k.Field(filter.Field)
		if f == nil || f.Secret { // who asks often enough would learn it
			return nil, invalid("record.fault.filter", []any{filter.Field}, "%s has no field %q to filter by", k.Name, filter.Field)
		}
		texts := slices.Clone(filter.Texts)
		var err error
		switch {
		case f.Where != nil:
			err = f.Where(w, texts, env)
		case f.Name == "tags":
			err = k.whereTags(w, along != nil, texts)
		case along != nil && along.fields[0] != f:
			err = f.Type.where(w, along.walked(f.column(), isNumber(f)), texts, env)
		default:
			err = f.Type.where(w, f.column(), texts, env)
		}
		if err != nil {
			return nil, err
		}
	}
	words(w, k.Table+".id", q.Text)
	return w, nil
}

// walked writes a column so that no index of it is used where a list is walked along its order: neither engine looks into an expression.
func (o *order) walked(column string, number bool) string {
	switch {
	case o == nil:
		return column
	case number:
		return "(" + column + " + 0)"
	}
	return "(" + column + " || '')"
}

// whereTags finds tags by their index instead of looking into every record, unless every record is looked into anyhow.
func (k *kept) whereTags(w *db.Where, walked bool, texts []string) error {
	return either(w, texts, "tags = ''", func(text string) (string, []any, error) {
		words, err := Tags{}.Parse(text, nil)
		tag := Tags{}.Text(words)
		if walked {
			return `tags LIKE ? ESCAPE '\'`, []any{db.Contains(" " + tag + " ")}, err
		}
		return "id IN (SELECT record_id FROM record_tag WHERE kind = ? AND tag = ?)", []any{k.Name, tag}, err
	})
}

// order is what a list is sorted by: columns, the id last, all in one direction.
type order struct {
	fields []*Field
	down   bool
}

func (k *Kind) order(sort string) (o order, err error) {
	word, down := strings.CutPrefix(cmp.Or(sort, k.Sort), "-")
	o.down = down
	names := []string{word}
	if i := slices.IndexFunc(k.Sorts, func(s Sort) bool { return s.Name == word }); i >= 0 {
		names = k.Sorts[i].Columns
	} else if f := k.Field(word); f == nil || !f.Sort || f.Secret {
		return o, invalid("record.fault.sort", []any{word}, "%s cannot be sorted by %q", k.Name, word)
	}
	for _, name := range names {
		f := k.Field(name)
		if f == nil {
			return o, fmt.Errorf("kind %s: sorting by %q, which is no field", k.Name, name)
		}
		o.fields = append(o.fields, f)
	}
	return o, nil
}

// sql is the order in SQL.
func (o order) sql() string {
	direction := map[bool]string{false: " ASC", true: " DESC"}[o.down]
	var parts []string
	for _, f := range o.fields {
		parts = append(parts, f.column()+direction)
	}
	return strings.Join(append(parts, "id"+direction), ", ")
}

// after adds the condition that a record comes after the cursor.
func (o order) after(w *db.Where, cursor string) error {
	if cursor == "" {
		return nil
	}
	values := make([]any, len(o.fields)+1)
	into := make([]any, len(values))
	for i := range values {
		if i < len(o.fields) && isNumber(o.fields[i]) {
			into[i] = new(int64)
		} else {
			into[i] = new(string)
		}
	}
	if err := db.DecodeCursor(cursor, into...); err != nil {
		return err
	}
	var columns []string
	for i, f := range o.fields {
		columns = append(columns, f.column())
		values[i] = deref(into[i])
	}
	values[len(values)-1] = deref(into[len(into)-1])
	w.And(fmt.Sprintf("(%s, id) %s (?%s)", strings.Join(columns, ", "), map[bool]string{false: ">", true: "<"}[o.down],
		strings.Repeat(", ?", len(columns))), values...)
	return nil
}

func isNumber(f *Field) bool {
	empty, _ := f.Type.Parse("", nil) // nothing is nothing, of every type
	_, number := f.Type.toDB(empty).(int64)
	return number
}

func deref(p any) any {
	if n, ok := p.(*int64); ok {
		return *n
	}
	return *p.(*string)
}

// key are the values of a record that the list is ordered by.
func (o order) key(r *Record) []any {
	var values []any
	for _, f := range o.fields {
		values = append(values, f.Type.toDB(r.Get(f.Name)))
	}
	return append(values, r.ID)
}

// few is how many records are sorted rather than walked to. With more, each page of a list of a million is a walk of some ten thousand steps at
// the most, where what is meant lies scattered.
const few = 5000

// Listed is a page of a list with how many records there are in all, as far as counting goes.
type Listed struct {
	db.Page[*Record]
	Count int64
	More  bool // there are more than Count, which is MaxCount then; of a search for words that many have, there are so many at least
}

// List returns one page of the records that somebody asks for (Env.By) and may see. cursor is the Next of the page before in the same order, ""
// for the first. Errors: fault.Invalid for a filter, an order or a cursor that is none.
func (s *Store) List(ctx context.Context, kind string, q Query, env *Env, cursor string, limit int) (page db.Page[*Record], err error) {
	listed, err := s.Listed(ctx, kind, q, env, cursor, limit)
	return listed.Page, err
}

// Listed is List with a count, which costs nothing more: how many there are decides how they are read.
func (s *Store) Listed(ctx context.Context, kind string, q Query, env *Env, cursor string, limit int) (listed Listed, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return listed, err
	}
	o, err := k.order(q.Sort)
	if err != nil {
		return listed, err
	}
	env = k.ahead(q, env)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if q.Text != "" {
			listed, err = k.searched(tx, q, env, o, cursor, max(limit, 1))
			return err
		}
		page, n, err := k.sorted(tx, q, env, o, cursor, max(limit, 1), few, k.text.Match)
		if err == nil && n > few {
			page, err = k.walked(tx, q, env, o, cursor, max(limit, 1))
		}
		listed = counting(page, n)
		return err
	})
	return listed, err
}

func counting(page db.Page[*Record], n int64) Listed {
	return Listed{Page: page, Count: min(n, MaxCount), More: n > MaxCount}
}

// Few records are found first and then sorted; of many, the order's index is walked until there are enough. Left to themselves, both engines at
// times sort a million rows for a page of fifty, or walk a million to find none.

// sorted finds all that is meant, as far as most, counts it, and sorts it for one page. Where there is more than most, the page is of no use.
func (k *kept) sorted(tx *db.Tx, q Query, env *Env, o order, cursor string, limit, most int, words wordsFunc) (page db.Page[*Record], n int64, err error) {
	w, err := k.whereBut(tx, q, env, nil, words)
	if err != nil {
		return page, 0, err
	}
	// Found once, and whole: the limit keeps the engines from pulling the order in.
	found := `WITH found AS MATERIALIZED (SELECT ` + o.columns() + ` FROM ` + k.Table + w.String() + fmt.Sprintf(` LIMIT %d) `, most+1)
	w.Reset()
	if err := o.after(w, cursor); err != nil {
		return page, 0, err
	}
	// The count has a name that no field has: PostgreSQL would call it "count", and not know which one to sort by.
	list, err := db.List(tx, func(row db.Scanner) (*Record, error) { return k.scan(counted{row, &n}) }, found+`SELECT `+k.columns+`, (SELECT COUNT(*) FROM found) AS found__count FROM `+k.Table+
		` WHERE id IN (SELECT id FROM found`+w.String()+` ORDER BY `+o.sql()+` LIMIT `+w.Next(1)+`) ORDER BY `+o.sql(), w.Args(limit+1)...)
	if err == nil && len(list) == 0 && cursor != "" { // no row carries the count
		n, err = k.count(tx, q, env, most+1)
	}
	if err != nil {
		return page, 0, err
	}
	page, err = db.Paged(list, limit, o.key)
	return page, n, err
}

// counted reads a record's row that has a count behind it.
type counted struct {
	db.Scanner
	n *int64
}

func (c counted) Scan(into ...any) error { return c.Scanner.Scan(append(into, c.n)...) }

// walked reads one page along the index of the order.
func (k *kept) walked(tx *db.Tx, q Query, env *Env, o order, cursor string, limit int) (page db.Page[*Record], err error) {
	w, err := k.whereBut(tx, q, env, &o, k.text.Holds)
	if err != nil {
		return page, err
	}
	if err := o.after(w, cursor); err != nil {
		return page, err
	}
	list, err := db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String()+` ORDER BY `+o.sql()+` LIMIT `+w.Next(1), w.Args(limit+1)...)
	if err != nil {
		return page, err
	}
	return db.Paged(list, limit, o.key)
}

// columns are those that the order is of.
func (o order) columns() string {
	names := []string{"id"}
	for _, f := range o.fields {
		if !slices.Contains(names, f.column()) {
			names = append(names, f.column())
		}
	}
	return strings.Join(names, ", ")
}

// count counts the records that are meant, as far as most.
func (k *kept) count(tx *db.Tx, q Query, env *Env, most int) (n int64, err error) {
	w, err := k.where(tx, q, env)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM `+k.Table+w.String()+` LIMIT `+w.Next(1)+`) AS counted`, w.Args(most)...).Scan(&n)
	return n, err
}

// Count returns how many records are meant, and whether there are more than MaxCount, which is where counting ends.
func (s *Store) Count(ctx context.Context, kind string, q Query, env *Env) (n int64, more bool, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return 0, false, err
	}
	env = k.ahead(q, env)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		n, err = k.count(tx, q, env, MaxCount+1)
		return err
	})
	return min(n, MaxCount), n > MaxCount, err
}

// Each calls f for every record that is meant, in order, and ends with its error. It reads page by page: records that are made or changed
// meanwhile are seen once, or not.
func (s *Store) Each(ctx context.Context, kind string, q Query, env *Env, f func(*Record) error) error {
	k, err := s.kind(kind)
	if err != nil {
		return err
	}
	o, err := k.order(q.Sort)
	if err != nil {
		return err
	}
	env = k.ahead(q, env)
	many := false
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		many, err = k.text.More(tx, q.Text, fulltext.MaxFound)
		return err
	})
	if err != nil {
		return err
	}
	for cursor := ""; ; {
		var page db.Page[*Record]
		err := s.opt.DB.Read(ctx, func(tx *db.Tx) error {
			n := int64(0)
			if !many {
				page, n, err = k.sorted(tx, q, env, o, cursor, exportPage, few, k.text.Match)
			}
			if many = many || n > few; many && err == nil {
				page, err = k.walked(tx, q, env, o, cursor, exportPage)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if err := f(r); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
