package rule_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// shelf is a house with a folder of rules, on either engine.
type shelf struct {
	*house
	t   *testing.T
	dir string
}

func newShelf(t *testing.T, d *db.DB, files map[string]string) *shelf {
	s := &shelf{newHouse(t, d), t, t.TempDir()}
	for name, text := range files {
		write(t, filepath.Join(s.dir, name), text)
	}
	return s
}

func (s *shelf) load(opt rule.LoadOptions) *shelf {
	opt.Paths = []string{s.dir}
	s.house.open(s.t, opt)
	return s
}

// again reads the files anew and brings the records in step.
func (s *shelf) again() {
	s.t.Helper()
	if err := s.library.Reload(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.library.Mirror(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) get(key string) *record.Record {
	s.t.Helper()
	r, err := s.records.Get(s.t.Context(), record.System(), rule.Name, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// history is what was done to a rule, the first first: actor, action and the fields that changed.
func (s *shelf) history(key string) (list []string) {
	s.t.Helper()
	page, err := s.records.History(s.t.Context(), record.System(), rule.Name, key, "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range page.Items {
		text := e.Actor + " " + e.Action
		for _, c := range e.Changes {
			text += " " + c.Field
		}
		list = append(list, text)
	}
	slices.Reverse(list)
	return list
}

// verify finds nothing wrong with the ledger.
func (s *shelf) verify() {
	s.t.Helper()
	if report, err := s.ledger.Verify(s.t.Context(), ledger.VerifyOptions{}); err != nil || !report.OK() {
		s.t.Errorf("the ledger: %+v, %v", report, err)
	}
}

// ids are the rules of a list.
func (s *shelf) ids(q record.Query) (ids []string) {
	s.t.Helper()
	page, err := s.records.List(s.t.Context(), rule.Name, q, s.records.Env(s.t.Context(), record.System(), nil), "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range page.Items {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestRecordsFollowTheFiles: a rule's record is as its file is, also when that changes, goes and comes back; what people decided stays, and all of
// it is in the history.
func TestRecordsFollowTheFiles(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		text := "title_ja: 利用者名の調査\nauthor: 山田\n" + whoami(idA, "whoami.exe")
		s := newShelf(t, d, map[string]string{"a.yml": text, "b.yml": whoami(idB, "b.exe")}).load(rule.LoadOptions{})
		r := s.get(idA)
		if r.Title != "whoami.exe runs" || r.State != "live" || r.Text("severity") != "high" || r.Str("product") != "windows" || r.Str("category") != "process_creation" ||
			r.Str("health") != "good" || r.Str("author") != "山田" || r.Str("origin") != "folder" || r.Str("path") != filepath.Join(s.dir, "a.yml") || len(r.Str("digest")) != 64 {
			t.Errorf("%+v", r)
		}
		for _, words := range []string{"利用者", "whoami", "process_creation", "山田"} {
			if got := s.ids(record.Query{Text: words}); !slices.Contains(got, idA) {
				t.Errorf("%q finds %v", words, got)
			}
		}
		if err := s.move(t.Context(), idA, "retire"); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.dir, "a.yml"), strings.Replace(text, "利用者名の調査", "身元の確認", 1)+"# edited\n")
		s.again()
		if got := s.ids(record.Query{Text: "身元"}); len(got) != 1 {
			t.Errorf("the new title finds %v", got)
		}
		if got := s.ids(record.Query{Text: "利用者"}); len(got) != 0 {
			t.Errorf("the old title finds %v", got)
		}
		if err := os.Remove(filepath.Join(s.dir, "a.yml")); err != nil {
			t.Fatal(err)
		}
		s.again()
		if r := s.get(idA); r.Str("health") != "gone" || r.State != "retired" {
			t.Errorf("without its file: %s, %s", r.Str("health"), r.State)
		}
		write(t, filepath.Join(s.dir, "a.yml"), text)
		s.again()
		s.again() // there is nothing to do
		if r := s.get(idA); r.Str("health") != "good" || r.State != "retired" || r.Version != 2 {
			t.Errorf("with its file again: %s, %s, version %d", r.Str("health"), r.State, r.Version)
		}
		if one, _ := s.library.Rule(idA); one.State != rule.Retired || one.Active {
			t.Errorf("the library has it in %s", one.State)
		}
		want := []string{"aoki move.retire state", "system file.changed digest", "system file.gone", "system file.back digest"}
		if got := s.history(idA); !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
		if got := s.history(idB); len(got) != 0 {
			t.Errorf("of a file that nobody touched: %q", got)
		}
		s.verify()
	})
}

// TestAFolderThatCannotBeReadIsNotGone: rules of a share that is not there for a moment keep their records as they are.
func TestAFolderThatCannotBeReadIsNotGone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newShelf(t, d, map[string]string{"a.yml": whoami(idA, "whoami.exe")}).load(rule.LoadOptions{})
		if err := os.Rename(s.dir, s.dir+"-away"); err != nil {
			t.Fatal(err)
		}
		s.again()
		if _, ok := s.library.Set().Rule(idA); ok || s.get(idA).Str("health") != "good" {
			t.Errorf("it is loaded: %v; health %s", ok, s.get(idA).Str("health"))
		}
	})
}

// TestWhatWasDecidedBefore: a rule that was disabled before rules were records stays out of use from the first moment on, and its record says who
// disabled it, and when.
func TestWhatWasDecidedBefore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newShelf(t, d, map[string]string{"a.yml": whoami(idA, "whoami.exe"), "b.yml": whoami(idB, "b.exe")})
		then := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for key, enabled := range map[string]int{idA: 0, idB: 1} {
				if _, err := tx.Exec(`INSERT INTO rule_state (rule_id, enabled, changed_at, changed_by) VALUES ($1, $2, $3, 'baba')`, key, enabled, db.Micros(then)); err != nil {
					return err
				}
				if err := s.ledger.Append(tx, ledger.Entry{Table: "rule_state", Key: key, Action: "disable"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		opt := rule.LoadOptions{Paths: []string{s.dir}, Taxonomy: tax(t)}
		if opt.States, err = s.states.All(t.Context()); err != nil { // as a command does, which writes no records
			t.Fatal(err)
		}
		if set, err := rule.Load(opt); err != nil || set.Active() != 1 {
			t.Errorf("%d rules run, %v", set.Active(), err)
		}
		s.load(rule.LoadOptions{})
		if a, b := s.get(idA), s.get(idB); a.State != "retired" || b.State != "live" {
			t.Errorf("%s, %s", a.State, b.State)
		}
		page, err := s.records.History(t.Context(), record.System(), rule.Name, idA, "", 10)
		if err != nil || len(page.Items) != 1 || page.Items[0].Actor != "baba" || !page.Items[0].At.Equal(then) || page.Items[0].Action != "move.retire" {
			t.Errorf("%+v, %v", page.Items, err)
		}
		s.verify()
	})
}

// TestWhereRulesBegin: a source that is not trusted yet has its rules begin as drafts, and what it brings later is decided by nobody but people. What
// cannot be looked at for a while is not gone.
func TestWhereRulesBegin(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		files := fstest.MapFS{"b.yml": {Data: []byte(whoami(idB, "b.exe"))}}
		trees := []rule.Tree{{Name: "new", FS: files, Starts: "draft"}}
		var failure error
		s := newShelf(t, d, map[string]string{"a.yml": whoami(idA, "whoami.exe")}).load(rule.LoadOptions{Trees: func() ([]rule.Tree, error) { return trees, failure }})
		if a, b := s.get(idA), s.get(idB); a.State != "live" || b.State != "draft" || b.Str("origin") != "source" {
			t.Errorf("%s, %s", a.State, b.State)
		}
		if s.library.Set().Active() != 1 {
			t.Errorf("%d rules run", s.library.Set().Active())
		}
		trees, failure = nil, errors.New("the store does not answer")
		s.again()
		if b := s.get(idB); b.Str("health") != "good" {
			t.Errorf("of a source that does not answer: %s", b.Str("health"))
		}
		failure = nil
		s.again()
		if b := s.get(idB); b.Str("health") != "gone" {
			t.Errorf("of a source that is no more: %s", b.Str("health"))
		}
	})
}

// TestShadow: what a rule in shadow matches is counted by day and alerts nobody; the recorder goes by what the database says when it records.
func TestShadow(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newShelf(t, d, map[string]string{"a.yml": whoami(idA, "whoami.exe"), "b.yml": whoami(idB, "b.exe")}).load(rule.LoadOptions{})
		ctx, now := t.Context(), time.Now().UTC()
		positions := 0
		see := func(key string, times int, ago time.Duration) {
			one, err := s.library.Rule(key)
			if err != nil {
				t.Fatal(err)
			}
			var matches []match.Match
			for i := range times {
				e := &event.Event{Time: now.Add(-ago)}
				e.Add("host.name", fmt.Sprintf("pc-%d", i))
				matches = append(matches, match.Match{Rule: one.Rule, Event: e})
			}
			positions++
			if err := s.alerts.Record(ctx, fmt.Sprint(positions), matches); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.move(ctx, idA, "shadow"); err != nil {
			t.Fatal(err)
		}
		see(idA, 3, 0) // the library has not looked yet
		see(idA, 2, 48*time.Hour)
		see(idA, 4, 60*24*time.Hour)
		see(idB, 5, time.Hour)
		if err := s.move(ctx, idB, "retire"); err != nil {
			t.Fatal(err)
		}
		see(idB, 7, time.Hour)
		if n, err := s.alerts.Count(ctx); err != nil || n != 5 {
			t.Errorf("%d alerts, want the 5 of the rule that was live, %v", n, err)
		}
		if err := s.states.Figures(ctx, s.alerts, now); err != nil {
			t.Fatal(err)
		}
		if a := s.get(idA); a.Num("shadow_matches") != 5 || a.Num("matches") != 0 || !a.At("last_match").Equal(now.Truncate(time.Microsecond)) {
			t.Errorf("in shadow: %v", a.Values)
		}
		if b := s.get(idB); b.Num("matches") != 5 || b.Num("open_alerts") != 5 || b.Num("shadow_matches") != 0 {
			t.Errorf("live: %v", b.Values)
		}
		days, err := s.states.ShadowDays(ctx, idA, now.Add(-90*24*time.Hour))
		if err != nil || len(days) != 3 || days[2].Count != 3 {
			t.Errorf("%+v, %v", days, err)
		}
		if err := s.states.Figures(ctx, s.alerts, now.Add(380*24*time.Hour)); err != nil { // the oldest day is forgotten
			t.Fatal(err)
		}
		if days, err := s.states.ShadowDays(ctx, idA, now.Add(-90*24*time.Hour)); err != nil || len(days) != 2 {
			t.Errorf("%+v, %v", days, err)
		}
		s.verify()
	})
}

// TestManyMovesAtOnce: while a bulk action moves rules, and files change, what is in use ends as the database says, and nobody waits for each other.
func TestManyMovesAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		files := make(map[string]string)
		var keys []string
		for i := range 60 {
			keys = append(keys, fmt.Sprintf("cccccccc-cccc-4ccc-8ccc-%012d", i))
			files[fmt.Sprint(i, ".yml")] = whoami(keys[i], fmt.Sprintf("p%d.exe", i))
		}
		s := newShelf(t, d, files).load(rule.LoadOptions{})
		ctx, stop := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { _ = s.library.Follow(ctx) })
		defer following.Wait()
		defer stop()
		var reloading sync.WaitGroup
		reloading.Go(func() {
			for range 10 {
				_ = s.library.Reload(ctx)
			}
		})
		for _, move := range []string{"retire", "shadow", "activate", "retire"} {
			undo, err := s.records.Bulk(recordtest.As(ctx, analyst()), analyst(), rule.Name, keys, record.Bulk{Move: move, Why: "a drill"})
			if err != nil || undo.Count != 60 {
				t.Fatal(undo, err)
			}
		}
		reloading.Wait()
		for deadline := time.Now().Add(20 * time.Second); s.library.Set().Active() != 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d retired rules still run", s.library.Set().Active())
			}
		}
		if got := matches(s.library.Matcher(), `C:\p7.exe`); got != "" {
			t.Errorf("a retired rule matched: %s", got)
		}
		s.verify()
	})
}
