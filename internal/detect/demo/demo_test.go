package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yagura/internal/detect/intake"
)

var noon = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC) // a Friday in Japan

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	encode := func() []byte {
		var out []byte
		for _, b := range New(7).Backlog(noon, 24*time.Hour) {
			out = b.AppendBinary(out)
		}
		return out
	}
	if !bytes.Equal(encode(), encode()) {
		t.Error("two runs differ")
	}
}

func TestTheBacklogTellsTheWholeStoryInEveryShape(t *testing.T) {
	t.Parallel()
	all := make(map[string]string)
	for _, b := range New(7).Backlog(noon, 24*time.Hour) {
		for _, it := range b.Items {
			if b.Format == intake.JSON && !json.Valid(it.Data) {
				t.Fatalf("%s sends what is no JSON: %s", b.Source, it.Data)
			}
			all[b.Source] += string(it.Data) + "\n"
		}
	}
	for source, want := range map[string]string{
		"proxy": "/login/verify", "okta": "user.session.context.change", "m365": "New-InboxRule", "shop-web": "/admin/customers/export.csv",
		"box": "Anomalous Download", "vpn-gw": "ssl-login-fail", "winlogbeat": `E:\\顧客一覧_2026.csv`, "linux": "Accepted publickey", "slack": "user_login",
	} {
		if !strings.Contains(all[source], want) {
			t.Errorf("source %s never says %s", source, want)
		}
	}
}

// memory is a sink that remembers.
type memory struct {
	mu    sync.Mutex
	items []string
}

func (m *memory) Accept(_ context.Context, b *intake.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range b.Items {
		m.items = append(m.items, string(it.Data))
	}
	return nil
}

func TestLiveEachStepHappensOnceAndTheNextVictimFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &memory{}
		ctx, cancel := context.WithTimeout(t.Context(), storyEvery+storyLength+time.Second)
		defer cancel()
		if err := New(7).Run(ctx, sink); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(sink.items, "\n")
		for part, want := range map[string]int{"export.csv": 2, "context.change": 2, "ssl-login-fail": 50, `"event_id":"1102"`: 2} {
			if got := strings.Count(text, part); got != want {
				t.Errorf("%q happened %d times in a story and the next, want %d", part, got, want)
			}
		}
		if n := len(sink.items); n < 4000 || n > 12000 {
			t.Errorf("%d events in %v", n, storyEvery+storyLength)
		}
	})
}
