package search

import (
	"net/http"
	"net/url"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

const savedPath = "/api/v1/search/saved"

// savedRoutes are the saved searches, for programs.
func (x *Room) savedRoutes() []web.Route {
	doc := func(summary string, body, answer any) *openapi.Operation {
		return &openapi.Operation{Summary: summary, Tag: "search", Body: body, Answer: answer}
	}
	save := doc("Save a search; one of the same name is replaced", savedAsked{}, nil)
	save.Headers = []openapi.Parameter{openapi.IdempotencyKey()}
	return []web.Route{
		{Pattern: "GET " + savedPath, Permission: MayRead, Handle: x.apiSaved, Doc: doc("List the saved searches by name; all at once", nil, openapi.Page(openapi.Of(savedJSON{})))},
		{Pattern: "POST " + savedPath, Permission: MaySave, Handle: x.apiSave, Doc: save},
		{Pattern: "DELETE " + savedPath + "/{id}", Permission: MaySave, Handle: x.apiForget, Doc: doc("Forget a saved search", nil, nil)},
	}
}

// savedAsked is a search to be saved.
type savedAsked struct {
	Name  string `json:"name"`
	Query string `json:"query"` // LogsQL
	Since string `json:"since,omitempty"`
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

// savedJSON is a saved search as programs see it.
type savedJSON struct {
	ID string `json:"id"`
	savedAsked
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func (x *Room) apiSaved(w http.ResponseWriter, r *http.Request) error {
	list, err := x.saved.list(r.Context())
	if err != nil {
		return err
	}
	items := make([]savedJSON, 0, len(list))
	for _, one := range list {
		span, err := url.ParseQuery(one.Span)
		if err != nil {
			return err
		}
		items = append(items, savedJSON{one.ID, savedAsked{one.Name, one.Query, span.Get("since"), span.Get("start"), span.Get("end")}, one.CreatedBy, one.Created})
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": items})
}

func (x *Room) apiSave(w http.ResponseWriter, r *http.Request) error {
	var asked savedAsked
	if err := web.ReadJSON(w, r, &asked, 4*maxQuery); err != nil {
		return err
	}
	span := url.Values{}
	for name, text := range map[string]string{"since": asked.Since, "start": asked.Start, "end": asked.End} {
		if text != "" {
			span.Set(name, text)
		}
	}
	if err := x.saved.save(r.Context(), Saved{Name: asked.Name, Query: asked.Query, Span: span.Encode(), CreatedBy: web.User(r).ID}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *Room) apiForget(w http.ResponseWriter, r *http.Request) error {
	if err := x.saved.remove(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
