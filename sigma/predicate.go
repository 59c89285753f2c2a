package sigma

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// compile makes an expression a node and returns its number. An expression that conditions use more than
// once is compiled once.
func (c *compiler) compile(e *expr, tests itemTests) int32 {
	if id, ok := c.memo[e]; ok {
		return id
	}
	var id int32
	if e.op == exprItem {
		id = c.compileItem(e.item, tests[e.item])
	} else {
		kids := make([]int32, len(e.kids))
		for i, kid := range e.kids {
			kids[i] = c.compile(kid, tests)
		}
		id = c.addNode(e.op, int32(e.n), kids)
	}
	c.memo[e] = id
	return id
}

func (c *compiler) addNode(op exprOp, arg int32, kids []int32) int32 {
	if len(kids) == 1 && (op == exprAnd || op == exprOr) {
		return kids[0]
	}
	if op == exprAnd || op == exprOr {
		// What is decided at once comes first: it may save the rest.
		slices.SortStableFunc(kids, func(a, b int32) int { return cmp.Compare(c.effort(a), c.effort(b)) })
	}
	start := int32(len(c.m.kids))
	c.m.kids = append(c.m.kids, kids...)
	c.m.nodes = append(c.m.nodes, node{op: op, arg: arg, start: start, end: int32(len(c.m.kids))})
	return int32(len(c.m.nodes) - 1)
}

// effort guesses how hard it is to decide a node: 0 for what the index has decided, 1 for what needs a look
// at values, 2 for regular expressions.
func (c *compiler) effort(id int32) int {
	n := &c.m.nodes[id]
	if n.op != exprItem {
		hardest := 0
		for _, kid := range c.m.kids[n.start:n.end] {
			hardest = max(hardest, c.effort(kid))
		}
		return hardest
	}
	p := &c.m.preds[n.arg]
	for _, tests := range [][]test{p.verify, p.rest} {
		for i := range tests {
			if tests[i].kind == testRegexp {
				return 2
			}
		}
	}
	return btoi(len(p.verify)+len(p.rest) > 0 || p.null)
}

// compileItem makes an item one predicate, or with the modifier all one for each value.
func (c *compiler) compileItem(it *item, tests [][]test) int32 {
	field := c.fieldOf(it.field, it.line)
	var kids []int32
	if it.mods.has(modAll) {
		for _, ts := range tests {
			kids = append(kids, c.addPredicate(field, ts, it))
		}
	} else {
		var alternatives []test
		for _, ts := range tests {
			alternatives = append(alternatives, ts...)
		}
		kids = []int32{c.addPredicates(field, alternatives, it)}
	}
	id := c.addNode(exprAnd, 0, kids)
	if it.mods.has(modNeq) {
		id = c.addNode(exprNot, 0, []int32{id})
	}
	return id
}

// addPredicates makes tests of which any may pass one node. Each comparison with another field is a
// predicate of its own.
func (c *compiler) addPredicates(field int32, tests []test, it *item) int32 {
	if len(tests) < 2 || tests[0].kind != testFieldref {
		return c.addPredicate(field, tests, it)
	}
	kids := make([]int32, len(tests))
	for i := range tests {
		kids[i] = c.addPredicate(field, tests[i:i+1], it)
	}
	return c.addNode(exprOr, 0, kids)
}

// addPredicate returns the node of the predicate that any of the tests passes; equal ones are shared.
func (c *compiler) addPredicate(field int32, tests []test, it *item) int32 {
	p := predicate{field: field}
	key := binary.AppendVarint(nil, int64(field))
	for i := range tests {
		switch t := &tests[i]; t.kind {
		case testExists:
			p.kind = predMissing
			if t.exists {
				p.kind = predExists
			}
		case testFieldref:
			p.kind, p.other = predFieldref, c.fieldOf(t.other, it.line)
			key = binary.AppendVarint(append(key, 'f'), int64(p.other))
		}
		key = tests[i].appendKey(key)
	}
	id, ok := c.predIDs[string(key)]
	if !ok {
		id = int32(len(c.m.preds))
		c.predIDs[string(key)] = id
		c.m.preds = append(c.m.preds, p)
		c.costs, c.uses = append(c.costs, 0), append(c.uses, 0)
		c.fillPredicate(id, tests)
	}
	c.asked[id] = true
	c.m.nodes = append(c.m.nodes, node{op: exprItem, arg: id})
	return int32(len(c.m.nodes) - 1)
}

// fillPredicate files the tests that the index can decide and keeps the others.
func (c *compiler) fillPredicate(id int32, tests []test) {
	p := &c.m.preds[id]
	cost := 0.0
	for i := range tests {
		t := &tests[i]
		switch {
		case t.kind == testExists:
		case t.kind == testNull:
			p.null = true
		case c.file(id, t):
			p.indexed = true
			texts, where, certain, _ := t.witnesses()
			if !certain {
				p.verify = append(p.verify, *t)
			}
			for _, text := range texts {
				cost += commonness(text, where)
			}
		default:
			p.rest = append(p.rest, *t)
		}
	}
	if p.indexed && !p.null && len(p.rest) == 0 {
		c.costs[id] = cost
	}
}

// commonness guesses how often a text is found: the shorter, the oftener. Short whole values are event
// codes and the like, which many events share.
func commonness(text string, where place) float64 {
	if where == placeWhole && len(text) > 5 {
		return 1 / float64(len(text))
	}
	n := float64(len(text))
	return 64 / (n * n)
}

// file puts a test into the index, if it can be found there, as an atom that satisfies the predicate.
func (c *compiler) file(pred int32, t *test) bool {
	texts, where, certain, ok := t.witnesses()
	if !ok {
		return false
	}
	field := c.m.preds[pred].field
	key := string(t.appendKey(binary.AppendVarint(nil, int64(field))))
	id, ok := c.atomIDs[key]
	if !ok {
		id = int32(len(c.m.index.atoms))
		c.atomIDs[key] = id
		c.m.index.atoms = append(c.m.index.atoms, atom{certain: certain})
		c.atomPreds = append(c.atomPreds, nil)
		for _, text := range texts {
			c.filed = append(c.filed, filing{field: field, posting: posting{text: text, atom: id, place: where}})
		}
	}
	if n := len(c.atomPreds[id]); n == 0 || c.atomPreds[id][n-1] != pred {
		c.atomPreds[id] = append(c.atomPreds[id], pred)
	}
	return true
}

// appendKey appends what tells the test from all that differ from it.
func (t *test) appendKey(key []byte) []byte {
	key = append(key, byte(t.kind))
	text := func(s string) {
		key = binary.AppendUvarint(key, uint64(len(s)))
		key = append(key, s...)
	}
	switch t.kind {
	case testGlob:
		key = append(key, byte(t.glob.kind), byte(btoi(t.glob.cased)))
		if t.glob.kind != globGeneral {
			text(t.glob.text)
			break
		}
		key = append(key, byte(btoi(t.glob.openStart)), byte(btoi(t.glob.openEnd)))
		for _, seg := range t.glob.segments {
			key = append(key, 's')
			for _, x := range seg {
				key = append(key, byte(x.kind))
				text(x.text)
			}
		}
		key = append(key, 'e')
	case testRegexp:
		text(t.regexp.String())
	case testCIDR:
		text(t.cidr.String())
	case testNumber, testTime:
		key = binary.AppendUvarint(key, uint64(t.op))
		key = binary.AppendUvarint(key, uint64(t.part))
		text(t.number.String())
	case testExists:
		key = append(key, byte(btoi(t.exists)))
	case testFieldref:
		text(t.other)
		key = binary.AppendUvarint(key, uint64(t.position))
		key = append(key, byte(btoi(t.cased)))
	}
	return key
}

// finish chooses for each rule what selects it, and builds the index.
func (c *compiler) finish() {
	m := c.m
	for i := range m.rules {
		r := &m.rules[i]
		w := c.witness(r.root)
		src := &m.sources[r.source]
		if w == nil {
			src.always = append(src.always, int32(i))
			continue
		}
		for _, p := range w.preds {
			if rules := m.preds[p].rules; len(rules) == 0 || rules[len(rules)-1] != int32(i) {
				m.preds[p].rules = append(rules, int32(i))
			}
			src.scan = appendNew(src.scan, m.preds[p].field)
		}
	}
	for id, preds := range c.atomPreds {
		a := &m.index.atoms[id]
		a.start = int32(len(m.index.preds))
		m.index.preds = append(m.index.preds, preds...)
		a.end = int32(len(m.index.preds))
	}
	m.index.build(c.filed, m.fields)
}

func appendNew(list []int32, x int32) []int32 {
	for _, y := range list {
		if x == y {
			return list
		}
	}
	return append(list, x)
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
		if cost := c.costs[n.arg]; cost > 0 {
			// What many rules ask for is common in logs, too.
			return &witness{preds: []int32{n.arg}, cost: cost * float64(c.uses[n.arg])}
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
	joined := &witness{}
	for _, w := range found[:n] {
		joined.preds = append(joined.preds, w.preds...)
		joined.cost += w.cost
	}
	return joined
}
