// Package fulltext finds records by the words of their texts, Japanese as well as English.
//
// Japanese has no spaces between words, and no dictionary knows the names that an organisation uses; so a run of Japanese is kept as its
// overlapping pairs of characters, and a search for it as a phrase of pairs: what is found contains exactly what was asked
// for, whatever its length. Words in other scripts are found by their beginning. Full-width letters, half-width kana and case are one
// (NFKC). Nothing is stemmed.
//
// The index is the engine's own, FTS5 on SQLite and GIN on PostgreSQL: the one place besides package db that knows which it is,
// because neither has a word for the other's. What is indexed and what is asked for is the same on both, and so is what is found.
package fulltext

import (
	"context"
	"fmt"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// MaxFound is how many of the records that have all words a search looks at: those that were added last.
const MaxFound = 10_000

// Index is the words of one sort of record. It is safe for concurrent use.
type Index struct {
	name     string
	postgres bool
}

// Open makes the index's tables where they are missing. name is a prefix for them: lower-case letters and "_".
func Open(ctx context.Context, d *db.DB, name string) (*Index, error) {
	x := &Index{name: name, postgres: d.Engine() == db.PostgreSQL}
	statements := []string{
		`CREATE TABLE IF NOT EXISTS ` + name + `_doc (doc INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)`,
		`CREATE VIRTUAL TABLE IF NOT EXISTS ` + name + `_words USING fts5(words, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 0")`,
	}
	if x.postgres {
		statements = []string{
			`CREATE TABLE IF NOT EXISTS ` + name + `_doc (doc BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key TEXT NOT NULL UNIQUE, words TSVECTOR NOT NULL)`,
			`CREATE INDEX IF NOT EXISTS ` + name + `_doc_words ON ` + name + `_doc USING GIN (words)`,
		}
	}
	return x, d.Write(ctx, func(tx *db.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return fmt.Errorf("the search index %s: %w", name, err)
			}
		}
		return nil
	})
}

// Put makes text what is found under key, instead of what was.
func (x *Index) Put(tx *db.Tx, key, text string) error {
	words := Words(text)
	if x.postgres {
		_, err := tx.Exec(`INSERT INTO `+x.name+`_doc (key, words) VALUES ($1, $2::tsvector) ON CONFLICT (key) DO UPDATE SET words = excluded.words`,
			key, tsvector(words))
		return err
	}
	doc, err := x.doc(tx, key)
	if fault.Is(err, fault.NotFound) {
		if _, err := tx.Exec(`INSERT INTO `+x.name+`_doc (key) VALUES ($1)`, key); err != nil {
			return err
		}
		doc, err = x.doc(tx, key)
	} else if err == nil {
		_, err = tx.Exec(`DELETE FROM `+x.name+`_words WHERE rowid = $1`, doc)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO `+x.name+`_words (rowid, words) VALUES ($1, $2)`, doc, strings.Join(words, " "))
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
