package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/load"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

type rulesExplainCmd struct {
	Rules  []string `name:"rules" placeholder:"DIR" type:"path" help:"Folder or file of Sigma rules in which to look for the rule; may be repeated. Without one, the configured rules."`
	Record uint64   `name:"record" help:"The event with this record number or on this line, instead of the first."`
	JSON   bool     `name:"json" help:"Print a JSON object instead of a tree."`
	Rule   string   `arg:"" name:"rule" help:"The rule: its id, its title or its file."`
	File   string   `arg:"" name:"file" type:"existingfile" help:"The log file that the event is in."`
}

// errExplained ends the reading of a file in which the event has been found.
var errExplained = errors.New("explained")

// Run prints why the rule matches the event or does not, question by question.
func (c *rulesExplainCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	paths := c.Rules
	if _, err := os.Stat(c.Rule); err == nil && len(paths) == 0 {
		paths = []string{c.Rule}
	}
	set, err := loadRules(ctx, g, paths)
	if err != nil {
		return err
	}
	rules := c.find(set)
	if len(rules) == 0 {
		return fault.New(fault.Invalid, "", "there is no rule with that id, title or file: %s", c.Rule)
	}
	ev, err := c.event(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		why, err := set.Explain(r, ev)
		if err != nil {
			return err
		}
		if err := c.print(io, why, ev); err != nil {
			return err
		}
	}
	return nil
}

// find returns the rule of that id or title, or the rules of that file.
func (c *rulesExplainCmd) find(set *rule.Set) []*sigma.Rule {
	var rules []*sigma.Rule
	for _, r := range set.Rules {
		if r.ID == c.Rule || r.Title == c.Rule || r.File == c.Rule {
			rules = append(rules, r.Rule)
		}
	}
	return rules
}

// event reads the event as an import would.
func (c *rulesExplainCmd) event(ctx context.Context) (*event.Event, error) {
	tax, err := taxonomy.Load()
	if err != nil {
		return nil, err
	}
	ev, found := new(event.Event), false
	_, err = load.Files(ctx, []string{c.File}, load.Options{Input: "explain"}, func(_ context.Context, b *intake.Batch) error {
		for i := range b.Items {
			if c.Record != 0 && b.Items[i].Record != c.Record {
				continue
			}
			found = true
			n := normalise.New(tax)
			if err := n.Normalise(b, &b.Items[i], ev); err != nil {
				return fault.New(fault.Invalid, "", "the event cannot be read: %w", err)
			}
			ev = ev.Clone()
			return errExplained
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errExplained):
		return nil, err
	case !found && c.Record != 0:
		return nil, fault.New(fault.Invalid, "", "%s has no record %d", c.File, c.Record)
	case !found:
		return nil, fault.New(fault.Invalid, "", "%s has no event", c.File)
	}
	return ev, nil
}

func (c *rulesExplainCmd) print(io *streams, why *sigma.Explanation, ev *event.Event) error {
	if c.JSON {
		return json.NewEncoder(io.out).Encode(struct {
			RuleID string `json:"rule_id"`
			Title  string `json:"title"`
			*sigma.Explanation
			Event *event.Event `json:"event"`
		}{why.Rule.ID, why.Rule.Title, why, ev})
	}
	if why.Matched {
		fmt.Fprintf(io.out, "%s matches.\n", oneLine(why.Rule.Title))
	} else {
		fmt.Fprintf(io.out, "%s does not match.\n", oneLine(why.Rule.Title))
	}
	fmt.Fprint(io.out, why)
	for _, r := range why.Missing() {
		place := ""
		if r.Line > 0 {
			place = fmt.Sprintf("line %d: ", r.Line)
		}
		has := "the event does not have the field"
		if len(r.Fields) == 0 {
			has = "in no field of the event"
		}
		if len(r.Values) > 0 {
			has = fmt.Sprintf("the event has %q", r.Values)
		}
		fmt.Fprintf(io.out, "decisive: %s%s %s: %s\n", place, oneLine(fmt.Sprint(r.Fields)), oneLine(r.Text), has)
	}
	return nil
}
