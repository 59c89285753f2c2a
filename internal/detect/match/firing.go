package match

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/sigma"
)

// Fields of the event that stands for a firing.
const (
	// Contributing has, for each of the first and last matches, what Contribution.String writes.
	Contributing = "correlation.match"
	// Matches is how many there were.
	Matches = "correlation.matches"
	// Value is what the condition was asked of.
	Value = "correlation.value"
)

// Contribution is one of the matches that made a correlation fire.
type Contribution struct {
	Time    time.Time
	EventID string
	RuleID  string // "" where the rule has none
	Rule    string // its title
}

// String writes it as one text: "2026-01-05T09:00:00Z 4f1c09d2ab37-0000002a-00001f40-3 0a1f4f5e-… Failed login".
func (c Contribution) String() string {
	return c.Time.UTC().Format(time.RFC3339Nano) + " " + c.EventID + " " + cmp.Or(strings.Join(strings.Fields(c.RuleID), "_"), "-") + " " + c.Rule
}

// ReadContribution reads what String writes.
func ReadContribution(text string) (c Contribution, ok bool) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) < 4 {
		return c, false
	}
	at, err := time.Parse(time.RFC3339Nano, parts[0])
	return Contribution{at, parts[1], strings.TrimPrefix(parts[2], "-"), parts[3]}, err == nil
}

// OfFiring makes a match of what a correlation found: an event at the time of its last match, with what its matches have in
// common, and references to them. Whom the completing event names is named as well, unless the group says otherwise.
func OfFiring(f *sigma.Firing, set *sigma.Correlations, completing *event.Event) Match {
	ev := &event.Event{Time: f.To}
	if n := len(f.Contributions); n > 0 {
		ev.ID = f.Contributions[n-1].Ref
	}
	message := f.Rule.Title
	for _, g := range f.Group {
		if ev.Has(g.Name) {
			continue
		}
		ev.Add(g.Name, g.Value)
		message += " · " + g.Value
	}
	ev.Add(event.Message, message)
	ev.AddInt(Matches, int64(f.Matches))
	ev.AddKind(Value, strconv.FormatFloat(f.Value, 'f', -1, 64), event.Number)
	for _, c := range f.Contributions {
		one := Contribution{Time: c.Time, EventID: c.Ref, Rule: c.Rule}
		if r := set.Rule(c.Rule); r != nil {
			one.RuleID, one.Rule = r.ID, r.Title
		}
		ev.Add(Contributing, one.String())
	}
	if completing != nil {
		for _, name := range []string{event.HostName, event.UserName, event.SourceIP} {
			ev.SetDefault(name, completing.Get(name))
		}
	}
	return Match{Rule: f.Rule, Event: ev, Firing: f}
}
