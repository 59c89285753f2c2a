package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Operation says what a route of the API takes and answers.
type Operation struct {
	Summary     string // in English, one line
	Description string
	Tag         string // what it belongs to: "Alerts"
	Query       []Parameter
	// Headers that the request may have.
	Headers []Parameter
	// Body is a value of the type that the request's body is read into, or a Schema; nil for none.
	Body any
	// BodyType is the body's media type; "" is application/json.
	BodyType string
	// Bodies are further media types that the body may have, with what it is then.
	Bodies map[string]any
	// Answer is a value of the type that is answered, or a Schema; nil for none.
	Answer any
	// AnswerType is its media type; "" is application/json.
	AnswerType string
	// Answers are further media types that the answer may have, with what it is then.
	Answers map[string]any
	Status  int // 0 is 200, or 204 without an Answer
	// Others are further statuses of success, with what is answered then.
	Others map[int]any
}

// Parameter is a part of the query, or a header.
type Parameter struct {
	Name        string
	Description string
	Schema      Schema // nil is a string
	Required    bool
	Many        bool // it may be repeated
}

// Cursor is the parameter that asks for the next page of a list.
func Cursor() Parameter {
	return Parameter{Name: "cursor", Description: "The next of the page before."}
}

// Limit is the parameter that bounds a page.
func Limit(most int) Parameter {
	return Parameter{Name: "limit", Description: "How many at most, up to " + strconv.Itoa(most) + ".", Schema: Integer()}
}

// IdempotencyKey is the header of package once.
func IdempotencyKey() Parameter {
	return Parameter{Name: "Idempotency-Key", Description: "Up to 255 characters. A POST that is sent again with the same key within a day is carried out once, and answered the same."}
}

// Entry is a route with its description.
type Entry struct {
	Pattern    string // as http.ServeMux reads it: "GET /api/v1/alerts/{id}"
	Permission string // what it asks of who asks, "" for nothing
	Fresh      bool
	Operation  *Operation
}

// Info is what stands at the head of the document.
type Info struct {
	Title, Version, Description string
}

// Document makes the document of some routes. The error says which pattern is none.
func Document(info Info, entries []Entry) ([]byte, error) {
	paths := make(map[string]map[string]any)
	for _, e := range entries {
		method, path, ok := strings.Cut(e.Pattern, " ")
		if !ok || e.Operation == nil {
			return nil, fmt.Errorf("the route %q has no method or no description", e.Pattern)
		}
		if paths[path] == nil {
			paths[path] = make(map[string]any)
		}
		paths[path][strings.ToLower(method)] = describe(e, method, path)
	}
	document := map[string]any{
		"openapi":  "3.1.0",
		"info":     map[string]any{"title": info.Title, "version": info.Version, "description": info.Description, "license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers":  []any{map[string]any{"url": "/"}},
		"paths":    paths,
		"security": []any{map[string]any{"token": []any{}}},
		"components": map[string]any{
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer", "description": "An API token of a person or a service account."}},
			"schemas":         map[string]any{"Problem": problem()},
			"responses": map[string]any{"Problem": map[string]any{
				"description": "What went wrong (RFC 9457).",
				"content":     map[string]any{"application/problem+json": map[string]any{"schema": Schema{"$ref": "#/components/schemas/Problem"}}},
			}},
		},
	}
	return json.MarshalIndent(document, "", "  ")
}

// problem is the schema of an error's answer.
func problem() Schema {
	return Object(
		Property{"type", String(), true}, Property{"title", String(), true}, Property{"status", Integer(), true},
		Property{"detail", String().With("In English, for machines and logs."), false},
		Property{"code", Enum("invalid", "unauthentic", "forbidden", "not_found", "conflict", "outdated", "too_large", "busy", "unavailable", "internal"), true},
		Property{"request", String().With("The id of the request, which the server's log has, too."), true},
		Property{"message", String().With("In the language of who asks."), false},
		Property{"errors", Schema{"type": "object", "additionalProperties": String()}.With("What is wrong with each field, in the language of who asks."), false},
	)
}

func describe(e Entry, method, path string) map[string]any {
	op := e.Operation
	out := map[string]any{"operationId": ID(method, path), "summary": op.Summary, "tags": []string{op.Tag}}
	description := op.Description
	if e.Permission != "" {
		description = strings.TrimSpace(description + "\n\nTakes the permission `" + e.Permission + "`.")
		out["x-permission"] = e.Permission
	}
	if e.Fresh {
		description += " A browser's session takes a fresh proof of who asks."
	}
	out["description"] = description
	var parameters []any
	for _, name := range Wildcards(path) {
		parameters = append(parameters, map[string]any{"name": name, "in": "path", "required": true, "schema": String()})
	}
	for where, list := range map[string][]Parameter{"query": op.Query, "header": op.Headers} {
		for _, p := range list {
			parameters = append(parameters, p.describe(where))
		}
	}
	slices.SortStableFunc(parameters, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["in"].(string), b.(map[string]any)["in"].(string))
	})
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if op.Body != nil {
		out["requestBody"] = map[string]any{"required": true, "content": content(op.BodyType, op.Body, op.Bodies)}
	}
	out["responses"] = responses(op, method)
	return out
}

// Success is the status of an operation that did what it was asked.
func (o *Operation) Success() int {
	switch {
	case o.Status != 0:
		return o.Status
	case o.Answer == nil:
		return http.StatusNoContent
	}
	return http.StatusOK
}

func responses(op *Operation, method string) map[string]any {
	status := op.Success()
	done := map[string]any{"description": http.StatusText(status)}
	if op.Answer != nil {
		done["content"] = content(op.AnswerType, op.Answer, op.Answers)
	}
	list := map[string]any{strconv.Itoa(status): done}
	for status, answer := range op.Others {
		list[strconv.Itoa(status)] = map[string]any{"description": http.StatusText(status), "content": content("", answer, nil)}
	}
	failures := []string{"400", "401", "403", "404", "429", "500"}
	if method != http.MethodGet {
		failures = append(failures, "409", "412", "413")
	}
	for _, failure := range failures {
		list[failure] = map[string]any{"$ref": "#/components/responses/Problem"}
	}
	return list
}

func content(mediaType string, value any, more map[string]any) map[string]any {
	if mediaType == "" {
		mediaType = "application/json"
	}
	all := map[string]any{mediaType: map[string]any{"schema": Of(value)}}
	for other, value := range more {
		all[other] = map[string]any{"schema": Of(value)}
	}
	return all
}

func (p Parameter) describe(in string) map[string]any {
	schema := p.Schema
	if schema == nil {
		schema = String()
	}
	out := map[string]any{"name": p.Name, "in": in, "description": p.Description, "schema": schema}
	if p.Required {
		out["required"] = true
	}
	if p.Many {
		out["schema"], out["style"], out["explode"] = Array(schema), "form", true
	}
	return out
}

// Wildcards are the names in a pattern's braces.
func Wildcards(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

// ID names an operation: "get_alerts_id".
func ID(method, path string) string {
	path = strings.TrimPrefix(path, "/api/v1")
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r == '/' || r == '_' || r == '-':
			return '_'
		}
		return -1
	}, strings.ReplaceAll(path, "/-", ""))
	return strings.ToLower(method) + name
}
