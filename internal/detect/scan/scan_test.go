package scan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yagura/internal/detect/scan"
	"yagura/internal/detect/taxonomy"
	"yagura/sigma"
)

const failedLogon = `
title: Failed logon
id: 6a1f4f5e-8a63-4a4f-9d3c-0c3a2e9b7a11
tags: [attack.credential-access, attack.t1110]
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
level: low
`

func options(t testing.TB, workers int) scan.Options {
	t.Helper()
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	file, err := sigma.Parse("rule.yml", []byte(failedLogon))
	if err != nil {
		t.Fatal(err)
	}
	matcher, problems := sigma.Compile(file.Rules(), nil, sigma.Options{Taxonomy: tax})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return scan.Options{Matcher: matcher, Taxonomy: tax, Workers: workers}
}

// folder writes files of 3,000 events each, of which every third is a failed logon of one of two hosts, and a line that is no JSON.
func folder(t testing.TB, files int) string {
	t.Helper()
	dir := t.TempDir()
	for f := range files {
		var lines bytes.Buffer
		for i := range 3000 {
			fmt.Fprintf(&lines, `{"@timestamp":"2026-11-02T09:%02d:%02dZ","Channel":"Security","EventID":%d,"Hostname":"pc-%d"}`+"\n", i/60%60, i%60, 4624+i%3/2, i%2)
		}
		lines.WriteString("no JSON\n")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.ndjson", f)), lines.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheOrderDoesNotDependOnTheWorkers(t *testing.T) {
	t.Parallel()
	dir := folder(t, 3)
	run := func(workers int) string {
		var out bytes.Buffer
		s, err := scan.Files(t.Context(), []string{dir}, options(t, workers), scan.JSONLines{W: &out})
		if err != nil {
			t.Fatal(err)
		}
		if s.Files != 3 || s.Events != 9003 || s.Malformed != 3 || s.Matches != 3000 || s.ByLevel[sigma.LevelLow] != 3000 || s.ByTactic["credential-access"] != 3000 {
			t.Errorf("the summary says %+v", s)
		}
		if len(s.Problems) != 3 || !strings.Contains(s.Problems[0].String(), "0.ndjson: record 3001:") {
			t.Errorf("the problems are %v", s.Problems)
		}
		return out.String()
	}
	one, many := run(1), run(7)
	if one != many {
		t.Error("with seven workers the output differs")
	}
	if n := strings.Count(one, "\n"); n != 3000 {
		t.Errorf("%d lines", n)
	}
}

func TestTheTimelineHasARowForEachRuleAndEntity(t *testing.T) {
	t.Parallel()
	timeline := &scan.Timeline{}
	if _, err := scan.Files(t.Context(), []string{folder(t, 2)}, options(t, 4), timeline); err != nil {
		t.Fatal(err)
	}
	rows := timeline.Rows()
	if len(rows) != 2 || rows[0].Count+rows[1].Count != 2000 || rows[0].Entity != "pc-0" || rows[0].Record != 3 {
		t.Errorf("the rows are %+v", rows)
	}
	if rows[0].First.After(rows[0].Last) || filepath.Base(rows[0].File) != "0.ndjson" {
		t.Errorf("the first row is %+v", rows[0])
	}
}

// full is an output that takes nothing.
type full struct{ scan.JSONLines }

var errFull = errors.New("no space left")

func (full) Emit([]byte) error { return errFull }

func TestAnOutputThatFailsEndsTheScan(t *testing.T) {
	t.Parallel()
	if _, err := scan.Files(t.Context(), []string{folder(t, 3)}, options(t, 2), full{}); !errors.Is(err, errFull) {
		t.Errorf("the error is %v", err)
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Files(ctx, []string{folder(t, 1)}, options(t, 2), &scan.Timeline{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
