package seal_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

// secret is a key as it stands in a file: 32 times the same byte.
func secret(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), seal.KeySize)))
}

func keyFile(t *testing.T, mode os.FileMode, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// script is a command that prints, complains and ends as it is told.
func script(t *testing.T, body string) []string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	return []string{"/bin/sh", "-c", body}
}

func TestKeysComeFromOneConfiguredPlace(t *testing.T) {
	t.Parallel()
	one := load(t, seal.Options{Env: secret('1')})
	text := sealed(t, one, "t.c/1", "hello")
	wrapped := keyFile(t, 0o644, "# as a KMS would unwrap it", secret('1'))
	for name, opt := range map[string]seal.Options{
		"file":                   {File: keyFile(t, 0o600, secret('1'), "")},
		"file with comments":     {File: keyFile(t, 0o400, "# keys", "", "  "+secret('1')+"   # made 2026-04-01", "")},
		"environment, two keys":  {Env: secret('1') + "," + secret('2')},
		"environment and a file": {Env: secret('2'), File: keyFile(t, 0o600, secret('1'))},
		"command":                {Command: script(t, "echo "+secret('1'))},
		"command that unwraps":   {Command: script(t, "cat"), Wrapped: wrapped},
		"command after a file":   {Command: script(t, "echo "+secret('2')), File: keyFile(t, 0o600, secret('1'))},
	} {
		keys := load(t, opt)
		if got, err := keys.Open("t.c/1", text); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if want := keys.IDs()[len(keys.IDs())-1]; keys.Newest() != want {
			t.Errorf("%s: the newest of %v is %s", name, keys.IDs(), keys.Newest())
		}
	}
	if other := load(t, seal.Options{Env: secret('2')}); other.Newest() == one.Newest() {
		t.Error("two keys have one id")
	}
	moved := load(t, seal.Options{Env: secret('2'), File: keyFile(t, 0o600, secret('1'))})
	if newest := load(t, seal.Options{Env: secret('2')}).Newest(); moved.Newest() != newest {
		t.Error("on the way from a file to the environment the file still seals")
	}
	if info := moved.Info(); len(info) != 2 || info[0].Origin != "file" || info[0].Newest || info[1].Origin != "environment" || !info[1].Newest {
		t.Errorf("described as %+v", info)
	}
}

func TestBadSourcesAreRefusedWithoutTellingTheirContent(t *testing.T) {
	t.Parallel()
	const leak = "c2VjcmV0IHRoYXQgbXVzdCBub3Qgc2hvdw" // too short for a key
	for name, c := range map[string]struct {
		opt  seal.Options
		code fault.Code
		says string
	}{
		"nothing":           {seal.Options{}, fault.Invalid, "no key is configured"},
		"both":              {seal.Options{Env: secret('1'), Command: []string{"true"}}, fault.Invalid, "choose one"},
		"empty environment": {seal.Options{Env: " , "}, fault.Invalid, "no key"},
		"no base64":         {seal.Options{Env: leak + "!"}, fault.Invalid, "line 1"},
		"short":             {seal.Options{Env: secret('1') + "," + leak + "=="}, fault.Invalid, "line 2: a key has 32 bytes"},
		"twice":             {seal.Options{Env: secret('1') + " " + secret('1')}, fault.Invalid, "there twice"},
		"empty file":        {seal.Options{File: keyFile(t, 0o600, "# none")}, fault.Invalid, "no key"},
		"huge file":         {seal.Options{File: keyFile(t, 0o600, strings.Repeat(leak, 5000))}, fault.Invalid, "larger than"},
		"a folder":          {seal.Options{File: t.TempDir()}, "", ""},
		"no such folder":    {seal.Options{File: filepath.Join(t.TempDir(), "none", "seal.key")}, fault.Unavailable, "making the key file"},
		"failing command":   {seal.Options{Command: script(t, "echo "+leak+"; echo 'access\ndenied' >&2; exit 3")}, fault.Unavailable, "exit status 3; it says: access denied"},
		"no such command":   {seal.Options{Command: []string{"/no/such/%s/command"}}, fault.Unavailable, "/no/such/%s/command"},
		"command of noise":  {seal.Options{Command: script(t, "echo "+leak+"; echo why >&2")}, fault.Unavailable, "not a list of keys: line 1 is not base64; it says: why"},
		"silent command":    {seal.Options{Command: script(t, ":")}, fault.Unavailable, "printed no key"},
		"endless command":   {seal.Options{Command: script(t, "head -c 100000 /dev/zero | tr '\\0' A")}, fault.Unavailable, "more than 65536 bytes"},
		"no wrapped key":    {seal.Options{Command: script(t, "cat"), Wrapped: filepath.Join(t.TempDir(), "none")}, fault.Unavailable, "the wrapped key"},
	} {
		_, err := seal.Load(t.Context(), c.opt)
		if err == nil || (c.code != "" && !fault.Is(err, c.code)) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), leak) {
			t.Errorf("%s: the error shows what was read: %v", name, err)
		}
	}
}

func TestACommandThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	command := script(t, "echo waiting for the HSM >&2; sleep 600")
	if _, err := seal.Load(ctx, seal.Options{Command: command}); !errors.Is(err, context.DeadlineExceeded) || !fault.Is(err, fault.Unavailable) {
		t.Errorf("ended with %v", err)
	}
}

// TestTheCommandMeetsNoShell gives the command a word that a shell would take apart.
func TestTheCommandMeetsNoShell(t *testing.T) {
	t.Parallel()
	echo, err := osexec.LookPath("printf")
	if err != nil {
		t.Skip("needs printf")
	}
	made := filepath.Join(t.TempDir(), "made")
	word := secret('1') + "; touch " + made + " $(touch " + made + ")"
	if _, err := seal.Load(t.Context(), seal.Options{Command: []string{echo, "%s", word}}); err == nil {
		t.Error("the whole word was no key, and was taken for one")
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("a shell has run it")
	}
	if _, err := seal.Load(t.Context(), seal.Options{Command: []string{echo, "%s", secret('1')}}); err != nil {
		t.Errorf("without the rest: %v", err)
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o644} {
		path := keyFile(t, 0o600, secret('1'))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Load(t.Context(), seal.Options{File: path}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestKeysAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	keys := load(t, seal.Options{File: path})
	first := keys.Newest()
	old := sealed(t, keys, "t.c/1", "x")
	second, err := seal.Add(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(t.Context()); err != nil || keys.Newest() != second {
		t.Fatalf("the newest is %s, want %s, %v", keys.Newest(), second, err)
	}
	if got, err := keys.Open("t.c/1", old); err != nil || string(got) != "x" {
		t.Errorf("after a new key: %q, %v", got, err)
	}
	if keys.Current(old) || !keys.Current(sealed(t, keys, "t.c/1", "x")) {
		t.Error("which key sealed a text is mistaken")
	}
	if err := seal.Remove(path, second); !fault.Is(err, fault.Conflict) {
		t.Errorf("removed the key that seals: %v", err)
	}
	if err := seal.Remove(path, "aaaaaaaa"); !fault.Is(err, fault.NotFound) {
		t.Errorf("removed a key that is not there: %v", err)
	}
	if err := seal.Remove(path, first); err != nil {
		t.Fatal(err)
	}
	if ids := load(t, seal.Options{File: path}).IDs(); len(ids) != 1 || ids[0] != second {
		t.Errorf("left are %v", ids)
	}
	if info, err := os.Stat(path); err != nil || (runtime.GOOS != "windows" && info.Mode().Perm() != 0o600) {
		t.Errorf("rewritten with mode %v, %v", info.Mode(), err)
	}
}

func TestHalfAFileThatWasDamagedChangesNothing(t *testing.T) {
	t.Parallel()
	path := keyFile(t, 0o600, secret('1'))
	keys := load(t, seal.Options{File: path})
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(t.Context()); err == nil {
		t.Error("read a damaged file")
	}
	if text := sealed(t, keys, "t.c/1", "x"); !keys.Current(text) {
		t.Error("the keys are gone")
	}
}
