package load_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/load"
	"yagura/internal/platform/fault"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOneBadFileCostsNothingButItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.ndjson", "{\"n\":1}\n{\"n\":2}\n")
	write(t, dir, "b.json.gz", "\x1f\x8b\x08 broken")
	write(t, dir, "c.log", "a line\n")
	write(t, dir, "photo.jpg", "not a log")
	var got []string
	result, err := load.Files(t.Context(), []string{dir}, load.Options{Input: "import", Source: "test", MaxItems: 1}, func(_ context.Context, b *intake.Batch) error {
		if b.Input != "import" || b.Source != "test" || len(b.Items) != 1 {
			t.Errorf("a batch of %d items from %s, %s", len(b.Items), b.Input, b.Source)
		}
		got = append(got, filepath.Base(b.File)+" "+string(b.Items[0].Data))
		return nil
	})
	if err != nil || strings.Join(got, "; ") != `a.ndjson {"n":1}; a.ndjson {"n":2}; c.log a line` {
		t.Errorf("read %q, %v", got, err)
	}
	if result.Files != 3 || result.Events != 3 || len(result.Problems) == 0 || !strings.Contains(result.Problems[0].String(), "b.json.gz") {
		t.Errorf("the result is %+v", result)
	}
}

// TestAFileThatWasNotReadIsTold: though a thousand lines of another are wrong, and without naming the file twice.
func TestAFileThatWasNotReadIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.csv", "x\n"+strings.Repeat("1,2\n", 1000))
	write(t, dir, "b.json.gz", "\x1f\x8b\x08 broken")
	write(t, dir, "c.log", "a line\n")
	events := 0
	result, err := load.Files(t.Context(), []string{dir, filepath.Join(dir, "c.log"), dir + "/./c.log"}, load.Options{}, func(_ context.Context, b *intake.Batch) error {
		events += len(b.Items)
		return nil
	})
	if err != nil || events != 1001 || result.Files != 3 {
		t.Errorf("%d events of %d files, %v", events, result.Files, err)
	}
	if p := result.Problems[0]; len(result.Problems) != load.MaxProblems || p.Place != "" || filepath.Base(p.File) != "b.json.gz" || strings.Contains(p.Reason, "b.json.gz") {
		t.Errorf("%d problems, the first is %+v", len(result.Problems), p)
	}
}

func TestNothingToReadIsWrongInput(t *testing.T) {
	t.Parallel()
	take := func(context.Context, *intake.Batch) error { return nil }
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nowhere")} {
		if _, err := load.Files(t.Context(), []string{path}, load.Options{}, take); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestTheTakersErrorEndsTheReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.ndjson", "{}\n{}\n{}\n")
	full := errors.New("full")
	calls := 0
	_, err := load.Files(t.Context(), []string{dir}, load.Options{MaxItems: 1}, func(context.Context, *intake.Batch) error { calls++; return full })
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
