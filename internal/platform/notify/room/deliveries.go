package room

import (
	"net/http"
	"slices"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

type deliveryRow struct {
	notify.Delivery
	TopicName, To string
}

func (x *Room) deliveries(w http.ResponseWriter, r *http.Request) error {
	state, t := r.URL.Query().Get("state"), web.T(r)
	if state == "" {
		state = notify.DeliveryStates()[0]
	}
	if !slices.Contains(notify.DeliveryStates(), state) {
		return fault.New(fault.Invalid, "", "there is no state %q", state)
	}
	page, err := x.n.Deliveries(r.Context(), notify.DeliveryFilter{State: state, Cursor: r.URL.Query().Get("after"), Limit: pageSize})
	if err != nil {
		return err
	}
	targets, err := x.n.Targets(r.Context())
	if err != nil {
		return err
	}
	called := make(map[string]string, len(targets))
	for _, target := range targets {
		called[target.ID] = target.Name
	}
	var rows []deliveryRow
	for _, d := range page.Items {
		row := deliveryRow{Delivery: d, TopicName: x.n.TopicName(t, d.Topic), To: called[d.Target]}
		if d.Channel == "mail" {
			if p, err := x.opt.Person(r.Context(), d.Target); err == nil {
				row.To = p.Name
			} else if !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		rows = append(rows, row)
	}
	view := struct {
		Tabs, States []web.Tab
		Rows         []deliveryRow
		Pager        web.Pager
		State        string
		MayWrite     bool
	}{Tabs: x.tabs(r, "deliveries"), Rows: rows, Pager: next(r, page.Next), State: state, MayWrite: may(r)}
	for _, name := range notify.DeliveryStates() {
		view.States = append(view.States, web.Tab{Label: t.T("notify.state." + name), Path: "/notifications/deliveries?state=" + name, Current: name == state})
	}
	return x.site.Render(w, r, http.StatusOK, "notify/deliveries", view)
}

func (x *Room) retry(w http.ResponseWriter, r *http.Request) error {
	if err := x.n.Retry(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/notifications/deliveries", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.retried")})
}
