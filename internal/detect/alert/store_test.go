package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// opener is what rapid's and testing's T share.
type opener interface {
	Fatal(args ...any)
	Helper()
}

// house is a store of alerts, and the records that they are.
type house struct {
	*alert.Store
	records *record.Store
	db      *db.DB
	kind    *record.Kind
}

func open(t opener, ctx context.Context, path string, opt alert.Options, now func() time.Time) *house {
	t.Helper()
	d, err := db.OpenAt(ctx, path, now)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{db: d, kind: alert.RecordKind(func(rule string) []string { return fakeRules{encodedID}.titles(rule) })}
	h.records = record.New(record.Options{DB: d, People: staff{}})
	if err = d.Migrate(ctx, "record", record.Migrations()); err == nil {
		err = d.Migrate(ctx, "alert", alert.Migrations())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := h.records.Register(ctx, h.kind); err != nil {
		t.Fatal(err)
	}
	opt.Records = h.records
	h.Store = alert.NewStore(d, opt)
	return h
}

// later is long after noon.
func later() time.Time { return noon.Add(100 * 24 * time.Hour) }

func newStore(t testing.TB, opt alert.Options) *house {
	t.Helper()
	h := open(t, t.Context(), dbtest.Place(t), opt, later)
	t.Cleanup(func() { _ = h.db.Close() })
	return h
}

// staff are nobody, and a shop that belongs to a holding.
type staff struct{ record.People }

func (staff) PersonID(_ context.Context, text string) (string, error) { return text, nil }
func (staff) UnitID(_ context.Context, text string) (string, error)   { return text, nil }
func (staff) Below(_ context.Context, unit string) ([]string, error) {
	if unit == "holding" {
		return []string{"shop"}, nil
	}
	return nil, nil
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

func count(t testing.TB, s *house, position string, matches ...match.Match) {
	t.Helper()
	if err := s.Record(t.Context(), position, matches); err != nil {
		t.Fatal(err)
	}
}

// list returns the alerts that a list's address asks for, the latest first.
func list(t opener, ctx context.Context, s *house, address string) (alerts []*alert.Alert) {
	t.Helper()
	values, err := url.ParseQuery(address)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.kind.ParseQuery(values)
	if err != nil {
		t.Fatal(err)
	}
	err = s.records.Each(ctx, alert.Name, q, s.records.Env(ctx, record.System(), nil), func(r *record.Record) error {
		a, err := s.Get(ctx, r.ID)
		alerts = append(alerts, a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return alerts
}

// decide makes a move with an alert.
func decide(t opener, ctx context.Context, s *house, id, move string, values record.Values) {
	t.Helper()
	if _, err := s.records.Move(ctx, record.System(), alert.Name, id, record.Moving{Move: move, Values: values}); err != nil {
		t.Fatal(err)
	}
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
	count(t, s, "1",
		match.Match{Rule: lsass, Event: on(0, "host.name=PC-0412", "user.name=tanaka")},
		match.Match{Rule: lsass, Event: on(time.Minute, "host.name=pc-0412", "user.name=sato")}, // case does not matter
		match.Match{Rule: lsass, Event: on(2*time.Minute, "host.name=pc-0001")},
		match.Match{Rule: logon, Event: on(3*time.Minute, "host.name=pc-0412", "source.ip=192.0.2.1")},
	)
	count(t, s, "2", match.Match{Rule: lsass, Event: on(time.Hour, "host.name=pc-0412")})
	got := describe(list(t, t.Context(), s, ""))
	want := "lsass host:PC-0412×3 new\nlogon host:pc-0412×1 new\nlsass host:pc-0001×1 new"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	a := list(t, t.Context(), s, "")[0]
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
		count(t, s, "1", match.Match{Rule: rule("r"), Event: on(0, strings.Split(row.fields, " ")...)})
		a := list(t, t.Context(), s, "")[0]
		if got := string(a.Entity.Kind) + ":" + a.Entity.Value; got != row.want {
			t.Errorf("%.60q: got %.80q, want %.80q", row.fields, got, row.want)
		}
	}
}

// TestTheEntityOfACorrelationIsItsGroup: whom the completing event names is not what the matches have in common.
func TestTheEntityOfACorrelationIsItsGroup(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	for i, row := range []struct {
		group []sigma.GroupValue
		want  alert.Entity
	}{
		{[]sigma.GroupValue{{Field: "IpAddress", Name: "source.ip", Value: "203.0.113.9"}}, alert.Entity{Kind: alert.SourceIP, Value: "203.0.113.9"}},
		{[]sigma.GroupValue{{Field: "actor", Name: "actor.alternateId", Value: "ALICE"}}, alert.Entity{Kind: alert.User, Value: "alice"}},
		{[]sigma.GroupValue{{Field: "a", Name: "a", Value: "x"}, {Field: "b", Name: "b", Value: "y"}}, alert.Entity{Kind: alert.Group, Value: "x · y"}},
		{nil, alert.Entity{Kind: alert.NoEntity}},
	} {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)
		f := &sigma.Firing{Rule: rule(id), Group: row.group, To: noon, Contributions: []sigma.Contribution{{Rule: "r", Time: noon, Ref: "e-1"}}}
		set, _ := sigma.CompileCorrelations(nil, sigma.Options{})
		count(t, s, fmt.Sprintf("p-%d", i), match.OfFiring(f, set, on(0, "host.name=pc-1", "user.name=alice", "source.ip=192.0.2.1")))
		alerts, err := s.OfRule(t.Context(), id, 2)
		if err != nil || len(alerts) != 1 || alerts[0].Entity != row.want || alerts[0].HostName != "pc-1" {
			t.Fatalf("%v: %v, %+v", row.group, err, alerts)
		}
		seen, err := s.Seen(t.Context(), alerts[0].ID)
		if err != nil || len(seen.Samples) != 1 || !strings.Contains(string(seen.Samples[0].Event), "2026-04-01T12:00:00Z e-1 - r") {
			t.Errorf("%v: %+v", err, seen.Samples)
		}
	}
}

func TestTheWindowIsOfEventTime(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{Window: 24 * time.Hour})
	at := func(d time.Duration) match.Match {
		return match.Match{Rule: rule("r"), Event: on(d, "host.name=pc")}
	}
	count(t, s, "1", at(0))
	count(t, s, "2", at(24*time.Hour))                                    // just fits
	count(t, s, "3", at(24*time.Hour+time.Microsecond), at(-2*time.Hour)) // too late for it by a hair, and too early
	count(t, s, "4", at(12*time.Hour))                                    // fits two, joins the later
	got := describe(list(t, t.Context(), s, ""))
	want := "r host:pc×2 new\nr host:pc×2 new\nr host:pc×1 new"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAClosedAlertIsNotJoined(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	m := match.Match{Rule: rule("r"), Event: on(0, "host.name=pc")}
	count(t, s, "1", m)
	a := list(t, t.Context(), s, "")[0]
	decide(t, t.Context(), s, a.ID, "take", nil)
	count(t, s, "2", m) // work goes on
	decide(t, t.Context(), s, a.ID, "close", record.Values{"verdict": "false_positive"})
	count(t, s, "3", m, m)
	count(t, s, "4", m)
	if got, want := describe(list(t, t.Context(), s, "")), "r host:pc×3 new\nr host:pc×2 closed"; got != want {
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
		count(t, s, fmt.Sprint(batch), matches...)
	}
	a := list(t, t.Context(), s, "")
	if len(a) != 1 || a[0].Count != 10_000 {
		t.Fatal(describe(a))
	}
	d, err := s.Seen(t.Context(), a[0].ID)
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
		count(t, s, fmt.Sprint(batch), append(matches, match.Match{Rule: rule("scan"), Event: on(0, "source.ip=192.0.2.0")})...)
	}
	var many, own int64
	for _, a := range list(t, t.Context(), s, "") {
		if a.Entity.Kind == alert.ManyEntities {
			many += a.Count
		} else {
			own += a.Count
		}
	}
	if len(list(t, t.Context(), s, "")) != 6 || own != 8 || many != 25 {
		t.Errorf("%d with an alert of their own, %d in the last:\n%s", own, many, describe(list(t, t.Context(), s, "")))
	}
}

func TestAClockFarAheadDoesNotHoldTheTop(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	count(t, s, "1",
		match.Match{Rule: rule("r"), Event: on(200*365*24*time.Hour, "host.name=ahead")},
		match.Match{Rule: rule("r"), Event: &event.Event{Time: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)}},
		match.Match{Rule: rule("r"), Event: &event.Event{}})
	now := noon.Add(100 * 24 * time.Hour)
	for _, a := range list(t, t.Context(), s, "") {
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
		s := open(rt, t.Context(), filepath.Join(dir, fmt.Sprint(run)), alert.Options{Window: window, MaxEntities: 4}, later)
		defer func() { _ = s.db.Close() }()
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
				if open := list(rt, t.Context(), s, "state=new"); len(open) > 0 {
					decide(rt, t.Context(), s, open[0].ID, "close", record.Values{"verdict": "undetermined"})
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

func checkTotals(t *rapid.T, ctx context.Context, s *house, want map[string]int64, window time.Duration) {
	got := make(map[string]int64)
	for _, a := range list(t, ctx, s, "") {
		got[a.RuleID] += a.Count
		if a.LastSeen.Sub(a.FirstSeen) > window {
			t.Errorf("an alert spans %v, more than %v", a.LastSeen.Sub(a.FirstSeen), window)
		}
		d, err := s.Seen(ctx, a.ID)
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

// Each row is a list's address and the alerts that it shows.
func TestFilters(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	low := &sigma.Rule{ID: "5A3F0F1E-0000-4000-8000-00000000ABCD", Title: "50%ディスク使用", Level: sigma.LevelLow, Tags: []string{"attack.impact", "attack.t1485"}}
	none := &sigma.Rule{Title: "untitled", File: "my/rule.yml"}
	count(t, s, "1",
		match.Match{Rule: rule("r"), Event: on(0, "host.name=PC-1", "user.name=Tanaka")},
		match.Match{Rule: low, Event: on(48*time.Hour, "user.name=tanaka", "source.ip=192.0.2.9")},
		match.Match{Rule: none, Event: on(72*time.Hour, "source.ip=2001:db8::9")},
	)
	for address, want := range map[string]string{
		"":                              "untitled 50%ディスク使用 r",
		"severity=high&severity=medium": "untitled r",
		"sort=-severity":                "r untitled 50%ディスク使用",
		"sort=first_seen":               "r 50%ディスク使用 untitled",
		"rule=5a3f0f1e-0000-4000-8000-00000000abcd": "50%ディスク使用",
		"rule=5A3F0F1E-0000-4000-8000-00000000ABCD": "50%ディスク使用",
		"entity=2001:db8::9":                        "untitled",
		"entity=TANAKA":                             "50%ディスク使用",
		"entity=tanaka":                             "50%ディスク使用",
		"entity=pc-1":                               "r",
		"user=Tanaka":                               "r",
		"source_ip=192.0.2.9":                       "50%ディスク使用",
		"tactic=credential-access":                  "r",
		"technique=t1485":                           "50%ディスク使用",
		"last_seen=2026-04-01T13:00:00Z..":          "untitled 50%ディスク使用",
		"first_seen=..2026-04-02":                   "r",
		"q=50%25":                                   "50%ディスク使用",
		"q=PC_1":                                    "r",
		"q=tanaka+R":                                "r",
		"q=ディスク":                                    "50%ディスク使用",
		"q=難読化":                                     "",
		"q='%3B+DROP+TABLE+alert_alert":             "",
		"state=closed":                              "",
		"state=open&count=1":                        "untitled 50%ディスク使用 r",
	} {
		var got []string
		for _, a := range list(t, t.Context(), s, address) {
			got = append(got, a.Title)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", address, got, want)
		}
	}
}

func TestAnAlertIsFoundByTheTitlesOfItsRuleInEveryLanguage(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{})
	count(t, s, "1", match.Match{Rule: rule(encodedID), Event: on(0, "host.name=pc")})
	for _, words := range []string{"q=難読化", "q=" + encodedID[:8]} {
		if got := list(t, t.Context(), s, words); len(got) != 1 {
			t.Errorf("%s finds %d", words, len(got))
		}
	}
}

func TestDecisionsOfOldAreInTheHistory(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		old := fstest.MapFS{}
		for _, name := range []string{"00001_alert.sql", "00002_unit.sql"} {
			text, err := fs.ReadFile(alert.Migrations(), name)
			if err != nil {
				t.Fatal(err)
			}
			old[name] = &fstest.MapFile{Data: text}
		}
		if err := d.Migrate(ctx, "record", record.Migrations()); err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(ctx, "alert", old); err != nil {
			t.Fatal(err)
		}
		err := d.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(`INSERT INTO alert_alert (id, rule_id, title, severity, tactics, techniques, entity_kind, entity, entity_key, host_name, user_name, source_ip,
				state, verdict, first_seen, last_seen, count, samples, created_at, updated_at, version) VALUES ('a', 'r', '消去', 4, '', '', 'host', 'PC', 'pc', 'PC', '', '', 'closed', 'true_positive', 1, 2, 3, 3, 4, 5, 4)`); err != nil {
				return err
			}
			for i, row := range [][4]string{{"new", "in_progress", "", "見る"}, {"in_progress", "in_progress", "", "電話した"}, {"in_progress", "closed", "true_positive", ""}} {
				if _, err := tx.Exec(`INSERT INTO alert_history (id, alert_id, at, actor, from_state, to_state, verdict, note) VALUES ($1, 'a', $2, 'sato', $3, $4, $5, $6)`,
					fmt.Sprint(i), i+1, row[0], row[1], row[2], row[3]); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			err = d.Migrate(ctx, "alert", alert.Migrations())
		}
		if err != nil {
			t.Fatal(err)
		}
		records := record.New(record.Options{DB: d})
		if err := records.Register(ctx, alert.RecordKind(nil)); err != nil {
			t.Fatal(err)
		}
		if n, err := records.Reindex(ctx, alert.Name); n != 1 || err != nil {
			t.Errorf("%d became findable, %v", n, err)
		}
		found, err := records.Search(ctx, record.System(), alert.Name, "消去", 5)
		if err != nil || len(found) != 1 || found[0].Text("verdict") != "true_positive" || found[0].Version != 4 {
			t.Fatalf("%v, %v", found, err)
		}
		page, err := records.History(ctx, record.System(), alert.Name, "a", "", 10)
		var got []string
		for _, e := range page.Items {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", e.Actor, e.Action, len(e.Changes), e.Note)))
		}
		if want := "sato move.close 2|sato edit 0 電話した|sato move.take 1 見る"; strings.Join(got, "|") != want || err != nil {
			t.Errorf("the history is %s, %v", strings.Join(got, "|"), err)
		}
	})
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
				count(b, s, fmt.Sprint(n), matches...)
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

func TestAnAlertBelongsToTheUnitOfThePersonItNames(t *testing.T) {
	t.Parallel()
	s := newStore(t, alert.Options{Units: fakeUnits{}, MaxEntities: 3})
	count(t, s, "1",
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
		for _, a := range list(t, t.Context(), s, "unit="+unit) {
			got = append(got, fmt.Sprintf("%s:%s", a.Entity.Kind, a.Entity.Value))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("unit %q has the alerts %v, want %s", unit, got, want)
		}
	}
	decide(t, t.Context(), s, list(t, t.Context(), s, "unit=shop")[0].ID, "take", nil)
	if got := list(t, t.Context(), s, "unit=shop&state=in_progress"); len(got) != 1 || got[0].Unit != "shop" {
		t.Errorf("a decision loses the unit: %v", got)
	}
}
