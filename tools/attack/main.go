// Command attack makes internal/detect/coverage/data/enterprise.json of the STIX bundle that MITRE publishes (enterprise-attack.json):
//
//	go run . -bundle enterprise-attack.json -out ../../internal/detect/coverage/data/enterprise.json
//
// What it keeps: tactics in the matrix's order, techniques and sub-techniques that are neither revoked nor deprecated, and for those that
// are revoked the one that stands in their place, so that tags of older rules still count.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
)

// Attribution is what MITRE's terms of use ask every copy to carry.
const attribution = "© %s The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation."

type table struct {
	Attribution string            `json:"attribution"`
	Domain      string            `json:"domain"`
	Version     string            `json:"version"`
	Modified    string            `json:"modified"`
	Tactics     []tactic          `json:"tactics"`
	Techniques  []technique       `json:"techniques"`
	Replaced    map[string]string `json:"replaced"`
}

type tactic struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Key  string `json:"key"`
}

type technique struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Tactics []string `json:"tactics"`
}

// object is what is read of a STIX object.
type object struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Modified   string   `json:"modified"`
	Revoked    bool     `json:"revoked"`
	Deprecated bool     `json:"x_mitre_deprecated"`
	Short      string   `json:"x_mitre_shortname"`
	Version    string   `json:"x_mitre_version"`
	TacticRefs []string `json:"tactic_refs"`
	Relation   string   `json:"relationship_type"`
	Source     string   `json:"source_ref"`
	Target     string   `json:"target_ref"`
	Phases     []struct {
		Chain string `json:"kill_chain_name"`
		Name  string `json:"phase_name"`
	} `json:"kill_chain_phases"`
	References []struct {
		Source string `json:"source_name"`
		ID     string `json:"external_id"`
	} `json:"external_references"`
}

// attackID is the object's id in ATT&CK.
func (o *object) attackID() string {
	for _, r := range o.References {
		if r.Source == "mitre-attack" {
			return r.ID
		}
	}
	return ""
}

func main() {
	log.SetFlags(0)
	bundle := flag.String("bundle", "enterprise-attack.json", "the STIX bundle")
	out := flag.String("out", "", "the table to write")
	version := flag.String("version", "", "ATT&CK's version, where the bundle does not name it")
	flag.Parse()
	data, err := os.ReadFile(*bundle)
	if err != nil {
		log.Fatal(err)
	}
	made, err := convert(data, *version)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, made, 0o644); err != nil {
		log.Fatal(err)
	}
}

// convert makes the table of a bundle.
func convert(data []byte, version string) ([]byte, error) {
	var bundle struct {
		Objects []object `json:"objects"`
	}
	if err := json.Unmarshal(data, &bundle); err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	t := table{Domain: "enterprise-attack", Version: version, Replaced: map[string]string{}}
	byID := make(map[string]*object, len(bundle.Objects))
	for i := range bundle.Objects {
		byID[bundle.Objects[i].ID] = &bundle.Objects[i]
	}
	for i := range bundle.Objects {
		o := &bundle.Objects[i]
		switch o.Type {
		case "x-mitre-collection":
			t.Version = cmp.Or(t.Version, o.Version)
		case "x-mitre-matrix":
			t.Modified = o.Modified[:min(len(o.Modified), len("2006-01-02"))]
			for _, ref := range o.TacticRefs {
				if x := byID[ref]; x != nil {
					t.Tactics = append(t.Tactics, tactic{x.attackID(), x.Name, x.Short})
				}
			}
		case "attack-pattern":
			if !o.Revoked && !o.Deprecated {
				t.Techniques = append(t.Techniques, technique{o.attackID(), o.Name, phases(o)})
			}
		case "relationship":
			if from, to := byID[o.Source], last(byID, bundle.Objects, o.Target); o.Relation == "revoked-by" && from != nil && from.Type == "attack-pattern" && to != nil {
				t.Replaced[from.attackID()] = to.attackID()
			}
		}
	}
	for old, id := range t.Replaced {
		if old == id { // the same id in another object
			delete(t.Replaced, old)
		}
	}
	slices.SortFunc(t.Techniques, func(a, b technique) int { return cmp.Compare(a.ID, b.ID) })
	if t.Version == "" || t.Modified == "" || len(t.Tactics) == 0 || len(t.Techniques) == 0 {
		return nil, errors.New("the bundle lacks a version (-version), a matrix, tactics or techniques")
	}
	t.Attribution = fmt.Sprintf(attribution, t.Modified[:4])
	return t.write()
}

// last follows revocations to what stands today, nil where nothing does.
func last(byID map[string]*object, all []object, id string) *object {
	for range 8 {
		o := byID[id]
		if o == nil || !o.Revoked {
			if o != nil && o.Deprecated {
				return nil
			}
			return o
		}
		next := slices.IndexFunc(all, func(r object) bool { return r.Relation == "revoked-by" && r.Source == id })
		if next < 0 {
			return nil
		}
		id = all[next].Target
	}
	return nil
}

func phases(o *object) []string {
	list := []string{}
	for _, p := range o.Phases {
		if p.Chain == "mitre-attack" {
			list = append(list, p.Name)
		}
	}
	return list
}

// write puts one tactic, technique or replacement on a line each, so that a renewal shows as what changed.
func (t *table) write() ([]byte, error) {
	var b bytes.Buffer
	head, err := line(map[string]string{"attribution": t.Attribution, "domain": t.Domain, "version": t.Version, "modified": t.Modified})
	if err != nil {
		return nil, err
	}
	b.WriteString(strings.TrimSuffix(head, "}"))
	b.WriteString(",\n\"tactics\": [\n")
	if err := lines(&b, t.Tactics); err != nil {
		return nil, err
	}
	b.WriteString("],\n\"techniques\": [\n")
	if err := lines(&b, t.Techniques); err != nil {
		return nil, err
	}
	b.WriteString("],\n\"replaced\": {\n")
	keys := slices.Sorted(maps.Keys(t.Replaced))
	for i, k := range keys {
		fmt.Fprintf(&b, "  %q: %q%s\n", k, t.Replaced[k], comma(i, len(keys)))
	}
	b.WriteString("}}\n")
	if !json.Valid(b.Bytes()) {
		return nil, errors.New("what was made is no JSON")
	}
	return b.Bytes(), nil
}

func line(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSpace(b.String()), err
}

func lines[T any](b *bytes.Buffer, list []T) error {
	for i, v := range list {
		text, err := line(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  %s%s\n", text, comma(i, len(list)))
	}
	return nil
}

func comma(i, n int) string {
	if i == n-1 {
		return ""
	}
	return ","
}
