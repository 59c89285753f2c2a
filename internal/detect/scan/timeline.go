package scan

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"yagura/internal/event"
	"yagura/sigma"
)

// Timeline gathers matches for people: one Row for each rule and entity, so that a rule that fires a thousand
// times on one host is one line with a count. Memory grows with the rows, not with the matches.
type Timeline struct {
	mu   sync.Mutex
	rows map[rowKey]*Row
}

type rowKey struct{ rule, entity string }

// Row is what one rule saw of one entity.
type Row struct {
	Rule        *sigma.Rule
	Entity      string // of a correlation, its group; else the host, else the user, else the source address
	First, Last time.Time
	Count       int64
	// What the first match by time says, and where it lies.
	Message string
	File    string
	Record  uint64
}

var _ Visitor = (*Timeline)(nil)

// Visit counts the match; it writes nothing.
func (t *Timeline) Visit(dst []byte, m Match) []byte {
	entity := cmp.Or(m.Group, Entity(m.Event))
	t.mu.Lock()
	defer t.mu.Unlock()
	row, ok := t.rows[rowKey{m.Rule.ID + m.Rule.Title, entity}]
	if !ok {
		if t.rows == nil {
			t.rows = make(map[rowKey]*Row)
		}
		entity = strings.Clone(entity)
		row = &Row{Rule: m.Rule, Entity: entity, Last: m.Event.Time}
		t.rows[rowKey{m.Rule.ID + m.Rule.Title, entity}] = row
	}
	row.Count++
	if m.Event.Time.After(row.Last) {
		row.Last = m.Event.Time
	}
	if row.First.IsZero() || row.precedes(m) {
		row.First, row.File, row.Record = m.Event.Time, m.File, m.Record
		row.Message = strings.Clone(m.Event.Get(event.Message))
	}
	return dst
}

// precedes reports whether m comes before the row's first match: by time, then by place, so that the result does not depend
// on which worker was faster.
func (r *Row) precedes(m Match) bool {
	return cmp.Or(m.Event.Time.Compare(r.First), strings.Compare(m.File, r.File), cmp.Compare(m.Record, r.Record)) < 0
}

// Emit has nothing to write.
func (*Timeline) Emit([]byte) error { return nil }

// Rows returns the rows by first match.
func (t *Timeline) Rows() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]Row, 0, len(t.rows))
	for _, r := range t.rows {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(a.First.Compare(b.First), strings.Compare(a.Rule.Title, b.Rule.Title), strings.Compare(a.Entity, b.Entity))
	})
	return rows
}

// Entity names what a match is about: the host, else the user, else the source address, else "".
func Entity(e *event.Event) string {
	for _, name := range [...]string{event.HostName, event.UserName, event.SourceIP} {
		if v := e.Get(name); v != "" {
			return v
		}
	}
	return ""
}
