package seal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

func load(t *testing.T, opt seal.Options) *seal.Keys {
	t.Helper()
	keys, err := seal.Load(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func sealed(t *testing.T, keys *seal.Keys, purpose, plain string) string {
	t.Helper()
	text, err := keys.Seal(purpose, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatIsSealedOpensForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	keys := seal.Generate()
	for _, plain := range []string{"", "k", "鍵 and \x00 bytes", strings.Repeat("long ", 10_000)} {
		text := sealed(t, keys, "auth_totp.secret/1", plain)
		if got, err := keys.Open("auth_totp.secret/1", text); err != nil || string(got) != plain {
			t.Errorf("opened %d bytes as %d, %v", len(plain), len(got), err)
		}
		if _, err := keys.Open("auth_totp.secret/2", text); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("opened in another row: %v", err)
		}
		if plain != "" && len(plain) > 8 && strings.Contains(text, plain[:8]) {
			t.Error("the sealed text shows its content")
		}
	}
	if a, b := sealed(t, keys, "p", "same"), sealed(t, keys, "p", "same"); a == b {
		t.Error("sealing the same twice gives the same text")
	}
	if _, err := keys.Seal("", []byte("x")); err == nil {
		t.Error("sealed without a purpose")
	}
}

func TestNothingButTheWholeSealedTextOpens(t *testing.T) {
	t.Parallel()
	keys := seal.Generate()
	const purpose, secret = "t.c/1", "the secret itself"
	text := sealed(t, keys, purpose, secret)
	bad := map[string]string{
		"empty": "", "no version": strings.TrimPrefix(text, "s1."), "other version": "s2" + text[2:], "no key": "s1.." + text[12:],
		"a line break": text[:20] + "\n" + text[20:], "padding": text + "=", "plain": secret, "key only": text[:11], "key and dot": text[:12],
	}
	for i := 12; i < len(text); i++ { // every shorter text, and every changed character
		bad[fmt.Sprintf("cut at %d", i)] = text[:i]
		other := byte('A')
		if text[i] == other {
			other = 'B'
		}
		bad[fmt.Sprintf("changed at %d", i)] = text[:i] + string(other) + text[i+1:]
	}
	for name, text := range bad {
		_, err := keys.Open(purpose, text)
		if !errors.Is(err, seal.ErrDamaged) || !fault.Is(err, fault.Internal) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (len(text) > 24 && strings.Contains(err.Error(), text[12:]) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: the error holds content: %v", name, err)
		}
	}
}

func TestAnotherKeyIsNamed(t *testing.T) {
	t.Parallel()
	ours, theirs := seal.Generate(), seal.Generate()
	_, err := ours.Open("t.c/1", sealed(t, theirs, "t.c/1", "x"))
	if !errors.Is(err, seal.ErrUnknownKey) || !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	for _, id := range []string{ours.Newest(), theirs.Newest()} {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("%q does not name key %s", err, id)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	keys := seal.Generate()
	type service struct {
		Keys  *seal.Keys
		Value seal.Keys
		inner *seal.Keys
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("start", "keys", keys, "value", *keys, "service", service{Keys: keys, Value: *keys})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, keys); got != "[keys]" {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, *keys); got != "[keys]" {
			t.Errorf("%s prints a value as %s", verb, got)
		}
		// fmt does not call methods of what lies in unexported fields.
		fmt.Fprintf(&log, verb, service{keys, *keys, keys})
	}
	encoded, err := json.Marshal(service{Keys: keys, Value: *keys})
	if err != nil || string(encoded) != `{"Keys":"[keys]","Value":"[keys]"}` {
		t.Errorf("JSON is %s, %v", encoded, err)
	}
	if strings.Contains(log.String(), keys.Newest()) {
		t.Errorf("printed more than a mask:\n%s", log.String())
	}
}

func TestTheFirstStartMakesAKeyFileForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	var wait sync.WaitGroup
	loaded := make([]*seal.Keys, 8)
	for i := range loaded { // as if several processes started at once
		wait.Go(func() {
			keys, err := seal.Load(context.Background(), seal.Options{File: path})
			if err != nil {
				t.Error(err)
				return
			}
			loaded[i] = keys
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	for _, keys := range loaded {
		if keys.Newest() != loaded[0].Newest() {
			t.Error("two starts made two keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestASealedTextNamesItsKey(t *testing.T) {
	t.Parallel()
	k := seal.Generate()
	text, err := k.Seal("t.c/1", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := seal.KeyOf(text); got != k.Newest() {
		t.Errorf("%q, want %q", got, k.Newest())
	}
	for _, other := range []string{"", "plain", "s1.", "s1.aaaaaaaa", "s1.AAAAAAAA." + text, text[:len(text)/2]} {
		if got := seal.KeyOf(other); got != "" {
			t.Errorf("%q names %q", other, got)
		}
	}
}
