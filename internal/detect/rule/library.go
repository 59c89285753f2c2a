package rule

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/sigma"
)

// Options is what a library needs.
type Options struct {
	LoadOptions        // Disabled is left aside where there is a DB
	DB          *db.DB // keeps which rules are disabled; nil keeps it nowhere
	Ledger      *ledger.Log
	Log         *slog.Logger
}

// Library is a set of rules that follows its files. It is safe for concurrent use.
type Library struct {
	opt     Options
	log     *slog.Logger
	current atomic.Pointer[Set]
	poked   chan struct{} // capacity 1: Watch is to look

	mu     sync.Mutex // one reload at a time
	files  map[string]*parsed
	loaded time.Time
}

// Open loads the rules. Broken ones are in the set's problems; the error is for what keeps all from loading.
func Open(ctx context.Context, opt Options) (*Library, error) {
	if opt.Taxonomy == nil {
		return nil, errors.New("loading rules: no taxonomy")
	}
	l := &Library{opt: opt, log: opt.Log, poked: make(chan struct{}, 1)}
	if l.log == nil {
		l.log = slog.Default()
	}
	if err := l.Reload(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Matcher returns the compiled rules that are enabled now.
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
	if l.opt.DB != nil {
		disabled, err := DisabledIn(ctx, l.opt.DB)
		if err != nil {
			return err
		}
		load.Disabled = disabled
	}
	set, files := load.load(l.files)
	l.files, l.loaded = files, time.Now()
	l.current.Store(set)
	l.log.Info("rules loaded", "files", set.Files, "rules", len(set.Rules), "active", set.Active(), "problems", len(set.Problems),
		"took", time.Since(start).Round(time.Millisecond))
	return nil
}

// SetEnabled turns rules on or off and returns once that is kept and the new set is in use: within milliseconds, as
// nothing is read or compiled for it. The matcher a caller holds stays as it is.
func (l *Library) SetEnabled(ctx context.Context, keys []string, actor string, enabled bool) error {
	if l.opt.DB == nil {
		return fault.New(fault.Unavailable, "rule.fault.no_state", "there is no database to keep which rules are disabled")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	set := l.Set()
	var normal []string
	change := make(map[string]bool, len(keys))
	for _, key := range keys {
		r, ok := set.Rule(key)
		if !ok {
			return fault.New(fault.NotFound, "rule.fault.not_found", "no rule %q is loaded", key)
		}
		if !change[r.Key] {
			change[r.Key], normal = true, append(normal, r.Key)
		}
	}
	if err := setEnabled(ctx, l.opt.DB, l.opt.Ledger, normal, actor, enabled); err != nil {
		return err
	}
	// Nothing below can fail or be called off: what the database says is what is in use.
	l.current.Store(set.with(func(key string) bool {
		if change[key] {
			return !enabled
		}
		return !set.byKey[key].Enabled
	}))
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
