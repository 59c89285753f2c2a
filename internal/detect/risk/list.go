package risk

import (
	"context"
	"math"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

// Standing is how an entity stands.
type Standing struct {
	Entity
	Score   float64 // now
	Last    time.Time
	Began   time.Time // of its story
	Tactics []string  // of its story
	Alert   string    // that tells it, "" for none
}

// Filter chooses entities.
type Filter struct {
	Kind alert.EntityKind // "" is both
	Text string           // part of the name
}

const columns = `kind, entity, name, score, at, began, tactics, alert_id`

func (s *Store) scan(now time.Time) func(row db.Scanner) (Standing, error) {
	return func(row db.Scanner) (x Standing, err error) {
		var score, at, began int64
		var tactics string
		err = row.Scan(&x.Kind, &x.Key, &x.Name, &score, &at, &began, &tactics, &x.Alert)
		x.Last, x.Began, x.Tactics = db.Time(at), db.Time(began), strings.Fields(tactics)
		x.Score = s.decay(float64(score)/thousand, max(0, now.Sub(x.Last)))
		return x, err
	}
}

// List returns the entities with a point at least, the highest score first.
func (s *Store) List(ctx context.Context, f Filter, cursor string, limit int) (page db.Page[Standing], err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		w := new(db.Where)
		w.And("fades > ?", db.Micros(tx.Now()))
		if f.Kind != "" {
			w.And("kind = ?", f.Kind)
		}
		if f.Text != "" {
			w.And(`entity LIKE ? ESCAPE '\'`, db.Contains(strings.ToLower(f.Text)))
		}
		if cursor != "" {
			var fades int64
			var kind, entity string
			if err := db.DecodeCursor(cursor, &fades, &kind, &entity); err != nil {
				return err
			}
			w.And("(fades < ? OR fades = ? AND (kind > ? OR kind = ? AND entity > ?))", fades, fades, kind, kind, entity)
		}
		type row struct {
			Standing
			fades int64
		}
		scan := s.scan(tx.Now())
		rows, err := db.List(tx, func(r db.Scanner) (x row, err error) {
			x.Standing, err = scan(scanner{r, &x.fades})
			return x, err
		}, `SELECT `+columns+`, fades FROM risk_entity`+w.String()+` ORDER BY fades DESC, kind, entity LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		found, err := db.Paged(rows, limit, func(x row) []any { return []any{x.fades, string(x.Kind), x.Key} })
		page.Next = found.Next
		for _, x := range found.Items {
			page.Items = append(page.Items, x.Standing)
		}
		return err
	})
	return page, err
}

// scanner reads one column more than scan asks for.
type scanner struct {
	db.Scanner
	more any
}

func (s scanner) Scan(dest ...any) error { return s.Scanner.Scan(append(dest, s.more)...) }

// Get returns an entity; a fault.NotFound where nothing is known of it.
func (s *Store) Get(ctx context.Context, kind alert.EntityKind, key string) (x Standing, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		x, err = s.scan(tx.Now())(tx.QueryRow(`SELECT `+columns+` FROM risk_entity WHERE kind = $1 AND entity = $2`, kind, strings.ToLower(key)))
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "risk.fault.not_found", "no alert was about the %s %q", kind, key)
		}
		return err
	})
	return x, err
}

// Part is an alert that adds to an entity's score.
type Part struct {
	ID       string
	Rule     string
	Title    string
	Severity sigma.Level
	State    string
	Tactics  []string
	At       time.Time
	Points   float64 // when it was opened
	Left     float64 // now; 0 for one that turned out to be nothing
	Counts   bool
}

// Parts returns the alerts that add to an entity's score since a time and before another, the latest first, no more than limit.
func (s *Store) Parts(ctx context.Context, e Entity, since, before time.Time, limit int) (list []Part, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, func(row db.Scanner) (p Part, err error) {
			var severity, at, points, counts int64
			var tactics string
			err = row.Scan(&p.ID, &p.Rule, &p.Title, &severity, &p.State, &tactics, &at, &points, &counts)
			p.Severity, p.At, p.Tactics = sigma.Level(severity), db.Time(at), strings.Fields(tactics)
			p.Points, p.Counts = float64(points)/thousand, counts == 1
			if p.Counts {
				p.Left = s.decay(p.Points, max(0, tx.Now().Sub(p.At)))
			}
			return p, err
		}, `SELECT a.id, a.rule_id, a.title, a.severity, a.state, a.tactics, p.at, p.points, p.counts FROM risk_point AS p JOIN alert_alert AS a ON a.id = p.alert_id
			WHERE p.kind = $1 AND p.entity = $2 AND p.at >= $3 AND p.at <= $4 ORDER BY p.at DESC, p.alert_id DESC LIMIT $5`,
			e.Kind, e.Key, db.Micros(since), db.Micros(before), limit)
		return err
	})
	return list, err
}

// mostPoints bounds how many points a course is reckoned from.
const mostPoints = 5000

// Course returns an entity's score at the end of each of n steps up to a time, in whole points.
func (s *Store) Course(ctx context.Context, e Entity, until time.Time, step time.Duration, n int) (course []int64, err error) {
	type point struct {
		at     time.Time
		points float64
	}
	var list []point
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, func(row db.Scanner) (p point, err error) {
			var at, points int64
			err = row.Scan(&at, &points)
			return point{db.Time(at), float64(points) / thousand}, err
		}, `SELECT at, points FROM risk_point WHERE kind = $1 AND entity = $2 AND counts = 1 AND at <= $3 ORDER BY at DESC LIMIT $4`, e.Kind, e.Key, db.Micros(until), mostPoints)
		return err
	})
	course = make([]int64, n)
	sum, at, next := 0.0, time.Time{}, len(list)-1
	for i := range course {
		end := until.Add(-time.Duration(n-1-i) * step)
		for ; next >= 0 && !list[next].at.After(end); next-- {
			sum, at = s.decay(sum, list[next].at.Sub(at))+list[next].points, list[next].at
		}
		course[i] = int64(math.Round(s.decay(sum, end.Sub(at))))
	}
	return course, err
}
