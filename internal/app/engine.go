// Package app wires the program: configuration, engines, rooms, run, stop in reverse. It is the only place that does, and holds
// nothing else.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/noise"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/risk"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/rulesource"
	"yagura/internal/detect/search"
	"yagura/internal/detect/source"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/record/notices"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// Engine is everything between the inputs and the pages: it takes batches, stores events, raises alerts, answers searches.
// The server has one, and so has a command that works on a stopped server's data folder.
type Engine struct {
	*Records
	Spool     *spool.Spool
	Store     *logstore.Store
	Taxonomy  *taxonomy.Taxonomy
	Alerts    *alert.Store
	Noise     *noise.Store
	Backtests *backtest.Store
	Risk      *risk.Store
	Stats     *source.Stats
	Tokens    *source.Tokens
	Pipeline  *pipeline.Pipeline
	Search    *search.Service
	States    *rule.States
	Rules     *rule.Library // nil until LoadRules
	Sources   *rulesource.Store

	log     *slog.Logger
	started bool
}

// lateness is how much later than the newest event one may come and still be correlated: a forwarder that had lost its line for
// a while. What says something of a whole timespan waits for it.
const lateness = 30 * time.Minute

// Open opens the engines in the configured data folder, which no other process may have open. It takes batches at once (they
// wait in the spool); LoadRules and Start make them events.
func Open(ctx context.Context, c *config.Config, opt RecordsOptions) (e *Engine, err error) {
	e = &Engine{Records: &Records{Config: c}, log: opt.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := makeDataFolder(c); err != nil {
		return e, err
	}
	// The spool is first: its lock keeps a second process from the folder.
	if e.Spool, err = spool.Open(e.path("spool"), spool.Options{MaxBytes: int64(c.Spool.Max)}); err != nil {
		return e, err
	}
	if e.Records, err = OpenRecords(ctx, c, opt); err != nil {
		return e, err
	}
	if e.Store, err = logstore.Open(e.path("events"), logstore.Options{
		Retention: time.Duration(c.Store.Retention), MaxDisk: int64(c.Store.MaxDisk), MinFree: int64(c.Store.MinFree),
	}); err != nil {
		return e, err
	}
	if e.Taxonomy, err = taxonomy.Load(); err != nil {
		return e, err
	}
	if err := e.Record.Register(ctx, alert.RecordKind(e.ruleTitles)); err != nil {
		return e, err
	}
	if err := e.openSources(ctx); err != nil {
		return e, err
	}
	if err := e.openNoise(ctx); err != nil {
		return e, err
	}
	e.States = rule.NewStates(e.DB)
	if err := e.Record.Register(ctx, rule.RecordKind(e.ruleTitles, e.States.Moved)); err != nil {
		return e, err
	}
	e.Alerts = alert.NewStore(e.DB, alert.Options{
		Window: time.Duration(c.Alerts.Window), Ledger: e.Ledger, Records: e.Record, Units: e.Accounts, Rules: e.States, Notify: e.Notify,
		Noise: e.Noise, Follower: e.Risk, Flood: int64(c.Alerts.Flood),
	})
	e.registerRuleJobs()
	if err := e.openBacktests(ctx); err != nil {
		return e, err
	}
	notices.Wire(e.Record, e.Notify) // all kinds of records are registered
	if e.Tokens, err = source.OpenTokens(ctx, e.DB, e.Ledger); err != nil {
		return e, err
	}
	if e.Stats, err = source.OpenStats(ctx, e.DB); err != nil {
		return e, err
	}
	e.Search = search.NewService(e.Store, nil)
	e.Pipeline, err = pipeline.New(ctx, pipeline.Options{
		Spool: e.Spool, Store: pipeline.LogStore(e.Store), CursorFile: e.path("cursor"), Log: opt.Log,
		Normaliser: func() pipeline.Normaliser { return normalise.New(e.Taxonomy) },
		Matcher:    e.matcher, Correlations: e.correlations, Correlator: sigma.CorrelatorOptions{Lateness: lateness}, Recorder: e.Alerts, Observer: e.Stats,
	})
	return e, err
}

func (e *Engine) path(name string) string { return filepath.Join(e.Config.Data, name) }

// AddedRules is the folder of rules that were added by hand.
func AddedRules(data string) string { return filepath.Join(data, "rules") }

// RuleOptions are the configured rule folders.
func RuleOptions(c *config.Config, tax *taxonomy.Taxonomy) (rule.LoadOptions, error) {
	opt := rule.LoadOptions{Builtin: c.Rules.Builtin, Paths: c.Rules.Dirs, Added: AddedRules(c.Data), Taxonomy: tax}
	if c.Rules.Placeholders == "" {
		return opt, nil
	}
	text, err := os.ReadFile(c.Rules.Placeholders)
	if err != nil {
		return opt, fault.New(fault.Invalid, "fault.config.file", "rules.placeholders: %w", err)
	}
	if err := yaml.Unmarshal(text, &opt.Placeholders); err != nil {
		return opt, fault.New(fault.Invalid, "fault.config.file", "rules.placeholders: %s: %w", c.Rules.Placeholders, err)
	}
	return opt, nil
}

// LoadRules loads the rules, which with thousands of them takes a second: the inputs take events meanwhile.
func (e *Engine) LoadRules(ctx context.Context) error {
	opt, err := RuleOptions(e.Config, e.Taxonomy)
	if err != nil {
		return err
	}
	for _, path := range opt.Paths {
		if _, err := os.Stat(path); err != nil {
			e.log.Warn("rules.dirs names what is not there: no rules come from it", "error", err)
		}
	}
	opt.Trees = e.trees
	e.Rules, err = rule.Open(ctx, rule.Options{LoadOptions: opt, States: e.States, Records: e.Record, Ledger: e.Ledger, Log: e.log})
	return err
}

// openSources opens the sources of rules.
func (e *Engine) openSources(ctx context.Context) error {
	if err := e.Record.Register(ctx, rulesource.Kind()); err != nil {
		return err
	}
	how, err := outgoingOptions(e.Config.Outgoing)
	if err != nil {
		return err
	}
	e.Sources, err = rulesource.Open(rulesource.Options{
		DB: e.DB, Ledger: e.Ledger, Records: e.Record, Blobs: e.Blobs, Keys: e.Keys, Notify: e.Notify, HTTP: how, Dir: e.path("rulesources"),
		Folders: e.Config.Rules.Sources, Log: e.log, Key: alert.RuleKey, Local: e.ownRule, Reload: e.reloadRules,
	})
	if err != nil {
		return err
	}
	e.Sources.Work(e.Jobs, e.Organisation.Zone)
	return nil
}

// ownRule tells whether a rule that was added here counts, or one of a configured folder, whatever a source brings.
func (e *Engine) ownRule(key string) bool {
	if e.Rules == nil {
		return false
	}
	r, err := e.Rules.Rule(key)
	return err == nil && (r.Origin == rule.Added || r.Origin == rule.Folder)
}

// reloadRules has other rules used soon; it does not wait for that.
func (e *Engine) reloadRules() {
	if e.Rules != nil {
		e.Rules.Poke()
	}
}

// trees are the rule files of the sources. What cannot be had is missing until it can.
func (e *Engine) trees() ([]rule.Tree, error) {
	found, err := e.Sources.Trees(context.Background())
	if err != nil {
		e.log.Error("rules of a source are missing", "error", err)
	}
	list, taken := make([]rule.Tree, len(found)), map[string]bool{"builtin": true}
	for i, t := range found {
		if taken[t.Title] { // files of two sources must not have the same names
			t.Title += " (" + t.ID[max(0, len(t.ID)-6):] + ")"
		}
		taken[t.Title] = true
		list[i] = rule.Tree{Name: t.Title, FS: t.FS, Starts: t.Starts}
	}
	return list, err
}

// ruleTitles are a rule's titles, by which its alerts are found; none before the rules are loaded.
func (e *Engine) ruleTitles(key string) []string {
	if e.Rules == nil {
		return nil
	}
	return e.Rules.TitlesOf(key)
}

// Start begins to work off the spool. Load the rules first.
func (e *Engine) Start() {
	e.started = true
	e.Pipeline.Start()
}

// Close stops the work and closes the engines, the last opened first. What was accepted and not worked off stays in the spool.
func (e *Engine) Close(ctx context.Context) error {
	var errs []error
	if e.Pipeline != nil {
		errs = append(errs, e.Pipeline.Stop(ctx))
	}
	if e.Store != nil {
		errs = append(errs, e.Store.Close())
		if e.started {
			errs = append(errs, e.Pipeline.Settle())
		}
	}
	if e.Sources != nil {
		errs = append(errs, e.Sources.Close())
	}
	if e.Records != nil {
		errs = append(errs, e.Records.Close())
	}
	if e.Spool != nil {
		errs = append(errs, e.Spool.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}

// correlations are those of the moment.
func (e *Engine) correlations() *sigma.Correlations {
	if e.Rules == nil {
		return nil
	}
	return e.Rules.Set().Correlations
}

// matcher is the rules of the moment.
func (e *Engine) matcher() *sigma.Matcher {
	if e.Rules == nil {
		return nil
	}
	return e.Rules.Matcher()
}
