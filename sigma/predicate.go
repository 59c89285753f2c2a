package sigma

import (
	"encoding/binary"
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
	start := int32(len(c.m.kids))
	c.m.kids = append(c.m.kids, kids...)
	c.m.nodes = append(c.m.nodes, node{op: op, arg: arg, start: start, end: int32(len(c.m.kids))})
	return int32(len(c.m.nodes) - 1)
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
	p := predicate{field: field, unit: -1}
	key := binary.AppendVarint(c.key[:0], int64(field))
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
	c.key = key
	id, ok := c.predIDs[string(key)]
	if !ok {
		id = int32(len(c.m.preds))
		c.predIDs[string(key)] = id
		c.m.preds = append(c.m.preds, p)
		c.drafts = append(c.drafts, draft{tests: tests})
	}
	c.asked[id] = true
	c.m.nodes = append(c.m.nodes, node{op: exprItem, arg: id})
	return int32(len(c.m.nodes) - 1)
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
