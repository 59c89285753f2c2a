package rule

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

// Usage is a field that a rule looks at.
type Usage struct {
	Field string   // as the rule says
	Names []string // ours, in order of preference
	Known bool     // a taxonomy entry maps or lists it for the rule's log source
}

// Usages returns the fields that the rule's detection names, in its order. A rule that only has keywords has none.
func (l *Library) Usages(key string) ([]Usage, error) {
	r, err := l.Rule(key)
	if err != nil {
		return nil, err
	}
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	var doc struct {
		Detection yaml.Node `yaml:"detection"`
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fault.New(fault.Conflict, "rule.fault.edited", "the rule's file was edited and is broken: %w", err)
	}
	var usages []Usage
	for _, field := range fieldsOf(&doc.Detection) {
		names, known := l.opt.Taxonomy.Fields(r.Logsource, field)
		usages = append(usages, Usage{field, names, known})
	}
	return usages, nil
}

// fieldsOf collects the keys of the search identifiers of a detection, without their modifiers. A list of maps counts
// like its maps.
func fieldsOf(detection *yaml.Node) []string {
	var fields []string
	var collect func(n *yaml.Node, depth int)
	collect = func(n *yaml.Node, depth int) {
		if depth > 16 {
			return
		}
		switch n.Kind {
		case yaml.SequenceNode:
			for _, item := range n.Content {
				collect(item, depth+1)
			}
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				field, _, _ := strings.Cut(n.Content[i].Value, "|")
				if field != "" && !slices.Contains(fields, field) {
					fields = append(fields, field)
				}
			}
		case yaml.AliasNode:
			collect(n.Alias, depth+1)
		}
	}
	if detection.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(detection.Content); i += 2 {
			if name := detection.Content[i].Value; name != "condition" && name != "timeframe" {
				collect(detection.Content[i+1], 0)
			}
		}
	}
	return fields
}

// Events says which events the log source means; ok is false where nothing here knows it.
func (l *Library) Events(ls sigma.Logsource) (events []sigma.Conjunction, ok bool) {
	return l.opt.Taxonomy.Events(ls)
}

// Trial is what became of an event that was tried on a rule.
type Trial struct {
	Fields  []event.Field // of the event, in order
	Time    time.Time     // zero where the event names none
	Matched bool
	Why     *sigma.Explanation
	// InLogsource is false where the event does not belong to the rule's log source, so that the rule never looks at it.
	InLogsource bool
	// Problem says why the event cannot be read; the rest is empty then.
	Problem string
}

// maxTried is the largest event that can be tried.
const maxTried = 1 << 20

// Try reads an event as an input would and tries the rule on it, enabled or not. A rule that does not run is a
// fault.Invalid.
func (l *Library) Try(key string, format intake.Format, dataset string, data []byte) (*Trial, error) {
	r, err := l.Rule(key)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(format); err != nil {
		return nil, fault.New(fault.Invalid, "rule.fault.format", "%w", err)
	}
	if len(data) > maxTried {
		return nil, fault.New(fault.TooLarge, "rule.fault.event_too_large", "the event has %d bytes, more than %d", len(data), maxTried)
	}
	b := l.opt.bench()
	if _, refused := b.compile(r.Rule, l.Set().filters); refused != "" {
		return nil, fault.New(fault.Invalid, "rule.fault.does_not_run", "%s", refused)
	}
	ev, err := b.read(format, dataset, data)
	if err != nil {
		return &Trial{Problem: err.Error()}, nil
	}
	why, err := l.Set().Explain(r.Rule, ev.Clone()) // the event's strings are the normaliser's
	if err != nil {
		return nil, fault.New(fault.Invalid, "rule.fault.does_not_run", "%w", err)
	}
	trial := &Trial{Time: ev.Time, Matched: why.Matched, Why: why, InLogsource: true}
	for _, part := range why.Why.Parts {
		if part.Kind == sigma.ReasonLogsource {
			trial.InLogsource = part.Holds
		}
	}
	for _, f := range ev.Fields() {
		trial.Fields = append(trial.Fields, event.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value), Kind: f.Kind})
	}
	return trial, nil
}

// Explain says why a rule of the set, with the filters that apply to it, matches an event or does not. The
// explanation's texts are the event's.
func (s *Set) Explain(r *sigma.Rule, ev sigma.Event) (*sigma.Explanation, error) {
	return sigma.Explain(r, ev, s.opt.compileOptions(), s.filters...)
}

// Unselected returns the rules that are tried on every event of their log source, with what that costs, the disabled ones among
// them.
func (s *Set) Unselected() []sigma.Unselected { return s.whole.Unselected() }
