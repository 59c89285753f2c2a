package desk

import (
	"net/http"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

// exportJSON is that somebody took a list out of the house.
type exportJSON struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Format string    `json:"format"`
	Query  string    `json:"query"`
	Fields []string  `json:"fields"`
	Sent   int64     `json:"sent"` // records
	State  string    `json:"state"`
}

// apiExports lists who exported, for those who may see it on the page.
func (x *desk) apiExports() web.Route {
	doc := x.doc("Who exported the list, the latest first", nil, openapi.Page(openapi.Of(exportJSON{})))
	doc.Query = paging()
	return web.Route{Pattern: "GET " + x.apiPath() + "/-/exports", Permission: web.Permission(x.kind.MayDelete()), Doc: doc, Handle: func(w http.ResponseWriter, r *http.Request) error {
		limit, err := limitOf(r)
		if err != nil {
			return err
		}
		page, err := x.opt.Store.Exports(r.Context(), web.User(r), x.kind.Name, r.URL.Query().Get("cursor"), limit)
		if err != nil {
			return err
		}
		items := make([]exportJSON, 0, len(page.Items))
		for _, e := range page.Items {
			items = append(items, exportJSON{e.ID, e.At, e.Actor, e.Format, e.Query, append([]string{}, e.Fields...), e.Sent, e.State})
		}
		return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
	}}
}
