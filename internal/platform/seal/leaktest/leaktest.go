// Package leaktest shows that secrets stay where they belong. A test plants secrets, lets the program work with them, and
// then looks for them in everything that the program wrote: logs, answers, errors, files, rows of the database.
//
//	plants := leaktest.New()
//	password := plants.Secret("password")
//	log := slog.New(slog.NewJSONHandler(plants.Watch(t, "the log"), nil))
//	… work with password …
//	plants.CheckText(t, "the answer", answer)
//	plants.CheckFiles(t, dataFolder)
//	plants.CheckDB(t, d)
//
// It finds a secret as it is and in hexadecimal, base32, base64, percent-encoded, in JSON, HTML, quoted-printable and UTF-16.
// It does not find one that was compressed, hashed or encrypted, or cut into pieces.
package leaktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"yagura/internal/platform/db"
)

// TB is what of *testing.T is needed.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// minSecret is the shortest secret that is looked for: shorter ones are found by chance.
const minSecret = 8

// Plants is the secrets that were planted. It is safe for concurrent use.
type Plants struct {
	mu      sync.Mutex
	needles []needle
}

// needle is one form of one secret.
type needle struct {
	name, form string
	bytes      []byte
}

// Leak is a secret where it should not be.
type Leak struct {
	Name string // of the secret, as it was planted
	Form string // "raw", "hex", "base64" …
	At   int    // byte offset
}

// New returns an empty set.
func New() *Plants { return new(Plants) }

// Secret plants a new random secret and returns it: letters and digits, so that it passes through any format unchanged.
func (p *Plants) Secret(name string) string {
	secret := "Zq" + rand.Text()
	p.Add(name, secret)
	return secret
}

// Add plants a secret that the test did not choose: a session's token, a recovery code, the bytes of a key.
func (p *Plants) Add(name, secret string) {
	if len(secret) < minSecret {
		panic(fmt.Sprintf("leaktest: %s has %d bytes: too short to tell a leak from chance", name, len(secret)))
	}
	forms := forms(name, secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.needles = append(p.needles, forms...)
}

// forms returns the ways in which a secret may show.
func forms(name, secret string) []needle {
	raw := []byte(secret)
	quoted, _ := json.Marshal(secret)
	var printable strings.Builder
	qp := quotedprintable.NewWriter(&printable)
	_, _ = io.WriteString(qp, secret) // a strings.Builder takes everything
	_ = qp.Close()
	list := []needle{{name, "raw", raw}}
	add := func(form, text string) {
		for _, one := range list {
			if string(one.bytes) == text {
				return
			}
		}
		if len(text) >= minSecret {
			list = append(list, needle{name, form, []byte(text)})
		}
	}
	add("hex", hex.EncodeToString(raw))
	add("hex", strings.ToUpper(hex.EncodeToString(raw)))
	add("JSON", string(quoted[1:len(quoted)-1]))
	add("HTML", html.EscapeString(secret))
	add("query", url.QueryEscape(secret))
	add("path", url.PathEscape(secret))
	add("quoted-printable", printable.String())
	add("Go", strings.Trim(fmt.Sprintf("%q", secret), `"`))
	add("decimal bytes", strings.Trim(fmt.Sprint(raw), "[]"))
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		aligned(raw, 3, 4, encoding.EncodeToString, func(text string) { add("base64", text) })
	}
	aligned(raw, 5, 8, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString, func(text string) {
		add("base32", text)
		add("base32", strings.ToLower(text))
	})
	for _, order := range []string{"UTF-16LE", "UTF-16BE"} {
		var wide []byte
		for _, unit := range utf16.Encode([]rune(secret)) {
			if order == "UTF-16LE" {
				wide = append(wide, byte(unit), byte(unit>>8))
			} else {
				wide = append(wide, byte(unit>>8), byte(unit))
			}
		}
		add(order, string(wide))
	}
	return list
}

// aligned gives the encodings of raw as it shows inside a longer text, where it may begin at any byte of a group: those
// characters that depend on nothing but raw.
func aligned(raw []byte, group, width int, encode func([]byte) string, give func(string)) {
	for before := range group {
		text := encode(append(make([]byte, before), raw...))
		bits := 8 * group / width
		from := (8*before + bits - 1) / bits
		to := 8 * (before + len(raw)) / bits
		give(text[from:to])
	}
}

// Find returns the secrets that show in data, each form once.
func (p *Plants) Find(data []byte) []Leak {
	p.mu.Lock()
	defer p.mu.Unlock()
	var leaks []Leak
	for _, one := range p.needles {
		if at := bytes.Index(data, one.bytes); at >= 0 {
			leaks = append(leaks, Leak{one.name, one.form, at})
		}
	}
	return leaks
}

// Check fails the test where a secret shows in data; where says what data is.
func (p *Plants) Check(t TB, where string, data []byte) {
	t.Helper()
	for _, leak := range p.Find(data) {
		t.Errorf("%s: the secret %q shows (%s, byte %d)", where, leak.Name, leak.Form, leak.At)
	}
}

// CheckText is Check of a text, or of whatever else prints: an error, a struct.
func (p *Plants) CheckText(t TB, where string, value any) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if leaks := p.Find(fmt.Appendf(nil, verb, value)); len(leaks) > 0 {
			t.Errorf("%s: the secret %q shows (%s, printed with %s)", where, leaks[0].Name, leaks[0].Form, verb)
			return
		}
	}
}

// CheckFiles looks into every file below the folders, and at their names. Files named in except are passed over: "seal.key".
func (p *Plants) CheckFiles(t TB, folder string, except ...string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(except, d.Name()) {
			return nil
		}
		p.Check(t, "the name of "+path, []byte(d.Name()))
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p.Check(t, path, content)
		return nil
	})
	if err != nil {
		t.Errorf("looking for secrets below %s: %v", folder, err)
	}
}

// CheckDB looks into every row of every table. Columns named in except ("auth_person.name") are passed over.
func (p *Plants) CheckDB(t TB, d *db.DB, except ...string) {
	t.Helper()
	tables, err := tables(d)
	if err != nil {
		t.Errorf("looking for secrets in the database: %v", err)
		return
	}
	for _, table := range tables {
		if err := p.checkTable(t, d, table, except); err != nil {
			t.Errorf("looking for secrets in table %s: %v", table, err)
		}
	}
}

func (p *Plants) checkTable(t TB, d *db.DB, table string, except []string) error {
	t.Helper()
	return d.Read(context.Background(), func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT * FROM "` + table + `"`)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for n := 1; rows.Next(); n++ {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			for i, value := range values {
				if !slices.Contains(except, table+"."+columns[i]) {
					p.Check(t, fmt.Sprintf("%s.%s, row %d", table, columns[i], n), value)
				}
			}
		}
		return rows.Err()
	})
}
