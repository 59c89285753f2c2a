package scim

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// check refuses a filter that cannot be meant: an order or a part of a boolean (RFC 7644, 3.4.2.2). Attributes that are not known
// have no value.
func (k *kind) check(n node) error {
	switch n := n.(type) {
	case *logic:
		if err := k.check(n.left); err != nil || n.right == nil {
			return err
		}
		return k.check(n.right)
	case *compare:
		a, _, ok := k.find(n.path.schema, n.path.name)
		if part, has := a.part(n.path.sub); has {
			a = part
		}
		return checkCompare(a, ok, n)
	case *valued:
		a, _, ok := k.find(n.path.schema, n.path.name)
		if ok && (a.kind != complexType || !a.many) {
			return badFilter("%s has no values to choose from", a.name)
		}
		return checkParts(a, n.where)
	}
	return nil
}

func checkParts(a attribute, n node) error {
	switch n := n.(type) {
	case *logic:
		if err := checkParts(a, n.left); err != nil || n.right == nil {
			return err
		}
		return checkParts(a, n.right)
	case *compare:
		if n.path.sub != "" || n.path.schema != "" {
			return badFilter("%s is no part of %s", n.path, a.name)
		}
		part, ok := a.part(n.path.name)
		return checkCompare(part, ok, n)
	case *valued:
		return badFilter("brackets within brackets")
	}
	return nil
}

func checkCompare(a attribute, known bool, n *compare) error {
	if known && a.kind == boolType && n.op != "eq" && n.op != "ne" && n.op != "pr" {
		return badFilter("%s is true or false, for which there is no %s", a.name, n.op)
	}
	return nil
}

// matches reports whether a resource fits a filter that check let through.
func (k *kind) matches(resource object, n node) bool {
	switch n := n.(type) {
	case *logic:
		return n.holds(func(inner node) bool { return k.matches(resource, inner) })
	case *compare:
		holder, a, ok := k.place(resource, n.path)
		if !ok {
			return holds(attribute{}, nil, n)
		}
		return holdsOf(a, holder[a.name], n.path.sub, n)
	case *valued:
		holder, a, ok := k.place(resource, n.path)
		if !ok {
			return false
		}
		for _, item := range each(holder[a.name]) {
			if o, ok := item.(object); ok && a.fits(o, n.where) {
				if n.then == nil || holdsOf(a, item, n.then.path.name, n.then) {
					return true
				}
			}
		}
	}
	return false
}

// fits reports whether one value of a list fits a filter of its parts.
func (a attribute) fits(value object, n node) bool {
	switch n := n.(type) {
	case *logic:
		return n.holds(func(inner node) bool { return a.fits(value, inner) })
	case *compare:
		part, _ := a.part(n.path.name)
		return holds(part, each(value[part.name]), n)
	}
	return false
}

func (n *logic) holds(part func(node) bool) bool {
	switch n.op {
	case "and":
		return part(n.left) && part(n.right)
	case "or":
		return part(n.left) || part(n.right)
	}
	return !part(n.left)
}

// holdsOf compares a part of the values of an attribute; where the filter names no part of a complex one, it is "value".
func holdsOf(a attribute, value any, sub string, n *compare) bool {
	if a.kind != complexType {
		return sub == "" && holds(a, each(value), n) || sub != "" && holds(a, nil, n)
	}
	if sub == "" && n.op == "pr" {
		return len(each(value)) > 0
	}
	part, ok := a.part(cmp.Or(sub, "value"))
	var values []any
	for _, item := range each(value) {
		if o, is := item.(object); is && ok && o[part.name] != nil {
			values = append(values, o[part.name])
		}
	}
	return holds(part, values, n)
}

// holds reports whether any of the values compares as the filter wants. "ne" is that none is equal, so that it and "eq" are opposites
// for whoever has no value, too.
func holds(a attribute, values []any, n *compare) bool {
	if n.op == "ne" {
		return !holds(a, values, &compare{path: n.path, op: "eq", value: n.value})
	}
	if n.op == "eq" && n.value == nil {
		return len(values) == 0
	}
	for _, value := range values {
		if n.op == "pr" && value != "" || n.op != "pr" && compares(a, value, n.op, n.value) {
			return true
		}
	}
	return false
}

func compares(a attribute, value any, op string, wanted any) bool {
	switch value := value.(type) {
	case bool:
		if text, ok := wanted.(string); ok { // "True"
			return op == "eq" && strings.EqualFold(text, "true") == value && (value || strings.EqualFold(text, "false"))
		}
		return op == "eq" && wanted == value
	case string:
		want, ok := wanted.(string)
		if number, is := wanted.(json.Number); is { // an externalId of digits that somebody left unquoted
			want, ok = number.String(), true
		}
		if !ok {
			return false
		}
		if a.kind == timeType {
			return comparesTime(value, op, want)
		}
		if !a.exact {
			value, want = fold(value), fold(want)
		}
		return comparesText(value, op, want)
	}
	return false
}

func comparesText(value, op, want string) bool {
	switch op {
	case "eq":
		return value == want
	case "co":
		return strings.Contains(value, want)
	case "sw":
		return strings.HasPrefix(value, want)
	case "ew":
		return strings.HasSuffix(value, want)
	}
	return ordered(cmp.Compare(value, want), op)
}

func comparesTime(value, op, want string) bool {
	at, err := time.Parse(time.RFC3339Nano, value)
	wanted, bad := time.Parse(time.RFC3339Nano, want)
	if err != nil || bad != nil {
		return comparesText(value, op, want) && (op == "co" || op == "sw" || op == "ew")
	}
	if op == "eq" {
		return at.Equal(wanted)
	}
	return ordered(at.Compare(wanted), op)
}

func ordered(sign int, op string) bool {
	switch op {
	case "gt":
		return sign > 0
	case "ge":
		return sign >= 0
	case "lt":
		return sign < 0
	case "le":
		return sign <= 0
	}
	return false
}

// fold is a text as it is compared without regard to case.
func fold(text string) string { return strings.ToLower(text) }
