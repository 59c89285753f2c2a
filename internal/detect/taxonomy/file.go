package taxonomy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is one YAML document of a taxonomy file: the log sources of one product.
//
//	product: zeek                # left out: log sources that name no product (category: webserver)
//	fallback: [zeek.]            # where a field that nothing maps is looked for: these prefixes plus its
//	                             # name, in order; "" is the name itself. Default [""]
//	keywords: [message]          # fields that unbound keywords are searched in; left out: every field
//	fields:                      # what a Sigma field means in every log source below
//	  id.orig_h: source.ip       # one of our fields, or a list in order of preference
//	sources:
//	  - service: dns             # and/or category; neither: the product as a whole
//	    events:                  # the log source's events: those of which any of these holds
//	      - {event.dataset: [zeek.dns, "zeek.dns_*"]}   # in one all hold; a value is compared without
//	                             # case, a trailing * is a prefix, "*" alone means that the field is there
//	    fields: {query: dns.question.name}
//	    known: [qtype_name, "dns.*"]   # fields that exist under their own name behind a fallback prefix
//	    open: true               # the schema has no end (a cloud's audit log): every field is known
//	    fallback, keywords       # instead of the document's
//
// A rule's log source that names fewer parts covers the union of those that agree with it; one that names
// a product, a category and a service covers what is in both. Everything that differs from this is refused.
type document struct {
	Product  string            `yaml:"product"`
	Fallback []string          `yaml:"fallback"`
	Keywords []string          `yaml:"keywords"`
	Fields   map[string]values `yaml:"fields"`
	Sources  []source          `yaml:"sources"`
	Channels []Channel         `yaml:"channels"`

	name string // of the file
}

type source struct {
	Category string              `yaml:"category"`
	Service  string              `yaml:"service"`
	Events   []map[string]values `yaml:"events"`
	Fields   map[string]values   `yaml:"fields"`
	Known    []string            `yaml:"known"`
	Open     bool                `yaml:"open"`
	Fallback []string            `yaml:"fallback"`
	Keywords []string            `yaml:"keywords"`
}

// values is a YAML list of scalars, or one scalar for a list of one.
type values []string

func (v *values) UnmarshalYAML(node *yaml.Node) error {
	switch node.Kind {
	case yaml.ScalarNode:
		*v = values{node.Value}
		return nil
	case yaml.SequenceNode:
		*v = make(values, 0, len(node.Content))
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a list of plain values is wanted", item.Line)
			}
			*v = append(*v, item.Value)
		}
		return nil
	default:
		return fmt.Errorf("line %d: a value or a list of values is wanted", node.Line)
	}
}

// readAll reads every .yml file of the folder, each of one or more documents, in the order of their names.
func readAll(files fs.FS) ([]document, error) {
	names, err := fs.Glob(files, "*.yml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []document
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		docs, err := readFile(path.Base(name), data)
		if err != nil {
			return nil, err
		}
		all = append(all, docs...)
	}
	return all, nil
}

func readFile(name string, data []byte) ([]document, error) {
	var docs []document
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	for {
		doc := document{name: name}
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err == nil {
			err = doc.check()
		}
		if err != nil {
			return nil, fmt.Errorf("taxonomy %s: %w", name, err)
		}
		docs = append(docs, doc)
	}
}

// check refuses what would otherwise be ignored in silence.
func (d *document) check() error {
	for i := range d.Sources {
		s := &d.Sources[i]
		if err := s.check(); err != nil {
			return fmt.Errorf("source %q/%q: %w", s.Category, s.Service, err)
		}
	}
	for field, names := range d.Fields {
		if err := checkNames(field, names); err != nil {
			return err
		}
	}
	return d.checkChannels()
}

func (s *source) check() error {
	if len(s.Events) == 0 {
		return errors.New("no events: say which belong to it ({} for all)")
	}
	for _, conjunction := range s.Events {
		for field, vals := range conjunction {
			if field == "" || len(vals) == 0 || slices.Contains(vals, "") {
				return fmt.Errorf("condition %q has an empty part", field)
			}
		}
	}
	for field, names := range s.Fields {
		if err := checkNames(field, names); err != nil {
			return err
		}
	}
	for _, name := range s.Known {
		if i := strings.IndexByte(name, '*'); i >= 0 && i < len(name)-1 {
			return fmt.Errorf("known field %q: a * is only understood at the end", name)
		}
	}
	return nil
}

func checkNames(field string, names []string) error {
	if field == "" || len(names) == 0 || slices.Contains(names, "") {
		return fmt.Errorf("field %q has an empty part", field)
	}
	return nil
}
