package sigma_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"yagura/sigma"
)

const fullRule = `# a comment in front
title: Everything
id: 929a690e-bef0-4204-a928-ef5e620d6fcc
name: everything
related:
    - id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9
      type: derived
taxonomy: sigma
status: test
description: |
    Two
    lines
license: DRL-1.1
references:
    - https://example.org/a
author: [Alice, Bob]
date: 2022/03/21
modified: 2025-08-02
tags:
    - attack.defense_evasion
    - attack.credential-access
    - attack.t1059.001
    - attack.T1003
    - attack.g0016
    - attack.s0002
    - cve.2021-1675
    - detection.threat-hunting
logsource:
    category: Process_Creation
    product: windows
    definition: set it up
detection:
    selection: {Image: x}
    condition: selection
fields: [Image, User]
falsepositives: Unlikely
level: High
scope: [server]
tests: [{name: one}]
simulation: {type: atomic}
`

func TestRuleMetadata(t *testing.T) {
	t.Parallel()
	file, err := sigma.Parse("full.yml", []byte(fullRule))
	if err != nil || len(file.Problems()) > 0 {
		t.Fatal(err, file.Problems())
	}
	r := file.Rules()[0]
	want := &sigma.Rule{
		ID: "929a690e-bef0-4204-a928-ef5e620d6fcc", Name: "everything", Title: "Everything", Status: "test",
		Description: "Two\nlines\n", Author: "Alice, Bob", License: "DRL-1.1", References: []string{"https://example.org/a"},
		Date: "2022-03-21", Modified: "2025-08-02", Level: sigma.LevelHigh,
		Tags: []string{
			"attack.defense_evasion", "attack.credential-access", "attack.t1059.001", "attack.T1003", "attack.g0016", "attack.s0002",
			"cve.2021-1675", "detection.threat-hunting",
		},
		FalsePositives: []string{"Unlikely"}, Fields: []string{"Image", "User"}, Scope: []string{"server"},
		Related:             []sigma.Related{{ID: "08fbc97d-0a2f-491c-ae21-8ffcfd3174e9", Type: "derived"}},
		Logsource:           sigma.Logsource{Product: "windows", Category: "process_creation"},
		LogsourceDefinition: "set it up",
		File:                "full.yml", Line: 2, Source: fullRule,
	}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreUnexported(sigma.Rule{}), cmpopts.IgnoreFields(sigma.Rule{}, "Custom")); diff != "" {
		t.Error(diff)
	}
	if len(r.Custom) != 2 || r.Custom["tests"] == nil || r.Custom["simulation"] == nil {
		t.Errorf("Custom = %v, want tests and simulation", r.Custom)
	}
	if diff := cmp.Diff([]string{"defense-evasion", "credential-access"}, r.Tactics()); diff != "" {
		t.Errorf("Tactics: %s", diff)
	}
	if diff := cmp.Diff([]string{"T1059.001", "T1003"}, r.Techniques()); diff != "" {
		t.Errorf("Techniques: %s", diff)
	}
	if got, want := r.Logsource.String(), "windows/process_creation/*"; got != want {
		t.Errorf("Logsource = %q, want %q", got, want)
	}
}

func TestDocumentsOfAFile(t *testing.T) {
	t.Parallel()
	const text = "---\ntitle: a\nlogsource: {product: x}\ndetection: {s: {F: 1}, condition: s}\n" +
		"---\n# only a comment\n---\ntitle: broken: yes\n---\n\ntitle: b\nlogsource: {product: x}\ndetection: {s: {F: 1}, condition: s}\n"
	file, err := sigma.Parse("many.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, d := range file.Documents {
		got = append(got, d.Line)
	}
	if diff := cmp.Diff([]int{2, 7, 11}, got); diff != "" {
		t.Errorf("lines of documents: %s", diff)
	}
	rules := file.Rules()
	if len(rules) != 2 || rules[1].Title != "b" || rules[1].Source != "\ntitle: b\nlogsource: {product: x}\ndetection: {s: {F: 1}, condition: s}\n" {
		t.Errorf("rules = %v", rules)
	}
	if problems := file.Problems(); len(problems) != 1 || problems[0].Line != 8 {
		t.Errorf("problems = %v", problems)
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	levels := []sigma.Level{
		sigma.LevelNone, sigma.LevelInformational, sigma.LevelLow, sigma.LevelMedium, sigma.LevelHigh, sigma.LevelCritical,
	}
	for i, level := range levels {
		if i > 0 && level <= levels[i-1] {
			t.Errorf("%v is not above %v", level, levels[i-1])
		}
		data, err := json.Marshal(level)
		if err != nil {
			t.Fatal(err)
		}
		var again sigma.Level
		if err := json.Unmarshal(data, &again); err != nil || again != level {
			t.Errorf("%s was read as %v, %v", data, again, err)
		}
	}
	if _, err := sigma.ParseLevel("urgent"); err == nil {
		t.Error("urgent is taken for a level")
	}
}
