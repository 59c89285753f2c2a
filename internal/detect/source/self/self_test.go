package self_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/source/self"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/auth"
)

// sink keeps what it is given, as the spool would.
type sink chan intake.Item

func (s sink) Accept(_ context.Context, b *intake.Batch) error {
	for _, it := range b.Items {
		s <- it
	}
	return nil
}

func TestASignInBecomesAnEvent(t *testing.T) {
	t.Parallel()
	recorder, taken := self.New(), make(sink, 10)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		recorder.Run(ctx, taken, slog.New(slog.NewTextHandler(io.Discard, nil)))
		close(done)
	}()
	at := time.Date(2026, 11, 23, 3, 4, 5, 6000, time.UTC)
	recorder.Security(ctx, auth.Event{Time: at, Action: "signin", Failed: true, Reason: "password", Method: "password", Person: "p-1", Address: "203.0.113.7", Agent: "Mozilla <script>"})
	item := <-taken
	stop()
	<-done

	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	var ev event.Event
	batch := &intake.Batch{Source: self.Source, Format: intake.JSON, Dataset: "yagura.audit", Received: at}
	if err := normalise.New(tax).Normalise(batch, &item, &ev); err != nil {
		t.Fatal(err)
	}
	if !ev.Time.Equal(at) {
		t.Errorf("the event is of %v", ev.Time)
	}
	for name, want := range map[string]string{
		"event.module": "yagura", "event.dataset": "yagura.audit", "event.category": "authentication", "event.action": "signin", "event.outcome": "failure",
		"event.reason": "password", "user.id": "p-1", "source.ip": "203.0.113.7", "user_agent.original": "Mozilla <script>", "audit.method": "password",
		"message": "signin failure password password 203.0.113.7",
	} {
		if got := ev.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestWhatIsLeftAtTheEndIsHandedOn(t *testing.T) {
	t.Parallel()
	recorder, taken := self.New(), make(sink, 5000)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 5000 { // more than is kept: the rest is counted as lost, and nobody waits
		recorder.Security(ctx, auth.Event{Action: "person.update", Time: time.Now()})
	}
	recorder.Run(ctx, taken, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if n := len(taken); n != 4096 {
		t.Errorf("%d events were handed on, want 4096", n)
	}
	var one map[string]any
	if err := json.Unmarshal((<-taken).Data, &one); err != nil || one["event.category"] != "iam" {
		t.Errorf("%v, %v", one, err)
	}
}
