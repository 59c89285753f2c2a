package scan

import (
	"strconv"
	"strings"

	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/sigma"
)

// found is a match that is correlated.
type found struct {
	rule   *sigma.Rule
	file   string
	record uint64
	event  *event.Event
}

// together correlates matches, in the order of the input.
type together struct {
	set     *sigma.Correlations
	keeper  *sigma.Correlator
	visitor Visitor
}

func newTogether(set *sigma.Correlations, v Visitor) *together {
	return &together{set, sigma.NewCorrelator(set, sigma.CorrelatorOptions{Lateness: -1, MaxBytes: 512 << 20}), v}
}

// add takes the matches of a chunk and appends what fires to dst.
func (x *together) add(dst []byte, list []found, t *tally) []byte {
	for _, m := range list {
		ref := m.file + "#" + strconv.FormatUint(m.record, 10)
		dst = x.fired(dst, x.keeper.Add(m.rule, m.event, m.event.Time, ref), m.event, t)
	}
	return dst
}

// close appends what is only known at the end.
func (x *together) close(dst []byte, t *tally) []byte { return x.fired(dst, x.keeper.Close(), nil, t) }

// fired appends what fired; completing is the event that made it, nil at the end.
func (x *together) fired(dst []byte, firings []*sigma.Firing, completing *event.Event, t *tally) []byte {
	for _, f := range firings {
		if !x.set.Alerts(f.Rule) {
			continue
		}
		t.count(f.Rule)
		m := Match{Rule: f.Rule, Event: match.OfFiring(f, x.set, completing).Event}
		var group []string
		for _, g := range f.Group {
			group = append(group, g.Value)
		}
		m.Group = strings.Join(group, " · ")
		ref := m.Event.ID // of the last match
		at := strings.LastIndexByte(ref, '#')
		m.File, m.Event.ID = ref[:at], ""
		m.Record, _ = strconv.ParseUint(ref[at+1:], 10, 64)
		dst = x.visitor.Visit(dst, m)
	}
	return dst
}
