package app

import (
	"context"
	"log/slog"
	"time"

	"yagura/internal/detect/rulesource"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/calendar"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
)

// fileUsers are all who put files into the store. Whoever comes to do so must be among them: what none of them uses is taken away.
func (x *Records) fileUsers() []blob.User { return []blob.User{x.Record.Used, rulesource.Uses(x.DB)} }

// regular has something done at regular times, once for all nodes.
func (x *Records) regular(spec jobs.Spec, when string, do func(ctx context.Context) error) {
	spec.Single = true
	jobs.Register(x.Jobs, spec, func(ctx context.Context, _ struct{}) error { return do(ctx) })
	x.Jobs.Schedule(spec.Name, jobs.MustCron(when, x.Organisation.Zone), spec.Name, struct{}{})
}

// registerRuleJobs keeps up the figures that lists of rules show.
func (e *Engine) registerRuleJobs() {
	e.regular(jobs.Spec{Name: "rule.figures", Owner: "rule", Attempts: 1}, "*/2 * * * *", func(ctx context.Context) error {
		return e.States.Figures(ctx, e.Alerts, time.Now())
	})
}

// registerJobs has the regular work of the floor done by jobs: once, however many nodes there are, and where people see how it went.
// Rooms register theirs where they are made.
func (x *Records) registerJobs(log *slog.Logger) {
	regular := x.regular
	regular(jobs.Spec{Name: "ledger.verify", Owner: "ledger", Attempts: 3, Timeout: ledger.VerifyLimit}, "30 3 * * *", func(ctx context.Context) error {
		err := x.Ledger.VerifyNow(ctx, log)
		if fault.Is(err, fault.Conflict) {
			return jobs.Final(err) // it was verified; doing so again finds the same
		}
		return err
	})
	regular(jobs.Spec{Name: "auth.sweep", Owner: "auth", Attempts: 2}, "*/10 * * * *", func(ctx context.Context) error {
		return x.Accounts.Sweep(ctx)
	})
	regular(jobs.Spec{Name: "record.remind", Owner: "record", Attempts: 2}, "*/5 * * * *", func(ctx context.Context) error {
		_, err := x.Record.Remind(ctx)
		return err
	})
	regular(jobs.Spec{Name: "record.due", Owner: "record", Attempts: 2}, "*/15 * * * *", func(ctx context.Context) error {
		// Until the next business day is over: on a Friday, people hear of Monday.
		next := x.Organisation.Calendar.NextBusinessDay(calendar.DateOf(time.Now().In(x.Organisation.Zone)))
		ahead := next.AddDays(1).At(0, 0, x.Organisation.Zone)
		if _, err := x.Record.RemindDue(ctx, ahead); err != nil {
			return err
		}
		_, err := x.Record.RemindApprovals(ctx, ahead)
		return err
	})
	regular(jobs.Spec{Name: "record.uploads", Owner: "record", Attempts: 2}, "*/10 * * * *", func(ctx context.Context) error {
		return x.Record.ForgetUploads(ctx)
	})
	regular(jobs.Spec{Name: "record.index", Owner: "record", Attempts: 2, Timeout: time.Hour}, "20 * * * *", func(ctx context.Context) error {
		for _, k := range x.Record.Kinds() {
			if _, err := x.Record.Reindex(ctx, k.Name); err != nil {
				return err
			}
		}
		return nil
	})
	regular(jobs.Spec{Name: "record.purge", Owner: "record", Attempts: 3, Timeout: time.Hour}, "10 4 * * *", func(ctx context.Context) error {
		if _, err := x.Record.Purge(ctx); err != nil {
			return err
		}
		_, err := x.Blobs.Sweep(ctx, blob.Grace, x.fileUsers()...)
		return err
	})
}
