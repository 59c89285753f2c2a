package search

import (
	"regexp"
	"strings"

	"yagura/internal/event"
)

// narrow joins a filter to a query: in front of its pipes, beside what it filters by already. The menu of a value does the
// same in the browser (value.js).
func narrow(query, filter string) string {
	head, pipes := cutPipes(query)
	if head = strings.TrimSpace(head); head == "" || head == "*" {
		return strings.TrimSpace(filter + " " + pipes)
	}
	if alternatives.MatchString(head) {
		head = strings.TrimSuffix("("+head+gap(head), " ") + ")"
	}
	return strings.TrimSpace(head + gap(head) + filter + " " + pipes)
}

// gap goes between a filter and what follows it: a comment in it ends with the line.
func gap(filter string) string {
	if strings.Contains(filter, "#") {
		return "\n"
	}
	return " "
}

// alternatives tells, rather too often than too seldom, that a filter needs brackets before another joins it.
var alternatives = regexp.MustCompile(`(?i)\bor\b`)

// cutPipes cuts a query in front of its first pipe: one that stands in no quotes, no brackets and no comment.
func cutPipes(query string) (filter, pipes string) {
	depth := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; c {
		case '"', '\'', '`':
			i = endOfQuotes(query, i)
		case '#':
			i += strings.IndexByte(query[i:]+"\n", '\n')
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '|':
			if depth <= 0 {
				return query[:i], query[i:]
			}
		}
	}
	return query, ""
}

// endOfQuotes finds the quote that ends the one at i, or the end.
func endOfQuotes(query string, i int) int {
	quote := query[i]
	for i++; i < len(query); i++ {
		switch {
		case query[i] == '\\' && quote != '`':
			i++
		case query[i] == quote:
			return i
		}
	}
	return i
}

// plainName is a field name that needs no quotes in LogsQL.
var plainName = regexp.MustCompile(`^[\w.@]+$`)

// exactly is the filter for one value of a field, as the menu of a value writes it too.
func exactly(field, value string) string {
	if !plainName.MatchString(field) {
		field = quote(field)
	}
	return field + ":=" + quote(value)
}

func quote(text string) string { return string(event.AppendQuoted(nil, text)) }
