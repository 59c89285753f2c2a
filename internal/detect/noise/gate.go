package noise

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/sigma"
)

// set is what holds, as the last transaction of the recorder saw it. It belongs to whoever writes, and writers go one at a time.
type set struct {
	mark         mark
	exceptions   []*exception
	suppressions []*suppression
	concerns     map[*sigma.Rule]*concern
}

// mark tells whether anything of what holds has changed: how many there are, all their versions, and when the last was changed.
type mark struct {
	exceptions, exceptionVersions, exceptionAt       int64
	suppressions, suppressionVersions, suppressionAt int64
}

// exception is one that holds.
type exception struct {
	id     string
	until  time.Time
	filter *sigma.Filter
}

// concern is what concerns a rule.
type concern struct {
	exceptions   []held
	suppressions []*suppression
}

type held struct {
	*exception
	sieve *sieve
}

// maxConcerns bounds how many rules are remembered with what concerns them; each reload of the rules brings new ones.
const maxConcerns = 20_000

// Begin implements alert.Noise.
func (s *Store) Begin(tx *db.Tx) (alert.Gate, error) {
	now, err := readMark(tx)
	if err != nil {
		return nil, err
	}
	if s.known.concerns == nil || s.known.mark != now {
		if s.known, err = s.read(tx, now); err != nil {
			return nil, err
		}
	}
	if len(s.known.concerns) > maxConcerns {
		clear(s.known.concerns)
	}
	return &gate{tx: tx, store: s, counts: make(map[heldKey]*heldCount)}, nil
}

func readMark(tx *db.Tx) (m mark, err error) {
	const columns = `SELECT COUNT(*), COALESCE(SUM(version), 0), COALESCE(MAX(updated_at), 0) FROM `
	err = tx.QueryRow(columns+`noise_exception WHERE state = 'active' AND deleted_at = 0`).Scan(&m.exceptions, &m.exceptionVersions, &m.exceptionAt)
	if err == nil {
		err = tx.QueryRow(columns+`noise_suppression WHERE state = 'active' AND deleted_at = 0`).Scan(&m.suppressions, &m.suppressionVersions, &m.suppressionAt)
	}
	return m, err
}

// read reads what holds. A filter that cannot be read any more, because a later version of the program is stricter, keeps nothing back.
func (s *Store) read(tx *db.Tx, m mark) (set, error) {
	known := set{mark: m, concerns: make(map[*sigma.Rule]*concern)}
	_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
		x, text, due := new(exception), "", int64(0)
		if err := row.Scan(&x.id, &text, &due); err != nil {
			return struct{}{}, err
		}
		x.until = db.Time(due)
		if f, err := ParseFilter(text); err == nil {
			x.filter = f
			known.exceptions = append(known.exceptions, x)
		}
		return struct{}{}, nil
	}, `SELECT id, filter, due FROM noise_exception WHERE state = 'active' AND deleted_at = 0 ORDER BY id`)
	if err != nil {
		return set{}, fmt.Errorf("reading exceptions: %w", err)
	}
	known.suppressions, err = db.List(tx, func(row db.Scanner) (*suppression, error) {
		x := new(suppression)
		var rules, hosts, users string
		var starts, ends, minutes int64
		err := row.Scan(&x.id, &x.way, &rules, &hosts, &users, &starts, &ends, &minutes, &x.most)
		x.rules, x.hosts, x.users = strings.Fields(rules), strings.Fields(hosts), strings.Fields(users)
		x.starts, x.ends, x.apart = db.Time(starts), db.Time(ends), time.Duration(minutes)*time.Minute
		return x, err
	}, `SELECT id, way, rules, hosts, users, starts, ends, minutes, most FROM noise_suppression WHERE state = 'active' AND deleted_at = 0 ORDER BY id`)
	if err != nil {
		return set{}, fmt.Errorf("reading suppressions: %w", err)
	}
	return known, nil
}

// concerning returns what concerns a rule.
func (s *Store) concerning(r *sigma.Rule) *concern {
	c := s.known.concerns[r]
	if c != nil {
		return c
	}
	c = new(concern)
	for _, x := range s.known.exceptions {
		if !x.filter.Concerns(r) {
			continue
		}
		if sieve, err := newSieve(x.filter, r, s.opt.Sigma); err == nil { // its own page says why it does not apply
			c.exceptions = append(c.exceptions, held{x, sieve})
		}
	}
	for _, x := range s.known.suppressions {
		if len(x.rules) == 0 || names(x.rules, r) {
			c.suppressions = append(c.suppressions, x)
		}
	}
	s.known.concerns[r] = c
	return c
}

// names reports whether a rule is among those that people named: by its address here, its id or its name.
func names(list []string, r *sigma.Rule) bool {
	return slices.Contains(list, alert.RuleKey(r)) || r.ID != "" && slices.Contains(list, normal(r.ID)) || r.Name != "" && slices.Contains(list, normal(r.Name))
}

// gate is what holds in one transaction, and what it held back.
type gate struct {
	tx     *db.Tx
	store  *Store
	counts map[heldKey]*heldCount
}

type heldKey struct {
	cause, rule string
	hour        int64
}

type heldCount struct {
	n     int64
	event string
}

// Rule implements alert.Gate. What holds is decided by the clock for exceptions, which say what is not worth telling, and by the time of
// the event for maintenance, which says when something was done.
func (g *gate) Rule(s alert.Sighting) (r alert.Ruling) {
	c := g.store.concerning(s.Match.Rule)
	for _, x := range c.exceptions {
		if g.tx.Now().Before(x.until) && x.sieve.keeps(s.Event) {
			g.count(x.id, s)
			return alert.Ruling{Excepted: true}
		}
	}
	for _, x := range c.suppressions {
		if !x.covers(s.Host, s.User, s.At) {
			continue
		}
		switch x.way {
		case Maintenance:
			g.count(x.id, s)
			return alert.Ruling{Held: true}
		case Spacing:
			if x.apart > r.Apart {
				r.Apart, r.By = x.apart, x.id
			}
		case FloodBound:
			r.Most = max(r.Most, x.most)
		}
	}
	return r
}

// Spaced implements alert.Gate.
func (g *gate) Spaced(s alert.Sighting, by alert.Ruling) { g.count(by.By, s) }

func (g *gate) count(cause string, s alert.Sighting) {
	key := heldKey{cause, s.Key, db.Micros(s.At.Truncate(time.Hour))}
	x := g.counts[key]
	if x == nil {
		x = new(heldCount)
		g.counts[key] = x
	}
	x.n, x.event = x.n+1, s.Event.ID
}

// End implements alert.Gate.
func (g *gate) End() error {
	keys := make([]heldKey, 0, len(g.counts))
	for key := range g.counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b heldKey) int {
		return cmp.Or(cmp.Compare(a.cause, b.cause), cmp.Compare(a.rule, b.rule), cmp.Compare(a.hour, b.hour))
	})
	for _, key := range keys {
		_, err := g.tx.Exec(`INSERT INTO noise_held (cause, rule_id, hour, count, event_id) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (cause, rule_id, hour) DO UPDATE SET count = noise_held.count + excluded.count, event_id = excluded.event_id`,
			key.cause, key.rule, key.hour, g.counts[key].n, fit(g.counts[key].event))
		if err != nil {
			return fmt.Errorf("counting what was held back: %w", err)
		}
	}
	return nil
}

// fit makes an event's id fit for a database.
func fit(id string) string { return strings.ToValidUTF8(strings.ReplaceAll(id, "\x00", ""), "\uFFFD") }
