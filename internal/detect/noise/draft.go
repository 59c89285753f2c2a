package noise

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/alert"
	"yagura/internal/event"
	"yagura/sigma"
)

// draftField is a field of an alert's event that an exception can be made of.
type draftField struct {
	Name   string // as events have it, which its box is called
	Sigma  string // as the rule calls it, where it does
	Values []string
	Chosen bool
	Near   bool // the rule looks at it, or it says who, where and with what: it is offered first
}

// most of what is offered and taken.
const (
	maxDraftFields = 200
	maxDraftValue  = 4_000
	maxDraftValues = 20
)

// unfit are fields that are another event's next time.
func unfit(name string) bool {
	switch name {
	case "event.id", event.Message, event.Original, "@timestamp", event.EventIngested, "event.created", "event.start", "event.end", "_time", "_msg":
		return true
	}
	return false
}

// draftFields are the fields of a sample that an exception can be made of: the rule's own first. Without a choice, those are chosen that say
// who did it and with what.
func draftFields(sample []byte, looks []alert.RuleField, chosen []string) (list []draftField) {
	var names []string
	values := make(map[string][]string)
	for _, f := range readEvent(sample) {
		if f.Null || unfit(f.Name) || strings.ContainsAny(f.Name, "|\x00") || len(f.Value) > maxDraftValue {
			continue
		}
		if _, ok := values[f.Name]; !ok {
			names = append(names, f.Name)
		}
		values[f.Name] = append(values[f.Name], f.Value)
	}
	add := func(name, called string) {
		if v := values[name]; v != nil && len(v) <= maxDraftValues && len(list) < maxDraftFields {
			list = append(list, draftField{Name: name, Sigma: called, Values: v, Chosen: slices.Contains(chosen, name)})
		}
		delete(values, name)
	}
	for _, look := range looks {
		// Where the taxonomy gives several names, the first that the event has is the one the rule looks at.
		if i := slices.IndexFunc(look.Names, func(name string) bool { return values[name] != nil }); i >= 0 {
			add(look.Names[i], look.Name)
			if n := len(list); n > 0 && list[n-1].Name == look.Names[i] {
				list[n-1].Near = true
			}
		}
	}
	for _, name := range names {
		add(name, name)
	}
	if len(chosen) == 0 {
		choose(list)
	}
	for i, f := range list {
		list[i].Near = f.Near || f.Chosen || slices.Contains([]string{event.UserName, event.HostName, event.SourceIP, event.ProcessExe, event.ParentExe}, f.Name)
	}
	return list
}

// choose ticks who and with what.
func choose(list []draftField) {
	any := false
	for _, group := range [][]string{{event.UserName, event.UserEmail, "user.id"}, {event.ProcessExe, event.ProcessName}} {
		for _, name := range group {
			if i := slices.IndexFunc(list, func(f draftField) bool { return f.Name == name }); i >= 0 {
				list[i].Chosen, any = true, true
				break
			}
		}
	}
	if any {
		return
	}
	for _, name := range []string{event.HostName, event.SourceIP} {
		if i := slices.IndexFunc(list, func(f draftField) bool { return f.Name == name }); i >= 0 {
			list[i].Chosen = true
			return
		}
	}
}

// literal writes a value so that Sigma takes it as it is: no wildcard, no escape.
func literal(value string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(value)
}

// draft writes the Sigma filter that keeps back, of a rule's matches, the events that have all values of the fields. A value that a sample
// had to cut stands for all that begin with it. The rule has an id or a name.
func draft(title string, r *sigma.Rule, fields []draftField) (string, error) {
	selection := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		key, values := f.Sigma, slices.Clone(f.Values)
		cut := slices.ContainsFunc(values, func(v string) bool { return strings.HasSuffix(v, "…") })
		for i := range values {
			values[i] = literal(strings.TrimSuffix(values[i], "…"))
		}
		if cut {
			key += "|startswith"
		}
		node := quoted(values[0])
		if len(values) > 1 {
			key += "|all"
			node = &yaml.Node{Kind: yaml.SequenceNode}
			for _, v := range values {
				node.Content = append(node.Content, quoted(v))
			}
		}
		selection.Content = append(selection.Content, plain(key), node)
	}
	name := r.ID
	if name == "" {
		name = r.Name
	}
	source := mapping()
	for _, part := range [][2]string{{"category", r.Logsource.Category}, {"product", r.Logsource.Product}, {"service", r.Logsource.Service}} {
		if part[1] != "" {
			source.Content = append(source.Content, plain(part[0]), plain(part[1]))
		}
	}
	doc := mapping(
		plain("title"), plain(title),
		plain("logsource"), source,
		plain("filter"), mapping(
			plain("rules"), &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{plain(name)}},
			plain("selection"), selection,
			plain("condition"), plain("not selection")))
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return "", fmt.Errorf("writing a filter: %w", err)
	}
	return out.String(), nil
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: content}
}

// plain is a text that YAML writes as it likes; quoted one between quotes, so that 4711 stays a text.
func plain(text string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(text)
	return n
}

func quoted(text string) *yaml.Node {
	n := plain(text)
	if n.Style == 0 {
		n.Style = yaml.SingleQuotedStyle
	}
	if strings.ContainsAny(text, "\n\r\t") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0xfeff }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
