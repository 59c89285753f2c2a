package desk

import (
	"net/http"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// showClass says what the papers of a record are, and what they could be.
func (x *desk) showClass(r *http.Request, h *head) error {
	p := web.T(r)
	class, err := x.opt.Store.ClassOf(r.Context(), h.Record)
	h.Class = p.T("record.class." + string(class))
	if may := x.opt.Store.MayClass(x.kind); len(may) > 1 && mayWriteNow(web.User(r), h.Record) {
		for _, c := range may {
			h.Classes = append(h.Classes, option{Value: string(c), Label: p.T("record.class." + string(c)), Chosen: c == class})
		}
	}
	return err
}

// classify decides what the papers of a record are.
func (x *desk) classify(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	id := r.PathValue("id")
	err := x.opt.Store.Classify(r.Context(), web.User(r), x.kind.Name, id, record.Class(r.PostFormValue("class")), r.PostFormValue("why"))
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		return x.again(w, r, tabOverview, err)
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Redirect(w, r, x.kind.Address(id))
}
