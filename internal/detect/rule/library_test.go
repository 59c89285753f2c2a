package rule_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/sigma"
)

// TestLoading loads the folders of each text in testdata and compares what the library says of them. A problem's line may
// leave out the reason.
func TestLoading(t *testing.T) {
	t.Parallel()
	texts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(texts) == 0 {
		t.Fatal("no texts", err)
	}
	for _, name := range texts {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := t.TempDir(), ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				write(t, filepath.Join(dir, f.Name), string(f.Data))
			}
			set, err := rule.Load(rule.LoadOptions{
				Paths: []string{filepath.Join(dir, "folder")}, Added: filepath.Join(dir, "added"), Taxonomy: tax(t),
			})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(report(set), dir+string(filepath.Separator), "")
			wanted := strings.Split(strings.TrimSpace(want), "\n")
			lines := strings.Split(strings.TrimSpace(got), "\n")
			prefix := func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
			sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(wanted, lines, cmp.Comparer(prefix), sorted); diff != "" {
				t.Errorf("%s\n%s", got, diff)
			}
		})
	}
}

func report(set *rule.Set) string {
	var b strings.Builder
	for _, r := range set.Rules {
		fmt.Fprintf(&b, "rule %s %s %s\n", r.Title, r.Origin, r.Health())
	}
	for _, p := range set.Problems {
		fmt.Fprintf(&b, "problem %s:%d %s %s\n", filepath.ToSlash(p.File), p.Line, p.Kind, p.Reason)
	}
	return b.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// whoami is a rule for a program's name.
func whoami(id, program string) string {
	return fmt.Sprintf(`title: %s runs
id: %s
level: high
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\%s'}
  condition: selection
tests:
  - {name: it runs, match: true, event: {winlog: {channel: Microsoft-Windows-Sysmon/Operational, event_id: '1', event_data: {Image: 'C:\%s'}}}}
  - {name: another, match: false, event: {winlog: {channel: Microsoft-Windows-Sysmon/Operational, event_id: '1', event_data: {Image: 'C:\other.exe'}}}}
`, program, id, program, program)
}

const idA, idB = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"

// matches returns the titles of the rules that match a process.
func matches(m *sigma.Matcher, image string) string {
	ev := new(event.Event)
	ev.Add(event.WinlogChannel, "Microsoft-Windows-Sysmon/Operational")
	ev.Add(event.EventCode, "1")
	ev.Add(event.WinlogEventID, "1")
	ev.Add(event.ProcessExe, image)
	var titles []string
	for _, r := range m.Match(ev, m.NewScratch()) {
		titles = append(titles, r.Title)
	}
	return strings.Join(titles, ", ")
}

func TestARetiredRuleStaysRetired(t *testing.T) {
	t.Parallel()
	l := open(t)
	if got := matches(l.Matcher(), `C:\whoami.exe`); got != "whoami.exe runs" {
		t.Fatalf("matched: %q", got)
	}
	before := l.Matcher()
	if err := l.move(t.Context(), idA, "retire"); err != nil {
		t.Fatal(err)
	}
	if err := l.Restate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := matches(l.Matcher(), `C:\whoami.exe`); got != "" {
		t.Errorf("a retired rule matched: %q", got)
	}
	if got := matches(before, `C:\whoami.exe`); got == "" {
		t.Error("a matcher that was given out changed")
	}
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Rule(idA); err != nil || r.State != rule.Retired || r.Active {
		t.Errorf("after a reload: %+v, %v", r, err)
	}
	if err := l.move(t.Context(), idA, "activate"); err != nil {
		t.Fatal(err)
	}
	if err := l.Restate(t.Context()); err != nil || matches(l.Matcher(), `C:\whoami.exe`) == "" {
		t.Errorf("live again, %v", err)
	}
}

// TestWhoAddsAndLeaves: a file that is added or removed is in use or not at once, though nobody waits for the answer.
func TestWhoAddsAndLeaves(t *testing.T) {
	t.Parallel()
	l := open(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := l.Add(gone, "b", []byte(whoami(idB, "b.exe")), false, rule.Live); err != nil || matches(l.Matcher(), `C:\b.exe`) == "" {
		t.Errorf("added, %v", err)
	}
	if err := l.Remove(gone, idB); err != nil || matches(l.Matcher(), `C:\b.exe`) != "" {
		t.Errorf("removed, %v", err)
	}
}

// BenchmarkRestate takes up that one rule of many was retired and is live again, beside reading and compiling all of them as at a start.
func BenchmarkRestate(b *testing.B) {
	l := open(b)
	for i := range 2000 {
		write(b, filepath.Join(l.dir, "rules", fmt.Sprint(i)+".yml"), whoami(fmt.Sprintf("cccccccc-cccc-4ccc-8ccc-%012d", i), fmt.Sprintf("p%d.exe", i)))
	}
	if err := l.Reload(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("mirror", func(b *testing.B) { // the first writes 2,000 records, the others find nothing to do
		for b.Loop() {
			if err := l.Mirror(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restate", func(b *testing.B) {
		for move := "retire"; b.Loop(); {
			b.StopTimer()
			if err := l.move(b.Context(), idA, move); err != nil {
				b.Fatal(err)
			}
			move = map[string]string{"retire": "activate", "activate": "retire"}[move]
			b.StartTimer()
			if err := l.Restate(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			if err := l.Reload(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestChangesAreSeenWithoutARestart(t *testing.T) {
	t.Parallel()
	l := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = l.Watch(ctx) })
	defer watching.Wait()
	defer stop()
	steps := []struct {
		what   string
		do     func()
		image  string
		expect string
	}{
		{"a new file in a new folder", func() { write(t, filepath.Join(l.dir, "rules", "new", "b.yml"), whoami(idB, "b.exe")) }, `C:\b.exe`, "b.exe runs"},
		{"a change", func() { write(t, filepath.Join(l.dir, "rules", "new", "b.yml"), whoami(idB, "changed.exe")) }, `C:\changed.exe`, "changed.exe runs"},
		{"a broken file leaves the others", func() { write(t, filepath.Join(l.dir, "rules", "new", "b.yml"), "title: [") }, `C:\changed.exe`, ""},
		{"a file removed", func() { _ = os.Remove(filepath.Join(l.dir, "rules", "a.yml")) }, `C:\whoami.exe`, ""},
		{"a folder that was not there", func() { write(t, filepath.Join(l.dir, "added", "c.yml"), whoami(idB, "c.exe")) }, `C:\c.exe`, "c.exe runs"},
	}
	time.Sleep(200 * time.Millisecond) // let the watcher begin; without it the first step waits for the minute's look
	for _, step := range steps {
		step.do()
		deadline := time.Now().Add(20 * time.Second)
		for matches(l.Matcher(), step.image) != step.expect && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		if got := matches(l.Matcher(), step.image); got != step.expect {
			t.Fatalf("%s: matched %q, want %q", step.what, got, step.expect)
		}
	}
}

func TestAdding(t *testing.T) {
	t.Parallel()
	l := open(t)
	for _, row := range []struct {
		name, text string
		replace    bool
		want       fault.Code
	}{
		{"b.yml", "title: no detection", false, fault.Invalid},
		{"b.yml", "\xff\xfe", false, fault.Invalid},
		{"b.yml", "", false, fault.Invalid},
		{"b.yml", strings.Replace(whoami(idB, "b.exe"), "match: false", "match: true", 1), false, fault.Invalid}, // its test fails
		{"b.yml", "#" + strings.Repeat("x", 1<<20), false, fault.TooLarge},
		{`..\..\/etc/../b rule!.YAML`, whoami(idB, "b.exe"), false, ""},
		{"b_rule.yml", whoami(idB, "c.exe"), false, fault.Conflict},
		{"b_rule.yml", whoami(idB, "c.exe"), true, ""},
	} {
		if _, err := l.Add(t.Context(), row.name, []byte(row.text), row.replace, rule.Live); fault.CodeOf(err) != row.want {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	files, err := os.ReadDir(filepath.Join(l.dir, "added"))
	if err != nil || len(files) != 1 || files[0].Name() != "b_rule.yml" {
		t.Errorf("the folder has %v, %v", files, err)
	}
	if got := matches(l.Matcher(), `C:\c.exe`); got != "c.exe runs" {
		t.Errorf("matched %q at once after adding", got)
	}
	// A copy of a rule replaces it, and removing the copy brings it back.
	review, err := l.Add(t.Context(), "copy.yml", []byte(whoami(idA, "copy.exe")), false, rule.Live)
	if err != nil || len(review.Replaced) != 1 {
		t.Fatalf("%+v, %v", review, err)
	}
	if got := matches(l.Matcher(), `C:\whoami.exe`); got != "" {
		t.Errorf("a replaced rule matched: %q", got)
	}
	if err := l.Remove(t.Context(), idA); err != nil || matches(l.Matcher(), `C:\whoami.exe`) == "" {
		t.Errorf("removed, %v", err)
	}
	if err := l.Remove(t.Context(), idA); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a rule of the user's folder was removed: %v", err)
	}
}

func TestARuleShowsWhatItLooksAt(t *testing.T) {
	t.Parallel()
	l := open(t)
	source, err := l.Source(idA)
	if err != nil || source != whoami(idA, "whoami.exe") {
		t.Errorf("the source is %q, %v", source, err)
	}
	usages, err := l.Usages(idA)
	if err != nil || len(usages) != 1 || usages[0].Field != "Image" || usages[0].Names[0] != event.ProcessExe || !usages[0].Known {
		t.Errorf("%+v, %v", usages, err)
	}
}

func TestTrying(t *testing.T) {
	t.Parallel()
	l := open(t)
	sysmon := `{"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","event_id":"%d","event_data":{"Image":"C:\\%s"}}}`
	for _, row := range []struct {
		data                string
		matched, in, failed bool
	}{
		{fmt.Sprintf(sysmon, 1, "whoami.exe"), true, true, false},
		{fmt.Sprintf(sysmon, 1, "x.exe"), false, true, false},
		{fmt.Sprintf(sysmon, 3, "whoami.exe"), false, false, false},
		{`[1]`, false, false, true},
		{``, false, false, true},
	} {
		trial, err := l.Try(idA, "json", "", []byte(row.data))
		if err != nil {
			t.Fatal(err)
		}
		if trial.Matched != row.matched || trial.InLogsource != row.in || (trial.Problem != "") != row.failed {
			t.Errorf("%s: %+v", row.data, trial)
		}
	}
	if _, err := l.Try(idA, "xml", "", nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown format: %v", err)
	}
}

// TestOurOwnRules: every rule that comes with the program runs, carries tests for both outcomes, and passes them.
func TestOurOwnRules(t *testing.T) {
	t.Parallel()
	set, err := rule.Load(rule.LoadOptions{Builtin: true, Taxonomy: tax(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.Problems {
		t.Error(p)
	}
	both := make(map[string][2]bool)
	for _, r := range set.Test() {
		if !r.Passed() {
			t.Errorf("%s:%d: %s: %s: matched %v, want %v %s", r.File, r.Line, r.Title, r.Case, r.Got, r.Want, r.Problem)
		}
		seen := both[r.RuleID]
		seen[map[bool]int{false: 0, true: 1}[r.Want]] = true
		both[r.RuleID] = seen
	}
	for _, r := range set.Rules {
		if both[r.ID] != [2]bool{true, true} {
			t.Errorf("%s: its tests do not show both what matches and what does not", r.File)
		}
		for what, text := range map[string]string{
			"title": r.TitleIn(i18n.Japanese), "description": r.DescriptionIn(i18n.Japanese), "false positives": strings.Join(r.FalsePositivesIn(i18n.Japanese), ""),
		} {
			if !strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }) {
				t.Errorf("%s: its %s in Japanese is %q", r.File, what, text)
			}
		}
	}
}

// FuzzCases: whatever stands under tests:, it is read or refused with a reason.
func FuzzCases(f *testing.F) {
	f.Add([]byte("[{name: a, match: true, event: {a: {b: [1, null, 2026-01-01]}}}]"))
	f.Add([]byte("[{name: a, match: false, line: 'x', format: syslog}]"))
	f.Add([]byte("{name: a}"))
	f.Add([]byte("[{name: a, match: true, event: {? [1, 2] : x}}]"))
	f.Add([]byte("[{name: a, match: true, event: .nan}]"))
	f.Fuzz(func(t *testing.T, tests []byte) {
		if bytes.ContainsAny(tests, "\n") {
			t.Skip()
		}
		text := "title: t\nlogsource: {category: c}\ndetection: {s: {a: 1}, condition: s}\ntests: " + string(tests) + "\n"
		file, err := sigma.Parse("f.yml", []byte(text))
		if err != nil {
			return
		}
		for _, r := range file.Rules() {
			cases, err := rule.Cases(r)
			for _, c := range cases {
				if err != nil || c.Name == "" || c.Format == "" {
					t.Errorf("%+v, %v", c, err)
				}
			}
		}
	})
}
