package app

import (
	"context"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/coverage"
	"yagura/internal/detect/rule"
	"yagura/internal/platform/db"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// coverageRules are rules as coverage counts them.
func coverageRules(set *rule.Set) []coverage.Rule {
	list := make([]coverage.Rule, len(set.Rules))
	for i, r := range set.Rules {
		list[i] = coverage.Rule{Key: r.Key, Live: r.State == rule.Live && r.Active, Logsource: r.Logsource, Techniques: r.Techniques()}
	}
	return list
}

// coverage makes the pages, and has a job look at which log sources send events.
func (s *Server) coverage(site *web.Site) (*coverage.Room, error) {
	attack, err := coverage.Load()
	if err != nil {
		return nil, err
	}
	rules := func() []coverage.Rule { return coverageRules(s.Rules.Set()) }
	sources := &coverage.Sources{
		DB: s.DB, Events: s.Store, Taxonomy: s.Taxonomy, Logsources: func() []sigma.Logsource { return coverage.LogsourcesOf(rules()) },
	}
	spec := jobs.Spec{Name: "coverage.look", Owner: "coverage", Attempts: 2, Timeout: time.Hour, Single: true}
	jobs.Register(s.Jobs, spec, func(ctx context.Context, _ struct{}) error { return sources.Look(ctx, time.Now()) })
	s.Jobs.Schedule(spec.Name, jobs.MustCron("*/10 * * * *", s.Organisation.Zone), spec.Name, struct{}{})
	return coverage.NewRoom(site, coverage.RoomOptions{
		ATTACK: attack, Rules: rules, Sources: sources,
		Alerts: func(ctx context.Context, since time.Time) (map[string]int, error) {
			return alert.ByTechniques(ctx, s.DB, since)
		},
	}), nil
}

// Coverage is how rules stand against ATT&CK, with what a database knows of log sources and alerts; nil is none.
func Coverage(ctx context.Context, set *rule.Set, d *db.DB) (*coverage.Report, error) {
	attack, err := coverage.Load()
	if err != nil {
		return nil, err
	}
	f := coverage.Figures{Now: time.Now()}
	if d != nil {
		for _, s := range []store{{"record", record.Migrations(), nil}, {"alert", alert.Migrations(), nil}, {"coverage", coverage.Migrations(), nil}} {
			if err := d.Migrate(ctx, s.name, s.migrations); err != nil {
				return nil, err
			}
		}
		if f.Alerts, err = alert.ByTechniques(ctx, d, f.Now.Add(-coverage.AlertSpan)); err != nil {
			return nil, err
		}
		if f.Seen, f.Looked, err = (&coverage.Sources{DB: d}).Seen(ctx); err != nil {
			return nil, err
		}
	}
	return attack.Report(coverageRules(set), f), nil
}
