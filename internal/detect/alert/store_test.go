package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web/webtest"
	"yagura/sigma"
)

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// opener is what rapid's and testing's T share.
type opener interface {
	Fatal(args ...any)
	Helper()
}

func open(t opener, ctx context.Context, path string, opt alert.Options) (*alert.Store, *db.DB) {
	t.Helper()
	return openAt(t, ctx, path, opt, func() time.Time { return noon.Add(100 * 24 * time.Hour) })
}

func openAt(t opener, ctx context.Context, path string, opt alert.Options, now func() time.Time) (*alert.Store, *db.DB) {
	t.Helper()
	d, err := db.OpenAt(ctx, path, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(ctx, "alert", alert.Migrations()); err != nil {
		t.Fatal(err)
	}
	return alert.NewStore(d, opt), d
}

func newStore(t testing.TB, opt alert.Options) *alert.Store {
	t.Helper()
	s, d := open(t, t.Context(), dbtest.Place(t), opt)
	t.Cleanup(func() { _ = d.Close() })
	return s
}

func rule(id string) *sigma.Rule {
	return &sigma.Rule{ID: id, Title: id, Level: sigma.LevelHigh, Tags: []string{"attack.credential-access", "attack.t1003.001"}}
}

// on is an event after noon with fields "name=value".
func on(after time.Duration, fields ...string) *event.Event {
	e := &event.Event{ID: fmt.Sprintf("e-%d", after), Time: noon.Add(after)}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		e.Add(name, value)
	}
	return e
}

func record(t testing.TB, s *alert.Store, position string, matches ...match.Match) {
	t.Helper()
	if err := s.Record(t.Context(), position, matches); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, s *alert.Store, f alert.Filter) []*alert.Alert {
	t.Helper()
	page, err := s.List(t.Context(), f, alert.ByLastSeen, "", alert.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

// describe writes alerts as "title entity×count state", the latest first.
func describe(alerts []*alert.Alert) string {
	var lines []string
	for _, a := range alerts {
		lines = append(lines, fmt.Sprintf("%s %s:%s×%d %s", a.Title, a.Entity.Kind, a.Entity.Value, a.Count, a.State))
	}
	return strings.Join(lines, "\n")
}

func TestMatchesOfOneRuleOnOneEntityAreOneAlert(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	lsass, logon := rule("lsass"), rule("logon")
	record(t, s, "1",
		match.Match{Rule: lsass, Event: on(0, "host.name=PC-0412", "user.name=tanaka")},
		match.Match{Rule: lsass, Event: on(time.Minute, "host.name=pc-0412", "user.name=sato")}, // case does not matter
		match.Match{Rule: lsass, Event: on(2*time.Minute, "host.name=pc-0001")},
		match.Match{Rule: logon, Event: on(3*time.Minute, "host.name=pc-0412", "source.ip=192.0.2.1")},
	)
	record(t, s, "2", match.Match{Rule: lsass, Event: on(time.Hour, "host.name=pc-0412")})
	got := describe(list(t, s, alert.Filter{}))
	want := "lsass host:PC-0412×3 new\nlogon host:pc-0412×1 new\nlsass host:pc-0001×1 new"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	a := list(t, s, alert.Filter{})[0]
	if a.FirstSeen != noon || a.LastSeen != noon.Add(time.Hour) || a.UserName != "sato" || a.Severity != sigma.LevelHigh ||
		fmt.Sprint(a.Tactics, a.Techniques) != "[credential-access] [T1003.001]" || a.Title != "lsass" {
		t.Errorf("%+v", a)
	}
}

func TestTheEntityIsHostElseUserElseSourceAddress(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		fields string
		want   string
	}{
		{"host.name=pc user.name=u source.ip=192.0.2.1", "host:pc"},
		{"winlog.computer_name=pc.corp.example", "host:pc.corp.example"},
		{"host.name=vpn-gw observer.name=FGT60F user.name=u source.ip=192.0.2.1", "user:u"},
		{"host.name=vpn-gw observer.name=FGT60F", "host:vpn-gw"},
		{"host.name=- user.name=u source.ip=192.0.2.1", "user:u"},
		{"user.email=a@corp.example", "user:a@corp.example"},
		{"user.name= source.ip=2001:db8::1", "ip:2001:db8::1"},
		{"message=hello", "none:"},
		{"host.name=" + strings.Repeat("x", 5000), "host:" + strings.Repeat("x", 256)},
		{"host.name=a\x00b\xff", "host:ab\uFFFD"},
	} {
		s := newStore(t, alert.Options{})
		record(t, s, "1", match.Match{Rule: rule("r"), Event: on(0, strings.Split(row.fields, " ")...)})
		a := list(t, s, alert.Filter{})[0]
		if got := string(a.Entity.Kind) + ":" + a.Entity.Value; got != row.want {
			t.Errorf("%.60q: got %.80q, want %.80q", row.fields, got, row.want)
		}
	}
}

func TestTheWindowIsOfEventTime(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{Window: 24 * time.Hour})
	at := func(d time.Duration) match.Match {
		return match.Match{Rule: rule("r"), Event: on(d, "host.name=pc")}
	}
	record(t, s, "1", at(0))
	record(t, s, "2", at(24*time.Hour))                                    // just fits
	record(t, s, "3", at(24*time.Hour+time.Microsecond), at(-2*time.Hour)) // too late for it by a hair, and too early
	record(t, s, "4", at(12*time.Hour))                                    // fits two, joins the later
	got := describe(list(t, s, alert.Filter{}))
	want := "r host:pc×2 new\nr host:pc×2 new\nr host:pc×1 new"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAClosedAlertIsNotJoined(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	m := match.Match{Rule: rule("r"), Event: on(0, "host.name=pc")}
	record(t, s, "1", m)
	a := list(t, s, alert.Filter{})[0]
	if _, err := s.Decide(t.Context(), a.ID, "admin", alert.Decision{State: alert.InProgress}); err != nil {
		t.Fatal(err)
	}
	record(t, s, "2", m) // work goes on
	if _, err := s.Decide(t.Context(), a.ID, "admin", alert.Decision{State: alert.Closed, Verdict: alert.FalsePositive}); err != nil {
		t.Fatal(err)
	}
	record(t, s, "3", m, m)
	record(t, s, "4", m)
	if got, want := describe(list(t, s, alert.Filter{})), "r host:pc×3 new\nr host:pc×2 closed"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAFloodIsCountedNotStored(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	huge := strings.Repeat("\x01\"x", 100_000)
	n := 0
	for batch := range 20 {
		var matches []match.Match
		for range 500 {
			n++
			e := on(time.Duration(n)*time.Second, "host.name=pc", "payload="+huge)
			for i := range 300 {
				e.Add(fmt.Sprintf("f%d", i), huge[:200])
			}
			matches = append(matches, match.Match{Rule: rule("r"), Event: e})
		}
		record(t, s, fmt.Sprint(batch), matches...)
	}
	a := list(t, s, alert.Filter{})
	if len(a) != 1 || a[0].Count != 10_000 {
		t.Fatal(describe(a))
	}
	d, err := s.Detail(t.Context(), a[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, x := range d.Samples {
		var fields map[string]any
		if err := json.Unmarshal(x.Event, &fields); err != nil || len(x.Event) > 64<<10 {
			t.Errorf("a sample of %d bytes: %v", len(x.Event), err)
		}
		if text, _ := fields["payload"].(string); fields["host.name"] != "pc" || !strings.HasSuffix(text, "…") {
			t.Errorf("a sample lost its fields, or does not say that it was cut: %.200s", x.Event)
		}
		ids = append(ids, x.EventID)
	}
	want := "e-1000000000 e-2000000000 e-3000000000 e-4000000000 e-5000000000 " +
		"e-8000000000000 e-8500000000000 e-9000000000000 e-9500000000000 e-10000000000000"
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("samples are\n%s\nwant the first and the last of the latest transactions\n%s", got, want)
	}
	if len(d.Counts) > 20 {
		t.Errorf("%d counts over time for less than three hours", len(d.Counts))
	}
}

func TestARuleThatMatchesEveryoneFillsOneLastAlert(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{MaxEntities: 5})
	for batch := range 3 {
		var matches []match.Match
		for i := range 10 {
			matches = append(matches, match.Match{Rule: rule("scan"), Event: on(0, fmt.Sprintf("source.ip=192.0.2.%d", batch*10+i))})
		}
		record(t, s, fmt.Sprint(batch), append(matches, match.Match{Rule: rule("scan"), Event: on(0, "source.ip=192.0.2.0")})...)
	}
	var many, own int64
	for _, a := range list(t, s, alert.Filter{}) {
		if a.Entity.Kind == alert.ManyEntities {
			many += a.Count
		} else {
			own += a.Count
		}
	}
	if len(list(t, s, alert.Filter{})) != 6 || own != 8 || many != 25 {
		t.Errorf("%d with an alert of their own, %d in the last:\n%s", own, many, describe(list(t, s, alert.Filter{})))
	}
}

func TestAClockFarAheadDoesNotHoldTheTop(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	record(t, s, "1",
		match.Match{Rule: rule("r"), Event: on(200*365*24*time.Hour, "host.name=ahead")},
		match.Match{Rule: rule("r"), Event: &event.Event{Time: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)}},
		match.Match{Rule: rule("r"), Event: &event.Event{}})
	now := noon.Add(100 * 24 * time.Hour)
	for _, a := range list(t, s, alert.Filter{}) {
		if a.LastSeen.After(now) || a.FirstSeen.Year() < 1970 {
			t.Errorf("%+v", a)
		}
	}
}

// TestExactlyOnce records matches through crashes at every point: whatever is repeated, each match counts once, and no alert
// spans more than the window.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		window := time.Duration(rapid.IntRange(1, 48).Draw(rt, "window")) * time.Hour
		s, d := open(rt, t.Context(), filepath.Join(dir, fmt.Sprint(run)), alert.Options{Window: window, MaxEntities: 4})
		defer func() { _ = d.Close() }()
		var batches [][]match.Match
		want := make(map[string]int64)
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			var batch []match.Match
			for range rapid.IntRange(0, 12).Draw(rt, "matches") {
				r := rule(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "rule"))
				host := rapid.SampledFrom([]string{"h1", "H1", "h2", "h3", "h4", "h5", "h6"}).Draw(rt, "host")
				after := time.Duration(rapid.IntRange(0, 96*60).Draw(rt, "minute")) * time.Minute
				batch = append(batch, match.Match{Rule: r, Event: on(after, "host.name="+host)})
				want[alert.RuleKey(r)]++
			}
			batches = append(batches, batch)
		}
		mishaps := rapid.IntRange(0, 10).Draw(rt, "mishaps")
		mishap := func(kind string) bool {
			happens := mishaps > 0 && rapid.Bool().Draw(rt, kind)
			if happens {
				mishaps--
			}
			return happens
		}
		for done := 0; done < len(batches); {
			ctx := t.Context()
			if mishap("killed during the call") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				cancel()
			}
			_ = s.Record(ctx, fmt.Sprintf("%04d", done+1), batches[done]) // the caller may never learn how it ended
			if rapid.Bool().Draw(rt, "somebody closes one") {
				if open := mustList(rt, t.Context(), s, alert.Filter{States: []alert.State{alert.New}}); len(open) > 0 {
					if _, err := s.Decide(t.Context(), open[0].ID, "admin", alert.Decision{State: alert.Closed, Verdict: alert.Undetermined}); err != nil {
						rt.Fatal(err)
					}
				}
			}
			cursor, err := s.Cursor(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			done = 0
			if cursor != "" {
				if done, err = strconv.Atoi(cursor); err != nil {
					rt.Fatal(err)
				}
			}
			if done > 0 && mishap("the last is repeated") {
				done--
			}
		}
		checkTotals(rt, t.Context(), s, want, window)
	})
}

func mustList(t opener, ctx context.Context, s *alert.Store, f alert.Filter) []*alert.Alert {
	page, err := s.List(ctx, f, alert.ByLastSeen, "", alert.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

func checkTotals(t *rapid.T, ctx context.Context, s *alert.Store, want map[string]int64, window time.Duration) {
	got := make(map[string]int64)
	for _, a := range mustList(t, ctx, s, alert.Filter{}) {
		got[a.RuleID] += a.Count
		if a.LastSeen.Sub(a.FirstSeen) > window {
			t.Errorf("an alert spans %v, more than %v", a.LastSeen.Sub(a.FirstSeen), window)
		}
		d, err := s.Detail(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		counted := int64(0)
		for _, c := range d.Counts {
			counted += c.Count
		}
		if counted != a.Count || int64(len(d.Samples)) < min(a.Count, 5) || len(d.Samples) > 10 {
			t.Errorf("count %d, over time %d, %d samples", a.Count, counted, len(d.Samples))
		}
	}
	stats, err := s.RuleStats(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range want {
		if got[id] != n || stats[id].Matches != n {
			t.Errorf("rule %s matched %d times, alerts count %d, hours %d", id, n, got[id], stats[id].Matches)
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	record(t, s, "1", match.Match{Rule: rule("r"), Event: on(0, "host.name=pc")})
	id := list(t, s, alert.Filter{})[0].ID
	for _, row := range []struct {
		decision alert.Decision
		want     fault.Code
	}{
		{alert.Decision{State: "gone"}, fault.Invalid},
		{alert.Decision{State: alert.Closed}, fault.Invalid},
		{alert.Decision{State: alert.Closed, Verdict: "maybe"}, fault.Invalid},
		{alert.Decision{State: alert.InProgress, Verdict: alert.TruePositive}, fault.Invalid},
		{alert.Decision{State: alert.New, Note: strings.Repeat("x", 10_001)}, fault.TooLarge},
		{alert.Decision{State: alert.InProgress, Version: 7}, fault.Conflict},
		{alert.Decision{State: alert.InProgress, Version: 1}, ""},
		{alert.Decision{State: alert.Closed, Verdict: alert.TruePositive, Version: 1}, fault.Conflict},
		{alert.Decision{State: alert.Closed, Verdict: alert.TruePositive, Version: 2, Note: " 端末を\x00隔離 "}, ""},
		{alert.Decision{State: alert.Closed, Verdict: alert.TruePositive}, ""}, // changes nothing
	} {
		if _, err := s.Decide(t.Context(), id, "admin", row.decision); fault.CodeOf(err) != row.want {
			t.Errorf("%+v: got %v, want %q", row.decision, err, row.want)
		}
	}
	if _, err := s.Decide(t.Context(), "none", "admin", alert.Decision{State: alert.New}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an alert that is not there: %v", err)
	}
	d, err := s.Detail(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var history []string
	for _, c := range d.History {
		history = append(history, fmt.Sprintf("%s: %s→%s %s %q", c.Actor, c.From, c.To, c.Verdict, c.Note))
	}
	want := "admin: in_progress→closed true_positive \"端末を隔離\"\nadmin: new→in_progress  \"\""
	if got := strings.Join(history, "\n"); got != want || d.Version != 3 {
		t.Errorf("version %d, history\n%s\nwant\n%s", d.Version, got, want)
	}
}

func TestManyAreDecidedTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	var ids []string
	for i := range 5 {
		record(t, s, fmt.Sprint(i), match.Match{Rule: rule("r"), Event: on(0, fmt.Sprintf("host.name=pc%d", i))})
	}
	for _, a := range list(t, s, alert.Filter{}) {
		ids = append(ids, a.ID)
	}
	closing := alert.Decision{State: alert.Closed, Verdict: alert.BenignTruePositive}
	if _, err := s.DecideMany(t.Context(), append(ids[:2:2], "none"), "admin", closing); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if n := len(list(t, s, alert.Filter{States: []alert.State{alert.Closed}})); n != 0 {
		t.Errorf("%d were closed although one is not there", n)
	}
	before, err := s.DecideMany(t.Context(), append(ids, ids...), "admin", closing)
	if err != nil || len(before) != 5 || before[0].State != alert.New {
		t.Errorf("%d were changed, %v", len(before), err)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	low := &sigma.Rule{ID: "5A3F0F1E-0000-4000-8000-00000000ABCD", Title: "50%ディスク使用", Level: sigma.LevelLow, Tags: []string{"attack.impact", "attack.t1485"}}
	none := &sigma.Rule{Title: "untitled", File: "my/rule.yml"}
	record(t, s, "1",
		match.Match{Rule: rule("r"), Event: on(0, "host.name=PC-1", "user.name=Tanaka")},
		match.Match{Rule: low, Event: on(48*time.Hour, "user.name=tanaka", "source.ip=192.0.2.9")},
		match.Match{Rule: none, Event: on(72*time.Hour, "source.ip=2001:db8::9")},
	)
	for _, row := range []struct {
		name string
		f    alert.Filter
		want string
	}{
		{"all", alert.Filter{}, "untitled 50%ディスク使用 r"},
		{"severity", alert.Filter{Severities: []sigma.Level{sigma.LevelHigh, sigma.LevelMedium}}, "untitled r"},
		{"rule", alert.Filter{Rule: "5a3f0f1e-0000-4000-8000-00000000abcd"}, "50%ディスク使用"},
		{"entity in its own field", alert.Filter{Entity: "2001:db8::9"}, "untitled"},
		{"entity beside another", alert.Filter{Entity: "TANAKA"}, "50%ディスク使用 r"},
		{"tactic", alert.Filter{Tactic: "credential-access"}, "r"},
		{"part of a tactic", alert.Filter{Tactic: "access"}, ""},
		{"technique", alert.Filter{Technique: "t1485"}, "50%ディスク使用"},
		{"since", alert.Filter{From: noon.Add(time.Hour)}, "untitled 50%ディスク使用"},
		{"until", alert.Filter{To: noon.Add(48 * time.Hour)}, "r"},
		{"text is no pattern", alert.Filter{Text: "50%"}, "50%ディスク使用"},
		{"an underscore is itself", alert.Filter{Text: "PC_1"}, ""},
		{"all words", alert.Filter{Text: "tanaka R"}, "r"},
		{"Japanese", alert.Filter{Text: "ディスク"}, "50%ディスク使用"},
		{"hostile text", alert.Filter{Text: "'; DROP TABLE alert_alert; --\x00\xff"}, ""},
		{"state", alert.Filter{States: []alert.State{alert.Closed}}, ""},
	} {
		var got []string
		for _, a := range list(t, s, row.f) {
			got = append(got, a.Title)
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%s: got %v, want %s", row.name, got, row.want)
		}
	}
	tally, err := s.Tally(t.Context(), alert.Filter{Entity: "tanaka", States: []alert.State{alert.Closed}})
	if err != nil || tally.Of() != 2 || tally[alert.New][sigma.LevelHigh] != 1 || tally.Of(alert.Closed) != 0 {
		t.Errorf("%v, %v", tally, err)
	}
}

func TestPagesInEveryOrder(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	var matches []match.Match
	for i := range 57 {
		r := rule(fmt.Sprint("r", i))
		r.Level = sigma.Level(1 + i%5)
		for range 1 + i%3 {
			matches = append(matches, match.Match{Rule: r, Event: on(time.Duration(i/4)*time.Minute, "host.name=pc")})
		}
	}
	record(t, s, "1", matches...)
	for _, sort := range alert.Sorts() {
		seen := make(map[string]bool)
		var last *alert.Alert
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page, err := s.List(t.Context(), alert.Filter{}, sort, cursor, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Items {
				if seen[a.ID] {
					t.Errorf("%s: %s twice", sort, a.RuleID)
				}
				seen[a.ID] = true
				if last != nil && (sort == alert.BySeverity && a.Severity > last.Severity || sort == alert.ByCount && a.Count > last.Count ||
					sort == alert.ByLastSeen && a.LastSeen.After(last.LastSeen)) {
					t.Errorf("%s: %+v after %+v", sort, a, last)
				}
				last = a
			}
			cursor = page.Next
		}
		if len(seen) != 57 {
			t.Errorf("%s: %d alerts, want 57", sort, len(seen))
		}
	}
	if _, err := s.List(t.Context(), alert.Filter{}, "title", "", 10); !fault.Is(err, fault.Invalid) {
		t.Errorf("an order that is not there: %v", err)
	}
	page, err := s.List(t.Context(), alert.Filter{}, alert.BySeverity, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(t.Context(), alert.Filter{}, alert.ByCount, page.Next, 10); !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor of another order: %v", err)
	}
}

// BenchmarkRecord counts matches a second: of a flood on few entities, and where each opens an alert of its own.
func BenchmarkRecord(b *testing.B) {
	for _, entities := range []int{10, 1000, 1 << 30} {
		b.Run(fmt.Sprintf("entities=%d", entities), func(b *testing.B) {
			s := newStore(b, alert.Options{MaxEntities: 1 << 30})
			const batch = 2000
			n := 0
			for b.Loop() {
				matches := make([]match.Match, batch)
				for i := range matches {
					n++
					e := on(time.Duration(n)*time.Millisecond, fmt.Sprintf("host.name=pc-%d", n%entities), "user.name=tanaka")
					for f := range 40 {
						e.Add(fmt.Sprintf("winlog.event_data.Field%d", f), "C:\\Windows\\System32\\cmd.exe /c whoami")
					}
					matches[i] = match.Match{Rule: rule("r"), Event: e}
				}
				record(b, s, fmt.Sprint(n), matches...)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "matches/s")
		})
	}
}

// fakeUnits is a holding with a shop below it, in which sato works.
type fakeUnits struct{}

func (fakeUnits) UnitOfAccount(_ *db.Tx, account string) (string, error) {
	if account == "sato" {
		return "shop", nil
	}
	return "", nil
}

func (fakeUnits) UnitAndBelow(_ *db.Tx, id string) ([]string, error) {
	if id == "holding" {
		return []string{"holding", "shop"}, nil
	}
	return []string{id}, nil
}

func (fakeUnits) Units(context.Context) ([]auth.Unit, error) {
	return []auth.Unit{{ID: "holding", Name: "持株会社"}, {ID: "shop", Parent: "holding", Name: "通販事業部 " + webtest.Probe, NameEn: "Shop"}}, nil
}

func TestAnAlertBelongsToTheUnitOfThePersonItNames(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{Units: fakeUnits{}, MaxEntities: 3})
	record(t, s, "1",
		match.Match{Rule: rule("r"), Event: on(0, "host.name=pc1", "user.name=sato")},
		match.Match{Rule: rule("r"), Event: on(1, "host.name=pc2", "user.name=somebody")},
		match.Match{Rule: rule("r"), Event: on(2, "host.name=pc3")},
		match.Match{Rule: rule("r"), Event: on(3, "host.name=pc4", "user.name=sato")}, // shares the alert of the many
	)
	for unit, want := range map[string]string{
		"":        "many:|host:pc3|host:pc2|host:pc1",
		"shop":    "host:pc1",
		"holding": "host:pc1",
		"gone":    "",
	} {
		var got []string
		for _, a := range list(t, s, alert.Filter{Unit: unit}) {
			got = append(got, fmt.Sprintf("%s:%s", a.Entity.Kind, a.Entity.Value))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("unit %q has the alerts %v, want %s", unit, got, want)
		}
		tally, err := s.Tally(t.Context(), alert.Filter{Unit: unit})
		if err != nil || int(tally.Of()) != len(got) {
			t.Errorf("unit %q: the tally counts %d of %d, %v", unit, tally.Of(), len(got), err)
		}
	}
	if _, err := s.Decide(t.Context(), list(t, s, alert.Filter{Unit: "shop"})[0].ID, "admin", alert.Decision{State: alert.InProgress}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, alert.Filter{Unit: "shop", States: []alert.State{alert.InProgress}}); len(got) != 1 || got[0].Unit != "shop" {
		t.Errorf("a decision loses the unit: %v", got)
	}
}
