package httpd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/acme/autocert"

	"yagura/internal/platform/seal"
)

// SurveyACME counts the kept certificates and keys of ACME by the key that they are sealed under; "" is what was not sealed. A
// folder that is not there holds none.
func SurveyACME(folder string) (map[string]int64, error) {
	counts := make(map[string]int64)
	err := eachKept(folder, func(_ string, text []byte) error {
		counts[seal.KeyOf(string(text))]++
		return nil
	})
	return counts, err
}

// ResealACME seals the kept certificates and keys of ACME under the newest key, and returns how many it did, and how many do
// not open. No server may use the folder meanwhile: a certificate that it renews could be replaced by the one before.
func ResealACME(ctx context.Context, folder string, keys *seal.Keys) (resealed, failed int64, err error) {
	cache := &sealedCache{folder: autocert.DirCache(folder), keys: keys}
	err = eachKept(folder, func(name string, text []byte) error {
		if keys.Current(string(text)) {
			return nil
		}
		plain, err := keys.Open(purpose(name), string(text))
		if err != nil {
			failed++
			return nil
		}
		defer clear(plain)
		resealed++
		return cache.Put(ctx, name, plain)
	})
	return resealed, failed, err
}

func eachKept(folder string, fn func(name string, text []byte) error) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		if err := fn(e.Name(), text); err != nil {
			return err
		}
	}
	return nil
}
