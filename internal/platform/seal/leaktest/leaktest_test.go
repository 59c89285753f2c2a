package leaktest_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/seal/leaktest"
)

// recorder stands in for a test that is meant to fail.
type recorder struct {
	failures []string
	cleanups []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(f string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(f, args...))
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func TestASecretIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"correct horse & battery \"staple\" 🐎 鍵", leaktest.New().Secret("random"), "\x00\x01\xfe\xff binary key \x80"} {
		plants := leaktest.New()
		plants.Add("password", secret)
		quoted, _ := json.Marshal(secret)
		var wide []byte
		for _, unit := range utf16.Encode([]rune(secret)) {
			wide = append(wide, byte(unit), byte(unit>>8))
		}
		forms := map[string]string{
			"raw": secret, "hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
			"json": string(quoted), "html": html.EscapeString(secret), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
			"go": fmt.Sprintf("%q", secret), "bytes": fmt.Sprint([]byte(secret)), "utf-16": string(wide),
		}
		for shift := range 6 { // inside a longer text that was encoded as a whole
			longer := []byte(strings.Repeat("x", shift) + secret + "tail")
			forms[fmt.Sprint("base64 ", shift)] = base64.StdEncoding.EncodeToString(longer)
			forms[fmt.Sprint("base64url ", shift)] = base64.URLEncoding.EncodeToString(longer)
			forms[fmt.Sprint("base32 ", shift)] = base32.StdEncoding.EncodeToString(longer)
		}
		for form, text := range forms {
			if leaks := plants.Find([]byte("before " + text + " after")); len(leaks) == 0 || leaks[0].Name != "password" {
				t.Errorf("not found as %s: %q", form, text)
			}
		}
		if leaks := plants.Find([]byte(strings.Repeat("nothing to see here, only words and 0123456789abcdef. ", 100))); len(leaks) > 0 {
			t.Errorf("found where it is not: %+v", leaks)
		}
	}
}

func TestLeaksInLogsFilesAndRowsFailTheTest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, leaksInLogsFilesAndRows)
}

func leaksInLogsFilesAndRows(t *testing.T, d *db.DB) {
	folder := t.TempDir()
	err := d.Migrate(t.Context(), "leak", fstest.MapFS{"00001_leak.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE leak_row (id TEXT NOT NULL PRIMARY KEY, n BIGINT, note TEXT, data BYTEA);")}})
	if err != nil {
		t.Fatal(err)
	}
	plants := leaktest.New()
	secret := plants.Secret("token")
	clean := func(t leaktest.TB) {
		plants.CheckFiles(t, folder)
		plants.CheckDB(t, d)
		plants.CheckText(t, "an error", fmt.Errorf("token refused"))
	}
	clean(t)

	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO leak_row (id, n, note, data) VALUES ('1', 7, $1, $2), ('2', NULL, NULL, $3)`,
			"token "+secret, []byte{1}, bytes.ToUpper([]byte(hex.EncodeToString([]byte(secret)))))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "export.csv"), []byte("a,"+url.QueryEscape(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	fake := new(recorder)
	slog.New(slog.NewJSONHandler(plants.Watch(fake, "the log"), nil)).Info("signed in", "with", secret)
	for _, cleanup := range fake.cleanups {
		cleanup()
	}
	clean(fake)
	plants.CheckText(fake, "an error", fmt.Errorf("token %s refused", secret))
	for _, want := range []string{"the log", "leak_row.note, row 1", "leak_row.data, row 2", "export.csv", "an error"} {
		if !strings.Contains(strings.Join(fake.failures, "\n"), want) {
			t.Errorf("no failure names %s:\n%s", want, strings.Join(fake.failures, "\n"))
		}
	}
	if strings.Contains(strings.Join(fake.failures, "\n"), secret) {
		t.Error("a failure tells the secret")
	}
	fake = new(recorder)
	plants.CheckDB(fake, d, "leak_row.note", "leak_row.data")
	if len(fake.failures) > 0 {
		t.Errorf("columns that were passed over: %v", fake.failures)
	}
}
