package sigma

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of one document, against rules that nobody wrote in good faith.
const (
	maxFile      = 8 << 20   // bytes of a file
	maxDocuments = 10_000    // documents of a file
	maxNodes     = 500_000   // YAML nodes of a document, aliases followed
	maxFileNodes = 2_000_000 // likewise of all documents of a file, with what a global one lays under each
	maxValues    = 100_000   // values of a rule, placeholders and encodings expanded
	maxValue     = 32 << 10  // bytes of a value
	maxExpanded  = 16 << 20  // bytes that a rule's values take, placeholders and encodings expanded
	maxSearches  = 1_000     // search identifiers of a rule, and conditions
	maxNesting   = 32        // depth of a document's YAML that is read
)

// detection is the parsed section "detection" of a rule or "filter" of a filter.
type detection struct {
	expr     *expr
	items    []*item
	searches []*search
	values   int
	expanded int // bytes
	warnings []*lineError
}

func (d *detection) warn(line int, format string, args ...any) {
	d.warnings = append(d.warnings, errAt(line, format, args...))
}

// parseDetection reads a detection: search identifiers and conditions. The keys in reserved are not
// search identifiers.
func parseDetection(doc *document, node *yaml.Node, reserved ...string) (*detection, error) {
	entries, err := doc.mapping(node)
	if err != nil {
		return nil, err
	}
	d := &detection{}
	named := 0
	var conditions []*yaml.Node
	for _, e := range entries {
		switch {
		case e.key == "condition":
			if conditions, err = doc.conditions(e.value); err != nil {
				return nil, err
			}
			continue
		case e.key == "timeframe":
			d.warn(e.line, "timeframe belongs to the aggregation syntax that Sigma 2 removed; it has no effect")
			continue
		case slices.Contains(reserved, e.key):
			continue
		}
		if len(d.searches) == maxSearches {
			return nil, errAt(e.line, "more than %d search identifiers", maxSearches)
		}
		before := len(d.items)
		x, err := d.parseSearch(doc, e)
		if err != nil {
			return nil, err
		}
		d.searches = append(d.searches, &search{name: e.key, line: e.line, expr: x, items: len(d.items) - before})
	}
	if len(conditions) == 0 {
		return nil, errAt(node.Line, "condition is missing")
	}
	var alternatives []*expr
	for _, c := range conditions {
		x, err := parseCondition(c.Value, d.searches, &named)
		if err != nil {
			return nil, errAt(c.Line, "%s", err)
		}
		alternatives = append(alternatives, x)
	}
	d.expr = combine(exprOr, alternatives)
	for _, s := range d.searches {
		if !s.used && !strings.HasPrefix(s.name, "_") {
			d.warn(s.line, "search identifier %s is not used in the condition", s.name)
		}
	}
	return d, nil
}

// conditions returns the condition's strings: one, or a list of which any may hold.
func (doc *document) conditions(node *yaml.Node) ([]*yaml.Node, error) {
	list := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		list = nil
		for _, c := range node.Content {
			resolved, err := doc.resolve(c)
			if err != nil {
				return nil, err
			}
			list = append(list, resolved)
		}
	}
	if len(list) > maxSearches {
		return nil, errAt(node.Line, "more than %d conditions", maxSearches)
	}
	for _, c := range list {
		if c.Kind != yaml.ScalarNode || c.Tag == "!!null" {
			return nil, errAt(c.Line, "condition is no string")
		}
	}
	return list, nil
}

// parseSearch reads what a search identifier stands for: a map, whose entries must all hold, or a list of
// maps and keywords, of which any may hold.
func (d *detection) parseSearch(doc *document, e entry) (*expr, error) {
	switch e.value.Kind {
	case yaml.MappingNode:
		return d.parseMap(doc, e.value)
	case yaml.SequenceNode:
		return d.parseList(doc, e)
	}
	if e.value.Tag == "!!null" {
		return nil, errAt(e.line, "search identifier %s is empty", e.key)
	}
	return d.addItem(doc, &item{line: e.line}, e.value)
}

// parseList reads a list of maps and keywords.
func (d *detection) parseList(doc *document, e entry) (*expr, error) {
	var kids []*expr
	keywords := &yaml.Node{Kind: yaml.SequenceNode, Line: e.value.Line}
	for _, c := range e.value.Content {
		c, err := doc.resolve(c)
		if err != nil {
			return nil, err
		}
		switch c.Kind {
		case yaml.MappingNode:
			x, err := d.parseMap(doc, c)
			if err != nil {
				return nil, err
			}
			kids = append(kids, x)
		case yaml.ScalarNode:
			keywords.Content = append(keywords.Content, c)
		default:
			return nil, errAt(c.Line, "search identifier %s: a list within a list", e.key)
		}
	}
	if len(keywords.Content) > 0 {
		x, err := d.addItem(doc, &item{line: keywords.Line}, keywords)
		if err != nil {
			return nil, err
		}
		kids = append(kids, x)
	}
	if len(kids) == 0 {
		return nil, errAt(e.line, "search identifier %s is empty", e.key)
	}
	return combine(exprOr, kids), nil
}

// parseMap reads a map of fields with modifiers to values.
func (d *detection) parseMap(doc *document, node *yaml.Node) (*expr, error) {
	entries, err := doc.mapping(node)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errAt(node.Line, "an empty map would match every event")
	}
	var kids []*expr
	for _, e := range entries {
		parts := strings.Split(e.key, "|")
		it := &item{field: parts[0], line: e.line}
		if it.chain, it.mods, err = parseModifiers(parts[1:]); err != nil {
			return nil, errAt(e.line, "%s: %s", e.key, err)
		}
		if it.isKeyword() {
			if len(parts) == 1 {
				return nil, errAt(e.line, "a field without a name")
			}
			if !it.mods.only(keywordModifiers) {
				return nil, errAt(e.line, "%s: modifier %s needs a field", e.key, (it.mods &^ keywordModifiers).list())
			}
		}
		x, err := d.addItem(doc, it, e.value)
		if err != nil {
			return nil, err
		}
		kids = append(kids, x)
	}
	return combine(exprAnd, kids), nil
}

// addItem reads an item's values, checks them and makes the item part of the detection.
func (d *detection) addItem(doc *document, it *item, node *yaml.Node) (*expr, error) {
	nodes := []*yaml.Node{node}
	switch node.Kind {
	case yaml.SequenceNode:
		nodes = node.Content
		if len(nodes) == 0 {
			return nil, errAt(it.line, "%s: the list of values is empty", it.name())
		}
	case yaml.MappingNode:
		return nil, errAt(node.Line, "%s: a map where a value or a list of values belongs", it.name())
	}
	if d.values += len(nodes); d.values > maxValues {
		return nil, errAt(it.line, "more than %d values", maxValues)
	}
	for _, n := range nodes {
		n, err := doc.resolve(n)
		if err != nil {
			return nil, err
		}
		if n.Kind != yaml.ScalarNode {
			return nil, errAt(n.Line, "%s: a list or map where a value belongs", it.name())
		}
		it.values = append(it.values, scalarOf(n))
	}
	if it.mods.has(modExists) && len(it.values) > 1 {
		return nil, errAt(it.line, "%s takes one value", it.name())
	}
	tests, err := it.tests(nil)
	if err != nil {
		return nil, err
	}
	if d.expanded += sizeOf(tests...); d.expanded > maxExpanded {
		return nil, errAt(it.line, "the rule's values expand to more than %d MiB", maxExpanded>>20)
	}
	if !it.mods.has(modExpand) {
		it.ready = tests
	}
	d.lint(it)
	d.items = append(d.items, it)
	return &expr{op: exprItem, item: it}, nil
}

// lint warns of what is allowed and hardly meant.
func (d *detection) lint(it *item) {
	if it.mods.has(modAll) && len(it.values) == 1 {
		d.warn(it.line, "%s: modifier all on a single value has no effect", it.name())
	}
	if it.mods.has(modBase64Offset) && it.mods.without(positions) && !it.isKeyword() {
		d.warn(it.line, "%s: base64offset without contains only matches a field that holds nothing else", it.name())
	}
	if it.mods.has(modExpand) {
		for _, v := range it.values {
			if len(splitPlaceholders(v.text)) == 1 {
				d.warn(v.line, "%s: %q has no placeholder to expand", it.name(), v.text)
			}
		}
	}
}

// scalarOf reads a YAML scalar by its YAML 1.2 type. Numbers that YAML writes in another base become
// decimal; all others stay as written, because that is what is compared.
func scalarOf(n *yaml.Node) scalar {
	v := scalar{text: n.Value, line: n.Line}
	switch n.Tag {
	case "!!null":
		v.kind = scalarNull
	case "!!bool":
		v.kind, v.text = scalarBool, strings.ToLower(n.Value)
	case "!!float":
		v.kind = scalarNumber
	case "!!int":
		v.kind, v.text = scalarNumber, decimal(n)
	}
	return v
}
