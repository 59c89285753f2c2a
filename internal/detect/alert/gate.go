package alert

import (
	"fmt"
	"slices"
	"time"

	"yagura/internal/detect/match"
	"yagura/internal/platform/db"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
)

// Noise decides which matches make no alert. It counts what it holds back: a match is never lost in silence.
type Noise interface {
	// Begin is asked in each of the recorder's transactions, so that what people decided before it began holds in all of it.
	Begin(tx *db.Tx) (Gate, error)
}

// Gate is what holds in one transaction.
type Gate interface {
	Rule(s Sighting) Ruling
	// Spaced counts a match that would have opened an alert too soon after another.
	Spaced(s Sighting, by Ruling)
	// End writes the counts.
	End() error
}

// Sighting is a match as a Gate sees it.
type Sighting struct {
	*match.Match
	Key        string // RuleKey
	Entity     Entity
	Host, User string
	At         time.Time
}

// Ruling is what is to become of a match.
type Ruling struct {
	Excepted bool          // an exception of the rule covers it: as if the rule had not matched
	Held     bool          // it makes no alert; the rule's statistics count it
	Apart    time.Duration // no alert begins within this of another of the same rule on the same entity
	Most     int64         // how many alerts the rule may open in an hour: 0 is the usual bound, less is none
	By       string        // what decided about Apart
}

// DefaultFlood is how many alerts a rule may open in an hour of the events' clock.
const DefaultFlood = 100

// tooSoon reports whether an alert that x would open begins too near to another of its group, which may be closed. What it
// keeps back is counted by the gate.
func (r *recorder) tooSoon(key groupKey, alerts []*pending, x *sighting) (bool, error) {
	apart := x.ruling.Apart.Microseconds()
	if apart <= 0 {
		return false, nil
	}
	begun, err := r.beginnings(key, x.at, apart)
	if err != nil {
		return false, err
	}
	for _, p := range alerts {
		begun = append(begun, p.first)
	}
	for _, at := range begun {
		if max(at, x.at)-min(at, x.at) < apart {
			r.gate.Spaced(x.seen(key), x.ruling)
			return true, nil
		}
	}
	return false, nil
}

// mostBegun bounds how many alerts of one group are looked at.
const mostBegun = 1000

// begun is when the alerts of a group began, as far as they were asked for.
type begun struct {
	from int64
	list []int64
}

// beginnings returns when alerts of a group began that may be too near to a time. It asks the table once for a group whose sightings come in
// the order of time.
func (r *recorder) beginnings(key groupKey, at, apart int64) ([]int64, error) {
	known, asked := r.begun[key]
	if asked && known.from <= at-apart {
		return slices.Clip(known.list), nil
	}
	list, err := db.List(r.tx, func(row db.Scanner) (first int64, err error) { return first, row.Scan(&first) },
		`SELECT first_seen FROM alert_alert WHERE rule_id = $1 AND entity_kind = $2 AND entity_key = $3 AND last_seen > $4 AND first_seen > $4
			ORDER BY last_seen LIMIT $5`, key.rule, key.entity.Kind, key.entity.Value, at-apart, mostBegun)
	r.begun[key] = begun{at - apart, list}
	return slices.Clip(list), err
}

func (x *sighting) seen(key groupKey) Sighting {
	return Sighting{Match: x.match, Key: key.rule, Entity: x.actors.entity(), Host: x.actors.host, User: x.actors.user, At: db.Time(x.at)}
}

// tally is what a rule did in an hour of the events' clock.
type tally struct {
	matches, opened, folded int64
	before                  *tally // what the table has of opened and folded; nil until asked
}

// flooded reports whether a rule opened so many alerts in the hour of x that it may open no more: what would be one joins the rule's
// alert about many.
func (r *recorder) flooded(rule string, x *sighting) (bool, error) {
	most := r.flood
	if x.ruling.Most != 0 {
		most = x.ruling.Most
	}
	if most <= 0 {
		return false, nil
	}
	t, err := r.hourBefore(rule, x.at)
	if err != nil || t.before.opened+t.opened < most {
		return false, err
	}
	t.folded++
	return true, nil
}

func hourStart(at int64) int64 { return at - at%time.Hour.Microseconds() }

// hourBefore returns a rule's tally of the hour of a time, in which a match was counted, with what the table has of that hour.
func (r *recorder) hourBefore(rule string, at int64) (*tally, error) {
	key := ruleHour{rule, hourStart(at)}
	t := r.hours[key]
	if t.before == nil {
		t.before = new(tally)
		err := r.tx.QueryRow(`SELECT COALESCE(SUM(opened), 0), COALESCE(SUM(folded), 0) FROM alert_rule_hour WHERE rule_id = $1 AND hour = $2`,
			key.rule, key.hour).Scan(&t.before.opened, &t.before.folded)
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Flood is the topic of a rule that opens too many alerts.
const Flood = "alert.flood"

// recently is how long ago a flood may be and still be told of: what is imported from last year rings no bell.
const recently = 3 * time.Hour

// tellFlood tells once that a rule floods: not again in the hours that follow on one in which it did.
func (s *Store) tellFlood(tx *db.Tx, key ruleHour, t *tally, title, alertID string) error {
	if s.opt.Notify == nil || t.folded == 0 || t.before.folded > 0 || tx.Now().Sub(db.Time(key.hour)) > recently {
		return nil
	}
	var before int64
	err := tx.QueryRow(`SELECT COALESCE(SUM(folded), 0) FROM alert_rule_hour WHERE rule_id = $1 AND hour = $2`, key.rule, key.hour-time.Hour.Microseconds()).Scan(&before)
	if err != nil || before > 0 {
		return err
	}
	err = s.opt.Notify.Send(tx, notify.Notice{
		Topic: Flood, Ref: ref.Ref{Kind: Name, ID: alertID}, Severity: notify.Medium, Key: fmt.Sprintf("flood.%s.%d", key.rule, key.hour),
		Args: notify.Args{"title": notify.Text(title)}, To: notify.Audience{Permission: string(MayWrite)},
	})
	if err != nil {
		return fmt.Errorf("telling of a flood of the rule %s: %w", key.rule, err)
	}
	return nil
}

// Throttled tells how a rule is being throttled.
type Throttled struct {
	Since  time.Time // the hour it began in
	Opened int64     // alerts of the latest hour
	Folded int64     // matches that would have opened more, since then
}

// Throttled returns the rules that opened too many alerts in this hour or the last one, by RuleKey.
func (s *Store) Throttled(tx *db.Tx) (map[string]Throttled, error) {
	found := make(map[string]Throttled)
	_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
		var rule string
		var hour, opened, folded int64
		err := row.Scan(&rule, &hour, &opened, &folded)
		x := found[rule]
		if x.Since.IsZero() {
			x.Since = db.Time(hour)
		}
		x.Opened, x.Folded = opened, x.Folded+folded
		found[rule] = x
		return struct{}{}, err
	}, `SELECT rule_id, hour, opened, folded FROM alert_rule_hour WHERE hour >= $1 AND folded > 0 ORDER BY hour`, hourStart(db.Micros(tx.Now()))-time.Hour.Microseconds())
	return found, err
}
