package alert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// An alert keeps its first events, which show how it began, and a ring of later ones, which show how it stands: the last of
// each transaction, so that a flood costs one write and not one for each match.
const (
	firstSamples  = 5
	latestSamples = 5
)

// skew is how far ahead of our clock a sender's may be. What is further ahead counts as now: one clock that is wrong
// must not hold the top of the list for years.
const skew = 5 * time.Minute

// Cursor returns how far matches are recorded: the upTo of the last Record, "" before the first.
func (s *Store) Cursor(ctx context.Context) (position string, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		position, err = cursor(tx)
		return err
	})
	return position, err
}

func cursor(tx *db.Tx) (position string, err error) {
	err = tx.QueryRow(`SELECT position FROM alert_cursor WHERE id = 1`).Scan(&position)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	return position, err
}

// Record counts matches and moves the cursor to upTo, both or neither, durably. Each call names a later position than the
// one before; a call that repeats the position of the last does nothing, so that a caller who never learned how a
// commit ended can call again.
func (s *Store) Record(ctx context.Context, upTo string, matches []match.Match) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		position, err := cursor(tx)
		if err != nil || position == upTo {
			return err
		}
		if len(matches) > 0 {
			raised, err := s.standing(tx, matches)
			if err == nil && len(raised) > 0 {
				err = s.record(tx, raised)
			}
			if err != nil {
				return fmt.Errorf("recording %d matches: %w", len(matches), err)
			}
		}
		_, err = tx.Exec(`INSERT INTO alert_cursor (id, position) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET position = excluded.position`, upTo)
		return err
	})
}

// groupKey is what belongs together apart from time. The entity is in lower case.
type groupKey struct {
	rule   string
	entity Entity
}

// sighting is a match, reduced to what counting needs.
type sighting struct {
	match  *match.Match
	at     int64 // microseconds
	actors actors
	entity Entity // as it was written
	ruling Ruling
}

// record groups the matches, so that each alert is read once and written once, however many matches it gets.
func (s *Store) record(tx *db.Tx, matches []match.Match) error {
	r, err := newRecorder(tx, s)
	if err != nil {
		return err
	}
	latest := db.Micros(tx.Now().Add(skew))
	groups := make(map[groupKey][]sighting)
	var order []groupKey // of first appearance: the same matches always open the same alerts in the same order
	for i := range matches {
		m := &matches[i]
		x := sighting{match: m, at: max(1, db.Micros(m.Event.Time)), actors: actorsOf(m.Event)}
		if x.at > latest {
			x.at = db.Micros(tx.Now())
		}
		x.entity = entityOfMatch(m, x.actors)
		key := groupKey{RuleKey(m.Rule), Entity{x.entity.Kind, strings.ToLower(x.entity.Value)}}
		if r.gate != nil {
			x.ruling = r.gate.Rule(x.seen(key))
		}
		if x.ruling.Excepted {
			continue
		}
		r.count(key.rule, x.at)
		if x.ruling.Held {
			continue
		}
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		}
		groups[key] = append(groups[key], x)
	}
	for _, key := range order {
		if err := r.group(key, groups[key]); err != nil {
			return err
		}
	}
	for _, rule := range r.crowded {
		if err := r.group(groupKey{rule, Entity{Kind: ManyEntities}}, r.rest[rule]); err != nil {
			return err
		}
	}
	if err := s.follow(r); err != nil {
		return err
	}
	if err := s.countHours(r); err != nil {
		return err
	}
	if r.gate != nil {
		if err := r.gate.End(); err != nil {
			return err
		}
	}
	if err := s.tell(tx, r.news); err != nil {
		return err
	}
	if s.opt.Records != nil {
		ids := make([]string, len(r.opened))
		for i, e := range r.opened {
			ids[i] = e.Key
		}
		if err := s.opt.Records.Made(tx, Name, ids...); err != nil {
			return err
		}
	}
	return s.opt.Ledger.Append(tx, r.opened...)
}

type ruleHour struct {
	rule string
	hour int64
}
