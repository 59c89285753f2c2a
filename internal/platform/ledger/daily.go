package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// VerifyLimit ends a verification that hangs.
	VerifyLimit = time.Hour
	// keptProblems is how many problems are kept of a verification.
	keptProblems = 100
)

// Verification is a verification that ended. It is a record: auditors see that it was done.
type Verification struct {
	Started, Ended time.Time // zero where there was none
	Failed         string    // why it could not be done; "" where it could
	Report         *Report   // nil where it failed
}

// Status is how far the verification is that runs, and how the last one ended.
type Status struct {
	Running      bool
	Leaves, Rows int64 // so far
	Last         Verification
}

// Problems is how many the last verification found.
func (s Status) Problems() int {
	if s.Last.Report == nil {
		return 0
	}
	return len(s.Last.Report.Problems) + s.Last.Report.Omitted
}

// runner is what people ask for a verification, and what they are told.
type runner struct {
	wanted chan struct{}
	turn   sync.Mutex // one verification at a time

	mu  sync.Mutex
	now Status // Last is of this process
}

// RequestVerification has Run verify the ledger now, unless it is at it.
func (l *Log) RequestVerification() {
	l.runner.mu.Lock()
	defer l.runner.mu.Unlock()
	if l.runner.now.Running {
		return
	}
	l.runner.now.Running, l.runner.now.Leaves, l.runner.now.Rows = true, 0, 0
	select {
	case l.runner.wanted <- struct{}{}:
	default:
	}
}

// Status returns how far the verification is that runs here, and how the last one ended, on whichever node.
func (l *Log) Status(ctx context.Context) (Status, error) {
	l.runner.mu.Lock()
	now := l.runner.now
	l.runner.mu.Unlock()
	kept, err := l.LastVerification(ctx)
	if err == nil && kept.Ended.After(now.Last.Ended) {
		now.Last = kept
	}
	return now, err
}

// LastVerification returns the last verification that was kept, zero where there was none.
func (l *Log) LastVerification(ctx context.Context) (v Verification, err error) {
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		var started, ended int64
		var report string
		err := tx.QueryRow(`SELECT started, ended, failed, report FROM ledger_verification ORDER BY id DESC LIMIT 1`).Scan(&started, &ended, &v.Failed, &report)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		v.Started, v.Ended = db.Time(started), db.Time(ended)
		if v.Failed == "" {
			v.Report = new(Report)
			if err := json.Unmarshal([]byte(report), v.Report); err != nil {
				v.Report, v.Failed = nil, "what was kept of it cannot be read"
			}
		}
		return nil
	})
	if err != nil {
		return Verification{}, fmt.Errorf("reading the last verification: %w", err)
	}
	return v, nil
}

// VerifyAndKeep verifies and keeps how it ended, except where ctx ended it. The verification is returned even where it could not be kept.
func (l *Log) VerifyAndKeep(ctx context.Context, opt VerifyOptions) (Verification, error) {
	v := Verification{Started: time.Now().UTC()}
	report, err := l.Verify(ctx, opt)
	if ctx.Err() != nil {
		return v, context.Cause(ctx)
	}
	v.Ended, v.Report = time.Now().UTC(), report
	if err != nil {
		v.Failed = err.Error()
	}
	return v, errors.Join(err, l.keepVerification(ctx, v))
}

func (l *Log) keepVerification(ctx context.Context, v Verification) error {
	text := []byte("null")
	if v.Report != nil {
		kept := Report{Leaves: v.Report.Leaves, Rows: v.Report.Rows, Tables: v.Report.Tables, Checkpoints: v.Report.Checkpoints,
			Head: v.Report.Head, Omitted: v.Report.Omitted, Took: v.Report.Took, Problems: v.Report.Problems}
		if more := len(kept.Problems) - keptProblems; more > 0 {
			kept.Problems, kept.Omitted = kept.Problems[:keptProblems], kept.Omitted+more
		}
		var err error
		if text, err = json.Marshal(&kept); err != nil {
			return fmt.Errorf("keeping a verification: %w", err)
		}
	}
	err := l.db.Write(ctx, func(tx *db.Tx) error {
		id := db.NewID()
		_, err := tx.Exec(`INSERT INTO ledger_verification (id, started, ended, failed, report) VALUES ($1, $2, $3, $4, $5)`,
			id, db.Micros(v.Started), db.Micros(v.Ended), v.Failed, string(text))
		if err != nil {
			return err
		}
		return l.Append(tx, Entry{Table: "ledger_verification", Key: id, Action: "verify"})
	})
	if err != nil {
		return fmt.Errorf("keeping a verification: %w", err)
	}
	return nil
}

// runVerifications verifies when somebody asks, until ctx ends.
func (l *Log) runVerifications(ctx context.Context, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.runner.wanted:
		}
		_ = l.VerifyNow(ctx, log) // it is in the log, and on the page
	}
}

// VerifyNow verifies, keeps how it ended, and tells Status and the log. Its error says why the verification could not be done; problems that
// were found are one, too (fault.Conflict). Where one runs already, it waits for its turn.
func (l *Log) VerifyNow(ctx context.Context, log *slog.Logger) error {
	l.runner.turn.Lock()
	defer l.runner.turn.Unlock()
	limit, cancel := context.WithTimeout(ctx, VerifyLimit)
	defer cancel()
	l.progress(0, 0)
	v, err := l.VerifyAndKeep(limit, VerifyOptions{Progress: l.progress})
	if ctx.Err() == nil {
		if v.Ended.IsZero() { // it took too long
			v.Ended, v.Failed = time.Now().UTC(), err.Error()
		}
		if err != nil {
			log.Error("the ledger could not be verified", "error", err)
		}
		if v.Report != nil && !v.Report.OK() {
			first := v.Report.Problems[0]
			log.Error("the ledger does not verify: records were changed behind its back", "problems", len(v.Report.Problems)+v.Report.Omitted,
				"first", string(first.Kind), "table", first.Table, "key", first.Key)
		}
	}
	l.runner.mu.Lock()
	defer l.runner.mu.Unlock()
	last := l.runner.now.Last
	if !v.Ended.IsZero() {
		last = v
	}
	l.runner.now = Status{Last: last}
	if n := (Status{Last: v}).Problems(); err == nil && n > 0 {
		err = fault.New(fault.Conflict, "", "the ledger does not verify: it found %d problems", n)
	}
	return err
}

func (l *Log) progress(leaves, rows int64) {
	l.runner.mu.Lock()
	defer l.runner.mu.Unlock()
	l.runner.now.Running, l.runner.now.Leaves, l.runner.now.Rows = true, leaves, rows
}
