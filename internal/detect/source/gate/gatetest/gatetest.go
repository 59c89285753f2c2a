// Package gatetest has what the tests of inputs need around them: a sink in memory that can be full, slow or
// broken, tokens, and an observer that remembers.
package gatetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

// Token is the one known token; its source is Source. LocalToken is the local administrator's.
const (
	Token      = "ygt_known-token-of-the-tests"
	Source     = "pc-shippers"
	LocalToken = "ygl_local-token-of-the-tests"
)

// Sink keeps what it accepts. The zero value is ready to use.
type Sink struct {
	mu      sync.Mutex
	batches []intake.Batch
	calls   int
	// Fail, if set, is asked before each Accept, numbered from 1, and its error is returned.
	fail func(call int) error
	wake chan struct{}
}

// FailWith makes Accept ask f, with the number of the call from 1, and return its error if there is one.
func (s *Sink) FailWith(f func(call int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.calls = f, 0
}

// Full makes the sink answer that it is full until it is called with false.
func (s *Sink) Full(full bool) {
	if !full {
		s.FailWith(nil)
		return
	}
	s.FailWith(func(int) error { return Busy() })
}

// Busy is the error of a full sink.
func Busy() error { return fault.New(fault.Busy, "", "the spool is full") }

// Accept implements intake.Sink.
func (s *Sink) Accept(ctx context.Context, b *intake.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		if err := s.fail(s.calls); err != nil {
			return err
		}
	}
	kept := *b
	kept.Items = slices.Clone(b.Items) // the caller may use its memory again
	for i := range kept.Items {
		kept.Items[i].Data = bytes.Clone(kept.Items[i].Data)
	}
	s.batches = append(s.batches, kept)
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
	return nil
}

// Batches returns what was accepted so far.
func (s *Sink) Batches() []intake.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.batches)
}

// Items returns the data of all items accepted so far, in order.
func (s *Sink) Items() []string {
	var list []string
	for _, b := range s.Batches() {
		for _, it := range b.Items {
			list = append(list, string(it.Data))
		}
	}
	return list
}

// Wait waits until n items were accepted and returns all there are.
func (s *Sink) Wait(ctx context.Context, n int) ([]string, error) {
	for {
		s.mu.Lock()
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		wake := s.wake
		s.mu.Unlock()
		items := s.Items()
		if len(items) >= n {
			return items, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return items, fmt.Errorf("%d of %d items came: %w", len(items), n, ctx.Err())
		}
	}
}

// Refusal is a call of Observer.Refused.
type Refusal struct {
	Source, Input, Remote string
	Events                int
	Reason                string
}

// Observer remembers what it was told.
type Observer struct {
	mu       sync.Mutex
	events   int
	bytes    int
	refusals []Refusal
}

// Accepted implements gate.Observer.
func (o *Observer) Accepted(_, _, _ string, events, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events, o.bytes = o.events+events, o.bytes+bytes
}

// Refused implements gate.Observer.
func (o *Observer) Refused(source, input, remote string, events int, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusals = append(o.refusals, Refusal{source, input, remote, events, reason})
}

// Events returns how many events were counted as accepted.
func (o *Observer) Events() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.events
}

// Refusals returns what was refused so far.
func (o *Observer) Refusals() []Refusal {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.refusals)
}

type tokens struct{}

func (tokens) Authenticate(_ context.Context, secret string) (string, error) {
	if secret == Token {
		return Source, nil
	}
	return "", fault.New(fault.Unauthentic, "", "unknown token")
}

// Now is the time of every gate of the tests.
func Now() time.Time { return time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC) }

// New returns a gate over a sink in memory; opt's limits count, its surroundings are replaced.
func New(opt gate.Options) (*gate.Gate, *Sink, *Observer) {
	sink, observer := &Sink{}, &Observer{}
	opt.Tokens, opt.Sink, opt.Observer, opt.Now = tokens{}, sink, observer, Now
	opt.Local = func(secret string) bool { return secret == LocalToken }
	return gate.New(opt), sink, observer
}
