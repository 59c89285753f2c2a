package fulltext

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		w := new(db.Where)
		x.Match(w, "key", query)
		keys, err = db.List(tx, func(row db.Scanner) (key string, err error) {
			err = row.Scan(&key)
			return key, err
		}, `SELECT key FROM thing`+w.String()+` ORDER BY key`, w.Args()...)
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	return keys
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
