package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const (
	maxRules  = 500
	maxName   = 100 // characters
	maxPhrase = 500 // characters
	maxList   = 100 // of anything that a rule names
)

// Rule tells people and targets of notices that hold its conditions, besides the notice's own audience.
type Rule struct {
	ID      string
	Name    string
	Enabled bool
	When    Conditions
	Send    Destination
	Changed time.Time
	Version int64
}

// Conditions hold of a notice when each does; an empty one holds of all.
type Conditions struct {
	Topics   []string `json:"topics,omitempty"`   // one of these
	Kinds    []string `json:"kinds,omitempty"`    // about a record of one of these
	Units    []string `json:"units,omitempty"`    // of one of these or below
	Severity Severity `json:"severity,omitempty"` // at least
	Phrases  []Phrase `json:"phrases,omitempty"`
}

// Phrase is a condition on an argument: its field, how it compares, and with what. Case and width do not count.
type Phrase struct {
	Field string `json:"field"` // an argument's name, "" for any
	Op    string `json:"op"`    // Contains, Is or Lacks
	Text  string `json:"text"`
}

// How a phrase compares.
const (
	Contains = "contains"
	Is       = "is"
	Lacks    = "lacks" // contains it nowhere
)

// Destination is whom a rule or a step tells.
type Destination struct {
	People  []string `json:"people,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	Units   []string `json:"units,omitempty"`
	Targets []string `json:"targets,omitempty"`
}

func (d Destination) audience() Audience {
	return Audience{People: d.People, Roles: d.Roles, Units: d.Units}
}

func (d Destination) empty() bool { return len(d.People)+len(d.Roles)+len(d.Units)+len(d.Targets) == 0 }

// matcher is a notice, ready to be held against rules.
type matcher struct {
	notice
	units  []string // its unit and those above
	values map[string][]string
}

// matching prepares a notice. Words of the catalogues and names count in both languages, as they are now.
func (n *Notifier) matching(ctx context.Context, x notice) (m matcher, err error) {
	m = matcher{notice: x, values: make(map[string][]string)}
	args, err := decodeArgs(x.Args)
	if err != nil {
		return m, nil // damaged: no phrase is found in it
	}
	called, err := n.opt.People.Names(ctx, args.people())
	if err != nil {
		return m, err
	}
	for field, arg := range args {
		for _, lang := range languages() {
			w := wording{speak: n.opt.Bundle.Printer(lang, nil), names: called}
			m.values[field] = append(m.values[field], fold(fmt.Sprint(w.value(arg))))
		}
	}
	if x.Unit == "" {
		return m, nil
	}
	all, err := n.opt.People.Units(ctx)
	if err != nil {
		return m, err
	}
	above := make(map[string]string, len(all))
	for _, u := range all {
		above[u.ID] = u.Parent
	}
	for unit := x.Unit; unit != "" && !slices.Contains(m.units, unit); unit = above[unit] {
		m.units = append(m.units, unit)
	}
	return m, nil
}

// fold makes texts alike that people take for the same.
func fold(text string) string { return cases.Fold().String(norm.NFKC.String(text)) }

// holds reports whether every condition holds.
func (m matcher) holds(c Conditions) bool {
	anyOf := func(wanted []string, got ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(got, func(one string) bool { return slices.Contains(wanted, one) })
	}
	return m.Severity >= c.Severity && anyOf(c.Topics, m.Topic) && anyOf(c.Kinds, m.About.Ref.Kind) && anyOf(c.Units, m.units...) &&
		!slices.ContainsFunc(c.Phrases, func(p Phrase) bool { return !m.says(p) })
}

func (m matcher) says(p Phrase) bool {
	text := fold(p.Text)
	found := func(values []string) bool {
		return slices.ContainsFunc(values, func(value string) bool {
			return p.Op == Is && value == text || p.Op != Is && strings.Contains(value, text)
		})
	}
	any := found(m.values[p.Field])
	if p.Field == "" {
		for _, values := range m.values {
			any = any || found(values)
		}
	}
	return any == (p.Op != Lacks)
}

const ruleColumns = `id, name, enabled, conditions, send_to, changed_at, version`

func scanRule(s db.Scanner) (r Rule, err error) {
	var enabled, changed int64
	var when, send string
	if err := s.Scan(&r.ID, &r.Name, &enabled, &when, &send, &changed, &r.Version); err != nil {
		return r, err
	}
	r.Enabled, r.Changed = enabled == 1, db.Time(changed)
	if err := json.Unmarshal([]byte(when), &r.When); err != nil {
		return r, fmt.Errorf("the rule %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(send), &r.Send); err != nil {
		return r, fmt.Errorf("the rule %s: %w", r.ID, err)
	}
	return r, nil
}

func listRules(tx *db.Tx, enabled bool) ([]Rule, error) {
	where := new(db.Where)
	if enabled {
		where.And("enabled = 1")
	}
	return db.List(tx, scanRule, `SELECT `+ruleColumns+` FROM notify_rule`+where.String()+` ORDER BY name, id LIMIT `+where.Next(1), where.Args(maxRules)...)
}

// Rules lists the rules by name; there are at most 500.
func (n *Notifier) Rules(ctx context.Context) (list []Rule, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) { list, err = listRules(tx, false); return err })
	return list, err
}

// Rule returns a rule. The error is fault.NotFound where there is none.
func (n *Notifier) Rule(ctx context.Context, id string) (r Rule, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = scanRule(tx.QueryRow(`SELECT `+ruleColumns+` FROM notify_rule WHERE id = $1`, id))
		return err
	})
	return r, err
}

// CheckRule reports what is wrong with a rule. The error is fault.Invalid.
func (n *Notifier) CheckRule(ctx context.Context, r Rule) error {
	invalid := func(key, detail string) error { return fault.New(fault.Invalid, key, "the rule: %s", detail) }
	for _, topic := range r.When.Topics {
		if _, ok := n.topics[topic]; !ok {
			return invalid("notify.fault.rule", "there is no topic "+topic)
		}
	}
	for _, kind := range r.When.Kinds {
		if _, ok := n.kinds[kind]; !ok {
			return invalid("notify.fault.rule", "there is no kind "+kind)
		}
	}
	for _, p := range r.When.Phrases {
		if p.Op != Contains && p.Op != Is && p.Op != Lacks || strings.TrimSpace(p.Text) == "" || utf8.RuneCountInString(p.Text) > maxPhrase {
			return invalid("notify.fault.phrase", "a phrase without text")
		}
	}
	switch name := utf8.RuneCountInString(r.Name); {
	case name == 0 || name > maxName:
		return invalid("notify.fault.name", "it needs a name")
	case max(len(r.When.Topics), len(r.When.Kinds), len(r.When.Units), len(r.When.Phrases)) > maxList:
		return invalid("notify.fault.rule", "it is too long")
	case r.When.Severity < Informational || r.When.Severity > Critical:
		return invalid("notify.fault.rule", "there is no such severity")
	}
	return n.checkDestination(ctx, r.Send)
}

// checkDestination reports whether all whom it names exist.
func (n *Notifier) checkDestination(ctx context.Context, d Destination) error {
	if d.empty() || max(len(d.People), len(d.Roles), len(d.Units), len(d.Targets)) > maxList {
		return fault.New(fault.Invalid, "notify.fault.nobody", "it tells nobody, or too many")
	}
	called, err := n.opt.People.Names(ctx, d.People)
	if err != nil {
		return err
	}
	units, err := n.opt.People.Units(ctx)
	if err != nil {
		return err
	}
	targets, err := n.Targets(ctx)
	if err != nil {
		return err
	}
	unknown := len(called) < len(d.People) ||
		slices.ContainsFunc(d.Units, func(id string) bool { return !slices.ContainsFunc(units, func(u auth.Unit) bool { return u.ID == id }) }) ||
		slices.ContainsFunc(d.Targets, func(id string) bool { return !slices.ContainsFunc(targets, func(t Target) bool { return t.ID == id }) })
	if unknown {
		return fault.New(fault.Invalid, "notify.fault.nobody", "it names somebody whom nobody knows")
	}
	return nil
}

// SaveRule makes a rule, where its ID is "", or changes one of that version. Errors: fault.Invalid, fault.Conflict where somebody
// else changed it since.
func (n *Notifier) SaveRule(ctx context.Context, r Rule) (Rule, error) {
	r.Name = strings.TrimSpace(r.Name)
	if err := n.CheckRule(ctx, r); err != nil {
		return r, err
	}
	when, err := json.Marshal(r.When)
	if err != nil {
		return r, err
	}
	send, err := json.Marshal(r.Send)
	if err != nil {
		return r, err
	}
	action := "update"
	if r.ID == "" {
		r.ID, r.Version, action = db.NewID(), 0, "create"
	}
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r.Changed = tx.Now()
		args := []any{r.ID, r.Name, flag(r.Enabled), string(when), string(send), db.Micros(tx.Now()), r.Version}
		statement := `UPDATE notify_rule SET name = $2, enabled = $3, conditions = $4, send_to = $5, changed_at = $6, version = version + 1 WHERE id = $1 AND version = $7`
		if action == "create" {
			statement = `INSERT INTO notify_rule (id, name, enabled, conditions, send_to, changed_at, version) SELECT $1, $2, $3, $4, $5, $6, $7 + 1
				WHERE (SELECT COUNT(*) FROM notify_rule) < ` + fmt.Sprint(maxRules)
		}
		return n.change(tx, "notify_rule", r.ID, action, statement, args...)
	})
	r.Version++
	return r, err
}

// DeleteRule deletes a rule.
func (n *Notifier) DeleteRule(ctx context.Context, id string, version int64) error {
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		return n.change(tx, "notify_rule", id, "delete", `DELETE FROM notify_rule WHERE id = $1 AND version = $2`, id, version)
	})
}

// change runs a statement that changes one record, and keeps it in the ledger. One that changes none met somebody else's change.
func (n *Notifier) change(tx *db.Tx, table, key, action, statement string, args ...any) error {
	changed, err := tx.Exec(statement, args...)
	if err == nil && changed == 0 {
		err = fault.New(fault.Conflict, "fault.conflict", "the row %s of %s was changed by somebody else", key, table)
	}
	if err != nil {
		return err
	}
	return n.opt.Ledger.Append(tx, ledger.Entry{Table: table, Key: key, Action: action})
}

func flag(on bool) int64 {
	if on {
		return 1
	}
	return 0
}

// dryRun is how many notices a rule is tried on.
const dryRun = 100

// Trial is what a rule would have done to the last notices.
type Trial struct {
	Seen    int     // notices it was tried on
	Matched []Entry // those it would have sent that the reader may know of
	Secret  int     // those it would have sent that the reader may not know of
}

// Try holds a rule against the last 100 notices, for a reader.
func (n *Notifier) Try(ctx context.Context, reader string, c Conditions) (trial Trial, err error) {
	person, err := n.opt.People.Person(ctx, reader)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return trial, err
	}
	var last []notice
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		last, err = db.List(tx, func(s db.Scanner) (x notice, err error) { return x, s.Scan(x.into()...) },
			`SELECT `+noticeColumns+` FROM notify_notice n ORDER BY n.at DESC, n.id DESC LIMIT $1`, dryRun)
		return err
	})
	for _, x := range last {
		if err != nil {
			break
		}
		var m matcher
		var may bool
		if m, err = n.matching(ctx, x); err != nil || !m.holds(c) {
			continue
		}
		if may, err = n.mayKnow(ctx, x.Topic, x.About, person); err == nil && may {
			trial.Matched = append(trial.Matched, entryOf(x))
		} else if err == nil {
			trial.Secret++
		}
	}
	trial.Seen = len(last)
	return trial, err
}
