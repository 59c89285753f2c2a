package noise_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/detect/noise"
	"yagura/internal/event"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
	"yagura/sigma"
)

const encodedID = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"

// encoded is a rule that has much to say.
func encoded(t testing.TB) *sigma.Rule {
	t.Helper()
	file, err := sigma.Parse("rule.yml", []byte(`
title: Encoded command
id: `+encodedID+`
level: high
logsource: {category: process_creation, product: windows}
detection:
  selection: {CommandLine|contains: -enc}
  condition: selection
`))
	if err != nil {
		t.Fatal(err)
	}
	return file.Rules()[0]
}

// house is alerts with what keeps them quiet, at a time that tests move.
type house struct {
	alerts  *alert.Store
	noise   *noise.Store
	records *record.Store
	db      *db.DB
	now     time.Time
	rule    *sigma.Rule
	step    int
}

var start = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, engine func(t testing.TB, now func() time.Time) *db.DB, policy noise.Policy, flood int64) *house {
	t.Helper()
	ctx := t.Context()
	h := &house{now: start, rule: encoded(t)}
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
	must(h.db.Migrate(ctx, "noise", noise.Migrations()))
	must(log.Track(ctx, append(append(record.Tables(), alert.Tables()...), noise.Tables()...)...))
	h.records = record.New(record.Options{DB: h.db, Ledger: log, People: recordtest.People()})
	for _, k := range []*record.Kind{alert.RecordKind(nil), noise.ExceptionKind(policy), noise.SuppressionKind(policy)} {
		must(h.records.Register(ctx, k))
	}
	h.noise = noise.New(noise.Options{DB: h.db, Records: h.records, Rules: func() []*sigma.Rule { return []*sigma.Rule{h.rule} }})
	h.alerts = alert.NewStore(h.db, alert.Options{Ledger: log, Records: h.records, Noise: h.noise, Flood: flood})
	return h
}

// each runs a test on both engines.
func each(t *testing.T, policy noise.Policy, flood int64, do func(t *testing.T, h *house)) {
	t.Parallel()
	for name, engine := range map[string]func(testing.TB, func() time.Time) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, open(t, engine, policy, flood))
		})
	}
}

var aoki = recordtest.Somebody("aoki", "exception.read", "exception.write", "suppression.read", "suppression.write", "alert.read")

// on is an event some time after the start; fields are "name=value".
func on(after time.Duration, fields ...string) *event.Event {
	e := &event.Event{ID: fmt.Sprintf("e-%d-%s", after, strings.Join(fields, ",")), Time: start.Add(after)}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		e.Add(name, value)
	}
	return e
}

// see records events that match the rule.
func (h *house) see(t testing.TB, events ...*event.Event) {
	t.Helper()
	var matches []match.Match
	for _, e := range events {
		if e.Time.After(h.now) {
			h.now = e.Time
		}
		matches = append(matches, match.Match{Rule: h.rule, Event: e})
	}
	h.step++
	if err := h.alerts.Record(t.Context(), fmt.Sprint(h.step), matches); err != nil {
		t.Fatal(err)
	}
}

// standing is all alerts as "entity×count", the oldest first.
func (h *house) standing(t testing.TB) string {
	t.Helper()
	var list []string
	err := h.alerts.Past(t.Context(), nil, 1000, func(a *alert.Alert, _ []alert.Sample) bool {
		list = append([]string{fmt.Sprintf("%s×%d", a.Entity.Value+map[bool]string{true: "many"}[a.Entity.Kind == alert.ManyEntities], a.Count)}, list...)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// filter is an exception's text.
func filter(selection string) string {
	return `title: t
logsource: {category: process_creation, product: windows}
filter:
  rules: [` + encodedID + `]
  selection: {` + selection + `}
  condition: not selection
`
}

// except makes an exception that holds until a time.
func (h *house) except(t testing.TB, by *auth.User, text string, until time.Time) *record.Record {
	t.Helper()
	ctx := recordtest.As(t.Context(), by)
	made, err := h.records.Create(ctx, by, noise.Exception, record.Values{"title": "known", "reason": "deployment", "filter": text, "owner": by.ID, "due": until})
	if err == nil {
		made, err = h.records.Move(ctx, by, noise.Exception, made.ID, record.Moving{Move: "activate"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (h *house) suppress(t testing.TB, values record.Values) *record.Record {
	t.Helper()
	values["title"], values["reason"], values["owner"] = "quiet", "work", aoki.ID
	ctx := recordtest.As(t.Context(), aoki)
	made, err := h.records.Create(ctx, aoki, noise.Suppression, values)
	if err == nil {
		made, err = h.records.Move(ctx, aoki, noise.Suppression, made.ID, record.Moving{Move: "activate"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (h *house) held(t testing.TB, cause string) int64 {
	t.Helper()
	held, err := h.noise.Held(t.Context(), cause)
	if err != nil {
		t.Fatal(err)
	}
	return held.Matches
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestAnExceptionHoldsUntilItsEndAndCountsWhatItKeepsBack(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		x := h.except(t, aoki, filter(`User: svc-deploy`), start.Add(24*time.Hour))
		h.see(t, on(0, "host.name=a", "User=SVC-Deploy"), on(time.Minute, "host.name=b", "User=mallory"), on(2*time.Minute, "host.name=a", "User=svc-deploy"))
		want(t, "alerts", h.standing(t), "b×1")
		held, err := h.noise.Held(t.Context(), x.ID)
		if err != nil || held.Matches != 2 || len(held.Rules) != 1 || held.Rules[0].Rule != encodedID || !strings.HasPrefix(held.Event, "e-") {
			t.Errorf("held back: %+v, %v", held, err)
		}
		h.now = start.Add(24 * time.Hour) // nobody has swept yet
		h.see(t, on(24*time.Hour, "host.name=a", "User=svc-deploy"))
		want(t, "alerts after its end", h.standing(t), "b×1 a×1")
		if err := h.noise.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := h.records.Get(t.Context(), aoki, noise.Exception, x.ID)
		if err != nil || after.State != noise.Ended || after.UpdatedBy != "system" {
			t.Errorf("after its end it is %s, by %s, %v", after.State, after.UpdatedBy, err)
		}
	})
}

func TestAnExceptionEndsWithTheNextTransaction(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		x := h.except(t, aoki, filter(`User: svc`), start.Add(time.Hour))
		other := h.except(t, aoki, filter(`User: backup`), start.Add(time.Hour))
		h.see(t, on(0, "host.name=a", "User=svc"), on(0, "host.name=b", "User=backup"))
		want(t, "alerts", h.standing(t), "")
		if _, err := h.records.Move(t.Context(), aoki, noise.Exception, x.ID, record.Moving{Move: "end", Why: "done"}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.records.Edit(t.Context(), aoki, noise.Exception, other.ID, 0, record.Values{"filter": filter(`User: restore`)}, ""); err != nil {
			t.Fatal(err)
		}
		h.see(t, on(time.Second, "host.name=a", "User=svc"), on(time.Second, "host.name=b", "User=backup"), on(time.Second, "host.name=c", "User=restore"))
		want(t, "alerts", h.standing(t), "a×1 b×1")
	})
}

func TestWhatCannotBeAnExceptionIsRefusedWithItsLine(t *testing.T) {
	each(t, noise.Policy{Longest: 10 * 24 * time.Hour}, 0, func(t *testing.T, h *house) {
		for text, reason := range map[string]string{
			"title: t\nlogsource: {product: windows}\nfilter: [":                                              "line 4",
			strings.Replace(filter("User: a"), "not selection", "not selectoin", 1):                           "line 6",
			strings.Replace(filter("User: a"), "not selection", "selection", 1):                               "line 3",
			strings.Replace(filter("User: a"), "  rules: ["+encodedID+"]\n", "", 1):                           "line 3",
			filter("User|nonsense: a"):                                                                        "line 5",
			filter("User: a") + "---\n" + filter("User: b"):                                                   "line 1",
			"title: t\nlogsource: {product: windows}\ndetection: {selection: {a: b}, condition: selection}\n": "line 1",
		} {
			_, err := h.records.Create(t.Context(), aoki, noise.Exception, record.Values{"title": "x", "reason": "y", "filter": text})
			if !fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), reason) {
				t.Errorf("%s\nis answered %v, want %s", text, err, reason)
			}
		}
		made, err := h.records.Create(t.Context(), aoki, noise.Exception, record.Values{"title": "x", "reason": "y", "filter": filter("User: a"), "owner": "aoki"})
		if err != nil {
			t.Fatal(err)
		}
		for _, until := range []time.Time{{}, start.Add(-time.Second), start.Add(12 * 24 * time.Hour)} {
			_, err = h.records.Move(t.Context(), aoki, noise.Exception, made.ID, record.Moving{Move: "activate", Values: record.Values{"due": until}})
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("active until %s: %v", until, err)
			}
		}
	})
}

func TestWithFourEyesNothingThatHoldsIsChanged(t *testing.T) {
	each(t, noise.Policy{FourEyes: true}, 0, func(t *testing.T, h *house) {
		made, err := h.records.Create(t.Context(), aoki, noise.Exception, record.Values{
			"title": "x", "reason": "y", "filter": filter("User: a"), "owner": "aoki", "due": start.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.records.Move(t.Context(), aoki, noise.Exception, made.ID, record.Moving{Move: "activate"}); !fault.Is(err, fault.Conflict) {
			t.Errorf("without an approval: %v", err)
		}
		h.see(t, on(0, "host.name=h", "User=a"))
		want(t, "alerts", h.standing(t), "h×1")
	})
}

func TestMaintenanceIsByTheTimeOfTheEvents(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		x := h.suppress(t, record.Values{"way": noise.Maintenance, "hosts": []string{"web-*", "db-?"}, "starts": start, "ends": start.Add(time.Hour)})
		h.see(t, on(-time.Second, "host.name=WEB-1"), on(0, "host.name=web-2"), on(59*time.Minute, "host.name=DB-1"), on(time.Minute, "host.name=db-12"), on(time.Hour, "host.name=web-3"))
		want(t, "alerts", h.standing(t), "WEB-1×1 db-12×1 web-3×1")
		if n := h.held(t, x.ID); n != 2 {
			t.Errorf("%d matches are counted, want 2", n)
		}
		hours, err := h.alerts.RuleHours(t.Context(), encodedID, start.Add(-24*time.Hour))
		var total int64
		for _, hour := range hours {
			total += hour.Count
		}
		if err != nil || total != 5 {
			t.Errorf("the rule matched %d times, want 5, %v", total, err)
		}
	})
}

func TestAtMostOneAlertInAWhileForTheSameEntity(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		x := h.suppress(t, record.Values{"way": noise.Spacing, "rules": []string{encodedID}, "minutes": int64(120)})
		h.see(t, on(0, "host.name=a"))
		h.closeAll(t)
		h.see(t, on(time.Minute, "host.name=a"), on(time.Minute, "host.name=b"), on(119*time.Minute, "host.name=A"))
		want(t, "alerts", h.standing(t), "a×1 b×1")
		if n := h.held(t, x.ID); n != 2 {
			t.Errorf("%d matches are counted, want 2", n)
		}
		h.closeAll(t)
		h.see(t, on(120*time.Minute, "host.name=a"), on(121*time.Minute, "host.name=a"))
		want(t, "alerts", h.standing(t), "a×1 b×1 a×2")
	})
}

// closeAll closes every open alert.
func (h *house) closeAll(t testing.TB) {
	t.Helper()
	var open []string
	err := h.alerts.Past(t.Context(), nil, 1000, func(a *alert.Alert, _ []alert.Sample) bool {
		if a.Open() {
			open = append(open, a.ID)
		}
		return true
	})
	for _, id := range open {
		if err == nil {
			_, err = h.records.Move(t.Context(), record.System(), alert.Name, id, record.Moving{Move: "close", Values: record.Values{"verdict": "false_positive"}})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFloodIsOneAlertAndEndsByItself(t *testing.T) {
	each(t, noise.Policy{}, 3, func(t *testing.T, h *house) {
		for i := range 5 {
			h.see(t, on(time.Duration(i)*time.Minute, fmt.Sprintf("host.name=h%d", i)))
		}
		h.see(t, on(10*time.Minute, "host.name=h9"), on(11*time.Minute, "host.name=h0"))
		want(t, "alerts", h.standing(t), "h1×1 h2×1 many×3 h0×2")
		h.now = start.Add(11 * time.Minute)
		throttled := h.throttled(t)
		if x := throttled[encodedID]; x.Opened != 3 || x.Folded != 3 {
			t.Errorf("throttled: %+v", throttled)
		}
		h.see(t, on(time.Hour, "host.name=h10"))
		want(t, "alerts in the next hour", h.standing(t), "h1×1 h2×1 many×3 h0×2 h10×1")
		h.now = start.Add(3 * time.Hour)
		if left := h.throttled(t); len(left) != 0 {
			t.Errorf("hours later: %+v", left)
		}
	})
}

func (h *house) throttled(t testing.TB) (found map[string]alert.Throttled) {
	t.Helper()
	err := h.db.Read(t.Context(), func(tx *db.Tx) (err error) { found, err = h.alerts.Throttled(tx); return err })
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestARuleMayHaveABoundOfItsOwn(t *testing.T) {
	each(t, noise.Policy{}, 2, func(t *testing.T, h *house) {
		h.suppress(t, record.Values{"way": noise.FloodBound, "rules": []string{encodedID}, "most": int64(4)})
		for i := range 6 {
			h.see(t, on(time.Duration(i)*time.Minute, fmt.Sprintf("host.name=h%d", i)))
		}
		want(t, "alerts", h.standing(t), "h0×1 h1×1 h2×1 h3×1 many×2")
	})
}

func TestASuppressionOfEverythingIsRefused(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		for name, values := range map[string]record.Values{
			"everything":      {"way": noise.Maintenance, "starts": start, "ends": start.Add(time.Hour)},
			"no end":          {"way": noise.Maintenance, "starts": start, "hosts": []string{"a"}},
			"ends before":     {"way": noise.Maintenance, "starts": start, "ends": start.Add(-time.Hour), "hosts": []string{"a"}},
			"no minutes":      {"way": noise.Spacing, "rules": []string{encodedID}},
			"all at a time":   {"way": noise.Spacing, "minutes": int64(5)},
			"months apart":    {"way": noise.Spacing, "rules": []string{encodedID}, "minutes": int64(50_000)},
			"a bound of none": {"way": noise.FloodBound, "rules": []string{encodedID}},
			"whose bound":     {"way": noise.FloodBound, "most": int64(5)},
		} {
			values["title"], values["reason"] = "x", "y"
			if _, err := h.records.Create(t.Context(), aoki, noise.Suppression, values); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestThePastTellsWhatAnExceptionWouldHaveKeptBack(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		h.see(t, on(0, "host.name=a", "User=svc"), on(time.Second, "host.name=a", "User=svc"), on(0, "host.name=b", "User=svc"), on(time.Second, "host.name=b", "User=mallory"), on(0, "host.name=c", "User=mallory"))
		f, err := noise.ParseFilter(filter("User: svc"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.noise.Past(t.Context(), h.alerts, f)
		if err != nil || p.Rules != 1 || p.Looked != 3 || p.Whole != 1 || p.Part != 1 || p.Events != 5 || p.Kept != 3 || p.More || len(p.Alerts) != 2 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// TestCountsAreKeptOnce dies after each transaction's commit without knowing, and records again.
func TestCountsAreKeptOnce(t *testing.T) {
	each(t, noise.Policy{}, 0, func(t *testing.T, h *house) {
		x := h.except(t, aoki, filter("User: svc"), start.Add(time.Hour))
		for range 3 {
			h.step = 0
			h.see(t, on(0, "host.name=a", "User=svc"), on(0, "host.name=b", "User=no"))
		}
		if n := h.held(t, x.ID); n != 1 {
			t.Errorf("counted %d times", n)
		}
		want(t, "alerts", h.standing(t), "b×1")
	})
}

// TestADraftKeepsBackWhatItWasMadeOf holds the filters that are written from events against those events, whatever is in them.
func TestADraftKeepsBackWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	one := encoded(t)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\\*?%'"{}:#\-\[\] a-zA-Z0-9ぁ-ん\n\t]{1,40}`))
		values := rapid.SliceOfN(value, 1, 3).Draw(t, "values")
		text, err := noise.Draft("title: 'x'", one, "User", values)
		if err != nil {
			t.Fatal(err)
		}
		f, err := noise.ParseFilter(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		ev := sigma.Fields{}
		for _, v := range values {
			ev = append(ev, sigma.Field{Name: "User", Value: v})
		}
		if kept, err := noise.Keeps(f, one, ev); err != nil || !kept {
			t.Fatalf("%q is not kept back by (%v)\n%s", values, err, text)
		}
		other := sigma.Fields{{Name: "User", Value: values[0] + "x"}}
		if kept, err := noise.Keeps(f, one, other); err != nil || kept && !strings.HasSuffix(values[0], "…") {
			t.Fatalf("%q is kept back, too (%v)\n%s", values[0]+"x", err, text)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	f.Add(filter("User: svc"))
	f.Add(strings.Replace(filter("User|contains: ['*', '\\\\']"), encodedID, "any", 1))
	f.Add("title: t\nfilter: {rules: any, condition: not x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := noise.ParseFilter(text)
		if err != nil {
			return
		}
		if _, err := noise.Keeps(x, &sigma.Rule{ID: "a", Logsource: x.Logsource}, sigma.Fields{{Name: "User", Value: "svc"}}); err == nil && x == nil {
			t.Error("no filter")
		}
	})
}
