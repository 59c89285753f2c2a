package pipeline

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// Status is the pipeline's state at one moment. Counts are since the start.
type Status struct {
	Spool     spool.Stats
	Committed spool.Position // everything before it is stored and its matches are recorded
	Events    int64          // stored
	Errors    int64          // of them, those that could not be read
	Matches   int64
	Panics    int64 // events that made a parser or a rule fail
	Replayed  int64 // events that were replayed and already stored
	Damaged   int64 // bytes of the spool that could not be read
	Damage    string
	// Correlations is what they keep, and what they could not.
	Correlations sigma.CorrelatorStats
	// What does not work at present; zero where all is well.
	Store, Recorder, Reading Trouble
}

// Trouble is a failure that lasts.
type Trouble struct {
	Since time.Time
	Error string // the latest
}

// Status returns the pipeline's present state.
func (p *Pipeline) Status() Status {
	s := &p.state
	st := Status{
		Spool: p.spool.Stats(), Committed: p.committed.position(),
		Events: s.events.Load(), Errors: s.failed.Load(), Matches: s.matches.Load(),
		Panics: s.panics.Load(), Replayed: s.replayed.Load(), Damaged: s.damaged.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Damage, st.Correlations = s.damage, s.correlations
	st.Store, st.Recorder, st.Reading = Trouble(s.store), Trouble(s.record), Trouble(s.reading)
	return st
}

// correlated notes what the correlations keep.
func (s *state) correlated(stats sigma.CorrelatorStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.correlations = stats
}

type trouble Trouble

// trouble notes how the latest try went.
func (s *state) trouble(t *trouble, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		*t = trouble{}
		return
	}
	if t.Since.IsZero() {
		t.Since = time.Now()
	}
	t.Error = err.Error()
}

// backoff waits longer after each failure, from 0.1 s to 5 s.
type backoff struct{ last time.Duration }

// log tells the first failure loudly and those that follow it quietly: what goes on is told by Status.
func (b *backoff) log(log *slog.Logger, message string, err error) {
	level := slog.LevelError
	if b.last > 0 {
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, message, "error", err)
}

func (b *backoff) sleep(ctx context.Context) error {
	b.last = min(max(2*b.last, 100*time.Millisecond), 5*time.Second)
	// Workers that failed together should not come back together.
	timer := time.NewTimer(b.last/2 + rand.N(b.last/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
