package pipeline

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/event"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// skew is how far ahead of its acceptance an event's time may be. What is further ahead counts as accepted then: one clock that
// is wrong must not make all other events late.
const skew = 5 * time.Minute

// found is a match on its way to the committer.
type found struct {
	Match
	at time.Time // the event's, as correlations take it
}

// step is what one record of the spool brought, for the correlations: they take records in order, each whole.
type step struct {
	at       spool.Position
	recorded bool      // matches of it are, by an earlier run
	newest   time.Time // of its events
	matches  []found
}

// correlations feeds the correlator and keeps its state. Only the committer uses it while the pipeline runs.
//
// A snapshot of the state has the position up to which it was fed, and the spool is freed only up to there. A restart
// feeds what stands behind it again, in the same order, and so comes to the same firings; those of records whose matches are recorded
// already are recorded with them, and left out.
type correlations struct {
	file   string
	spool  string // its ID
	rules  func() *sigma.Correlations
	keeper *sigma.Correlator
	set    *sigma.Correlations

	fed     spool.Position // records before it are in the state
	kept    spool.Position // records before it are in the snapshot
	ahead   bool           // fed with what was not recorded after all: never to be kept
	swapped bool           // since the snapshot
}

// openCorrelations reads the snapshot. What cannot be read costs the state and nothing else.
func openCorrelations(file, spoolID string, rules func() *sigma.Correlations, opt sigma.CorrelatorOptions) (*correlations, error) {
	c := &correlations{file: file, spool: spoolID, rules: rules, set: rules()}
	c.keeper = sigma.NewCorrelator(c.set, opt)
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	head, snapshot, _ := bytes.Cut(data, []byte("\n"))
	at, err := parseCursor(string(head))
	if err == nil {
		err = c.keeper.Restore(snapshot)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	c.fed, _ = at.in(spoolID)
	c.kept = c.fed
	return c, nil
}

// startCorrelations reads their state.
func (p *Pipeline) startCorrelations() {
	none, _ := sigma.CompileCorrelations(nil, sigma.Options{})
	rules := func() *sigma.Correlations {
		if p.opt.Correlations == nil {
			return none
		}
		return cmp.Or(p.opt.Correlations(), none)
	}
	c, err := openCorrelations(p.opt.CorrelationFile, p.id, rules, p.opt.Correlator)
	if err != nil {
		p.log.Warn("the state of the correlations cannot be read; they begin anew with what the spool has", "error", err)
	}
	p.correlations, p.correlated, p.horizon.keep = c, c.fed, c.keep
	p.state.correlated(c.keeper.Stats())
}

// has reports whether a record is in the state already.
func (c *correlations) has(at spool.Position) bool { return at.Before(c.fed) }

// follow takes the rules of the moment.
func (c *correlations) follow() {
	if set := c.rules(); set != c.set {
		c.keeper.Swap(set)
		c.set, c.swapped = set, true
	}
}

// feed takes the steps up to a position, and returns what is to be recorded of them: matches of rules that raise alerts by
// themselves, and firings of correlations that do.
func (c *correlations) feed(steps []step, upTo spool.Position) []Match {
	c.follow()
	var out []Match
	for i := range steps {
		s := &steps[i]
		known := c.has(s.at)
		for j := range s.matches {
			m := &s.matches[j]
			if !s.recorded && c.set.Alerts(m.Rule) {
				out = append(out, m.Match)
			}
			if !known {
				out = c.fired(out, c.keeper.Add(m.Rule, m.Event, m.at, m.Event.ID), s.recorded, m.Event)
			}
		}
		if !known && !s.newest.IsZero() {
			out = c.fired(out, c.keeper.Advance(s.newest), s.recorded, nil)
		}
	}
	c.fed = upTo
	return out
}

// fired adds what fired. completing is the event that made it fire, nil where time did.
func (c *correlations) fired(out []Match, firings []*sigma.Firing, recorded bool, completing *event.Event) []Match {
	for _, f := range firings {
		if !recorded && c.set.Alerts(f.Rule) {
			out = append(out, match.OfFiring(f, c.set, completing))
		}
	}
	return out
}

// keep writes a snapshot. The position returned is that up to which the spool is not needed any more.
func (c *correlations) keep() (spool.Position, error) {
	if c.ahead || !c.kept.Before(c.fed) && !c.swapped {
		return c.kept, nil
	}
	head := cursor{c.spool, c.fed}.String() + "\n"
	if err := writeFile(c.file, c.keeper.Snapshot([]byte(head))); err != nil {
		return c.kept, fmt.Errorf("writing the correlations' state: %w", err)
	}
	c.kept, c.swapped = c.fed, false
	return c.kept, nil
}
