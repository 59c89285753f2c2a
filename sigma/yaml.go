package sigma

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document reads one YAML document and keeps count of what it has read, so that aliases cannot make a
// small file large.
type document struct {
	nodes int
}

// entry is one key and value of a map.
type entry struct {
	key   string
	value *yaml.Node
	line  int
}

// resolve follows an alias.
func (doc *document) resolve(n *yaml.Node) (*yaml.Node, error) {
	if doc.nodes++; doc.nodes > maxNodes {
		return nil, errAt(n.Line, "more than %d YAML nodes, aliases followed", maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias, nil
	}
	return n, nil
}

// mapping returns the entries of a map with their aliases followed. Keys are texts and stand once.
func (doc *document) mapping(n *yaml.Node) ([]entry, error) {
	n, err := doc.resolve(n)
	if err != nil {
		return nil, err
	}
	if n.Kind != yaml.MappingNode {
		return nil, errAt(n.Line, "a map is expected here, not %s", kindName(n))
	}
	entries := make([]entry, 0, len(n.Content)/2)
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := doc.resolve(n.Content[i])
		if err != nil {
			return nil, err
		}
		value, err := doc.resolve(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if key.Kind != yaml.ScalarNode {
			return nil, errAt(key.Line, "a map's key is no text")
		}
		if key.Tag == "!!merge" {
			return nil, errAt(key.Line, "YAML merge keys (<<) are not supported")
		}
		if seen[key.Value] {
			return nil, errAt(key.Line, "key %s stands twice in the same map", key.Value)
		}
		seen[key.Value] = true
		entries = append(entries, entry{key: key.Value, value: value, line: key.Line})
	}
	return entries, nil
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a map"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(shorten(n.Value))
}

// decimal returns the text of a YAML integer, converted from octal, hexadecimal or binary.
func decimal(n *yaml.Node) string {
	plain := strings.TrimLeft(n.Value, "+-")
	if plain == "0" || plain != "" && plain[0] != '0' && strings.Trim(plain, "0123456789") == "" {
		return strings.TrimPrefix(n.Value, "+")
	}
	var i int64
	if n.Decode(&i) == nil {
		return strconv.FormatInt(i, 10)
	}
	var u uint64
	if n.Decode(&u) == nil {
		return strconv.FormatUint(u, 10)
	}
	return n.Value
}

// chunk is the text of one document of a file.
type chunk struct {
	text string
	line int // of the file, from 1
}

// source returns the text without a marker that stands alone on the first line.
func (c chunk) source() string {
	if first, rest, ok := strings.Cut(c.text, "\n"); ok && strings.TrimSpace(first) == "---" {
		return rest
	}
	return c.text
}

// splitDocuments cuts a file at its document markers (YAML 1.2.2, sections 9.1.2 and 9.1.4): a marker
// in the first column always is one, whatever stands around it. Each document is then parsed alone, so that
// an error in one does not cost the others.
func splitDocuments(text string) []chunk {
	var chunks []chunk
	start, startLine, line := 0, 1, 1
	flush := func(end int) {
		if c := text[start:end]; !isBlank(c) {
			chunks = append(chunks, chunk{text: c, line: startLine})
		}
	}
	for at := 0; at < len(text); line++ {
		next := len(text)
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		switch marker := documentMarker(text[at:next]); {
		case marker == "---" && at > start:
			flush(at)
			start, startLine = at, line
		case marker == "...":
			flush(at)
			start, startLine = next, line+1
		}
		at = next
	}
	flush(len(text))
	return chunks
}

// documentMarker returns the marker that the line begins with, or "".
func documentMarker(line string) string {
	if len(line) < 3 || len(line) > 3 && strings.IndexByte(" \t\r\n", line[3]) < 0 {
		return ""
	}
	if m := line[:3]; m == "---" || m == "..." {
		return m
	}
	return ""
}

// isBlank reports whether a document holds nothing but comments, directives and its own marker.
func isBlank(s string) bool {
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line != "" && line != "---" && line[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}

// parseYAML parses a document. Lines of nodes and errors are those of the file.
func (c chunk) parseYAML() (*yaml.Node, error) {
	var root yaml.Node
	if err := yaml.NewDecoder(strings.NewReader(c.text)).Decode(&root); err != nil {
		return nil, c.syntaxError(err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, errAt(c.line, "the document is empty")
	}
	if err := shiftLines(root.Content[0], c.line-1, 0); err != nil {
		return nil, err
	}
	return root.Content[0], nil
}

// syntaxError says where in the file the YAML went wrong.
func (c chunk) syntaxError(err error) error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	line := c.line
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(reason); m != nil {
		n, _ := strconv.Atoi(m[1])
		line += n - 1
		reason = reason[len(m[0]):]
		// The library counts from 0 what its parser finds missing, and from 1 what its scanner does.
		for _, missing := range []string{"',' or", "key", "'-' indicator", "node content", "<"} {
			if strings.HasPrefix(reason, "did not find expected "+missing) {
				line++
				break
			}
		}
	}
	return errAt(line, "the YAML is wrong: %s", reason)
}

// shiftLines makes the lines of a tree those of the file, and refuses a tree too deep to be a rule's.
func shiftLines(n *yaml.Node, by, depth int) error {
	n.Line += by
	if depth > maxNesting {
		return errAt(n.Line, "nested more than %d deep", maxNesting)
	}
	for _, c := range n.Content { // an alias has no content of its own: its target is elsewhere in the tree
		if err := shiftLines(c, by, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// merge lays a map over another, as "action: global" wants it: maps are merged, anything else is replaced.
func merge(under, over *yaml.Node) *yaml.Node {
	if under == nil || under.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode {
		return over
	}
	out := *over
	out.Content = append([]*yaml.Node(nil), under.Content...)
	type name struct {
		value string
		kind  yaml.Kind
	}
	at := make(map[name]int, len(under.Content)/2)
	for i := 0; i+1 < len(under.Content); i += 2 {
		at[name{under.Content[i].Value, under.Content[i].Kind}] = i
	}
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		if j, ok := at[name{key.Value, key.Kind}]; ok {
			out.Content[j], out.Content[j+1] = key, merge(out.Content[j+1], value)
			continue
		}
		out.Content = append(out.Content, key, value)
	}
	return &out
}

// lineOf returns the line of an error, or otherwise the given one.
func lineOf(err error, otherwise int) int {
	var at *lineError
	if errors.As(err, &at) && at.line > 0 {
		return at.line
	}
	var missing *missingPlaceholder
	if errors.As(err, &missing) && missing.line > 0 {
		return missing.line
	}
	return otherwise
}

// trimBOM removes a UTF-8 byte order mark.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }
