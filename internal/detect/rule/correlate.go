package rule

import (
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/i18n"
	"yagura/sigma"
)

// correlate compiles the correlations of the rules, whatever the rules' state, and returns what is wrong with them.
func (b *builder) correlate(rules []*sigma.Rule) []sigma.Problem {
	s := b.set
	possible := s.whole.Rules()
	for _, r := range rules {
		if r.Correlation != nil {
			possible = append(possible, r)
		}
	}
	var problems []sigma.Problem
	s.wholeCorrelations, problems = sigma.CompileCorrelations(possible, b.opt.compileOptions())
	for _, r := range s.wholeCorrelations.Rules() {
		s.byKey[alert.RuleKey(r)].runs = true
		problems = append(problems, crowding(r)...)
		problems = append(problems, s.quietens(r)...)
	}
	return problems
}

// quietens warns of a correlation that keeps a rule of another file from raising alerts that it raised so far.
func (s *Set) quietens(r *sigma.Rule) (problems []sigma.Problem) {
	for _, ref := range r.Correlation.Rules {
		for _, other := range s.Rules {
			means := strings.EqualFold(other.ID, ref) || other.Name == ref
			if means && other.File != r.File && other.Level >= sigma.LevelMedium && !s.wholeCorrelations.Alerts(other.Rule) {
				problems = append(problems, sigma.Problem{
					File: r.File, Line: r.Line, RuleID: r.ID, Title: r.Title, Kind: sigma.ProblemWarning,
					Reason: "rule " + other.Title + " raises no alerts of its own any more; with generate: true it does",
				})
			}
		}
	}
	return problems
}

// part is a rule that a correlation refers to.
type part struct {
	Title, Path string // the path of a rule that is loaded, else ""
	Quiet       bool   // it raises no alerts of its own
}

// parts are the rules that a correlation refers to, in its order.
func (s *Set) parts(r *Rule, lang i18n.Lang) (list []part) {
	if r.Correlation == nil {
		return nil
	}
	for _, ref := range r.Correlation.Rules {
		one := part{Title: ref}
		for _, other := range s.Rules {
			if strings.EqualFold(other.ID, ref) || other.Name == ref {
				one = part{other.TitleIn(lang), other.Path(), !s.Correlations.Alerts(other.Rule)}
				break
			}
		}
		list = append(list, one)
	}
	return list
}

// unique are fields that nearly every event has another value of: to group by one makes as many groups as there are events.
var unique = [...]string{
	"EventRecordID", "RecordNumber", "ProcessGuid", "ParentProcessGuid", "ProcessId", "LogonId", "TargetLogonId", "CommandLine", "UtcTime", "TimeCreated",
	"event.id", "trace.id", "eventID", "uuid", "requestID",
}

// crowding warns of a correlation whose groups no second match will ever join.
func crowding(r *sigma.Rule) (problems []sigma.Problem) {
	for _, field := range r.Correlation.GroupBy {
		if slices.ContainsFunc(unique[:], func(name string) bool { return strings.EqualFold(name, field) }) {
			problems = append(problems, sigma.Problem{
				File: r.File, Line: r.Line, RuleID: r.ID, Title: r.Title, Kind: sigma.ProblemWarning,
				Reason: "group-by " + field + " makes nearly as many groups as there are events: each takes memory, and hardly any gets a second match",
			})
		}
	}
	return problems
}

// correlate takes the correlations whose rules are all evaluated. One that misses a rule that is not is reported.
func (s *Set) correlate() {
	var active []*sigma.Rule
	for _, r := range s.Rules {
		if r.Active {
			active = append(active, r.Rule)
		}
	}
	var problems []sigma.Problem
	s.Correlations, problems = sigma.CompileCorrelations(active, s.opt.compileOptions())
	runs := make(map[string]bool)
	for _, r := range s.Correlations.Rules() {
		runs[alert.RuleKey(r)] = true
	}
	for _, r := range s.Rules {
		r.Active = r.Active && (r.Correlation == nil || runs[r.Key])
	}
	for _, p := range problems {
		if !p.Loaded() {
			s.Problems = append(s.Problems, p)
		}
	}
}

// below returns the keys of the rules below the least level that the options ask for, but for those that a correlation of that level
// needs.
func (b *builder) below() (keys []string) {
	if b.opt.MinLevel == sigma.LevelNone {
		return nil
	}
	needed := make(map[string]bool)
	byRef := make(map[string][]*Rule)
	for _, r := range b.set.byKey {
		byRef[strings.ToLower(r.ID)] = append(byRef[strings.ToLower(r.ID)], r)
		byRef[strings.ToLower(r.Name)] = append(byRef[strings.ToLower(r.Name)], r)
	}
	var need func(r *Rule)
	need = func(r *Rule) {
		if r.Correlation == nil {
			return
		}
		for _, ref := range r.Correlation.Rules {
			for _, other := range byRef[strings.ToLower(ref)] {
				if !needed[other.Key] {
					needed[other.Key] = true
					need(other)
				}
			}
		}
	}
	for _, r := range b.set.byKey {
		if r.Severity() >= b.opt.MinLevel {
			need(r)
		}
	}
	for key, r := range b.set.byKey {
		if r.Severity() < b.opt.MinLevel && !needed[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// beside has the rules of a file that is looked at together with those of the set, of which nil has none. It returns what is wrong with
// the file's correlations.
func (b *bench) beside(set *Set, rules []*sigma.Rule, m *sigma.Matcher) (problems []sigma.Problem) {
	all := slices.Clone(rules)
	b.matchers = []*sigma.Matcher{m}
	if set != nil {
		own := make(map[string]bool)
		for _, r := range rules {
			own[alert.RuleKey(r)] = true
		}
		others := set.whole.Without(func(r *sigma.Rule) bool { return own[alert.RuleKey(r)] })
		all, b.matchers = append(all, others.Rules()...), append(b.matchers, others)
		for _, r := range set.wholeCorrelations.Rules() {
			if !own[alert.RuleKey(r)] {
				all = append(all, r)
			}
		}
	}
	b.correlations, problems = sigma.CompileCorrelations(all, b.opt.compileOptions())
	return slices.DeleteFunc(problems, func(p sigma.Problem) bool {
		return !slices.ContainsFunc(rules, func(r *sigma.Rule) bool { return r.Correlation != nil && r.ID == p.RuleID && r.Title == p.Title })
	})
}

// testCorrelation runs the tests of a correlation, with all rules of the set that match its events.
func (b *bench) testCorrelation(r *sigma.Rule, cases []Case) []Result {
	results := make([]Result, len(cases))
	for i, c := range cases {
		results[i] = Result{File: r.File, Line: c.Line, RuleID: r.ID, Title: r.Title, Case: c.Name, Want: c.Match}
		if b.correlations == nil || !slices.Contains(b.correlations.Rules(), r) {
			results[i].Problem = "the correlation does not run; yagura rules lint says why"
			continue
		}
		results[i].Got, results[i].Problem = b.fires(r, c.Events)
	}
	return results
}

// fires feeds events to the correlations of the set and reports whether that of r fires, or why an event cannot be read.
func (b *bench) fires(r *sigma.Rule, events []CaseEvent) (fired bool, problem string) {
	keeper := sigma.NewCorrelator(b.correlations, sigma.CorrelatorOptions{Lateness: -1})
	scratches := make([]*sigma.Scratch, len(b.matchers))
	for i, m := range b.matchers {
		scratches[i] = m.NewScratch()
	}
	look := func(firings []*sigma.Firing) {
		fired = fired || slices.ContainsFunc(firings, func(f *sigma.Firing) bool { return f.Rule == r })
	}
	began := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	for _, e := range events {
		for n := range e.Times {
			ev, err := b.read(e.Format, e.Dataset, e.data(n+1))
			if err != nil {
				return false, "an event cannot be read: " + err.Error()
			}
			at := began.Add(e.After + time.Duration(n)*e.Every)
			for i, m := range b.matchers {
				for _, rule := range m.Match(ev, scratches[i]) {
					look(keeper.Add(rule, ev, at, ev.ID))
				}
			}
		}
	}
	look(keeper.Close())
	return fired, ""
}
