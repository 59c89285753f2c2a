package rule

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// Options is what a library needs.
type Options struct {
	LoadOptions         // States is left aside where there are States of a database
	States      *States // where rules stand; nil: where LoadOptions says
	// Records have the kind of RecordKind; nil: rules are no records.
	Records *record.Store
	Ledger  *ledger.Log
	Log     *slog.Logger
}

// Library is a set of rules that follows its files, and where they stand. It is safe for concurrent use.
type Library struct {
	opt      Options
	log      *slog.Logger
	current  atomic.Pointer[Set]
	reloaded chan struct{} // has something in it when the set is another than the records were brought in step with
	poked    chan struct{} // capacity 1: Watch is to look

	// One reload, or one look at the states, at a time. Who holds it reads the database and never writes it: a change of a state is committed
	// without it, and taken up afterwards (Follow).
	mu     sync.Mutex
	files  map[string]*parsed
	states map[string]State
	begin  map[string]State // where rules that were added here begin, until their records say it
}

// Open loads the rules. Broken ones are in the set's problems; the error is for what keeps all from loading.
func Open(ctx context.Context, opt Options) (*Library, error) {
	if opt.Taxonomy == nil {
		return nil, errors.New("loading rules: no taxonomy")
	}
	l := &Library{opt: opt, log: opt.Log, reloaded: make(chan struct{}, 1), poked: make(chan struct{}, 1), begin: make(map[string]State)}
	if l.log == nil {
		l.log = slog.Default()
	}
	if err := l.Reload(ctx); err != nil {
		return nil, err
	}
	if opt.States != nil {
		opt.States.library.Store(l)
	}
	return l, nil
}

// Matcher returns the compiled rules that run now.
func (l *Library) Matcher() *sigma.Matcher { return l.current.Load().Matcher }

// Set returns the rules as they are now.
func (l *Library) Set() *Set { return l.current.Load() }

// Lint returns what is wrong with the rules: what is refused, and what runs but may never match here.
func (l *Library) Lint() []sigma.Problem { return slices.Clone(l.Set().Problems) }

// Rule returns the rule with that key, or a fault.NotFound.
func (l *Library) Rule(key string) (*Rule, error) {
	if r, ok := l.Set().Rule(key); ok {
		return r, nil
	}
	return nil, fault.New(fault.NotFound, "rule.fault.not_found", "no rule %q is loaded", key)
}

// Reload reads what changed and puts the new set in the place of the old one.
func (l *Library) Reload(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reload(ctx)
}

func (l *Library) reload(ctx context.Context) error {
	start := time.Now()
	load := l.opt.LoadOptions
	var err error
	if load.States, err = l.readStates(ctx); err != nil {
		return err
	}
	set, files := load.load(l.files)
	l.files, l.states = files, load.States
	l.current.Store(set)
	select {
	case l.reloaded <- struct{}{}:
	default:
	}
	l.log.Info("rules loaded", "files", set.Files, "rules", len(set.Rules), "active", set.Active(), "problems", len(set.Problems),
		"took", time.Since(start).Round(time.Millisecond))
	return nil
}

const (
	// coalesce is how long a change of a state waits for others: a bulk action, or a program that makes one after the other, changes the set once.
	coalesce = 50 * time.Millisecond
	// lookAgain is how often the states are looked at anyway: another node may have changed them.
	lookAgain = 30 * time.Second
)

// Follow takes up changes of states and brings the records in step with the files, until ctx ends. It returns nil then. A change takes effect
// coalesce after its commit, plus the milliseconds of reading the states: nothing is compiled for it.
func (l *Library) Follow(ctx context.Context) error {
	if l.opt.States == nil {
		return nil
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	behind := false // the records, because the last try failed
	for {
		states := true
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-l.reloaded:
			behind, states = true, false
		case <-l.opt.States.changed:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(coalesce):
			}
		}
		if states {
			if err := l.Restate(ctx); err != nil && ctx.Err() == nil {
				l.log.Error("the states of rules could not be read; the old ones stay in use", "error", err)
			}
		}
		if behind {
			err := l.Mirror(ctx)
			if behind = err != nil; behind && ctx.Err() == nil {
				l.log.Error("the records of rules are not in step with their files; it is tried again", "error", err)
			}
		}
	}
}

// readStates reads where rules stand, with where those begin that have no record yet.
func (l *Library) readStates(ctx context.Context) (states map[string]State, err error) {
	states = maps.Clone(l.opt.LoadOptions.States)
	if l.opt.States != nil {
		states, err = l.opt.States.All(ctx)
	}
	if states == nil {
		states = make(map[string]State)
	}
	for key, state := range l.begin {
		if _, ok := states[key]; !ok {
			states[key] = state
		}
	}
	return states, err
}

// Restate has the rules stand where the database says, and returns once the set of that is in use. The matcher a caller holds stays as it is.
func (l *Library) Restate(ctx context.Context) error {
	if l.opt.States == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	states, err := l.readStates(ctx)
	if err != nil || maps.Equal(states, l.states) {
		return err
	}
	l.states = states
	l.current.Store(l.Set().with(states))
	return nil
}

// Source returns a rule's text as its file has it.
func (l *Library) Source(key string) (string, error) {
	r, err := l.Rule(key)
	if err != nil {
		return "", err
	}
	return r.text()
}
