package alert

import (
	"cmp"
	"maps"
	"slices"

	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
)

// maxTitle bounds a rule's title, in bytes.
const maxTitle = 512

// recorder writes the groups of one transaction.
type recorder struct {
	tx       *db.Tx
	window   int64 // microseconds
	interval int64
	most     int
	units    Units
	gate     Gate // nil: nothing is held back
	flood    int64

	open     map[string]int        // open alerts by rule, counted when a rule first needs a new one
	rest     map[string][]sighting // of entities beyond most, by rule
	crowded  []string              // the rules in rest, in order
	many     map[string]string     // the alert of each of them
	hours    map[ruleHour]*tally
	begun    map[groupKey]begun // when alerts of a group began, where that matters
	opened   []ledger.Entry     // the alerts that are new
	news     []news             // the same, to be told of
	openings []Opening          // the same, for the follower

	find, insert, update, sample, bucket, hour *db.Stmt
}

func newRecorder(tx *db.Tx, s *Store) (*recorder, error) {
	r := &recorder{
		tx: tx, window: s.opt.Window.Microseconds(), interval: s.Interval().Microseconds(), most: s.opt.MaxEntities, units: s.opt.Units,
		open: make(map[string]int), rest: make(map[string][]sighting), many: make(map[string]string), hours: make(map[ruleHour]*tally), begun: make(map[groupKey]begun), flood: s.opt.Flood,
	}
	if s.opt.Noise != nil {
		var err error
		if r.gate, err = s.opt.Noise.Begin(tx); err != nil {
			return nil, err
		}
	}
	for _, statement := range []struct {
		into **db.Stmt
		text string
	}{
		{&r.find, `SELECT id, first_seen, last_seen, count, samples FROM alert_alert
			WHERE rule_id = $1 AND entity_kind = $2 AND entity_key = $3 AND state <> 'closed' AND last_seen >= $4 AND first_seen <= $5
			ORDER BY last_seen DESC LIMIT 1000`},
		{&r.insert, `INSERT INTO alert_alert (id, rule_id, title, severity, tactics, techniques, entity_kind, entity, entity_key,
			host_name, user_name, source_ip, unit, state, verdict, first_seen, last_seen, count, samples, created_at, updated_at, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'new', '', $14, $15, $16, $17, $18, $18, 1)`},
		{&r.update, `UPDATE alert_alert SET first_seen = $2, last_seen = $3, count = $4, samples = $5,
			host_name = CASE WHEN $6 = '' THEN host_name ELSE $6 END,
			user_name = CASE WHEN $7 = '' THEN user_name ELSE $7 END,
			source_ip = CASE WHEN $8 = '' THEN source_ip ELSE $8 END
			WHERE id = $1`},
		{&r.sample, `INSERT INTO alert_sample (alert_id, slot, event_id, time, event) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (alert_id, slot) DO UPDATE SET event_id = excluded.event_id, time = excluded.time, event = excluded.event`},
		{&r.bucket, `INSERT INTO alert_bucket (alert_id, start, count) VALUES ($1, $2, $3)
			ON CONFLICT (alert_id, start) DO UPDATE SET count = alert_bucket.count + excluded.count`},
		{&r.hour, `INSERT INTO alert_rule_hour (rule_id, hour, count, opened, folded) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (rule_id, hour) DO UPDATE SET count = alert_rule_hour.count + excluded.count,
			opened = alert_rule_hour.opened + excluded.opened, folded = alert_rule_hour.folded + excluded.folded`},
	} {
		stmt, err := tx.Prepare(statement.text)
		if err != nil {
			return nil, err
		}
		*statement.into = stmt
	}
	return r, nil
}

// pending is an alert as this transaction will leave it.
type pending struct {
	id          string // "" until it is in the table
	first, last int64
	count       int64
	taken       int64 // samples ever taken
	actors      actors
	opening     []*sighting // the samples of how it began
	latest      *sighting   // the sample of how it stands
	buckets     map[int64]int64
	opener      *sighting // of a new one
}

// group lets the sightings of one group join its open alerts, or opens new ones.
func (r *recorder) group(key groupKey, sightings []sighting) error {
	slices.SortStableFunc(sightings, func(a, b sighting) int { return cmp.Compare(a.at, b.at) })
	alerts, err := r.joinable(key, sightings)
	if err != nil {
		return err
	}
	if len(alerts) == 0 && key.entity.Kind != ManyEntities {
		full, err := r.full(key.rule)
		if err != nil {
			return err
		}
		if full {
			r.fold(key.rule, sightings...)
			return nil
		}
	}
	for i := range sightings {
		x := &sightings[i]
		at := slices.IndexFunc(alerts, func(p *pending) bool { return max(p.last, x.at)-min(p.first, x.at) <= r.window })
		if at < 0 {
			if aside, err := r.setAside(key, alerts, x); err != nil {
				return err
			} else if aside {
				continue
			}
			alerts = slices.Insert(alerts, 0, &pending{first: x.at, last: x.at, opener: x})
			at = 0
		}
		r.join(alerts[at], x)
	}
	for _, p := range alerts {
		if p.buckets == nil {
			continue // nothing joined it
		}
		if err := r.write(key, p); err != nil {
			return err
		}
	}
	return nil
}

// fold keeps sightings for the alert about many.
func (r *recorder) fold(rule string, sightings ...sighting) {
	if r.rest[rule] == nil {
		r.crowded = append(r.crowded, rule)
	}
	r.rest[rule] = append(r.rest[rule], sightings...)
}

// setAside reports whether a sighting that no alert takes opens none either: it would be too soon after another, or the rule floods.
func (r *recorder) setAside(key groupKey, alerts []*pending, x *sighting) (bool, error) {
	if key.entity.Kind == ManyEntities {
		return false, nil
	}
	if soon, err := r.tooSoon(key, alerts, x); soon || err != nil {
		return soon, err
	}
	flooded, err := r.flooded(key.rule, x)
	if flooded {
		r.fold(key.rule, *x)
	} else if t := r.hours[ruleHour{key.rule, hourStart(x.at)}]; t != nil {
		t.opened++
	}
	return flooded, err
}

// joinable returns the open alerts of a group that one of the sightings might join, the latest first.
func (r *recorder) joinable(key groupKey, sightings []sighting) ([]*pending, error) {
	from, to := sightings[0].at-r.window, sightings[len(sightings)-1].at+r.window
	return db.ListPrepared(r.find, func(row db.Scanner) (*pending, error) {
		p := new(pending)
		return p, row.Scan(&p.id, &p.first, &p.last, &p.count, &p.taken)
	}, key.rule, key.entity.Kind, key.entity.Value, from, to)
}

// full reports whether a rule has so many open alerts that another entity gets none of its own.
func (r *recorder) full(rule string) (bool, error) {
	n, counted := r.open[rule]
	if !counted {
		err := r.tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM alert_alert WHERE rule_id = $1 AND state <> 'closed' LIMIT $2) AS open`,
			rule, r.most).Scan(&n)
		if err != nil {
			return false, err
		}
		r.open[rule] = n
	}
	return n >= r.most, nil
}

// join counts a sighting in an alert.
func (r *recorder) join(p *pending, x *sighting) {
	if p.buckets == nil {
		p.buckets = make(map[int64]int64)
	}
	if p.taken+int64(len(p.opening)) < firstSamples {
		p.opening = append(p.opening, x)
	} else {
		p.latest = x
	}
	p.buckets[x.at-x.at%r.interval]++
	p.count++
	p.first, p.last = min(p.first, x.at), max(p.last, x.at)
	p.actors = x.actors.or(p.actors)
}

// or fills what a does not name from b.
func (a actors) or(b actors) actors {
	return actors{host: cmp.Or(a.host, b.host), user: cmp.Or(a.user, b.user), ip: cmp.Or(a.ip, b.ip)}
}

// write puts an alert that something joined into the tables.
func (r *recorder) write(key groupKey, p *pending) error {
	now := db.Micros(r.tx.Now())
	taken := p.taken + int64(len(p.opening))
	if p.latest != nil {
		taken++
	}
	if p.opener != nil {
		rule, entity := p.opener.match.Rule, key.entity
		if entity.Kind != ManyEntities {
			entity = p.opener.entity
		}
		unit, err := r.unit(entity.Kind, p.actors.user)
		if err != nil {
			return err
		}
		p.id = db.NewID()
		r.open[key.rule]++
		_, err = r.insert.Exec(p.id, key.rule, clean(cut(rule.Title, maxTitle)), int64(SeverityOf(rule)),
			words(rule.Tactics()), words(rule.Techniques()), entity.Kind, entity.Value, key.entity.Value,
			p.actors.host, p.actors.user, p.actors.ip, unit, p.first, p.last, p.count, taken, now)
		if err != nil {
			return err
		}
		r.opened = append(r.opened, ledger.Entry{Table: "alert_alert", Key: p.id, Action: "create"})
		r.openings = append(r.openings, Opening{p.id, rule, SeverityOf(rule), entity, p.actors.user, db.Time(p.opener.at)})
		r.news = append(r.news, news{id: p.id, title: rule.Title, entity: entity.Value, unit: unit, severity: SeverityOf(rule)})
	} else if _, err := r.update.Exec(p.id, p.first, p.last, p.count, taken, p.actors.host, p.actors.user, p.actors.ip); err != nil {
		return err
	}
	if key.entity.Kind == ManyEntities {
		r.many[key.rule] = p.id
	}
	for i, x := range p.opening {
		if err := r.keep(p.id, p.taken+int64(i), x); err != nil {
			return err
		}
	}
	if p.latest != nil {
		if err := r.keep(p.id, firstSamples+(taken-1-firstSamples)%latestSamples, p.latest); err != nil {
			return err
		}
	}
	for _, start := range slices.Sorted(maps.Keys(p.buckets)) {
		if _, err := r.bucket.Exec(p.id, start, p.buckets[start]); err != nil {
			return err
		}
	}
	return nil
}

// unit is the organisation unit of a new alert: that of the person it names. What many share is nobody's.
func (r *recorder) unit(kind EntityKind, user string) (string, error) {
	if r.units == nil || user == "" || kind == ManyEntities {
		return "", nil
	}
	return r.units.UnitOfAccount(r.tx, user)
}

// keep writes a sample, over the one that had its slot.
func (r *recorder) keep(id string, slot int64, x *sighting) error {
	ev := x.match.Event
	_, err := r.sample.Exec(id, slot, clean(ev.ID), x.at, string(sampleJSON(ev)))
	return err
}

// count counts a match of a rule in its hour.
func (r *recorder) count(rule string, at int64) {
	key := ruleHour{rule, hourStart(at)}
	if r.hours[key] == nil {
		r.hours[key] = new(tally)
	}
	r.hours[key].matches++
}

// countHours writes what the rules did in each hour, and tells of those that flood.
func (s *Store) countHours(r *recorder) error {
	for key, t := range r.hours {
		if _, err := r.hour.Exec(key.rule, key.hour, t.matches, t.opened, t.folded); err != nil {
			return err
		}
		if t.folded > 0 {
			if err := s.tellFlood(r.tx, key, t, r.rest[key.rule][0].match.Rule.Title, r.many[key.rule]); err != nil {
				return err
			}
		}
	}
	return nil
}
