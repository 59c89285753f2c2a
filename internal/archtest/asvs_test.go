package archtest

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// asvs is how many requirements of levels 1 and 2 each section of OWASP ASVS 5.0.0 begins with; those of level 3 come last.
var asvs = map[string]int{
	"1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
	"2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
	"3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
	"4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
	"5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
	"6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
	"8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
	"9.1": 3, "9.2": 4,
	"10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
	"11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
	"12.1": 3, "12.2": 2, "12.3": 4,
	"13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
	"14.1": 2, "14.2": 4, "14.3": 3,
	"15.1": 3, "15.2": 3, "15.3": 7,
	"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
	"17.1": 1, "17.2": 4, "17.3": 2,
}

var (
	asvsID   = regexp.MustCompile(`^(\d+\.\d+)\.(\d+)(?: – (\d+\.\d+)\.(\d+))?$`)
	testName = regexp.MustCompile("`([a-z]+(?:/[a-z]+)*)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
)

// TestEveryRequirementIsAnsweredAndItsTestExists reads the tables of docs/security.md.
func TestEveryRequirementIsAnsweredAndItsTestExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text2, found := strings.Cut(string(text), "# OWASP ASVS 5.0")
	if !found {
		t.Fatal("docs/security.md has no part about ASVS 5.0")
	}
	tests := testsOf(t)
	seen := make(map[string]bool)
	for line := range strings.SplitSeq(text2, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.ContainsAny(cells[1], "0123456789") {
			continue
		}
		for one := range strings.SplitSeq(cells[1], ",") {
			for _, id := range expand(t, strings.TrimSpace(one)) {
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
			}
		}
		checkTests(t, line, cells, tests)
	}
	for section, n := range asvs {
		for i := range n {
			if id := fmt.Sprintf("%s.%d", section, i+1); !seen[id] {
				t.Errorf("%s is answered nowhere", id)
			}
			delete(seen, fmt.Sprintf("%s.%d", section, i+1))
		}
	}
	for id := range seen {
		t.Errorf("%s is no requirement of levels 1 and 2", id)
	}
}

// checkTests looks for the tests that a row names. A row of what is met (it has a column of them) names one, or says that it takes
// a review.
func checkTests(t *testing.T, line string, cells []string, tests map[string]bool) {
	t.Helper()
	named := testName.FindAllStringSubmatch(line, -1)
	for _, name := range named {
		if !tests[strings.TrimPrefix(name[1], "internal/")+"."+name[2]] {
			t.Errorf("%s: there is no test %s.%s", strings.TrimSpace(cells[1]), name[1], name[2])
		}
	}
	if len(cells) == 6 && len(named) == 0 && strings.TrimSpace(cells[4]) != "review" {
		t.Errorf("%s names no test: %s", strings.TrimSpace(cells[1]), cells[4])
	}
	if len(cells) > 6 {
		t.Errorf("%s: a cell holds a |", strings.TrimSpace(cells[1]))
	}
}

// expand reads "1.2.3" or "1.2.3 – 1.2.5".
func expand(t *testing.T, text string) (ids []string) {
	t.Helper()
	m := asvsID.FindStringSubmatch(text)
	if m == nil || m[3] != "" && m[3] != m[1] {
		t.Errorf("%q is no requirement", text)
		return nil
	}
	first, _ := strconv.Atoi(m[2])
	last := first
	if m[4] != "" {
		last, _ = strconv.Atoi(m[4])
	}
	for i := first; i <= last; i++ {
		ids = append(ids, fmt.Sprintf("%s.%d", m[1], i))
	}
	return ids
}

// testsOf returns every test of the tree, as "platform/auth.TestX"; packages outside internal have their whole path.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				all[strings.TrimPrefix(path.Dir(s.path), "internal/")+"."+f.Name.Name] = true
			}
		}
	}
	return all
}
