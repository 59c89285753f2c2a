package config

import (
	"errors"
	"fmt"
	"io/fs"
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
		if err := assign(s.value, text); err != nil {
			return fault.New(fault.Invalid, "fault.config.value", "%s: %s: %w", from, s.name, err)
		}
		origins[s.name] = from
		return nil
	}
	for _, s := range places {
		if err := set(s, s.fallback, Origin{Kind: "default"}); err != nil {
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
			return set(s, text, Origin{Kind: "flag", Name: "--" + strings.ReplaceAll(s.name, ".", "-")})
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
			file = map[string]entry{name: {place: "flag --" + strings.ReplaceAll(name, ".", "-")}}
		}
	}
	if err := unknown(file, places); err != nil {
		return nil, nil, err
	}
	out := make([]Setting, 0, len(places))
	for _, s := range places {
		out = append(out, Setting{Name: s.name, Value: format(s.value), Help: s.help, Origin: origins[s.name]})
	}
	return c, out, nil
}

// entry is a scalar of the file, or a list joined by commas.
type entry struct{ text, place string }

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
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fault.New(fault.Invalid, "fault.config.file", "%s: %w", path, err)
	}
	entries := make(map[string]entry)
	if len(doc.Content) == 0 {
		return entries, nil
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
			entries[prefix] = entry{strings.Join(parts, ","), place}
		case yaml.ScalarNode:
			entries[prefix] = entry{n.Value, place}
		default:
			return fault.New(fault.Invalid, "fault.config.file", "%s: anchors and aliases are not used here", place)
		}
		return nil
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, fault.New(fault.Invalid, "fault.config.file", "%s:%d: the file must be names with values", path, doc.Content[0].Line)
	}
	return entries, walk("", doc.Content[0])
}

// unknown reports the first name of the file that no setting has.
func unknown(rest map[string]entry, places []setting) error {
	if len(rest) == 0 {
		return nil
	}
	names := make([]string, 0, len(rest))
	for name := range rest {
		names = append(names, name)
	}
	slices.Sort(names)
	known := make([]string, len(places))
	for i, s := range places {
		known[i] = s.name
	}
	return fault.New(fault.Invalid, "fault.config.unknown", "%s: there is no setting %q; the settings are %s",
		rest[names[0]].place, names[0], strings.Join(known, ", "))
}
