package httpd_test

import (
	"os"
	"path/filepath"
	"testing"

	"yagura/internal/platform/httpd"
	"yagura/internal/platform/seal"
)

func TestKeptCertificatesMoveToTheNewestKey(t *testing.T) {
	t.Parallel()
	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "seal.key")
	load := func() *seal.Keys {
		keys, err := seal.Load(t.Context(), seal.Options{File: file})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	older := load()
	for name, text := range map[string]string{"a.example": "certificate", "acme_account+key": "key"} {
		sealed, err := older.Seal("httpd.acme/"+name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(sealed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What does not open, here because it lies under another's name, is counted and left as it is.
	strange, err := older.Seal("httpd.acme/b.example", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "c.example"), []byte(strange), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Add(file); err != nil {
		t.Fatal(err)
	}
	newer := load()
	resealed, failed, err := httpd.ResealACME(t.Context(), folder, newer)
	if err != nil || resealed != 2 || failed != 1 {
		t.Fatalf("%d, %d, %v", resealed, failed, err)
	}
	counts, err := httpd.SurveyACME(folder)
	if err != nil || counts[newer.Newest()] != 2 || counts[older.Newest()] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "a.example"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := newer.Open("httpd.acme/a.example", string(text)); err != nil || string(plain) != "certificate" {
		t.Errorf("%q, %v", plain, err)
	}
	if counts, err := httpd.SurveyACME(filepath.Join(folder, "none")); err != nil || len(counts) != 0 {
		t.Errorf("a folder that is not there: %v, %v", counts, err)
	}
}
