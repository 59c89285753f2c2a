package rule

import (
	"net/http"

	"yagura/internal/platform/web"
	"yagura/sigma"
)

// sourceJSON is a rule as its author wrote it, and what that says. What people decide about it is its record.
type sourceJSON struct {
	ID             string        `json:"id,omitempty"` // the author's
	Title          string        `json:"title"`
	Description    string        `json:"description,omitempty"`
	Author         string        `json:"author,omitempty"`
	License        string        `json:"license,omitempty"`
	Date           string        `json:"date,omitempty"`
	Modified       string        `json:"modified,omitempty"`
	Tags           []string      `json:"tags"`
	References     []string      `json:"references"`
	FalsePositives []string      `json:"falsepositives"`
	File           string        `json:"file"`
	Line           int           `json:"line"`
	Active         bool          `json:"active"` // events are matched with it
	Problems       []problemJSON `json:"problems"`
	Source         string        `json:"source"`
}

type problemJSON struct {
	Kind   sigma.ProblemKind `json:"kind"`
	Line   int               `json:"line,omitempty"`
	Field  string            `json:"field,omitempty"`
	Reason string            `json:"reason"`
}

// never is never null in JSON.
func never(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// apiSource answers one rule's text and what is wrong with it.
func (x *Room) apiSource(w http.ResponseWriter, r *http.Request) error {
	one, err := x.library.Rule(r.PathValue("id"))
	if err != nil {
		return err
	}
	source, err := x.library.Source(one.Key)
	if err != nil {
		return sourceFault(err)
	}
	answer := sourceJSON{
		ID: one.ID, Title: one.Title, Description: one.Description, Author: one.Author, License: one.License, Date: one.Date, Modified: one.Modified,
		Tags: never(one.Tags), References: never(one.References), FalsePositives: never(one.FalsePositives), File: one.File, Line: one.Line,
		Active: one.Active, Problems: []problemJSON{}, Source: source,
	}
	for _, p := range one.Problems {
		answer.Problems = append(answer.Problems, problemJSON{p.Kind, p.Line, p.Field, p.Reason})
	}
	return web.JSON(w, http.StatusOK, answer)
}
