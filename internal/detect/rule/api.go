package rule

import (
	"encoding/json"
	"net/http"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
	"yagura/sigma"
)

// ruleJSON is a rule as programs see it. Times are RFC 3339.
type ruleJSON struct {
	Key        string        `json:"key"`
	ID         string        `json:"id,omitempty"`
	Title      string        `json:"title"`
	Level      string        `json:"level"`
	Status     string        `json:"status,omitempty"`
	Logsource  logsourceJSON `json:"logsource"`
	Tags       []string      `json:"tags"`
	Tactics    []string      `json:"tactics"`
	Techniques []string      `json:"techniques"`
	Origin     Origin        `json:"origin"`
	File       string        `json:"file"`
	Line       int           `json:"line"`
	Enabled    bool          `json:"enabled"`
	Active     bool          `json:"active"`
	State      State         `json:"state"`
	Matches    int64         `json:"matches_7d"`
	Open       int64         `json:"open_alerts"`
	Last       *time.Time    `json:"last_match,omitempty"`
}

type logsourceJSON struct {
	Product  string `json:"product,omitempty"`
	Category string `json:"category,omitempty"`
	Service  string `json:"service,omitempty"`
}

type problemJSON struct {
	Kind   sigma.ProblemKind `json:"kind"`
	Line   int               `json:"line,omitempty"`
	Field  string            `json:"field,omitempty"`
	Reason string            `json:"reason"`
}

type detailJSON struct {
	ruleJSON
	Description    string        `json:"description,omitempty"`
	Author         string        `json:"author,omitempty"`
	License        string        `json:"license,omitempty"`
	Date           string        `json:"date,omitempty"`
	Modified       string        `json:"modified,omitempty"`
	References     []string      `json:"references"`
	FalsePositives []string      `json:"falsepositives"`
	Problems       []problemJSON `json:"problems"`
	Source         string        `json:"source"`
}

// pageJSON is a page of rules; Total counts all that the filters leave.
type pageJSON struct {
	Items []ruleJSON `json:"items"`
	Total int        `json:"total"`
	Next  string     `json:"next,omitempty"`
}

func docList() *openapi.Operation {
	return &openapi.Operation{Summary: "List", Tag: "rules", Answer: pageJSON{}, Query: []openapi.Parameter{
		openapi.Cursor(), openapi.Limit(MaxPage),
		{Name: "q", Description: "Words that the rule has."},
		{Name: "view", Description: "What the rules are doing.", Schema: openapi.Enum(string(viewAll), string(viewFired), string(viewReported), string(viewIdle), string(viewDisabled))},
		{Name: "level", Description: "A severity."},
		{Name: "origin", Description: "Where the rule comes from."},
		{Name: "logsource", Description: "Its log source, as the list's address has it."},
		{Name: "sort", Description: "What the list is ordered by, as its address has it."},
	}}
}

func toJSON(r *Rule, stats alert.RuleStats) ruleJSON {
	out := ruleJSON{
		Key: r.Key, ID: r.ID, Title: r.Title, Level: r.Severity().String(), Status: r.Status, Logsource: logsourceJSON(r.Logsource),
		Tags: never(r.Tags), Tactics: never(r.Tactics()), Techniques: never(r.Techniques()), Origin: r.Origin, File: r.File, Line: r.Line,
		Enabled: r.Enabled, Active: r.Active, State: r.State(), Matches: stats.Matches, Open: stats.Open,
	}
	if !stats.Last.IsZero() {
		out.Last = &stats.Last
	}
	return out
}

// never is never null in JSON.
func never(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// apiList answers {"rules": […], "total": n, "next": "cursor"}; the query is that of the page.
func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	ask, err := readWish(r)
	if err != nil {
		return err
	}
	stats, err := x.stats(r.Context())
	if err != nil {
		return err
	}
	page, total, err := x.library.Set().List(ask.filter, ask.sort, i18n.English, stats, ask.cursor, ask.limit)
	if err != nil {
		return err
	}
	answer := pageJSON{[]ruleJSON{}, total, page.Next}
	for _, one := range page.Items {
		answer.Items = append(answer.Items, toJSON(one, stats[one.Key]))
	}
	return writeJSON(w, answer)
}

// apiGet answers one rule with its text and what is wrong with it.
func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	one, err := x.library.Rule(r.PathValue("key"))
	if err != nil {
		return err
	}
	source, err := x.library.Source(one.Key)
	if err != nil {
		return sourceFault(err)
	}
	stats, err := x.stats(r.Context())
	if err != nil {
		return err
	}
	answer := detailJSON{
		ruleJSON: toJSON(one, stats[one.Key]), Description: one.Description, Author: one.Author, License: one.License, Date: one.Date,
		Modified: one.Modified, References: never(one.References), FalsePositives: never(one.FalsePositives), Problems: []problemJSON{}, Source: source,
	}
	for _, p := range one.Problems {
		answer.Problems = append(answer.Problems, problemJSON{p.Kind, p.Line, p.Field, p.Reason})
	}
	return writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}
