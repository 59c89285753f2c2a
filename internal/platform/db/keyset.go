package db

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"yagura/internal/platform/fault"
)

// NewID returns a new record's id: a UUIDv7 (RFC 9562), so that ids sort by the time they were made.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Page is one page of a list in keyset order. Next is the cursor of the page after it, "" on the last.
type Page[T any] struct {
	Items []T
	Next  string
}

// Paged makes a page of what a query with LIMIT limit+1 returned. key gives the values of an item that the list is
// ordered by, the id last.
func Paged[T any](items []T, limit int, key func(T) []any) (Page[T], error) {
	if len(items) <= limit {
		return Page[T]{Items: items}, nil
	}
	items = items[:limit]
	next, err := EncodeCursor(key(items[limit-1])...)
	return Page[T]{Items: items, Next: next}, err
}

// EncodeCursor writes the place of an item in a list: texts and numbers, as an opaque word for URLs.
func EncodeCursor(values ...any) (string, error) {
	data, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("encoding cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

// DecodeCursor reads a cursor into as many pointers as it was made of values. A cursor comes from outside:
// one that fits not is a fault.Invalid.
func DecodeCursor(cursor string, into ...any) error {
	invalid := func(err error) error {
		return fault.New(fault.Invalid, "fault.cursor", "no cursor of this list: %w", err)
	}
	data, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return invalid(err)
	}
	var values []json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return invalid(err)
	}
	if len(values) != len(into) {
		return invalid(fmt.Errorf("%d values, want %d", len(values), len(into)))
	}
	for i, value := range values {
		if err := json.Unmarshal(value, into[i]); err != nil {
			return invalid(err)
		}
	}
	return nil
}

// Where collects conditions that all hold, with their arguments. The zero Where holds of every row.
type Where struct {
	conditions []string
	args       []any
}

// And adds a condition in which each ? stands for one of args.
func (w *Where) And(condition string, args ...any) {
	var b strings.Builder
	for _, arg := range args {
		before, after, _ := strings.Cut(condition, "?")
		w.args = append(w.args, arg)
		fmt.Fprintf(&b, "%s$%d", before, len(w.args))
		condition = after
	}
	b.WriteString(condition)
	w.conditions = append(w.conditions, b.String())
}

// In adds the condition that the expression is one of values. With no values it holds of no row.
func In[T any](w *Where, expression string, values []T) {
	if len(values) == 0 {
		w.And("1 = 0")
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	w.And(expression+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// String returns " WHERE …", or "" where there is no condition.
func (w *Where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// Condition returns the conditions as one, for places other than WHERE.
func (w *Where) Condition() string {
	if len(w.conditions) == 0 {
		return "1 = 1"
	}
	return "(" + strings.Join(w.conditions, " AND ") + ")"
}

// Args returns the arguments for the placeholders of String, followed by more.
func (w *Where) Args(more ...any) []any { return append(append([]any(nil), w.args...), more...) }

// Reset begins the conditions anew and keeps the arguments, for the query around one that has the conditions so far.
func (w *Where) Reset() { w.conditions = nil }

// Next returns the placeholder that stands for the i-th of the arguments that follow the conditions', from 1.
func (w *Where) Next(i int) string { return fmt.Sprintf("$%d", len(w.args)+i) }

// Contains returns the pattern for LIKE … ESCAPE '\' that finds text anywhere.
func Contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
