package backtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/backtest"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
	"yagura/sigma"
)

// day is the first of three days with an event an hour: odd hours are whoami, every sixth of them of alice.
var day = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -4)

const hours = 72

const whoami = `title: Whoami
id: 11111111-1111-4111-8111-111111111111
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: '\whoami.exe'}, condition: s}
level: high
`

// many is whoami at least three times within six hours on a host.
const many = whoami + `---
title: Many
id: 22222222-2222-4222-8222-222222222222
correlation:
  type: event_count
  rules: [11111111-1111-4111-8111-111111111111]
  group-by: [Computer]
  timespan: 6h
  condition: {gte: 3}
level: critical
`

func events(t testing.TB) *logstore.Store {
	t.Helper()
	store := openStore(t)
	rows := store.NewRows()
	for i := range hours {
		ev := &event.Event{ID: fmt.Sprintf("e-%d", i), Time: day.Add(time.Duration(i) * time.Hour)}
		image, user := `C:\Windows\notepad.exe`, "bob"
		if i%2 == 1 {
			image = `C:\Windows\whoami.exe`
		}
		if i%12 == 1 {
			user = "alice"
		}
		for _, f := range [][2]string{
			{"winlog.channel", "Microsoft-Windows-Sysmon/Operational"}, {"winlog.provider_name", "Microsoft-Windows-Sysmon"}, {"event.code", "1"},
			{"process.executable", image}, {"host.name", "pc-1"}, {"winlog.computer_name", "pc-1"}, {"user.name", user},
		} {
			ev.Add(f[0], f[1])
		}
		rows.Add(ev)
	}
	if err := store.Append(rows); err != nil {
		t.Fatal(err)
	}
	store.Flush()
	return store
}

func plan(t testing.TB, text string) backtest.Plan {
	t.Helper()
	rules, filters, err := backtest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return backtest.Plan{Rules: rules, Filters: filters, Options: sigma.Options{Taxonomy: tax(t)}, From: day, To: day.Add(hours * time.Hour)}
}

func TestWouldHaveMatched(t *testing.T) {
	t.Parallel()
	r, err := backtest.Run(t.Context(), events(t), plan(t, whoami), nil, func(*backtest.Result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != hours || r.Matches != hours/2 || r.Share() != 1 {
		t.Errorf("%d of %d events match, at %v", r.Matches, r.Events, r.Share())
	}
	x := r.Rules["11111111-1111-4111-8111-111111111111"]
	if x == nil {
		t.Fatalf("the rule is not in %v", r.Rules)
	}
	if diff := cmp.Diff([]int64{12, 12, 12}, x.Counts(r.From, r.To)); diff != "" {
		t.Errorf("by day: %s", diff)
	}
	if diff := cmp.Diff([]backtest.Named{{Name: "bob", Count: 30}, {Name: "alice", Count: 6}}, x.Users.Top(5)); diff != "" {
		t.Errorf("by user: %s", diff)
	}
	if len(x.Samples) != 5 || x.Samples[0].ID != "e-1" || !x.Samples[0].Time.Equal(day.Add(time.Hour)) {
		t.Errorf("the first events are %+v", x.Samples)
	}
}

// The end of the time is not in it; nor is what a filter leaves out.
func TestTimeAndFilters(t *testing.T) {
	t.Parallel()
	p := plan(t, whoami+"---\ntitle: Bob\nlogsource: {product: windows}\nfilter:\n  rules: [11111111-1111-4111-8111-111111111111]\n  bob: {User: bob}\n  condition: not bob\n")
	p.To = day.Add(13 * time.Hour)
	r, err := backtest.Run(t.Context(), events(t), p, nil, func(*backtest.Result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != 13 || r.Matches != 1 {
		t.Errorf("%d of %d events match, want alice's one of 13", r.Matches, r.Events)
	}
}

// A run that was interrupted after any window comes to the same result as one that was not.
func TestInterruptedRunGoesOn(t *testing.T) {
	t.Parallel()
	store, p := events(t), plan(t, whoami)
	whole, err := backtest.Run(t.Context(), store, p, nil, func(*backtest.Result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	var before *backtest.Result
	for range 1000 {
		r, err := backtest.Run(t.Context(), store, p, before, func(*backtest.Result) error { return killed })
		if err != nil && !errors.Is(err, killed) {
			t.Fatal(err)
		}
		if before = r; r.Share() == 1 {
			break
		}
	}
	if diff := cmp.Diff(whole, before); diff != "" {
		t.Errorf("the interrupted run: %s", diff)
	}
}

func TestCorrelationsFire(t *testing.T) {
	t.Parallel()
	r, err := backtest.Run(t.Context(), events(t), plan(t, many), nil, func(*backtest.Result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	x := r.Rules["22222222-2222-4222-8222-222222222222"]
	if x == nil || x.Matches == 0 || x.Hosts.Names["pc-1"] != x.Matches {
		t.Errorf("the correlation came to %+v", x)
	}
	if r.Rules["11111111-1111-4111-8111-111111111111"] != nil {
		t.Error("the rule is a part of the correlation, and counts by itself")
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "title: [", "title: x\nlogsource: {product: windows}\ndetection: {s: {a: 1}, condition: s and t}\n"} {
		if _, _, err := backtest.Parse(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// house has backtests as records, with their jobs.
type house struct {
	*webtest.Site
	store *backtest.Store
	rec   *record.Store
	queue *jobs.Queue
}

func furnish(t testing.TB) *house {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	h := &house{Site: webtest.New(t)}
	if h.queue, err = jobs.Open(t.Context(), jobs.Options{DB: d, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), "backtest", backtest.Migrations()); err != nil {
		t.Fatal(err)
	}
	kind := backtest.Kind(func(r *record.Record) error { return h.store.Check(r) })
	h.rec = recordtest.Open(t, d, "", kind)
	h.store = backtest.New(backtest.Options{
		DB: d, Records: h.rec, Events: events(t), Sigma: sigma.Options{Taxonomy: tax(t)},
		Rules: func(p *backtest.Plan, scope, key string) error {
			return fault.New(fault.NotFound, "rule.fault.not_found", "no rule %q", key)
		},
		Live: func(context.Context, time.Time, time.Time) (map[string]int64, error) {
			return map[string]int64{"11111111-1111-4111-8111-111111111111": 7}, nil
		},
	})
	h.store.Work(h.queue)
	records := desk.New(desk.Options{Site: h.Site.Site, Store: h.rec})
	h.Mount(records.Own())
	h.Mount(backtest.NewRoom(h.Site.Site, records, h.store).Module(kind))
	return h
}

// shows opens pages in every language.
func (h *house) shows(t testing.TB, paths ...string) {
	t.Helper()
	for _, lang := range i18n.Languages() {
		for _, path := range paths {
			answer := h.Do(webtest.Request{As: webtest.Admin, Path: path, Lang: lang.Lang})
			if answer.Code != http.StatusOK {
				t.Errorf("%s in %s: status %d", path, lang.Lang, answer.Code)
			}
			for _, problem := range webtest.Problems(answer.Body.String()) {
				t.Errorf("%s in %s: %s", path, lang.Lang, problem)
			}
		}
	}
}

func (h *house) ask(t testing.TB, text string) *record.Record {
	t.Helper()
	r, err := h.rec.Create(db.WithActor(t.Context(), "a"), record.System(), backtest.Name, record.Values{
		"title": webtest.Probe, "scope": backtest.ScopeText, "text": text, "since": day, "until": day.Add(hours * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// work begins to work off jobs.
func (h *house) work(t testing.TB) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error)
	go func() { ended <- h.queue.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// until waits until a backtest has come to an outcome.
func (h *house) until(t testing.TB, id, outcome string) *record.Record {
	t.Helper()
	var r *record.Record
	for range 1200 {
		var err error
		if r, err = h.rec.Get(t.Context(), record.System(), backtest.Name, id); err != nil {
			t.Fatal(err)
		}
		if r.Str("outcome") == outcome {
			return r
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("it is %s and never was %s", r.Str("outcome"), outcome)
	return nil
}

// A backtest is worked off by a job, is compared with what the rule did, and can be run again or cancelled.
func TestBacktestsAreRecords(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	r := h.ask(t, strings.Replace(whoami, "Whoami", webtest.Probe, 1))
	path := "/backtests/" + r.ID
	h.shows(t, path, "/backtests", "/backtests/-/new?scope=rule&rule=x")
	other := h.ask(t, whoami)
	moved, err := h.rec.Move(db.WithActor(t.Context(), "a"), record.System(), backtest.Name, other.ID, record.Moving{Move: "cancel", Version: other.Version})
	if err != nil {
		t.Fatal(err)
	}
	h.work(t)
	r = h.until(t, r.ID, backtest.Done)
	if r, err := h.rec.Get(t.Context(), record.System(), backtest.Name, other.ID); err != nil || r.Str("outcome") != backtest.Stopped {
		t.Errorf("the cancelled one is %s, %v", r.Str("outcome"), err)
	}
	if r.Get("matches") != int64(hours/2) || r.Get("events") != int64(hours) || r.Get("progress") != int64(100) {
		t.Errorf("%v matches in %v events, at %v %%", r.Get("matches"), r.Get("events"), r.Get("progress"))
	}
	result, problem, err := h.store.Result(t.Context(), r.ID)
	if err != nil || problem != "" || result.Rules["11111111-1111-4111-8111-111111111111"].Live != 7 {
		t.Errorf("the result is %+v, %q, %v", result, problem, err)
	}
	h.shows(t, path)
	if page := h.Do(webtest.Request{As: webtest.Reader, Path: path}).Body.String(); !strings.Contains(page, "/search?") || !strings.Contains(page, "alice") {
		t.Error("the page does not lead to the events, or does not name whom they are about")
	}
	if got := h.Do(webtest.Request{As: webtest.Reader, Path: "/api/v1" + path + "/result"}); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"e-1"`) {
		t.Errorf("the API answers %d: %s", got.Code, got.Body)
	}
	h.Guarded()

	// Run again, the one that was cancelled comes to the same.
	if _, err := h.rec.Move(db.WithActor(t.Context(), "a"), record.System(), backtest.Name, other.ID, record.Moving{Move: "again", Version: moved.Version}); err != nil {
		t.Fatal(err)
	}
	if r := h.until(t, other.ID, backtest.Done); r.Get("matches") != int64(hours/2) {
		t.Errorf("run again it has %v matches", r.Get("matches"))
	}
}

func TestBacktestsThatCannotRunAreRefused(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	for name, values := range map[string]record.Values{
		"no rule in the text": {"scope": backtest.ScopeText, "text": "", "since": day, "until": day.Add(time.Hour)},
		"no such rule":        {"scope": backtest.ScopeRule, "rule": "x", "since": day, "until": day.Add(time.Hour)},
		"no time":             {"scope": backtest.ScopeText, "text": whoami, "since": day, "until": day},
	} {
		values["title"] = "x"
		if _, err := h.rec.Create(db.WithActor(t.Context(), "a"), record.System(), backtest.Name, values); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}
