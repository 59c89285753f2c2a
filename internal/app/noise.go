package app

import (
	"context"
	"time"

	"yagura/internal/detect/noise"
	"yagura/internal/detect/risk"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// silencing is what the organisation wants of exceptions and suppressions.
func (e *Engine) silencing() noise.Policy {
	return noise.Policy{FourEyes: e.Config.Alerts.FourEyes, Longest: time.Duration(e.Config.Alerts.ExceptionMax)}
}

// openNoise opens what keeps rules from alerting, and what adds up their alerts. The filters of exceptions mean what the rules mean.
func (e *Engine) openNoise(ctx context.Context) error {
	if err := e.Record.Register(ctx, noise.ExceptionKind(e.silencing())); err != nil {
		return err
	}
	if err := e.Record.Register(ctx, noise.SuppressionKind(e.silencing())); err != nil {
		return err
	}
	opt, err := RuleOptions(e.Config, e.Taxonomy)
	if err != nil {
		return err
	}
	e.Noise = noise.New(noise.Options{
		DB: e.DB, Records: e.Record, Rules: e.sigmaRules, Sigma: sigma.Options{Taxonomy: e.Taxonomy, Placeholders: opt.Placeholders},
	})
	c := e.Config.Alerts
	e.Risk = risk.New(risk.Options{DB: e.DB, Threshold: c.RiskThreshold, HalfLife: time.Duration(c.RiskHalfLife), Notify: e.Notify})
	if err := e.Risk.Adopt(ctx); err != nil {
		return err
	}
	e.Record.Listen(e.Risk.Listen)
	e.regular(jobs.Spec{Name: "risk.sweep", Owner: "risk", Attempts: 2}, "40 4 * * *", e.Risk.Sweep)
	e.regular(jobs.Spec{Name: "noise.sweep", Owner: "noise", Attempts: 2}, "*/5 * * * *", e.Noise.Sweep)
	return nil
}

// sigmaRules are the rules there are, none before they are loaded.
func (e *Engine) sigmaRules() (list []*sigma.Rule) {
	if e.Rules == nil {
		return nil
	}
	for _, r := range e.Rules.Set().Rules {
		list = append(list, r.Rule)
	}
	return list
}

// noiseRoom is the pages of exceptions and suppressions.
func (s *Server) noiseRoom(site *web.Site, records *desk.Desk) (*noise.Room, []web.Module, error) {
	exceptions, err := s.Record.Kind(noise.Exception)
	if err != nil {
		return nil, nil, err
	}
	suppressions, err := s.Record.Kind(noise.Suppression)
	if err != nil {
		return nil, nil, err
	}
	room := noise.NewRoom(noise.RoomOptions{Site: site, Desk: records, Store: s.Noise, Alerts: s.Alerts, About: s.Rules, Policy: s.silencing()})
	return room, room.Modules(exceptions, suppressions), nil
}
