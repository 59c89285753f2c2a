package sigma

import "math"

// What a Scratch keeps of the memory that a large event made it take.
const (
	maxKeptBuffer = 1 << 20 // bytes of folded text
	maxKeptValues = 1 << 14
)

// Scratch is the working memory of one goroutine. It may be used with any Matcher, and remembers most when
// it is used with one. The zero Scratch is ready to use.
type Scratch struct {
	m   *Matcher
	gen uint32 // of the current event; what an array says for another one is void

	values     []value
	nameGen    []uint32 // by name: whether the event has it, its first and last value
	nameFirst  []int32
	nameLast   []int32
	fieldGen   []uint32 // by field: whether its values are known, and where in refs they are
	fieldSpan  [][2]int32
	refs       []int32
	scanned    []uint32 // by unit of the index: whether it has been asked
	predicates []uint32 // by predicate: 2*gen+1 where it holds, 2*gen where it does not
	possible   []uint32 // by predicate: whether its verify tests are worth a try
	atoms      []uint32 // by atom: whether it has been found
	selected   []uint32 // by rule: whether it is among the candidates

	candidates []int32
	matched    []int32
	out        []*Rule
	folded     []byte // folded values
	current    *route
	routes     routeCache
}

// value is one field of the event.
type value struct {
	raw    string
	folded string
	next   int32 // the next of the same name, or -1
	null   bool
	ready  bool // folded is set
}

// NewScratch returns working memory for one goroutine.
func (m *Matcher) NewScratch() *Scratch {
	s := &Scratch{}
	s.attach(m)
	return s
}

// attach makes the memory fit a Matcher.
func (s *Scratch) attach(m *Matcher) {
	*s = Scratch{
		m:          m,
		nameGen:    make([]uint32, len(m.names)),
		nameFirst:  make([]int32, len(m.names)),
		nameLast:   make([]int32, len(m.names)),
		fieldGen:   make([]uint32, len(m.fields)),
		fieldSpan:  make([][2]int32, len(m.fields)),
		scanned:    make([]uint32, len(m.index.units)),
		predicates: make([]uint32, len(m.preds)),
		possible:   make([]uint32, len(m.preds)),
		atoms:      make([]uint32, len(m.index.atoms)),
		selected:   make([]uint32, len(m.rules)),
		values:     s.values[:0],
		folded:     s.folded[:0],
	}
}

// begin forgets the last event and takes the next.
func (s *Scratch) begin(m *Matcher, ev Event) {
	if s.m != m || s.gen == math.MaxInt32 {
		s.attach(m)
	}
	s.gen++
	if cap(s.folded) > maxKeptBuffer {
		s.folded = nil
	}
	if cap(s.values) > maxKeptValues {
		s.values, s.refs = nil, nil
	}
	s.folded, s.refs = s.folded[:0], s.refs[:0]
	s.candidates, s.matched = s.candidates[:0], s.matched[:0]
	s.current = nil
	clear(s.values)
	s.values = s.values[:0]
	for i := range ev.NumFields() {
		name, raw, null := ev.Field(i)
		s.values = append(s.values, value{raw: raw, null: null, next: -1})
		id := m.table.find(name)
		if id < 0 {
			continue
		}
		at := int32(i)
		if s.nameGen[id] != s.gen {
			s.nameGen[id], s.nameFirst[id] = s.gen, at
		} else {
			s.values[s.nameLast[id]].next = at
		}
		s.nameLast[id] = at
	}
}

// fieldValues returns the event's values of a field, as places in s.values, in order. A null is among them.
func (s *Scratch) fieldValues(id int32) []int32 {
	if s.fieldGen[id] == s.gen {
		span := s.fieldSpan[id]
		return s.refs[span[0]:span[1]]
	}
	start := int32(len(s.refs))
	f := &s.m.fields[id]
	if f.mode == fieldEvery {
		for i := range s.values {
			s.refs = append(s.refs, int32(i))
		}
	}
	for _, name := range f.names {
		if s.nameGen[name] != s.gen {
			continue
		}
		for i := s.nameFirst[name]; i >= 0; i = s.values[i].next {
			s.refs = append(s.refs, i)
		}
		if f.mode == fieldFirst {
			break
		}
	}
	s.fieldGen[id], s.fieldSpan[id] = s.gen, [2]int32{start, int32(len(s.refs))}
	return s.refs[start:]
}

// foldedValue returns the folded text of a value.
func (s *Scratch) foldedValue(v *value) string {
	if !v.ready {
		v.ready, v.folded = true, v.raw
		if n := foldedPrefix(v.raw); n < len(v.raw) {
			start := len(s.folded)
			s.folded = appendFolded(append(s.folded, v.raw[:n]...), v.raw[n:])
			v.folded = viewString(s.folded[start:])
		}
	}
	return v.folded
}

// scan asks a unit of the index what it finds in its field.
func (s *Scratch) scan(id int32) {
	if s.scanned[id] == s.gen {
		return
	}
	s.scanned[id] = s.gen
	for _, i := range s.fieldValues(s.m.index.units[id].field) {
		if v := &s.values[i]; !v.null {
			s.m.index.scan(s, id, s.foldedValue(v))
		}
	}
}

// found notes that a text of the index stands in the event: the predicates that wait for it hold, or may
// hold, and the rules that wait for those become candidates.
func (s *Scratch) found(id int32) {
	s.atoms[id] = s.gen
	m := s.m
	a := &m.index.atoms[id]
	for _, p := range m.index.preds[a.start:a.end] {
		if s.possible[p] == s.gen && (!a.certain || s.predicates[p] == 2*s.gen+1) {
			continue
		}
		s.possible[p] = s.gen
		if a.certain {
			s.predicates[p] = 2*s.gen + 1
		}
		for _, r := range m.preds[p].rules {
			if s.selected[r] != s.gen && s.current.active[m.rules[r].source] {
				s.selected[r] = s.gen
				s.candidates = append(s.candidates, r)
			}
		}
	}
}

// eval evaluates a condition.
func (s *Scratch) eval(id int32) bool {
	n := &s.m.nodes[id]
	kids := s.m.kids[n.start:n.end]
	switch n.op {
	case exprAnd:
		for _, k := range kids {
			if !s.eval(k) {
				return false
			}
		}
		return true
	case exprOr:
		for _, k := range kids {
			if s.eval(k) {
				return true
			}
		}
		return false
	case exprNot:
		return !s.eval(kids[0])
	case exprAtLeast:
		missing := n.arg
		for i, k := range kids {
			if missing == 0 || int(missing) > len(kids)-i {
				break
			}
			if s.eval(k) {
				missing--
			}
		}
		return missing == 0
	}
	return s.holds(n.arg)
}

// holds decides a predicate, once for each event.
func (s *Scratch) holds(id int32) bool {
	if state := s.predicates[id]; state>>1 == s.gen {
		return state&1 == 1
	}
	p := &s.m.preds[id]
	if p.unit >= 0 {
		s.scan(p.unit)
		if s.predicates[id] == 2*s.gen+1 {
			return true
		}
	}
	holds := s.decide(p, s.possible[id] == s.gen)
	s.predicates[id] = 2*s.gen + uint32(btoi(holds))
	return holds
}

// decide evaluates what the index cannot; possible is what it says of the tests to be verified.
func (s *Scratch) decide(p *predicate, possible bool) bool {
	values := s.fieldValues(p.field)
	switch p.kind {
	case predExists:
		return len(values) > 0
	case predMissing:
		return len(values) == 0
	case predFieldref:
		return s.related(p.rest[0], values, s.fieldValues(p.other))
	}
	if p.null && len(values) == 0 {
		return true
	}
	for _, i := range values {
		v := &s.values[i]
		if v.null {
			if p.null {
				return true
			}
			continue
		}
		if s.anyPasses(p.rest, v) || possible && s.anyPasses(p.verify, v) {
			return true
		}
	}
	return false
}

// anyPasses reports whether a value that is not null passes any of the tests.
func (s *Scratch) anyPasses(tests []*test, v *value) bool {
	for _, t := range tests {
		if t.passes(s, v) {
			return true
		}
	}
	return false
}

// passes reports whether a value that is not null passes the test.
func (t *test) passes(s *Scratch, v *value) bool {
	switch t.kind {
	case testGlob:
		if t.glob.cased {
			return t.glob.match(v.raw)
		}
		return t.glob.match(s.foldedValue(v))
	case testRegexp:
		return t.meets(s.foldedValue(v)) && t.regexp.MatchString(v.raw)
	}
	return t.passesRaw(v.raw)
}

// related reports whether any value relates to any value of the other field as the test says.
func (s *Scratch) related(t *test, values, others []int32) bool {
	for _, i := range values {
		for _, j := range others {
			v, o := &s.values[i], &s.values[j]
			if v.null || o.null {
				continue
			}
			a, b := v.raw, o.raw
			if !t.cased {
				a, b = s.foldedValue(v), s.foldedValue(o)
			}
			if t.relates(a, b) {
				return true
			}
		}
	}
	return false
}
