package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"yagura/internal/app"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

type rulesCmd struct {
	List    rulesListCmd    `cmd:"" help:"List the rules."`
	Lint    rulesLintCmd    `cmd:"" help:"Say which rules cannot load and why, and which fields and log sources nothing maps."`
	Test    rulesTestCmd    `cmd:"" help:"Run the tests that rule files carry."`
	Explain rulesExplainCmd `cmd:"" help:"Say why a rule matches an event, or why it does not."`
	Add     rulesAddCmd     `cmd:"" help:"Check rule files and add them to the data folder."`

	Backtest rulesBacktestCmd `cmd:"" help:"Say what rules would have matched in stored events."`
	Coverage rulesCoverageCmd `cmd:"" help:"Say which techniques of MITRE ATT&CK the rules look for, and which they cannot see."`
}

// loadRules loads the rules of the paths, or the configured ones where there are none.
func loadRules(ctx context.Context, g *Globals, paths []string) (*rule.Set, error) {
	if err := exist(paths); err != nil {
		return nil, err
	}
	tax, err := taxonomy.Load()
	if err != nil {
		return nil, err
	}
	if len(paths) > 0 {
		return rule.Load(rule.LoadOptions{Paths: paths, Taxonomy: tax})
	}
	conf, _, err := g.load(nil)
	if err != nil {
		return nil, err
	}
	opt, err := app.RuleOptions(conf, tax)
	if err != nil {
		return nil, err
	}
	// Where rules stand is in the database, if there is one yet.
	place := conf.Database.URL.Reveal()
	if place == "" {
		place = app.DatabasePath(conf)
		if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
			return rule.Load(opt)
		}
	}
	d, err := db.Open(ctx, place)
	if err != nil {
		return nil, err
	}
	defer d.Close() // it is only read
	if err := d.Migrate(ctx, "rule", rule.Migrations()); err != nil {
		return nil, err
	}
	if opt.States, err = rule.NewStates(d).All(ctx); err != nil {
		return nil, err
	}
	return rule.Load(opt)
}

type rulesListCmd struct {
	JSON  bool     `name:"json" help:"Print one JSON object a rule."`
	Paths []string `arg:"" optional:"" name:"path" type:"path" help:"Files or folders; without one, the configured rules."`
}

// Run lists the rules.
func (c *rulesListCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	set, err := loadRules(ctx, g, c.Paths)
	if err != nil {
		return err
	}
	if c.JSON {
		return listJSON(io.out, set)
	}
	w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "LEVEL\tTITLE\tLOG SOURCE\tSTATE\tID")
	for _, r := range set.Rules {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Severity(), oneLine(r.Title), r.Logsource, state(r), r.ID)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%d rules, %d active, %d refused (yagura rules lint says why)\n", len(set.Rules), set.Active(), set.Refused())
	return nil
}

// state says in a word where the rule stands, or that it cannot be used.
func state(r *rule.Rule) string {
	if r.State.Runs() && !r.Active {
		return "not used"
	}
	return string(r.State)
}

func listJSON(w io.Writer, set *rule.Set) error {
	enc := json.NewEncoder(w)
	for _, r := range set.Rules {
		err := enc.Encode(struct {
			ID        string      `json:"id"`
			Title     string      `json:"title"`
			Level     sigma.Level `json:"level"`
			Logsource string      `json:"logsource"`
			State     string      `json:"state"`
			Origin    rule.Origin `json:"origin"`
			File      string      `json:"file"`
			Tags      []string    `json:"tags"`
		}{r.ID, r.Title, r.Severity(), r.Logsource.String(), state(r), r.Origin, r.File, r.Tags})
		if err != nil {
			return err
		}
	}
	return nil
}

type rulesLintCmd struct {
	Strict bool     `help:"Exit with code 2 when there is anything to report."`
	JSON   bool     `name:"json" help:"Print one JSON object a finding."`
	Paths  []string `arg:"" optional:"" name:"path" type:"path" help:"Files or folders; without one, the configured rules."`
}

// Run prints one finding a line, as file:line: title: reason, and a count.
func (c *rulesLintCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	set, err := loadRules(ctx, g, c.Paths)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(io.out)
	byKind := make(map[sigma.ProblemKind]int)
	for _, p := range set.Problems {
		byKind[p.Kind]++
		if !c.JSON {
			fmt.Fprintf(io.out, "%-18s %s\n", p.Kind, oneLine(p.Error()))
			continue
		}
		if err := enc.Encode(struct {
			Kind   sigma.ProblemKind `json:"kind"`
			File   string            `json:"file"`
			Line   int               `json:"line"`
			RuleID string            `json:"rule_id"`
			Title  string            `json:"title"`
			Field  string            `json:"field,omitempty"`
			Reason string            `json:"reason"`
		}{p.Kind, p.File, p.Line, p.RuleID, p.Title, p.Field, p.Reason}); err != nil {
			return err
		}
	}
	unselected := set.Unselected()
	for _, u := range unselected {
		if err := c.costly(io.out, enc, u); err != nil {
			return err
		}
	}
	fmt.Fprintf(io.err, "%d rules in %d files, %d active; %d refused, %d correlations without their rules, %d without a placeholder's value, %d of an unknown log source, %d unmapped fields, %d replaced, %d warnings; %d tried on every event of their log source\n",
		len(set.Rules), set.Files, set.Active(), byKind[sigma.ProblemRefused], byKind[sigma.ProblemCorrelation], byKind[sigma.ProblemPlaceholder],
		byKind[sigma.ProblemUnknownLogsource], byKind[sigma.ProblemUnmappedField], byKind[rule.Replaced], byKind[sigma.ProblemWarning], len(unselected))
	if c.Strict && len(set.Problems) > 0 {
		return fault.New(fault.Invalid, "", "%d findings", len(set.Problems))
	}
	return nil
}

// costly prints a rule that is tried on every event of its log source. That is no finding: the rule works.
func (c *rulesLintCmd) costly(w io.Writer, enc *json.Encoder, u sigma.Unselected) error {
	r := u.Rule
	reason := fmt.Sprintf("no text selects the rule: every event of %s is compared with %d values, %d of them regular expressions", r.Logsource, u.Comparisons, u.Expressions)
	if !c.JSON {
		_, err := fmt.Fprintf(w, "%-18s %s\n", "costly", oneLine(sigma.Problem{File: r.File, Line: r.Line, Title: r.Title, Reason: reason}.Error()))
		return err
	}
	return enc.Encode(struct {
		Kind   string `json:"kind"`
		File   string `json:"file"`
		Line   int    `json:"line"`
		RuleID string `json:"rule_id"`
		Title  string `json:"title"`
		Reason string `json:"reason"`
	}{"costly", r.File, r.Line, r.ID, r.Title, reason})
}

type rulesTestCmd struct {
	Verbose bool     `short:"v" help:"Print passed tests, too."`
	Paths   []string `arg:"" optional:"" name:"path" type:"path" help:"Files or folders; without one, the configured rules."`
}

// Run runs the tests of all rules that have some.
func (c *rulesTestCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	set, err := loadRules(ctx, g, c.Paths)
	if err != nil {
		return err
	}
	passed, failed := 0, 0
	for _, r := range set.Test() {
		switch {
		case r.Passed():
			if passed++; c.Verbose {
				fmt.Fprintf(io.out, "ok    %s: %s\n", r.Title, r.Case)
			}
			continue
		case r.Problem != "":
			fmt.Fprintf(io.out, "FAIL  %s:%d: %s: %s: %s\n", r.File, r.Line, r.Title, r.Case, r.Problem)
		case r.Want:
			fmt.Fprintf(io.out, "FAIL  %s:%d: %s: %s: must match and does not\n", r.File, r.Line, r.Title, r.Case)
		default:
			fmt.Fprintf(io.out, "FAIL  %s:%d: %s: %s: must not match and does\n", r.File, r.Line, r.Title, r.Case)
		}
		failed++
	}
	fmt.Fprintf(io.err, "%d tests passed, %d failed\n", passed, failed)
	switch {
	case failed > 0:
		return fault.New(fault.Invalid, "", "%d of %d tests failed", failed, passed+failed)
	case passed == 0:
		return fault.New(fault.Invalid, "", "no rule has tests")
	}
	return nil
}

type rulesAddCmd struct {
	Replace bool     `help:"Replace rules of the same id."`
	Files   []string `arg:"" name:"file" type:"existingfile" help:"Rule files (.yml)."`
}

// Run checks the files and copies the sound ones to the data folder, where a running server finds them by itself.
func (c *rulesAddCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	set, err := loadRules(ctx, g, nil)
	if err != nil {
		return err
	}
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	tax, err := taxonomy.Load()
	if err != nil {
		return err
	}
	opt, err := app.RuleOptions(conf, tax)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		return fault.New(fault.Invalid, "fault.data_folder", "the data folder: %w", err)
	}
	for _, path := range c.Files {
		data, err := os.ReadFile(path)
		if err != nil {
			return fault.New(fault.Invalid, "fault.file.open", "%w", err)
		}
		review, err := opt.Add(set, filepath.Base(path), data, c.Replace)
		if review != nil {
			for _, p := range review.Problems {
				fmt.Fprintf(io.err, "%-18s %s\n", p.Kind, oneLine(p.Error()))
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "added %s: %d rules, %d filters\n", review.Name, len(review.Rules), len(review.Filters))
	}
	return nil
}
