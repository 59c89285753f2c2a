package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
)

// object is a resource or a part of one as JSON has it: texts, booleans, objects and lists ([]any). Once kind.read has seen it,
// its names are the schema's own and its values of the schema's types.
type object = map[string]any

// maxBody is the largest body of a request.
const maxBody = 1 << 20

// readBody reads one JSON object.
func readBody(w http.ResponseWriter, r *http.Request) (object, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != mediaType && media != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "", "the body is not declared as %s or application/json", mediaType)
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.TooLarge, "", "the body has more than %d bytes", maxBody)
	}
	if err != nil {
		return nil, badSyntax("the body could not be read")
	}
	return parseObject(text)
}

// parseObject reads the text of one JSON object. Text after it, and a name given twice, in whatever case, are errors: which of two
// values counts must not be a matter of who reads.
func parseObject(text []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out object
	if err := decoder.Decode(&out); err != nil || out == nil {
		return nil, badSyntax("the body is no JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, badSyntax("something follows the JSON object")
	}
	return out, twice(out)
}

// twice finds names that differ in case alone.
func twice(value any) error {
	switch value := value.(type) {
	case object:
		seen := make(map[string]bool, len(value))
		for name, inner := range value {
			folded := strings.ToLower(name)
			if seen[folded] {
				return badSyntax("the attribute %.60q is there twice", folded)
			}
			seen[folded] = true
			if err := twice(inner); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range value {
			if err := twice(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// get reads a name of an object, whatever its case.
func get(o object, name string) any {
	for key, value := range o {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// read makes a resource of what a client sent: what nobody may change and what is not kept falls away, the rest is brought to the
// schema's names and types. The error is 400 invalidValue and names the attribute.
func (k *kind) read(raw object) (object, error) {
	out := make(object)
	for name, value := range raw {
		if extension, ok := k.extension(name); ok {
			inner, ok := value.(object)
			if !ok && value != nil {
				return nil, badValue("%s is no object", extension.id)
			}
			kept, err := castParts(extension.attributes, inner)
			if err != nil {
				return nil, err
			}
			if len(kept) > 0 {
				out[extension.id] = kept
			}
			continue
		}
		a, _, ok := k.find(k.schema.id, name)
		if !ok || a.readOnly {
			continue
		}
		cast, err := a.cast(value)
		if err != nil {
			return nil, err
		}
		if cast != nil {
			out[a.name] = cast
		}
	}
	return out, nil
}

// cast brings a value to the attribute's type; nil says that it has none (RFC 7643, 2.5). A single value does for a list of one.
func (a attribute) cast(value any) (any, error) {
	if !a.many {
		return a.castOne(value)
	}
	list, ok := value.([]any)
	if !ok && value != nil {
		list = []any{value}
	}
	var out []any
	for _, item := range list {
		cast, err := a.castOne(item)
		if err != nil {
			return nil, err
		}
		if cast != nil {
			out = append(out, cast)
		}
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// castOne casts one value. Microsoft Entra ID writes booleans as the texts "True" and "False".
func (a attribute) castOne(value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	switch a.kind {
	case boolType:
		switch b := value.(type) {
		case bool:
			return b, nil
		case string:
			if strings.EqualFold(b, "true") || strings.EqualFold(b, "false") {
				return strings.EqualFold(b, "true"), nil
			}
		}
	case complexType:
		switch o := value.(type) {
		case object:
			kept, err := castParts(a.parts, o)
			if len(kept) == 0 {
				return nil, err
			}
			return kept, err
		case string:
			if _, ok := a.part("value"); ok && a.many {
				return object{"value": o}, nil
			}
		}
	default:
		if s, ok := value.(string); ok {
			return s, nil
		}
	}
	return nil, badValue("the value of %s is no %s", a.name, a.kind)
}

func castParts(parts []attribute, raw object) (object, error) {
	out := make(object)
	for name, value := range raw {
		part, ok := named(parts, name)
		if !ok || part.readOnly {
			continue
		}
		cast, err := part.cast(value)
		if err != nil {
			return nil, err
		}
		if cast != nil {
			out[part.name] = cast
		}
	}
	return out, nil
}

// clone copies a resource to its leaves.
func clone(value any) any {
	switch value := value.(type) {
	case object:
		out := make(object, len(value))
		for name, inner := range value {
			out[name] = clone(inner)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, inner := range value {
			out[i] = clone(inner)
		}
		return out
	}
	return value
}

// projection is which attributes an answer has (RFC 7644, 3.9).
type projection struct {
	only, without []path
}

// readProjection reads the parameters attributes and excludedAttributes, of which a request has one.
func readProjection(only, without string) (p projection, err error) {
	if only != "" && without != "" {
		return p, badValue("attributes and excludedAttributes exclude each other")
	}
	for _, list := range []struct {
		text string
		to   *[]path
	}{{only, &p.only}, {without, &p.without}} {
		if len(list.text) > maxFilter {
			return p, badValue("the list of attributes is too long")
		}
		for name := range strings.SplitSeq(list.text, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			at, where, err := parsePath(name)
			if err != nil || where != nil {
				return p, badValue("%.60q is no attribute", name)
			}
			*list.to = append(*list.to, at)
		}
	}
	return p, nil
}

// hides reports whether an attribute of the resource's own is left out altogether, so that it need not be found out.
func (p projection) hides(name string) bool {
	is := func(at path) bool { return strings.EqualFold(at.name, name) }
	if len(p.only) > 0 {
		return !slices.ContainsFunc(p.only, is)
	}
	return slices.ContainsFunc(p.without, func(at path) bool { return is(at) && at.sub == "" })
}

// apply leaves in a resource what the client wants to see. id, schemas and meta always stay: clients need the version.
func (p projection) apply(k *kind, resource object) object {
	if len(p.only) == 0 && len(p.without) == 0 {
		return resource
	}
	if len(p.only) == 0 {
		out := clone(resource).(object)
		for _, at := range p.without {
			k.drop(out, at)
		}
		return out
	}
	out := object{"id": resource["id"], "schemas": resource["schemas"], "meta": resource["meta"]}
	for _, at := range p.only {
		k.copyTo(out, resource, at)
	}
	return out
}

// place finds the object that holds the attribute of a path, and the attribute.
func (k *kind) place(resource object, at path) (holder object, a attribute, ok bool) {
	a, home, ok := k.find(at.schema, at.name)
	if !ok {
		return nil, a, false
	}
	if home == "" {
		return resource, a, true
	}
	holder, ok = resource[home].(object)
	return holder, a, ok
}

func (k *kind) drop(resource object, at path) {
	holder, a, ok := k.place(resource, at)
	if !ok || slices.Contains([]string{"id", "schemas", "meta"}, a.name) {
		return
	}
	if at.sub == "" {
		delete(holder, a.name)
		return
	}
	part, _ := a.part(at.sub)
	for _, item := range each(holder[a.name]) {
		if o, ok := item.(object); ok {
			delete(o, part.name)
		}
	}
}

func (k *kind) copyTo(out, resource object, at path) {
	holder, a, ok := k.place(resource, at)
	value, there := holder[a.name]
	if !ok || !there {
		return
	}
	if part, ok := a.part(at.sub); ok {
		value = narrowed(value, part.name, out[a.name])
	}
	if _, home, _ := k.find(at.schema, at.name); home != "" {
		inner, _ := out[home].(object)
		if inner == nil {
			inner = make(object)
		}
		inner[a.name] = value
		out[home] = inner
		return
	}
	out[a.name] = value
}

// narrowed is a complex value, or a list of them, with one part alone, beside the parts that already has.
func narrowed(value any, part string, already any) any {
	pick := func(from any, to any) any {
		o, _ := from.(object)
		kept := object{}
		if had, ok := to.(object); ok {
			maps.Copy(kept, had)
		}
		if v, ok := o[part]; ok {
			kept[part] = v
		}
		return kept
	}
	list, ok := value.([]any)
	if !ok {
		return pick(value, already)
	}
	had, _ := already.([]any)
	out := make([]any, len(list))
	for i, item := range list {
		var before any
		if i < len(had) {
			before = had[i]
		}
		out[i] = pick(item, before)
	}
	return out
}

// each is the values of an attribute: those of a list, the one of any other, none of nil.
func each(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	}
	return []any{value}
}

func sendJSON(w http.ResponseWriter, status int, body object) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone
	return nil
}
