package backtest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/event"
	"yagura/sigma"
)

// Bounds of what a Result keeps.
const (
	maxSamples  = 5   // of a rule: its first matches
	maxNames    = 300 // different hosts, users or addresses of a rule that are counted by themselves
	maxProblems = 20
	maxText     = 256 // bytes of a name out of a log
)

// Result is what a run came to, or has come to so far. It is kept as JSON.
type Result struct {
	From     time.Time              `json:"from"`
	To       time.Time              `json:"to"`
	Through  time.Time              `json:"through"` // events before it were looked at
	Asked    int                    `json:"rules_asked"`
	Events   int64                  `json:"events"`
	Matches  int64                  `json:"matches"`
	Rules    map[string]*RuleResult `json:"rules"` // that matched, by key
	Problems []string               `json:"problems,omitempty"`
}

// RuleResult is what one rule would have matched.
type RuleResult struct {
	Key       string           `json:"key"`
	Title     string           `json:"title"`
	Level     string           `json:"level"`
	Matches   int64            `json:"matches"`
	Live      int64            `json:"live_matches"` // what it did match then, by the hours of the time asked about
	Days      map[string]int64 `json:"days"`         // UTC: 2026-11-02
	Hosts     Tally            `json:"hosts"`
	Users     Tally            `json:"users"`
	Addresses Tally            `json:"source_addresses"`
	Samples   []Sample         `json:"samples"`
}

// Tally counts by name.
type Tally struct {
	Names map[string]int64 `json:"names"`
	Other int64            `json:"other"` // of names that came when there were many already
}

// Sample is an event that matched.
type Sample struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Host    string    `json:"host,omitempty"`
	User    string    `json:"user,omitempty"`
	Address string    `json:"source_address,omitempty"`
}

func (r *Result) add(key string, rule *sigma.Rule, ev *event.Event) {
	x := r.Rules[key]
	if x == nil {
		x = &RuleResult{Key: key, Title: rule.Title, Level: alert.SeverityOf(rule).String(), Days: make(map[string]int64), Hosts: newTally(), Users: newTally(), Addresses: newTally(), Samples: []Sample{}}
		r.Rules[key] = x
	}
	r.Matches++
	x.Matches++
	x.Days[ev.Time.UTC().Format(time.DateOnly)]++
	s := Sample{
		ID: strings.Clone(ev.ID), Time: ev.Time.UTC(), Host: named(ev.Get(event.HostName)), User: named(ev.Get(event.UserName)), Address: named(ev.Get(event.SourceIP)),
	}
	x.Hosts.add(s.Host)
	x.Users.add(s.User)
	x.Addresses.add(s.Address)
	// Events come in no order within a window: the first by time are kept.
	at, _ := slices.BinarySearchFunc(x.Samples, s, func(a, b Sample) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	if at < maxSamples {
		x.Samples = slices.Insert(x.Samples, at, s)
		x.Samples = x.Samples[:min(len(x.Samples), maxSamples)]
	}
}

// named is a name out of a log that can be kept.
func named(s string) string {
	return strings.Clone(strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), maxText)], "\x00", ""), "\uFFFD"))
}

func newTally() Tally { return Tally{Names: make(map[string]int64)} }

func (t *Tally) add(name string) {
	if name == "" {
		return
	}
	if _, ok := t.Names[name]; !ok && len(t.Names) >= maxNames {
		t.Other++
		return
	}
	t.Names[name]++
}

// Named is a name with its count.
type Named struct {
	Name  string
	Count int64
}

// Top are the most frequent names.
func (t Tally) Top(n int) []Named {
	list := make([]Named, 0, len(t.Names))
	for name, count := range t.Names {
		list = append(list, Named{name, count})
	}
	slices.SortFunc(list, func(a, b Named) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return list[:min(n, len(list))]
}

func (r *Result) problem(p sigma.Problem) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p.Error())
	}
}

// List are the rules that matched, most matches first.
func (r *Result) List() []*RuleResult {
	list := make([]*RuleResult, 0, len(r.Rules))
	for _, x := range r.Rules {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *RuleResult) int {
		return cmp.Or(cmp.Compare(b.Matches, a.Matches), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// Counts are a rule's matches by day, over all days of the run.
func (x *RuleResult) Counts(from, to time.Time) []int64 {
	var counts []int64
	for day := from.UTC().Truncate(24 * time.Hour); day.Before(to) && len(counts) < 400; day = day.AddDate(0, 0, 1) {
		counts = append(counts, x.Days[day.Format(time.DateOnly)])
	}
	return counts
}

// Share is how far the run is, from 0 to 1.
func (r *Result) Share() float64 {
	whole := r.To.Sub(r.From)
	if whole <= 0 {
		return 1
	}
	return float64(r.Through.Sub(r.From)) / float64(whole)
}
