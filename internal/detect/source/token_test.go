package source_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/source"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
)

func openDB(t *testing.T) (*db.DB, string) {
	t.Helper()
	path := dbtest.Place(t)
	d, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, path
}

func openTokens(t *testing.T, d *db.DB) *source.Tokens {
	t.Helper()
	tokens, err := source.OpenTokens(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestTokenLife(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, path := openDB(t)
	tokens := openTokens(t, d)

	secret, made, err := tokens.Create(ctx, "pc-winlogbeat", "admin")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "ygt_") || len(secret) != 4+43 || made.Hint != secret[len(secret)-4:] {
		t.Errorf("secret %q, hint %q", secret, made.Hint)
	}
	if name, err := tokens.Authenticate(ctx, secret); err != nil || name != "pc-winlogbeat" {
		t.Errorf("the token lets in as %q, %v", name, err)
	}
	if _, err := tokens.Authenticate(ctx, secret+"x"); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("another token: %v", err)
	}
	if err := tokens.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := tokens.List(ctx)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if list[0].LastUsed.IsZero() || !list[0].Valid() || list[0].CreatedBy != "admin" {
		t.Errorf("token %+v", list[0])
	}
	if err := tokens.Revoke(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Authenticate(ctx, secret); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := tokens.Revoke(ctx, made.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	for _, file := range []string{path, path + "-wal"} {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), secret[4:]) {
			t.Errorf("the secret stands in %s", filepath.Base(file))
		}
	}
}

// A token that a command made beside a running server works in it at once, on every connection of its holder and while others
// guess; one that it revoked stops.
func TestTokensOfAnotherProcess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	d, path := openDB(t)
	server := openTokens(t, d)
	beside, err := db.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() })
	command := openTokens(t, beside)
	var secret string
	var made source.Token
	for range 3 {
		if _, err := server.Authenticate(ctx, "a guess"); !fault.Is(err, fault.Unauthentic) {
			t.Fatalf("a guess: %v", err)
		}
		if secret, made, err = command.Create(ctx, "new", "cli"); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				if _, err := server.Authenticate(ctx, secret); err != nil {
					t.Errorf("a token that was just made: %v", err)
				}
			})
		}
		wait.Wait()
	}
	if err := command.Revoke(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := server.Flush(ctx); err != nil { // as Keep does every few seconds
		t.Fatal(err)
	}
	if _, err := server.Authenticate(ctx, secret); !fault.Is(err, fault.Unauthentic) {
		t.Errorf("still let in: %v", err)
	}
}

func TestSourceNames(t *testing.T) {
	t.Parallel()
	d, _ := openDB(t)
	tokens := openTokens(t, d)
	for name, good := range map[string]bool{
		"web-1": true, "本社.fw_01": true, "": false, "-x": false, "a b": false, "a/b": false, strings.Repeat("x", 64): false, "a\n": false,
	} {
		if _, _, err := tokens.Create(t.Context(), name, ""); (err == nil) != good || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 30, 0, time.UTC)
	s := source.NewStats(func() time.Time { return now })
	s.Accepted("fw", "syslog", "192.0.2.1", 120, 1000)
	s.Accepted("fw", "syslog", "192.0.2.2", 30, 100)
	now = now.Add(time.Minute)
	s.Processed([]pipeline.Observation{{Source: "fw", Input: "syslog", Events: 150, Bytes: 1100, Newest: now.Add(-2 * time.Second), Lag: time.Second}})

	f := s.All()[0]
	if f.Events != 150 || f.Bytes != 1100 || f.Rate != 1.25 || f.Hour[58] != 150 || f.Hour[59] != 0 || f.State != source.Alive || f.Delay != 2*time.Second || f.Lag != time.Second {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff([]source.Sender{
		{Remote: "192.0.2.1", Events: 120, LastSeen: now.Add(-time.Minute)},
		{Remote: "192.0.2.2", Events: 30, LastSeen: now.Add(-time.Minute)},
	}, f.Senders); diff != "" {
		t.Error(diff)
	}

	s.Refused("fw", "syslog", "192.0.2.1", 1, "no PRI")
	if f := s.All()[0]; f.State != source.Alive {
		t.Errorf("one in 151 refused makes it %s", f.State)
	}
	s.Refused("fw", "syslog", "192.0.2.1", 1, "no PRI")
	s.Dropped("fw", "syslog", "192.0.2.1", 5, "the queue is full")
	f = s.All()[0]
	if f.State != source.Failing || f.Refused != 2 || f.Dropped != 5 {
		t.Errorf("%+v", f)
	}
	if len(f.Refusals) != 2 || f.Refusals[0].Reason != "the queue is full" || f.Refusals[1].Events != 2 {
		t.Errorf("refusals, the newest first, the same one once: %+v", f.Refusals)
	}

	now = now.Add(16 * time.Minute)
	if f := s.All()[0]; f.State != source.Quiet {
		t.Errorf("silent for 17 minutes: %s", f.State)
	}
	now = now.Add(24 * time.Hour)
	if f := s.All()[0]; f.Hour[0] != 0 || f.Hour[43] != 0 || f.Rate != 0 {
		t.Errorf("yesterday's minutes are still there: %v", f.Hour)
	}
}

func TestStatsBoundWhatTheyKeep(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	s := source.NewStats(func() time.Time { now = now.Add(time.Millisecond); return now })
	for i := range 1000 {
		address := strings.Repeat("x", i%300)
		s.Accepted("fw", "syslog", address+"y", 1, 1)
		s.Refused("fw", "syslog", address, 1, strings.Repeat("r", 5000)+address)
	}
	f := s.All()[0]
	if len(f.Senders) > 200 || len(f.Refusals) > 20 || len(f.Refusals[0].Reason) > 400 {
		t.Errorf("%d senders, %d refusals, a reason of %d bytes", len(f.Senders), len(f.Refusals), len(f.Refusals[0].Reason))
	}
}

func TestStatsOutliveARestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, _ := openDB(t)
	before, err := source.OpenStats(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	before.Accepted("fw", "syslog", "192.0.2.1", 120, 1000)
	before.Refused("", "elastic", "192.0.2.9", 0, "unknown token")
	before.Processed([]pipeline.Observation{{Source: "fw", Input: "syslog", Events: 120, Errors: 3, LastError: "no JSON", Newest: time.Now()}})
	if err := before.Flush(ctx, d); err != nil {
		t.Fatal(err)
	}
	after, err := source.OpenStats(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before.All(), after.All()); diff != "" {
		t.Error(diff)
	}
}
