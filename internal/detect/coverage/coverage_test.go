package coverage_test

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/coverage"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/web/webtest"
	"yagura/locale"
	"yagura/sigma"
)

var (
	processes = sigma.Logsource{Product: "windows", Category: "process_creation"}
	okta      = sigma.Logsource{Product: "okta", Service: "okta"}
	ec2       = sigma.Logsource{Product: "aws", Service: "cloudtrail"}
)

func attack(t testing.TB) *coverage.ATTACK {
	t.Helper()
	a, err := coverage.Load()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// row is a technique of a report, under the first tactic that has it.
func row(t testing.TB, r *coverage.Report, id string) coverage.Row {
	t.Helper()
	for _, l := range r.Lines {
		for _, row := range l.Rows {
			if row.ID == id {
				return row
			}
			for _, sub := range row.Subs {
				if sub.ID == id {
					return sub
				}
			}
		}
	}
	t.Fatalf("the report has no %s", id)
	return coverage.Row{}
}

func TestAVersionOfATTACKComesWithTheProgram(t *testing.T) {
	t.Parallel()
	a := attack(t)
	if len(a.Tactics) < 14 || len(a.Techniques) < 600 || a.Version == "" || !strings.Contains(a.Attribution, "The MITRE Corporation") {
		t.Errorf("version %q: %d tactics, %d techniques, %q", a.Version, len(a.Tactics), len(a.Techniques), a.Attribution)
	}
	bundle, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages() {
		for _, tactic := range a.Tactics {
			if key := "attack.tactic." + tactic.Key; !bundle.Printer(lang.Lang, time.UTC).Has(key) {
				t.Errorf("%s: no message %s", lang.Lang, key)
			}
		}
	}
}

// What a technique counts: its own rules and those of its sub-techniques, each once, whichever version's tag they carry.
func TestReport(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	rules := []coverage.Rule{
		{Key: "a", Live: true, Logsource: processes, Techniques: []string{"T1059", "T1059.001"}},
		{Key: "b", Live: true, Logsource: okta, Techniques: []string{"T1059.003"}},
		{Key: "c", Live: false, Logsource: processes, Techniques: []string{"T1003.001"}},
		{Key: "d", Live: true, Logsource: okta, Techniques: []string{"t1562.001", "T9999"}}, // T1685 today
		{Key: "e", Live: true, Logsource: ec2, Techniques: nil},                             // nobody has looked for its log source
	}
	r := attack(t).Report(rules, coverage.Figures{
		Now: now, Looked: now, Seen: map[sigma.Logsource]time.Time{processes: now.Add(-time.Hour), okta: now.Add(-8 * 24 * time.Hour)},
		Alerts: map[string]int{"T1059.001 T1059": 3, "T1059.003": 2, "T1562.001": 1},
	})
	for id, want := range map[string]coverage.Count{
		"T1059":     {Rules: 2, Live: 2, Blind: 1, Alerts: 5},
		"T1059.001": {Rules: 1, Live: 1, Alerts: 3},
		"T1059.003": {Rules: 1, Live: 1, Blind: 1, Alerts: 2},
		"T1003":     {Rules: 1},
		"T1685":     {Rules: 1, Live: 1, Blind: 1, Alerts: 1},
		"T1001":     {},
	} {
		if diff := cmp.Diff(want, row(t, r, id).Count); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	for id, want := range map[string]coverage.State{
		"T1059": coverage.Covered, "T1059.003": coverage.Blind, "T1003": coverage.Resting, "T1685": coverage.Blind, "T1001": coverage.Gap,
	} {
		if got := row(t, r, id).State(); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if diff := cmp.Diff([]coverage.Tag{{ID: "T9999", Rules: 1}}, r.Unknown); diff != "" {
		t.Errorf("unknown tags: %s", diff)
	}
	if r.Untagged != 1 {
		t.Errorf("%d live rules without a technique, want 1", r.Untagged)
	}
	if len(r.Spots) != 1 || r.Spots[0].Logsource != okta || r.Spots[0].Rules != 2 {
		t.Fatalf("blind spots: %+v", r.Spots)
	}
	if only := r.Spots[0].Only; len(only) != 1 || only[0].ID != "T1685" {
		t.Errorf("nothing else sees %v, want T1685: T1059 is seen elsewhere", only)
	}
	if ids := row(t, r, "T1685").IDs; !slices.Contains(ids, "T1562.001") {
		t.Errorf("lists of T1685 are asked for %v, which leaves out alerts of older tags", ids)
	}
}

// A rule under two tactics by one technique counts once in each of them.
func TestTacticsCountRulesOnce(t *testing.T) {
	t.Parallel()
	r := attack(t).Report([]coverage.Rule{{Live: true, Logsource: processes, Techniques: []string{"T1053.005", "T1053.003", "T1059.001"}}}, coverage.Figures{})
	for _, l := range r.Lines {
		want := 0
		if slices.Contains([]string{"execution", "persistence", "privilege-escalation"}, l.Key) {
			want = 1
		}
		if l.Rules != want {
			t.Errorf("%s has %d rules, want %d", l.Key, l.Rules, want)
		}
	}
}

// The layer keeps to the fields, types and required parts that the Navigator's layer format 4.5 documents.
func TestLayerIsWhatTheFormatSays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	text, err := json.Marshal(attack(t).Report([]coverage.Rule{
		{Live: true, Logsource: processes, Techniques: []string{"T1059.001"}}, {Live: true, Logsource: okta, Techniques: []string{"T1110"}},
		{Logsource: okta, Techniques: []string{"T1136"}},
	}, coverage.Figures{Now: now, Seen: map[sigma.Logsource]time.Time{processes: now, okta: {}}}).Layer())
	if err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	var layer object
	if err := json.Unmarshal(text, &layer); err != nil {
		t.Fatal(err)
	}
	fields := func(what string, got object, required, optional []string) {
		t.Helper()
		for _, name := range required {
			if _, ok := got[name]; !ok {
				t.Errorf("%s has no %s, which is required", what, name)
			}
		}
		for name := range got {
			if !slices.Contains(required, name) && !slices.Contains(optional, name) {
				t.Errorf("%s has %s, which the format does not know", what, name)
			}
		}
	}
	fields("the layer", layer, []string{"name", "domain"}, []string{"versions", "description", "customDataURL", "filters", "sorting", "layout", "hideDisabled", "techniques",
		"gradient", "legendItems", "showTacticRowBackground", "tacticRowBackground", "selectTechniquesAcrossTactics", "selectSubtechniquesWithParent", "selectVisibleTechniques", "metadata", "links"})
	versions := layer["versions"].(object)
	fields("versions", versions, []string{"navigator", "layer"}, []string{"attack"})
	if versions["layer"] != "4.5" || layer["domain"] != "enterprise-attack" {
		t.Errorf("layer %v of %v", versions["layer"], layer["domain"])
	}
	fields("layout", layer["layout"].(object), nil, []string{"layout", "showID", "showName", "showAggregateScores", "countUnscored", "aggregateFunction", "expandedSubtechniques"})
	gradient := layer["gradient"].(object)
	fields("gradient", gradient, []string{"colors", "minValue", "maxValue"}, nil)
	if gradient["maxValue"].(float64) <= gradient["minValue"].(float64) || len(gradient["colors"].([]any)) < 2 {
		t.Errorf("gradient %v", gradient)
	}
	for _, item := range layer["legendItems"].([]any) {
		fields("a legend's item", item.(object), []string{"label", "color"}, nil)
	}
	id, color := regexp.MustCompile(`^T\d{4}(\.\d{3})?$`), regexp.MustCompile(`^#[0-9a-f]{6}$`)
	states := make(map[string]any)
	for _, item := range layer["techniques"].([]any) {
		one := item.(object)
		fields("a technique", one, []string{"techniqueID"}, []string{"tactic", "comment", "enabled", "score", "color", "metadata", "links", "showSubtechniques"})
		if !id.MatchString(one["techniqueID"].(string)) {
			t.Errorf("technique %v", one["techniqueID"])
		}
		if c, ok := one["color"].(string); ok && !color.MatchString(c) {
			t.Errorf("colour %q", c)
		}
		for _, m := range one["metadata"].([]any) {
			fields("metadata", m.(object), []string{"name", "value"}, nil)
		}
		states[one["techniqueID"].(string)] = one["comment"]
	}
	if diff := cmp.Diff(map[string]any{"T1059": "covered", "T1059.001": "covered", "T1110": "blind", "T1136": "resting"}, states); diff != "" {
		t.Errorf("techniques: %s", diff)
	}
}

// sources is a store of events, and what is known of their log sources.
func sources(t testing.TB, asked ...sigma.Logsource) (*coverage.Sources, func(at time.Time, fields ...string)) {
	t.Helper()
	store, err := logstore.Open(filepath.Join(t.TempDir(), "events"), logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), "coverage", coverage.Migrations()); err != nil {
		t.Fatal(err)
	}
	add := func(at time.Time, fields ...string) {
		rows := store.NewRows()
		ev := &event.Event{Time: at, ID: at.String()}
		for i := 0; i < len(fields); i += 2 {
			ev.Add(fields[i], fields[i+1])
		}
		rows.Add(ev)
		if err := store.Append(rows); err != nil {
			t.Fatal(err)
		}
		store.Flush()
	}
	return &coverage.Sources{DB: d, Events: store, Taxonomy: tax, Logsources: func() []sigma.Logsource { return asked }}, add
}

// A log source is seen by what the taxonomy says its events are, with all that matching knows: lists, fields that only have to be there.
func TestLookFindsWhichLogSourcesSendEvents(t *testing.T) {
	t.Parallel()
	linux := sigma.Logsource{Product: "linux", Category: "process_creation"}
	dns := sigma.Logsource{Category: "dns"}
	s, add := sources(t, processes, okta, linux, dns)
	now := time.Now().UTC().Truncate(time.Second)
	add(now.Add(-2*time.Hour), "winlog.channel", "Microsoft-Windows-Sysmon/Operational", "event.code", "1", "winlog.provider_name", "Microsoft-Windows-Sysmon")
	add(now.Add(-3*time.Hour), "host.os.type", "linux", "event.category", "file", "event.category", "process", "event.type", "start")
	add(now.Add(-4*time.Hour), "dns.question.name", "a.example")
	if err := s.Look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	check := func(want map[sigma.Logsource]time.Time) {
		t.Helper()
		seen, looked, err := s.Seen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("seen: %s", diff)
		}
		if !looked.Equal(now) {
			t.Errorf("looked until %s, want %s", looked, now)
		}
	}
	want := map[sigma.Logsource]time.Time{processes: now.Add(-2 * time.Hour), linux: now.Add(-3 * time.Hour), dns: now.Add(-4 * time.Hour), okta: {}}
	check(want)

	// The next look goes on from there, and finds what came meanwhile.
	now = now.Add(10 * time.Minute)
	add(now.Add(-time.Minute), "event.module", "okta", "event.dataset", "okta.system")
	if err := s.Look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	want[okta] = now.Add(-time.Minute)
	check(want)
}

func TestLookRefusesNothingForWantOfRules(t *testing.T) {
	t.Parallel()
	s, _ := sources(t)
	if err := s.Look(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
}

func room(t testing.TB, alerts map[string]int) *webtest.Site {
	t.Helper()
	hostile := sigma.Logsource{Product: webtest.Probe, Category: "process_creation"}
	s, add := sources(t, processes, okta)
	now := time.Now()
	add(now.Add(-time.Hour), "winlog.channel", "Microsoft-Windows-Sysmon/Operational", "event.code", "1")
	if err := s.Look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	rules := []coverage.Rule{
		{Live: true, Logsource: processes, Techniques: []string{"T1059.001"}}, {Live: true, Logsource: okta, Techniques: []string{"T1110"}},
		{Live: true, Logsource: hostile, Techniques: []string{"T" + webtest.Probe}},
	}
	site := webtest.New(t)
	site.Mount(coverage.NewRoom(site.Site, coverage.RoomOptions{
		ATTACK: attack(t), Sources: s, Rules: func() []coverage.Rule { return rules },
		Alerts: func(context.Context, time.Time) (map[string]int, error) { return alerts, nil },
	}).Module())
	return site
}

func TestPages(t *testing.T) {
	t.Parallel()
	site := room(t, map[string]int{"T1059.001": 4})
	site.Pages("/coverage", "/coverage?sub=1", "/coverage?view=techniques", "/coverage?view=techniques&state=gap&tactic=execution&sub=1", "/coverage?view=blind")
	site.Guarded()
	for path, want := range map[string][]string{
		"/coverage": {"Command and Scripting Interpreter", "/rules?view=all&amp;technique=T1110", "2026"},
		"/coverage?view=techniques&state=covered&sub=1": {"T1059.001", "/alerts?view=all&amp;last_seen=90d&amp;technique=T1059.001"},
		"/coverage?view=blind":                          {"okta / okta", "T1110"},
	} {
		page := site.Do(webtest.Request{As: webtest.Reader, Path: path}).Body.String()
		for _, text := range want {
			if !strings.Contains(page, text) {
				t.Errorf("%s does not have %q", path, text)
			}
		}
	}
	for _, path := range []string{"/coverage?view=x", "/coverage?state=x", "/coverage?tactic=x"} {
		if got := site.Do(webtest.Request{As: webtest.Reader, Path: path}).Code; got != http.StatusBadRequest {
			t.Errorf("%s: %d", path, got)
		}
	}
	layer := site.Do(webtest.Request{As: webtest.Reader, Path: "/coverage/layer"})
	if got := layer.Header().Get("Content-Disposition"); !strings.Contains(got, "attachment") || !strings.Contains(layer.Body.String(), `"layer":"4.5"`) {
		t.Errorf("the layer comes as %q: %s", got, layer.Body)
	}
	var answer coverage.JSON
	if err := json.Unmarshal(site.Do(webtest.Request{As: webtest.Reader, Path: "/api/v1/coverage"}).Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Blind) != 1 || answer.Looked == nil || len(answer.Techniques) < 600 {
		t.Errorf("the API answers %d blind log sources, %d techniques", len(answer.Blind), len(answer.Techniques))
	}
}
