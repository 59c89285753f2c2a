package desk

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiPath is where a kind's API is.
func (x *desk) apiPath() string { return "/api/v1" + x.kind.Path }

// apiRoutes are the kind's API: what its pages can do.
func (x *desk) apiRoutes() []web.Route {
	k, root := x.kind, x.apiPath()
	read, write := x.mayRead(), x.mayWrite()
	routes := []web.Route{
		{Pattern: "GET " + root, Permission: read, Handle: x.apiList, Doc: x.docList()},
		{Pattern: "GET " + root + "/{id}", Permission: read, Handle: x.apiGet, Doc: x.doc("Read one", nil, recordSchema(k))},
		{Pattern: "GET " + root + "/{id}/history", Permission: read, Handle: x.apiHistory, Doc: x.docHistory()},
		{Pattern: "POST " + root + "/{id}/moves/{move}", Permission: read, Handle: x.apiMove, Doc: changing(x.doc("Move one to another state", moveSchema(k), recordSchema(k)))},
	}
	if !k.Without.Create {
		doc := x.doc("Make one", valuesSchema(k, true), recordSchema(k))
		doc.Status = http.StatusCreated
		doc.Headers = []openapi.Parameter{openapi.IdempotencyKey()}
		routes = append(routes, web.Route{Pattern: "POST " + root, Permission: write, Handle: x.apiCreate, Doc: doc})
	}
	if !k.Without.Edit {
		routes = append(routes, web.Route{Pattern: "PATCH " + root + "/{id}", Permission: write, Handle: x.apiEdit,
			Doc: changing(x.doc("Change fields of one; what is left out stays", valuesSchema(k, false), recordSchema(k)))})
	}
	if !k.Without.Delete {
		remove := web.Permission(k.MayDelete())
		why := openapi.Object(openapi.Property{Name: "why", Schema: openapi.String(), Required: true})
		routes = append(routes,
			web.Route{Pattern: "DELETE " + root + "/{id}", Permission: remove, Handle: x.apiDelete, Doc: changing(x.doc("Delete one, with the reason; it is kept and can be restored", why, nil))},
			web.Route{Pattern: "POST " + root + "/{id}/restore", Permission: remove, Handle: x.apiRestore, Doc: changing(x.doc("Restore a deleted one", nil, recordSchema(k)))})
	}
	return routes
}

// apiList answers {"items": […], "next": "cursor"}; the query is that of the page.
func (x *desk) apiList(w http.ResponseWriter, r *http.Request) error {
	q, err := x.kind.ParseQuery(r.URL.Query(), "cursor", "limit")
	if err != nil {
		return err
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Store.List(r.Context(), x.kind.Name, q, x.env(r), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	items := make([]map[string]any, 0, len(page.Items))
	for _, rec := range page.Items {
		items = append(items, toJSON(rec, false))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
}

// pageOf is a page of a list; next is left out on the last.
func pageOf(items any, next string) map[string]any {
	page := map[string]any{"items": items}
	if next != "" {
		page["next"] = next
	}
	return page
}

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return 50, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > record.MaxPage {
		return 0, fault.New(fault.Invalid, "record.fault.limit", "limit %q is no number from 1 to %d", text, record.MaxPage)
	}
	return n, nil
}

func (x *desk) apiGet(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	if r.Header.Get("If-None-Match") == etag(rec.Version) {
		w.Header().Set("ETag", etag(rec.Version))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return answerOne(w, http.StatusOK, rec)
}

// etag is a record's version as HTTP has it (RFC 9110, section 8.8.3).
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

func answerOne(w http.ResponseWriter, status int, rec *record.Record) error {
	w.Header().Set("ETag", etag(rec.Version))
	return web.JSON(w, status, toJSON(rec, true))
}

// matched is the version that a change names by If-Match; 0 for none, or for "*".
func matched(r *http.Request) (int64, error) {
	text := r.Header.Get("If-Match")
	if text == "" || text == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Outdated, "", "If-Match %q is no version of this record", text)
	}
	return n, nil
}

// outdated makes a conflict what it is for programs that named a version: 412 (RFC 9110, section 13.1.1).
func outdated(w http.ResponseWriter, err error) error {
	if c, ok := record.AsConflict(err); ok {
		w.Header().Set("ETag", etag(c.Theirs.Version))
		return &fault.Error{Code: fault.Outdated, Detail: "the record is of version " + strconv.FormatInt(c.Theirs.Version, 10)}
	}
	return err
}

func (x *desk) apiCreate(w http.ResponseWriter, r *http.Request) error {
	var body map[string]any
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	values, err := x.fromJSON(r, body)
	if err != nil {
		return err
	}
	rec, err := x.opt.Store.Create(r.Context(), web.User(r), x.kind.Name, values)
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.apiPath()+"/"+rec.ID)
	return answerOne(w, http.StatusCreated, rec)
}

// noteMember is the member of a change's body that says why.
const noteMember = "note_of_change"

func (x *desk) apiEdit(w http.ResponseWriter, r *http.Request) error {
	var body map[string]any
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	note, _ := body[noteMember].(string)
	delete(body, noteMember)
	values, err := x.fromJSON(r, body)
	if err != nil {
		return err
	}
	was, err := matched(r)
	if err != nil {
		return err
	}
	rec, err := x.opt.Store.Edit(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), was, values, note)
	if err != nil {
		return outdated(w, err)
	}
	return answerOne(w, http.StatusOK, rec)
}

func (x *desk) apiMove(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Values map[string]any `json:"values"`
		Why    string         `json:"why"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	values, err := x.fromJSON(r, body.Values)
	if err != nil {
		return err
	}
	was, err := matched(r)
	if err != nil {
		return err
	}
	move := record.Moving{Move: r.PathValue("move"), Version: was, Values: values, Why: body.Why}
	rec, err := x.opt.Store.Move(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), move)
	if err != nil {
		return outdated(w, err)
	}
	return answerOne(w, http.StatusOK, rec)
}

func (x *desk) apiDelete(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Why string `json:"why"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	was, err := matched(r)
	if err != nil {
		return err
	}
	if err := x.opt.Store.Delete(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), was, body.Why); err != nil {
		return outdated(w, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *desk) apiRestore(w http.ResponseWriter, r *http.Request) error {
	was, err := matched(r)
	if err != nil {
		return err
	}
	if err := x.opt.Store.Restore(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), was); err != nil {
		return outdated(w, err)
	}
	return x.apiGet(w, r)
}

// entryJSON is an entry of a history as programs see it.
type entryJSON struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Note    string          `json:"note,omitempty"`
	Changes []record.Change `json:"changes"`
	Version int64           `json:"version"`
}

func (x *desk) apiHistory(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Store.History(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	items := make([]entryJSON, 0, len(page.Items))
	for _, e := range page.Items {
		items = append(items, entryJSON(e))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
}
