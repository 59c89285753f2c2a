package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
)

type configCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run prints every setting, its value and where that came from.
func (c *configCmd) Run(g *Globals, io *streams) error {
	_, settings, err := g.load(nil)
	if err != nil {
		return err
	}
	if c.JSON {
		type row struct {
			Name   string `json:"name"`
			Value  string `json:"value"`
			Origin string `json:"origin"`
			Help   string `json:"help"`
		}
		rows := make([]row, len(settings))
		for i, s := range settings {
			rows[i] = row{s.Name, s.Value, s.Origin.String(), s.Help}
		}
		enc := json.NewEncoder(io.out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tFROM\tWHAT")
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, s.Value, s.Origin, s.Help)
	}
	return w.Flush()
}
