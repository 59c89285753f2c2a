package sigma

import (
	"fmt"
	"strings"
)

// ProblemKind says what a problem means for the rule that has it.
type ProblemKind string

// The kinds of problem.
const (
	// ProblemRefused: the document cannot be used, Reason says why.
	ProblemRefused ProblemKind = "refused"
	// ProblemCorrelation: the correlation is not evaluated, because a rule that it refers to is not there.
	ProblemCorrelation ProblemKind = "correlation"
	// ProblemPlaceholder: the rule is not evaluated, because a placeholder in it has no value.
	ProblemPlaceholder ProblemKind = "placeholder"
	// ProblemUnknownLogsource: the rule is not evaluated, because the taxonomy does not know its log source.
	ProblemUnknownLogsource ProblemKind = "unknown_logsource"
	// ProblemUnmappedField: the rule is evaluated, but no taxonomy entry maps the field named in Field for
	// its log source; the field's own name is used.
	ProblemUnmappedField ProblemKind = "unmapped_field"
	// ProblemWarning: the rule is evaluated as it stands; its author should look at it.
	ProblemWarning ProblemKind = "warning"
)

// Problem is something wrong with a rule or filter, said so that its author can put it right.
type Problem struct {
	File      string
	Line      int // in File, from 1; 0 where there is none
	RuleID    string
	Title     string
	Logsource Logsource
	Kind      ProblemKind
	Field     string // with ProblemUnmappedField
	Reason    string
}

// Error says where and why in one line: "file:line: title: reason".
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Title != "" {
		b.WriteString(p.Title)
		b.WriteString(": ")
	}
	b.WriteString(p.Reason)
	return b.String()
}

// Loaded reports whether the rule or filter is in use in spite of the problem.
func (p Problem) Loaded() bool {
	return p.Kind == ProblemWarning || p.Kind == ProblemUnmappedField
}

// lineError is a reason with the line it is about.
type lineError struct {
	line   int
	reason string
}

func (e *lineError) Error() string { return e.reason }

func errAt(line int, format string, args ...any) *lineError {
	return &lineError{line: line, reason: fmt.Sprintf(format, args...)}
}
