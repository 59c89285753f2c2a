package rule

import (
	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/record"
)

// Name is what records and permissions call a rule.
const Name = "rule"

// State is where a rule stands in its life.
type State string

// The states.
const (
	Draft   State = "draft"   // it is being written: nothing is matched
	Shadow  State = "shadow"  // matches are counted, and nobody is alerted
	Live    State = "live"    // matches are alerts
	Retired State = "retired" // it was taken out of use
)

// allStates lists them in the order of a rule's life.
func allStates() []State { return []State{Draft, Shadow, Live, Retired} }

// Runs reports whether events are matched with rules in that state.
func (s State) Runs() bool { return s == Shadow || s == Live }

// The words of a rule's status, as Sigma has them.
func maturities() record.Choice {
	return record.Choice{"stable", "test", "experimental", "deprecated", "unsupported"}
}

// RecordKind says what a rule is as a record: its file says what it matches, people decide whether it is used. titles are those of a rule in other
// languages, by which it is found, too; moved is told of each change in its transaction (States.Moved).
func RecordKind(titles func(rule string) []string, moved func(tx *db.Tx, before, after *record.Record) error) *record.Kind {
	machine := func(name, column string, t record.Type) record.Field {
		return record.Field{Name: name, Column: column, Type: t, Machine: true}
	}
	found, sorted := func(f record.Field) record.Field { f.Search = true; return f }, func(f record.Field) record.Field { f.Sort = true; return f }
	technique := machine("technique", "techniques", record.Tags{})
	technique.Where, technique.Search = alert.AboutTechnique, true
	return &record.Kind{
		Name: Name, Path: "/rules", House: "detect", Order: 30, Table: "rule_rule",
		Without: record.Without{Create: true, Delete: true, Import: true, Rename: true},
		Fields: []record.Field{
			machine("severity", "", record.Level{}),
			found(machine("title_ja", "", record.Text{})),
			found(machine("product", "", record.Text{})), found(machine("category", "", record.Text{})), found(machine("service", "", record.Text{})),
			machine("tactic", "tactics", record.Choices(alert.Tactics())), technique,
			machine("health", "", record.Choice{string(Good), string(Reported), string(Idle), string(Gone)}),
			machine("maturity", "", maturities()),
			machine("origin", "", record.Choice{string(Builtin), string(Sourced), string(Folder), string(Added)}),
			found(machine("author", "", record.Text{})), machine("license", "", record.Text{}),
			found(machine("path", "", record.Text{})), machine("digest", "", record.Text{}),
			sorted(machine("matches", "", record.Int{})), sorted(machine("open_alerts", "", record.Int{})),
			sorted(machine("last_match", "", record.Moment{})), sorted(machine("shadow_matches", "", record.Int{})),
		},
		// The title follows the file, too: each change of it is told in the history.
		Omit:     []string{"title", "mirror"},
		Unsorted: []string{"state"},
		States: []record.State{
			{Name: string(Draft), Look: "new"}, {Name: string(Shadow), Look: "active"}, {Name: string(Live), Look: "good"}, {Name: string(Retired), Done: true},
		},
		Moves: []record.Move{
			{Name: "activate", From: []string{string(Draft), string(Shadow), string(Retired)}, To: string(Live), Why: true, Main: true},
			{Name: "shadow", From: []string{string(Draft), string(Live), string(Retired)}, To: string(Shadow), Why: true},
			{Name: "retire", From: []string{string(Draft), string(Shadow), string(Live)}, To: string(Retired), Why: true},
			{Name: "redraft", From: []string{string(Shadow), string(Live), string(Retired)}, To: string(Draft), Why: true},
		},
		Views: []record.View{
			{Name: "live", Query: "state=live&health=!gone"},
			{Name: "shadow", Query: "state=shadow&health=!gone", Columns: []string{"shadow_matches", "last_match", "product", "category", "owner"}},
			{Name: "draft", Query: "state=draft&health=!gone"},
			{Name: "noisy", Query: "state=live&health=!gone&matches=100..&sort=-matches"},
			{Name: "silent", Query: "state=live&health=!gone&last_match=-"},
			{Name: "faulty", Query: "state=!retired&health=idle&health=reported", Columns: []string{"health", "product", "category", "path"}},
			{Name: "retired", Query: "state=retired&health=!gone"},
			{Name: "gone", Query: "health=gone", Columns: []string{"last_match", "path", "origin"}},
			{Name: "all"},
		},
		Columns: []string{"matches", "last_match", "open_alerts", "product", "category", "health"},
		Sort:    "-severity",
		Sorts:   []record.Sort{{Name: "severity", Columns: []string{"severity", "last_match"}}},
		Texts: func(r *record.Record) []string {
			if titles == nil {
				return nil
			}
			return titles(r.ID)
		},
		Changed: moved,
	}
}
