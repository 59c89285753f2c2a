package sigma

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Parse reads a file of Sigma rules and filters: one YAML document, or several. name is how to call the
// file in messages. What cannot be used of it becomes a problem of its document; the error, a Problem, is only
// for a file that is no text at all or longer than 8 MiB.
//
// The "action: global", "reset" and "repeat" documents of older collections are understood: a global
// document's keys are laid under the documents that follow, a repeated document is the one before with
// changes.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, Problem{File: name, Kind: ProblemRefused, Reason: "the file is longer than 8 MiB"}
	}
	if data = trimBOM(data); !utf8.Valid(data) {
		return nil, Problem{File: name, Kind: ProblemRefused, Reason: "the file is not UTF-8 text"}
	}
	p := fileParser{file: &File{Name: name}}
	for i, c := range splitDocuments(string(data)) {
		if i == maxDocuments {
			return nil, Problem{File: name, Line: c.line, Kind: ProblemRefused, Reason: "the file has more than 10,000 documents"}
		}
		if p.add(c); p.nodes > maxFileNodes {
			return nil, Problem{File: name, Line: c.line, Kind: ProblemRefused, Reason: fmt.Sprintf("the file's documents have more than %d YAML nodes", maxFileNodes)}
		}
	}
	return p.file, nil
}

// fileParser carries what one document of a collection means for the next.
type fileParser struct {
	file             *File
	global, previous *yaml.Node
	nodes            int // read so far
}

// add reads the next document.
func (p *fileParser) add(c chunk) {
	d := documentParser{file: p.file.Name, line: c.line, source: c.source()}
	root, err := c.parseYAML()
	if err == nil {
		d.line = root.Line
	}
	if err == nil && root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return
	}
	if err == nil {
		if root, err = p.applyAction(root); err == nil && root == nil {
			return
		}
	}
	if err == nil {
		err = d.read(root)
	}
	if err != nil {
		d.out.Rule, d.out.Filter = nil, nil
		d.problem(ProblemRefused, lineOf(err, d.line), err.Error())
	}
	d.out.Line, p.nodes = d.line, p.nodes+d.nodes
	p.file.Documents = append(p.file.Documents, d.out)
}

// applyAction does what a document's key "action" asks and returns the rule's document, nil where there is
// none.
func (p *fileParser) applyAction(root *yaml.Node) (*yaml.Node, error) {
	if root.Kind != yaml.MappingNode {
		return nil, errAt(root.Line, "a rule is a map, not %s", kindName(root))
	}
	action := ""
	rest := *root
	rest.Content = nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "action" {
			action = root.Content[i+1].Value
			continue
		}
		rest.Content = append(rest.Content, root.Content[i], root.Content[i+1])
	}
	switch action {
	case "":
		root = merge(p.global, root)
	case "global":
		p.global = merge(p.global, &rest)
		return nil, nil
	case "reset":
		p.global = nil
		if len(rest.Content) == 0 {
			return nil, nil
		}
		root = &rest
	case "repeat":
		if p.previous == nil {
			return nil, errAt(root.Line, "action repeat: there is no document before this one")
		}
		root = merge(p.previous, &rest)
	default:
		return nil, errAt(root.Line, "unknown action %q", action)
	}
	p.previous = root
	return root, nil
}

// documentParser reads one document.
type documentParser struct {
	document
	file   string
	line   int
	source string
	out    Document

	id, title string
	logsource Logsource
}

func (d *documentParser) problem(kind ProblemKind, line int, reason string) {
	d.out.Problems = append(d.out.Problems, Problem{
		File: d.file, Line: line, RuleID: d.id, Title: d.title, Logsource: d.logsource, Kind: kind, Reason: reason,
	})
}

func (d *documentParser) warn(line int, format string, args ...any) {
	d.problem(ProblemWarning, line, fmt.Sprintf(format, args...))
}

// read tells what kind of document it is and reads it.
func (d *documentParser) read(root *yaml.Node) error {
	entries, err := d.mapping(root)
	if err != nil {
		return err
	}
	byKey := make(map[string]entry, len(entries))
	for _, e := range entries {
		byKey[e.key] = e
	}
	d.id, d.title = strings.TrimSpace(byKey["id"].text()), strings.TrimSpace(byKey["title"].text())
	e, isRule := byKey["detection"]
	f, isFilter := byKey["filter"]
	k, isCorrelation := byKey["correlation"]
	switch {
	case isCorrelation && (isRule || isFilter):
		return errAt(k.line, "a correlation and a detection or filter; a document is one of them")
	case isRule && isFilter:
		return errAt(f.line, "both a detection and a filter; a document is one or the other")
	case !isRule && !isFilter && !isCorrelation:
		return errAt(root.Line, "neither a detection, a filter nor a correlation")
	}
	if d.title == "" {
		return errAt(root.Line, "title is missing")
	}
	if utf8.RuneCountInString(d.title) > 256 {
		d.warn(byKey["title"].line, "title is longer than 256 characters")
	}
	if t, ok := byKey["taxonomy"]; ok && t.text() != "sigma" {
		return errAt(t.line, "taxonomy %q is not known, only sigma is", t.text())
	}
	switch {
	case isFilter:
		return d.readFilter(entries, f)
	case isCorrelation:
		return d.readCorrelation(entries, k)
	}
	return d.readRule(entries, e)
}

// text returns the entry's value where it is a scalar.
func (e entry) text() string {
	if e.value == nil || e.value.Kind != yaml.ScalarNode || e.value.Tag == "!!null" {
		return ""
	}
	return e.value.Value
}

// readRule reads a rule.
func (d *documentParser) readRule(entries []entry, det entry) error {
	r := &Rule{ID: d.id, Title: d.title, File: d.file, Line: d.line, Source: d.source}
	for _, e := range entries {
		switch e.key {
		case "detection":
		case "logsource":
			var err error
			if r.Logsource, r.LogsourceDefinition, err = d.readLogsource(e); err != nil {
				return err
			}
		default:
			d.readMetadata(r, e)
		}
	}
	var err error
	if r.detection, err = d.detection(det.value); err != nil {
		return err
	}
	d.out.Rule = r
	return nil
}

// detection reads what a rule or filter looks for. The keys in reserved are no search identifiers.
func (d *documentParser) detection(n *yaml.Node, reserved ...string) (*detection, error) {
	if d.logsource == (Logsource{}) {
		return nil, errAt(d.line, "logsource is missing")
	}
	det, err := parseDetection(&d.document, n, reserved...)
	if err != nil {
		return nil, err
	}
	for _, w := range det.warnings {
		d.warn(w.line, "%s", w.reason)
	}
	det.warnings = nil
	return det, nil
}

// readMetadata reads the keys that tell people about the rule or filter.
func (d *documentParser) readMetadata(r *Rule, e entry) {
	switch e.key {
	case "id", "title", "taxonomy":
	case "level":
		level, err := ParseLevel(strings.ToLower(d.text(e)))
		if err != nil {
			d.warn(e.line, "%s", err)
		}
		r.Level = level
	case "related":
		r.Related = d.related(e)
	case "name":
		r.Name = d.text(e)
	case "status":
		r.Status = d.status(e)
	case "description":
		r.Description = d.text(e)
	case "author":
		r.Author = strings.Join(d.texts(e), ", ")
	case "license":
		r.License = d.text(e)
	case "references":
		r.References = d.texts(e)
	case "date":
		r.Date = d.date(e)
	case "modified":
		r.Modified = d.date(e)
	case "tags":
		r.Tags = d.texts(e)
	case "falsepositives":
		r.FalsePositives = d.texts(e)
	case "fields":
		r.Fields = d.texts(e)
	case "scope":
		r.Scope = d.texts(e)
	default:
		if r.Custom == nil {
			r.Custom = make(map[string]*yaml.Node)
		}
		r.Custom[e.key] = e.value
	}
}

// readFilter reads a filter.
func (d *documentParser) readFilter(entries []entry, f entry) error {
	x := &Filter{ID: d.id, Title: d.title, File: d.file, Line: d.line, Source: d.source}
	var meta Rule
	for _, e := range entries {
		switch e.key {
		case "filter":
		case "logsource":
			var err error
			if x.Logsource, _, err = d.readLogsource(e); err != nil {
				return err
			}
		default:
			d.readMetadata(&meta, e)
		}
	}
	x.Description, x.Author, x.Date, x.Modified, x.Custom = meta.Description, meta.Author, meta.Date, meta.Modified, meta.Custom
	if err := d.readFilterRules(x, f); err != nil {
		return err
	}
	var err error
	if x.detection, err = d.detection(f.value, "rules"); err != nil {
		return err
	}
	if !hasNegation(x.detection.expr) {
		d.warn(f.line, "the condition has no not: the rules will only match events that the filter selects too")
	}
	d.out.Filter = x
	return nil
}

// hasNegation reports whether a not or neq stands anywhere in the condition.
func hasNegation(e *expr) bool {
	if e.op == exprNot || e.op == exprItem && e.item.mods.has(modNeq) {
		return true
	}
	for _, kid := range e.kids {
		if hasNegation(kid) {
			return true
		}
	}
	return false
}

// readFilterRules reads which rules a filter is for: ids or names, or "any" ("all" is taken for it).
func (d *documentParser) readFilterRules(x *Filter, f entry) error {
	entries, err := d.mapping(f.value)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.key != "rules" {
			continue
		}
		x.Rules = d.texts(e)
		if all := strings.ToLower(e.text()); all == "any" || all == "all" {
			x.AnyRule, x.Rules = true, nil
		}
		if len(x.Rules) == 0 && !x.AnyRule {
			return errAt(e.line, "rules names no rule; write any for all rules of the log source")
		}
		return nil
	}
	return errAt(f.line, "rules is missing: the ids or names of the rules that the filter is for, or any")
}

// readLogsource reads a log source, of which at least one part must be given.
func (d *documentParser) readLogsource(e entry) (ls Logsource, definition string, err error) {
	entries, err := d.mapping(e.value)
	if err != nil {
		return ls, "", err
	}
	for _, p := range entries {
		value := strings.ToLower(strings.TrimSpace(p.text()))
		switch p.key {
		case "product":
			ls.Product = value
		case "category":
			ls.Category = value
		case "service":
			ls.Service = value
		case "definition":
			definition = p.text()
		}
	}
	if ls == (Logsource{}) {
		return ls, "", errAt(e.line, "logsource names no product, category or service")
	}
	d.logsource = ls
	return ls, definition, nil
}

// text returns a text value, and warns where it is none.
func (d *documentParser) text(e entry) string {
	if e.value.Kind != yaml.ScalarNode {
		d.warn(e.line, "%s is %s, not a text", e.key, kindName(e.value))
	}
	return e.text()
}

// texts returns a list of texts; one text alone is a list of one.
func (d *documentParser) texts(e entry) []string {
	switch {
	case e.value.Kind == yaml.ScalarNode && e.text() == "":
		return nil
	case e.value.Kind == yaml.ScalarNode:
		return []string{e.text()}
	case e.value.Kind == yaml.MappingNode:
		d.warn(e.line, "%s is a map, not a list of texts", e.key)
		return nil
	}
	var list []string
	for _, n := range e.value.Content {
		n, err := d.resolve(n)
		if err != nil || n.Kind != yaml.ScalarNode {
			d.warn(e.line, "%s holds something that is no text", e.key)
			continue
		}
		list = append(list, n.Value)
	}
	return list
}

// date returns a date as YYYY-MM-DD; rules before Sigma 2 wrote slashes.
func (d *documentParser) date(e entry) string {
	s := d.text(e)
	for _, layout := range []string{time.DateOnly, "2006/01/02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	d.warn(e.line, "%s %q is no date of the form YYYY-MM-DD", e.key, s)
	return s
}

func (d *documentParser) status(e entry) string {
	s := strings.ToLower(d.text(e))
	switch s {
	case "stable", "test", "experimental", "deprecated", "unsupported":
	default:
		d.warn(e.line, "status %q is none of stable, test, experimental, deprecated, unsupported", s)
	}
	return s
}

// related reads the list of related rules.
func (d *documentParser) related(e entry) []Related {
	if e.value.Kind != yaml.SequenceNode {
		d.warn(e.line, "related is no list")
		return nil
	}
	var list []Related
	for _, n := range e.value.Content {
		entries, err := d.mapping(n)
		if err != nil {
			d.warn(e.line, "related: %s", err)
			continue
		}
		var r Related
		for _, p := range entries {
			switch p.key {
			case "id":
				r.ID = p.text()
			case "type":
				r.Type = p.text()
			}
		}
		list = append(list, r)
	}
	return list
}
