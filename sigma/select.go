package sigma

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// draft is what the compiler knows of a predicate until all rules are known.
type draft struct {
	tests    []test
	uses     int     // how many rules ask for it
	cost     float64 // how much work it makes as a witness; 0 where it cannot be one
	priced   bool
	selects  bool // it is the witness of some rule
	effort   int  // how hard it is to decide
	deferred bool // its texts are looked for only where it is asked for
}

// maxDirect is how many tests are tried one after the other rather than looked for in one pass over the value.
const maxDirect = 4

// finish chooses for each rule what selects it, and builds the index.
func (c *compiler) finish() {
	m := c.m
	for i := range m.rules {
		r := &m.rules[i]
		src := &m.sources[r.source]
		w := c.witness(r.root)
		if w == nil {
			src.always = append(src.always, int32(i))
			continue
		}
		for _, p := range w.preds {
			c.drafts[p].selects = true
			if rules := m.preds[p].rules; len(rules) == 0 || rules[len(rules)-1] != int32(i) {
				m.preds[p].rules = append(rules, int32(i))
			}
		}
	}
	f := filer{compiler: c, units: make(map[unitKey]int32), atomIDs: make(map[string]int32)}
	for id := range m.preds {
		f.fill(int32(id))
	}
	for p := range m.preds {
		for _, r := range m.preds[p].rules {
			src := &m.sources[m.rules[r].source]
			src.scan = appendNew(src.scan, m.preds[p].unit)
		}
	}
	f.link()
	m.index.build(f.filings)
	m.table = newNameTable(m.names)
	for i := range m.nodes {
		c.sortKids(&m.nodes[i])
	}
}

func appendNew(list []int32, x int32) []int32 {
	for _, y := range list {
		if x == y {
			return list
		}
	}
	return append(list, x)
}

// filer puts the predicates' texts into the index.
type filer struct {
	*compiler
	units     map[unitKey]int32
	atomIDs   map[string]int32 // by unit and test
	atomPreds [][]int32
	filings   []filing
	key       []byte
}

// unitKey tells units apart. What selects rules in a field stands alone, so that an event for which no rule is selected
// pays for nothing else; and what selects rules for one system, or keywords for one log source, so that it pays for no other's.
type unitKey struct {
	field     int32
	deferred  bool
	logsource Logsource
}

// fill files the tests of a predicate that the index can decide and keeps the others.
func (f *filer) fill(id int32) {
	p, d := &f.m.preds[id], &f.drafts[id]
	d.deferred = !d.selects
	indexed := d.selects || len(d.tests) > maxDirect
	for i := range d.tests {
		t := &d.tests[i]
		switch {
		case t.kind == testExists:
		case t.kind == testNull:
			p.null = true
		case indexed && f.file(id, p, t, d.deferred):
		default:
			p.rest = append(p.rest, t)
		}
	}
	d.effort = effortOf(p, d)
}

// file puts a test into the index, if it can be found there, as an atom that satisfies the predicate.
func (f *filer) file(id int32, p *predicate, t *test, deferred bool) bool {
	texts, where, certain, ok := t.witnesses()
	if !ok {
		return false
	}
	if p.unit < 0 {
		p.unit = f.unitOf(f.unitKey(p, deferred))
	}
	if !certain {
		p.verify = append(p.verify, t)
	}
	f.key = t.appendKey(binary.AppendVarint(f.key[:0], int64(p.unit)))
	atomID, ok := f.atomIDs[string(f.key)]
	if !ok {
		atomID = int32(len(f.m.index.atoms))
		f.atomIDs[string(f.key)] = atomID
		f.m.index.atoms = append(f.m.index.atoms, atom{certain: certain})
		f.atomPreds = append(f.atomPreds, nil)
		for _, text := range texts {
			f.filings = append(f.filings, filing{unit: p.unit, text: text, atom: atomID, place: where})
		}
	}
	if n := len(f.atomPreds[atomID]); n == 0 || f.atomPreds[atomID][n-1] != id {
		f.atomPreds[atomID] = append(f.atomPreds[atomID], id)
	}
	return true
}

func (f *filer) unitKey(p *predicate, deferred bool) unitKey {
	key := unitKey{field: p.field, deferred: deferred}
	if deferred {
		return key
	}
	key.logsource = f.m.rules[p.rules[0]].rule.Logsource
	if f.m.fields[p.field].mode == fieldFirst {
		key.logsource = Logsource{Product: key.logsource.Product}
	}
	return key
}

func (f *filer) unitOf(key unitKey) int32 {
	id, ok := f.units[key]
	if !ok {
		id = int32(len(f.m.index.units))
		f.units[key] = id
		f.m.index.units = append(f.m.index.units, unit{field: key.field})
	}
	return id
}

// link writes down which predicates wait for each atom.
func (f *filer) link() {
	x := &f.m.index
	for id, preds := range f.atomPreds {
		a := &x.atoms[id]
		a.start = int32(len(x.preds))
		x.preds = append(x.preds, preds...)
		a.end = int32(len(x.preds))
	}
}

// The efforts to decide a predicate.
const (
	effortNone     = iota // the index has decided
	effortDirect          // a few comparisons
	effortDeferred        // a pass over the field
	effortRegexp
)

// effortOf guesses how hard it is to decide a predicate.
func effortOf(p *predicate, d *draft) int {
	effort := effortNone
	if len(p.verify)+len(p.rest) > 0 || p.null {
		effort = effortDirect
	}
	if p.unit >= 0 && d.deferred {
		effort = effortDeferred
	}
	for _, tests := range [][]*test{p.verify, p.rest} {
		for _, t := range tests {
			if t.kind == testRegexp {
				effort = effortRegexp
			}
		}
	}
	return effort
}

// sortKids puts first what is decided at once: it may save the rest.
func (c *compiler) sortKids(n *node) {
	if n.op != exprAnd && n.op != exprOr {
		return
	}
	slices.SortStableFunc(c.m.kids[n.start:n.end], func(a, b int32) int { return cmp.Compare(c.effort(a), c.effort(b)) })
}

// effort guesses how hard it is to decide a node: as its hardest part.
func (c *compiler) effort(id int32) int {
	n := &c.m.nodes[id]
	if n.op == exprItem {
		return c.drafts[n.arg].effort
	}
	hardest := effortNone
	for _, kid := range c.m.kids[n.start:n.end] {
		hardest = max(hardest, c.effort(kid))
	}
	return hardest
}

// witness is a set of predicates of which at least one holds whenever an expression does.
type witness struct {
	preds []int32
	cost  float64
}

// witness returns the cheapest witness of a node, nil where there is none.
func (c *compiler) witness(id int32) *witness {
	n := &c.m.nodes[id]
	kids := c.m.kids[n.start:n.end]
	switch n.op {
	case exprItem:
		if cost := c.price(n.arg); cost > 0 {
			// What many rules ask for is common in logs, too.
			return &witness{preds: []int32{n.arg}, cost: cost * float64(c.drafts[n.arg].uses)}
		}
	case exprAnd:
		return c.cheapest(kids, 1)
	case exprOr:
		return c.cheapest(kids, len(kids))
	case exprAtLeast:
		// If n of k hold, at least one of any k-n+1 does.
		return c.cheapest(kids, len(kids)-int(n.arg)+1)
	}
	return nil
}

// cheapest joins the witnesses of the n nodes that have the cheapest ones.
func (c *compiler) cheapest(nodes []int32, n int) *witness {
	var found []*witness
	for _, id := range nodes {
		if w := c.witness(id); w != nil {
			found = append(found, w)
		}
	}
	slices.SortStableFunc(found, func(a, b *witness) int { return cmp.Compare(a.cost, b.cost) })
	if len(found) < n {
		return nil
	}
	if n == 1 {
		return found[0]
	}
	joined := &witness{}
	for _, w := range found[:n] {
		joined.preds = append(joined.preds, w.preds...)
		joined.cost += w.cost
	}
	return joined
}

// price guesses how much work a predicate makes as a witness; 0 where it cannot be one: any value must show by
// its text that it may satisfy the predicate.
func (c *compiler) price(id int32) float64 {
	d := &c.drafts[id]
	if d.priced {
		return d.cost
	}
	d.priced = true
	everywhere := c.m.fields[c.m.preds[id].field].mode != fieldFirst
	total := 0.0
	for i := range d.tests {
		texts, where, _, ok := d.tests[i].witnesses()
		if !ok {
			return 0
		}
		for _, text := range texts {
			total += priceOf(text, where, everywhere)
		}
	}
	d.cost = total
	return total
}

// priceOf guesses how often a text is found, the shorter, the oftener, and adds what looking at every byte costs. Short whole
// values are event codes and the like, which many events share.
func priceOf(text string, where place, everywhere bool) float64 {
	n := float64(len(text))
	price := 64 / (n * n)
	switch {
	case where == placeWhole && len(text) > 5:
		return 1 / n
	case where != placeAnywhere || len(text) >= minFours:
	case everywhere:
		price += 1000 // every byte of every field
	default:
		price *= 2
	}
	return price
}
