package room

import (
	"net/http"
	"slices"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

// apiRoutes are a person's own notices, for programs.
func (x *Room) apiRoutes() []web.Route {
	list := &openapi.Operation{Summary: "List your own notices, the latest first", Tag: "notifications", Answer: openapi.Page(openapi.Of(noticeJSON{}))}
	list.Description = "Notices of what you may no longer see are left out, so that a page may have fewer than there is room for."
	list.Query = []openapi.Parameter{
		{Name: "unread", Description: "true: only those that you have not read.", Schema: openapi.Boolean()}, {Name: "topic", Description: "The name of a topic."}, openapi.Cursor(),
	}
	read := &openapi.Operation{Summary: "Mark one of your notices read", Tag: "notifications", Headers: []openapi.Parameter{openapi.IdempotencyKey()}}
	all := &openapi.Operation{Summary: "Mark your notices read: all, or those until a time", Tag: "notifications", Body: readUntil{}, Headers: []openapi.Parameter{openapi.IdempotencyKey()}}
	deliveries := &openapi.Operation{Summary: "List deliveries of a state: what waits as it was added, what is done the latest first", Tag: "notifications", Answer: openapi.Page(openapi.Of(deliveryJSON{}))}
	deliveries.Query = []openapi.Parameter{{Name: "state", Description: "Left out is failed.", Schema: openapi.Enum(notify.DeliveryStates()...)}, openapi.Cursor()}
	retry := &openapi.Operation{Summary: "Try a delivery again", Tag: "notifications", Headers: []openapi.Parameter{openapi.IdempotencyKey()}}
	return []web.Route{
		{Pattern: "POST /api/v1/notifications/read", Permission: web.SignedIn, Handle: x.apiReadAll, Doc: all},
		{Pattern: "GET /api/v1/notifications/deliveries", Permission: MayRead, Handle: x.apiDeliveries, Doc: deliveries},
		{Pattern: "POST /api/v1/notifications/deliveries/{id}/retry", Permission: MayWrite, Handle: x.apiRetry, Doc: retry},
		{Pattern: "GET /api/v1/notifications", Permission: web.SignedIn, Handle: x.apiList, Doc: list},
		{Pattern: "POST /api/v1/notifications/{id}/read", Permission: web.SignedIn, Handle: x.apiRead, Doc: read},
	}
}

// noticeJSON is a notice as its reader's programs see it.
type noticeJSON struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"`
	Severity  string    `json:"severity"`
	Text      string    `json:"text"` // in the reader's language
	Count     int64     `json:"count"`
	At        time.Time `json:"at"`
	Read      bool      `json:"read"`
	Escalated bool      `json:"escalated"`
	Path      string    `json:"path,omitempty"` // the page of what it is about
}

func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	page, err := x.n.List(r.Context(), web.User(r).ID, notify.Filter{Unread: query.Get("unread") == "true", Topic: query.Get("topic"), Cursor: query.Get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	rows, err := x.show(r, page.Items)
	if err != nil {
		return err
	}
	answer := struct {
		Items []noticeJSON `json:"items"`
		Next  string       `json:"next,omitempty"`
	}{[]noticeJSON{}, page.Next}
	for _, e := range rows {
		answer.Items = append(answer.Items, noticeJSON{e.ID, e.Topic, e.Severity.String(), e.Text, e.Count, e.At, e.Read, e.Escalated, e.Path})
	}
	return web.JSON(w, http.StatusOK, answer)
}

func (x *Room) apiRead(w http.ResponseWriter, r *http.Request) error {
	if _, err := x.n.Read(r.Context(), web.User(r).ID, r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readUntil is which notices somebody has read.
type readUntil struct {
	Until *time.Time `json:"until,omitempty"` // left out is now
}

func (x *Room) apiReadAll(w http.ResponseWriter, r *http.Request) error {
	var asked readUntil
	if err := web.ReadJSON(w, r, &asked, 16<<10); err != nil {
		return err
	}
	until := time.Now()
	if asked.Until != nil {
		until = *asked.Until
	}
	if err := x.n.ReadAll(r.Context(), web.User(r).ID, until); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deliveryJSON is a delivery as programs see it.
type deliveryJSON struct {
	ID       string     `json:"id"`
	Channel  string     `json:"channel"` // mail, target
	To       string     `json:"to"`      // a person's id, or a target's
	Topic    string     `json:"topic"`
	Severity string     `json:"severity"`
	State    string     `json:"state"`
	Attempts int        `json:"attempts"`
	Answer   string     `json:"answer,omitempty"`
	Added    time.Time  `json:"added"`
	Due      *time.Time `json:"due,omitempty"`
	Done     *time.Time `json:"done,omitempty"`
}

func (x *Room) apiDeliveries(w http.ResponseWriter, r *http.Request) error {
	state := r.URL.Query().Get("state")
	if state == "" {
		state = notify.DeliveryStates()[0]
	}
	if !slices.Contains(notify.DeliveryStates(), state) {
		return fault.New(fault.Invalid, "", "there is no state %q", state)
	}
	page, err := x.n.Deliveries(r.Context(), notify.DeliveryFilter{State: state, Cursor: r.URL.Query().Get("cursor"), Limit: pageSize})
	if err != nil {
		return err
	}
	answer := struct {
		Items []deliveryJSON `json:"items"`
		Next  string         `json:"next,omitempty"`
	}{[]deliveryJSON{}, page.Next}
	for _, d := range page.Items {
		answer.Items = append(answer.Items, deliveryJSON{d.ID, d.Channel, d.Target, d.Topic, d.Severity.String(), d.State, d.Attempts, d.Answer, d.Added, moment(d.Due), moment(d.Done)})
	}
	return web.JSON(w, http.StatusOK, answer)
}

// moment leaves out what was never.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func (x *Room) apiRetry(w http.ResponseWriter, r *http.Request) error {
	if err := x.n.Retry(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
