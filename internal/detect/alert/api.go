package alert

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// alertJSON is an alert as programs see it. Times are RFC 3339.
type alertJSON struct {
	ID         string     `json:"id"`
	Rule       ruleJSON   `json:"rule"`
	Severity   string     `json:"severity"`
	Tactics    []string   `json:"tactics"`
	Techniques []string   `json:"techniques"`
	Entity     entityJSON `json:"entity"`
	HostName   string     `json:"host_name,omitempty"`
	UserName   string     `json:"user_name,omitempty"`
	SourceIP   string     `json:"source_ip,omitempty"`
	Unit       string     `json:"unit,omitempty"`
	State      State      `json:"state"`
	Verdict    Verdict    `json:"verdict,omitempty"`
	FirstSeen  time.Time  `json:"first_seen"`
	LastSeen   time.Time  `json:"last_seen"`
	Count      int64      `json:"count"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
	Version    int64      `json:"version"`
}

type ruleJSON struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type entityJSON struct {
	Kind  EntityKind `json:"kind"`
	Value string     `json:"value"`
}

type detailJSON struct {
	alertJSON
	Samples []json.RawMessage `json:"samples"`
	History []changeJSON      `json:"history"`
}

type changeJSON struct {
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	From    State     `json:"from"`
	To      State     `json:"to"`
	Verdict Verdict   `json:"verdict,omitempty"`
	Note    string    `json:"note,omitempty"`
}

func toJSON(a *Alert) alertJSON {
	return alertJSON{
		ID: a.ID, Rule: ruleJSON{a.RuleID, a.Title}, Severity: a.Severity.String(), Tactics: list(a.Tactics), Techniques: list(a.Techniques),
		Entity: entityJSON{a.Entity.Kind, a.Entity.Value}, HostName: a.HostName, UserName: a.UserName, SourceIP: a.SourceIP, Unit: a.Unit,
		State: a.State, Verdict: a.Verdict, FirstSeen: a.FirstSeen, LastSeen: a.LastSeen, Count: a.Count,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, Version: a.Version,
	}
}

// list is never null in JSON.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// apiList answers {"alerts": […], "next": "cursor"}; the query is that of the page, all states where it names none.
func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	ask, err := readWish(r, "all")
	if err != nil {
		return err
	}
	page, err := x.store.List(r.Context(), ask.filter, ask.sort, ask.cursor, ask.limit)
	if err != nil {
		return err
	}
	answer := struct {
		Alerts []alertJSON `json:"alerts"`
		Next   string      `json:"next,omitempty"`
	}{[]alertJSON{}, page.Next}
	for _, a := range page.Items {
		answer.Alerts = append(answer.Alerts, toJSON(a))
	}
	return web.JSON(w, http.StatusOK, answer)
}

// apiGet answers one alert with its samples and history.
func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	return x.answerDetail(w, r, r.PathValue("id"))
}

func (x *Room) answerDetail(w http.ResponseWriter, r *http.Request, id string) error {
	d, err := x.store.Detail(r.Context(), id)
	if err != nil {
		return err
	}
	answer := detailJSON{alertJSON: toJSON(d.Alert), Samples: []json.RawMessage{}, History: []changeJSON{}}
	for _, s := range d.Samples {
		answer.Samples = append(answer.Samples, s.Event)
	}
	for _, c := range d.History {
		answer.History = append(answer.History, changeJSON(c))
	}
	return web.JSON(w, http.StatusOK, answer)
}

// maxPatch is the largest body of a PATCH.
const maxPatch = 64 << 10

// apiPatch takes {"state", "verdict", "note", "version"}: what is left out stays as it is. It answers the alert.
func (x *Room) apiPatch(w http.ResponseWriter, r *http.Request) error {
	var patch struct {
		State   *State   `json:"state"`
		Verdict *Verdict `json:"verdict"`
		Note    string   `json:"note"`
		Version int64    `json:"version"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPatch))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&patch); err != nil {
		return badBody(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badBody(errors.New("more than one JSON value"))
	}
	id := r.PathValue("id")
	now, err := x.store.Get(r.Context(), id)
	if err != nil {
		return err
	}
	d := Decision{State: now.State, Verdict: now.Verdict, Note: patch.Note, Version: patch.Version}
	if patch.State != nil {
		d.State = *patch.State
		if d.State != Closed {
			d.Verdict = ""
		}
	}
	if patch.Verdict != nil {
		d.Verdict = *patch.Verdict
	}
	if d.Version == 0 {
		d.Version = now.Version // what was left out is what was just read
	}
	if _, err := x.store.Decide(r.Context(), id, web.User(r).ID, d); err != nil {
		return err
	}
	return x.answerDetail(w, r, id)
}

func badBody(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "", "the body has more than %d bytes", maxPatch)
	}
	return fault.New(fault.Invalid, "", "the body is no JSON object of state, verdict, note and version: %w", err)
}
