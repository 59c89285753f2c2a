package desk

import (
	"net/http"
	"net/url"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiBulk changes many records at once, and takes it back. Who may, the store decides for each record.
func (x *desk) apiBulk() []web.Route {
	done := openapi.Of(bulkDone{})
	do := repeatable(x.doc("Change many at once: all of them or none", openapi.Of(bulkAsked{}).Replacing("values", valuesSchema(x.kind, false)), done))
	do.Description = "Name them by `ids`, or by `filter`, the query of a list; up to 1000. One of `move` (with the `values` that it takes), `delete`, and a change of `values` or tags. " +
		"Where one cannot be done nothing is, and the problem's detail names it. `undo` takes it back within an hour, where there is a way back."
	undo := repeatable(x.doc("Take back what you did to many at once", openapi.Of(undoAsked{}), done))
	return []web.Route{
		{Pattern: "POST " + x.apiPath() + "/-/bulk", Permission: x.mayRead(), Handle: x.apiBulkDo, Doc: do},
		{Pattern: "POST " + x.apiPath() + "/-/undo", Permission: x.mayRead(), Handle: x.apiUndo, Doc: undo},
	}
}

// bulkAsked is what is to be done to many records.
type bulkAsked struct {
	IDs        []string       `json:"ids,omitempty"`
	Filter     *string        `json:"filter,omitempty"`
	Move       string         `json:"move,omitempty"`
	Values     map[string]any `json:"values,omitempty"`
	AddTags    []string       `json:"add_tags,omitempty"`
	RemoveTags []string       `json:"remove_tags,omitempty"`
	Delete     bool           `json:"delete,omitempty"`
	Why        string         `json:"why,omitempty"`
}

// bulkDone is what was done.
type bulkDone struct {
	Action string `json:"action"`
	Count  int    `json:"count"` // of those that were changed
	Undo   string `json:"undo,omitempty"`
}

type undoAsked struct {
	Undo string `json:"undo"`
	Why  string `json:"why,omitempty"`
}

// bulk is what is asked, as the store takes it. What would be left undone without a word is an error.
func (a *bulkAsked) bulk(values record.Values) (record.Bulk, error) {
	do := record.Bulk{Move: a.Move, Values: values, Add: a.AddTags, Remove: a.RemoveTags, Delete: a.Delete, Why: a.Why}
	tags := len(a.AddTags)+len(a.RemoveTags) > 0
	if a.Move != "" && (a.Delete || tags) || a.Delete && (tags || len(values) > 0) {
		return do, fault.New(fault.Invalid, "", "a move, a deletion and a change of fields are three requests")
	}
	if _, named := values["tags"]; named && tags {
		return do, fault.New(fault.Invalid, "", "tags are set, or added and removed, not both")
	}
	return do, nil
}

func (x *desk) apiBulkDo(w http.ResponseWriter, r *http.Request) error {
	var asked bulkAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	values, err := x.fromJSON(r, asked.Values)
	if err != nil {
		return err
	}
	do, err := asked.bulk(values)
	if err != nil {
		return err
	}
	if asked.Filter != nil {
		if len(asked.IDs) > 0 {
			return fault.New(fault.Invalid, "", "records are named by ids or by a filter, not by both")
		}
		// What cannot be read must not pass for no condition at all.
		if _, err := url.ParseQuery(*asked.Filter); err != nil {
			return fault.New(fault.Invalid, "", "the filter is no query: %v", err)
		}
		if asked.IDs, err = x.listed(r, viewTab{Query: *asked.Filter}.values()); err != nil {
			return err
		}
	}
	undo, err := x.opt.Store.Bulk(r.Context(), web.User(r), x.kind.Name, asked.IDs, do)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, bulkDone{undo.Action, undo.Count, undo.ID})
}

func (x *desk) apiUndo(w http.ResponseWriter, r *http.Request) error {
	var asked undoAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if asked.Why == "" {
		asked.Why = web.T(r).T("record.bulk.undone.note")
	}
	undo, err := x.opt.Store.UndoBulk(r.Context(), web.User(r), x.kind.Name, asked.Undo, asked.Why)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, bulkDone{Action: undo.Action, Count: undo.Count})
}
