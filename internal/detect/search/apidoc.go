package search

import (
	"time"

	"yagura/internal/platform/openapi"
)

// asking is what every search takes.
func asking(more ...openapi.Parameter) []openapi.Parameter {
	return append([]openapi.Parameter{
		{Name: "query", Description: "LogsQL, as in the search page; left out is everything."},
		{Name: "since", Description: "How far back: 15m, 24h, 7d."},
		{Name: "start", Description: "The beginning instead, RFC 3339 or a date."},
		{Name: "end", Description: "The end; left out is now."},
	}, more...)
}

func docSearch() *openapi.Operation {
	return &openapi.Operation{
		Summary: "Search events", Tag: "search", AnswerType: "application/x-ndjson", Answer: openapi.Schema{"type": "object"},
		Description: "One JSON object a line, the newest first. A stream that fails on its way is cut off without its end.",
		Query:       asking(openapi.Parameter{Name: "limit", Description: "How many at most; 0 is all of them, in no order.", Schema: openapi.Integer()}),
	}
}

func docFields() *openapi.Operation {
	return &openapi.Operation{
		Summary: "List the fields of what is found", Tag: "search", Query: asking(),
		Answer: openapi.Object(openapi.Property{Name: "fields", Schema: openapi.Of([]apiCount{}), Required: true}),
	}
}

func docValues() *openapi.Operation {
	return &openapi.Operation{
		Summary: "List the most frequent values of a field", Tag: "search",
		Query: asking(openapi.Parameter{Name: "field", Description: "The field; left out is event.dataset."},
			openapi.Parameter{Name: "limit", Description: "How many at most; left out is 10.", Schema: openapi.Integer()}),
		Answer: openapi.Object(openapi.Property{Name: "values", Schema: openapi.Of([]apiCount{}), Required: true}),
	}
}

// apiHistogram is how often something was found over time.
type apiHistogram struct {
	Step   float64     `json:"step"` // seconds
	Total  uint64      `json:"total"`
	Times  []time.Time `json:"times"`
	Series []apiSeries `json:"series"`
}

func docHits() *openapi.Operation {
	return &openapi.Operation{
		Summary: "Count what is found over time", Tag: "search", Answer: apiHistogram{},
		Query: asking(openapi.Parameter{Name: "field", Description: "Split by the values of this field."},
			openapi.Parameter{Name: "step", Description: "How long a step is: 5m, 1h; left out makes about sixty of them."}),
	}
}
