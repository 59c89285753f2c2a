// Package openapi describes the API as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0), made from the types that handlers
// read and write, so that the document cannot say anything else than the program does.
package openapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Schema is a JSON Schema (2020-12), as OpenAPI 3.1 has them.
type Schema map[string]any

// String, Integer, Number, Boolean and Time are schemas of single values; Anything takes all JSON.
func String() Schema   { return Schema{"type": "string"} }
func Integer() Schema  { return Schema{"type": "integer", "format": "int64"} }
func Number() Schema   { return Schema{"type": "number"} }
func Boolean() Schema  { return Schema{"type": "boolean"} }
func Time() Schema     { return Schema{"type": "string", "format": "date-time"} }
func Day() Schema      { return Schema{"type": "string", "format": "date"} }
func Anything() Schema { return Schema{} }

// File is bytes of a media type, as OpenAPI 3.1 has them.
func File(mediaType string) Schema {
	return Schema{"type": "string", "contentMediaType": mediaType}
}

// Optional is an object's schema in which no member has to be there.
func (s Schema) Optional() Schema {
	s = maps.Clone(s)
	delete(s, "required")
	return s
}

// Replacing is an object's schema with another schema for a member.
func (s Schema) Replacing(name string, member Schema) Schema {
	s = maps.Clone(s)
	members, _ := s["properties"].(map[string]Schema)
	members = maps.Clone(members)
	members[name] = member
	s["properties"] = members
	return s
}

// Enum is one of some words.
func Enum(words ...string) Schema { return Schema{"type": "string", "enum": words} }

// Array is a list of what item describes.
func Array(item Schema) Schema { return Schema{"type": "array", "items": item} }

// Property is a member of an object.
type Property struct {
	Name     string
	Schema   Schema
	Required bool
}

// Object is a JSON object of those members and no others.
func Object(properties ...Property) Schema {
	members, required := make(map[string]Schema), []string{}
	for _, p := range properties {
		members[p.Name] = p.Schema
		if p.Required {
			required = append(required, p.Name)
		}
	}
	s := Schema{"type": "object", "properties": members, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// Nullable is the schema, or null.
func (s Schema) Nullable() Schema {
	s = maps.Clone(s)
	if t, ok := s["type"].(string); ok {
		s["type"] = []string{t, "null"}
	}
	if words, ok := s["enum"].([]string); ok {
		all := make([]any, 0, len(words)+1)
		for _, word := range words {
			all = append(all, word)
		}
		s["enum"] = append(all, nil)
	}
	return s
}

// With adds a description.
func (s Schema) With(description string) Schema {
	s = maps.Clone(s)
	s["description"] = description
	return s
}

// Of makes the schema of a Go value's type as encoding/json writes it. A Schema stands for itself. It knows what this program's API is made of:
// structs with json tags, lists, maps with text keys, pointers (which may be null), texts, numbers, truth, times and raw JSON.
func Of(value any) Schema {
	if s, ok := value.(Schema); ok {
		return s
	}
	return of(reflect.TypeOf(value), nil)
}

func of(t reflect.Type, within []reflect.Type) Schema {
	switch t {
	case nil, reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]():
		return Anything()
	case reflect.TypeFor[time.Time]():
		return Time()
	}
	if slices.Contains(within, t) {
		return Schema{"type": "object"} // a type within itself
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Pointer:
		return of(t.Elem(), within).Nullable()
	case reflect.String:
		return String()
	case reflect.Bool:
		return Boolean()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Integer()
	case reflect.Float32, reflect.Float64:
		return Number()
	case reflect.Slice, reflect.Array:
		return Array(of(t.Elem(), within))
	case reflect.Map:
		return Schema{"type": "object", "additionalProperties": of(t.Elem(), within)}
	case reflect.Struct:
		return Object(members(t, within)...)
	}
	return Anything()
}

// members are the JSON members of a struct, embedded ones included.
func members(t reflect.Type, within []reflect.Type) (list []Property) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			list = append(list, members(f.Type, within)...)
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") || f.Type.Kind() == reflect.Pointer
		list = append(list, Property{name, of(f.Type, within), !optional})
	}
	return list
}

// Page is a page of a list: its items, and the cursor of the next.
func Page(item Schema) Schema {
	return Object(Property{"items", Array(item), true}, Property{"next", String().With("The cursor of the next page; left out on the last."), false})
}
