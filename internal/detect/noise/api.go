package noise

import (
	"errors"
	"net/http"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

func asWrong(err error) (record.Wrong, bool) { return errors.AsType[record.Wrong](err) }

// pastJSON is what an exception would have kept back, as programs see it.
type pastJSON struct {
	Rules  int             `json:"rules"`
	Looked int             `json:"alerts_looked_at"`
	Since  *time.Time      `json:"since,omitempty"`
	More   bool            `json:"older_not_looked_at"`
	Whole  int             `json:"alerts_kept_back"`
	Part   int             `json:"alerts_kept_back_in_part"`
	Events int             `json:"events_looked_at"`
	Kept   int             `json:"events_kept_back"`
	Alerts []pastAlertJSON `json:"alerts"`
	Wrong  string          `json:"problem,omitempty"`
}

type pastAlertJSON struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Entity string `json:"entity"`
	Kept   int    `json:"events_kept_back"`
	Events int    `json:"events_looked_at"`
}

func (p *Past) json() pastJSON {
	out := pastJSON{
		Rules: p.Rules, Looked: p.Looked, Since: since(p.Since), More: p.More, Whole: p.Whole, Part: p.Part, Events: p.Events, Kept: p.Kept,
		Alerts: []pastAlertJSON{}, Wrong: p.Refused,
	}
	for _, a := range p.Alerts {
		out.Alerts = append(out.Alerts, pastAlertJSON{a.ID, a.Title, a.Entity.Value, a.Kept, a.Events})
	}
	return out
}

// heldJSON is what was held back.
type heldJSON struct {
	Matches int64          `json:"matches"`
	Last    *time.Time     `json:"last_hour,omitempty"`
	Event   string         `json:"last_event,omitempty"`
	Rules   []heldRuleJSON `json:"rules"`
}

type heldRuleJSON struct {
	Rule    string `json:"rule"`
	Matches int64  `json:"matches"`
}

func docHeld(kind string) *openapi.Operation {
	return &openapi.Operation{Summary: "Read what was held back", Tag: kind, Answer: heldJSON{}}
}

// apiHeld answers what an exception or a suppression held back.
func (x *Room) apiHeld(kind string) func(w http.ResponseWriter, r *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		rec, err := x.Desk.Store().Get(r.Context(), web.User(r), kind, r.PathValue("id"))
		if err != nil {
			return err
		}
		h, err := x.Store.Held(r.Context(), rec.ID)
		if err != nil {
			return err
		}
		out := heldJSON{Matches: h.Matches, Last: since(h.Last), Event: h.Event, Rules: []heldRuleJSON{}}
		for _, one := range h.Rules {
			out.Rules = append(out.Rules, heldRuleJSON(one))
		}
		return web.JSON(w, http.StatusOK, out)
	}
}

// apiPast answers what an exception would have kept back of the latest alerts.
func (x *Room) apiPast(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.Desk.Store().Get(r.Context(), web.User(r), Exception, r.PathValue("id"))
	if err != nil {
		return err
	}
	f, err := ParseFilter(rec.Str("filter"))
	if err != nil {
		return err
	}
	past, err := x.Store.Past(r.Context(), x.Alerts, f)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, past.json())
}

// draftJSON is the draft of an exception.
type draftJSON struct {
	Title  string           `json:"title"`
	Filter string           `json:"filter"`
	Fields []draftFieldJSON `json:"fields"`
	Past   pastJSON         `json:"past"`
}

type draftFieldJSON struct {
	Name   string   `json:"name"`
	Sigma  string   `json:"sigma_field"`
	Values []string `json:"values"`
	Chosen bool     `json:"chosen"`
}

func docDraft() *openapi.Operation {
	return &openapi.Operation{
		Summary: "Draft an exception of an alert, and see what it would have kept back", Tag: Exception, Answer: draftJSON{},
		Query: []openapi.Parameter{{Name: "field", Description: "A field of the alert's latest event that the exception asks for; without any, who did it and with what.", Many: true}},
	}
}

// apiDraft answers the draft of an exception: a title and a filter, to be made an exception by POST /api/v1/exceptions.
func (x *Room) apiDraft(w http.ResponseWriter, r *http.Request) error {
	view, one, err := x.draftOf(r, r.URL.Query()["field"])
	if err != nil {
		return err
	}
	if err := view.write(one); err != nil {
		return err
	}
	if err := x.look(r, view); err != nil {
		return err
	}
	out := draftJSON{Title: view.Title, Filter: view.Filter, Fields: []draftFieldJSON{}, Past: view.Past.json()}
	for _, f := range view.Fields {
		out.Fields = append(out.Fields, draftFieldJSON{f.Name, f.Sigma, f.Values, f.Chosen})
	}
	return web.JSON(w, http.StatusOK, out)
}
