package fulltext

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"PowerShell による暗号化":            "powershell によ よる る暗 暗号 号化 化",
		"pc-0412.example.jp":           "pc 0412 example jp",
		"ＡＢＣ　ｶﾞｲﾄﾞ":                    "abc ガイ イド ド",
		"サーバー":                         "サー ーバ バー ー",
		"佐々木さん":                        "佐々 々木 木さ さん ん",
		"O'Brien":                      "o brien",
		"' OR 1=1 --; DROP TABLE x":    "or 1 1 drop table x",
		"東":                            "東",
		"…!?":                          "",
		"a\x00b\xffc":                  "a b c",
		"Zoë Ångström":                 "zoë ångström",
		strings.Repeat("a", maxWord+1): strings.Repeat("a", maxWord) + " a",
	} {
		if got := strings.Join(Words(text), " "); got != want {
			t.Errorf("%q has the words %q, want %q", text, got, want)
		}
	}
}

// Each row is a text, a query, and whether the text is found.
func TestFinds(t *testing.T) {
	t.Parallel()
	texts := []string{
		"PowerShell による暗号化コマンド pc-0412 田中",
		"京都支社の端末で不審な通信",
		"東京本社 ファイアウォール",
		"Failed logon of sato@example.jp from 192.0.2.10",
		"東京都の委託先",
	}
	rows := map[string][]int{
		"power":             {0},
		"POWERSHELL":        {0},
		"ｐｏｗｅｒ":             {0},
		"shell":             nil, // the end of a word, not its beginning
		"暗号化":               {0},
		"暗号通信":              nil, // both pairs are somewhere, not together
		"京都":                {1, 4},
		"東京都":               {4},
		"東":                 {2, 4},
		"都":                 {1, 4},
		"田中":                {0},
		"中":                 {0},
		"0412":              {0},
		"pc-0412":           {0},
		"pc-04":             {0},
		"192.0.2.10":        {3},
		"192.0.2.11":        nil,
		"sato@example":      {3},
		"ﾌｧｲｱｳｫｰﾙ":          {2},
		"東京 委託":             {4},
		"pcの":               nil,
		"":                  {0, 1, 2, 3, 4},
		"   ":               {0, 1, 2, 3, 4},
		"!!":                nil,
		`" OR 1=1`:          nil,
		`pc* NEAR(a b)`:     nil,
		"'):* | 'a":         nil,
		"端末で不審な通信":          {1},
		"端末 通信":             {1},
		"コマンド pc-0412 田中 暗": {0},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x, err := Open(t.Context(), d, "try")
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]string, len(texts))
		write(t, d, func(tx *db.Tx) error {
			for i, text := range texts {
				keys[i] = string(rune('a' + i))
				if err := x.Put(tx, keys[i], "another text, replaced"); err != nil {
					return err
				}
				if err := x.Put(tx, keys[i], text); err != nil {
					return err
				}
			}
			return nil
		})
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`CREATE TABLE thing (key TEXT NOT NULL PRIMARY KEY)`)
			for _, key := range keys {
				if err == nil {
					_, err = tx.Exec(`INSERT INTO thing (key) VALUES ($1)`, key)
				}
			}
			return err
		})
		for query, want := range rows {
			var found []int
			for _, key := range find(t, d, x, query) {
				found = append(found, slices.Index(keys, key))
			}
			if !cmp.Equal(found, want) {
				t.Errorf("%q finds %v, want %v", query, found, want)
			}
		}
		write(t, d, func(tx *db.Tx) error { return x.Remove(tx, keys[0]) })
		write(t, d, func(tx *db.Tx) error { return x.Remove(tx, "never was") })
		if found := find(t, d, x, "power"); found != nil {
			t.Errorf("what was removed is found: %v", found)
		}
	})
}

func write(t *testing.T, d *db.DB, fn func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(context.WithoutCancel(t.Context()), fn); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, d *db.DB, x *Index, query string) (keys []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		ask := func(condition func(w *db.Where, column, query string)) (keys []string) {
			w := new(db.Where)
			condition(w, "thing.key", query)
			keys, failed := db.List(tx, func(row db.Scanner) (key string, err error) { return key, row.Scan(&key) }, `SELECT key FROM thing`+w.String()+` ORDER BY key`, w.Args()...)
			err = errors.Join(err, failed)
			return keys
		}
		keys = ask(x.Match)
		if held := ask(x.Holds); !cmp.Equal(held, keys) {
			t.Errorf("%q finds %v, and %v hold it", query, keys, held)
		}
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	return keys
}

// An index of before kept no words: it is made anew, to be filled again.
func TestIndexOfBefore(t *testing.T) {
	t.Parallel()
	d := dbtest.NewSQLite(t, time.Now)
	write(t, d, func(tx *db.Tx) error {
		for _, statement := range []string{
			`CREATE TABLE try_doc (doc INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)`,
			`CREATE VIRTUAL TABLE try_words USING fts5(words, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 0")`,
			`INSERT INTO try_doc (key) VALUES ('a')`, `INSERT INTO try_words (rowid, words) VALUES (1, 'old')`, `CREATE TABLE thing (key TEXT)`, `INSERT INTO thing VALUES ('a')`,
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		x, err := Open(t.Context(), d, "try")
		if err != nil {
			t.Fatal(err)
		}
		if found := find(t, d, x, "old"); found != nil {
			t.Errorf("what was to be put again is found: %v", found)
		}
		write(t, d, func(tx *db.Tx) error { return x.Put(tx, "a", "new") })
		if found := find(t, d, x, "new"); len(found) != 1 {
			t.Errorf("what was put again is not found: %v", found)
		}
	}
}

// Whatever is asked, the index and the texts one by one give the same answer, on both engines.
func TestMatchFindsWhatHolds(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x, err := Open(t.Context(), d, "try")
		if err != nil {
			t.Fatal(err)
		}
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`CREATE TABLE thing (key TEXT NOT NULL PRIMARY KEY)`)
			return err
		})
		alphabet := []string{"東", "京", "都", "a", "b", "ab", "ー", " ", " ", "1", "É", "e\u0301", "-", "ｶﾞ", "'", "İ", "ß", "ǅ", "\x00"}
		text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 12), func(parts []string) string { return strings.Join(parts, "") })
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			key := fmt.Sprint("k", n)
			write(t, d, func(tx *db.Tx) error {
				if _, err := tx.Exec(`INSERT INTO thing (key) VALUES ($1)`, key); err != nil {
					return err
				}
				return x.Put(tx, key, text.Draw(r, "text"))
			})
			find(t, d, x, text.Draw(r, "query"))
		})
	})
}

// Whatever is indexed, any part of it that was cut at a character of Japanese, or at a word's beginning, is found in it.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"PowerShell による暗号化", "佐々木ｻｰﾊﾞｰ", "a\u0301b\u3099", "ﷺ㍿", "'\"*:&|<->", strings.Repeat("あ", 60)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := Words(text)
		for _, word := range words {
			if strings.ContainsAny(word, "'\"\\ *:&|<>()\x00") || word == "" {
				t.Fatalf("%q has the word %q", text, word)
			}
		}
		for _, p := range Phrases(text) {
			if len(p.Words) == 0 || len(p.Words) > maxPhrase {
				t.Fatalf("%q asks for %v", text, p)
			}
			if len(text) > 200 {
				continue
			}
			if !follows(words, p) {
				t.Fatalf("%q is not found by %v; it has %q", text, p, words)
			}
		}
	})
}

// follows reports whether the words of a phrase stand side by side in words.
func follows(words []string, p Phrase) bool {
	for i := 0; i+len(p.Words) <= len(words); i++ {
		same := true
		for j, word := range p.Words {
			last := j == len(p.Words)-1
			same = same && (words[i+j] == word || last && p.Open && strings.HasPrefix(words[i+j], word))
		}
		if same {
			return true
		}
	}
	return false
}
