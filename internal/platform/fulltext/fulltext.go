// Package fulltext finds records by the words of their texts, Japanese as well as English.
//
// Japanese has no spaces between words, and no dictionary knows the names that an organisation uses; so a run of Japanese is kept as its
// overlapping pairs of characters, and a search for it as a phrase of pairs: what is found contains exactly what was asked
// for, whatever its length. Words in other scripts are found by their beginning. Full-width letters, half-width kana and case are one
// (NFKC). Nothing is stemmed.
//
// A search is asked in two ways, and what is found is the same. Match looks into the index, which is quick where few texts have the words. Holds
// looks into one text after another, which is quick where many have: a list that is walked has its page after a few steps.
//
// The index is the engine's own, FTS5 on SQLite and GIN on PostgreSQL: the one place besides package db that knows which it is,
// because neither has a word for the other's. What is indexed and what is asked for is the same on both, and so is what is found.
package fulltext

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// MaxFound is how many of the texts that have all words Match finds: those that were added last.
const MaxFound = 10_000

// Index is the words of one sort of record. It is safe for concurrent use.
type Index struct {
	name     string
	postgres bool
}

// Open makes the index's tables where they are missing, or have a form that they had before: then they are empty, and what was in them must be
// put again. name is a prefix for them: lower-case letters and "_".
func Open(ctx context.Context, d *db.DB, name string) (*Index, error) {
	x := &Index{name: name, postgres: d.Engine() == db.PostgreSQL}
	statements := []string{
		`CREATE TABLE IF NOT EXISTS ` + name + `_doc (doc INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, words TEXT NOT NULL)`,
		`CREATE VIRTUAL TABLE IF NOT EXISTS ` + name + `_words USING fts5(words, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 0")`,
	}
	if x.postgres {
		statements = []string{
			`CREATE TABLE IF NOT EXISTS ` + name + `_doc (doc BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key TEXT NOT NULL UNIQUE, words TSVECTOR NOT NULL)`,
			`CREATE INDEX IF NOT EXISTS ` + name + `_doc_words ON ` + name + `_doc USING GIN (words)`,
		}
	}
	return x, d.Write(ctx, func(tx *db.Tx) error {
		if !x.postgres {
			if err := x.dropOld(tx); err != nil {
				return err
			}
		}
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return fmt.Errorf("the search index %s: %w", name, err)
			}
		}
		return nil
	})
}

// dropOld drops an index that does not keep its words: it could not be asked about one text.
func (x *Index) dropOld(tx *db.Tx) error {
	columns, err := db.List(tx, func(row db.Scanner) (name string, err error) { return name, row.Scan(&name) }, `SELECT name FROM pragma_table_info($1)`, x.name+"_doc")
	if err != nil || len(columns) == 0 || slices.Contains(columns, "words") {
		return err
	}
	for _, table := range []string{"_words", "_doc"} {
		if _, err := tx.Exec(`DROP TABLE ` + x.name + table); err != nil {
			return err
		}
	}
	return nil
}

// Put makes text what is found under key, instead of what was.
func (x *Index) Put(tx *db.Tx, key, text string) error {
	words := Words(text)
	if x.postgres {
		_, err := tx.Exec(`INSERT INTO `+x.name+`_doc (key, words) VALUES ($1, $2::tsvector) ON CONFLICT (key) DO UPDATE SET words = excluded.words`,
			key, tsvector(words))
		return err
	}
	if _, err := tx.Exec(`INSERT INTO `+x.name+`_doc (key, words) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET words = excluded.words`, key, line(words)); err != nil {
		return err
	}
	doc, err := x.doc(tx, key)
	if err == nil {
		_, err = tx.Exec(`INSERT OR REPLACE INTO `+x.name+`_words (rowid, words) VALUES ($1, $2)`, doc, strings.Join(words, " "))
	}
	return err
}

// Remove forgets a key; one that is not there is no error.
func (x *Index) Remove(tx *db.Tx, key string) error {
	if !x.postgres {
		doc, err := x.doc(tx, key)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err == nil {
			_, err = tx.Exec(`DELETE FROM `+x.name+`_words WHERE rowid = $1`, doc)
		}
		if err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM `+x.name+`_doc WHERE key = $1`, key)
	return err
}

// Documents is the table that has the keys of all texts in its column key.
func (x *Index) Documents() string { return x.name + "_doc" }

func (x *Index) doc(tx *db.Tx, key string) (doc int64, err error) {
	err = tx.QueryRow(`SELECT doc FROM `+x.name+`_doc WHERE key = $1`, key).Scan(&doc)
	return doc, err
}

// Match adds the condition that column holds the key of a text with all that query asks for; of more than MaxFound such texts, those
// that were added last. A query without a word finds everything where it is blank, and nothing where it has signs alone.
func (x *Index) Match(w *db.Where, column, query string) {
	phrases := Phrases(query)
	switch {
	case len(phrases) == 0 && strings.TrimSpace(query) == "":
	case len(phrases) == 0:
		w.And("1 = 0")
	case x.postgres:
		w.And(fmt.Sprintf("%s IN (SELECT key FROM %s_doc WHERE words @@ ?::tsquery ORDER BY doc DESC LIMIT %d)", column, x.name, MaxFound), tsquery(phrases))
	default:
		w.And(fmt.Sprintf("%[1]s IN (SELECT key FROM %[2]s_doc WHERE doc IN (SELECT rowid FROM %[2]s_words WHERE %[2]s_words MATCH ? ORDER BY rowid DESC LIMIT %[3]d))",
			column, x.name, MaxFound), match(phrases))
	}
}

// Holds adds the condition that Match adds, without a bound: it is asked of each record by itself. column must not be called doc, key or words.
func (x *Index) Holds(w *db.Where, column, query string) {
	phrases := Phrases(query)
	switch {
	case len(phrases) == 0 && strings.TrimSpace(query) == "":
	case len(phrases) == 0:
		w.And("1 = 0")
	case x.postgres:
		// A subquery for one value: of EXISTS both engines may make a join of all texts.
		w.And(fmt.Sprintf("COALESCE((SELECT words @@ ?::tsquery FROM %s_doc WHERE key = %s), FALSE)", x.name, column), tsquery(phrases))
	default:
		some, args := make([]string, len(phrases)), make([]any, len(phrases))
		for i, p := range phrases {
			some[i], args[i] = "instr(words, ?) > 0", part(p)
		}
		w.And(fmt.Sprintf("COALESCE((SELECT %s FROM %s_doc WHERE key = %s), 0)", strings.Join(some, " AND "), x.name, column), args...)
	}
}

// More reports whether more texts than so many have all that query asks for.
func (x *Index) More(tx *db.Tx, query string, than int) (more bool, err error) {
	phrases := Phrases(query)
	if len(phrases) == 0 {
		return false, nil
	}
	found, asked := x.name+`_words WHERE `+x.name+`_words MATCH $1`, match(phrases)
	if x.postgres {
		found, asked = x.name+`_doc WHERE words @@ $1::tsquery`, tsquery(phrases)
	}
	var n int
	err = tx.QueryRow(fmt.Sprintf(`SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) AS counted`, found, than+1), asked).Scan(&n)
	return n > than, err
}

// line writes words as SQLite keeps them for Holds, and part a phrase as it stands in a line.
func line(words []string) string { return " " + strings.Join(words, " ") + " " }

func part(p Phrase) string {
	text := line(p.Words)
	if p.Open {
		text = text[:len(text)-1]
	}
	return text
}

// match writes phrases as FTS5 reads them. Words are letters and digits only, so that quoting is all it takes.
func match(phrases []Phrase) string {
	parts := make([]string, len(phrases))
	for i, p := range phrases {
		parts[i] = `"` + strings.Join(p.Words, " ") + `"`
		if p.Open {
			parts[i] += " *"
		}
	}
	return strings.Join(parts, " AND ")
}

// tsquery writes phrases as PostgreSQL reads them.
func tsquery(phrases []Phrase) string {
	parts := make([]string, len(phrases))
	for i, p := range phrases {
		words := make([]string, len(p.Words))
		for j, word := range p.Words {
			words[j] = "'" + word + "'"
		}
		if p.Open {
			words[len(words)-1] += ":*"
		}
		parts[i] = "(" + strings.Join(words, " <-> ") + ")"
	}
	return strings.Join(parts, " & ")
}

// tsvector writes words with their places as PostgreSQL reads them.
func tsvector(words []string) string {
	var b strings.Builder
	for i, word := range words {
		fmt.Fprintf(&b, "'%s':%d ", word, i+1)
	}
	return b.String()
}
