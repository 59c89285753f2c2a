package noise

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// Exception is what records and permissions call an exception.
const Exception = "exception"

// anyRule stands in the column of rules for a filter of all rules of its log source.
const anyRule = "any"

// ExceptionKind says what an exception is as a record. Its end is its due time, of which its owner is reminded as of every other.
func ExceptionKind(p Policy) *record.Kind {
	return &record.Kind{
		Name: Exception, Path: "/exceptions", House: "detect", Order: 32, Table: "noise_exception",
		Without: record.Without{Delete: true},
		Fields: []record.Field{
			{Name: "rules", Type: record.Tags{}, Machine: true},
			{Name: "filter", Type: record.Long{}, Required: true, Max: maxFilter},
			{Name: "reason", Type: record.Text{}, Required: true, Max: 500, Search: true},
		},
		States: states(), Views: views(), Columns: []string{"state", "rules", "owner", "due", "updated_at"},
		Moves: p.moves([]string{"owner", "due"}, func(r *record.Record, now time.Time) error {
			if !r.Due.After(now) {
				return record.Wrong{"due": fault.New(fault.Invalid, "noise.fault.over", "the end %s has passed", r.Due)}
			}
			return nil
		}),
		Changed: p.exceptionChanged,
	}
}

const maxFilter = 20_000

// exceptionChanged checks an exception as it is written, and notes which rules its filter names.
func (p Policy) exceptionChanged(tx *db.Tx, before, after *record.Record) error {
	changed := before == nil || before.Str("filter") != after.Str("filter")
	if after.State == Active {
		if p.FourEyes && before != nil && before.State == Active && (changed || !before.Due.Equal(after.Due)) {
			return record.Wrong{"filter": fault.New(fault.Conflict, "noise.fault.holds", "an exception that holds is not changed")}
		}
		if after.Due.IsZero() {
			return record.Wrong{"due": fault.New(fault.Invalid, "noise.fault.endless", "an exception has an end")}
		}
		if latest := tx.Now().Add(p.longest()); after.Due.After(latest.Add(24 * time.Hour)) { // days end in the reader's zone
			return record.Wrong{"due": &fault.Error{Code: fault.Invalid, Key: "noise.fault.too_long", Args: []any{int(p.longest().Hours() / 24)},
				Detail: fmt.Sprintf("the end %s is later than %s", after.Due, latest)}}
		}
	}
	if !changed {
		return nil
	}
	f, err := ParseFilter(after.Str("filter"))
	if err != nil {
		return record.Wrong{"filter": err}
	}
	_, err = tx.Exec(`UPDATE noise_exception SET rules = $2 WHERE id = $1`, after.ID, namesOf(f))
	return err
}

// namesOf writes the rules that a filter names as the table has them.
func namesOf(f *sigma.Filter) string {
	if f.AnyRule {
		return " " + anyRule + " "
	}
	var names []string
	for _, name := range f.Rules {
		names = append(names, normal(name))
	}
	return " " + strings.Join(names, " ") + " "
}

// normal is a rule's id or name as a word.
func normal(name string) string { return strings.Join(strings.Fields(strings.ToLower(name)), "_") }

// ParseFilter reads one Sigma filter document that leaves something out. Errors are fault.Invalid and say which line is wrong.
func ParseFilter(text string) (*sigma.Filter, error) {
	file, err := sigma.Parse("", []byte(text))
	if err != nil {
		return nil, unreadable(0, err.Error())
	}
	for _, d := range file.Documents {
		for _, problem := range d.Problems {
			return nil, unreadable(problem.Line, problem.Reason)
		}
	}
	if len(file.Documents) != 1 || file.Documents[0].Filter == nil {
		return nil, unreadable(1, "one Sigma filter document is wanted, and nothing besides")
	}
	return file.Documents[0].Filter, nil
}

func unreadable(line int, reason string) error {
	if line <= 0 {
		line = 1
	}
	return &fault.Error{Code: fault.Invalid, Key: "noise.fault.filter", Args: []any{line, reason}, Detail: fmt.Sprintf("line %d: %s", line, reason)}
}

// sieve asks a filter about the matches of a rule.
type sieve struct {
	matcher *sigma.Matcher
	scratch *sigma.Scratch
}

// newSieve compiles a filter for a rule that it concerns.
func newSieve(f *sigma.Filter, r *sigma.Rule, opt sigma.Options) (*sieve, error) {
	opt.NoRouting = true // the event matched the rule, so it is of the log source
	matcher, problems := sigma.Compile([]*sigma.Rule{f.Alone(r)}, nil, opt)
	if len(matcher.Rules()) == 0 {
		for _, p := range problems {
			if !p.Loaded() {
				return nil, errors.New(p.Reason)
			}
		}
		return nil, errors.New("the filter cannot be compiled")
	}
	return &sieve{matcher, matcher.NewScratch()}, nil
}

// keeps reports whether the filter keeps the event of a match back.
func (s *sieve) keeps(ev sigma.Event) bool { return len(s.matcher.Match(ev, s.scratch)) == 0 }
