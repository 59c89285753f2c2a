package scim

import (
	"net/http"
	"slices"
	"strings"
)

// maxOperations is how many operations one PATCH has.
const maxOperations = 1000

// operation is one step of a patch (RFC 7644, 3.5.2).
type operation struct {
	op    string // add, replace, remove
	at    *path  // nil: value is an object of attributes
	where node   // which values of the list; nil for all
	value any
}

// readPatch reads the message of a PATCH. Names and operations count whatever their case: Microsoft Entra ID writes "Replace".
func readPatch(body object) ([]operation, error) {
	if schemas, _ := get(body, "schemas").([]any); len(schemas) > 0 && !slices.ContainsFunc(schemas, func(s any) bool {
		urn, _ := s.(string)
		return strings.EqualFold(urn, patchSchema)
	}) {
		return nil, badSyntax("the message is no %s", patchSchema)
	}
	list, ok := get(body, "Operations").([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, badSyntax("the message has no list of 1 to %d Operations", maxOperations)
	}
	var operations []operation
	for _, item := range list {
		raw, ok := item.(object)
		if !ok {
			return nil, badSyntax("an operation is no object")
		}
		o, err := readOperation(raw)
		if err != nil {
			return nil, err
		}
		operations = append(operations, o)
	}
	return operations, nil
}

func readOperation(raw object) (o operation, err error) {
	op, _ := get(raw, "op").(string)
	if o.op = strings.ToLower(op); o.op != "add" && o.op != "replace" && o.op != "remove" {
		return o, badSyntax("the operation %.20q is not add, replace or remove", op)
	}
	o.value = get(raw, "value")
	switch at := get(raw, "path").(type) {
	case nil:
	case string:
		if at == "" {
			break
		}
		var p path
		if p, o.where, err = parsePath(at); err != nil {
			return o, err
		}
		o.at = &p
	default:
		return o, badPath("the path is no text")
	}
	if o.at == nil && o.op == "remove" {
		return o, refuse(http.StatusBadRequest, "noTarget", "remove needs a path")
	}
	if _, ok := o.value.(object); o.at == nil && !ok {
		return o, badValue("without a path the value is an object of attributes")
	}
	return o, nil
}

// patch applies operations to a copy of a resource, in their order. Attributes that are not kept here are passed over: a directory that
// sends a telephone number along with "active": false must still lock the leaver out.
func (k *kind) patch(resource object, operations []operation) (object, error) {
	out := clone(resource).(object)
	for _, o := range operations {
		var err error
		if o.at == nil {
			err = k.patchEach(out, o)
		} else {
			err = k.patchOne(out, o, true)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// patchEach applies an operation without a path: each name in its value is a path of its own ("name.familyName", too), or an
// extension's URN. Read-only names are passed over: Okta sends the id along.
func (k *kind) patchEach(out object, o operation) error {
	value, _ := o.value.(object)
	for name, inner := range value {
		if extension, ok := k.extension(name); ok {
			parts, ok := inner.(object)
			if !ok && inner != nil {
				return badValue("%s is no object", extension.id)
			}
			for part, v := range parts {
				if err := k.patchOne(out, operation{op: o.op, at: &path{schema: extension.id, name: part}, value: v}, false); err != nil {
					return err
				}
			}
			continue
		}
		at, where, err := parsePath(name)
		if err != nil {
			return err
		}
		if err := k.patchOne(out, operation{op: o.op, at: &at, where: where, value: inner}, false); err != nil {
			return err
		}
	}
	return nil
}

// patchOne applies an operation to the attribute that its path names. strict refuses to change what is read-only.
func (k *kind) patchOne(out object, o operation, strict bool) error {
	a, home, ok := k.find(o.at.schema, o.at.name)
	if !ok {
		return nil
	}
	if a.readOnly {
		if strict {
			return refuse(http.StatusBadRequest, "mutability", "%s is read-only", a.name)
		}
		return nil
	}
	holder := out
	if home != "" {
		inner, _ := out[home].(object)
		if inner == nil {
			inner = make(object)
		}
		holder, out[home] = inner, inner
		defer func() {
			if len(inner) == 0 {
				delete(out, home)
			}
		}()
	}
	part, has := a.part(o.at.sub)
	switch {
	case o.at.sub != "" && (!has || part.readOnly):
		return nil
	case o.where != nil:
		if !a.many || a.kind != complexType {
			return badPath("%s has no values to choose from", a.name)
		}
		if err := checkParts(a, o.where); err != nil {
			return badPath("%s", err.Error())
		}
		return a.patchChosen(holder, o, part)
	case o.at.sub != "":
		return a.patchPart(holder, o, part)
	case a.many:
		return a.patchList(holder, o)
	}
	return a.patchValue(holder, o)
}

func set(holder object, name string, value any) {
	if value == nil {
		delete(holder, name)
	} else {
		holder[name] = value
	}
}

// patchValue changes an attribute that has one value. A complex one keeps the parts that the operation does not name.
func (a attribute) patchValue(holder object, o operation) error {
	if o.op == "remove" {
		delete(holder, a.name)
		return nil
	}
	value, err := a.cast(o.value)
	if err != nil {
		return err
	}
	raw, complex := o.value.(object)
	now, there := holder[a.name].(object)
	if !complex || !there {
		set(holder, a.name, value)
		return nil
	}
	return a.merge(now, raw)
}

// merge brings the parts that raw names into a complex value; null takes one away.
func (a attribute) merge(into, raw object) error {
	for name, v := range raw {
		part, ok := a.part(name)
		if !ok || part.readOnly {
			continue
		}
		value, err := part.cast(v)
		if err != nil {
			return err
		}
		set(into, part.name, value)
	}
	return nil
}

// patchPart changes a part of a complex attribute; of each value, where it has several.
func (a attribute) patchPart(holder object, o operation, part attribute) error {
	var value any
	if o.op != "remove" {
		var err error
		if value, err = part.cast(o.value); err != nil {
			return err
		}
	}
	if !a.many && holder[a.name] == nil && value != nil {
		holder[a.name] = make(object)
	}
	for _, item := range each(holder[a.name]) {
		if inner, ok := item.(object); ok {
			set(inner, part.name, value)
			a.onlyPrimary(holder, inner, part.name)
		}
	}
	a.tidy(holder)
	return nil
}

// patchList changes a list of values. "remove" with values takes those away, which is how Microsoft Entra ID removes members.
func (a attribute) patchList(holder object, o operation) error {
	if o.op == "remove" && o.value == nil {
		delete(holder, a.name)
		return nil
	}
	cast, err := a.cast(o.value)
	if err != nil {
		return err
	}
	values, now := each(cast), each(holder[a.name])
	switch o.op {
	case "replace":
		set(holder, a.name, cast)
		return nil
	case "remove":
		gone := make(map[string]bool, len(values))
		for _, v := range values {
			gone[key(v)] = true
		}
		now = slices.DeleteFunc(slices.Clone(now), func(v any) bool { return gone[key(v)] })
		holder[a.name] = now
		a.tidy(holder)
		return nil
	}
	there := make(map[string]bool, len(now))
	for _, v := range now {
		there[key(v)] = true
	}
	for _, v := range values {
		if there[key(v)] {
			continue
		}
		there[key(v)] = true
		now = append(now, v)
		if inner, ok := v.(object); ok {
			holder[a.name] = now
			a.onlyPrimary(holder, inner, "primary")
		}
	}
	if len(now) > 0 {
		holder[a.name] = now
	}
	return nil
}

// key is what two values of a list are the same by: their "value".
func key(v any) string {
	if o, ok := v.(object); ok {
		return fold(text(o, "value"))
	}
	s, _ := v.(string)
	return fold(s)
}

// onlyPrimary takes "primary" from the other values of a list, once one has got it.
func (a attribute) onlyPrimary(holder, now object, changed string) {
	if changed != "primary" || now["primary"] != true {
		return
	}
	now["primary"] = false
	for _, item := range each(holder[a.name]) {
		if other, ok := item.(object); ok && other["primary"] == true {
			other["primary"] = false
		}
	}
	now["primary"] = true
}

// patchChosen changes the values of a list that a filter chooses. Where none fits, add and replace make one that does: Microsoft
// Entra ID sets the first work address so.
func (a attribute) patchChosen(holder object, o operation, part attribute) error {
	now := each(holder[a.name])
	if o.op == "remove" && part.name == "" {
		kept := slices.DeleteFunc(slices.Clone(now), func(v any) bool {
			inner, ok := v.(object)
			return ok && a.fits(inner, o.where)
		})
		holder[a.name] = kept
		a.tidy(holder)
		return nil
	}
	found := false
	for _, v := range now {
		if inner, ok := v.(object); ok && a.fits(inner, o.where) {
			found = true
			if err := a.patchInner(holder, inner, o, part); err != nil {
				return err
			}
		}
	}
	if !found && o.op != "remove" {
		made := make(object)
		if !a.equalities(made, o.where) {
			return refuse(http.StatusBadRequest, "noTarget", "no value of %s is chosen", a.name)
		}
		holder[a.name] = append(now, made)
		if err := a.patchInner(holder, made, o, part); err != nil {
			return err
		}
	}
	a.tidy(holder)
	return nil
}

func (a attribute) patchInner(holder, inner object, o operation, part attribute) error {
	if part.name != "" {
		var value any
		if o.op != "remove" {
			var err error
			if value, err = part.cast(o.value); err != nil {
				return err
			}
		}
		set(inner, part.name, value)
		a.onlyPrimary(holder, inner, part.name)
		return nil
	}
	raw, ok := o.value.(object)
	if !ok {
		return badValue("a value of %s is an object", a.name)
	}
	if err := a.merge(inner, raw); err != nil {
		return err
	}
	a.onlyPrimary(holder, inner, "primary")
	return nil
}

// equalities fills a value so that a filter chooses it, where the filter is equalities alone.
func (a attribute) equalities(into object, n node) bool {
	switch n := n.(type) {
	case *logic:
		return n.op == "and" && a.equalities(into, n.left) && a.equalities(into, n.right)
	case *compare:
		part, ok := a.part(n.path.name)
		if !ok || part.readOnly || n.op != "eq" {
			return false
		}
		value, err := part.cast(n.value)
		if err != nil || value == nil {
			return false
		}
		into[part.name] = value
		return true
	}
	return false
}

// tidy takes away what has become empty: a value without parts, a list without values (RFC 7643, 2.5).
func (a attribute) tidy(holder object) {
	switch now := holder[a.name].(type) {
	case object:
		if len(now) == 0 {
			delete(holder, a.name)
		}
	case []any:
		kept := slices.DeleteFunc(now, func(v any) bool {
			o, ok := v.(object)
			return ok && len(o) == 0
		})
		set(holder, a.name, any(kept))
		if len(kept) == 0 {
			delete(holder, a.name)
		}
	}
}
