package desk

import (
	"net/http"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiClass is how far the papers of a record may go, for programs.
func (x *desk) apiClass() []web.Route {
	self := x.apiPath() + "/{id}/class"
	words := make([]string, 0, len(record.Classes()))
	for _, c := range record.Classes() {
		words = append(words, string(c))
	}
	answer := openapi.Of(classJSON{}).Replacing("class", openapi.Enum(words...)).Replacing("may", openapi.Array(openapi.Enum(words...)))
	ask := x.doc("Decide how far the papers of one may go; lowering takes the reason", openapi.Of(classAsked{}).Replacing("class", openapi.Enum(words...)), answer)
	return []web.Route{
		{Pattern: "GET " + self, Permission: x.mayRead(), Handle: x.apiClassOf, Doc: x.doc("Read how far the papers of one may go", nil, answer)},
		{Pattern: "PUT " + self, Permission: x.mayWrite(), Handle: x.apiClassify, Doc: ask},
	}
}

// classJSON is a record's class with those that it could have.
type classJSON struct {
	Class record.Class   `json:"class"`
	May   []record.Class `json:"may"`
}

type classAsked struct {
	Class record.Class `json:"class"`
	Why   string       `json:"why,omitempty"`
}

func (x *desk) apiClassOf(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.opt.Store.Get(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	class, err := x.opt.Store.ClassOf(r.Context(), rec)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, classJSON{class, x.opt.Store.MayClass(x.kind)})
}

func (x *desk) apiClassify(w http.ResponseWriter, r *http.Request) error {
	var asked classAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := x.opt.Store.Classify(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), asked.Class, asked.Why); err != nil {
		return err
	}
	return x.apiClassOf(w, r)
}
