// Package rulesource gets detection rules from where others keep them, a zip archive, a git repository or a folder, and puts their updates
// into force the way each source is trusted.
//
// What it promises:
//
//   - What is in force is a pack of files that this program keeps itself (blob, by SHA-256). A source that fails, shrinks, vanishes or turns
//     hostile takes nothing away: the last pack stays.
//   - An update is taken by itself only from a source that is trusted to, and never where it would take away half of the rules: then, as for
//     sources of which every update is to be seen first, it waits for somebody who has seen what it changes.
//   - Each update is kept with its figures and with who took or declined it, in the ledger.
//   - Local changes survive: a rule that was added here under the same id counts, whatever a source brings, and the page of an update says where
//     that is so.
//   - Sources are read in bounds: of names, files, bytes and time. Names from outside become no paths. Nothing of a repository is run: it is
//     read over the smart HTTP protocol, without git.
//
// The rules' texts, authors and licences stay as they came: SigmaHQ's licence (DRL 1.1) asks that the author is named wherever a rule is used.
package rulesource

import (
	"embed"
	"io/fs"

	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/seal"
	"yagura/internal/platform/web"
)

// Name is what records and permissions call a source of rules.
const Name = "rulesource"

// Permissions of this room.
const (
	MayRead  web.Permission = "rulesource.read"
	MayWrite web.Permission = "rulesource.write"
)

// Trusts are how the updates of a source come into force.
const (
	Reviewed = "reviewed" // somebody sees first what an update changes
	Trusted  = "trusted"  // by themselves
)

// Outcomes of looking at a source.
const (
	Unchanged = "unchanged"
	Taken     = "taken"
	Waiting   = "waiting"
	Failed    = "failed"
)

const (
	active = "active"
	paused = "paused"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Migrations are the room's tables, for db.Migrate(ctx, "rulesource", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table {
	return []ledger.Table{
		Kind().Ledger(),
		{Name: "rulesource_update", Key: "id"},
		{Name: "rulesource_token", Key: "id", Link: "/rulesources/{key}"},
	}
}

// Columns are the sealed columns, for rotation.
func Columns() []seal.Column { return []seal.Column{tokenColumn()} }

func tokenColumn() seal.Column {
	return seal.Column{Table: "rulesource_token", Key: "id", Column: "sealed"}
}

// Came is the topic of updates that wait for somebody; Broke of sources that cannot be read.
const (
	Came  = "rulesource.came"
	Broke = "rulesource.broke"
)

// Topics are what this room tells people of.
func Topics() []notify.Topic {
	return []notify.Topic{
		{Name: Came, Args: []string{"source", "changes"}, Severity: notify.Medium, Mail: notify.Digest},
		{Name: Broke, Args: []string{"source"}, Severity: notify.Medium, Mail: notify.Digest},
	}
}

// Kind says what a source of rules is as a record.
func Kind() *record.Kind {
	return &record.Kind{
		Name: Name, Path: "/rulesources", House: "detect", Order: 45, Table: "rulesource_source",
		Fields: []record.Field{
			{Name: "method", Type: record.Choice{"zip", "git", "folder"}, Required: true, Fixed: true},
			{Name: "address", Type: record.Text{}, Required: true, Search: true},
			{Name: "branch", Type: record.Text{}, Max: 200},
			{Name: "folders", Type: record.Text{}, Max: 500},
			{Name: "trust", Type: record.Choice{Reviewed, Trusted}, Required: true},
			{Name: "starts", Type: record.Choice{"live", "shadow", "draft"}, Required: true},
			{Name: "every", Type: record.Choice{"hour", "day", "week", "never"}, Required: true},
			{Name: "licence", Type: record.Text{}, Max: 200, Search: true},
			{Name: "notes", Type: record.Long{}, Search: true},
			{Name: "outcome", Type: record.Choice{Unchanged, Taken, Waiting, Failed}, Machine: true},
			{Name: "checked", Type: record.Moment{}, Machine: true, Sort: true},
			{Name: "renewed", Type: record.Moment{}, Machine: true, Sort: true},
			{Name: "rules", Type: record.Int{}, Machine: true},
		},
		States:  []record.State{{Name: active, Look: "good"}, {Name: paused, Look: "warn"}},
		Moves:   []record.Move{{Name: "pause", From: []string{active}, To: paused, Why: true}, {Name: "resume", From: []string{paused}, To: active}},
		Views:   []record.View{{Name: "all"}, {Name: "waiting", Query: "outcome=waiting"}, {Name: "failed", Query: "outcome=failed"}},
		Columns: []string{"method", "state", "trust", "outcome", "rules", "checked"},
		Sort:    "title",
		Changed: changed,
	}
}
