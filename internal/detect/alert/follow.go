package alert

import (
	"fmt"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/sigma"
)

// Follower is told of the alerts that a transaction of the recorder opens, within it, and may answer with stories: alerts about alerts.
type Follower interface {
	Opened(tx *db.Tx, list []Opening) ([]Story, error)
}

// Opening is an alert that was opened.
type Opening struct {
	ID       string
	Rule     *sigma.Rule
	Severity sigma.Level
	Entity   Entity
	User     string // that its first events name
	At       time.Time
}

// StoryRule stands in the place of a rule for alerts that tell of others.
const StoryRule = "risk"

// Story is an alert that tells of others.
type Story struct {
	Into     string // the open alert that it goes on, "" for a new one
	Entity   Entity
	Severity sigma.Level
	Tactics  []string
	Alerts   []StoryAlert // what is new in it, by time
	Opened   func(id string) error
}

// StoryAlert is an alert that a story tells of.
type StoryAlert struct {
	ID string
	At time.Time
}

// storyTitle is what a story is called where no reader's language is known; its pages have their own words.
func storyTitle(e Entity) string { return "High risk: " + e.Value }

// follow has the follower hear of what was opened, and writes its stories.
func (s *Store) follow(r *recorder) error {
	if s.opt.Follower == nil || len(r.openings) == 0 {
		return nil
	}
	stories, err := s.opt.Follower.Opened(r.tx, r.openings)
	if err != nil {
		return fmt.Errorf("following %d alerts: %w", len(r.openings), err)
	}
	for i := range stories {
		if err := r.tellStory(&stories[i]); err != nil {
			return err
		}
	}
	return nil
}

// tellStory opens the alert of a story, or goes on in one. Its samples are the first events of the first and the latest alerts it tells of.
func (r *recorder) tellStory(x *Story) error {
	id, before := x.Into, int64(0)
	first, last := x.Alerts[0].At, x.Alerts[len(x.Alerts)-1].At
	if id != "" {
		if err := r.tx.QueryRow(`SELECT count FROM alert_alert WHERE id = $1`, id).Scan(&before); err != nil {
			return err
		}
		_, err := r.tx.Exec(`UPDATE alert_alert SET count = count + $2, samples = samples + $2,
			last_seen = CASE WHEN last_seen < $3 THEN $3 ELSE last_seen END, first_seen = CASE WHEN first_seen > $4 THEN $4 ELSE first_seen END WHERE id = $1`,
			id, len(x.Alerts), db.Micros(last), db.Micros(first))
		if err != nil {
			return err
		}
	} else if err := r.openStory(x, first, last); err != nil {
		return err
	} else {
		id = r.opened[len(r.opened)-1].Key
	}
	for i, one := range x.Alerts {
		if _, err := r.bucket.Exec(id, db.Micros(one.At)-db.Micros(one.At)%r.interval, 1); err != nil {
			return err
		}
		slot := before + int64(i)
		if slot >= firstSamples {
			if len(x.Alerts)-i > latestSamples {
				continue // its slot is taken by a later one
			}
			slot = firstSamples + (slot-firstSamples)%latestSamples
		}
		_, err := r.tx.Exec(`INSERT INTO alert_sample (alert_id, slot, event_id, time, event)
			SELECT $1, CAST($2 AS BIGINT), event_id, time, event FROM alert_sample WHERE alert_id = $3 AND slot = 0
			ON CONFLICT (alert_id, slot) DO UPDATE SET event_id = excluded.event_id, time = excluded.time, event = excluded.event`, id, slot, one.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) openStory(x *Story, first, last time.Time) error {
	var host, user string
	switch x.Entity.Kind {
	case Host:
		host = x.Entity.Value
	case User:
		user = x.Entity.Value
	}
	unit, err := r.unit(x.Entity.Kind, user)
	if err != nil {
		return err
	}
	id, n := db.NewID(), len(x.Alerts)
	_, err = r.insert.Exec(id, StoryRule, storyTitle(x.Entity), int64(x.Severity), words(x.Tactics), "", x.Entity.Kind, x.Entity.Value, strings.ToLower(x.Entity.Value),
		host, user, "", unit, db.Micros(first), db.Micros(last), n, n, db.Micros(r.tx.Now()))
	if err != nil {
		return err
	}
	r.opened = append(r.opened, ledger.Entry{Table: "alert_alert", Key: id, Action: "create"})
	r.news = append(r.news, news{id: id, title: storyTitle(x.Entity), entity: x.Entity.Value, unit: unit, severity: x.Severity})
	return x.Opened(id)
}
