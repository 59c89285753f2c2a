package risk

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

func quote(text string) string { return strconv.Quote(text) }

// entityJSON is an entity's risk as programs see it.
type entityJSON struct {
	Kind    string    `json:"kind"`
	Entity  string    `json:"entity"`
	Name    string    `json:"name"`
	Score   float64   `json:"score"`
	Above   bool      `json:"above_threshold"`
	Last    time.Time `json:"last_alert"`
	Began   time.Time `json:"story_began"`
	Tactics []string  `json:"tactics"`
	Alert   string    `json:"alert,omitempty"`
}

type pageJSON struct {
	Items     []entityJSON `json:"items"`
	Threshold int          `json:"threshold"`
	Next      string       `json:"next,omitempty"`
}

type detailJSON struct {
	entityJSON
	Alerts []partJSON `json:"alerts"`
}

type partJSON struct {
	ID       string    `json:"id"`
	Rule     string    `json:"rule"`
	Title    string    `json:"title"`
	Severity string    `json:"severity"`
	State    string    `json:"state"`
	Tactics  []string  `json:"tactics"`
	At       time.Time `json:"at"`
	Points   float64   `json:"points"`
	Left     float64   `json:"left"`
	Counts   bool      `json:"counts"`
}

func docList() *openapi.Operation {
	return &openapi.Operation{Summary: "List users and hosts by what their alerts add up to", Tag: "risk", Answer: pageJSON{}, Query: []openapi.Parameter{
		openapi.Cursor(), openapi.Limit(mostListed),
		{Name: "kind", Description: "Only these.", Schema: openapi.Enum(string(alert.User), string(alert.Host))},
		{Name: "q", Description: "Part of the name."},
	}}
}

func round(score float64) float64 { return math.Round(score*10) / 10 }

func (x *Room) json(e Standing) entityJSON {
	tactics := e.Tactics
	if tactics == nil {
		tactics = []string{}
	}
	return entityJSON{string(e.Kind), e.Key, e.Name, round(e.Score), e.Score >= x.store.limit(), e.Last, e.Began, tactics, e.Alert}
}

func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	limit := pageSize
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostListed {
			return fault.New(fault.Invalid, "risk.fault.limit", "limit %q is not 1 to %d", text, mostListed)
		}
	}
	page, err := x.store.List(r.Context(), f, r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	answer := pageJSON{Items: []entityJSON{}, Threshold: int(x.store.limit()), Next: page.Next}
	for _, e := range page.Items {
		answer.Items = append(answer.Items, x.json(e))
	}
	return web.JSON(w, http.StatusOK, answer)
}

func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	e, err := x.get(r)
	if err != nil {
		return err
	}
	parts, err := x.store.Parts(r.Context(), e.Entity, time.Time{}, time.Now().Add(time.Hour), mostListed)
	if err != nil {
		return err
	}
	answer := detailJSON{entityJSON: x.json(e), Alerts: []partJSON{}}
	for _, p := range parts {
		tactics := p.Tactics
		if tactics == nil {
			tactics = []string{}
		}
		answer.Alerts = append(answer.Alerts, partJSON{p.ID, p.Rule, p.Title, p.Severity.String(), p.State, tactics, p.At, round(p.Points), round(p.Left), p.Counts})
	}
	return web.JSON(w, http.StatusOK, answer)
}
