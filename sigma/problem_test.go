package sigma_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"yagura/sigma"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/problems.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(data), "\n### ")[1:]
	for _, c := range cases {
		name, text, _ := strings.Cut(c, "\n")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rule, want []string
			for line := range strings.Lines(text) {
				if problem, ok := strings.CutPrefix(line, "=> "); ok {
					want = append(want, strings.TrimSpace(problem))
				} else {
					rule = append(rule, line)
				}
			}
			checkProblems(t, strings.TrimSpace(strings.Join(rule, "")), want)
		})
	}
}

// checkProblems parses and compiles the text and compares its problems with those wanted, in any order.
func checkProblems(t *testing.T, text string, want []string) {
	t.Helper()
	if !strings.Contains(text, "title: ") && !strings.HasPrefix(text, "logsource") && text[0] != '-' {
		text += "\ntitle: t\nlogsource: {product: test}\n"
	}
	file, err := sigma.Parse("r.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, problems := sigma.Compile(file.Rules(), file.Filters(), testOptions())
	_, correlated := sigma.CompileCorrelations(file.Rules(), testOptions())
	problems = slices.Concat(file.Problems(), problems, correlated)
	for _, p := range problems {
		found := false
		for i, w := range want {
			var kind string
			var line int
			if _, err := fmt.Sscanf(w, "%s %d", &kind, &line); err != nil {
				t.Fatalf("%q: %v", w, err)
			}
			reason := strings.SplitN(w, " ", 3)[2]
			if string(p.Kind) == kind && p.Line == line && strings.Contains(p.Reason, reason) {
				want, found = append(want[:i:i], want[i+1:]...), true
				break
			}
		}
		if !found {
			t.Errorf("unexpected: %s %d %s", p.Kind, p.Line, p.Reason)
		}
	}
	for _, w := range want {
		t.Errorf("missing:    %s", w)
	}
}

func TestParseRefusesWhatIsNoText(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"not UTF-8": []byte("title: \xff\xfe"),
		"too long":  make([]byte, 9<<20),
	} {
		if _, err := sigma.Parse("x.yml", data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestProblemError(t *testing.T) {
	t.Parallel()
	p := sigma.Problem{File: "a.yml", Line: 7, Title: "T", Reason: "because"}
	if got, want := p.Error(), "a.yml:7: T: because"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
