package room

import (
	"net/http"
	"time"

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
	return []web.Route{
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
