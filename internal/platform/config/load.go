package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"yagura/internal/platform/fault"
)

// Sources is what Load reads from.
type Sources struct {
	File   string                      // the configuration file; "" looks for yagura.yml in the data folder, then /etc/yagura
	Flags  map[string]string           // settings given as flags, by name
	Getenv func(string) (string, bool) // os.LookupEnv
}

// Load puts the configuration together. Its errors are fault.Invalid and name the place.
func Load(src Sources) (*Config, []Setting, error) {
	c := &Config{}
	places := settings(c)
	origins := make(map[string]Origin, len(places))
	set := func(s setting, text string, from Origin) error {
		err := assign(s.value, text)
		if err == nil {
			err = allowed(s.value, s.tag)
		}
		if err != nil {
			return fault.New(fault.Invalid, "fault.config.value", "%s: %s: %w", from, s.name, err)
		}
		origins[s.name] = from
		return nil
	}
	for _, s := range places {
		if err := set(s, s.tag.Get("default"), Origin{Kind: "default"}); err != nil {
			return nil, nil, err
		}
	}
	c.Data = DefaultData()

	override := func(s setting) error {
		if text, ok := src.Getenv(variable(s.name)); ok {
			if err := set(s, text, Origin{Kind: "environment", Name: variable(s.name)}); err != nil {
				return err
			}
		}
		if text, ok := src.Flags[s.name]; ok {
			return set(s, text, Origin{Kind: "flag"})
		}
		return nil
	}
	// The data folder may hold the file, so it is settled before the file is looked for.
	for _, s := range places {
		if s.name == "data" {
			if err := override(s); err != nil {
				return nil, nil, err
			}
		}
	}
	file, err := readFile(src.File, c.Data)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range places {
		if entry, ok := file[s.name]; ok {
			if _, given := src.Flags[s.name]; !given {
				if err := set(s, entry.text, Origin{Kind: "file", Name: entry.place}); err != nil {
					return nil, nil, err
				}
			}
			delete(file, s.name)
		}
		if err := override(s); err != nil {
			return nil, nil, err
		}
	}
	for name := range src.Flags {
		if _, ok := origins[name]; !ok {
			file = map[string]entry{name: {place: "--set"}}
		}
	}
	if err := unknown(file, places); err != nil {
		return nil, nil, err
	}
	out := make([]Setting, 0, len(places))
	for _, s := range places {
		out = append(out, Setting{Name: s.name, Value: format(s.value), Help: s.tag.Get("help"), Origin: origins[s.name]})
	}
	return c, out, nil
}

// entry is a scalar of the file, or a list joined by commas.
type entry struct {
	text, place string
	empty       bool // a name with nothing after it
}

func readFile(named, data string) (map[string]entry, error) {
	candidates := []string{named}
	if named == "" {
		candidates = []string{filepath.Join(data, "yagura.yml"), "/etc/yagura/yagura.yml"}
	}
	for _, path := range candidates {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && named == "" {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.config.file", "configuration file: %w", err)
		}
		return parse(path, text)
	}
	return nil, nil
}

// parse flattens a YAML file to settings by name.
func parse(path string, text []byte) (map[string]entry, error) {
	var doc, second yaml.Node
	entries := make(map[string]entry)
	dec := yaml.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(&doc)
	if err == io.EOF {
		return entries, nil
	}
	if err == nil {
		if err = dec.Decode(&second); err == nil {
			err = fmt.Errorf("line %d: the file must be one document, without a second after ---", second.Line)
		}
	}
	if err != io.EOF {
		return nil, fault.New(fault.Invalid, "fault.config.file", "%s: %w", path, err)
	}
	var walk func(prefix string, n *yaml.Node) error
	walk = func(prefix string, n *yaml.Node) error {
		place := fmt.Sprintf("%s:%d", path, n.Line)
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				name := prefix + n.Content[i].Value
				if _, twice := entries[name]; twice {
					return fault.New(fault.Invalid, "fault.config.file", "%s:%d: %s is given twice", path, n.Content[i].Line, name)
				}
				if n.Content[i+1].Kind == yaml.MappingNode {
					name += "."
				}
				if err := walk(name, n.Content[i+1]); err != nil {
					return err
				}
			}
		case yaml.SequenceNode:
			var parts []string
			for _, item := range n.Content {
				if item.Kind != yaml.ScalarNode || strings.Contains(item.Value, ",") {
					return fault.New(fault.Invalid, "fault.config.file", "%s:%d: an item of %s must be text without a comma", path, item.Line, prefix)
				}
				parts = append(parts, item.Value)
			}
			entries[prefix] = entry{text: strings.Join(parts, ","), place: place}
		case yaml.ScalarNode:
			if n.Tag == "!!null" {
				entries[prefix] = entry{place: place, empty: true}
				break
			}
			entries[prefix] = entry{text: n.Value, place: place}
		default:
			return fault.New(fault.Invalid, "fault.config.file", "%s: anchors and aliases are not used here", place)
		}
		return nil
	}
	if doc.Content[0].Tag == "!!null" {
		return entries, nil
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, fault.New(fault.Invalid, "fault.config.file", "%s:%d: the file must be names with values", path, doc.Content[0].Line)
	}
	return entries, walk("", doc.Content[0])
}

// unknown reports the first name of the file that no setting has. A section with nothing in it, all commented out, is fine.
func unknown(rest map[string]entry, places []setting) error {
	sections := make(map[string][]string) // "" is the top: the sections and what has none
	for _, s := range places {
		section, name, ok := strings.Cut(s.name, ".")
		if !ok {
			section, name = "", s.name
		} else if len(sections[section]) == 0 {
			sections[""] = append(sections[""], section)
		}
		sections[section] = append(sections[section], name)
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if rest[name].empty && sections[name] != nil {
			continue
		}
		section, _, _ := strings.Cut(name, ".")
		if known := sections[section]; known != nil {
			return fault.New(fault.Invalid, "fault.config.unknown", "%s: there is no setting %q; %s has %s",
				rest[name].place, name, section, strings.Join(known, ", "))
		}
		return fault.New(fault.Invalid, "fault.config.unknown", "%s: there is no setting %q; there are %s",
			rest[name].place, name, strings.Join(sections[""], ", "))
	}
	return nil
}
