package rule_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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

	"yagura/internal/detect/alert"
	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
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

type fixture struct {
	*rule.Library
	dir string
	db  *db.DB
}

func open(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yml"), whoami(idA, "whoami.exe"))
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), "rule", rule.Migrations()); err != nil {
		t.Fatal(err)
	}
	l, err := rule.Open(t.Context(), rule.Options{
		LoadOptions: rule.LoadOptions{
			Paths: []string{filepath.Join(dir, "rules")}, Added: filepath.Join(dir, "added"), Taxonomy: tax(t),
		},
		DB: d, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{l, dir, d}
}

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

func TestADisabledRuleStaysDisabled(t *testing.T) {
	t.Parallel()
	l := open(t)
	if got := matches(l.Matcher(), `C:\whoami.exe`); got != "whoami.exe runs" {
		t.Fatalf("matched: %q", got)
	}
	before := l.Matcher()
	if err := l.SetEnabled(t.Context(), []string{strings.ToUpper(idA)}, "admin", false); err != nil {
		t.Fatal(err)
	}
	if got := matches(l.Matcher(), `C:\whoami.exe`); got != "" {
		t.Errorf("a disabled rule matched: %q", got)
	}
	if got := matches(before, `C:\whoami.exe`); got == "" {
		t.Error("a matcher that was given out changed")
	}
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Rule(idA); err != nil || r.Enabled || r.Active {
		t.Errorf("after a reload: %+v, %v", r, err)
	}
	if err := l.SetEnabled(t.Context(), []string{idA}, "admin", true); err != nil || matches(l.Matcher(), `C:\whoami.exe`) == "" {
		t.Errorf("enabled again, %v", err)
	}
	if err := l.SetEnabled(t.Context(), []string{idA, "none"}, "admin", false); !fault.Is(err, fault.NotFound) {
		t.Errorf("a rule that is not there: %v", err)
	}
}

// TestWhoLeavesInTheMiddle: whenever the one who asked goes away, what the database says of a rule is what is in use.
func TestWhoLeavesInTheMiddle(t *testing.T) {
	t.Parallel()
	l := open(t)
	for i := range 300 {
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i)*5*time.Microsecond, leave)
		_ = l.SetEnabled(ctx, []string{idA}, "admin", i%2 == 1)
		leave()
		disabled, err := rule.DisabledIn(t.Context(), l.db)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := l.Rule(idA); r.Enabled == disabled(idA) || r.Active != r.Enabled || (matches(l.Matcher(), `C:\whoami.exe`) != "") != r.Enabled {
			t.Fatalf("try %d: the database says disabled: %v, and the set enabled: %v, active: %v", i, disabled(idA), r.Enabled, r.Active)
		}
	}
}

// TestWhoAddsAndLeaves: a file that is added or removed is in use or not at once, though nobody waits for the answer.
func TestWhoAddsAndLeaves(t *testing.T) {
	t.Parallel()
	l := open(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := l.Add(gone, "b", []byte(whoami(idB, "b.exe")), false); err != nil || matches(l.Matcher(), `C:\b.exe`) == "" {
		t.Errorf("added, %v", err)
	}
	if err := l.Remove(gone, idB); err != nil || matches(l.Matcher(), `C:\b.exe`) != "" {
		t.Errorf("removed, %v", err)
	}
}

// BenchmarkSetEnabled turns one rule of many off and on, beside reading and compiling all of them as at a start.
func BenchmarkSetEnabled(b *testing.B) {
	l := open(b)
	for i := range 2000 {
		write(b, filepath.Join(l.dir, "rules", fmt.Sprint(i)+".yml"), whoami(fmt.Sprintf("cccccccc-cccc-4ccc-8ccc-%012d", i), fmt.Sprintf("p%d.exe", i)))
	}
	if err := l.Reload(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("switch", func(b *testing.B) {
		for on := false; b.Loop(); on = !on {
			if err := l.SetEnabled(b.Context(), []string{idA}, "admin", on); err != nil {
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
		if _, err := l.Add(t.Context(), row.name, []byte(row.text), row.replace); fault.CodeOf(err) != row.want {
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
	review, err := l.Add(t.Context(), "copy.yml", []byte(whoami(idA, "copy.exe")), false)
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

func TestListing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 45 {
		id := fmt.Sprintf("cccccccc-cccc-4ccc-8ccc-%012d", i)
		write(t, filepath.Join(dir, fmt.Sprint(i)+".yml"), whoami(id, fmt.Sprintf("p%d.exe", i%7)))
	}
	set, err := rule.Load(rule.LoadOptions{Paths: []string{dir}, Taxonomy: tax(t)})
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]alert.RuleStats{set.Rules[30].Key: {Matches: 5}, set.Rules[3].Key: {Matches: 5}, set.Rules[7].Key: {Matches: 9}}
	for _, sort := range rule.Sorts() {
		seen := make(map[string]bool)
		var first []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page, total, err := set.List(rule.Filter{}, sort, i18n.English, stats, cursor, 10)
			if err != nil || total != 45 {
				t.Fatal(total, err)
			}
			for _, r := range page.Items {
				seen[r.Key] = true
				if len(first) < 3 {
					first = append(first, r.Key)
				}
			}
			cursor = page.Next
		}
		if len(seen) != 45 {
			t.Errorf("%s: %d of 45", sort, len(seen))
		}
		want := []string{set.Rules[7].Key, set.Rules[3].Key, set.Rules[30].Key}
		if sort == rule.ByMatches && cmp.Diff(want, first) != "" {
			t.Errorf("by matches %v comes first, want %v", first, want)
		}
	}
	for _, row := range []struct {
		filter rule.Filter
		want   int
	}{
		{rule.Filter{Text: "P1.exe RUNS"}, 7},
		{rule.Filter{Logsource: "windows"}, 45},
		{rule.Filter{Logsource: "windows/process_creation/*", Level: sigma.LevelHigh}, 45},
		{rule.Filter{Level: sigma.LevelLow}, 0},
		{rule.Filter{Fired: true}, 3},
		{rule.Filter{Disabled: true}, 0},
		{rule.Filter{Health: rule.Good, Origin: rule.Folder}, 45},
		{rule.Filter{Health: rule.Idle}, 0},
	} {
		if _, total, err := set.List(row.filter, "", i18n.English, stats, "", 10); total != row.want || err != nil {
			t.Errorf("%+v: %d, want %d, %v", row.filter, total, row.want, err)
		}
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
