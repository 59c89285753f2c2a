// Package self lets Yagura watch itself: what happens to accounts (sign-ins, wrong second factors, resets, tokens used from a new
// place, changes of people) becomes events of the source "yagura", searchable and matched by rules like any other log.
//
// What it promises: recording an event costs whoever caused it no wait; what cannot be taken because too much comes at once, or
// because the spool is full, is counted and told in the log. No event holds a secret or what was typed as a name.
package self

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/auth"
)

// Source is the id of the source, Input the kind of its input.
const (
	Source = "yagura"
	Input  = "internal"
)

const (
	queued    = 4096
	batchSize = 256
	lull      = 200 * time.Millisecond // how long an event waits for others
)

// Recorder takes security events and hands them to the pipeline. It implements auth.Events and is safe for concurrent use.
type Recorder struct {
	queue chan auth.Event
	lost  atomic.Int64
}

var _ auth.Events = (*Recorder)(nil)

// New makes a recorder, which keeps what comes before Run.
func New() *Recorder { return &Recorder{queue: make(chan auth.Event, queued)} }

// Security implements auth.Events.
func (r *Recorder) Security(_ context.Context, e auth.Event) {
	select {
	case r.queue <- e:
	default:
		r.lost.Add(1)
	}
}

// Run hands events on until ctx ends, and those that are left then.
func (r *Recorder) Run(ctx context.Context, sink intake.Sink, log *slog.Logger) {
	for {
		batch := r.collect(ctx)
		if len(batch) > 0 {
			if err := sink.Accept(context.WithoutCancel(ctx), toBatch(batch)); err != nil {
				r.lost.Add(int64(len(batch)))
				log.Warn("security events could not be taken", "error", err)
			}
		}
		if lost := r.lost.Swap(0); lost > 0 {
			log.Error("security events were lost", "events", lost)
		}
		if ctx.Err() != nil && len(r.queue) == 0 {
			return
		}
	}
}

// collect waits for an event and then a moment for more.
func (r *Recorder) collect(ctx context.Context) []auth.Event {
	var batch []auth.Event
	select {
	case e := <-r.queue:
		batch = append(batch, e)
	case <-ctx.Done():
	}
	wait := time.NewTimer(lull)
	defer wait.Stop()
	for len(batch) < batchSize {
		select {
		case e := <-r.queue:
			batch = append(batch, e)
			continue
		default:
		}
		if ctx.Err() != nil {
			return batch
		}
		select {
		case e := <-r.queue:
			batch = append(batch, e)
		case <-wait.C:
			return batch
		case <-ctx.Done():
		}
	}
	return batch
}

func toBatch(events []auth.Event) *intake.Batch {
	b := &intake.Batch{Input: Input, Source: Source, Format: intake.JSON, Dataset: "yagura.audit", Received: time.Now().UTC()}
	for _, e := range events {
		b.Items = append(b.Items, intake.Item{Data: encode(e)})
	}
	return b
}

// record is an event under ECS names; what ECS has no name for is below "audit": "yagura" is the pipeline's own.
type record struct {
	Time     time.Time `json:"@timestamp"`
	Module   string    `json:"event.module"`
	Dataset  string    `json:"event.dataset"`
	Category string    `json:"event.category"`
	Action   string    `json:"event.action"`
	Outcome  string    `json:"event.outcome"`
	Reason   string    `json:"event.reason,omitempty"`
	User     string    `json:"user.id,omitempty"`
	Address  string    `json:"source.ip,omitempty"`
	Agent    string    `json:"user_agent.original,omitempty"`
	Method   string    `json:"audit.method,omitempty"`
	Actor    string    `json:"audit.actor,omitempty"`
	Message  string    `json:"message"`
}

func encode(e auth.Event) []byte {
	outcome := "success"
	if e.Failed {
		outcome = "failure"
	}
	room, _, _ := strings.Cut(e.Action, ".")
	category := "iam"
	if room == "signin" || room == "signout" || room == "stepup" {
		category = "authentication"
	}
	text, err := json.Marshal(record{
		Time: e.Time.UTC(), Module: "yagura", Dataset: "yagura.audit", Category: category, Action: e.Action, Outcome: outcome, Reason: e.Reason,
		User: e.Person, Address: e.Address, Agent: e.Agent, Method: e.Method, Actor: e.Actor,
		Message: strings.TrimSpace(strings.Join([]string{e.Action, outcome, e.Method, e.Reason, cmp.Or(e.Address, e.Actor)}, " ")),
	})
	if err != nil {
		return []byte(`{"message":"a security event that cannot be written"}`) // a year beyond 9999 alone does that
	}
	return text
}
