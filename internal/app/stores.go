package app

import (
	"context"
	"io/fs"
	"slices"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/coverage"
	"yagura/internal/detect/noise"
	"yagura/internal/detect/risk"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/rulesource"
	"yagura/internal/detect/search"
	"yagura/internal/detect/source"
	"yagura/internal/platform/access"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/once"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/record"
	"yagura/internal/platform/scim"
	"yagura/internal/platform/seal"
)

// store is what a room keeps in the database.
type store struct {
	name       string
	migrations fs.FS // nil: the room applies them when it is opened
	tables     []ledger.Table
}

// stores is every room that keeps something.
func stores() []store {
	return []store{
		{"access", access.Migrations(), access.Tables()},
		{"auth", auth.Migrations(), auth.Tables()},
		{"scim", scim.Migrations(), scim.Tables()},
		{"approval", approval.Migrations(), approval.Tables()},
		{"jobs", jobs.Migrations(), jobs.Tables()},
		{"notify", notify.Migrations(), notify.Tables()},
		{"once", once.Migrations(), nil},
		{"record", record.Migrations(), record.Tables()},
		{"preference", preference.Migrations(), nil},
		{"alert", alert.Migrations(), alert.Tables()},
		{"noise", noise.Migrations(), noise.Tables()},
		{"risk", risk.Migrations(), nil},
		{"rule", rule.Migrations(), rule.Tables()},
		{"rulesource", rulesource.Migrations(), rulesource.Tables()},
		{"backtest", backtest.Migrations(), backtest.Tables()},
		{"coverage", coverage.Migrations(), nil},
		{"search", search.Migrations(), search.Tables()},
		{"source", source.Migrations(), source.Tables()},
	}
}

// Tables are the records of every room, for the ledger.
func Tables() []ledger.Table {
	var all []ledger.Table
	for _, s := range stores() {
		all = append(all, s.tables...)
	}
	return all
}

// Untracked are the tables whose rows are no records, and why: what is not in the ledger is a decision, too.
func Untracked() map[string]string {
	return map[string]string{
		"alert_sample":     "copies of events, which the machine takes and replaces",
		"alert_bucket":     "counts of matches over time",
		"alert_rule_hour":  "counts of matches over time",
		"rulesource_fetch": "which rules are in force, as the update that was taken says, and how the last look at their source went",
		"risk_entity":      "sums that the machine reckons of alerts",
		"risk_point":       "what each alert adds to them",
		"noise_held":       "counts of matches that made no alert",
		"rule_shadow":      "counts of matches over time",
		"alert_cursor":     "how far the pipeline has come",
		"source_stat":      "counters of what sources sent",
		"backtest_result":  "what a run of the machine came to",
		"coverage_source":  "when log sources sent their latest event, as the machine has seen it",
		"coverage_look":    "until when it has looked",
		"api_once":         "answers of the API that may be asked for again, for a day",
		"record_tag":       "finds the tags that records have in their own rows",
		"auth_guard":       "a row to wait at, so that the last administrator stays",
		"auth_session":     "who is signed in at the moment",
		"auth_pending":     "sign-ins under way",
		"auth_budget":      "how often was guessed",
		"job":              "work of the machine that waits; what people decide about it is in job_decision",
		"job_schedule":     "when the machine does something next",
		"mail_outbox":      "mails that wait",
		"preference":       "how people like their pages to look",

		"record_said":        "which owners were told that a record is due",
		"record_reading":     "which columns somebody looks at",
		"record_bulk":        "the way back from a change of many records, for an hour; each change is in its record's history",
		"record_upload":      "lists that wait for their sender's word, for an hour; what was imported is in record_import",
		"record_upload_line": "the lines of those lists",

		"notify_notice":     "what people are told of; what happened is in its own record",
		"notify_key":        "which notices were sent",
		"notify_item":       "what each person has read",
		"notify_delivery":   "messages on their way",
		"notify_preference": "each person's own choice of what to be told of",
		"notify_person":     "each person's own choice of when to be told",
	}
}

// SealedColumns are all columns that hold sealed secrets.
func SealedColumns() []seal.Column {
	return slices.Concat(auth.Columns(), mail.Columns(), notify.Columns(), once.Columns(), rulesource.Columns())
}

// migrate brings the tables of every room to their newest form.
func migrate(ctx context.Context, d *db.DB) error {
	for _, s := range stores() {
		if err := d.Migrate(ctx, s.name, s.migrations); err != nil {
			return err
		}
	}
	return nil
}
