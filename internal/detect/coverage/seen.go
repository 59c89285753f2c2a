package coverage

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/logstore"
	"yagura/sigma"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is in the program
	}
	return files
}

// Events are the stored events; logstore.Store has them.
type Events interface {
	Query(ctx context.Context, q logstore.Query, yield func(*event.Event) error) error
}

// Sources knows when the latest event of each log source was. Look brings that up to date.
type Sources struct {
	DB       *db.DB
	Events   Events
	Taxonomy *taxonomy.Taxonomy
	// Logsources are those that rules ask for now.
	Logsources func() []sigma.Logsource
}

const (
	// window is how much time one query is about, overlap how far each look goes back behind the end of the one before: events come late.
	window  = time.Hour
	overlap = 15 * time.Minute
	// maxGroups bounds what one query answers: different combinations of the fields by which log sources are told apart.
	maxGroups = 200_000
)

// Look goes over the events since the last look, and over all of SeenSpan where it is the first one or rules ask for a log source that
// nobody asked for before. What it has seen is kept after every hour of events.
func (s *Sources) Look(ctx context.Context, now time.Time) error {
	asked := s.Logsources()
	m, err := newMarks(asked, s.Taxonomy)
	if err != nil {
		return err
	}
	known, through, err := s.known(ctx)
	if err != nil {
		return err
	}
	from := through.Add(-overlap)
	for _, ls := range asked {
		if _, ok := known[ls]; !ok {
			from = time.Time{}
		}
	}
	if first := now.Add(-SeenSpan); from.Before(first) {
		from = first
	}
	for from.Before(now) {
		to := from.Add(window)
		if to.After(now) {
			to = now
		}
		seen, err := m.seen(ctx, s.Events, from, to)
		if err != nil {
			return fmt.Errorf("looking for events of log sources: %w", err)
		}
		if err := s.keep(ctx, seen, to); err != nil {
			return err
		}
		from = to
	}
	return s.keepAsked(ctx, asked)
}

// Seen returns the latest event of each log source that was asked for, and until when was looked: zero for never.
func (s *Sources) Seen(ctx context.Context) (seen map[sigma.Logsource]time.Time, through time.Time, err error) {
	return s.known(ctx)
}

func (s *Sources) known(ctx context.Context) (seen map[sigma.Logsource]time.Time, through time.Time, err error) {
	seen = make(map[sigma.Logsource]time.Time)
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		var until int64
		if err := tx.QueryRow(`SELECT COALESCE(MAX(through), 0) FROM coverage_look`).Scan(&until); err != nil {
			return err
		}
		through = db.Time(until)
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var ls sigma.Logsource
			var last int64
			err := row.Scan(&ls.Product, &ls.Category, &ls.Service, &last)
			seen[ls] = db.Time(last)
			return struct{}{}, err
		}, `SELECT product, category, service, last_seen FROM coverage_source`)
		return err
	})
	return seen, through, err
}

func (s *Sources) keep(ctx context.Context, seen map[sigma.Logsource]time.Time, through time.Time) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := put(tx, seen); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO coverage_look (id, through) VALUES (1, $1)
			ON CONFLICT (id) DO UPDATE SET through = CASE WHEN excluded.through > coverage_look.through THEN excluded.through ELSE coverage_look.through END`,
			db.Micros(through))
		return err
	})
}

// keepAsked notes which log sources were looked for, even where nothing was found.
func (s *Sources) keepAsked(ctx context.Context, asked []sigma.Logsource) error {
	none := make(map[sigma.Logsource]time.Time, len(asked))
	for _, ls := range asked {
		none[ls] = time.Time{}
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error { return put(tx, none) })
}

func put(tx *db.Tx, seen map[sigma.Logsource]time.Time) error {
	stmt, err := tx.Prepare(`INSERT INTO coverage_source (product, category, service, last_seen) VALUES ($1, $2, $3, $4)
		ON CONFLICT (product, category, service) DO UPDATE SET last_seen = excluded.last_seen WHERE excluded.last_seen > coverage_source.last_seen`)
	if err != nil {
		return err
	}
	for ls, at := range seen {
		if _, err := stmt.Exec(ls.Product, ls.Category, ls.Service, db.Micros(at)); err != nil {
			return err
		}
	}
	return nil
}

// marks tells which log sources an event belongs to: rules that match every event of theirs, in a matcher such as the real ones are in.
type marks struct {
	matcher *sigma.Matcher
	of      map[*sigma.Rule]sigma.Logsource
	query   string
	fields  []string
}

// unsaid is a field that no event has.
const unsaid = "yagura.coverage.no_such_field"

func newMarks(asked []sigma.Logsource, tax *taxonomy.Taxonomy) (*marks, error) {
	m := &marks{of: make(map[*sigma.Rule]sigma.Logsource)}
	var rules []*sigma.Rule
	var conjunctions []sigma.Conjunction
	for _, ls := range asked {
		events, ok := tax.Events(ls)
		if !ok {
			continue
		}
		conjunctions = append(conjunctions, events...)
		text := fmt.Sprintf("title: mark\nlogsource: {product: %q, category: %q, service: %q}\ndetection: {all: {%s: null}, condition: all}\n",
			ls.Product, ls.Category, ls.Service, unsaid)
		doc, err := sigma.Parse("mark", []byte(text))
		if err != nil {
			return nil, fmt.Errorf("a log source that rules ask for: %w", err)
		}
		for _, d := range doc.Documents {
			if d.Rule != nil {
				m.of[d.Rule] = ls
				rules = append(rules, d.Rule)
			}
		}
	}
	m.matcher, _ = sigma.Compile(rules, nil, sigma.Options{Taxonomy: tax})
	m.query, m.fields = groups(conjunctions)
	return m, nil
}

// groups is the query that answers each combination of the fields by which log sources are told apart, with its latest event. A field
// of which is only asked whether it is there is made one value, so that names of hosts make no group each.
func groups(conjunctions []sigma.Conjunction) (query string, fields []string) {
	valued := make(map[string]bool)
	for _, c := range conjunctions {
		for _, cond := range c {
			valued[cond.Field] = valued[cond.Field] || !slices.Equal(cond.Values, []string{"*"})
		}
	}
	var q strings.Builder
	q.WriteString("*")
	for name, byValue := range valued {
		fields = append(fields, name)
		if !byValue {
			fmt.Fprintf(&q, " | format if (%q:*) '*' as %q", name, name)
		}
	}
	slices.Sort(fields)
	q.WriteString(" | stats by (")
	for i, name := range fields {
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "%q", name)
	}
	q.WriteString(") max(_time) as seen")
	return q.String(), fields
}

// seen returns the latest event of each log source between two times.
func (m *marks) seen(ctx context.Context, events Events, from, to time.Time) (map[sigma.Logsource]time.Time, error) {
	seen := make(map[sigma.Logsource]time.Time)
	if len(m.fields) == 0 {
		return seen, nil
	}
	scratch := m.matcher.NewScratch()
	err := events.Query(ctx, logstore.Query{LogsQL: m.query, Start: from, End: to, Limit: maxGroups}, func(ev *event.Event) error {
		at, err := time.Parse(time.RFC3339Nano, ev.Get("seen"))
		if err != nil {
			return fmt.Errorf("the time of the latest event: %w", err)
		}
		for _, r := range m.matcher.Match(ev, scratch) {
			ls := m.of[r]
			if at.After(seen[ls]) {
				seen[ls] = at
			}
		}
		return nil
	})
	return seen, err
}

// LogsourcesOf are the log sources of rules, each once and in order.
func LogsourcesOf(rules []Rule) []sigma.Logsource {
	var list []sigma.Logsource
	for _, r := range rules {
		list = append(list, r.Logsource)
	}
	slices.SortFunc(list, func(a, b sigma.Logsource) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(list)
}
