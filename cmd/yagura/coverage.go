package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"yagura/internal/app"
	"yagura/internal/detect/coverage"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

type rulesCoverageCmd struct {
	JSON  bool           `name:"json" xor:"form" help:"Print the report as JSON."`
	Layer bool           `xor:"form" help:"Print a layer for the ATT&CK Navigator (format 4.5)."`
	State coverage.State `enum:"covered,blind,resting,gap," default:"" help:"Print only techniques that stand so: covered, blind, resting, gap."`
	Paths []string       `arg:"" optional:"" name:"path" type:"path" help:"Rule files or folders; without one, the configured rules, with what the data folder knows of log sources and alerts."`
}

// Run prints one technique a line, and the sums by tactic.
func (c *rulesCoverageCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	set, err := loadRules(ctx, g, c.Paths)
	if err != nil {
		return err
	}
	var d *db.DB
	if len(c.Paths) == 0 {
		conf, _, err := g.load(nil)
		if err != nil {
			return err
		}
		place, err := databaseOf(conf)
		switch {
		case fault.Is(err, fault.NotFound): // no server ran here yet
		case err != nil:
			return err
		default:
			if d, err = db.Open(ctx, place); err != nil {
				return err
			}
			defer d.Close() // it is only read
		}
	}
	report, err := app.Coverage(ctx, set, d)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(io.out)
	enc.SetIndent("", "  ")
	switch {
	case c.Layer:
		return enc.Encode(report.Layer())
	case c.JSON:
		return enc.Encode(report.JSON())
	}
	w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tLIVE\tBLIND\tRULES\tALERTS\tID\tTECHNIQUE")
	for _, t := range report.JSON().Techniques {
		if c.State == "" || t.State == c.State {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", t.State, t.Live, t.Blind, t.Rules, t.Alerts, t.ID, t.Name)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range report.Lines {
		fmt.Fprintf(io.err, "%-22s %3d of %3d techniques covered, %d blind, %d without a live rule, %d without a rule\n", l.Name,
			l.States[coverage.Covered], len(l.Rows), l.States[coverage.Blind], l.States[coverage.Resting], l.States[coverage.Gap])
	}
	n := report.Techniques()
	fmt.Fprintf(io.err, "MITRE ATT&CK %s (%s): %d techniques covered, %d blind, %d without a live rule, %d without a rule; %d log sources without events\n%s\n",
		report.Version, report.Modified, n[coverage.Covered], n[coverage.Blind], n[coverage.Resting], n[coverage.Gap], len(report.Spots), report.Attribution)
	return nil
}
