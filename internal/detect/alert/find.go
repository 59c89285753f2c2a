package alert

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// find finds alerts for the search box, the latest first.
func (x *Room) find(ctx context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	titles := x.rules.Titles(web.Speaker(ctx).Lang())
	page, err := x.store.List(ctx, Filter{Text: query, Titles: titles}, ByLastSeen, "", limit)
	return foundAlerts(page.Items, titles), err
}

// waiting says on the overview how many alerts are new, and which of them are the gravest.
func (x *Room) waiting(ctx context.Context, user *auth.User) (*web.Waiting, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	fresh := Filter{States: []State{New}}
	tally, err := x.store.Tally(ctx, fresh)
	if err != nil {
		return nil, err
	}
	page, err := x.store.List(ctx, fresh, BySeverity, "", 5)
	if err != nil {
		return nil, err
	}
	card := &web.Waiting{
		Key: "alert.waiting", Order: 10, Path: "/alerts?state=new&sort=" + string(BySeverity), Empty: "alert.waiting.none",
		Items: foundAlerts(page.Items, x.rules.Titles(web.Speaker(ctx).Lang())),
	}
	for i := range card.Items {
		card.Items[i].State = "" // that it is new goes without saying here
	}
	for _, n := range tally[New] {
		card.Count += n
	}
	return card, nil
}

func foundAlerts(alerts []*Alert, titles map[string]string) []web.Found {
	var list []web.Found
	for _, a := range alerts {
		f := web.Found{Kind: "alert.title", Title: a.Title, Note: a.Entity.Value, Level: a.Severity.String(), State: "alert.state." + string(a.State), Path: "/alerts/" + a.ID}
		if title := titles[a.RuleID]; title != "" {
			f.Title = title
		}
		f.Tone = map[State]string{New: "new", InProgress: "active"}[a.State]
		list = append(list, f)
	}
	return list
}
