package backtest_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/backtest"
	"yagura/internal/detect/load"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/logstore"
	"yagura/sigma"
)

// Real attacks on Windows and Linux, and every rule of SigmaHQ: what matched while the events came in is what a run over the stored ones finds, rule by
// rule.
func TestStoredEventsMatchAsLiveOnes(t *testing.T) {
	corpus := os.Getenv("YAGURA_CORPUS")
	if corpus == "" {
		t.Skip("YAGURA_CORPUS is not set")
	}
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	set, err := rule.Load(rule.LoadOptions{Builtin: true, Paths: []string{filepath.Join(corpus, "sigma")}, Taxonomy: tax(t)})
	if err != nil {
		t.Fatal(err)
	}
	var rules []*sigma.Rule
	for _, r := range set.Rules {
		rules = append(rules, r.Rule)
	}
	store := openStore(t)
	live := make(map[string]int64)
	normaliser, scratch := normalise.New(tax(t)), new(sigma.Scratch)
	matcher, _ := sigma.Compile(rules, nil, sigma.Options{Taxonomy: tax(t)})
	correlated, _ := sigma.CompileCorrelations(rules, sigma.Options{Taxonomy: tax(t)})
	oldest, newest, n := time.Now().Add(time.Hour), time.Time{}, 0
	var ev event.Event
	_, err = load.Lend(t.Context(), []string{filepath.Join(corpus, "otrf")}, load.Options{Input: "import"}, func(_ context.Context, l *load.Lent) error {
		defer l.Release()
		rows := store.NewRows()
		for i := range l.Batch.Items {
			ev.Reset()
			if err := normaliser.Normalise(&l.Batch, &l.Batch.Items[i], &ev); err != nil || ev.Time.IsZero() {
				continue
			}
			n++
			ev.ID = fmt.Sprintf("otrf-%d", n)
			for _, r := range matcher.Match(&ev, scratch) {
				if correlated.Alerts(r) { // what only a correlation counts raises nothing by itself
					live[alert.RuleKey(r)]++
				}
			}
			if ev.Time.Before(oldest) {
				oldest = ev.Time
			}
			if ev.Time.After(newest) {
				newest = ev.Time
			}
			rows.Add(&ev)
		}
		return store.Append(rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	store.Flush()
	began := time.Now()
	plan := backtest.Plan{Rules: rules, Options: sigma.Options{Taxonomy: tax(t)}, From: oldest, To: newest.Add(time.Second)}
	result, err := backtest.Run(t.Context(), store, plan, nil, func(*backtest.Result) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events of %s, %d of %d rules matched; the run took %s", result.Events, newest.Sub(oldest).Round(time.Hour), len(result.Rules), len(rules), time.Since(began).Round(time.Millisecond))
	if result.Events != int64(n) {
		t.Errorf("the run saw %d of %d events", result.Events, n)
	}
	var differ []string
	for _, k := range slices.Sorted(maps.Keys(live)) {
		stored := int64(0)
		if x := result.Rules[k]; x != nil {
			stored = x.Matches
		}
		if stored != live[k] {
			r, _ := set.Rule(k)
			differ = append(differ, fmt.Sprintf("%s (%s): live %d, stored %d", r.Title, k, live[k], stored))
		}
	}
	for k, x := range result.Rules {
		if live[k] == 0 {
			differ = append(differ, fmt.Sprintf("%s (%s): live 0, stored %d", x.Title, k, x.Matches))
		}
	}
	if len(differ) > 0 {
		t.Errorf("%d rules match otherwise:\n%s", len(differ), strings.Join(differ, "\n"))
	}
}

func openStore(t testing.TB) *logstore.Store {
	t.Helper()
	store, err := logstore.Open(filepath.Join(t.TempDir(), "events"), logstore.Options{Retention: 100 * 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}
