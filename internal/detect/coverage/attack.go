// Package coverage says which techniques of ATT&CK the rules look for, and which of those rules see anything at all.
//
// What it promises:
//
//   - A technique counts as covered only where a live rule names it or one of its sub-techniques, and events of that rule's log source
//     came in within SeenSpan. A rule without such events is blind: it can match nothing.
//   - Log sources are told apart by the matcher that events go through, so that "blind" means what matching means.
//   - Figures are those of the lists they lead to.
//   - Tags of older versions of ATT&CK count for what stands in their place today; tags that nothing stands in the place of are named.
package coverage

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

// The data come with MITRE's licence, which asks to stand beside them. tools/attack makes them anew of what MITRE publishes.
//
//go:embed data
var data embed.FS

// ATTACK is a version of MITRE ATT&CK's enterprise matrix. It is not changed after Load and safe for concurrent use.
type ATTACK struct {
	Attribution string            `json:"attribution"` // to be shown wherever names are
	Domain      string            `json:"domain"`
	Version     string            `json:"version"`
	Modified    string            `json:"modified"` // the day of the matrix: 2026-04-14
	Tactics     []Tactic          `json:"tactics"`  // in the matrix's order
	Techniques  []Technique       `json:"techniques"`
	Replaced    map[string]string `json:"replaced"` // ids of older versions, and what stands in their place

	byID   map[string]*Technique
	tactic map[string]*Tactic
}

// Tactic is a column of the matrix.
type Tactic struct {
	ID   string `json:"id"` // TA0002
	Name string `json:"name"`
	Key  string `json:"key"` // as tags have it: execution
}

// Technique is a technique or, with a dot in its id, a sub-technique.
type Technique struct {
	ID      string   `json:"id"` // T1059, T1059.001
	Name    string   `json:"name"`
	Tactics []string `json:"tactics"` // keys
}

// Parent is the id of the technique that a sub-technique belongs to, or the technique's own.
func (t *Technique) Parent() string { return parent(t.ID) }

func parent(id string) string {
	above, _, _ := strings.Cut(id, ".")
	return above
}

// Load reads the version that came with the program.
func Load() (*ATTACK, error) {
	text, err := data.ReadFile("data/enterprise.json")
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse reads a table, and refuses one in which something refers to what is not there.
func parse(text []byte) (*ATTACK, error) {
	a := &ATTACK{byID: make(map[string]*Technique), tactic: make(map[string]*Tactic)}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("reading ATT&CK: %w", err)
	}
	for i := range a.Tactics {
		a.tactic[a.Tactics[i].Key] = &a.Tactics[i]
	}
	for i := range a.Techniques {
		a.byID[a.Techniques[i].ID] = &a.Techniques[i]
	}
	for i := range a.Techniques {
		t := &a.Techniques[i]
		if a.byID[t.Parent()] == nil {
			return nil, fmt.Errorf("reading ATT&CK: %s belongs to no technique", t.ID)
		}
		for _, key := range t.Tactics {
			if a.tactic[key] == nil {
				return nil, fmt.Errorf("reading ATT&CK: %s has the unknown tactic %q", t.ID, key)
			}
		}
	}
	for old, id := range a.Replaced {
		if a.byID[id] == nil {
			return nil, fmt.Errorf("reading ATT&CK: %s is replaced by the unknown %s", old, id)
		}
	}
	return a, nil
}

// Technique returns what an id of a tag means today; false where it means nothing.
func (a *ATTACK) Technique(id string) (*Technique, bool) {
	id = strings.ToUpper(id)
	if now, ok := a.Replaced[id]; ok {
		id = now
	}
	t, ok := a.byID[id]
	return t, ok
}

// former are the ids of older versions in whose place a technique stands, in order.
func (a *ATTACK) former() map[string][]string {
	olds := make(map[string][]string)
	for old, id := range a.Replaced {
		olds[id] = append(olds[id], old)
	}
	return olds
}
