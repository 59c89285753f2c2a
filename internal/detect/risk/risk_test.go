package risk_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/detect/risk"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
	"yagura/sigma"
)

var start = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// house is alerts and what they add up to, with a half-life of a day and a threshold of 100 points.
type house struct {
	alerts  *alert.Store
	risk    *risk.Store
	records *record.Store
	db      *db.DB
	now     time.Time
	step    int
	told    []string
}

// Send implements alert.Notifier.
func (h *house) Send(_ *db.Tx, x notify.Notice) error {
	if x.Topic == risk.NewTactic {
		h.told = append(h.told, x.Key[strings.LastIndex(x.Key, ".")+1:])
	}
	return nil
}

func each(t *testing.T, do func(t *testing.T, h *house)) {
	t.Parallel()
	for name, engine := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, open(t, engine))
		})
	}
}

func open(t testing.TB, engine func(testing.TB, func() time.Time) *db.DB) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{now: start}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h.db = engine(t, func() time.Time { return h.now })
	log, err := ledger.Open(ctx, h.db, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")})
	must(err)
	must(h.db.Migrate(ctx, "record", record.Migrations()))
	must(h.db.Migrate(ctx, "alert", alert.Migrations()))
	must(h.db.Migrate(ctx, "risk", risk.Migrations()))
	must(log.Track(ctx, append(record.Tables(), alert.Tables()...)...))
	h.records = record.New(record.Options{DB: h.db, Ledger: log, People: recordtest.People()})
	must(h.records.Register(ctx, alert.RecordKind(nil)))
	h.risk = risk.New(risk.Options{DB: h.db, Threshold: 100, HalfLife: 24 * time.Hour, Notify: h})
	h.records.Listen(h.risk.Listen)
	h.alerts = alert.NewStore(h.db, alert.Options{Ledger: log, Records: h.records, Follower: h.risk})
	return h
}

func rule(id string, level sigma.Level, tactic string) *sigma.Rule {
	return &sigma.Rule{ID: id, Title: id, Level: level, Tags: []string{"attack." + tactic}}
}

// on is a match some time after the start of a rule on a user and, where it is named, a host.
func on(after time.Duration, r *sigma.Rule, user, host string) match.Match {
	e := &event.Event{ID: fmt.Sprintf("%s-%s-%d", r.ID, user, after), Time: start.Add(after)}
	for _, f := range [][2]string{{"user.name", user}, {"host.name", host}} {
		if f[1] != "" {
			e.Add(f[0], f[1])
		}
	}
	return match.Match{Rule: r, Event: e}
}

func (h *house) see(t testing.TB, matches ...match.Match) {
	t.Helper()
	for _, m := range matches {
		if m.Event.Time.After(h.now) {
			h.now = m.Event.Time
		}
	}
	h.step++
	if err := h.alerts.Record(t.Context(), fmt.Sprint(h.step), matches); err != nil {
		t.Fatal(err)
	}
}

// stories are the alerts that tell of others as "entity×count state severity tactics", the oldest first.
func (h *house) stories(t testing.TB) (list []string, ids []string) {
	t.Helper()
	err := h.alerts.Past(t.Context(), []string{alert.StoryRule}, 100, func(a *alert.Alert, samples []alert.Sample) bool {
		if len(samples) == 0 {
			t.Errorf("the story %s shows no event", a.ID)
		}
		list = append([]string{fmt.Sprintf("%s×%d %s %s %s", a.Entity.Value, a.Count, a.State, a.Severity, strings.Join(a.Tactics, "+"))}, list...)
		ids = append([]string{a.ID}, ids...)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, ids
}

func (h *house) tells(t testing.TB, want ...string) {
	t.Helper()
	if got, _ := h.stories(t); strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("the stories are %q, want %q", got, want)
	}
}

func (h *house) close(t testing.TB, id, verdict string) {
	t.Helper()
	if _, err := h.records.Move(t.Context(), record.System(), alert.Name, id, record.Moving{Move: "close", Values: record.Values{"verdict": verdict}}); err != nil {
		t.Fatal(err)
	}
}

func (h *house) score(t testing.TB, kind alert.EntityKind, key string) string {
	t.Helper()
	x, err := h.risk.Get(t.Context(), kind, key)
	if fault.Is(err, fault.NotFound) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.1f", x.Score)
}

func TestManyAlertsAreOneStory(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(0, rule("a", sigma.LevelHigh, "initial-access"), `CORP\Tanaka`, ""))
		h.see(t, on(time.Minute, rule("b", sigma.LevelHigh, "persistence"), "tanaka@example.com", ""))
		h.tells(t)
		h.see(t, on(2*time.Minute, rule("c", sigma.LevelMedium, "collection"), "tanaka", ""), on(2*time.Minute, rule("c", sigma.LevelMedium, "collection"), "sato", ""))
		h.tells(t) // 99.9 points: they decayed a little
		h.see(t, on(3*time.Minute, rule("d", sigma.LevelLow, "exfiltration"), "tanaka", ""))
		h.tells(t, "tanaka×4 new high initial-access+persistence+collection+exfiltration")
		h.see(t, on(4*time.Minute, rule("e", sigma.LevelLow, "collection"), "tanaka", ""), on(4*time.Minute, rule("f", sigma.LevelLow, "impact"), "tanaka", ""))
		h.tells(t, "tanaka×6 new high initial-access+persistence+collection+exfiltration")
		if strings.Join(h.told, " ") != "impact" {
			t.Errorf("told of %q, want the new tactic alone", h.told)
		}
	})
}

func TestAUserAndTheirHostAddUpApart(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(0, rule("a", sigma.LevelHigh, "execution"), "tanaka", "PC-1"), on(0, rule("b", sigma.LevelLow, "execution"), "SYSTEM", "pc-1"), on(0, rule("c", sigma.LevelLow, "execution"), "PC-1$", "pc-1"))
		for key, want := range map[alert.Entity]string{{Kind: alert.User, Value: "tanaka"}: "40.0", {Kind: alert.Host, Value: "pc-1"}: "50.0", {Kind: alert.User, Value: "system"}: "none", {Kind: alert.User, Value: "pc-1$"}: "none"} {
			if got := h.score(t, key.Kind, key.Value); got != want {
				t.Errorf("%v stands at %s, want %s", key, got, want)
			}
		}
		h.now = start.Add(24 * time.Hour)
		if got := h.score(t, alert.User, "tanaka"); got != "20.0" {
			t.Errorf("after a half-life: %s, want 20.0", got)
		}
	})
}

func TestAStoryIsToldAgainOnlyAfterItFellOrWithANewTactic(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		critical := func(id, tactic string) *sigma.Rule { return rule(id, sigma.LevelCritical, tactic) }
		h.see(t, on(0, critical("a", "execution"), "tanaka", ""), on(0, critical("b", "impact"), "tanaka", ""))
		h.tells(t, "tanaka×2 new high execution+impact")
		_, ids := h.stories(t)
		h.close(t, ids[0], "true_positive")
		h.see(t, on(time.Minute, rule("c", sigma.LevelLow, "impact"), "tanaka", ""))
		h.tells(t, "tanaka×2 closed high execution+impact")
		h.see(t, on(2*time.Minute, rule("d", sigma.LevelLow, "exfiltration"), "tanaka", ""))
		h.tells(t, "tanaka×2 closed high execution+impact", "tanaka×4 new high execution+impact+exfiltration")
		_, ids = h.stories(t)
		h.close(t, ids[1], "true_positive")
		h.see(t, on(30*time.Hour, critical("e", "impact"), "tanaka", "")) // 170 points fell to 72, and rise to 152
		got, _ := h.stories(t)
		if len(got) != 3 || !strings.Contains(got[2], "new high") {
			t.Errorf("after it fell and rose: %q", got)
		}
		h.see(t, on(500*time.Hour, rule("f", sigma.LevelMedium, "discovery"), "tanaka", ""))
		if x, err := h.risk.Get(t.Context(), alert.User, "tanaka"); err != nil || fmt.Sprint(x.Tactics) != "[discovery]" {
			t.Errorf("weeks later another story begins: %+v, %v", x, err)
		}
	})
}

func TestWhatTurnedOutToBeNothingGivesItsPointsBack(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(0, rule("a", sigma.LevelHigh, "execution"), "tanaka", ""), on(24*time.Hour, rule("b", sigma.LevelMedium, "execution"), "tanaka", ""))
		if got := h.score(t, alert.User, "tanaka"); got != "40.0" {
			t.Fatalf("%s points, want 20 and what is left of 40", got)
		}
		var first string
		err := h.alerts.Past(t.Context(), nil, 10, func(a *alert.Alert, _ []alert.Sample) bool { first = a.ID; return true })
		if err != nil {
			t.Fatal(err)
		}
		h.close(t, first, "false_positive")
		if got := h.score(t, alert.User, "tanaka"); got != "20.0" {
			t.Errorf("%s points after the first turned out to be nothing, want 20", got)
		}
		if _, err := h.records.Move(t.Context(), record.System(), alert.Name, first, record.Moving{Move: "judge_again", Why: "looked again", Values: record.Values{"verdict": "true_positive"}}); err != nil {
			t.Fatal(err)
		}
		if got := h.score(t, alert.User, "tanaka"); got != "40.0" {
			t.Errorf("%s points after all, want 40", got)
		}
	})
}

func TestALateAlertAddsWhatIsLeftOfIt(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(48*time.Hour, rule("a", sigma.LevelHigh, "execution"), "tanaka", ""))
		h.see(t, on(24*time.Hour, rule("b", sigma.LevelHigh, "execution"), "tanaka", ""))
		if got := h.score(t, alert.User, "tanaka"); got != "60.0" {
			t.Errorf("%s points, want 40 and half of 40", got)
		}
		x, err := h.risk.Get(t.Context(), alert.User, "tanaka")
		if err != nil {
			t.Fatal(err)
		}
		course, err := h.risk.Course(t.Context(), x.Entity, start.Add(72*time.Hour), 24*time.Hour, 4)
		if fmt.Sprint(course) != "[0 40 60 30]" || err != nil {
			t.Errorf("its course is %v, want [0 40 60 30], %v", course, err)
		}
	})
}

func TestTheSumIsKeptOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for range 3 { // the program dies after its commit, and does not know
			h.step = 0
			h.see(t, on(0, rule("a", sigma.LevelHigh, "execution"), "tanaka", ""))
		}
		if got := h.score(t, alert.User, "tanaka"); got != "40.0" {
			t.Errorf("%s points", got)
		}
	})
}

func TestTheListIsOrderedByWhatIsLeft(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(0, rule("a", sigma.LevelHigh, "execution"), "old", ""), on(48*time.Hour, rule("b", sigma.LevelMedium, "execution"), "fresh", ""),
			on(48*time.Hour, rule("c", sigma.LevelInformational, "execution"), "hardly", ""), on(47*time.Hour, rule("d", sigma.LevelMedium, "execution"), "", "host"))
		h.now = start.Add(49 * time.Hour)
		var got []string
		for cursor, first := "", true; first || cursor != ""; first = false {
			page, err := h.risk.List(t.Context(), risk.Filter{}, cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Items {
				got = append(got, fmt.Sprintf("%s %.0f", x.Name, x.Score))
			}
			cursor = page.Next
		}
		if strings.Join(got, ", ") != "fresh 19, host 19, old 10" {
			t.Errorf("the list is %q", got)
		}
	})
}

func TestARuleMayHaveAWeight(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"2.5": 2.5, "0": 0, "-1": 1, "1e9": 10, "NaN": 1, "much": 1} {
		r := &sigma.Rule{Custom: map[string]*yaml.Node{"risk_weight": {Kind: yaml.ScalarNode, Value: text}}}
		if got := risk.Weight(r); got != want {
			t.Errorf("%q weighs %v, want %v", text, got, want)
		}
	}
}

func TestAnotherHalfLifeIsAdopted(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.see(t, on(0, rule("a", sigma.LevelHigh, "execution"), "tanaka", ""))
		other := risk.New(risk.Options{DB: h.db, HalfLife: time.Hour})
		if err := other.Adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.now = start.Add(6 * time.Hour)
		if page, err := other.List(t.Context(), risk.Filter{}, "", 10); err != nil || len(page.Items) != 0 {
			t.Errorf("with an hour's half-life, 40 points are gone after six: %+v, %v", page.Items, err)
		}
		h.now = start.Add(100 * 24 * time.Hour)
		if err := other.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.score(t, alert.User, "tanaka"); got != "none" {
			t.Errorf("months later: %s", got)
		}
	})
}
