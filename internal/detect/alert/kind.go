package alert

import (
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// Name is what records and permissions call an alert.
const Name = "alert"

// RecordKind says what an alert is as a record: the recorder makes it, people decide about it. titles are other titles of a rule that its
// alerts are found by; nil knows none.
func RecordKind(titles func(rule string) []string) *record.Kind {
	return &record.Kind{
		Name: Name, Path: "/alerts", House: "detect", Order: 20, Table: "alert_alert", Live: true,
		Without: record.Without{Create: true, Delete: true, Import: true, Rename: true},
		Fields: []record.Field{
			{Name: "severity", Type: record.Level{}, Given: true},
			{Name: "verdict", Type: record.Choice(verdicts()), Moved: true},
			{Name: "entity", Type: record.Logged(""), Given: true, Search: true, Where: aboutEntity, Named: entityField},
			{Name: "entity_kind", Type: record.Choice{string(Host), string(User), string(SourceIP), string(Group), string(NoEntity), string(ManyEntities)}, Given: true},
			{Name: "host", Column: "host_name", Type: record.Logged("host.name"), Machine: true, Search: true},
			{Name: "user", Column: "user_name", Type: record.Logged("user.name"), Machine: true, Search: true},
			{Name: "source_ip", Type: record.Logged("source.ip"), Machine: true, Search: true},
			{Name: "rule", Column: "rule_id", Type: record.Text{}, Given: true, Where: exactly("rule_id", strings.ToLower)},
			{Name: "tactic", Column: "tactics", Type: record.Choices(Tactics()), Given: true},
			{Name: "technique", Column: "techniques", Type: record.Tags{}, Given: true, Where: AboutTechnique},
			{Name: "first_seen", Type: record.Moment{}, Machine: true, Sort: true},
			{Name: "last_seen", Type: record.Moment{}, Machine: true, Sort: true},
			{Name: "count", Type: record.Int{}, Machine: true, Sort: true},
		},
		Omit:     []string{"samples", "updated_at"},
		Unsorted: []string{"title", "state"},
		States:   []record.State{{Name: string(New), Look: "new"}, {Name: string(InProgress), Look: "active"}, {Name: string(Closed), Done: true}},
		Moves: []record.Move{
			{Name: "take", From: []string{string(New)}, To: string(InProgress), Main: true},
			{Name: "close", From: []string{string(New), string(InProgress)}, To: string(Closed), Needs: []string{"verdict"}, Main: true},
			{Name: "put_back", From: []string{string(InProgress)}, To: string(New)},
			{Name: "reopen", From: []string{string(Closed)}, To: string(InProgress), Clears: []string{"verdict"}, Main: true},
			{Name: "judge_again", From: []string{string(Closed)}, To: string(Closed), Asks: []string{"verdict"}, Needs: []string{"verdict"}, Why: true},
		},
		Views: []record.View{
			{Name: "new", Query: "state=new"}, {Name: "mine", Query: "state=open&owner=me"}, {Name: "in_progress", Query: "state=in_progress"},
			{Name: "closed", Query: "state=closed"}, {Name: "all"},
		},
		Columns: []string{"severity", "state", "entity", "user", "count", "last_seen"},
		Sort:    "-last_seen",
		Sorts:   []record.Sort{{Name: "severity", Columns: []string{"severity", "last_seen"}}},
		Texts: func(r *record.Record) []string {
			if titles == nil {
				return nil
			}
			return titles(r.Str("rule"))
		},
	}
}

func verdicts() (words []string) {
	for _, v := range Verdicts() {
		words = append(words, string(v))
	}
	return words
}

// Tactics are those of ATT&CK, by their short names in its order. Sigma writes "stealth" and "defense-impairment" for parts of one of them.
func Tactics() []string {
	return []string{"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion", "stealth",
		"defense-impairment", "credential-access", "discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact"}
}

// entityField is the ECS field of what an alert is about.
func entityField(r *record.Record) string { return entityOf(r).Field() }

// entityOf is what an alert is about.
func entityOf(r *record.Record) Entity {
	return Entity{EntityKind(r.Str("entity_kind")), r.Str("entity")}
}

// exactly is a filter by the whole of a text, which is kept in one form.
func exactly(column string, form func(string) string) func(w *db.Where, texts []string, env *record.Env) error {
	return func(w *db.Where, texts []string, _ *record.Env) error {
		forms := make([]string, len(texts))
		for i, text := range texts {
			forms[i] = form(text)
		}
		db.In(w, column, forms)
		return nil
	}
}

// aboutEntity is a filter by a host, a user or an address, whichever way the alert is about it.
func aboutEntity(w *db.Where, texts []string, _ *record.Env) error {
	var some []string
	var args []any
	for _, text := range texts {
		some = append(some, "entity_key = ? OR host_name = ? OR user_name = ? OR source_ip = ?")
		args = append(args, strings.ToLower(text), text, text, text)
	}
	w.And("("+strings.Join(some, " OR ")+")", args...)
	return nil
}

// AboutTechnique is a filter by ATT&CK techniques: "T1003.001"; "T1003" finds its sub-techniques, too.
func AboutTechnique(w *db.Where, texts []string, _ *record.Env) error {
	var some []string
	var args []any
	for _, text := range texts {
		id := " " + strings.ToUpper(text)
		some = append(some, `techniques LIKE ? ESCAPE '\' OR techniques LIKE ? ESCAPE '\'`)
		args = append(args, db.Contains(id+" "), db.Contains(id+"."))
	}
	w.And("("+strings.Join(some, " OR ")+")", args...)
	return nil
}

// severityOf is the severity of an alert as a record.
func severityOf(r *record.Record) sigma.Level {
	level, _ := r.Get("severity").(sigma.Level)
	return level
}
