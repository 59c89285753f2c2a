package alert

import (
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/platform/db"
)

// Standing is what becomes of the matches of a rule.
type Standing int

// What becomes of them.
const (
	Raises  Standing = iota // they are alerts
	Counts                  // they are counted, and nobody is told
	Nothing                 // nobody wants them any more
)

// Standings knows where rules stand, and counts what those match that only count; rule.States does.
type Standings interface {
	// Standing returns what becomes of the rules' matches, by RuleKey, as the transaction sees it. A rule it does not name raises alerts.
	Standing(tx *db.Tx, rules []string) (map[string]Standing, error)
	// Count counts matches of rules that only count.
	Count(tx *db.Tx, counted []Counted) error
}

// Counted are matches of a rule on a day.
type Counted struct {
	Rule  string // RuleKey
	Day   time.Time
	Count int64
	Last  time.Time // of the latest event
}

// standing counts the matches of rules that only count, and returns those that are alerts. It asks in the transaction that records them, so
// that a rule that was retired or put into shadow raises no alert after that, whatever was matched and waited meanwhile.
func (s *Store) standing(tx *db.Tx, matches []match.Match) ([]match.Match, error) {
	if s.opt.Rules == nil {
		return matches, nil
	}
	var keys []string
	known := make(map[string]bool)
	of := make([]string, len(matches))
	for i := range matches {
		of[i] = RuleKey(matches[i].Rule)
		if !known[of[i]] {
			known[of[i]], keys = true, append(keys, of[i])
		}
	}
	standings, err := s.opt.Rules.Standing(tx, keys)
	if err != nil {
		return nil, err
	}
	type ruleDay struct {
		rule string
		day  time.Time
	}
	at := make(map[ruleDay]int)
	var raised []match.Match
	var counted []Counted
	for i := range matches {
		switch standings[of[i]] {
		case Raises:
			raised = append(raised, matches[i])
		case Counts:
			seen := matches[i].Event.Time
			if seen.After(tx.Now().Add(skew)) || !seen.After(time.UnixMicro(0)) {
				seen = tx.Now()
			}
			key := ruleDay{of[i], seen.UTC().Truncate(24 * time.Hour)}
			n, ok := at[key]
			if !ok {
				n = len(counted)
				at[key], counted = n, append(counted, Counted{Rule: key.rule, Day: key.day})
			}
			counted[n].Count++
			if seen.After(counted[n].Last) {
				counted[n].Last = seen
			}
		}
	}
	if len(counted) == 0 {
		return raised, nil
	}
	return raised, s.opt.Rules.Count(tx, counted)
}
