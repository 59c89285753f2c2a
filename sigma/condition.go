package sigma

import (
	"fmt"
	"strconv"
	"strings"
)

// exprOp is what an expression does with its parts.
type exprOp uint8

const (
	exprItem    exprOp = iota // the item holds
	exprAnd                   // all of kids
	exprOr                    // any of kids
	exprNot                   // not kids[0]
	exprAtLeast               // at least n of kids
)

// expr is a condition: a tree over items.
type expr struct {
	op   exprOp
	n    int
	kids []*expr
	item *item
}

// combine joins expressions; one alone stays itself.
func combine(op exprOp, kids []*expr) *expr {
	if len(kids) == 1 {
		return kids[0]
	}
	return &expr{op: op, kids: kids}
}

// search is one search identifier and what it stands for.
type search struct {
	name  string
	line  int
	expr  *expr
	items int
	used  bool
}

// Limits of a condition.
const (
	maxCondition = 16 << 10 // bytes
	maxDepth     = 64       // parentheses and nots within each other
	maxNamed     = 200_000  // items that a rule's conditions name, each as often as it is named
)

// conditionParser reads one condition (Sigma rules specification, "Condition"). Its grammar, from the
// least to the most binding:
//
//	or:   and { "or" and }
//	and:  not { "and" not }
//	not:  "not" not | primary
//	primary: "(" or ")" | quantifier "of" ("them" | pattern) | identifier
//	quantifier: "all" | "any" | number
type conditionParser struct {
	tokens   []string
	searches []*search
	depth    int
	named    *int // items so far, in all conditions of the rule
}

// parseCondition reads a condition over the given search identifiers and marks those it uses. named is what the conditions
// before it have named.
func parseCondition(text string, searches []*search, named *int) (*expr, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("condition of %d bytes; at most %d are allowed", len(text), maxCondition)
	}
	if strings.Contains(text, "|") {
		return nil, fmt.Errorf("condition %q uses the aggregation syntax that Sigma 2 removed; write a correlation rule instead", shorten(text))
	}
	p := conditionParser{tokens: conditionTokens(text), searches: searches, named: named}
	if len(p.tokens) == 0 {
		return nil, fmt.Errorf("condition is empty")
	}
	e, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", shorten(text), err)
	}
	return e, nil
}

func conditionTokens(text string) []string {
	text = strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	return strings.Fields(text)
}

// accept takes the next token if it is that word, in any case.
func (p *conditionParser) accept(word string) bool {
	if len(p.tokens) == 0 || !strings.EqualFold(p.tokens[0], word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *conditionParser) or() (*expr, error)  { return p.chain(exprOr, "or", p.and) }
func (p *conditionParser) and() (*expr, error) { return p.chain(exprAnd, "and", p.not) }

// chain reads operands joined by an operator.
func (p *conditionParser) chain(op exprOp, word string, operand func() (*expr, error)) (*expr, error) {
	var kids []*expr
	for {
		kid, err := operand()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
		if !p.accept(word) {
			return combine(op, kids), nil
		}
	}
}

func (p *conditionParser) not() (*expr, error) {
	if !p.accept("not") {
		return p.primary()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	kid, err := p.not()
	p.depth--
	if err != nil {
		return nil, err
	}
	return &expr{op: exprNot, kids: []*expr{kid}}, nil
}

func (p *conditionParser) primary() (*expr, error) {
	if p.accept("(") {
		if p.depth++; p.depth > maxDepth {
			return nil, fmt.Errorf("nested more than %d deep", maxDepth)
		}
		e, err := p.or()
		p.depth--
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, fmt.Errorf("a parenthesis is not closed")
		}
		return e, nil
	}
	if len(p.tokens) == 0 {
		return nil, fmt.Errorf("something is missing at the end")
	}
	if len(p.tokens) > 1 && strings.EqualFold(p.tokens[1], "of") {
		return p.quantified()
	}
	name := p.tokens[0]
	p.tokens = p.tokens[1:]
	for _, s := range p.searches {
		if s.name == name {
			return s.expr, p.use(s)
		}
	}
	switch strings.ToLower(name) {
	case "and", "or", "of", "them", ")":
		return nil, fmt.Errorf("unexpected %q", name)
	}
	return nil, fmt.Errorf("search identifier %q is not defined", name)
}

// use notes that the condition names the search identifier.
func (p *conditionParser) use(s *search) error {
	s.used = true
	if *p.named += s.items; *p.named > maxNamed {
		return fmt.Errorf("it names more than %d items, each as often as it is named", maxNamed)
	}
	return nil
}

// quantified reads "1 of selection*", "all of them" and the like.
func (p *conditionParser) quantified() (*expr, error) {
	quantifier := strings.ToLower(p.tokens[0])
	p.tokens = p.tokens[2:]
	if len(p.tokens) == 0 {
		return nil, fmt.Errorf("%s of what?", quantifier)
	}
	pattern := p.tokens[0]
	p.tokens = p.tokens[1:]
	kids, err := p.selected(pattern)
	if err != nil {
		return nil, err
	}
	switch quantifier {
	case "all":
		return combine(exprAnd, kids), nil
	case "any", "1":
		return combine(exprOr, kids), nil
	}
	n, err := strconv.Atoi(quantifier)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q of: want 1, all, any or a number", quantifier)
	}
	if n > len(kids) {
		return nil, fmt.Errorf("%d of %s: there are only %d", n, pattern, len(kids))
	}
	if n == len(kids) {
		return combine(exprAnd, kids), nil
	}
	return &expr{op: exprAtLeast, n: n, kids: kids}, nil
}

// selected returns the search identifiers that a pattern names. Those that begin with an underscore are
// left out unless the pattern begins with one too.
func (p *conditionParser) selected(pattern string) ([]*expr, error) {
	if pattern == "(" || pattern == ")" {
		return nil, fmt.Errorf("unexpected %q", pattern)
	}
	names := newGlob(identifierPattern(pattern), true)
	var kids []*expr
	for _, s := range p.searches {
		if strings.HasPrefix(s.name, "_") && !strings.HasPrefix(pattern, "_") {
			continue
		}
		if names.match(s.name) {
			if err := p.use(s); err != nil {
				return nil, err
			}
			kids = append(kids, s.expr)
		}
	}
	if len(kids) == 0 {
		return nil, fmt.Errorf("no search identifier matches %q", pattern)
	}
	return kids, nil
}

// identifierPattern reads a pattern of search identifiers, in which only * is special; them means all.
func identifierPattern(s string) pattern {
	if strings.EqualFold(s, "them") {
		s = "*"
	}
	var p pattern
	for i, text := range strings.Split(s, "*") {
		if i > 0 {
			p.addMany()
		}
		p.addText(text)
	}
	return p
}
