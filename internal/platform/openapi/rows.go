package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Row is a member of a body or an answer as a table for people has it: "items[].owner".
type Row struct {
	Name, Type, Description string
	Required                bool
}

// Rows are the members of a schema, those within members included, sorted by name at each level.
func Rows(s Schema) []Row { return rows("", s, nil) }

func rows(prefix string, s Schema, list []Row) []Row {
	if item, ok := s["items"].(Schema); ok {
		return rows(prefix+"[]", item, list)
	}
	members, _ := s["properties"].(map[string]Schema)
	required, _ := s["required"].([]string)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		one, full := members[name], strings.TrimPrefix(prefix+"."+name, ".")
		description, _ := one["description"].(string)
		list = append(list, Row{full, TypeName(one), description, slices.Contains(required, name)})
		list = rows(full, one, list)
	}
	return list
}

// TypeName says in a word or two what a schema takes: "string (date-time)", "array of string", "low | high".
func TypeName(s Schema) string {
	switch words := s["enum"].(type) {
	case []string:
		return strings.Join(words, " | ")
	case []any:
		var names []string
		for _, word := range words {
			if word == nil {
				word = "null"
			}
			names = append(names, fmt.Sprint(word))
		}
		return strings.Join(names, " | ")
	}
	var name string
	switch t := s["type"].(type) {
	case string:
		name = t
	case []string:
		name = strings.Join(t, " | ")
	default:
		name = "any"
	}
	if item, ok := s["items"].(Schema); ok {
		name += " of " + TypeName(item)
	}
	if format, ok := s["format"].(string); ok && format != "int64" {
		name += " (" + format + ")"
	}
	return name
}
