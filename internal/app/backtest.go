package app

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/rule"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// openBacktests makes the records of backtests, and has jobs do their work.
func (e *Engine) openBacktests(ctx context.Context) error {
	opt, err := RuleOptions(e.Config, e.Taxonomy)
	if err != nil {
		return err
	}
	e.Backtests = backtest.New(backtest.Options{
		DB: e.DB, Records: e.Record, Events: e.Store, Rules: e.BacktestRules, Sigma: sigma.Options{Taxonomy: e.Taxonomy, Placeholders: opt.Placeholders},
		Live: func(ctx context.Context, from, to time.Time) (map[string]int64, error) {
			return alert.RuleMatches(ctx, e.DB, from, to)
		},
	})
	if err := e.Record.Register(ctx, backtest.Kind(func(r *record.Record) error { return e.Backtests.Check(r) })); err != nil {
		return err
	}
	e.Backtests.Work(e.Jobs)
	return nil
}

// BacktestRules puts rules of the library into the plan of a backtest. A correlation comes with all rules, for those that it refers to.
func (e *Engine) BacktestRules(plan *backtest.Plan, scope, key string) error {
	set := e.Rules.Set()
	plan.Filters = set.Filters()
	if scope == backtest.ScopeRule {
		one, err := e.Rules.Rule(key)
		if err != nil {
			return err
		}
		plan.Only = one.Key
		if one.Correlation == nil {
			plan.Rules = []*sigma.Rule{one.Rule}
			return nil
		}
		scope = backtest.ScopeAll
	}
	for _, r := range set.Rules {
		if scope == backtest.ScopeAll || r.State == rule.State(scope) {
			plan.Rules = append(plan.Rules, r.Rule)
		}
	}
	return nil
}

// besides puts what rooms show on a rule's page one below the other.
func besides(parts ...func(r *http.Request, key string) (template.HTML, error)) func(r *http.Request, key string) (template.HTML, error) {
	return func(r *http.Request, key string) (all template.HTML, err error) {
		for _, part := range parts {
			html, err := part(r, key)
			if err != nil {
				return "", err
			}
			all += html
		}
		return all, nil
	}
}
