package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"
)

// maxError is the longest error that is kept, in bytes.
const maxError = 1000

// final is an error after which trying again has no sense.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Final says that the job failed for good: no further attempt would help.
func Final(err error) error {
	if err == nil {
		return nil
	}
	return final{err}
}

// delayed is an error that says when the next attempt has sense.
type delayed struct {
	error
	pause time.Duration
}

func (d delayed) Unwrap() error { return d.error }

// RetryAfter says that the next attempt has sense after so long, as a server's Retry-After does, instead of the job's own pause.
func RetryAfter(err error, pause time.Duration) error {
	if err == nil {
		return nil
	}
	return delayed{err, pause}
}

// Run is what a handler may know of its run.
type Run struct {
	ID      string // the job's, the same at every attempt: a key for idempotent calls
	Name    string
	Attempt int       // from 1
	Last    bool      // no further attempt will be made
	Added   time.Time // when the job was added
	AddedBy string    // by whom: a person's id, or "system"
}

type runKey struct{}

// Current returns the run whose handler has this context, false outside of one.
func Current(ctx context.Context) (Run, bool) {
	r, ok := ctx.Value(runKey{}).(Run)
	return r, ok
}

// pauseAfter is how long a job waits after so many attempts: doubling, and up to a fifth more by chance, so that what failed together
// does not come back together.
func (k kind) pauseAfter(attempts int, err error) time.Duration {
	if asked, ok := errors.AsType[delayed](err); ok {
		return max(asked.pause, 0)
	}
	pause := min(k.Backoff<<min(max(attempts-1, 0), 16), k.MaxBackoff)
	if pause <= 0 {
		pause = k.MaxBackoff // a shift that ran over
	}
	return pause + rand.N(pause/5+1)
}

// clip makes an error a line that can be stored and shown.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}
