package logfile

import (
	"strconv"
	"strings"

	"yagura/internal/event"
)

// row writes one flat JSON object after another into a batch.
type row struct {
	b     *batch
	start int
	open  bool
}

func newRow(b *batch) row {
	b.block = append(b.block, '{')
	return row{b: b, start: len(b.block) - 1}
}

func (r *row) key(name string) {
	if r.open {
		r.b.block = append(r.b.block, ',')
	}
	r.open = true
	r.b.block = append(event.AppendQuoted(r.b.block, name), ':')
}

func (r *row) text(name, value string) {
	r.key(name)
	r.b.block = event.AppendQuoted(r.b.block, value)
}

func (r *row) raw(name, json string) {
	r.key(name)
	r.b.block = append(r.b.block, json...)
}

func (r *row) texts(name string, list []string) {
	r.key(name)
	r.b.block = append(r.b.block, '[')
	for i, value := range list {
		if i > 0 {
			r.b.block = append(r.b.block, ',')
		}
		r.b.block = event.AppendQuoted(r.b.block, value)
	}
	r.b.block = append(r.b.block, ']')
}

func (r *row) end(record uint64) {
	r.b.block = append(r.b.block, '}')
	r.b.commit(r.start, record)
}

// columns makes the names of a header's columns fit for an object: each has one, and no two the same.
func columns(header []string) []string {
	names := make([]string, len(header))
	used, seen := map[string]bool{}, map[string]int{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		if name == "" {
			name = "column_" + strconv.Itoa(i+1)
		}
		for base := name; used[name]; {
			seen[base] = max(seen[base], 1) + 1
			name = base + "_" + strconv.Itoa(seen[base])
		}
		used[name], names[i] = true, name
	}
	return names
}
