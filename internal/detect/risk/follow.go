package risk

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
	"yagura/sigma"
)

// standing is an entity as a transaction will leave it.
type standing struct {
	Entity
	score   float64
	at      time.Time
	began   time.Time
	tactics []string
	alert   string
	told    time.Time

	parts []alert.StoryAlert // of this transaction
	fresh []string           // tactics that were not in the story before
	cross bool               // the sum passed the threshold
	above bool               // and stands there
}

type entityKey struct {
	kind alert.EntityKind
	key  string
}

// Opened implements alert.Follower.
func (s *Store) Opened(tx *db.Tx, list []alert.Opening) ([]alert.Story, error) {
	f := &follower{Store: s, tx: tx, known: make(map[entityKey]*standing)}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	for i := range list {
		if err := f.add(&list[i]); err != nil {
			return nil, err
		}
	}
	var stories []alert.Story
	for _, e := range f.order {
		story, err := f.story(e)
		if err != nil {
			return nil, err
		}
		if story != nil {
			stories = append(stories, *story)
		}
		if err := f.write(e); err != nil {
			return nil, err
		}
	}
	return stories, nil
}

// follower follows the alerts of one transaction.
type follower struct {
	*Store
	tx          *db.Tx
	known       map[entityKey]*standing
	order       []*standing
	find, point *db.Stmt
	keep        *db.Stmt
}

func (f *follower) prepare() (err error) {
	for _, statement := range []struct {
		into **db.Stmt
		text string
	}{
		{&f.find, `SELECT score, at, began, tactics, alert_id, told FROM risk_entity WHERE kind = $1 AND entity = $2`},
		{&f.point, `INSERT INTO risk_point (kind, entity, at, alert_id, points, counts) VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT DO NOTHING`},
		{&f.keep, `INSERT INTO risk_entity (kind, entity, name, score, at, fades, began, tactics, alert_id, told, half_life) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (kind, entity) DO UPDATE SET name = excluded.name, score = excluded.score, at = excluded.at, fades = excluded.fades, began = excluded.began,
			tactics = excluded.tactics, alert_id = excluded.alert_id, told = excluded.told, half_life = excluded.half_life`},
	} {
		if *statement.into, err = f.tx.Prepare(statement.text); err != nil {
			return err
		}
	}
	return nil
}

// get reads an entity, a new one where it is not known.
func (f *follower) get(e Entity) (*standing, error) {
	key := entityKey{e.Kind, e.Key}
	if known := f.known[key]; known != nil {
		return known, nil
	}
	x := &standing{Entity: e}
	var score, at, began, told int64
	var tactics string
	err := f.find.QueryRow(e.Kind, e.Key).Scan(&score, &at, &began, &tactics, &x.alert, &told)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, fmt.Errorf("reading the risk of %s: %w", e.Key, err)
	}
	x.score, x.at, x.began, x.told, x.tactics = float64(score)/thousand, db.Time(at), db.Time(began), db.Time(told), strings.Fields(tactics)
	f.known[key], f.order = x, append(f.order, x)
	return x, nil
}

// add has an alert add its points to those whom it is about.
func (f *follower) add(o *alert.Opening) error {
	p := points(o.Severity) * Weight(o.Rule)
	if p <= 0 && o.Rule.Correlation == nil {
		return nil
	}
	for _, e := range entitiesOf(o) {
		x, err := f.get(e)
		if err != nil {
			return err
		}
		x.Name = e.Name
		f.raise(x, o, p)
		if _, err := f.point.Exec(e.Kind, e.Key, db.Micros(o.At), o.ID, int64(p*thousand)); err != nil {
			return err
		}
	}
	return nil
}

// raise adds points to a sum, and notes what that means for the story.
func (f *follower) raise(x *standing, o *alert.Opening, p float64) {
	limit := f.limit()
	if o.At.After(x.at) {
		x.score, x.at = f.decay(x.score, o.At.Sub(x.at)), o.At
	} else {
		p = f.decay(p, x.at.Sub(o.At)) // it is late, and has decayed since
	}
	if x.score < limit*ending {
		x.began, x.tactics, x.parts, x.fresh, x.cross = o.At, nil, nil, nil, false
	}
	if o.At.Before(x.began) {
		x.began = o.At
	}
	before := x.score
	x.score += p
	x.cross = x.cross || before < limit && x.score >= limit
	x.above = x.score >= limit
	for _, tactic := range o.Rule.Tactics() {
		if !slices.Contains(x.tactics, tactic) {
			x.tactics = append(x.tactics, tactic)
			x.fresh = append(x.fresh, tactic)
		}
	}
	x.parts = append(x.parts, alert.StoryAlert{ID: o.ID, At: o.At})
}

// story decides whether an entity's story is told, and what of it.
func (f *follower) story(x *standing) (*alert.Story, error) {
	if f.opt.Threshold <= 0 || !x.above || len(x.parts) == 0 {
		return nil, nil
	}
	open, err := f.open(x)
	if err != nil {
		return nil, err
	}
	story := &alert.Story{Entity: alert.Entity{Kind: x.Kind, Value: x.Name}, Tactics: x.tactics, Severity: sigma.LevelHigh}
	if x.score >= 2*f.limit() {
		story.Severity = sigma.LevelCritical
	}
	if open {
		story.Into, story.Alerts = x.alert, byTime(x.parts)
		return story, f.tell(x)
	}
	if !x.cross && len(x.fresh) == 0 {
		return nil, nil
	}
	if story.Alerts, err = f.parts(x); err != nil {
		return nil, err
	}
	x.told = x.began
	story.Opened = func(id string) error {
		x.alert = id
		_, err := f.tx.Exec(`UPDATE risk_entity SET alert_id = $3 WHERE kind = $1 AND entity = $2`, x.Kind, x.Key, id)
		return err
	}
	return story, nil
}

// open reports whether the alert that tells this story is still open.
func (f *follower) open(x *standing) (bool, error) {
	if x.alert == "" || x.told.Before(x.began) {
		return false, nil
	}
	var state string
	err := f.tx.QueryRow(`SELECT state FROM alert_alert WHERE id = $1`, x.alert).Scan(&state)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return alert.State(state) != alert.Closed, err
}

// mostParts bounds how many alerts a story begins with.
const mostParts = 500

// parts are the alerts of the story so far, this transaction's among them.
func (f *follower) parts(x *standing) ([]alert.StoryAlert, error) {
	list, err := db.List(f.tx, func(row db.Scanner) (p alert.StoryAlert, err error) {
		var at int64
		err = row.Scan(&p.ID, &at)
		p.At = db.Time(at)
		return p, err
	}, `SELECT alert_id, at FROM risk_point WHERE kind = $1 AND entity = $2 AND at >= $3 AND counts = 1 ORDER BY at DESC, alert_id DESC LIMIT $4`,
		x.Kind, x.Key, db.Micros(x.began), mostParts)
	return byTime(list), err
}

func byTime(list []alert.StoryAlert) []alert.StoryAlert {
	slices.SortStableFunc(list, func(a, b alert.StoryAlert) int { return a.At.Compare(b.At) })
	return list
}

// tell tells of tactics that are new in a story which is open.
func (f *follower) tell(x *standing) error {
	if f.opt.Notify == nil || len(x.fresh) == 0 {
		return nil
	}
	err := f.opt.Notify.Send(f.tx, notify.Notice{
		Topic: NewTactic, Ref: ref.Ref{Kind: alert.Name, ID: x.alert}, Severity: notify.High, Key: NewTactic + "." + x.alert + "." + strings.Join(x.fresh, "."),
		Args: notify.Args{"entity": notify.Text(x.Name), "tactic": notify.Text(strings.Join(x.fresh, ", "))}, To: notify.Audience{Permission: string(alert.MayWrite)},
	})
	if err != nil {
		return fmt.Errorf("telling of new tactics of %s: %w", x.Key, err)
	}
	return nil
}

// write puts an entity into its table.
func (f *follower) write(x *standing) error {
	_, err := f.keep.Exec(x.Kind, x.Key, x.Name, int64(x.score*thousand), db.Micros(x.at), f.fades(x.score, x.at), db.Micros(x.began), strings.Join(x.tactics, " "),
		x.alert, db.Micros(x.told), f.opt.HalfLife.Microseconds())
	return err
}
