package coverage

import (
	"fmt"
	"strconv"
	"time"
)

// Layer is a layer of the ATT&CK Navigator, format 4.5 (layers/spec/v4.5/layerformat.md of mitre-attack/attack-navigator).
type Layer struct {
	Name        string           `json:"name"`
	Versions    LayerVersions    `json:"versions"`
	Domain      string           `json:"domain"`
	Description string           `json:"description"`
	Sorting     int              `json:"sorting"`
	Layout      LayerLayout      `json:"layout"`
	Techniques  []LayerTechnique `json:"techniques"`
	Gradient    LayerGradient    `json:"gradient"`
	Legend      []LayerLegend    `json:"legendItems"`
	Metadata    []LayerMetadata  `json:"metadata"`
}

// LayerVersions are the versions that a layer is made for.
type LayerVersions struct {
	ATTACK    string `json:"attack"`
	Navigator string `json:"navigator"`
	Layer     string `json:"layer"`
}

// LayerLayout says how the matrix looks at first.
type LayerLayout struct {
	Layout       string `json:"layout"`
	ShowID       bool   `json:"showID"`
	ShowName     bool   `json:"showName"`
	SubTechnique string `json:"expandedSubtechniques"`
}

// LayerTechnique is what a layer says of a technique, under every tactic that it belongs to.
type LayerTechnique struct {
	TechniqueID string          `json:"techniqueID"`
	Score       int             `json:"score"` // live rules that see events
	Color       string          `json:"color,omitempty"`
	Comment     string          `json:"comment"`
	Enabled     bool            `json:"enabled"`
	Metadata    []LayerMetadata `json:"metadata"`
}

// LayerGradient colours scores.
type LayerGradient struct {
	Colors   []string `json:"colors"`
	MinValue int      `json:"minValue"`
	MaxValue int      `json:"maxValue"`
}

// LayerLegend explains a colour.
type LayerLegend struct {
	Label string `json:"label"`
	Color string `json:"color"`
}

// LayerMetadata is a name and a value.
type LayerMetadata struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// The layer's colours: of a gradient for what is covered, and of what is not.
const (
	colorFew     = "#dbe6f2"
	colorMany    = "#1f3a5f"
	colorBlind   = "#e8c070"
	colorResting = "#c9c9c9"
)

// Layer is the report as a layer: covered techniques are scored by their rules, those that are blind or rest have colours, gaps have nothing.
func (r *Report) Layer() *Layer {
	l := &Layer{
		Name: "Yagura: detection coverage", Domain: r.Domain, Sorting: 0,
		Versions:    LayerVersions{ATTACK: r.Version, Navigator: "4.9.0", Layer: "4.5"},
		Description: fmt.Sprintf("Live rules whose log source had events in %d days; alerts of %d days.", days(SeenSpan), days(AlertSpan)),
		Layout:      LayerLayout{Layout: "side", ShowName: true, SubTechnique: "annotated"},
		Techniques:  []LayerTechnique{},
		Gradient:    LayerGradient{Colors: []string{colorFew, colorMany}, MinValue: 1, MaxValue: 2},
		Legend: []LayerLegend{
			{"one rule", colorFew}, {"many rules", colorMany}, {"blind: no events of the rules' log sources", colorBlind}, {"rules that are not live", colorResting},
		},
		Metadata: []LayerMetadata{{"attribution", r.Attribution}},
	}
	done := make(map[string]bool)
	for _, line := range r.Lines {
		for _, row := range line.Rows {
			l.add(row, done)
			for _, sub := range row.Subs {
				l.add(sub, done)
			}
		}
	}
	return l
}

func (l *Layer) add(row Row, done map[string]bool) {
	if done[row.ID] || row.State() == Gap && row.Alerts == 0 {
		return
	}
	done[row.ID] = true
	t := LayerTechnique{TechniqueID: row.ID, Score: row.Live - row.Blind, Comment: string(row.State()), Enabled: true}
	switch row.State() {
	case Covered:
		l.Gradient.MaxValue = max(l.Gradient.MaxValue, t.Score)
	case Blind:
		t.Color = colorBlind
	case Resting:
		t.Color = colorResting
	}
	for _, m := range []struct {
		name string
		n    int
	}{{"rules", row.Rules}, {"live", row.Live}, {"blind", row.Blind}, {"alerts", row.Alerts}} {
		t.Metadata = append(t.Metadata, LayerMetadata{m.name, strconv.Itoa(m.n)})
	}
	l.Techniques = append(l.Techniques, t)
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }
