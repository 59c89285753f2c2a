package coverage

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"yagura/sigma"
)

// Rule is what is asked of a rule.
type Rule struct {
	Key        string
	Live       bool // its matches become alerts
	Logsource  sigma.Logsource
	Techniques []string // as its tags have them
}

// State says how a technique stands.
type State string

// The states, the best first.
const (
	Covered State = "covered" // a live rule sees events that it could match
	Blind   State = "blind"   // there are live rules, and no event of their log sources came in
	Resting State = "resting" // there are rules, and none is live
	Gap     State = "gap"     // there is no rule
)

// States lists them.
func States() []State { return []State{Covered, Blind, Resting, Gap} }

// Count is what there is for a technique and its sub-techniques.
type Count struct {
	Rules  int `json:"rules"`  // all
	Live   int `json:"live"`   // of those, whose matches become alerts
	Blind  int `json:"blind"`  // of the live ones, those whose log source had no event
	Alerts int `json:"alerts"` // in the time of AlertSpan
}

// State sums the count up.
func (c Count) State() State {
	switch {
	case c.Live > c.Blind:
		return Covered
	case c.Live > 0:
		return Blind
	case c.Rules > 0:
		return Resting
	}
	return Gap
}

// Row is a technique with what there is for it.
type Row struct {
	*Technique
	Count
	Subs []Row
	IDs  []string // that lists are to be asked for: its own and those of older versions
}

// Line is a tactic with its techniques.
type Line struct {
	*Tactic
	Rows   []Row
	States map[State]int // of Rows
	Count                // of the tactic's techniques: each rule once
}

// Spot is a log source whose rules are blind.
type Spot struct {
	Logsource sigma.Logsource
	Last      time.Time // its latest event; zero: none that is known of
	Rules     int       // live rules that wait for it
	Only      []*Technique
}

// Tag is a tag that means nothing in this version of ATT&CK, with the rules that have it.
type Tag struct {
	ID    string
	Rules int
}

// Report is how the rules stand against ATT&CK.
type Report struct {
	*ATTACK
	Lines    []Line
	Spots    []Spot // the one that most rules wait for first
	Unknown  []Tag
	Untagged int // live rules without a technique
	Looked   time.Time
}

// Figures are what is known besides the rules.
type Figures struct {
	Seen   map[sigma.Logsource]time.Time // the latest event of each log source that was looked for; zero: none
	Alerts map[string]int                // how many alerts name these techniques: their ids, with spaces between
	Looked time.Time                     // until when was looked; zero: never yet
	Now    time.Time
}

// SeenSpan is how long ago the latest event of a log source may be before its rules count as blind, AlertSpan how far back alerts are counted.
const (
	SeenSpan  = 7 * 24 * time.Hour
	AlertSpan = 90 * 24 * time.Hour
)

// Report counts.
func (a *ATTACK) Report(rules []Rule, f Figures) *Report {
	c := counter{attack: a, figures: f, of: make(map[string]*Count), unknown: make(map[string]int), tactics: make(map[string]*Count)}
	for i := range rules {
		c.rule(&rules[i])
	}
	for ids, n := range f.Alerts {
		c.alerts(strings.Fields(ids), n)
	}
	r := &Report{ATTACK: a, Untagged: c.untagged, Looked: f.Looked}
	olds := a.former()
	rows := make(map[string]*Row)
	for i := range a.Techniques { // a technique comes before its sub-techniques
		t := &a.Techniques[i]
		row := Row{Technique: t, Count: *cmp.Or(c.of[t.ID], &Count{}), IDs: append([]string{t.ID}, slices.Sorted(slices.Values(olds[t.ID]))...)}
		if t.Parent() == t.ID {
			rows[t.ID] = &row
			continue
		}
		above := rows[t.Parent()]
		above.Subs = append(above.Subs, row)
		for _, id := range row.IDs[1:] { // which a list would not find below the technique's own id
			if parent(id) != above.ID {
				above.IDs = append(above.IDs, id)
			}
		}
	}
	for i := range a.Tactics {
		r.Lines = append(r.Lines, line(&a.Tactics[i], rows, cmp.Or(c.tactics[a.Tactics[i].Key], &Count{})))
	}
	r.Spots = c.spots(rules)
	for _, id := range slices.Sorted(maps.Keys(c.unknown)) {
		r.Unknown = append(r.Unknown, Tag{id, c.unknown[id]})
	}
	return r
}

func line(t *Tactic, rows map[string]*Row, sum *Count) Line {
	l := Line{Tactic: t, States: make(map[State]int), Count: *sum}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		row := *rows[id]
		// A technique may serve a tactic by some of its sub-techniques alone.
		row.Subs = slices.DeleteFunc(slices.Clone(row.Subs), func(s Row) bool { return !slices.Contains(s.Tactics, t.Key) })
		if slices.Contains(row.Tactics, t.Key) || len(row.Subs) > 0 {
			l.Rows = append(l.Rows, row)
			l.States[row.State()]++
		}
	}
	slices.SortStableFunc(l.Rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	return l
}

// counter adds up rules and alerts by technique.
type counter struct {
	attack   *ATTACK
	figures  Figures
	of       map[string]*Count // by technique: those of its sub-techniques, too
	tactics  map[string]*Count
	unknown  map[string]int
	untagged int
}

// blind reports whether nothing was seen of a rule's log source; one that nobody has looked for yet gets the benefit of the doubt.
func (c *counter) blind(r *Rule) bool {
	last, looked := c.figures.Seen[r.Logsource]
	return looked && c.figures.Now.Sub(last) > SeenSpan
}

// meant are the techniques that ids mean, with those they belong to, each once; told is given the ids that mean nothing.
func (a *ATTACK) meant(ids []string, told func(id string)) map[string]bool {
	meant := make(map[string]bool)
	for _, id := range ids {
		t, ok := a.Technique(id)
		if !ok {
			told(id)
			continue
		}
		meant[t.ID], meant[t.Parent()] = true, true
	}
	return meant
}

func (c *counter) rule(r *Rule) {
	meant := c.attack.meant(r.Techniques, func(id string) { c.unknown[id]++ })
	if len(meant) == 0 && r.Live {
		c.untagged++
	}
	one := Count{Rules: 1}
	if r.Live {
		one.Live = 1
		if c.blind(r) {
			one.Blind = 1
		}
	}
	c.add(meant, one)
}

func (c *counter) alerts(ids []string, n int) {
	c.add(c.attack.meant(ids, func(string) {}), Count{Alerts: n})
}

func (c *counter) add(meant map[string]bool, n Count) {
	tactics := make(map[string]bool)
	for id := range meant {
		plus(c.of, id, n)
		for _, key := range c.attack.byID[id].Tactics {
			tactics[key] = true
		}
	}
	for key := range tactics {
		plus(c.tactics, key, n)
	}
}

func plus(to map[string]*Count, key string, n Count) {
	sum := to[key]
	if sum == nil {
		sum = &Count{}
		to[key] = sum
	}
	sum.Rules += n.Rules
	sum.Live += n.Live
	sum.Blind += n.Blind
	sum.Alerts += n.Alerts
}

// spots are the log sources that live rules wait for in vain.
func (c *counter) spots(rules []Rule) []Spot {
	by := make(map[sigma.Logsource]*Spot)
	for i := range rules {
		r := &rules[i]
		if !r.Live || !c.blind(r) {
			continue
		}
		s := by[r.Logsource]
		if s == nil {
			s = &Spot{Logsource: r.Logsource, Last: c.figures.Seen[r.Logsource]}
			by[r.Logsource] = s
		}
		s.Rules++
		for id := range c.attack.meant(r.Techniques, func(string) {}) {
			if t := c.attack.byID[id]; parent(id) == id && c.of[id].State() == Blind && !slices.Contains(s.Only, t) {
				s.Only = append(s.Only, t)
			}
		}
	}
	var list []Spot
	for _, s := range by {
		slices.SortFunc(s.Only, func(a, b *Technique) int { return cmp.Compare(a.ID, b.ID) })
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Spot) int {
		return cmp.Or(cmp.Compare(b.Rules, a.Rules), cmp.Compare(a.Logsource.String(), b.Logsource.String()))
	})
	return list
}

// Techniques counts the techniques, without their sub-techniques, by how they stand.
func (r *Report) Techniques() map[State]int {
	seen, n := make(map[string]bool), make(map[State]int)
	for _, l := range r.Lines {
		for _, row := range l.Rows {
			if !seen[row.ID] {
				seen[row.ID] = true
				n[row.State()]++
			}
		}
	}
	return n
}
