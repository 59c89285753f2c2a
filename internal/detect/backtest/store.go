package backtest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// Options are a store's surroundings.
type Options struct {
	DB      *db.DB
	Records *record.Store // the kind is registered
	Events  Events
	// Rules puts the library's rules of a scope, or the one with that key, into a plan, and the filters that concern them. Errors: fault.NotFound.
	Rules func(plan *Plan, scope, key string) error
	Sigma sigma.Options
	// Live counts what rules matched between two times while the events came in, by key.
	Live func(ctx context.Context, from, to time.Time) (map[string]int64, error)
}

// Store keeps backtests and works them off.
type Store struct {
	opt   Options
	queue *jobs.Queue
}

// New makes a store.
func New(opt Options) *Store { return &Store{opt: opt} }

// keepEvery is how much work an interruption may cost.
const keepEvery = 5 * time.Second

// Work has a queue's jobs do the work.
func (s *Store) Work(q *jobs.Queue) {
	s.queue = q
	s.opt.Records.Listen(s.heard)
	jobs.Register(q, jobs.Spec{Name: "backtest.run", Owner: Name, Attempts: 5, Timeout: 48 * time.Hour, Concurrency: 1},
		func(ctx context.Context, x task) error { return s.work(ctx, x.Backtest) })
}

// task is a job's payload.
type task struct{ Backtest string }

// heard has a new backtest worked off, and one that is to run again.
func (s *Store) heard(tx *db.Tx, e record.Event) error {
	r := e.Record
	if r.Kind.Name != Name || !r.DeletedAt.IsZero() {
		return nil
	}
	move, _ := record.MoveOf(e.Action)
	switch {
	case e.Before == nil || move == "again":
		if _, err := tx.Exec(`DELETE FROM backtest_result WHERE id = $1`, r.ID); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE backtest_backtest SET outcome = $2, progress = 0, events = 0, matches = 0 WHERE id = $1`, r.ID, Waiting); err != nil {
			return err
		}
		_, err := s.queue.Add(tx, "backtest.run", task{r.ID}, jobs.Unique(r.ID))
		return err
	case r.State == cancelled:
		_, err := tx.Exec(`UPDATE backtest_backtest SET outcome = $2 WHERE id = $1 AND outcome IN ($3, $4)`, r.ID, Stopped, Waiting, Running)
		return err
	}
	return nil
}

// Check tells what is wrong with a new backtest.
func (s *Store) Check(r *record.Record) error {
	since, until := moment(r, "since"), moment(r, "until")
	if !since.Before(until) {
		return record.Wrong{"until": fault.New(fault.Invalid, "backtest.fault.time", "the time from %s to %s is none", since, until)}
	}
	err := s.fill(&Plan{}, r)
	if err == nil {
		return nil
	}
	if r.Str("scope") == ScopeText {
		return record.Wrong{"text": err}
	}
	return record.Wrong{"rule": err}
}

func moment(r *record.Record, field string) time.Time {
	at, _ := r.Get(field).(time.Time)
	return at
}

// fill puts the rules that a backtest is about into its plan.
func (s *Store) fill(plan *Plan, r *record.Record) (err error) {
	if r.Str("scope") == ScopeText {
		plan.Rules, plan.Filters, err = Parse(r.Str("text"))
		return err
	}
	if err := s.opt.Rules(plan, r.Str("scope"), r.Str("rule")); err != nil {
		return err
	}
	if len(plan.Rules) == 0 {
		return fault.New(fault.Invalid, "backtest.fault.none", "no rule is of the scope %s", r.Str("scope"))
	}
	return nil
}

// Parse reads rules, correlations and filters of a text. Errors: fault.Invalid, with what is wrong with the first that is.
func Parse(text string) (rules []*sigma.Rule, filters []*sigma.Filter, err error) {
	file, err := sigma.Parse("rules.yml", []byte(text))
	if err != nil {
		return nil, nil, unreadable(err)
	}
	for _, d := range file.Documents {
		switch {
		case d.Rule != nil:
			rules = append(rules, d.Rule)
		case d.Filter != nil:
			filters = append(filters, d.Filter)
		}
		for _, p := range d.Problems {
			if !p.Loaded() {
				return nil, nil, unreadable(p)
			}
		}
	}
	if len(rules) == 0 {
		return nil, nil, fault.New(fault.Invalid, "backtest.fault.empty", "the text has no rule")
	}
	return rules, filters, nil
}

// unreadable says what is wrong with a text, with its line.
func unreadable(why error) error {
	return &fault.Error{Code: fault.Invalid, Key: "backtest.fault.text", Args: []any{why.Error()}, Detail: why.Error()}
}

// errStopped ends a run that somebody cancelled.
var errStopped = errors.New("it was cancelled")

// work runs a backtest, or goes on with it.
func (s *Store) work(ctx context.Context, id string) error {
	r, err := s.opt.Records.Get(ctx, record.System(), Name, id)
	if fault.Is(err, fault.NotFound) || err == nil && (r.State != open || !r.DeletedAt.IsZero()) {
		return nil // nobody wants it any more
	}
	if err != nil {
		return err
	}
	plan := Plan{Options: s.opt.Sigma, From: moment(r, "since"), To: moment(r, "until"), Rest: true}
	if err := s.fill(&plan, r); err != nil {
		return s.failed(ctx, id, err)
	}
	before, _, err := s.Result(ctx, id)
	if err != nil {
		return err
	}
	kept := time.Now()
	result, err := Run(ctx, s.opt.Events, plan, before, func(so *Result) error {
		if time.Since(kept) < keepEvery {
			return nil
		}
		kept = time.Now()
		return s.keep(ctx, r, so, Running)
	})
	if err == nil {
		err = s.finish(ctx, r, result)
	}
	if errors.Is(err, errStopped) {
		return s.stopped(ctx, id)
	}
	now, _ := jobs.Current(ctx)
	if err != nil && ctx.Err() == nil && (now.Last || fault.Is(err, fault.Invalid)) {
		return errors.Join(s.failed(ctx, id, err), jobs.Final(err))
	}
	return err
}

// stopped ends a run that nobody wants any more. One whose backtest was changed in the meantime is taken up again, as the backtest is now.
func (s *Store) stopped(ctx context.Context, id string) error {
	r, err := s.opt.Records.Get(ctx, record.System(), Name, id)
	if fault.Is(err, fault.NotFound) || err == nil && (r.State != open || !r.DeletedAt.IsZero()) {
		return nil
	}
	if err == nil {
		err = errors.New("the backtest was changed while it ran")
	}
	return err
}

func (s *Store) finish(ctx context.Context, r *record.Record, result *Result) error {
	if s.opt.Live != nil {
		live, err := s.opt.Live(ctx, result.From, result.To)
		if err != nil {
			return err
		}
		for key, x := range result.Rules {
			x.Live = live[key]
		}
	}
	return s.keep(ctx, r, result, Done)
}

// keep writes what was found so far; errStopped where nobody wants more, or where somebody has had it run again since.
func (s *Store) keep(ctx context.Context, r *record.Record, result *Result, outcome string) error {
	text, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		done, err := tx.Exec(`UPDATE backtest_backtest SET outcome = $2, progress = $3, events = $4, matches = $5 WHERE id = $1 AND state = $6 AND deleted_at = 0 AND version = $7`,
			r.ID, outcome, int64(100*result.Share()), result.Events, result.Matches, open, r.Version)
		if err != nil {
			return err
		}
		if done == 0 {
			return errStopped
		}
		return put(tx, r.ID, "", string(text))
	})
}

// failed says on the backtest's page why it failed.
func (s *Store) failed(ctx context.Context, id string, why error) error {
	text := why.Error()
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`UPDATE backtest_backtest SET outcome = $2 WHERE id = $1`, id, Failed); err != nil {
			return err
		}
		return put(tx, id, strings.ToValidUTF8(text[:min(len(text), 1000)], ""), "")
	})
}

func put(tx *db.Tx, id, problem, result string) error {
	_, err := tx.Exec(`INSERT INTO backtest_result (id, problem, result) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET problem = excluded.problem, result = excluded.result`, id, problem, result)
	return err
}

// Result is what a backtest came to so far, nil for nothing yet, and why its run failed.
func (s *Store) Result(ctx context.Context, id string) (result *Result, problem string, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		type row struct{ problem, result string }
		rows, err := db.List(tx, func(r db.Scanner) (x row, err error) { return x, r.Scan(&x.problem, &x.result) },
			`SELECT problem, result FROM backtest_result WHERE id = $1`, id)
		if err != nil || len(rows) == 0 {
			return err
		}
		problem = rows[0].problem
		if rows[0].result == "" {
			return nil
		}
		result = new(Result)
		return json.Unmarshal([]byte(rows[0].result), result)
	})
	return result, problem, err
}
